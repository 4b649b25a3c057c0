//! Changing strings in place: APPEND, SETRANGE.

use super::{KEY, ROW, VALUE, check_length, string_value};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Entry, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already \
            present value is of any size, since the memory of a growing string is enlarged in ever larger steps.",
        summary: "Appends to the string value of a key; a missing key counts as empty.",
        arguments: &[KEY, VALUE],
        handler: append,
        ..ROW
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very \
            small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the \
            value argument.",
        summary: "Overwrites a part of a string, filling a gap before it with zero bytes.",
        arguments: &[KEY, Argument::new("offset", "integer"), VALUE],
        handler: setrange,
        ..ROW
    },
];

fn append(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, tail) = (args.at(1), args.at(2));
    let clock = cx.keys.access_clock();
    let total = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => {
            let len = string_value(entry.record())?.len();
            let total = check_length(cx.server, len, tail.len())?;
            entry.resize_bytes(total)[len..].copy_from_slice(tail);
            total
        }
        Entry::Vacant(entry) => {
            entry.insert(Value::encode(tail), None, clock);
            tail.len()
        }
    };
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "append", key);
    cx.reply.integer(total as i64);
    Ok(())
}

fn setrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, piece) = (args.at(1), args.at(3));
    let offset = usize::try_from(args.integer(2)?);
    let offset = offset.map_err(|_| const { Error::text("ERR offset is out of range") })?;
    let clock = cx.keys.access_clock();
    let entry = cx.keys.write(key);
    let len = match &entry {
        Entry::Occupied(entry) => string_value(entry.record())?.len(),
        Entry::Vacant(_) => 0,
    };
    if piece.is_empty() {
        cx.reply.integer(len as i64);
        return Ok(());
    }
    let end = check_length(cx.server, offset, piece.len())?;
    let total = len.max(end);
    let mut entry = match entry {
        Entry::Occupied(entry) => entry,
        Entry::Vacant(entry) => entry.insert(Value::Bytes(b""), None, clock),
    };
    entry.resize_bytes(total)[offset..end].copy_from_slice(piece);
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "setrange", key);
    cx.reply.integer(total as i64);
    Ok(())
}
