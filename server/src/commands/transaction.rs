//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::call::call;
use super::row::{Categories, Command, Flags, Group, KeyFlags, KeySpec, Locks};
use super::{Args, CommandResult, Cx, Error};
use crate::clients::ClientFlags;
use crate::clients::session::WatchedKey;
use std::sync::atomic::Ordering::Relaxed;

const ROW: Command =
    Command { group: Group::Transactions, categories: Categories::TRANSACTION, ..Command::DEFAULT };

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "multi",
        arity: 1,
        flags: Flags::of(&[
            Flags::NOSCRIPT,
            Flags::LOADING,
            Flags::STALE,
            Flags::FAST,
            Flags::ALLOW_BUSY,
            Flags::NOT_QUEUED,
        ]),
        since: "1.2.0",
        summary: "Starts a transaction: what follows is queued.",
        handler: multi,
        ..ROW
    },
    Command {
        name: "exec",
        arity: 1,
        flags: Flags::of(&[
            Flags::NOSCRIPT,
            Flags::LOADING,
            Flags::STALE,
            Flags::SKIP_SLOWLOG,
            Flags::NOT_QUEUED,
        ]),
        locks: Locks::Transaction,
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Executes all commands of a transaction.",
        handler: exec,
        ..ROW
    },
    Command {
        name: "discard",
        arity: 1,
        flags: Flags::of(&[
            Flags::NOSCRIPT,
            Flags::LOADING,
            Flags::STALE,
            Flags::FAST,
            Flags::ALLOW_BUSY,
            Flags::NOT_QUEUED,
        ]),
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Leaves a transaction without executing it.",
        handler: discard,
        ..ROW
    },
    Command {
        name: "watch",
        arity: -2,
        flags: Flags::of(&[
            Flags::NOSCRIPT,
            Flags::LOADING,
            Flags::STALE,
            Flags::FAST,
            Flags::ALLOW_BUSY,
            Flags::NOT_QUEUED,
        ]),
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO)],
        locks: Locks::Keys,
        since: "2.2.0",
        complexity: "O(1) for every key.",
        summary: "Makes the next transaction fail if one of the keys changes before it.",
        arguments: &[super::row::Argument::new("key", "key").multiple()],
        handler: watch,
        ..ROW
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY]),
        since: "2.2.0",
        summary: "Forgets all watched keys.",
        handler: unwatch,
        ..ROW
    },
];

fn multi(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    if cx.session.transaction.is_some() {
        return Err(Error::text("ERR MULTI calls can not be nested"));
    }
    cx.session.transaction = Some(Box::default());
    cx.session.client.set_flags(ClientFlags::MULTI, true);
    cx.session.client.queued.store(0, Relaxed);
    cx.reply.ok();
    Ok(())
}

fn exec(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let Some(transaction) = cx.session.transaction.take() else {
        return Err(Error::text("ERR EXEC without MULTI"));
    };
    if transaction.aborted {
        // Nothing is locked for it, the watched keys neither.
        cx.session.discard_transaction();
        return Err(Error::text("EXECABORT Transaction discarded because of previous errors."));
    }
    let dirty = watched_key_changed(cx);
    cx.session.discard_transaction();
    if dirty {
        cx.reply.null_array();
        return Ok(());
    }
    let exec = cx.command;
    cx.in_transaction = true;
    cx.reply.array(transaction.queue.len());
    for queued in &transaction.queue {
        cx.command = cx.server.table.entry(queued.command);
        cx.keys.db = cx.session.db;
        call(cx, Args::new(&queued.input, &queued.args));
    }
    cx.command = exec;
    cx.in_transaction = false;
    Ok(())
}

/// Whether a watched key was changed or has expired since; the watched keys' shards are locked.
fn watched_key_changed(cx: &mut Cx<'_, '_>) -> bool {
    if cx.session.watch_is_dirty() {
        return true;
    }
    let watched = std::mem::take(&mut cx.session.watched);
    for key in &watched {
        // Looking at a key removes it if its time has come, and that marks its watchers.
        cx.keys.in_db(key.db, |keys| keys.exists(&key.key));
    }
    cx.session.watched = watched;
    cx.session.watch_is_dirty()
}

fn discard(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    if cx.session.transaction.is_none() {
        return Err(Error::text("ERR DISCARD without MULTI"));
    }
    cx.session.discard_transaction();
    cx.reply.ok();
    Ok(())
}

fn watch(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if cx.session.transaction.is_some() {
        return Err(Error::text("ERR WATCH inside MULTI is not allowed"));
    }
    let db = cx.session.db;
    for key in args.from(1) {
        let known = |watched: &WatchedKey| watched.db == db && *watched.key == *key;
        if cx.session.watch_is_dirty() || cx.session.watched.iter().any(known) {
            continue;
        }
        // A key that is expired but not yet removed counts as missing: its removal will be no change. Looking
        // at it removes it, so that nothing is left to happen later.
        cx.keys.exists(key);
        let place = cx.keys.locate(key);
        let flag = cx.session.watch_flag();
        cx.keys.shard(place.shard).ext().watch(db, key, flag);
        cx.session.watched.push(WatchedKey { db, key: key.into() });
    }
    cx.session.client.watched.store(cx.session.watched.len(), Relaxed);
    cx.reply.ok();
    Ok(())
}

fn unwatch(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.session.unwatch();
    cx.reply.ok();
    Ok(())
}
