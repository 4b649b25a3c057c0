//! From the end of one list to that of another: LMOVE, RPOPLPUSH, and BLMOVE, BRPOPLPUSH, which wait until there is
//! something. Both shards are locked.

use super::push::create;
use super::{LEFT_OR_RIGHT, ROW, RW_INSERT, RW_TAKE, change, fill, pop, pop_event, push_event, side, take};
use crate::commands::blocking::{Timeout, Wait};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Kind, List, Side, Value};
use smallvec::SmallVec;

const TRANSFER: Command = Command {
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, RW_TAKE), KeySpec::one(2, RW_INSERT)],
    ..ROW
};

const BLOCKING_TRANSFER: Command =
    Command { flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::BLOCKING]), ..TRANSFER };

const SOURCE: Argument = Argument::new("source", "key");
const DESTINATION: Argument = Argument::new("destination", "key");
const FROM: Argument = Argument::one_of("wherefrom", LEFT_OR_RIGHT);
const TO: Argument = Argument::one_of("whereto", LEFT_OR_RIGHT);
const TIMEOUT: Argument = Argument::new("timeout", "double");

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lmove",
        arity: 5,
        since: "6.2.0",
        summary: "Takes an element from an end of a list and adds it at an end of another.",
        arguments: &[SOURCE, DESTINATION, FROM, TO],
        handler: lmove,
        ..TRANSFER
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        since: "1.2.0",
        summary: "Takes the last element of a list and adds it before the first one of another.",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        arguments: &[SOURCE, DESTINATION],
        handler: rpoplpush,
        ..TRANSFER
    },
    Command {
        name: "blmove",
        arity: 6,
        since: "6.2.0",
        summary: "Does what LMOVE does, and waits for an element if there is none.",
        arguments: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT],
        handler: blmove,
        ..BLOCKING_TRANSFER
    },
    Command {
        name: "brpoplpush",
        arity: 4,
        since: "2.2.0",
        summary: "Does what RPOPLPUSH does, and waits for an element if there is none.",
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        arguments: &[SOURCE, DESTINATION, TIMEOUT],
        handler: brpoplpush,
        ..BLOCKING_TRANSFER
    },
];

fn lmove(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let ends = (side(args, 3)?, side(args, 4)?);
    if !transfer(cx, args, ends)? {
        cx.reply.null();
    }
    Ok(())
}

fn rpoplpush(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if !transfer(cx, args, (Side::Right, Side::Left))? {
        cx.reply.null();
    }
    Ok(())
}

fn blmove(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let ends = (side(args, 3)?, side(args, 4)?);
    transfer_or_wait(cx, args, ends, Timeout::seconds(args, 5)?)
}

fn brpoplpush(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let timeout = Timeout::seconds(args, 3)?;
    transfer_or_wait(cx, args, (Side::Right, Side::Left), timeout)
}

fn transfer_or_wait(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    ends: (Side, Side),
    timeout: Timeout,
) -> CommandResult {
    if transfer(cx, args, ends)? {
        return Ok(());
    }
    let wait = Wait { also: Some(2), refused: |reply| reply.null(), ..Wait::new(1..2, Kind::List, timeout) };
    cx.block(args, wait)
}

/// Moves an element from the list in argument 1 to the one in argument 2, and replies with it; false when there is
/// none.
fn transfer(cx: &mut Cx<'_, '_>, args: Args<'_>, (from, to): (Side, Side)) -> Result<bool, Error> {
    let (source, destination, fill) = (args.at(1), args.at(2), fill(cx.server));
    let copied = change(cx.keys, source, |list| Element::of(list.end(from).expect("no list is empty")))?;
    let Some(element) = copied else { return Ok(false) };
    let push = |list: &mut List| {
        list.grow(element.counted_bytes(), 1, fill);
        list.push(to, element.value(), fill);
    };
    if source == destination {
        change(cx.keys, source, |list| {
            pop::remove_end(list, from, 1);
            push(list);
            list.shrink(fill);
        })?;
        cx.keys.changed(source);
        cx.keys.event(EventClass::LIST, push_event(to), source);
        cx.keys.event(EventClass::LIST, pop_event(from), source);
    } else {
        // A destination of another type fails before anything has changed.
        if change(cx.keys, destination, push)?.is_none() {
            let mut list = List::new();
            push(&mut list);
            create(cx.keys, destination, list);
        }
        cx.keys.changed(destination);
        cx.keys.event(EventClass::LIST, push_event(to), destination);
        take(cx.keys, fill, source, pop_event(from), |list| ((), pop::remove_end(list, from, 1)))?;
    }
    write_value(cx.reply, element.value());
    Ok(true)
}

/// A copy of an element, for the time between two lists.
enum Element {
    Integer(i64),
    Bytes(SmallVec<[u8; 64]>),
}

impl Element {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Integer(number) => Self::Integer(number),
            Value::Bytes(bytes) => Self::Bytes(SmallVec::from_slice(bytes)),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Integer(number) => Value::Integer(*number),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    /// Its bytes as they decide about the destination's encoding: what Redis moves as a number counts for nothing.
    fn counted_bytes(&self) -> usize {
        match self {
            Self::Integer(_) => 0,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}
