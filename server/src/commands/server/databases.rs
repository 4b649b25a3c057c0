//! DBSIZE, FLUSHDB, FLUSHALL, SWAPDB: databases as wholes.

use super::ROW;
use crate::commands::reclaim::FREED_AT_ONCE_MAX;
use crate::commands::row::{Argument, Categories, Command, Flags, Locks};
use crate::commands::{Args, CommandResult, Cx, Error, Keys, args::parse_integer};
use crate::config::rows;
use boxcar_store::DetachedDb;

const FLUSH_ARGUMENTS: &[Argument] = &[Argument::one_of(
    "flush-type",
    &[Argument::word("async", "ASYNC").since("4.0.0"), Argument::word("sync", "SYNC").since("6.2.0")],
)
.optional()];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "dbsize",
        arity: 1,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        categories: Categories::KEYSPACE,
        summary: "Returns the number of keys in the database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        handler: dbsize,
        ..ROW
    },
    Command {
        name: "flushall",
        arity: -1,
        flags: Flags::WRITE,
        locks: Locks::Keyspace,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Removes all keys of all databases.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: FLUSH_ARGUMENTS,
        handler: flushall,
        ..ROW
    },
    Command {
        name: "flushdb",
        arity: -1,
        flags: Flags::WRITE,
        locks: Locks::Keyspace,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Removes all keys of the database.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: FLUSH_ARGUMENTS,
        handler: flushdb,
        ..ROW
    },
    Command {
        name: "swapdb",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        locks: Locks::Keyspace,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        summary: "Exchanges the contents of two databases.",
        arguments: &[Argument::new("index1", "integer"), Argument::new("index2", "integer")],
        handler: swapdb,
        ..ROW
    },
];

fn dbsize(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.server.keyspace.len(cx.session.db) as i64);
    Ok(())
}

/// Whether the freeing is left to the background: as asked, else as `lazyfree-lazy-user-flush` says.
fn in_background(cx: &Cx<'_, '_>, args: Args<'_>) -> Result<bool, Error> {
    match args.len() {
        1 => Ok(cx.server.config.bool(rows::LAZYFREE_LAZY_USER_FLUSH)),
        2 if args.is(1, "async") => Ok(true),
        2 if args.is(1, "sync") => Ok(false),
        _ => Err(Error::Syntax),
    }
}

fn flushdb(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let background = in_background(cx, args)?;
    let db = cx.session.db;
    flush(cx, db..db + 1, background);
    cx.reply.ok();
    Ok(())
}

fn flushall(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let background = in_background(cx, args)?;
    let databases = cx.server.keyspace.databases();
    flush(cx, 0..databases, background);
    cx.reply.ok();
    Ok(())
}

/// Takes the contents of the databases out of every shard, tells watchers, and has them freed: outside of the locks,
/// unless a transaction still needs them.
fn flush(cx: &mut Cx<'_, '_>, databases: std::ops::Range<usize>, background: bool) {
    let mut detached: Vec<DetachedDb> = Vec::new();
    for shard in 0..cx.server.keyspace.shards() as u32 {
        for db in databases.clone() {
            touch_awaited(cx.keys, shard, db, None);
            let shard = cx.keys.shard(shard);
            if let Some(concerned) = shard.ext().concerned() {
                concerned.tracked.clear();
            }
            if !shard.db(db).is_empty() {
                detached.push(shard.take_database(db));
            }
        }
    }
    if cx.server.tracking.is_on() {
        cx.keys.news.mailed_self |= cx.server.tracking.flush(cx.session.client.id);
    }
    let removed: usize = detached.iter().map(DetachedDb::len).sum();
    let memory: usize = detached.iter().map(DetachedDb::memory).sum();
    cx.stats.metrics.changes.add(removed as u64);
    // The locks stay where clients that wait are yet to be told.
    if background || memory > FREED_AT_ONCE_MAX || cx.keys.has_ready() {
        cx.server.reclaimer.free(detached, removed);
        return;
    }
    if !cx.in_transaction {
        cx.keys.count_growth(&cx.server.budget);
        cx.keys.release();
    }
    drop(detached);
}

/// Tells those who watch or wait for the keys of `db` in this shard whose value is about to change: keys that exist,
/// and keys that come into being when `replacement` takes the database's place. A key that is missing on both sides
/// does not change, and a key there whose time has come is as good as missing: it is removed, so that nothing happens later.
fn touch_awaited(keys: &mut Keys<'_>, shard: u32, db: usize, replacement: Option<usize>) {
    if !keys.shard(shard).ext().is_observed() {
        return;
    }
    for key in keys.shard(shard).ext().awaited_keys(db) {
        let hash = keys.locate(&key).hash;
        // Even if its time has come: it was alive when it was watched, or was set later.
        let exists = keys.shard(shard).db(db).get(hash, &key).is_some();
        if exists || replacement.is_some_and(|other| keys.in_db(other, |keys| keys.exists(&key))) {
            keys.shard(shard).ext().fail_watchers(db, &key);
            let place = keys.locate(&key);
            keys.in_db(db, |keys| keys.make_ready(place, &key));
        }
    }
}

fn swapdb(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    // Both must be numbers before either is held against the number of databases.
    let number = |argument: usize, error: &'static str| {
        let number = parse_integer(args.at(argument)).and_then(|number| i32::try_from(number).ok());
        number.ok_or(Error::text(error))
    };
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let index = |number: i32| {
        let index = usize::try_from(number).ok().filter(|&index| index < cx.server.keyspace.databases());
        index.ok_or(Error::text("ERR DB index is out of range"))
    };
    let (first, second) = (index(first)?, index(second)?);
    if first != second {
        swap(cx, first, second);
    }
    cx.reply.ok();
    Ok(())
}

fn swap(cx: &mut Cx<'_, '_>, first: usize, second: usize) {
    for shard in 0..cx.server.keyspace.shards() as u32 {
        touch_awaited(cx.keys, shard, first, Some(second));
        touch_awaited(cx.keys, shard, second, Some(first));
        cx.keys.shard(shard).swap_databases(first, second);
    }
    cx.stats.metrics.changes.add(1);
}
