//! BITOP: combining strings bit by bit.

use super::ROW;
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::string_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{BitOperation, Combination, Entry, IntegerText, Value};

/// This command's row.
pub const COMMANDS: &[Command] = &[Command {
    name: "bitop",
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::all_from(3, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    since: "2.6.0",
    complexity: "O(N)",
    summary: "Combines strings bit by bit and stores the result.",
    arguments: &[
        Argument::one_of(
            "operation",
            &[
                Argument::word("and", "AND"),
                Argument::word("or", "OR"),
                Argument::word("xor", "XOR"),
                Argument::word("not", "NOT"),
                Argument::word("diff", "DIFF").since("8.2.0"),
                Argument::word("diff1", "DIFF1").since("8.2.0"),
                Argument::word("andor", "ANDOR").since("8.2.0"),
                Argument::word("one", "ONE").since("8.2.0"),
            ],
        ),
        Argument::new("destkey", "key"),
        Argument::new("key", "key").multiple(),
    ],
    handler: bitop,
    ..ROW
}];

/// Where the sources begin.
const SOURCES: usize = 3;

fn bitop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let operation = operation(args)?;
    // All sources are looked at before anything is computed: their types, and how long the result is going to be.
    let mut len = 0;
    for source in args.from(SOURCES) {
        if let Some(record) = cx.keys.read(source) {
            len = string_value(record)?.len().max(len);
        }
    }
    let destination = args.at(2);
    if len == 0 {
        if cx.keys.remove(destination) {
            cx.keys.event(EventClass::GENERIC, "del", destination);
        }
        cx.reply.integer(0);
        return Ok(());
    }
    let mut combination = Combination::new(operation, len);
    let mut text = IntegerText::default();
    for source in args.from(SOURCES) {
        match cx.keys.peek(source) {
            Some(record) => combination.add(string_value(record)?.as_bytes(&mut text)),
            None => combination.add(b""),
        }
    }
    cx.keys.set(destination, Value::Bytes(&combination.finish()), None);
    if let Entry::Occupied(mut entry) = cx.keys.entry(destination) {
        // As long as it is, but of encoding `raw` however short.
        entry.resize_bytes(len);
    }
    cx.keys.event(EventClass::STRING, "set", destination);
    cx.reply.integer(len as i64);
    Ok(())
}

fn operation(args: Args<'_>) -> Result<BitOperation, Error> {
    use BitOperation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
    let operations = [
        ("and", And),
        ("or", Or),
        ("xor", Xor),
        ("not", Not),
        ("diff", Diff),
        ("diff1", Diff1),
        ("andor", AndOr),
        ("one", One),
    ];
    let named = operations.into_iter().find(|(name, _)| args.is(1, name));
    let (name, operation) = named.ok_or(Error::Syntax)?;
    let sources = args.len() - SOURCES;
    match operation {
        Not if sources != 1 => {
            Err(const { Error::text("ERR BITOP NOT must be called with a single source key.") })
        }
        Diff | Diff1 | AndOr if sources < 2 => {
            let name = name.to_ascii_uppercase();
            Err(format!("ERR BITOP {name} must be called with at least two source keys.").into())
        }
        _ => Ok(operation),
    }
}
