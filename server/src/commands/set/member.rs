//! Adding, removing, asking for and moving members: SADD, SREM, SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SMOVE.

use super::{KEY, MEMBER, ROW, change, existing, existing_or_new, limits, read, report};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Composite, Set, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        summary: "Adds members to a set.",
        arguments: &[KEY, MEMBER.multiple()],
        handler: sadd,
        ..ROW
    },
    Command {
        name: "srem",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Removes members from a set, and the set with its last one.",
        arguments: &[KEY, MEMBER.multiple()],
        handler: srem,
        ..ROW
    },
    Command {
        name: "scard",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Returns the number of members of a set.",
        arguments: &[KEY],
        handler: scard,
        ..ROW
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Tells whether a string is a member of a set.",
        arguments: &[KEY, MEMBER],
        handler: sismember,
        ..ROW
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Tells for several strings whether they are members of a set.",
        arguments: &[KEY, MEMBER.multiple()],
        handler: smismember,
        ..ROW
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) where N is the set cardinality.",
        summary: "Returns all members of a set.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY],
        handler: smembers,
        ..ROW
    },
    Command {
        name: "smove",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT)),
        ],
        summary: "Moves a member from one set to another.",
        arguments: &[Argument::new("source", "key"), Argument::new("destination", "key"), MEMBER],
        handler: smove,
        ..ROW
    },
];

fn sadd(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, count, limits) = (args.at(1), args.len() - 2, limits(cx.server));
    let mut entry = existing_or_new(cx.keys, key, args.at(2), count, limits)?;
    let mut set = entry.object_mut::<Set>().ok_or(Error::WrongType)?;
    set.prepare(count, limits);
    let added = args.from(2).filter(|member| set.add(Value::Bytes(member), limits)).count();
    drop(set);
    if added > 0 {
        report(cx.keys, key, "sadd", false);
    }
    cx.reply.integer(added as i64);
    Ok(())
}

fn srem(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let Some(entry) = existing(cx.keys, key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let (removed, gone) =
        change(entry, |set| args.from(2).filter(|member| set.remove(Value::Bytes(member))).count());
    if removed > 0 {
        report(cx.keys, key, "srem", gone);
    }
    cx.reply.integer(removed as i64);
    Ok(())
}

fn scard(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let len = read(cx.keys, args.at(1))?.map_or(0, Composite::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn sismember(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let is_member = read(cx.keys, args.at(1))?.is_some_and(|set| set.contains(Value::Bytes(args.at(2))));
    cx.reply.integer(is_member.into());
    Ok(())
}

fn smismember(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let set = read(cx.keys, args.at(1))?;
    let members = args.from(2);
    cx.reply.array(members.len());
    for member in members {
        cx.reply.integer(set.is_some_and(|set| set.contains(Value::Bytes(member))).into());
    }
    Ok(())
}

fn smembers(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match read(cx.keys, args.at(1))? {
        Some(set) => {
            cx.reply.set(set.len());
            set.iter().for_each(|member| write_value(cx.reply, member));
        }
        None => cx.reply.set(0),
    }
    Ok(())
}

fn smove(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (from, to, member) = (args.at(1), args.at(2), args.at(3));
    let limits = limits(cx.server);
    if existing(cx.keys, from)?.is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    existing(cx.keys, to)?;
    let Some(source) = existing(cx.keys, from)? else { unreachable!("it existed under the same lock") };
    if from == to {
        let is_member = source.record().object::<Set>().is_some_and(|set| set.contains(Value::Bytes(member)));
        cx.reply.integer(is_member.into());
        return Ok(());
    }
    let (removed, gone) = change(source, |set| set.remove(Value::Bytes(member)));
    if !removed {
        cx.reply.integer(0);
        return Ok(());
    }
    report(cx.keys, from, "srem", gone);
    let mut entry = existing_or_new(cx.keys, to, member, 1, limits)?;
    let mut set = entry.object_mut::<Set>().ok_or(Error::WrongType)?;
    let added = set.add(Value::Bytes(member), limits);
    drop(set);
    if added {
        report(cx.keys, to, "sadd", false);
    }
    cx.reply.integer(1);
    Ok(())
}
