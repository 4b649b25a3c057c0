//! Reading strings: GET, MGET, GETRANGE, SUBSTR, STRLEN, and the readers that also change something: GETDEL, GETEX,
//! GETSET.

use super::options::{self, Expiry, For};
use super::{KEY, ROW, VALUE, string_value, write_value};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_store::{Entry, IntegerText, Value};

const RANGE_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The complexity is ultimately \
    determined by the returned length, but because creating a substring from an existing string is very cheap, it \
    can be considered O(1) for small strings.";

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        summary: "Returns the string value of a key.",
        arguments: &[KEY],
        handler: get,
        ..ROW
    },
    Command {
        name: "mget",
        arity: -2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Returns the string values of several keys at one moment.",
        tips: &["request_policy:multi_shard"],
        arguments: &[KEY.multiple()],
        handler: mget,
        ..ROW
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        since: "2.2.0",
        summary: "Returns the length of a string in bytes.",
        arguments: &[KEY],
        handler: strlen,
        ..ROW
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.4.0",
        complexity: RANGE_COMPLEXITY,
        summary: "Returns a part of a string.",
        arguments: &[KEY, Argument::new("start", "integer"), Argument::new("end", "integer")],
        handler: getrange,
        ..ROW
    },
    Command {
        name: "substr",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: RANGE_COMPLEXITY,
        summary: "Returns a part of a string (the older name of GETRANGE).",
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        arguments: &[KEY, Argument::new("start", "integer"), Argument::new("end", "integer")],
        handler: getrange,
        ..ROW
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
        since: "6.2.0",
        summary: "Returns the string value of a key and removes the key.",
        arguments: &[KEY],
        handler: getdel,
        ..ROW
    },
    Command {
        name: "getex",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        since: "6.2.0",
        summary: "Returns the string value of a key and sets or removes its expiry.",
        arguments: &[
            KEY,
            Argument::one_of(
                "expiration",
                &[
                    Argument::new("seconds", "integer").after("EX"),
                    Argument::new("milliseconds", "integer").after("PX"),
                    Argument::new("unix-time-seconds", "unix-time").after("EXAT"),
                    Argument::new("unix-time-milliseconds", "unix-time").after("PXAT"),
                    Argument::word("persist", "PERSIST"),
                ],
            )
            .optional(),
        ],
        handler: getex,
        ..ROW
    },
    Command {
        name: "getset",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        summary: "Sets the string value of a key and returns the one before.",
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        arguments: &[KEY, VALUE],
        handler: getset,
        ..ROW
    },
];

fn get(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match cx.keys.read(args.at(1)) {
        Some(record) => write_value(cx.reply, string_value(record)?),
        None => cx.reply.null(),
    }
    Ok(())
}

fn mget(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let keys = args.from(1);
    cx.reply.array(keys.len());
    for key in keys {
        match cx.keys.read(key).map(string_value) {
            Some(Ok(value)) => write_value(cx.reply, value),
            // A key of another type counts as missing.
            Some(Err(_)) | None => cx.reply.null(),
        }
    }
    Ok(())
}

fn strlen(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let len = match cx.keys.read(args.at(1)) {
        Some(record) => string_value(record)?.len(),
        None => 0,
    };
    cx.reply.integer(len as i64);
    Ok(())
}

fn getrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let mut text = IntegerText::default();
    let bytes = match cx.keys.read(args.at(1)) {
        Some(record) => string_value(record)?.as_bytes(&mut text),
        None => b"",
    };
    cx.reply.bulk(part(bytes, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative positions count from the end. Positions beyond either
/// end of the string mean that end.
fn part(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        // Moved to the start of the string, both could be the same position.
        return b"";
    }
    let len = bytes.len() as i64;
    let from_start =
        |position: i64| if position < 0 { position.saturating_add(len).max(0) } else { position };
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}

fn getdel(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    match cx.keys.entry(key) {
        Entry::Occupied(entry) => {
            cx.stats.metrics.keyspace_hits.add(1);
            write_value(cx.reply, string_value(entry.record())?);
            entry.remove();
        }
        Entry::Vacant(_) => {
            cx.stats.metrics.keyspace_misses.add(1);
            cx.reply.null();
            cx.keys.event(EventClass::MISS, "keymiss", key);
            return Ok(());
        }
    }
    cx.keys.changed(key);
    cx.keys.event(EventClass::GENERIC, "del", key);
    Ok(())
}

fn getex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let options = options::parse(args, 2, For::Getex)?;
    let now_ms = cx.keys.now_ms;
    let Entry::Occupied(mut entry) = cx.keys.write(key) else {
        cx.stats.metrics.keyspace_misses.add(1);
        cx.reply.null();
        cx.keys.event(EventClass::MISS, "keymiss", key);
        return Ok(());
    };
    cx.stats.metrics.keyspace_hits.add(1);
    let value = string_value(entry.record())?;
    let expire_at_ms = options.expiry.at_ms(args, now_ms, cx.command)?;
    write_value(cx.reply, value);
    let event = match options.expiry {
        Expiry::At { .. } if expire_at_ms.is_some_and(|at| at <= now_ms) => {
            entry.remove();
            "del"
        }
        Expiry::In { .. } | Expiry::At { .. } => {
            entry.set_expire(expire_at_ms);
            "expire"
        }
        Expiry::Persist if entry.record().expire_at().is_some() => {
            entry.set_expire(None);
            "persist"
        }
        Expiry::Persist | Expiry::Unsaid | Expiry::Keep => return Ok(()),
    };
    cx.keys.changed(key);
    cx.keys.event(EventClass::GENERIC, event, key);
    Ok(())
}

fn getset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let value = Value::encode(args.at(2));
    let (access, now_ms) = (cx.keys.access, cx.keys.now_ms);
    match cx.keys.write(key) {
        Entry::Occupied(mut entry) => {
            cx.stats.metrics.keyspace_hits.add(1);
            write_value(cx.reply, string_value(entry.record())?);
            let clock = access.replaced(entry.record().access(), now_ms);
            entry.set(value, None, clock);
        }
        Entry::Vacant(entry) => {
            cx.stats.metrics.keyspace_misses.add(1);
            cx.reply.null();
            entry.insert(value, None, access.new_key(now_ms));
            cx.keys.event(EventClass::MISS, "keymiss", key);
        }
    }
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "set", key);
    Ok(())
}
