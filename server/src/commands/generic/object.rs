//! OBJECT: how the value of a key is kept.

use super::{KEY, ROW};
use crate::commands::access::{AccessClock, idle_seconds};
use crate::commands::help::help;
use crate::commands::row::{Command, Flags, KeyFlags, KeySpec, Locks};
use crate::commands::{Args, Categories, CommandResult, Cx, Error};
use boxcar_store::{Record, Value};

const SUBCOMMAND: Command = Command {
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    since: "2.2.3",
    tips: &["nondeterministic_output"],
    arguments: &[KEY],
    ..ROW
};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "object",
    arity: -2,
    locks: Locks::Nothing,
    categories: Categories::empty(),
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    summary: "Tells how the value of a key is kept.",
    subcommands: &[
        Command {
            name: "encoding",
            summary: "Returns how the value of a key is represented in memory.",
            handler: encoding,
            ..SUBCOMMAND
        },
        Command {
            name: "freq",
            since: "4.0.0",
            summary: "Returns how often a key is used, on a logarithmic scale; needs an LFU maxmemory-policy.",
            handler: freq,
            ..SUBCOMMAND
        },
        Command {
            name: "idletime",
            summary: "Returns how long a key has not been used, in seconds; needs any but an LFU maxmemory-policy.",
            handler: idletime,
            ..SUBCOMMAND
        },
        Command {
            name: "refcount",
            summary: "Returns the number of references to the value of a key.",
            handler: refcount,
            ..SUBCOMMAND
        },
        Command {
            name: "help",
            arity: 2,
            flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
            keys: &[],
            locks: Locks::Nothing,
            since: "6.2.0",
            summary: "Explains the subcommands.",
            tips: &[],
            arguments: &[],
            handler: help,
            ..SUBCOMMAND
        },
    ],
    ..ROW
}];

/// Integers below this are shared by all keys that hold them in Redis, and their reference count is a constant.
const SHARED_INTEGERS: i64 = 10_000;

fn encoding(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match cx.keys.inspect_quietly(args.at(2)) {
        Some(record) => cx.reply.bulk(record.encoding().name().as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

fn freq(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let Some(access) = cx.keys.inspect_quietly(args.at(2)).map(Record::access) else {
        cx.reply.null();
        return Ok(());
    };
    let clock = AccessClock::of(&cx.server.config);
    if clock == AccessClock::Recency {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    cx.reply.integer(clock.frequency(access, now_ms).into());
    Ok(())
}

fn idletime(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let Some(access) = cx.keys.inspect_quietly(args.at(2)).map(Record::access) else {
        cx.reply.null();
        return Ok(());
    };
    if AccessClock::of(&cx.server.config) != AccessClock::Recency {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    cx.reply.integer(idle_seconds(access, now_ms).into());
    Ok(())
}

fn refcount(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match cx.keys.inspect_quietly(args.at(2)) {
        Some(record) => cx.reply.integer(reference_count(record).into()),
        None => cx.reply.null(),
    }
    Ok(())
}

/// References to a value as Redis counts them: small integers are shared, and those count as very many.
pub fn reference_count(record: Record<'_>) -> i32 {
    match record.string() {
        Some(Value::Integer(0..SHARED_INTEGERS)) => i32::MAX,
        _ => 1,
    }
}
