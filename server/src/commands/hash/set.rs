//! Setting and removing fields: HSET, HSETNX, HMSET, HDEL, HINCRBY, HINCRBYFLOAT.

use super::{
    FIELD, FIELDS_AND_VALUES, KEY, ROW, VALUE, change, existing, existing_or_new, limits, remove_due, report,
};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::extended::Extended;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Field, Hash, IntegerText, Record, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hset",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
        summary: "Sets fields of a hash.",
        arguments: &[KEY, FIELDS_AND_VALUES],
        handler: hset,
        ..ROW
    },
    Command {
        name: "hmset",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets fields of a hash (the older form of HSET).",
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        arguments: &[KEY, FIELDS_AND_VALUES],
        handler: hmset,
        ..ROW
    },
    Command {
        name: "hsetnx",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        since: "2.0.0",
        summary: "Sets a field of a hash, only if it is not there.",
        arguments: &[KEY, FIELD, VALUE],
        handler: hsetnx,
        ..ROW
    },
    Command {
        name: "hdel",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Removes fields from a hash, and the hash with its last one.",
        arguments: &[KEY, FIELD.multiple()],
        handler: hdel,
        ..ROW
    },
    Command {
        name: "hincrby",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        since: "2.0.0",
        summary: "Adds a number to the integer value of a field; a missing one counts as 0.",
        arguments: &[KEY, FIELD, Argument::new("increment", "integer")],
        handler: hincrby,
        ..ROW
    },
    Command {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        since: "2.6.0",
        summary: "Adds a number to the floating-point value of a field; a missing one counts as 0.",
        arguments: &[KEY, FIELD, Argument::new("increment", "double")],
        handler: hincrbyfloat,
        ..ROW
    },
];

fn hset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let added = set_all(cx, args)?;
    cx.reply.integer(added);
    Ok(())
}

fn hmset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_all(cx, args)?;
    cx.reply.ok();
    Ok(())
}

/// Sets the pairs from argument 2 on; returns how many of the fields are new.
fn set_all(cx: &mut Cx<'_, '_>, args: Args<'_>) -> Result<i64, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(Error::WrongArity(cx.command.name.to_owned()));
    }
    let (key, limits) = (args.at(1), limits(cx.server));
    let mut entry = existing_or_new(cx.keys, key)?;
    let mut hash = entry.object_mut::<Hash>().ok_or(Error::WrongType)?;
    hash.prepare(args.from(2), limits);
    let mut added = 0;
    for at in (2..args.len()).step_by(2) {
        added += i64::from(hash.set(args.at(at), Value::Bytes(args.at(at + 1)), None, limits));
    }
    drop(hash);
    report(cx.keys, key, "hset", false);
    Ok(added)
}

fn hsetnx(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, limits, now_ms) = (args.at(1), limits(cx.server), cx.keys.now_ms);
    let found = existing(cx.keys, key)?;
    let hash = found.as_ref().and_then(|entry| entry.record().object::<Hash>());
    match hash.and_then(|hash| hash.get(args.at(2))).map(|field| field.is_due(now_ms)) {
        Some(false) => {
            cx.reply.integer(0);
            return Ok(());
        }
        Some(true) => remove_due(cx, key, args.from(2).take(1)),
        None => {}
    }
    let mut entry = existing_or_new(cx.keys, key)?;
    let mut hash = entry.object_mut::<Hash>().ok_or(Error::WrongType)?;
    hash.prepare(args.from(2), limits);
    hash.set(args.at(2), Value::Bytes(args.at(3)), None, limits);
    drop(hash);
    report(cx.keys, key, "hset", false);
    cx.reply.integer(1);
    Ok(())
}

fn hdel(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let Some(entry) = existing(cx.keys, key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let (removed, gone) = change(entry, |hash| args.from(2).filter(|name| hash.remove(name)).count());
    if removed > 0 {
        report(cx.keys, key, "hdel", gone);
    }
    cx.reply.integer(removed as i64);
    Ok(())
}

fn hincrby(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let increment = args.integer(3)?;
    let (number, expire_at) = match present(cx, args)? {
        Some(Field { value: Value::Integer(number), expire_at, .. }) => (number, expire_at),
        Some(Field { value: Value::Bytes(bytes), expire_at, .. }) => {
            let number = boxcar_store::parse_integer(bytes);
            (number.ok_or(const { Error::text("ERR hash value is not an integer") })?, expire_at)
        }
        None => (0, None),
    };
    let sum = number.checked_add(increment).ok_or(Error::Overflow)?;
    store(cx, args, Value::Integer(sum), expire_at, "hincrby")?;
    cx.reply.integer(sum);
    Ok(())
}

fn hincrbyfloat(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let increment = Extended::parse(args.at(3)).ok_or(Error::NotFloat)?;
    if let Extended::Infinite { .. } = increment {
        return Err(Error::text("ERR value is NaN or Infinity"));
    }
    let (number, expire_at) = match present(cx, args)? {
        Some(field) => {
            let mut text = IntegerText::default();
            let number = Extended::parse(field.value.as_bytes(&mut text));
            (number.ok_or(const { Error::text("ERR hash value is not a float") })?, field.expire_at)
        }
        None => (Extended::ZERO, None),
    };
    let sum =
        number.add(increment).ok_or(const { Error::text("ERR increment would produce NaN or Infinity") })?;
    let text = sum.to_text();
    store(cx, args, Value::Bytes(text.as_bytes()), expire_at, "hincrbyfloat")?;
    cx.reply.bulk(text.as_bytes());
    Ok(())
}

/// The field in argument 2; one whose time has come is removed.
fn present<'s>(cx: &'s mut Cx<'_, '_>, args: Args<'_>) -> Result<Option<Field<'s>>, Error> {
    let (key, now_ms) = (args.at(1), cx.keys.now_ms);
    let Some(hash) = cx.keys.peek(key) else { return Ok(None) };
    let field = hash.object::<Hash>().ok_or(Error::WrongType)?.get(args.at(2));
    if field.is_some_and(|field| field.is_due(now_ms)) {
        remove_due(cx, key, args.from(2).take(1));
        return Ok(None);
    }
    Ok(cx.keys.view(key).and_then(Record::object::<Hash>).and_then(|hash| hash.get(args.at(2))))
}

/// Gives the field in argument 2 another value, and keeps its expiry.
fn store(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    value: Value<'_>,
    expire_at: Option<i64>,
    event: &'static str,
) -> CommandResult {
    let (key, limits) = (args.at(1), limits(cx.server));
    let mut entry = existing_or_new(cx.keys, key)?;
    let mut hash = entry.object_mut::<Hash>().ok_or(Error::WrongType)?;
    hash.set(args.at(2), value, expire_at, limits);
    drop(hash);
    report(cx.keys, key, event, false);
    Ok(())
}
