//! XGROUP: making and changing consumer groups.

use super::{CONSUMER, GROUP, ID, KEY, ROW, id, no_group, stream_mut};
use crate::commands::events::EventClass;
use crate::commands::help::{help, subcommand_syntax};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec, Locks};
use crate::commands::{Args, Categories, CommandResult, Cx, Error};
use boxcar_store::stream::StreamId;
use boxcar_store::{Entry, Stream};

const SELECTOR: Argument = Argument::one_of("id-selector", &[ID, Argument::word("new-id", "$")]);
const ENTRIES_READ: Argument =
    Argument::new("entriesread", "integer").after("ENTRIESREAD").shown("entries-read").optional();

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "xgroup",
    arity: -2,
    locks: Locks::Nothing,
    categories: Categories::empty(),
    complexity: "Depends on subcommand.",
    summary: "Makes, changes and removes the consumer groups of a stream.",
    subcommands: &[
        Command {
            name: "create",
            arity: -5,
            flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
            keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))],
            summary: "Makes a consumer group.",
            arguments: &[
                KEY,
                GROUP,
                SELECTOR,
                Argument::word("mkstream", "MKSTREAM").optional(),
                ENTRIES_READ,
            ],
            handler: create,
            ..ROW
        },
        Command {
            name: "createconsumer",
            arity: 5,
            flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
            keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))],
            since: "6.2.0",
            summary: "Makes a consumer in a group.",
            arguments: &[KEY, GROUP, CONSUMER],
            handler: create_consumer,
            ..ROW
        },
        Command {
            name: "delconsumer",
            arity: 5,
            flags: Flags::WRITE,
            keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))],
            summary: "Removes a consumer from a group, with what is pending with it.",
            arguments: &[KEY, GROUP, CONSUMER],
            handler: delete_consumer,
            ..ROW
        },
        Command {
            name: "destroy",
            arity: 4,
            flags: Flags::WRITE,
            keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))],
            complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
            summary: "Removes a consumer group.",
            arguments: &[KEY, GROUP],
            handler: destroy,
            ..ROW
        },
        Command {
            name: "help",
            arity: 2,
            flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
            locks: Locks::Nothing,
            summary: "Explains the subcommands.",
            handler: help,
            ..ROW
        },
        Command {
            name: "setid",
            arity: -5,
            flags: Flags::WRITE,
            keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::UPDATE))],
            summary: "Sets the last entry that a group has delivered.",
            arguments: &[KEY, GROUP, SELECTOR, ENTRIES_READ],
            handler: set_id,
            ..ROW
        },
    ],
    ..ROW
}];

const KEY_REQUIRED: Error = Error::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// MKSTREAM, where it is allowed, and ENTRIESREAD.
fn options(args: Args<'_>, make_allowed: bool) -> Result<(bool, Option<i64>), Error> {
    let (mut make, mut entries_read) = (false, None);
    let mut i = 5;
    while i < args.len() {
        if make_allowed && args.is(i, "mkstream") {
            make = true;
            i += 1;
        } else if args.is(i, "entriesread") && i + 1 < args.len() {
            let number = args.integer(i + 1)?;
            if number < -1 {
                return Err(const { Error::text("ERR value for ENTRIESREAD must be positive or -1") });
            }
            entries_read = (number >= 0).then_some(number);
            i += 2;
        } else {
            return Err(subcommand_syntax(args));
        }
    }
    Ok((make, entries_read))
}

fn create(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (make, entries_read) = options(args, true)?;
    let (key, group) = (args.at(2), args.at(3));
    let id = |last: StreamId| if args.at(4) == b"$" { Ok(last) } else { id::parse(args.at(4), 0) };
    let too_long = args.len() > 8;
    let clock = cx.keys.access_clock();
    let made = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => {
            let mut stream = stream_mut(&mut entry)?;
            if too_long {
                return Err(subcommand_syntax(args));
            }
            let id = id(stream.last_id())?;
            if !stream.create_group(group, id, entries_read) {
                return Err(const { Error::text("BUSYGROUP Consumer Group name already exists") });
            }
            false
        }
        Entry::Vacant(_) if !make => return Err(KEY_REQUIRED),
        Entry::Vacant(_) if too_long => return Err(subcommand_syntax(args)),
        Entry::Vacant(entry) => {
            let mut stream = Stream::new();
            stream.create_group(group, id(StreamId::MIN)?, entries_read);
            entry.insert_object(stream, None, clock);
            true
        }
    };
    if made {
        cx.keys.touched(key);
    }
    cx.stats.metrics.changes.add(1);
    cx.keys.event(EventClass::STREAM, "xgroup-create", key);
    cx.reply.ok();
    Ok(())
}

fn set_id(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (_, entries_read) = options(args, false)?;
    let (key, name) = (args.at(2), args.at(3));
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(KEY_REQUIRED) };
    let mut stream = stream_mut(&mut entry)?;
    let (log, mut group) = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    if !matches!(args.len(), 5 | 7) {
        return Err(subcommand_syntax(args));
    }
    group.last_id = if args.at(4) == b"$" { log.last_id() } else { id::parse_end(args.at(4), 0)? };
    group.entries_read = entries_read;
    drop(group);
    drop(stream);
    cx.stats.metrics.changes.add(1);
    cx.keys.event(EventClass::STREAM, "xgroup-setid", key);
    cx.reply.ok();
    Ok(())
}

fn destroy(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(2);
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(KEY_REQUIRED) };
    let destroyed = stream_mut(&mut entry)?.remove_group(args.at(3));
    if destroyed {
        cx.stats.metrics.changes.add(1);
        cx.keys.event(EventClass::STREAM, "xgroup-destroy", key);
        // Those who wait for the group's entries are told that it is gone; who watches the key is not.
        let place = cx.keys.locate(key);
        cx.keys.make_ready(place, key);
    }
    cx.reply.integer(i64::from(destroyed));
    Ok(())
}

fn create_consumer(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, name, consumer) = (args.at(2), args.at(3), args.at(4));
    let now_ms = cx.keys.now_ms;
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(KEY_REQUIRED) };
    let mut stream = stream_mut(&mut entry)?;
    let (_, mut group) = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let made = group.find(consumer).is_none();
    if made {
        group.create(consumer, now_ms);
    }
    drop(group);
    drop(stream);
    if made {
        super::consumer_made(cx, key);
    }
    cx.reply.integer(i64::from(made));
    Ok(())
}

fn delete_consumer(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, name) = (args.at(2), args.at(3));
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(KEY_REQUIRED) };
    let mut stream = stream_mut(&mut entry)?;
    let (_, mut group) = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let pending = group.find(args.at(4)).map(|consumer| group.remove(consumer));
    drop(group);
    drop(stream);
    if pending.is_some() {
        cx.stats.metrics.changes.add(1);
        cx.keys.event(EventClass::STREAM, "xgroup-delconsumer", key);
    }
    cx.reply.integer(pending.unwrap_or(0) as i64);
    Ok(())
}
