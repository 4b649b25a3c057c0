//! Entries: XLEN, XRANGE, XREVRANGE, XDEL, XSETID.

use super::{COUNT, ID, KEY, ROW, at_most, id, read_stream, stream_mut, write_entries};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::Entry;
use boxcar_store::stream::StreamId;
use smallvec::SmallVec;

const READS: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xlen",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Returns the number of entries of a stream.",
        arguments: &[KEY],
        handler: xlen,
        ..ROW
    },
    Command {
        name: "xrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, READS)],
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking \
            for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the entries of a stream whose IDs are in an interval.",
        arguments: &[KEY, Argument::new("start", "string"), Argument::new("end", "string"), COUNT],
        handler: xrange,
        ..ROW
    },
    Command {
        name: "xrevrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, READS)],
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the \
            first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the entries of a stream whose IDs are in an interval, the last one first.",
        arguments: &[KEY, Argument::new("end", "string"), Argument::new("start", "string"), COUNT],
        handler: xrevrange,
        ..ROW
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        summary: "Deletes entries of a stream.",
        arguments: &[KEY, ID.multiple()],
        handler: xdel,
        ..ROW
    },
    Command {
        name: "xsetid",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        summary: "Sets the last ID that a stream has given out.",
        arguments: &[
            KEY,
            Argument::new("last-id", "string"),
            Argument::new("entries-added", "integer").after("ENTRIESADDED").since("7.0.0").optional(),
            Argument::new("max-deleted-id", "string").after("MAXDELETEDID").since("7.0.0").optional(),
        ],
        handler: xsetid,
        ..ROW
    },
];

fn xlen(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let length = read_stream(cx.keys, args.at(1))?.map_or(0, |stream| stream.length());
    cx.reply.integer(length as i64);
    Ok(())
}

fn xrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, 2, 3)
}

fn xrevrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, 3, 2)
}

/// Replies with the entries of an interval, whose ends are these arguments, in the order of the arguments.
fn range(cx: &mut Cx<'_, '_>, args: Args<'_>, start_at: usize, end_at: usize) -> CommandResult {
    let start = id::parse_start_of_interval(args.at(start_at))?;
    let end = id::parse_end_of_interval(args.at(end_at))?;
    let mut count = None;
    let mut i = 4;
    while i < args.len() {
        if !args.is(i, "count") || i + 1 == args.len() {
            return Err(Error::Syntax);
        }
        count = Some(u64::try_from(args.integer(i + 1)?).unwrap_or(0));
        i += 2;
    }
    let Some(stream) = read_stream(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        cx.reply.null_array();
        return Ok(());
    }
    let count = at_most(count.unwrap_or(0));
    if start_at < end_at {
        write_entries(cx.reply, stream.range(start).take_while(|entry| entry.id <= end).take(count));
    } else {
        write_entries(cx.reply, stream.range_back(end).take_while(|entry| entry.id >= start).take(count));
    }
    Ok(())
}

/// The IDs that the arguments from `first` on are.
pub(super) fn parse_ids(args: Args<'_>, first: usize) -> Result<SmallVec<[StreamId; 8]>, Error> {
    args.from(first).map(|text| id::parse(text, 0)).collect()
}

fn xdel(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let deleted = match cx.keys.write(key) {
        Entry::Vacant(_) => 0,
        Entry::Occupied(mut entry) => {
            let mut stream = stream_mut(&mut entry)?;
            // All IDs are looked at before anything is deleted.
            let ids = parse_ids(args, 2)?;
            ids.into_iter().filter(|id| stream.delete(*id)).count()
        }
    };
    if deleted > 0 {
        cx.keys.touched(key);
        cx.stats.metrics.changes.add(deleted as u64);
        cx.keys.event(EventClass::STREAM, "xdel", key);
    }
    cx.reply.integer(deleted as i64);
    Ok(())
}

fn xsetid(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let id = id::parse(args.at(2), 0)?;
    let (mut entries_added, mut max_deleted) = (None, None);
    let mut i = 3;
    while i < args.len() {
        let more = i + 1 < args.len();
        if args.is(i, "entriesadded") && more {
            let refused = const { Error::text("ERR entries_added must be positive") };
            entries_added = Some(u64::try_from(args.integer(i + 1)?).map_err(|_| refused)?);
        } else if args.is(i, "maxdeletedid") && more {
            let given = id::parse(args.at(i + 1), 0)?;
            if id < given {
                return Err(const {
                    Error::text(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    )
                });
            }
            max_deleted = Some(given);
        } else {
            return Err(Error::Syntax);
        }
        i += 2;
    }
    let key = args.at(1);
    let Entry::Occupied(mut entry) = cx.keys.write(key) else { return Err(Error::NoSuchKey) };
    let mut stream = stream_mut(&mut entry)?;
    if id < stream.max_deleted_id() {
        return Err(const {
            Error::text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        });
    }
    if stream.length() > 0 {
        if id < stream.tail_id() {
            return Err(const {
                Error::text("ERR The ID specified in XSETID is smaller than the target stream top item")
            });
        }
        if entries_added.is_some_and(|added| added < stream.length()) {
            return Err(const {
                Error::text(
                    "ERR The entries_added specified in XSETID is smaller than the target stream length",
                )
            });
        }
    }
    stream.set_last_id(id, entries_added, max_deleted.filter(|id| *id != StreamId::MIN));
    drop(stream);
    cx.stats.metrics.changes.add(1);
    cx.keys.event(EventClass::STREAM, "xsetid", key);
    cx.reply.ok();
    Ok(())
}
