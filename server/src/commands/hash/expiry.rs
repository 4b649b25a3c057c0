//! When fields expire: HEXPIRE and its kin, HTTL and its kin, HPERSIST.

use super::moment::Clock;
use super::{FIELDS, FIELDS_NOT_POSITIVE, KEY, ROW, change, existing, parse_fields, read, report};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Hash, Record};

/// When HEXPIRE and its kin change an expiry.
const CONDITION: Argument = Argument::one_of(
    "condition",
    &[
        Argument::word("nx", "NX"),
        Argument::word("xx", "XX"),
        Argument::word("gt", "GT"),
        Argument::word("lt", "LT"),
    ],
)
.optional();

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hexpire",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Sets how long fields of a hash live, in seconds.",
        arguments: &[KEY, Argument::new("seconds", "integer"), CONDITION, FIELDS],
        handler: hexpire,
        ..ROW
    },
    Command {
        name: "hpexpire",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Sets how long fields of a hash live, in milliseconds.",
        arguments: &[KEY, Argument::new("milliseconds", "integer"), CONDITION, FIELDS],
        handler: hpexpire,
        ..ROW
    },
    Command {
        name: "hexpireat",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Sets when fields of a hash expire, in unix seconds.",
        arguments: &[KEY, Argument::new("unix-time-seconds", "unix-time"), CONDITION, FIELDS],
        handler: hexpireat,
        ..ROW
    },
    Command {
        name: "hpexpireat",
        arity: -6,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Sets when fields of a hash expire, in unix milliseconds.",
        arguments: &[KEY, Argument::new("unix-time-milliseconds", "unix-time"), CONDITION, FIELDS],
        handler: hpexpireat,
        ..ROW
    },
    Command {
        name: "httl",
        arity: -5,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns how long fields of a hash still live, in seconds.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, FIELDS],
        handler: httl,
        ..ROW
    },
    Command {
        name: "hpttl",
        arity: -5,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns how long fields of a hash still live, in milliseconds.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY, FIELDS],
        handler: hpttl,
        ..ROW
    },
    Command {
        name: "hexpiretime",
        arity: -5,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns when fields of a hash expire, in unix seconds.",
        arguments: &[KEY, FIELDS],
        handler: hexpiretime,
        ..ROW
    },
    Command {
        name: "hpexpiretime",
        arity: -5,
        flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns when fields of a hash expire, in unix milliseconds.",
        arguments: &[KEY, FIELDS],
        handler: hpexpiretime,
        ..ROW
    },
    Command {
        name: "hpersist",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Removes the expiry of fields of a hash.",
        arguments: &[KEY, FIELDS],
        handler: hpersist,
        ..ROW
    },
];

/// The reply for a field that is not there.
const NO_FIELD: i64 = -2;
/// The reply for a field without an expiry.
const NEVER: i64 = -1;
/// The reply for a field whose expiry the condition left alone.
const UNMET: i64 = 0;
/// The reply for a field whose expiry was set or removed.
const DONE: i64 = 1;
/// The reply for a field that was removed, as its new expiry has passed.
const REMOVED: i64 = 2;

fn hexpire(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiry(cx, args, Clock::SecondsFromNow)
}

fn hpexpire(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiry(cx, args, Clock::MillisFromNow)
}

fn hexpireat(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiry(cx, args, Clock::UnixSeconds)
}

fn hpexpireat(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    set_expiry(cx, args, Clock::UnixMillis)
}

/// Under which condition an expiry is set.
#[derive(Clone, Copy)]
enum Condition {
    Always,
    /// NX: only without one.
    IfNever,
    /// XX: only with one.
    IfEver,
    /// GT: only to a later one; never is the latest of all.
    IfLater,
    /// LT: only to an earlier one.
    IfEarlier,
}

impl Condition {
    fn parse(args: Args<'_>, at: usize) -> Self {
        match () {
            () if args.is(at, "NX") => Self::IfNever,
            () if args.is(at, "XX") => Self::IfEver,
            () if args.is(at, "GT") => Self::IfLater,
            () if args.is(at, "LT") => Self::IfEarlier,
            () => Self::Always,
        }
    }

    fn allows(self, present: Option<i64>, new: i64) -> bool {
        match (self, present) {
            (Self::Always, _) | (Self::IfNever | Self::IfEarlier, None) | (Self::IfEver, Some(_)) => true,
            (Self::IfLater, Some(present)) => new > present,
            (Self::IfEarlier, Some(present)) => new < present,
            (Self::IfNever, Some(_)) | (Self::IfEver | Self::IfLater, None) => false,
        }
    }
}

/// HEXPIRE and its kin: the moment is argument 2.
fn set_expiry(cx: &mut Cx<'_, '_>, args: Args<'_>, clock: Clock) -> CommandResult {
    let (key, now_ms) = (args.at(1), cx.keys.now_ms);
    existing(cx.keys, key)?;
    let moment = clock.parse(args.at(2), cx)?;
    let condition = Condition::parse(args, 3);
    let at = if let Condition::Always = condition { 3 } else { 4 };
    let not_positive = const { Error::text("ERR Parameter `numFields` should be greater than 0") };
    let first = parse_fields(cx, args, at, not_positive)?;
    let names = args.from(first);
    cx.reply.array(names.len());
    let Some(entry) = existing(cx.keys, key)? else {
        names.for_each(|_| cx.reply.integer(NO_FIELD));
        return Ok(());
    };
    let reply = &mut *cx.reply;
    let (mut set, mut removed) = (false, false);
    let ((), gone) = change(entry, |hash| {
        hash.allow_expiries();
        for name in names.clone() {
            // One whose time has come is still there as long as it was not removed.
            let answer = match hash.get(name).map(|field| field.expire_at) {
                None => NO_FIELD,
                Some(present) if !condition.allows(present, moment) => UNMET,
                Some(_) if moment <= now_ms => {
                    removed |= hash.remove(name);
                    REMOVED
                }
                Some(_) => {
                    hash.set_expire(name, Some(moment));
                    set = true;
                    DONE
                }
            };
            reply.integer(answer);
        }
    });
    if set || removed {
        report(cx.keys, key, if removed { "hdel" } else { "hexpire" }, gone);
    }
    Ok(())
}

fn httl(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    get_expiry(cx, args, Clock::SecondsFromNow)
}

fn hpttl(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    get_expiry(cx, args, Clock::MillisFromNow)
}

fn hexpiretime(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    get_expiry(cx, args, Clock::UnixSeconds)
}

fn hpexpiretime(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    get_expiry(cx, args, Clock::UnixMillis)
}

/// HTTL and its kin. Seconds are rounded up.
fn get_expiry(cx: &mut Cx<'_, '_>, args: Args<'_>, clock: Clock) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    read(cx.keys, args.at(1))?;
    let first = parse_fields(cx, args, 2, FIELDS_NOT_POSITIVE)?;
    let record = cx.keys.view(args.at(1));
    let hash = record.and_then(Record::object::<Hash>);
    let names = args.from(first);
    cx.reply.array(names.len());
    for name in names {
        let answer = match hash.and_then(|hash| hash.get(name)) {
            Some(field) if !field.is_due(now_ms) => field.expire_at.map_or(NEVER, |moment| {
                let millis = moment - clock.origin_ms(now_ms);
                if clock.is_seconds() { (millis + 999) / 1000 } else { millis }
            }),
            _ => NO_FIELD,
        };
        cx.reply.integer(answer);
    }
    Ok(())
}

fn hpersist(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (key, now_ms) = (args.at(1), cx.keys.now_ms);
    existing(cx.keys, key)?;
    let names = args.from(parse_fields(cx, args, 2, FIELDS_NOT_POSITIVE)?);
    cx.reply.array(names.len());
    let Some(entry) = existing(cx.keys, key)? else {
        names.for_each(|_| cx.reply.integer(NO_FIELD));
        return Ok(());
    };
    let reply = &mut *cx.reply;
    let (done, gone) = change(entry, |hash| {
        let mut done = false;
        for name in names {
            let answer =
                match hash.get(name).filter(|field| !field.is_due(now_ms)).map(|field| field.expire_at) {
                    None => NO_FIELD,
                    Some(None) => NEVER,
                    Some(Some(_)) => {
                        hash.set_expire(name, None);
                        done = true;
                        DONE
                    }
                };
            reply.integer(answer);
        }
        done
    });
    if done {
        report(cx.keys, key, "hpersist", gone);
    }
    Ok(())
}
