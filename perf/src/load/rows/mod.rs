//! The table of what a mix may ask for: one row a command, with how to encode it and how to check its reply.
//!
//! A row never keeps state: all that is random about a request stands in [`Asked`], from which the bytes are written
//! and against which the reply is checked. What the requests of a run have in common (sizes of values, number of
//! members, versions) stands in [`World`]. Each data type has keys of its own, so that any rows can be mixed.

mod bits;
mod checks;
mod command;
mod connections;
mod geo;
mod hashes;
mod ledger;
mod lists;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

pub(super) use command::Command;
pub(super) use ledger::Ledger;

use super::sizes::{below, scramble};
use super::values::Values;
use boxcar_resp::client::Value;
use smallvec::SmallVec;
use std::fmt;

/// Whose keys a row uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Strings that hold values: the keys of GET and SET.
    Strings,
    /// Strings that hold integers.
    Counters,
    /// Lists.
    Lists,
    /// Hashes.
    Hashes,
    /// Sets.
    Sets,
    /// Sorted sets whose scores belong to their members.
    SortedSets,
    /// Sorted sets whose scores are counted up.
    Boards,
    /// Streams.
    Streams,
    /// HyperLogLogs.
    HyperLogLogs,
    /// Bitmaps.
    Bitmaps,
    /// Sorted sets of positions.
    Positions,
    /// Channels of publish/subscribe.
    Channels,
    /// No keys.
    Connections,
}

impl Family {
    /// What stands between the prefix and the digits of a key, so that no key has two types.
    pub(super) fn infix(self) -> &'static str {
        match self {
            Family::Strings | Family::Connections => "",
            Family::Counters => "counter:",
            Family::Lists => "list:",
            Family::Hashes => "hash:",
            Family::Sets => "set:",
            Family::SortedSets => "zset:",
            Family::Boards => "board:",
            Family::Streams => "stream:",
            Family::HyperLogLogs => "hll:",
            Family::Bitmaps => "bitmap:",
            Family::Positions => "geo:",
            Family::Channels => "channel:",
        }
    }

    /// What `--preload` sends for every key, one after the other.
    pub(super) fn fill(self) -> &'static [Fill] {
        match self {
            Family::Strings => &[Fill { row: "set", each: false }],
            // What was there before would add up: the end is cut to as many as belong there.
            Family::Lists => &[Fill { row: "rpush", each: false }, Fill { row: "ltrim", each: false }],
            Family::Hashes => &[Fill { row: "hset", each: false }],
            Family::Sets => &[Fill { row: "sadd", each: false }],
            Family::SortedSets => &[Fill { row: "zadd", each: false }],
            Family::Streams => &[Fill { row: "xadd", each: true }, Fill { row: "xtrim", each: false }],
            Family::HyperLogLogs => &[Fill { row: "pfadd", each: false }],
            Family::Bitmaps => &[Fill { row: "setbit", each: true }],
            Family::Positions => &[Fill { row: "geoadd", each: false }],
            Family::Counters | Family::Boards | Family::Channels | Family::Connections => &[],
        }
    }
}

/// A step of loading a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub row: &'static str,
    /// Once for each member instead of once with all members.
    pub each: bool,
}

/// What a row does with the values of strings, for the register of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Shows their versions.
    Reads,
    /// Gives them new versions.
    Writes,
    /// Counts an integer up.
    Counts,
    /// None of that.
    Other,
}

/// A row of the table.
pub struct Row {
    /// What a mix calls it.
    pub name: &'static str,
    /// What it sends, `n` being the number of elements.
    pub sends: &'static str,
    /// Whose keys it uses.
    pub family: Family,
    /// How many elements it names unless the mix says otherwise; `None`: it has no such number.
    pub elements: Option<u32>,
    /// Whether the elements are keys.
    pub(super) many_keys: bool,
    pub(super) access: Access,
    pub(super) encode: fn(&mut Command<'_>, &Asked),
    pub(super) check: fn(&World, &Asked, &Value) -> Checked,
}

/// What a checked reply was, or what is wrong with it.
pub(super) type Checked = Result<Found, String>;

/// Whether a reply brought something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Something,
    Nothing,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.name)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.name == other.name
    }
}

/// A row that only has a name, a family and its two functions; the others are made from it.
const fn row(
    name: &'static str,
    sends: &'static str,
    family: Family,
    encode: fn(&mut Command<'_>, &Asked),
    check: fn(&World, &Asked, &Value) -> Checked,
) -> Row {
    Row { name, sends, family, elements: None, many_keys: false, access: Access::Other, encode, check }
}

impl Row {
    const fn of(mut self, elements: u32) -> Row {
        self.elements = Some(elements);
        self
    }

    const fn keys(mut self) -> Row {
        self.many_keys = true;
        self
    }

    const fn access(mut self, access: Access) -> Row {
        self.access = access;
        self
    }
}

/// All rows, family by family.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        strings::ROWS,
        lists::ROWS,
        hashes::ROWS,
        sets::ROWS,
        sorted_sets::ROWS,
        streams::ROWS,
        bits::ROWS,
        geo::ROWS,
        connections::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The row called `name`.
pub fn find(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

/// A key of a request, and what is known of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub key: u64,
    /// Of a write: the version written. Of a read: the version acknowledged before it was sent (0: none by this run).
    /// Of a count: the number that its reply must exceed.
    pub version: u32,
}

/// A request: all that its bytes and the check of its reply depend on.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its number in the mix.
    pub share: u16,
    pub row: &'static Row,
    pub elements: u32,
    /// Random bits for all choices beside the key's.
    pub detail: u64,
    pub targets: SmallVec<[Target; 1]>,
}

impl Asked {
    /// The first key, or the only one.
    pub fn key(&self) -> u64 {
        self.targets[0].key
    }

    /// The `index`th of the members that this request names.
    pub fn member(&self, world: &World, index: u32) -> u64 {
        (below(scramble(self.detail), world.members) + u64::from(index)) % world.members
    }
}

/// What all requests of a run have in common.
#[derive(Debug)]
pub(super) struct World {
    pub values: Values,
    pub prefix: String,
    /// Members of each hash, set, sorted set, ...; at least 1.
    pub members: u64,
    /// Lifetimes of what SET writes, in milliseconds, both ends included.
    pub expire: Option<(u64, u64)>,
    /// Whether keys may vanish by the run's own doing.
    pub volatile: bool,
    /// Versions, if replies are verified.
    pub ledger: Option<Ledger>,
}

impl World {
    /// A number that belongs to a member of a key and to no other's.
    pub fn identity(&self, key: u64, member: u64) -> u64 {
        key * self.members + member
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_resp::client::decode;
    use std::collections::HashSet;

    pub(in crate::load) fn world() -> World {
        World {
            values: Values::new(10, 200),
            prefix: "key:".to_owned(),
            members: 16,
            expire: None,
            volatile: false,
            ledger: None,
        }
    }

    #[test]
    fn every_row_writes_one_whole_command() {
        let world = world();
        for row in rows() {
            for elements in [1, row.elements.unwrap_or(1), row.elements.map_or(1, |_| 40)] {
                let keys = if row.many_keys { elements } else { 1 };
                let targets = (0..keys).map(|key| Target { key: u64::from(key), version: 1 }).collect();
                let asked = Asked { share: 0, row, elements, detail: 99, targets };
                let mut out = Vec::new();
                (row.encode)(&mut Command { out: &mut out, world: &world }, &asked);
                let (value, length) = decode(&out).unwrap().unwrap();
                assert_eq!(length, out.len(), "{}", row.name);
                assert!(matches!(value, Value::Array(_)), "{}", row.name);
            }
        }
    }

    #[test]
    fn no_row_takes_any_reply() {
        let world = world();
        for row in rows() {
            let targets = (0..3).map(|key| Target { key, version: 0 }).collect();
            let asked = Asked { share: 0, row, elements: 3, detail: 99, targets };
            for wrong in [Value::Simple(b"QUEUED".to_vec()), Value::Boolean(true), Value::Integer(-17)] {
                assert!((row.check)(&world, &asked, &wrong).is_err(), "{} took {wrong:?}", row.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_fills_exist() {
        let mut names = HashSet::new();
        for row in rows() {
            assert!(names.insert(row.name), "{} twice", row.name);
            assert!(row.elements.is_some() || !row.many_keys, "{}", row.name);
            for fill in row.family.fill() {
                assert_eq!(find(fill.row).map(|row| row.family), Some(row.family), "{}", fill.row);
            }
        }
    }
}
