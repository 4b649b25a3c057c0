//! Writing strings: SET and its older forms SETNX, SETEX, PSETEX; MSET, MSETNX.

use super::options::{self, Condition, Expiry, For, Unit};
use super::{KEY, ROW, VALUE, string_value, write_value};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Entry, Value};

const OW_UPDATE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
const OW_INSERT: KeyFlags = KeyFlags::OW.union(KeyFlags::INSERT);
const PAIRS: &[Argument] = &[Argument::block("data", &[KEY, VALUE]).multiple()];

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "set",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE),
        )
        .varying("RW and ACCESS due to the optional `GET` argument", set_key_flags)],
        summary: "Sets the string value of a key, whatever it held before.",
        arguments: &[
            KEY,
            VALUE,
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .optional()
                .since("2.6.12"),
            Argument::word("get", "GET").optional().since("6.2.0"),
            Argument::one_of(
                "expiration",
                &[
                    Argument::new("seconds", "integer").after("EX").since("2.6.12"),
                    Argument::new("milliseconds", "integer").after("PX").since("2.6.12"),
                    Argument::new("unix-time-seconds", "unix-time").after("EXAT").since("6.2.0"),
                    Argument::new("unix-time-milliseconds", "unix-time").after("PXAT").since("6.2.0"),
                    Argument::word("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ],
        handler: set,
        ..ROW
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, OW_INSERT)],
        summary: "Sets the string value of a key that does not exist yet.",
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        arguments: &[KEY, VALUE],
        handler: setnx,
        ..ROW
    },
    Command {
        name: "setex",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, OW_UPDATE)],
        since: "2.0.0",
        summary: "Sets the string value of a key and its time to live in seconds.",
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        arguments: &[KEY, Argument::new("seconds", "integer"), VALUE],
        handler: setex,
        ..ROW
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, OW_UPDATE)],
        since: "2.6.0",
        summary: "Sets the string value of a key and its time to live in milliseconds.",
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        arguments: &[KEY, Argument::new("milliseconds", "integer"), VALUE],
        handler: psetex,
        ..ROW
    },
    Command {
        name: "mset",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::all_from(1, 2, OW_UPDATE)],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets the string values of several keys at one moment.",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        arguments: PAIRS,
        handler: mset,
        ..ROW
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::all_from(1, 2, OW_INSERT)],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets the string values of several keys if none of them exists yet.",
        arguments: PAIRS,
        handler: msetnx,
        ..ROW
    },
];

/// SET reads its key only with GET.
fn set_key_flags(args: Args<'_>) -> KeyFlags {
    if (3..args.len()).any(|i| args.is(i, "GET")) {
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
    } else {
        OW_UPDATE
    }
}

fn set(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return set_with_options(cx, args);
    }
    cx.keys.set(args.at(1), Value::encode(args.at(2)), None);
    cx.keys.event(EventClass::STRING, "set", args.at(1));
    cx.reply.ok();
    Ok(())
}

fn set_with_options(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = options::parse(args, 3, For::Set)?;
    let expire_at_ms = options.expiry.at_ms(args, cx.keys.now_ms, cx.command)?;
    let (key, value) = (args.at(1), Value::encode(args.at(2)));
    if options.condition == Condition::Always && !options.get && options.expiry != Expiry::Keep {
        cx.keys.set(key, value, expire_at_ms);
        tell_set(cx, key, expire_at_ms);
        cx.reply.ok();
        return Ok(());
    }
    let (access, now_ms) = (cx.keys.access, cx.keys.now_ms);
    if options.get && !cx.keys.exists(key) {
        cx.keys.event(EventClass::MISS, "keymiss", key);
    }
    let entry = cx.keys.write(key);
    if options.get {
        match &entry {
            Entry::Occupied(entry) => {
                cx.stats.metrics.keyspace_hits.add(1);
                write_value(cx.reply, string_value(entry.record())?);
            }
            Entry::Vacant(_) => {
                cx.stats.metrics.keyspace_misses.add(1);
                cx.reply.null();
            }
        }
    }
    match (entry, options.condition) {
        (Entry::Occupied(_), Condition::IfMissing) | (Entry::Vacant(_), Condition::IfPresent) => {
            if !options.get {
                cx.reply.null();
            }
            return Ok(());
        }
        (Entry::Occupied(mut entry), _) => {
            let kept = if options.expiry == Expiry::Keep { entry.record().expire_at() } else { expire_at_ms };
            let clock = access.replaced(entry.record().access(), now_ms);
            entry.set(value, kept, clock);
        }
        (Entry::Vacant(entry), _) => {
            entry.insert(value, expire_at_ms, access.new_key(now_ms));
        }
    }
    cx.keys.changed(key);
    tell_set(cx, key, expire_at_ms);
    if !options.get {
        cx.reply.ok();
    }
    Ok(())
}

/// The events of a key that was set, and whose expiry was when `expire_at_ms` says so.
fn tell_set(cx: &mut Cx<'_, '_>, key: &[u8], expire_at_ms: Option<i64>) {
    cx.keys.event(EventClass::STRING, "set", key);
    if expire_at_ms.is_some() {
        cx.keys.event(EventClass::GENERIC, "expire", key);
    }
}

fn setnx(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let clock = cx.keys.access_clock();
    let Entry::Vacant(entry) = cx.keys.write(key) else {
        cx.reply.integer(0);
        return Ok(());
    };
    entry.insert(Value::encode(args.at(2)), None, clock);
    cx.keys.changed(key);
    cx.keys.event(EventClass::STRING, "set", key);
    cx.reply.integer(1);
    Ok(())
}

fn setex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiring(cx, args, Unit::Seconds)
}

fn psetex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiring(cx, args, Unit::Millis)
}

fn set_expiring(cx: &mut Cx<'_, '_>, args: Args<'_>, unit: Unit) -> CommandResult {
    let expire_at_ms = Expiry::In { unit, at: 2 }.at_ms(args, cx.keys.now_ms, cx.command)?;
    cx.keys.set(args.at(1), Value::encode(args.at(3)), expire_at_ms);
    tell_set(cx, args.at(1), expire_at_ms);
    cx.reply.ok();
    Ok(())
}

/// The keys and values of MSET and MSETNX.
fn pairs<'a>(
    cx: &Cx<'_, '_>,
    args: Args<'a>,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a>, Error> {
    if args.len().is_multiple_of(2) {
        return Err(Error::WrongArity(cx.command.name.clone()));
    }
    Ok((1..args.len()).step_by(2).map(move |i| (args.at(i), args.at(i + 1))))
}

fn mset(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    for (key, value) in pairs(cx, args)? {
        cx.keys.set(key, Value::encode(value), None);
        cx.keys.event(EventClass::STRING, "set", key);
    }
    cx.reply.ok();
    Ok(())
}

fn msetnx(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    for (key, _) in pairs(cx, args)? {
        if matches!(cx.keys.write(key), Entry::Occupied(_)) {
            cx.reply.integer(0);
            return Ok(());
        }
    }
    for (key, value) in pairs(cx, args)? {
        cx.keys.set(key, Value::encode(value), None);
        cx.keys.event(EventClass::STRING, "set", key);
    }
    cx.reply.integer(1);
    Ok(())
}
