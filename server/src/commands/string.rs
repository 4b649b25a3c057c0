//! Strings.

use super::row::{Argument, Categories, Command, Flags, Group, KeyFlags, KeySpec, Locks};
use super::{Args, CommandResult, Cx, Error};
use boxcar_store::Value;

const ROW: Command =
    Command { group: Group::String, categories: Categories::STRING, locks: Locks::Keys, ..Command::DEFAULT };

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        summary: "Returns the string value of a key.",
        arguments: &[Argument::new("key", "key")],
        handler: get,
        ..ROW
    },
    Command {
        name: "set",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
        summary: "Sets the string value of a key, whatever it held before.",
        arguments: &[Argument::new("key", "key"), Argument::new("value", "string")],
        handler: set,
        ..ROW
    },
];

fn get(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match cx.keys.read(args.at(1)).map(boxcar_store::Record::value) {
        Some(Value::Bytes(bytes)) => cx.reply.bulk(bytes),
        Some(Value::Integer(value)) => cx.reply.bulk_integer(value),
        None => cx.reply.null(),
    }
    Ok(())
}

fn set(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    cx.keys.set(args.at(1), Value::encode(args.at(2)), None);
    cx.reply.ok();
    Ok(())
}
