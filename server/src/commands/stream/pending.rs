//! What was delivered and not acknowledged: XACK, XPENDING.

use super::entries::parse_ids;
use super::{GROUP, ID, KEY, ROW, at_most, id, no_key_or_group, read_stream, stream_mut};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Reply;
use boxcar_store::Entry;
use boxcar_store::stream::{Consumer, Group, Pending, StreamId};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        complexity: "O(1) for each message ID processed.",
        summary: "Acknowledges entries that were given to consumers of a group.",
        arguments: &[KEY, GROUP, ID.multiple()],
        handler: xack,
        ..ROW
    },
    Command {
        name: "xpending",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of entries \
            per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. \
            When the command returns just the summary and the list of consumers is small, it runs in O(1) time; \
            otherwise, an additional O(N) time for iterating every consumer.",
        summary: "Tells what was given to consumers of a group and not acknowledged.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            GROUP,
            Argument::block(
                "filters",
                &[
                    Argument::new("min-idle-time", "integer").after("IDLE").since("6.2.0").optional(),
                    Argument::new("start", "string"),
                    Argument::new("end", "string"),
                    Argument::new("count", "integer"),
                    Argument::new("consumer", "string").optional(),
                ],
            )
            .optional(),
        ],
        handler: xpending,
        ..ROW
    },
];

fn xack(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let acknowledged = match cx.keys.write(args.at(1)) {
        Entry::Vacant(_) => 0,
        Entry::Occupied(mut entry) => {
            let mut stream = stream_mut(&mut entry)?;
            match stream.group_mut(args.at(2)) {
                None => 0,
                Some((_, mut group)) => {
                    // All IDs are looked at before anything is acknowledged.
                    let ids = parse_ids(args, 3)?;
                    ids.into_iter().filter(|id| group.acknowledge(*id)).count()
                }
            }
        }
    };
    cx.stats.metrics.changes.add(acknowledged as u64);
    cx.reply.integer(acknowledged as i64);
    Ok(())
}

/// Which pending entries are asked for.
struct Filter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

fn filter(args: Args<'_>) -> Result<Filter<'_>, Error> {
    if !(6..=9).contains(&args.len()) {
        return Err(Error::Syntax);
    }
    let (mut min_idle_ms, mut at) = (0, 3);
    if args.is(3, "idle") {
        min_idle_ms = args.integer(4)?;
        if args.len() < 8 {
            return Err(Error::Syntax);
        }
        at = 5;
    }
    let count = u64::try_from(args.integer(at + 2)?).unwrap_or(0);
    Ok(Filter {
        min_idle_ms,
        start: id::parse_start_of_interval(args.at(at))?,
        end: id::parse_end_of_interval(args.at(at + 1))?,
        count,
        consumer: args.get(at + 3),
    })
}

fn xpending(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let filter = if args.len() == 3 { None } else { Some(filter(args)?) };
    let (key, name) = (args.at(1), args.at(2));
    let now_ms = cx.keys.now_ms;
    let group = read_stream(cx.keys, key)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_key_or_group(key, name, ""))?;
    match filter {
        None => write_summary(cx.reply, group),
        Some(filter) => write_pending(cx.reply, group, &filter, now_ms),
    }
    Ok(())
}

/// How many entries are pending, between which IDs, and how many with each consumer.
fn write_summary(reply: &mut Reply, group: &Group) {
    let pending = group.pending();
    reply.array(4);
    reply.integer(pending.len() as i64);
    let (Some((first, _)), Some((last, _))) = (pending.first_key_value(), pending.last_key_value()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    id::write(reply, *first);
    id::write(reply, *last);
    let (mark, mut count) = (reply.deferred_array(), 0);
    for consumer in group.consumers().filter(|consumer| !consumer.pending().is_empty()) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending().len() as i64);
        count += 1;
    }
    reply.finish(mark, count);
}

fn write_pending(reply: &mut Reply, group: &Group, filter: &Filter<'_>, now_ms: i64) {
    let all = group.pending();
    match filter.consumer.map(|name| group.find(name)) {
        None => {
            let entries = all.range(filter.start..).map(|(id, pending)| (*id, pending));
            write_filtered(reply, group, filter, now_ms, entries);
        }
        Some(None) => reply.array(0),
        Some(Some(consumer)) => {
            let ids = group.consumer(consumer).pending().range(filter.start..);
            write_filtered(reply, group, filter, now_ms, ids.map(|id| (*id, &all[id])));
        }
    }
}

fn write_filtered<'g>(
    reply: &mut Reply,
    group: &'g Group,
    filter: &Filter<'_>,
    now_ms: i64,
    entries: impl Iterator<Item = (StreamId, &'g Pending)>,
) {
    let idle = |pending: &Pending| now_ms.saturating_sub(pending.delivered_ms);
    let wanted = entries
        .take_while(|(id, _)| *id <= filter.end)
        .filter(|(_, pending)| filter.min_idle_ms == 0 || idle(pending) >= filter.min_idle_ms);
    let (mark, mut written) = (reply.deferred_array(), 0);
    let most = if filter.count == 0 { 0 } else { at_most(filter.count) };
    for (id, pending) in wanted.take(most) {
        let consumer: &Consumer = group.consumer(pending.consumer);
        reply.array(4);
        id::write(reply, id);
        reply.bulk(consumer.name());
        reply.integer(idle(pending).max(0));
        reply.integer(pending.deliveries as i64);
        written += 1;
    }
    reply.finish(mark, written);
}
