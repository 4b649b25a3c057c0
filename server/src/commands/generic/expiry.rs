//! Expiry: EXPIRE and TTL with their kin, PERSIST.

use super::{KEY, ROW};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Entry, Record};

const SETTER: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    ..ROW
};

const GETTER: Command = Command {
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    arguments: &[KEY],
    ..ROW
};

const CONDITION: Argument = Argument::one_of(
    "condition",
    &[
        Argument::word("nx", "NX"),
        Argument::word("xx", "XX"),
        Argument::word("gt", "GT"),
        Argument::word("lt", "LT"),
    ],
)
.optional()
.since("7.0.0");

const CLOCK_DEPENDENT: &[&str] = &["nondeterministic_output"];

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "expire",
        summary: "Sets the time to live of a key in seconds.",
        arguments: &[KEY, Argument::new("seconds", "integer"), CONDITION],
        handler: |cx, args| set_expiry(cx, args, Unit::Seconds, cx.keys.now_ms),
        ..SETTER
    },
    Command {
        name: "pexpire",
        since: "2.6.0",
        summary: "Sets the time to live of a key in milliseconds.",
        arguments: &[KEY, Argument::new("milliseconds", "integer"), CONDITION],
        handler: |cx, args| set_expiry(cx, args, Unit::Millis, cx.keys.now_ms),
        ..SETTER
    },
    Command {
        name: "expireat",
        since: "1.2.0",
        summary: "Sets when a key expires, in unix seconds.",
        arguments: &[KEY, Argument::new("unix-time-seconds", "unix-time"), CONDITION],
        handler: |cx, args| set_expiry(cx, args, Unit::Seconds, 0),
        ..SETTER
    },
    Command {
        name: "pexpireat",
        since: "2.6.0",
        summary: "Sets when a key expires, in unix milliseconds.",
        arguments: &[KEY, Argument::new("unix-time-milliseconds", "unix-time"), CONDITION],
        handler: |cx, args| set_expiry(cx, args, Unit::Millis, 0),
        ..SETTER
    },
    Command {
        name: "ttl",
        summary: "Returns the time a key has left to live in seconds.",
        tips: CLOCK_DEPENDENT,
        handler: |cx, args| get_expiry(cx, args, Unit::Seconds, cx.keys.now_ms),
        ..GETTER
    },
    Command {
        name: "pttl",
        since: "2.6.0",
        summary: "Returns the time a key has left to live in milliseconds.",
        tips: CLOCK_DEPENDENT,
        handler: |cx, args| get_expiry(cx, args, Unit::Millis, cx.keys.now_ms),
        ..GETTER
    },
    Command {
        name: "expiretime",
        since: "7.0.0",
        summary: "Returns when a key expires, in unix seconds.",
        handler: |cx, args| get_expiry(cx, args, Unit::Seconds, 0),
        ..GETTER
    },
    Command {
        name: "pexpiretime",
        since: "7.0.0",
        summary: "Returns when a key expires, in unix milliseconds.",
        handler: |cx, args| get_expiry(cx, args, Unit::Millis, 0),
        ..GETTER
    },
    Command {
        name: "persist",
        arity: 2,
        since: "2.2.0",
        summary: "Removes the expiry of a key.",
        arguments: &[KEY],
        handler: persist,
        ..SETTER
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Millis,
}

/// When EXPIRE and its kin change the expiry.
#[derive(Clone, Copy, Default)]
struct Conditions {
    /// Only without one.
    nx: bool,
    /// Only with one.
    xx: bool,
    /// Only to a later one; never is the latest of all.
    gt: bool,
    /// Only to an earlier one.
    lt: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, Error> {
        let mut conditions = Self::default();
        for (i, word) in args.from(3).enumerate().map(|(i, word)| (i + 3, word)) {
            let condition = match () {
                () if args.is(i, "NX") => &mut conditions.nx,
                () if args.is(i, "XX") => &mut conditions.xx,
                () if args.is(i, "GT") => &mut conditions.gt,
                () if args.is(i, "LT") => &mut conditions.lt,
                () => return Err(Error::Bytes([b"ERR Unsupported option ", Error::quotable(word)].concat())),
            };
            *condition = true;
        }
        let Self { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Error::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if gt && lt {
            return Err(Error::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    fn allow(self, present_ms: Option<i64>, new_ms: i64) -> bool {
        let Some(present_ms) = present_ms else { return !self.xx && !self.gt };
        !(self.nx || (self.gt && new_ms <= present_ms) || (self.lt && new_ms >= present_ms))
    }
}

/// EXPIRE and its kin: the expiry is the number in argument 2, counted from `from_ms`.
fn set_expiry(cx: &mut Cx<'_, '_>, args: Args<'_>, unit: Unit, from_ms: i64) -> CommandResult {
    let key = args.at(1);
    let conditions = Conditions::parse(args)?;
    let number = args.integer(2)?;
    let millis = if unit == Unit::Seconds { number.checked_mul(1000) } else { Some(number) };
    let expire_at_ms = millis.and_then(|millis| millis.checked_add(from_ms));
    let Some(expire_at_ms) = expire_at_ms else {
        return Err(format!("ERR invalid expire time in '{}' command", cx.command.name).into());
    };
    let now_ms = cx.keys.now_ms;
    let event = match cx.keys.write(key) {
        Entry::Occupied(mut entry) if conditions.allow(entry.record().expire_at(), expire_at_ms) => {
            if expire_at_ms <= now_ms {
                entry.remove();
                Some("del")
            } else {
                entry.set_expire(Some(expire_at_ms));
                Some("expire")
            }
        }
        Entry::Occupied(_) | Entry::Vacant(_) => None,
    };
    if let Some(event) = event {
        cx.keys.changed(key);
        cx.keys.event(EventClass::GENERIC, event, key);
    }
    cx.reply.integer(i64::from(event.is_some()));
    Ok(())
}

/// TTL and its kin: the expiry, counted from `from_ms`; -1 when there is none, -2 when there is no key.
fn get_expiry(cx: &mut Cx<'_, '_>, args: Args<'_>, unit: Unit, from_ms: i64) -> CommandResult {
    let answer = match cx.keys.inspect(args.at(1)).map(Record::expire_at) {
        None => -2,
        Some(None) => -1,
        Some(Some(expire_at_ms)) => {
            let millis = expire_at_ms.saturating_sub(from_ms).max(0);
            if unit == Unit::Seconds { millis.saturating_add(500) / 1000 } else { millis }
        }
    };
    cx.reply.integer(answer);
    Ok(())
}

fn persist(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let done = match cx.keys.write(key) {
        Entry::Occupied(mut entry) if entry.record().expire_at().is_some() => {
            entry.set_expire(None);
            true
        }
        Entry::Occupied(_) | Entry::Vacant(_) => false,
    };
    if done {
        cx.keys.changed(key);
        cx.keys.event(EventClass::GENERIC, "persist", key);
    }
    cx.reply.integer(i64::from(done));
    Ok(())
}
