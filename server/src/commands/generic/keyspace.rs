//! Keys as such: DEL, UNLINK, EXISTS, TOUCH, TYPE.

use super::{KEY, ROW};
use crate::commands::events::EventClass;
use crate::commands::row::{Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx};

const SUM_OVER_SHARDS: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "del",
        arity: -2,
        flags: Flags::WRITE,
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
        complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value \
            other than a string, the individual complexity for this key is O(M) where M is the number of elements \
            in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
        summary: "Removes keys.",
        tips: SUM_OVER_SHARDS,
        arguments: &[KEY.multiple()],
        handler: del,
        ..ROW
    },
    Command {
        name: "unlink",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different \
            thread in order to reclaim memory, where N is the number of allocations the deleted objects where \
            composed of.",
        summary: "Removes keys and lets others free their memory.",
        tips: SUM_OVER_SHARDS,
        arguments: &[KEY.multiple()],
        // All values there are so far are a single allocation, which is freed at once faster than it is handed over.
        handler: del,
        ..ROW
    },
    Command {
        name: "exists",
        arity: -2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO)],
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Counts how many of the given keys exist.",
        tips: SUM_OVER_SHARDS,
        arguments: &[KEY.multiple()],
        handler: exists,
        ..ROW
    },
    Command {
        name: "touch",
        arity: -2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO)],
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Counts how many of the given keys exist, and marks them as used.",
        tips: SUM_OVER_SHARDS,
        arguments: &[KEY.multiple()],
        handler: touch,
        ..ROW
    },
    Command {
        name: "type",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Returns the type of the value of a key.",
        arguments: &[KEY],
        handler: type_of,
        ..ROW
    },
];

fn del(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mut removed = 0;
    for key in args.from(1) {
        if cx.keys.remove(key) {
            cx.keys.event(EventClass::GENERIC, "del", key);
            removed += 1;
        }
    }
    cx.reply.integer(removed);
    Ok(())
}

fn exists(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let found = args.from(1).filter(|key| cx.keys.inspect(key).is_some()).count();
    cx.reply.integer(found as i64);
    Ok(())
}

fn touch(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    // A client that leaves no traces otherwise (CLIENT NO-TOUCH) leaves one when it says so.
    let no_touch = std::mem::replace(&mut cx.keys.no_touch, false);
    let found = args.from(1).filter(|key| cx.keys.read(key).is_some()).count();
    cx.keys.no_touch = no_touch;
    cx.reply.integer(found as i64);
    Ok(())
}

fn type_of(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    cx.reply.simple(cx.keys.inspect(args.at(1)).map_or("none", |record| record.kind().name()));
    Ok(())
}
