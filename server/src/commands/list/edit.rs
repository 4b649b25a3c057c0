//! Changing, inserting and removing in the middle: LSET, LINSERT, LREM, LTRIM.

use super::read::range;
use super::{ELEMENT, KEY, ROW, RW_DELETE, RW_INSERT, change, fill, take};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Composite, List, Side, Value};

const START: Argument = Argument::new("start", "integer");
const STOP: Argument = Argument::new("stop", "integer");

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lset",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list \
                     is O(1).",
        summary: "Replaces the element of a list at an index.",
        arguments: &[KEY, Argument::new("index", "integer"), ELEMENT],
        handler: lset,
        ..ROW
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, RW_INSERT)],
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means \
                     that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting \
                     somewhere on the right end (tail) is O(N).",
        summary: "Inserts an element before or behind another element of a list.",
        arguments: &[
            KEY,
            Argument::one_of(
                "where",
                &[Argument::word("before", "BEFORE"), Argument::word("after", "AFTER")],
            ),
            Argument::new("pivot", "string"),
            ELEMENT,
        ],
        handler: linsert,
        ..ROW
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, RW_DELETE)],
        complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
        summary: "Removes elements that are equal to the given one from a list.",
        arguments: &[KEY, Argument::new("count", "integer"), ELEMENT],
        handler: lrem,
        ..ROW
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, RW_DELETE)],
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Removes all elements of a list but those between two indexes.",
        arguments: &[KEY, START, STOP],
        handler: ltrim,
        ..ROW
    },
];

fn lset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, element, fill) = (args.at(1), args.at(3), fill(cx.server));
    let set = change(cx.keys, key, |list| {
        let index = args.integer(2)?;
        list.grow(element.len(), 1, fill);
        let set = list.set(index, Value::Bytes(element), fill);
        list.shrink(fill);
        Ok::<bool, Error>(set)
    })?;
    if !set.ok_or(Error::NoSuchKey)?? {
        return Err(Error::IndexOutOfRange);
    }
    cx.keys.changed(key);
    cx.keys.event(EventClass::LIST, "lset", key);
    cx.reply.ok();
    Ok(())
}

fn linsert(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let behind = match () {
        () if args.is(2, "after") => true,
        () if args.is(2, "before") => false,
        () => return Err(Error::Syntax),
    };
    let (key, pivot, element, fill) = (args.at(1), Value::encode(args.at(3)), args.at(4), fill(cx.server));
    let inserted = change(cx.keys, key, |list| {
        // As Redis: whether the pivot is there or not.
        list.grow(element.len(), 1, fill);
        let at = list.walk(0).position(|element| element == pivot)?;
        list.insert(at, behind, Value::Bytes(element), fill);
        Some(list.len())
    })?;
    match inserted {
        None => cx.reply.integer(0),
        Some(None) => cx.reply.integer(-1),
        Some(Some(len)) => {
            cx.keys.changed(key);
            cx.keys.event(EventClass::LIST, "linsert", key);
            cx.reply.integer(len as i64);
        }
    }
    Ok(())
}

fn lrem(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let count = args.integer(2)?;
    if count == i64::MIN {
        let (low, high) = (-i64::MAX, i64::MAX);
        return Err(format!("ERR value is out of range, value must between {low} and {high}").into());
    }
    let side = if count < 0 { Side::Right } else { Side::Left };
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = take(cx.keys, fill(cx.server), args.at(1), "lrem", |list| {
        let removed = list.remove_equal(Value::Bytes(args.at(3)), side, most);
        (removed, removed > 0)
    })?;
    cx.reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

fn ltrim(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    take(cx.keys, fill(cx.server), args.at(1), "ltrim", |list: &mut List| {
        let (first, count) = range(start, stop, list.len());
        list.remove(first + count, usize::MAX);
        list.remove(0, first);
        // As Redis, which says so even when everything stays.
        ((), true)
    })?;
    cx.reply.ok();
    Ok(())
}
