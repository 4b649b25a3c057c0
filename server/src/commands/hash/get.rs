//! Reading fields: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.

use super::{FIELD, KEY, ROW, read, remove_due};
use crate::commands::row::{Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx};
use boxcar_resp::Reply;
use boxcar_store::{Composite, Field};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hget",
        arity: 3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.0.0",
        summary: "Returns the value of a field.",
        arguments: &[KEY, FIELD],
        handler: hget,
        ..ROW
    },
    Command {
        name: "hmget",
        arity: -3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Returns the values of several fields.",
        arguments: &[KEY, FIELD.multiple()],
        handler: hmget,
        ..ROW
    },
    Command {
        name: "hgetall",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns all fields of a hash with their values.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY],
        handler: hgetall,
        ..ROW
    },
    Command {
        name: "hkeys",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns the names of all fields of a hash.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY],
        handler: hkeys,
        ..ROW
    },
    Command {
        name: "hvals",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns the values of all fields of a hash.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY],
        handler: hvals,
        ..ROW
    },
    Command {
        name: "hlen",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        since: "2.0.0",
        summary: "Returns the number of fields of a hash.",
        arguments: &[KEY],
        handler: hlen,
        ..ROW
    },
    Command {
        name: "hstrlen",
        arity: 3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        since: "3.2.0",
        summary: "Returns the length of a field's value.",
        arguments: &[KEY, FIELD],
        handler: hstrlen,
        ..ROW
    },
    Command {
        name: "hexists",
        arity: 3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        since: "2.0.0",
        summary: "Tells whether a hash has a field.",
        arguments: &[KEY, FIELD],
        handler: hexists,
        ..ROW
    },
];

fn hget(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    one(cx, args, |reply, field| match field {
        Some(field) => write_value(reply, field.value),
        None => reply.null(),
    })
}

fn hstrlen(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    one(cx, args, |reply, field| reply.integer(field.map_or(0, |field| field.value.len() as i64)))
}

fn hexists(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    one(cx, args, |reply, field| reply.integer(field.is_some().into()))
}

/// Replies with what `write` says of the field in argument 2.
#[inline]
fn one(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    write: impl FnOnce(&mut Reply, Option<Field<'_>>),
) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let field = read(cx.keys, args.at(1))?.and_then(|hash| hash.get(args.at(2)));
    let is_due = field.is_some_and(|field| field.is_due(now_ms));
    write(cx.reply, field.filter(|_| !is_due));
    if is_due {
        remove_due(cx, args.at(1), args.from(2));
    }
    Ok(())
}

fn hmget(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let hash = read(cx.keys, args.at(1))?;
    let names = args.from(2);
    cx.reply.array(names.len());
    let mut due = false;
    for name in names.clone() {
        match hash.and_then(|hash| hash.get(name)) {
            Some(field) if !field.is_due(now_ms) => write_value(cx.reply, field.value),
            field => {
                due |= field.is_some();
                cx.reply.null();
            }
        }
    }
    if due {
        remove_due(cx, args.at(1), names);
    }
    Ok(())
}

fn hgetall(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let Some(hash) = read(cx.keys, args.at(1))? else {
        cx.reply.map(0);
        return Ok(());
    };
    let all = cx.reply.deferred_map();
    let mut count = 0;
    for field in hash.iter().filter(|field| !field.is_due(now_ms)) {
        write_value(cx.reply, field.name);
        write_value(cx.reply, field.value);
        count += 1;
    }
    cx.reply.finish(all, count);
    Ok(())
}

fn hkeys(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    all(cx, args, |reply, field| write_value(reply, field.name))
}

fn hvals(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    all(cx, args, |reply, field| write_value(reply, field.value))
}

/// Replies with what `write` says of every field.
fn all(cx: &mut Cx<'_, '_>, args: Args<'_>, write: fn(&mut Reply, Field<'_>)) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let Some(hash) = read(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let all = cx.reply.deferred_array();
    let mut count = 0;
    for field in hash.iter().filter(|field| !field.is_due(now_ms)) {
        write(cx.reply, field);
        count += 1;
    }
    cx.reply.finish(all, count);
    Ok(())
}

fn hlen(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let len = read(cx.keys, args.at(1))?.map_or(0, Composite::len);
    cx.reply.integer(len as i64);
    Ok(())
}
