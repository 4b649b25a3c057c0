//! Places on the earth, kept in sorted sets: the score is the cell of a grid.
//!
//! - `place`: GEOADD, GEOPOS, GEOHASH, GEODIST.
//! - `search`: GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS and GEORADIUSBYMEMBER; `query` reads their arguments.
//! - `grid`: cells and coordinates.
//! - `area`: distances, shapes, and the cells that cover a shape.

mod area;
mod grid;
pub mod place;
mod query;
pub mod search;
#[cfg(test)]
mod tests;

use super::row::{Argument, Categories, Command, Group, Locks};
use super::{Args, Error};
use boxcar_resp::Reply;
use grid::Point;
use smallvec::SmallVec;

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[place::COMMANDS, search::COMMANDS];

/// What the rows have in common.
const ROW: Command =
    Command { group: Group::Geo, categories: Categories::GEO, locks: Locks::Keys, ..Command::DEFAULT };

const KEY: Argument = Argument::new("key", "key");
const MEMBER: Argument = Argument::new("member", "string");
const LONGITUDE: Argument = Argument::new("longitude", "double");
const LATITUDE: Argument = Argument::new("latitude", "double");
const UNIT: Argument = Argument::one_of(
    "unit",
    &[
        Argument::word("m", "M"),
        Argument::word("km", "KM"),
        Argument::word("ft", "FT"),
        Argument::word("mi", "MI"),
    ],
);

/// Meters of the unit that argument `i` names.
fn unit(args: Args<'_>, i: usize) -> Result<f64, Error> {
    [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)]
        .into_iter()
        .find_map(|(word, meters)| args.is(i, word).then_some(meters))
        .ok_or(const { Error::text("ERR unsupported unit provided. please use M, KM, FT, MI") })
}

/// The longitude at argument `i`, and the latitude behind it.
fn point(args: Args<'_>, i: usize) -> Result<Point, Error> {
    let point = Point { longitude: args.double(i)?, latitude: args.double(i + 1)? };
    if point.is_on_grid() {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    Err(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}").into())
}

/// Replies with a distance, which is not negative: four decimals. There is none on Earth that is too large for the integers here.
fn write_distance(reply: &mut Reply, distance: f64) {
    const UNIT: u64 = 10_000;
    let rounded = (distance * UNIT as f64).round_ties_even() as u64;
    let (mut whole, mut decimals) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut text: SmallVec<[u8; 32]> = SmallVec::from_slice(whole.format(rounded / UNIT).as_bytes());
    text.push(b'.');
    // A one in front keeps the zeros.
    text.extend_from_slice(&decimals.format(UNIT + rounded % UNIT).as_bytes()[1..]);
    reply.bulk(&text);
}

/// Replies with a place: two doubles like any others, as Redis does since 8.0.
fn write_point(reply: &mut Reply, point: Point) {
    reply.array(2);
    reply.double(point.longitude);
    reply.double(point.latitude);
}
