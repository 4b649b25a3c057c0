//! Commands over all keys of a database: KEYS, SCAN, RANDOMKEY. They lock one shard at a time, and each only for a
//! bounded step; between steps they let the thread's other connections have their turn, so that no command waits behind
//! them.

use super::ROW;
use crate::clients::session::Walk;
use crate::commands::keys::is_due;
use crate::commands::row::{Argument, Command, Flags, Locks};
use crate::commands::{Again, Args, Categories, CommandResult, Cx, Error};
use crate::config::glob::{self, Case};
use boxcar_resp::Reply;
use boxcar_store::{Record, SCAN_CURSOR_BITS};
use boxcar_sys::clock::monotonic_us;

/// Keys visited while a shard is locked: some tens of microseconds.
const STEP: usize = 512;

/// Default of SCAN's COUNT.
const COUNT: usize = 10;

/// Draws of RANDOMKEY that may meet an expired key before it looks for a living one in order.
const DRAWS: u32 = 16;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY,
        locks: Locks::Steps,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names \
            in the database and the given pattern have limited length.",
        summary: "Returns all keys that match a pattern.",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        arguments: &[Argument::new("pattern", "pattern")],
        handler: keys,
        ..ROW
    },
    Command {
        name: "scan",
        arity: -2,
        flags: Flags::READONLY,
        locks: Locks::Steps,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor \
            to return back to 0. N is the number of elements inside the collection.",
        summary: "Walks over the keys of a database, some with each call.",
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        arguments: &[
            Argument::new("cursor", "integer"),
            Argument::new("pattern", "pattern").after("MATCH").optional(),
            Argument::new("count", "integer").after("COUNT").optional(),
            Argument::new("type", "string").after("TYPE").optional().since("6.0.0"),
        ],
        handler: scan,
        ..ROW
    },
    Command {
        name: "randomkey",
        arity: 1,
        flags: Flags::READONLY,
        locks: Locks::Steps,
        summary: "Returns a random key.",
        tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        handler: randomkey,
        ..ROW
    },
];

/// Which keys are wanted.
#[derive(Clone, Copy)]
struct Filter<'a> {
    /// `None` for all: `*` matches the empty key, too, which the pattern as such does not.
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    now_ms: i64,
}

impl<'a> Filter<'a> {
    fn new(pattern: &'a [u8], kind: Option<&'a [u8]>, now_ms: i64) -> Self {
        Self { pattern: (pattern != b"*").then_some(pattern), kind, now_ms }
    }

    fn admits(&self, record: Record<'_>) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, record.key(), Case::Sensitive))
            && self.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(record.kind().name().as_bytes()))
            && !is_due(record, self.now_ms)
    }
}

/// Where a walk over all shards stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    shard: u32,
    /// The store's cursor in that shard.
    within: u64,
}

impl Position {
    const START: Self = Self { shard: 0, within: 0 };

    /// The position a client's cursor means; `None` for one that is behind the last shard.
    fn from_cursor(cursor: u64, shards: usize) -> Option<Self> {
        let shard =
            u32::try_from(cursor >> SCAN_CURSOR_BITS).ok().filter(|&shard| (shard as usize) < shards)?;
        Some(Self { shard, within: cursor & ((1 << SCAN_CURSOR_BITS) - 1) })
    }

    /// The cursor for the client. Only the start is 0.
    fn cursor(self) -> u64 {
        u64::from(self.shard) << SCAN_CURSOR_BITS | self.within
    }
}

/// Microseconds for which a walk may keep the thread; then other connections have their turn.
const TURN_US: u64 = 500;

/// Visits at least one record and about `count`, if there are so many in the shard, with the shard locked; returns
/// how many that were and where to go on, `None` at the end of the last shard.
fn step(
    cx: &mut Cx<'_, '_>,
    position: Position,
    count: usize,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<(usize, Option<Position>), Error> {
    let Position { shard, within } = position;
    let db = cx.keys.db;
    let mut visited = 0;
    let within = cx.keys.step(shard, |shard| {
        shard.db(db).scan(within, count, &mut |record| {
            visited += 1;
            visit(record);
        })
    })?;
    let next = match within {
        0 => Position { shard: shard + 1, within: 0 },
        within => Position { shard, within },
    };
    Ok((visited, Some(next).filter(|next| (next.shard as usize) < cx.keys.keyspace().shards())))
}

/// Goes on with a walk that was interrupted, or begins one; interrupts it when its turn is over or a shard is held.
/// Returns the walk at its end, its cursor being where another one would go on.
fn walk(cx: &mut Cx<'_, '_>, filter: Filter<'_>, cursor: u64, wanted: usize) -> Result<Box<Walk>, Error> {
    let begin = || Walk { cursor, wanted, count: 0, found: Reply::new(cx.reply.protocol()) };
    let mut walk = cx.session.walk.take().unwrap_or_else(|| Box::new(begin()));
    let deadline_us = monotonic_us() + TURN_US;
    let mut position = Position::from_cursor(walk.cursor, cx.keys.keyspace().shards());
    let mut interrupted = None;
    while let Some(at) = position
        && walk.wanted > 0
        && interrupted.is_none()
    {
        let Walk { found, count, wanted, .. } = &mut *walk;
        let stepped = step(cx, at, (*wanted).min(STEP), &mut |record| {
            if filter.admits(record) {
                found.bulk(record.key());
                *count += 1;
            }
        });
        match stepped {
            Ok((visited, next)) => {
                position = next;
                *wanted = wanted.saturating_sub(visited);
                let goes_on = next.is_some() && *wanted > 0 && !cx.in_transaction;
                if goes_on && monotonic_us() >= deadline_us {
                    interrupted = Some(Error::Again(Again::InTurn));
                }
            }
            Err(held) => interrupted = Some(held),
        }
    }
    walk.cursor = position.map_or(0, Position::cursor);
    match interrupted {
        None => Ok(walk),
        Some(interrupted) => {
            cx.session.walk = Some(walk);
            Err(interrupted)
        }
    }
}

fn keys(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let filter = Filter::new(args.at(1), None, cx.keys.now_ms);
    let walk = walk(cx, filter, Position::START.cursor(), usize::MAX)?;
    cx.reply.array(walk.count);
    cx.reply.raw(walk.found.as_bytes());
    Ok(())
}

fn scan(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let cursor = parse_cursor(args.at(1)).ok_or(const { Error::text("ERR invalid cursor") })?;
    let (filter, wanted) = parse_scan_options(args, cx.keys.now_ms)?;
    let walk = walk(cx, filter, cursor, wanted)?;
    cx.reply.array(2);
    // At most 12 bits of shard above 48 bits of position: positive as a signed integer, too.
    cx.reply.bulk_integer(walk.cursor as i64);
    cx.reply.array(walk.count);
    cx.reply.raw(walk.found.as_bytes());
    Ok(())
}

fn parse_scan_options(args: Args<'_>, now_ms: i64) -> Result<(Filter<'_>, usize), Error> {
    let (mut pattern, mut kind, mut count): (&[u8], _, _) = (b"*", None, COUNT);
    let mut i = 2;
    while i < args.len() {
        let value = args.get(i + 1).ok_or(Error::Syntax)?;
        if args.is(i, "MATCH") {
            pattern = value;
        } else if args.is(i, "COUNT") {
            let number = args.integer(i + 1)?;
            count = usize::try_from(number).ok().filter(|&count| count > 0).ok_or(Error::Syntax)?;
        } else if args.is(i, "TYPE") {
            kind = Some(value);
        } else {
            return Err(Error::Syntax);
        }
        i += 2;
    }
    Ok((Filter::new(pattern, kind, now_ms), count))
}

/// Reads a cursor as C's `strtoul` does, which Redis uses: with a sign (negative ones wrap), and nothing is 0.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let add = |value: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    };
    let value = digits.iter().try_fold(0, add)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

fn randomkey(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let mut key = None;
    for _ in 0..DRAWS {
        key = draw(cx)?;
        if key.is_some() {
            break;
        }
    }
    if key.is_none() {
        key = first_living(cx)?;
    }
    match key {
        Some(key) => cx.reply.bulk(&key),
        None => cx.reply.null(),
    }
    Ok(())
}

/// A random key, every one with nearly the same chance; `None` when it turns out to be expired, or when there is
/// none.
fn draw(cx: &mut Cx<'_, '_>) -> Result<Option<Vec<u8>>, Error> {
    let (keyspace, db, now_ms) = (cx.keys.keyspace(), cx.keys.db, cx.keys.now_ms);
    let total = keyspace.len(db);
    if total == 0 {
        return Ok(None);
    }
    let mut skip = rand::random_range(0..total);
    for shard in 0..keyspace.shards() as u32 {
        let (len, _) = keyspace.len_in(shard, db);
        if skip < len {
            return cx.keys.step(shard, |shard| {
                let part = shard.db(db);
                let record = part.random(rand::random()).filter(|record| !is_due(*record, now_ms));
                record.map(|record| record.key().to_vec())
            });
        }
        skip -= len;
    }
    Ok(None)
}

/// The first key that is not expired, in the order of the shards.
fn first_living(cx: &mut Cx<'_, '_>) -> Result<Option<Vec<u8>>, Error> {
    let now_ms = cx.keys.now_ms;
    let mut key = None;
    let mut position = Some(Position::START);
    while let Some(at) = position
        && key.is_none()
    {
        (_, position) = step(cx, at, STEP, &mut |record| {
            if key.is_none() && !is_due(record, now_ms) {
                key = Some(record.key().to_vec());
            }
        })?;
    }
    Ok(key)
}
