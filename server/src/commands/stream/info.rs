//! XINFO: what there is to know about streams, groups and consumers.

use super::{GROUP, KEY, ROW, at_most, id, no_group, read_stream, write_entries, write_entry};
use crate::commands::help::{help, subcommand_syntax};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec, Locks};
use crate::commands::{Args, Categories, CommandResult, Cx, Error};
use boxcar_resp::Reply;
use boxcar_store::Stream;
use boxcar_store::stream::{Consumer, Group, StreamId};

const SUBCOMMAND: Command =
    Command { flags: Flags::READONLY, keys: &[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))], ..ROW };

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "xinfo",
    arity: -2,
    locks: Locks::Nothing,
    categories: Categories::empty(),
    complexity: "Depends on subcommand.",
    summary: "Tells about streams, their consumer groups and consumers.",
    subcommands: &[
        Command {
            name: "consumers",
            arity: 4,
            summary: "Lists the consumers of a group.",
            tips: &["nondeterministic_output"],
            arguments: &[KEY, GROUP],
            handler: consumers,
            ..SUBCOMMAND
        },
        Command {
            name: "groups",
            arity: 3,
            summary: "Lists the consumer groups of a stream.",
            arguments: &[KEY],
            handler: groups,
            ..SUBCOMMAND
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
            name: "stream",
            arity: -3,
            summary: "Describes a stream.",
            arguments: &[
                KEY,
                Argument::block(
                    "full-block",
                    &[
                        Argument::word("full", "FULL"),
                        Argument::new("count", "integer").after("COUNT").optional(),
                    ],
                )
                .optional(),
            ],
            handler: stream,
            ..SUBCOMMAND
        },
    ],
    ..ROW
}];

fn existing<'s>(cx: &'s mut Cx<'_, '_>, key: &[u8]) -> Result<(&'s Stream, &'s mut Reply, i64), Error> {
    let now_ms = cx.keys.now_ms;
    let stream = read_stream(cx.keys, key)?.ok_or(Error::NoSuchKey)?;
    Ok((stream, cx.reply, now_ms))
}

fn consumers(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, name) = (args.at(2), args.at(3));
    let (stream, reply, now_ms) = existing(cx, key)?;
    let group = stream.group(name).ok_or_else(|| no_group(key, name))?;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        name_of(reply, consumer.name());
        number(reply, "pending", consumer.pending().len() as i64);
        number(reply, "idle", now_ms.saturating_sub(consumer.seen_ms).max(0));
        number(reply, "inactive", consumer.active_ms.map_or(-1, |at| now_ms.saturating_sub(at)));
    }
    Ok(())
}

fn groups(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (stream, reply, _) = existing(cx, args.at(2))?;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        name_of(reply, name);
        number(reply, "consumers", group.consumers().len() as i64);
        number(reply, "pending", group.pending().len() as i64);
        write_progress(reply, stream, group);
    }
    Ok(())
}

/// How far a group has come: three fields.
fn write_progress(reply: &mut Reply, stream: &Stream, group: &Group) {
    id_field(reply, "last-delivered-id", group.last_id);
    maybe(reply, "entries-read", group.entries_read);
    maybe(reply, "lag", stream.lag(group.entries_read, group.last_id));
}

fn stream(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (stream, reply, _) = existing(cx, args.at(2))?;
    let full = args.len() > 3;
    let mut count = 10;
    if full {
        let sound = args.is(3, "full") && (args.len() == 4 || args.len() == 6 && args.is(4, "count"));
        if !sound {
            return Err(subcommand_syntax(args));
        }
        if args.len() == 6 {
            count = u64::try_from(args.integer(5)?).unwrap_or(count);
        }
    }
    reply.map(if full { 9 } else { 10 });
    number(reply, "length", stream.length() as i64);
    number(reply, "radix-tree-keys", stream.nodes() as i64);
    number(reply, "radix-tree-nodes", stream.radix_tree_nodes() as i64);
    id_field(reply, "last-generated-id", stream.last_id());
    id_field(reply, "max-deleted-entry-id", stream.max_deleted_id());
    number(reply, "entries-added", stream.entries_added() as i64);
    id_field(reply, "recorded-first-entry-id", stream.first_id());
    if full {
        write_full(reply, stream, at_most(count));
        return Ok(());
    }
    number(reply, "groups", stream.groups().len() as i64);
    for (field, entry) in [
        ("first-entry", stream.range(StreamId::MIN).next()),
        ("last-entry", stream.range_back(StreamId::MAX).next()),
    ] {
        reply.bulk(field.as_bytes());
        match entry {
            Some(entry) => write_entry(reply, &entry),
            None => reply.null(),
        }
    }
    Ok(())
}

/// Entries, groups and consumers, up to `count` of each kind that may be many.
fn write_full(reply: &mut Reply, stream: &Stream, count: usize) {
    reply.bulk(b"entries");
    write_entries(reply, stream.range(StreamId::MIN).take(count));
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        name_of(reply, name);
        write_progress(reply, stream, group);
        number(reply, "pel-count", group.pending().len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending().len().min(count));
        for (id, pending) in group.pending().iter().take(count) {
            reply.array(4);
            id::write(reply, *id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries as i64);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumers().len());
        for consumer in group.consumers() {
            write_consumer(reply, group, consumer, count);
        }
    }
}

fn write_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    name_of(reply, consumer.name());
    number(reply, "seen-time", consumer.seen_ms);
    number(reply, "active-time", consumer.active_ms.unwrap_or(-1));
    number(reply, "pel-count", consumer.pending().len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count));
    for id in consumer.pending().iter().take(count) {
        let pending = &group.pending()[id];
        reply.array(3);
        id::write(reply, *id);
        reply.integer(pending.delivered_ms);
        reply.integer(pending.deliveries as i64);
    }
}

fn name_of(reply: &mut Reply, name: &[u8]) {
    reply.bulk(b"name");
    reply.bulk(name);
}

fn number(reply: &mut Reply, field: &str, value: i64) {
    maybe(reply, field, Some(value));
}

fn maybe(reply: &mut Reply, field: &str, value: Option<i64>) {
    reply.bulk(field.as_bytes());
    match value {
        Some(value) => reply.integer(value),
        None => reply.null(),
    }
}

fn id_field(reply: &mut Reply, field: &str, value: StreamId) {
    reply.bulk(field.as_bytes());
    id::write(reply, value);
}
