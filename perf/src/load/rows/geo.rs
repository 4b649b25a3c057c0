//! Positions: each member of a key has a place of its own.

use super::checks::{at_most, double, found, items, member, one_for_each, some_of_the_named, unexpected};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use crate::load::sizes::{below, scramble};
use boxcar_resp::client::Value;

const POSITIONS: Family = Family::Positions;

/// Radius of a search in kilometres.
const RADIUS_KM: f64 = 2_000.0;

/// Radius of the sphere that Redis's distances are on, in metres.
const EARTH: f64 = 6_372_797.560_856;

/// Positions are kept in 52 bits: a fraction of this, in degrees.
const TOLERANCE: f64 = 1e-4;

pub(super) const ROWS: &[Row] = &[
    row(
        "geoadd",
        "GEOADD key longitude latitude member ... (n members)",
        POSITIONS,
        geoadd,
        some_of_the_named,
    )
    .of(1),
    row("geopos", "GEOPOS key member ... (n members)", POSITIONS, geopos, check_geopos).of(1),
    row("geodist", "GEODIST key member member", POSITIONS, geodist, check_geodist),
    row(
        "geosearch",
        "GEOSEARCH key FROMLONLAT ... BYRADIUS 2000 km ASC COUNT n",
        POSITIONS,
        geosearch,
        check_geosearch,
    )
    .of(10),
];

/// Longitude and latitude in ten-thousandths of a degree, well inside of what may be indexed.
fn place(world: &World, key: u64, member: u64) -> (i64, i64) {
    let bits = scramble(world.identity(key, member));
    let longitude = below(bits, 3_400_001) as i64 - 1_700_000;
    let latitude = below(scramble(bits), 1_600_001) as i64 - 800_000;
    (longitude, latitude)
}

fn degrees(place: (i64, i64)) -> (f64, f64) {
    (place.0 as f64 / 1e4, place.1 as f64 / 1e4)
}

/// Metres between two places, by the haversine formula.
fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (longitude, latitude) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let half = (latitude / 2.0).sin().powi(2)
        + a.1.to_radians().cos() * b.1.to_radians().cos() * (longitude / 2.0).sin().powi(2);
    2.0 * EARTH * half.sqrt().min(1.0).asin()
}

fn coordinates(command: &mut Command<'_>, place: (i64, i64)) {
    let (longitude, latitude) = degrees(place);
    command.text(format!("{longitude:.4}").as_bytes());
    command.text(format!("{latitude:.4}").as_bytes());
}

fn geoadd(command: &mut Command<'_>, asked: &Asked) {
    command.begin("GEOADD", 1 + 3 * asked.elements as usize);
    command.key(POSITIONS, asked.key());
    for index in 0..asked.elements {
        let member = asked.member(command.world, index);
        coordinates(command, place(command.world, asked.key(), member));
        command.member(member);
    }
}

fn geopos(command: &mut Command<'_>, asked: &Asked) {
    command.begin("GEOPOS", 1 + asked.elements as usize);
    command.key(POSITIONS, asked.key());
    for index in 0..asked.elements {
        command.member(asked.member(command.world, index));
    }
}

fn geodist(command: &mut Command<'_>, asked: &Asked) {
    command.begin("GEODIST", 3);
    command.key(POSITIONS, asked.key());
    command.member(asked.member(command.world, 0));
    command.member(asked.member(command.world, 1));
}

fn geosearch(command: &mut Command<'_>, asked: &Asked) {
    command.begin("GEOSEARCH", 10);
    command.key(POSITIONS, asked.key());
    command.text(b"FROMLONLAT");
    coordinates(command, place(command.world, asked.key(), asked.member(command.world, 0)));
    command.text(b"BYRADIUS");
    command.number(RADIUS_KM as u64);
    command.text(b"km");
    command.text(b"ASC");
    command.text(b"COUNT");
    command.number(asked.elements);
}

fn check_geopos(world: &World, asked: &Asked, value: &Value) -> Checked {
    let mut all = Found::Something;
    for (index, item) in (0..).zip(one_for_each(asked, value)?) {
        if *item == Value::Null {
            all = Found::Nothing;
            continue;
        }
        let [longitude, latitude] = items(item)? else { return Err(unexpected(item)) };
        let expected = degrees(place(world, asked.key(), asked.member(world, index)));
        let shown = (double(longitude)?, double(latitude)?);
        if (shown.0 - expected.0).abs() > TOLERANCE || (shown.1 - expected.1).abs() > TOLERANCE {
            return Err(format!("position {shown:?} instead of {expected:?}"));
        }
    }
    Ok(all)
}

fn check_geodist(world: &World, asked: &Asked, value: &Value) -> Checked {
    if *value == Value::Null {
        return Ok(Found::Nothing);
    }
    let place = |index| degrees(place(world, asked.key(), asked.member(world, index)));
    let (shown, expected) = (double(value)?, metres(place(0), place(1)));
    // Each end is off by a metre at most.
    if (shown - expected).abs() <= 5.0 {
        Ok(Found::Something)
    } else {
        Err(format!("{shown} m instead of {expected} m"))
    }
}

fn check_geosearch(world: &World, asked: &Asked, value: &Value) -> Checked {
    let centre = degrees(place(world, asked.key(), asked.member(world, 0)));
    let items = at_most(value, u64::from(asked.elements))?;
    let mut last = 0.0;
    for item in items {
        let distance = metres(centre, degrees(place(world, asked.key(), member(world, item)?)));
        if distance > RADIUS_KM * 1e3 + 5.0 || distance < last - 5.0 {
            return Err(format!("a member {distance} m away behind one {last} m away"));
        }
        last = distance;
    }
    Ok(found(items))
}
