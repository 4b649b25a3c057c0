//! Adding at the ends: LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::{ELEMENT, KEY, ROW, RW_INSERT, change, fill, push_event};
use crate::commands::events::EventClass;
use crate::commands::row::{Command, Flags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Keys};
use boxcar_store::{Composite, Entry, Fill, List, Side, Value};

const PUSH: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, RW_INSERT)],
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    arguments: &[KEY, ELEMENT.multiple()],
    ..ROW
};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "rpush",
        summary: "Adds elements behind the last one of a list, which is made when it is missing.",
        handler: |cx, args| push(cx, args, Side::Right),
        ..PUSH
    },
    Command {
        name: "lpush",
        summary: "Adds elements before the first one of a list, which is made when it is missing.",
        handler: |cx, args| push(cx, args, Side::Left),
        ..PUSH
    },
    Command {
        name: "rpushx",
        since: "2.2.0",
        summary: "Adds elements behind the last one of a list that exists.",
        handler: |cx, args| push_to_existing(cx, args, Side::Right),
        ..PUSH
    },
    Command {
        name: "lpushx",
        since: "2.2.0",
        summary: "Adds elements before the first one of a list that exists.",
        handler: |cx, args| push_to_existing(cx, args, Side::Left),
        ..PUSH
    },
];

fn push(cx: &mut Cx<'_, '_>, args: Args<'_>, side: Side) -> CommandResult {
    let (key, fill) = (args.at(1), fill(cx.server));
    let len = match change(cx.keys, key, |list| push_all(list, args, side, fill))? {
        Some(len) => len,
        None => {
            let mut list = List::new();
            let len = push_all(&mut list, args, side, fill);
            create(cx.keys, key, list);
            len
        }
    };
    finish(cx, key, side, len);
    Ok(())
}

fn push_to_existing(cx: &mut Cx<'_, '_>, args: Args<'_>, side: Side) -> CommandResult {
    let (key, fill) = (args.at(1), fill(cx.server));
    match change(cx.keys, key, |list| push_all(list, args, side, fill))? {
        Some(len) => finish(cx, key, side, len),
        None => cx.reply.integer(0),
    }
    Ok(())
}

fn finish(cx: &mut Cx<'_, '_>, key: &[u8], side: Side, len: usize) {
    cx.keys.changed(key);
    cx.keys.event(EventClass::LIST, push_event(side), key);
    cx.reply.integer(len as i64);
}

/// Adds all elements from argument 2 on, and returns the length.
fn push_all(list: &mut List, args: Args<'_>, side: Side, fill: Fill) -> usize {
    let elements = args.from(2);
    list.grow(elements.clone().map(<[u8]>::len).sum(), elements.len(), fill);
    for element in elements {
        list.push(side, Value::Bytes(element), fill);
    }
    list.len()
}

/// Puts a list under a key that is missing.
pub(super) fn create(keys: &mut Keys<'_>, key: &[u8], list: List) {
    let clock = keys.access_clock();
    let Entry::Vacant(entry) = keys.entry(key) else {
        unreachable!("the key was missing under the same lock")
    };
    entry.insert_object(list, None, clock);
}
