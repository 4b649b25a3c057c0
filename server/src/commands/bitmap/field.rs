//! BITFIELD, BITFIELD_RO: integers of any width at any bit of a string.

use super::integer::{Overflow, Width};
use super::{KEY, OFFSET, ROW, bit_offset, grow};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::string_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::IntegerText;
use smallvec::SmallVec;

const READS: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const WRITES: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

const ENCODING: Argument = Argument::new("encoding", "string");
const GET: Argument = Argument::block("get-block", &[ENCODING, OFFSET]).after("GET");

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitfield",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, WRITES.union(KeyFlags::VARIABLE))
            .varying("This command allows both access and modification of the key", flags_of_call)],
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Reads, sets and increments integers of any width in a string.",
        arguments: &[KEY, Argument::one_of("operation", &[GET, WRITE]).optional().multiple()],
        handler: bitfield,
        ..ROW
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, READS)],
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Reads integers of any width in a string.",
        arguments: &[KEY, GET.optional().multiple_token()],
        handler: bitfield_ro,
        ..ROW
    },
];

const WRITE: Argument = Argument::block(
    "write",
    &[
        Argument::one_of(
            "overflow-block",
            &[Argument::word("wrap", "WRAP"), Argument::word("sat", "SAT"), Argument::word("fail", "FAIL")],
        )
        .after("OVERFLOW")
        .optional(),
        Argument::one_of(
            "write-operation",
            &[
                Argument::block("set-block", &[ENCODING, OFFSET, Argument::new("value", "integer")])
                    .after("SET"),
                Argument::block("incrby-block", &[ENCODING, OFFSET, Argument::new("increment", "integer")])
                    .after("INCRBY"),
            ],
        ),
    ],
);

/// A call that only reads does not need the right to write.
fn flags_of_call(args: Args<'_>) -> KeyFlags {
    let mut i = 2;
    while i < args.len() {
        let left = args.len() - i - 1;
        i += match args.at(i) {
            word if word.eq_ignore_ascii_case(b"get") && left >= 2 => 3,
            word if word.eq_ignore_ascii_case(b"overflow") && left >= 1 => 2,
            _ => return WRITES,
        };
    }
    READS
}

/// One operation on one integer.
struct Operation {
    width: Width,
    offset: u64,
    action: Action,
}

enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

impl Operation {
    /// Whether it may change the string.
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The last bit of the integer.
    fn last_bit(&self) -> u64 {
        self.offset + u64::from(self.width.bits) - 1
    }
}

type Operations = SmallVec<[Operation; 4]>;

fn parse(cx: &Cx<'_, '_>, args: Args<'_>) -> Result<Operations, Error> {
    let mut operations = Operations::new();
    let mut overflow = Overflow::Wrap;
    let mut i = 2;
    while i < args.len() {
        let left = args.len() - i - 1;
        if args.is(i, "overflow") && left >= 1 {
            overflow = parse_overflow(args, i + 1)?;
            i += 2;
            continue;
        }
        let (get, set, increment) = (args.is(i, "get"), args.is(i, "set"), args.is(i, "incrby"));
        if !(get && left >= 2 || (set || increment) && left >= 3) {
            return Err(Error::Syntax);
        }
        let width = Width::parse(args.at(i + 1)).ok_or(const {
            Error::text(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )
        })?;
        let offset = bit_offset(cx, args, i + 2, Some(width.bits))?;
        let action = match (get, set) {
            (true, _) => Action::Get,
            (_, true) => Action::Set(args.integer(i + 3)?, overflow),
            _ => Action::Increment(args.integer(i + 3)?, overflow),
        };
        operations.push(Operation { width, offset, action });
        i += if get { 3 } else { 4 };
    }
    Ok(operations)
}

fn parse_overflow(args: Args<'_>, i: usize) -> Result<Overflow, Error> {
    let kinds = [("wrap", Overflow::Wrap), ("sat", Overflow::Saturate), ("fail", Overflow::Fail)];
    let named = kinds.into_iter().find(|(name, _)| args.is(i, name));
    named.map(|(_, kind)| kind).ok_or(const { Error::text("ERR Invalid OVERFLOW type specified") })
}

fn bitfield(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let operations = parse(cx, args)?;
    let last_written =
        operations.iter().filter(|operation| operation.writes()).map(Operation::last_bit).max();
    match last_written {
        Some(last_bit) => write(cx, args.at(1), &operations, last_bit),
        None => read(cx, args.at(1), &operations),
    }
}

fn bitfield_ro(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let operations = parse(cx, args)?;
    if operations.iter().any(Operation::writes) {
        return Err(const { Error::text("ERR BITFIELD_RO only supports the GET subcommand") });
    }
    read(cx, args.at(1), &operations)
}

fn read(cx: &mut Cx<'_, '_>, key: &[u8], operations: &[Operation]) -> CommandResult {
    let mut text = IntegerText::default();
    let bytes = match cx.keys.read(key) {
        Some(record) => string_value(record)?.as_bytes(&mut text),
        None => b"",
    };
    cx.reply.array(operations.len());
    for Operation { width, offset, .. } in operations {
        cx.reply.integer(width.read(bytes, *offset));
    }
    Ok(())
}

fn write(cx: &mut Cx<'_, '_>, key: &[u8], operations: &[Operation], last_bit: u64) -> CommandResult {
    let mut results = SmallVec::<[Option<i64>; 4]>::new();
    let mut changes = 0;
    let mut string = grow(cx, key, last_bit)?;
    let grown = string.grown;
    let bytes = string.bytes();
    for Operation { width, offset, action } in operations {
        let before = width.read(bytes, *offset);
        let (after, result) = match *action {
            Action::Get => {
                results.push(Some(before));
                continue;
            }
            Action::Set(value, overflow) => {
                let after = width.add(value, 0, overflow);
                (after, after.and(Some(before)))
            }
            Action::Increment(by, overflow) => {
                let after = width.add(before, by, overflow);
                (after, after)
            }
        };
        if let Some(after) = after {
            width.write(bytes, *offset, after);
            changes += usize::from(grown || before != after);
        }
        results.push(result);
    }
    if changes > 0 {
        cx.keys.changed(key);
        cx.keys.event(EventClass::STRING, "setbit", key);
    }
    cx.reply.array(results.len());
    for result in results {
        match result {
            Some(number) => cx.reply.integer(number),
            None => cx.reply.null(),
        }
    }
    Ok(())
}
