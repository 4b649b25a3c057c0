//! Fields together with their expiry, or their end: HGETEX, HSETEX, HGETDEL.

use super::moment::Clock;
use super::{
    FIELDS, FIELDS_AND_VALUES, FIELDS_NOT_POSITIVE, KEY, ROW, change, existing, existing_or_new, limits,
    parse_fields, remove_due, report, report_expired,
};
use crate::commands::args::parse_integer;
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error, Keys};
use boxcar_store::{Composite, Field, Hash, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hgetex",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))
            .noted("RW and UPDATE because it changes the TTL")],
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns the values of fields of a hash, and sets or removes their expiry.",
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
            FIELDS,
        ],
        handler: hgetex,
        ..ROW
    },
    Command {
        name: "hsetex",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "8.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets fields of a hash together with their expiry.",
        arguments: &[
            KEY,
            Argument::one_of("condition", &[Argument::word("fnx", "FNX"), Argument::word("fxx", "FXX")])
                .optional(),
            Argument::one_of(
                "expiration",
                &[
                    Argument::new("seconds", "integer").after("EX"),
                    Argument::new("milliseconds", "integer").after("PX"),
                    Argument::new("unix-time-seconds", "unix-time").after("EXAT"),
                    Argument::new("unix-time-milliseconds", "unix-time").after("PXAT"),
                    Argument::word("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
            Argument::block("fields", &[Argument::new("numfields", "integer"), FIELDS_AND_VALUES])
                .after("FIELDS"),
        ],
        handler: hsetex,
        ..ROW
    },
    Command {
        name: "hgetdel",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns the values of fields of a hash, and removes the fields.",
        arguments: &[KEY, FIELDS],
        handler: hgetdel,
        ..ROW
    },
];

/// What becomes of the expiry of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// It stays.
    Keep,
    /// There is none afterwards.
    Never,
    /// It is this one, in Unix milliseconds.
    At(i64),
}

fn hgetex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, now_ms) = (args.at(1), cx.keys.now_ms);
    existing(cx.keys, key)?;
    let (expiry, at) = match args.at(2) {
        word if word.eq_ignore_ascii_case(b"PERSIST") => (Expiry::Never, 3),
        word => match (Clock::of_option(word), args.get(3)) {
            (Some(clock), Some(number)) => (Expiry::At(clock.parse(number, cx)?), 4),
            _ => (Expiry::Keep, 2),
        },
    };
    let first = parse_fields(cx, args, at, FIELDS_NOT_POSITIVE)?;
    let (mut set, mut persisted) = (false, false);
    if expiry != Expiry::Keep {
        allow_expiries(cx.keys, key);
    }
    let (removed, gone) = give_out(cx, args, first, |hash, name, present| match expiry {
        Expiry::At(moment) if moment <= now_ms => hash.remove(name),
        Expiry::At(moment) => {
            hash.set_expire(name, Some(moment));
            set = true;
            false
        }
        Expiry::Never if present.is_some() => {
            hash.set_expire(name, None);
            persisted = true;
            false
        }
        Expiry::Never | Expiry::Keep => false,
    })?;
    let event = match () {
        () if removed => "hdel",
        () if set => "hexpire",
        () if persisted => "hpersist",
        () => return Ok(()),
    };
    report(cx.keys, key, event, gone);
    Ok(())
}

fn hgetdel(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    existing(cx.keys, key)?;
    let first = parse_fields(cx, args, 2, FIELDS_NOT_POSITIVE)?;
    let (removed, gone) = give_out(cx, args, first, |hash, name, _| hash.remove(name))?;
    if removed {
        report(cx.keys, key, "hdel", gone);
    }
    Ok(())
}

/// Prepares a hash for expiries, whether or not it has the fields that are to get one, as Redis does.
fn allow_expiries(keys: &mut Keys<'_>, key: &[u8]) {
    if let Ok(Some(mut entry)) = existing(keys, key)
        && let Some(mut hash) = entry.object_mut::<Hash>()
    {
        hash.allow_expiries();
    }
}

/// Replies with the values of the fields from argument `first` on. After each field that is there, `change_field` is
/// given its name and expiry, and says whether it has removed it. Returns whether any was removed, and whether the
/// hash has gone with them.
fn give_out(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    first: usize,
    mut change_field: impl FnMut(&mut Hash, &[u8], Option<i64>) -> bool,
) -> Result<(bool, bool), Error> {
    let (key, now_ms) = (args.at(1), cx.keys.now_ms);
    let names = args.from(first);
    cx.reply.array(names.len());
    let Some(entry) = existing(cx.keys, key)? else {
        names.for_each(|_| cx.reply.null());
        return Ok((false, false));
    };
    let reply = &mut *cx.reply;
    let mut due = false;
    let result = change(entry, |hash| {
        let mut removed = false;
        for name in names.clone() {
            match hash.get(name) {
                Some(field) if !field.is_due(now_ms) => {
                    let Field { value, expire_at, .. } = field;
                    write_value(reply, value);
                    removed |= change_field(hash, name, expire_at);
                }
                field => {
                    due |= field.is_some();
                    reply.null();
                }
            }
        }
        removed
    });
    if due {
        remove_due(cx, key, names);
    }
    Ok(result)
}

/// Under which condition HSETEX sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// FNX: only if none of the fields is there.
    IfNone,
    /// FXX: only if all of them are.
    IfAll,
}

struct SetOptions {
    condition: Condition,
    expiry: Option<Expiry>,
    /// Where the pairs begin.
    first: usize,
}

fn parse_set_options(cx: &Cx<'_, '_>, args: Args<'_>) -> Result<SetOptions, Error> {
    let mut options = SetOptions { condition: Condition::Always, expiry: None, first: 0 };
    let mut at = 2;
    while let Some(word) = args.get(at) {
        if args.is(at, "FIELDS") {
            options.first = at + 2;
            // A number, a field and a value.
            if args.len() - at < 4 {
                return Err(Error::WrongArity(cx.command.name.to_owned()));
            }
            let count = args
                .get(at + 1)
                .and_then(parse_integer)
                .filter(|count| (1..=i64::from(i32::MAX)).contains(count));
            let count = count.ok_or(const { Error::text("ERR invalid number of fields") })? as usize;
            // The pairs are the rest: no option may follow.
            if args.len() - options.first != 2 * count {
                return Err(Error::WrongArity(cx.command.name.to_owned()));
            }
            return Ok(options);
        }
        let condition = match () {
            () if args.is(at, "FNX") => Some(Condition::IfNone),
            () if args.is(at, "FXX") => Some(Condition::IfAll),
            () => None,
        };
        let keep = args.is(at, "KEEPTTL");
        let clock = Clock::of_option(word);
        if let Some(condition) = condition {
            if options.condition != Condition::Always {
                return Err(Error::text("ERR Only one of FXX or FNX arguments can be specified"));
            }
            options.condition = condition;
        } else if keep || clock.is_some() {
            if options.expiry.is_some() {
                let text = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
                return Err(Error::text(text));
            }
            options.expiry = Some(match clock {
                None => Expiry::Keep,
                Some(clock) => {
                    at += 1;
                    let missing = || Error::WrongArity(cx.command.name.to_owned());
                    Expiry::At(clock.parse(args.get(at).ok_or_else(missing)?, cx)?)
                }
            });
        } else {
            return Err(Error::Bytes([b"ERR unknown argument: ", Error::quotable(word)].concat()));
        }
        at += 1;
    }
    Err(Error::WrongArity(cx.command.name.to_owned()))
}

/// Whether the condition of HSETEX holds. Names are looked at in their order until it does not, and fields whose time has come
/// are removed; the hash that has lost its last one stays when fields are to be set.
fn holds<'a>(
    cx: &mut Cx<'_, '_>,
    condition: Condition,
    key: &[u8],
    mut names: impl Iterator<Item = &'a [u8]>,
) -> Result<bool, Error> {
    let (now_ms, wanted) = (cx.keys.now_ms, condition == Condition::IfAll);
    let Some(mut entry) = existing(cx.keys, key)? else { return Ok(!wanted) };
    let Some(mut hash) = entry.object_mut::<Hash>() else { return Err(Error::WrongType) };
    let mut removed = 0;
    let holds = names.all(|name| {
        let is_due = hash.get(name).map(|field| field.is_due(now_ms));
        if is_due == Some(true) {
            hash.remove(name);
            removed += 1;
        }
        (is_due == Some(false)) == wanted
    });
    let gone = hash.is_empty() && !holds;
    drop(hash);
    if gone {
        entry.remove();
    }
    report_expired(cx, key, removed, gone);
    Ok(holds)
}

fn hsetex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, limits, now_ms) = (args.at(1), limits(cx.server), cx.keys.now_ms);
    let SetOptions { condition, expiry, first } = parse_set_options(cx, args)?;
    if condition != Condition::Always && !holds(cx, condition, key, args.from(first).step_by(2))? {
        cx.reply.integer(0);
        return Ok(());
    }
    let entry = existing_or_new(cx.keys, key)?;
    let ((), gone) = change(entry, |hash| {
        hash.prepare(args.from(first), limits);
        if let Some(Expiry::At(_)) = expiry {
            hash.allow_expiries();
        }
        for at in (first..args.len()).step_by(2) {
            let (name, value) = (args.at(at), Value::Bytes(args.at(at + 1)));
            match expiry {
                Some(Expiry::At(moment)) if moment <= now_ms => {
                    hash.remove(name);
                }
                Some(expiry @ (Expiry::At(_) | Expiry::Keep)) => {
                    let present = hash.get(name).and_then(|field| field.expire_at);
                    hash.set(name, value, present, limits);
                    if let Expiry::At(moment) = expiry {
                        // Apart from the value: the field moves, even if it had this expiry before.
                        hash.set_expire(name, Some(moment));
                    }
                }
                Some(Expiry::Never) | None => {
                    hash.set(name, value, None, limits);
                }
            }
        }
    });
    cx.keys.changed(key);
    cx.keys.event(EventClass::HASH, "hset", key);
    if let Some(Expiry::At(moment)) = expiry {
        cx.keys.event(EventClass::HASH, if moment <= now_ms { "hdel" } else { "hexpire" }, key);
    }
    if gone {
        cx.keys.event(EventClass::GENERIC, "del", key);
    }
    cx.reply.integer(1);
    Ok(())
}
