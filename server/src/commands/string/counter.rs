//! Counters: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use super::extended::Extended;
use super::{KEY, ROW, string_value};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Entry, IntegerText, Value, parse_integer};

const COUNTER: Command = Command {
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    ..ROW
};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "incr",
        arity: 2,
        summary: "Adds one to the integer value of a key; a missing key counts as 0.",
        arguments: &[KEY],
        handler: incr,
        ..COUNTER
    },
    Command {
        name: "decr",
        arity: 2,
        summary: "Subtracts one from the integer value of a key; a missing key counts as 0.",
        arguments: &[KEY],
        handler: decr,
        ..COUNTER
    },
    Command {
        name: "incrby",
        arity: 3,
        summary: "Adds a number to the integer value of a key; a missing key counts as 0.",
        arguments: &[KEY, Argument::new("increment", "integer")],
        handler: incrby,
        ..COUNTER
    },
    Command {
        name: "decrby",
        arity: 3,
        summary: "Subtracts a number from the integer value of a key; a missing key counts as 0.",
        arguments: &[KEY, Argument::new("decrement", "integer")],
        handler: decrby,
        ..COUNTER
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        since: "2.6.0",
        summary: "Adds a number to the floating-point value of a key; a missing key counts as 0.",
        arguments: &[KEY, Argument::new("increment", "double")],
        handler: incrbyfloat,
        ..COUNTER
    },
];

fn incr(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    add(cx, args.at(1), 1)
}

fn decr(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    add(cx, args.at(1), -1)
}

fn incrby(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    add(cx, args.at(1), args.integer(2)?)
}

fn decrby(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let increment =
        args.integer(2)?.checked_neg().ok_or(const { Error::text("ERR decrement would overflow") })?;
    add(cx, args.at(1), increment)
}

fn add(cx: &mut Cx<'_, '_>, key: &[u8], increment: i64) -> CommandResult {
    let clock = cx.keys.access_clock();
    let sum = match cx.keys.write(key) {
        Entry::Occupied(mut entry) => {
            let number = match string_value(entry.record())? {
                Value::Integer(number) => number,
                Value::Bytes(bytes) => parse_integer(bytes).ok_or(Error::NotInteger)?,
            };
            let sum = number.checked_add(increment).ok_or(Error::Overflow)?;
            entry.set_value(Value::Integer(sum));
            sum
        }
        Entry::Vacant(entry) => {
            entry.insert(Value::Integer(increment), None, clock);
            increment
        }
    };
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "incrby", key);
    cx.reply.integer(sum);
    Ok(())
}

fn incrbyfloat(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let clock = cx.keys.access_clock();
    let entry = cx.keys.write(key);
    let number = match &entry {
        Entry::Occupied(entry) => {
            let mut text = IntegerText::default();
            Extended::parse(string_value(entry.record())?.as_bytes(&mut text)).ok_or(Error::NotFloat)?
        }
        Entry::Vacant(_) => Extended::ZERO,
    };
    let increment = Extended::parse(args.at(2)).ok_or(Error::NotFloat)?;
    let sum =
        number.add(increment).ok_or(const { Error::text("ERR increment would produce NaN or Infinity") })?;
    let text = sum.to_text();
    match entry {
        // Stored as text even when it is the text of an integer, as Redis does.
        Entry::Occupied(mut entry) => entry.set_value(Value::Bytes(text.as_bytes())),
        Entry::Vacant(entry) => {
            entry.insert(Value::Bytes(text.as_bytes()), None, clock);
        }
    }
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "incrbyfloat", key);
    cx.reply.bulk(text.as_bytes());
    Ok(())
}
