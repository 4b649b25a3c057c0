//! Places by their names: GEOADD, GEOPOS, GEOHASH, GEODIST.

use super::area::distance;
use super::grid::{Cell, FINEST, Point};
use super::{KEY, LATITUDE, LONGITUDE, MEMBER, ROW, UNIT, point, unit, write_distance, write_point};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::sorted_set::add::{Options, add_pairs};
use crate::commands::sorted_set::read;
use crate::commands::{Args, CommandResult, Cx, Error};
use smallvec::SmallVec;

/// One key, read for its data.
pub(super) const READS_FIRST: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))];

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds places to a sorted set, or moves those that are there.",
        arguments: &[
            KEY,
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .optional()
                .since("6.2.0"),
            Argument::word("change", "CH").optional().since("6.2.0"),
            Argument::block("data", &[LONGITUDE, LATITUDE, MEMBER]).multiple(),
        ],
        handler: geoadd,
        ..ROW
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns longitude and latitude of places.",
        arguments: &[KEY, MEMBER.optional().multiple()],
        handler: geopos,
        ..ROW
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns the geohashes of places, in their usual spelling.",
        arguments: &[KEY, MEMBER.optional().multiple()],
        handler: geohash,
        ..ROW
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "3.2.0",
        summary: "Returns the distance of two places.",
        arguments: &[
            KEY,
            Argument::new("member1", "string"),
            Argument::new("member2", "string"),
            UNIT.optional(),
        ],
        handler: geodist,
        ..ROW
    },
];

fn geoadd(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mut options = Options::default();
    let mut first = 2;
    while first < args.len() {
        let flag = match () {
            () if args.is(first, "NX") => &mut options.if_missing,
            () if args.is(first, "XX") => &mut options.if_present,
            () if args.is(first, "CH") => &mut options.count_changed,
            () => break,
        };
        *flag = true;
        first += 1;
    }
    let words = args.len() - first;
    if words == 0 || !words.is_multiple_of(3) || (options.if_missing && options.if_present) {
        return Err(Error::Syntax);
    }
    let mut pairs: SmallVec<[(f64, &[u8]); 8]> = SmallVec::with_capacity(words / 3);
    for i in (first..args.len()).step_by(3) {
        pairs.push((point(args, i)?.score(), args.at(i + 2)));
    }
    add_pairs(cx, args.at(1), options, &pairs)
}

fn geopos(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let set = read(cx.keys, args.at(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => write_point(cx.reply, Point::of_score(score)),
            None => cx.reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let set = read(cx.keys, args.at(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => cx.reply.bulk(&spell(Point::of_score(score))),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// The geohash of a place: five bits to a letter, in a grid that reaches to the poles. Of the eleventh letter there
/// are but two bits, and Redis writes `0`.
fn spell(point: Point) -> [u8; 11] {
    const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::of(point, FINEST, 90.0).bits;
    std::array::from_fn(|i| match i {
        10 => LETTERS[0],
        _ => LETTERS[(bits >> (2 * FINEST as usize - 5 * (i + 1))) as usize & 31],
    })
}

fn geodist(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let meters = match args.len() {
        4 => 1.0,
        5 => unit(args, 4)?,
        _ => return Err(Error::Syntax),
    };
    let place = |set: &boxcar_store::SortedSet, i| set.score(args.at(i)).map(Point::of_score);
    match read(cx.keys, args.at(1))?.and_then(|set| Some((place(set, 2)?, place(set, 3)?))) {
        Some((a, b)) => write_distance(cx.reply, distance(a, b) / meters),
        None => cx.reply.null(),
    }
    Ok(())
}
