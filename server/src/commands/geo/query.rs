//! The arguments of the searches.

use super::area::{Extent, Shape};
use super::grid::Point;
use super::{point, unit};
use crate::commands::float::parse_double;
use crate::commands::{Args, Error};
use boxcar_store::SortedSet;

/// Which command's arguments are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// GEORADIUS, and whether it may store.
    Radius {
        store: bool,
    },
    /// GEORADIUSBYMEMBER, and whether it may store.
    RadiusByMember {
        store: bool,
    },
    Search,
    SearchStore,
}

/// In which order places come, by their distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Ascending,
    Descending,
}

/// Everything that the arguments say.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Missing only when there is no such key.
    center: Option<Point>,
    extent: Option<(Extent, f64)>,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_coordinates: bool,
    /// COUNT: the most places.
    pub count: Option<usize>,
    /// ANY: any so many places, not the nearest ones.
    pub any: bool,
    pub sort: Option<Sort>,
    /// Where the argument stands that names the key for the result.
    pub store: Option<usize>,
    /// Distances are stored, not cells.
    pub store_distance: bool,
    /// Whether the words were there that say where to search: a center, and an extent.
    from: Option<From>,
    by: Option<By>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Coordinates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Radius,
    Box,
}

impl Query {
    /// Reads the arguments. Members are looked up in `set`; without one, everything else is checked nevertheless.
    pub(super) fn parse(args: Args<'_>, command: For, set: Option<&SortedSet>) -> Result<Self, Error> {
        let mut query = Self::default();
        let mut i = query.parse_fixed(args, command, set)?;
        while i < args.len() {
            let step = query.parse_flag(args, i);
            let step = if step > 0 { step } else { query.parse_option(args, i, command, set)? };
            i += step;
        }
        query.check(args, command)?;
        Ok(query)
    }

    /// The arguments that have their places; where the options begin.
    fn parse_fixed(&mut self, args: Args<'_>, command: For, set: Option<&SortedSet>) -> Result<usize, Error> {
        match command {
            For::Radius { .. } => {
                self.center = Some(point(args, 2)?);
                self.extent = Some(circle(args, 4)?);
                Ok(6)
            }
            For::RadiusByMember { .. } => {
                if let Some(set) = set {
                    self.center = Some(place_of(set, args.at(2))?);
                    self.extent = Some(circle(args, 3)?);
                }
                Ok(5)
            }
            For::Search => Ok(2),
            For::SearchStore => {
                self.store = Some(1);
                Ok(3)
            }
        }
    }

    /// A word that stands alone: 1 when there is one.
    fn parse_flag(&mut self, args: Args<'_>, i: usize) -> usize {
        match () {
            () if args.is(i, "WITHDIST") => self.with_distance = true,
            () if args.is(i, "WITHHASH") => self.with_hash = true,
            () if args.is(i, "WITHCOORD") => self.with_coordinates = true,
            () if args.is(i, "ANY") => self.any = true,
            () if args.is(i, "ASC") => self.sort = Some(Sort::Ascending),
            () if args.is(i, "DESC") => self.sort = Some(Sort::Descending),
            () => return 0,
        }
        1
    }

    /// A word with what follows it; how many arguments that is.
    fn parse_option(
        &mut self,
        args: Args<'_>,
        i: usize,
        command: For,
        set: Option<&SortedSet>,
    ) -> Result<usize, Error> {
        let behind = args.len() - i - 1;
        let search = matches!(command, For::Search | For::SearchStore);
        let stores = matches!(command, For::Radius { store: true } | For::RadiusByMember { store: true });
        if args.is(i, "COUNT") && behind >= 1 {
            let count = usize::try_from(args.integer(i + 1)?).ok().filter(|&count| count > 0);
            self.count = Some(count.ok_or(const { Error::text("ERR COUNT must be > 0") })?);
            return Ok(2);
        }
        if stores && behind >= 1 && (args.is(i, "STORE") || args.is(i, "STOREDIST")) {
            self.store = Some(i + 1);
            self.store_distance = args.is(i, "STOREDIST");
            return Ok(2);
        }
        if command == For::SearchStore && args.is(i, "STOREDIST") {
            self.store_distance = true;
            return Ok(1);
        }
        if !search {
            return Err(Error::Syntax);
        }
        self.parse_where(args, i, set)
    }

    /// FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX.
    fn parse_where(&mut self, args: Args<'_>, i: usize, set: Option<&SortedSet>) -> Result<usize, Error> {
        let behind = args.len() - i - 1;
        let may_come_from = |from| self.from.is_none_or(|said| said == from);
        let may_go_by = |by| self.by.is_none_or(|said| said == by);
        if args.is(i, "FROMMEMBER") && behind >= 1 && may_come_from(From::Member) {
            self.from = Some(From::Member);
            if let Some(set) = set {
                self.center = Some(place_of(set, args.at(i + 1))?);
            }
            Ok(2)
        } else if args.is(i, "FROMLONLAT") && behind >= 2 && may_come_from(From::Coordinates) {
            self.from = Some(From::Coordinates);
            self.center = Some(point(args, i + 1)?);
            Ok(3)
        } else if args.is(i, "BYRADIUS") && behind >= 2 && may_go_by(By::Radius) {
            self.by = Some(By::Radius);
            self.extent = Some(circle(args, i + 1)?);
            Ok(3)
        } else if args.is(i, "BYBOX") && behind >= 3 && may_go_by(By::Box) {
            self.by = Some(By::Box);
            self.extent = Some(rectangle(args, i + 1)?);
            Ok(4)
        } else {
            Err(Error::Syntax)
        }
    }

    /// What does not go together.
    fn check(&self, args: Args<'_>, command: For) -> Result<(), Error> {
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_coordinates) {
            let name =
                if command == For::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(format!(
                "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )
            .into());
        }
        if matches!(command, For::Search | For::SearchStore) {
            let missing = match (self.from, self.by) {
                (None, _) => Some("FROMMEMBER or FROMLONLAT"),
                (_, None) => Some("BYRADIUS and BYBOX"),
                _ => None,
            };
            if let Some(words) = missing {
                let start = format!("ERR exactly one of {words} can be specified for ");
                return Err(Error::Bytes([start.as_bytes(), args.at(0)].concat()));
            }
        }
        if self.any && self.count.is_none() {
            return Err(Error::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// What is searched.
    ///
    /// # Panics
    /// When the arguments were read without a set.
    pub(super) fn shape(&self) -> Shape {
        let center = self.center.expect("a query of an existing key has a center");
        let (extent, unit) = self.extent.expect("a query of an existing key has an extent");
        Shape { center, extent, unit }
    }
}

fn place_of(set: &SortedSet, member: &[u8]) -> Result<Point, Error> {
    let score = set.score(member);
    score.map(Point::of_score).ok_or(const { Error::text("ERR could not decode requested zset member") })
}

/// A radius at argument `i`, and its unit.
fn circle(args: Args<'_>, i: usize) -> Result<(Extent, f64), Error> {
    let radius = number(args, i, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(Error::text("ERR radius cannot be negative"));
    }
    Ok((Extent::Circle { radius }, unit(args, i + 1)?))
}

/// A width at argument `i`, a height, and their unit.
fn rectangle(args: Args<'_>, i: usize) -> Result<(Extent, f64), Error> {
    let width = number(args, i, "ERR need numeric width")?;
    let height = number(args, i + 1, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(Error::text("ERR height or width cannot be negative"));
    }
    Ok((Extent::Box { width, height }, unit(args, i + 2)?))
}

fn number(args: Args<'_>, i: usize, refusal: &'static str) -> Result<f64, Error> {
    parse_double(args.at(i)).ok_or(Error::text(refusal))
}
