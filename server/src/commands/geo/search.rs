//! Searching: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER with their read-only forms.

use super::area::Shape;
use super::grid::Point;
use super::place::READS_FIRST;
use super::query::{For, Query, Sort};
use super::{KEY, LATITUDE, LONGITUDE, MEMBER, ROW, UNIT, write_distance, write_point};
use crate::commands::row::{Argument, Begin, Command, Flags, KeyFlags, KeySpec};
use crate::commands::sorted_set::{limits, read, store, write_member};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_resp::Reply;
use boxcar_store::{IntegerText, SortedSet, SortedSetLimits, Value};

const READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const WRITTEN: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);

/// The key behind a word, searched from argument `from` on.
const fn key_after(word: &'static str, from: i32) -> KeySpec {
    KeySpec { begin: Begin::Keyword(word, from), ..KeySpec::one(0, WRITTEN) }
}

const RADIUS: Argument = Argument::new("radius", "double");
const COUNT: Argument = Argument::new("count", "integer").after("COUNT");
const ANY: Argument = Argument::word("any", "ANY").optional();
const COUNT_BLOCK: Argument = Argument::block("count-block", &[COUNT, ANY]).optional();
const COUNT_BLOCK_6_2: Argument = Argument::block("count-block", &[COUNT, ANY.since("6.2.0")]).optional();
const ORDER: Argument =
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional();
const WITHCOORD: Argument = Argument::word("withcoord", "WITHCOORD").optional();
const WITHDIST: Argument = Argument::word("withdist", "WITHDIST").optional();
const WITHHASH: Argument = Argument::word("withhash", "WITHHASH").optional();
const STORE: Argument = Argument::one_of(
    "store",
    &[
        Argument::new("storekey", "key").shown("key").after("STORE"),
        Argument::new("storedistkey", "key").shown("key").after("STOREDIST"),
    ],
)
.optional();
const FROM: Argument = Argument::one_of(
    "from",
    &[MEMBER.after("FROMMEMBER"), Argument::block("fromlonlat", &[LONGITUDE, LATITUDE]).after("FROMLONLAT")],
);
const BY: Argument = Argument::one_of(
    "by",
    &[
        Argument::block("circle", &[RADIUS.after("BYRADIUS"), UNIT]),
        Argument::block(
            "box",
            &[Argument::new("width", "double").after("BYBOX"), Argument::new("height", "double"), UNIT],
        ),
    ],
);

const RADIUS_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular \
    area delimited by center and radius and M is the number of items inside the index.";
const SEARCH_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area \
    around the shape provided as the filter and M is the number of items inside the shape";

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "georadius",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::MOVABLEKEYS]),
        keys: &[KeySpec::one(1, READ), key_after("STORE", 6), key_after("STOREDIST", 6)],
        since: "3.2.0",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns or stores the places within a distance from a point.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
        arguments: &[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_BLOCK_6_2,
            ORDER,
            STORE,
        ],
        handler: georadius,
        ..ROW
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "3.2.10",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns the places within a distance from a point.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        arguments: &[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_BLOCK_6_2,
            ORDER,
        ],
        handler: georadius_ro,
        ..ROW
    },
    Command {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::MOVABLEKEYS]),
        keys: &[KeySpec::one(1, READ), key_after("STORE", 5), key_after("STOREDIST", 5)],
        since: "3.2.0",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns or stores the places within a distance from another place.",
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        arguments: &[KEY, MEMBER, RADIUS, UNIT, WITHCOORD, WITHDIST, WITHHASH, COUNT_BLOCK, ORDER, STORE],
        handler: georadiusbymember,
        ..ROW
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "3.2.10",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns the places within a distance from another place.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        arguments: &[KEY, MEMBER, RADIUS, UNIT, WITHCOORD, WITHDIST, WITHHASH, COUNT_BLOCK, ORDER],
        handler: georadiusbymember_ro,
        ..ROW
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "6.2.0",
        complexity: SEARCH_COMPLEXITY,
        summary: "Returns the places in a circle or a box.",
        arguments: &[KEY, FROM, BY, ORDER, COUNT_BLOCK, WITHCOORD, WITHDIST, WITHHASH],
        handler: geosearch,
        ..ROW
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, WRITTEN), KeySpec::one(2, READ)],
        since: "6.2.0",
        complexity: SEARCH_COMPLEXITY,
        summary: "Stores the places in a circle or a box.",
        arguments: &[
            Argument::new("destination", "key"),
            Argument::new("source", "key"),
            FROM,
            BY,
            ORDER,
            COUNT_BLOCK,
            Argument::word("storedist", "STOREDIST").optional(),
        ],
        handler: geosearchstore,
        ..ROW
    },
];

fn georadius(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::Radius { store: true }, "georadiusstore")
}

fn georadius_ro(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::Radius { store: false }, "")
}

fn georadiusbymember(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::RadiusByMember { store: true }, "georadiusstore")
}

fn georadiusbymember_ro(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::RadiusByMember { store: false }, "")
}

fn geosearch(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::Search, "")
}

fn geosearchstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    search(cx, args, For::SearchStore, "geosearchstore")
}

/// A place that was found.
struct Found<'a> {
    member: Value<'a>,
    score: f64,
    point: Point,
    /// Meters from the center.
    distance: f64,
}

/// Searches, and replies or stores under that event's name.
fn search(cx: &mut Cx<'_, '_>, args: Args<'_>, command: For, event: &'static str) -> CommandResult {
    let source = if command == For::SearchStore { 2 } else { 1 };
    let limits = limits(cx.server);
    let set = read(cx.keys, args.at(source))?;
    let query = Query::parse(args, command, set)?;
    let found = set.map(|set| find(set, &query)).unwrap_or_default();
    match query.store {
        None => write_found(cx.reply, &found, &query),
        Some(key) => {
            let set = set_of(&found, &query, limits);
            store(cx, args.at(key), set, event);
        }
    }
    Ok(())
}

/// The places, in the order and number that the query asks for.
fn find<'a>(set: &'a SortedSet, query: &Query) -> Vec<Found<'a>> {
    let shape = query.shape();
    let enough = query.count.filter(|_| query.any).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for cell in shape.cells() {
        collect(set, &shape, cell.scores(), enough, &mut found);
        if found.len() >= enough {
            break;
        }
    }
    // The nearest ones are wanted when only some are.
    let nearest = query.count.filter(|_| !query.any).map(|_| Sort::Ascending);
    match query.sort.or(nearest) {
        Some(Sort::Ascending) => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Some(Sort::Descending) => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        None => {}
    }
    found.truncate(query.count.unwrap_or(usize::MAX));
    found
}

/// Adds the places of one cell that are inside the shape, until there are enough.
fn collect<'a>(
    set: &'a SortedSet,
    shape: &Shape,
    (first, behind): (f64, f64),
    enough: usize,
    found: &mut Vec<Found<'a>>,
) {
    let start = set.partition_point(|score, _| score < first);
    let end = set.partition_point(|score, _| score < behind);
    for (member, score) in set.range(start..end) {
        let point = Point::of_score(score);
        if let Some(distance) = shape.distance_within(point) {
            found.push(Found { member, score, point, distance });
            if found.len() >= enough {
                return;
            }
        }
    }
}

fn write_found(reply: &mut Reply, found: &[Found<'_>], query: &Query) {
    let options = [query.with_distance, query.with_hash, query.with_coordinates];
    let options = options.into_iter().filter(|&wanted| wanted).count();
    reply.array(found.len());
    for place in found {
        if options > 0 {
            reply.array(1 + options);
        }
        write_member(reply, place.member);
        if query.with_distance {
            write_distance(reply, place.distance / query.shape().unit);
        }
        if query.with_hash {
            reply.integer(place.score as i64);
        }
        if query.with_coordinates {
            write_point(reply, place.point);
        }
    }
}

fn set_of(found: &[Found<'_>], query: &Query, limits: SortedSetLimits) -> SortedSet {
    let longest = found.iter().map(|place| place.member.len()).max().unwrap_or(0);
    let mut set = SortedSet::for_members(found.len(), longest, limits);
    let mut text = IntegerText::default();
    for place in found {
        let score = if query.store_distance { place.distance / query.shape().unit } else { place.score };
        set.insert(place.member.as_bytes(&mut text), score, limits);
    }
    set
}
