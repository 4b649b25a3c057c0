//! Single bits: SETBIT, GETBIT.

use super::{KEY, OFFSET, ROW, bit_offset, grow};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::string_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::IntegerText;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "setbit",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        since: "2.2.0",
        summary: "Sets or clears one bit of a string, which grows with zeros where it has to.",
        arguments: &[KEY, OFFSET, Argument::new("value", "integer")],
        handler: setbit,
        ..ROW
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.2.0",
        summary: "Returns one bit of a string.",
        arguments: &[KEY, OFFSET],
        handler: getbit,
        ..ROW
    },
];

fn setbit(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let offset = bit_offset(cx, args, 2, None)?;
    let bit = match args.integer(3) {
        Ok(bit @ (0 | 1)) => bit as u8,
        _ => return Err(const { Error::text("ERR bit is not an integer or out of range") }),
    };
    let mut string = grow(cx, key, offset)?;
    let grown = string.grown;
    let byte = &mut string.bytes()[(offset / 8) as usize];
    let shift = 7 - offset % 8;
    let before = *byte >> shift & 1;
    *byte = *byte & !(1 << shift) | bit << shift;
    if grown || before != bit {
        cx.keys.changed(key);
        cx.keys.event(EventClass::STRING, "setbit", key);
    }
    cx.reply.integer(i64::from(before));
    Ok(())
}

fn getbit(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let offset = bit_offset(cx, args, 2, None)?;
    let mut text = IntegerText::default();
    let bytes = match cx.keys.read(args.at(1)) {
        Some(record) => string_value(record)?.as_bytes(&mut text),
        None => b"",
    };
    let byte = bytes.get((offset / 8) as usize).copied().unwrap_or(0);
    cx.reply.integer(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}
