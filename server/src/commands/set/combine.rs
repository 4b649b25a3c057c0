//! Combining sets: SINTER, SINTERSTORE, SINTERCARD, SUNION, SUNIONSTORE, SDIFF, SDIFFSTORE.
//!
//! An intersection passes over the smallest set and asks the others; a difference does likewise with the first set, or
//! removes the members of the others from a copy of it, whichever is less work; a union adds up.

use super::{KEY, ROW, limits};
use crate::commands::args::parse_integer;
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Find, Flags, KeyFlags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error, Keys};
use boxcar_store::{Composite, Encoding, Record, Set, SetLimits, Value};
use smallvec::SmallVec;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sinter",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Returns the members that all of several sets have.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY.multiple()],
        handler: sinter,
        ..ROW
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::all_from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Stores the members that all of several sets have.",
        arguments: &[Argument::new("destination", "key"), KEY.multiple()],
        handler: sinterstore,
        ..ROW
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: Flags::of(&[Flags::READONLY, Flags::MOVABLEKEYS]),
        keys: &[KeySpec {
            find: Find::KeyCount { count_at: 0, first: 1, step: 1 },
            ..KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))
        }],
        since: "7.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Returns how many members all of several sets have.",
        arguments: &[
            Argument::new("numkeys", "integer"),
            KEY.multiple(),
            Argument::new("limit", "integer").after("LIMIT").optional(),
        ],
        handler: sintercard,
        ..ROW
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the members that any of several sets has.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY.multiple()],
        handler: sunion,
        ..ROW
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::all_from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the members that any of several sets has.",
        arguments: &[Argument::new("destination", "key"), KEY.multiple()],
        handler: sunionstore,
        ..ROW
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::all_from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the members of a set that no other of several sets has.",
        tips: &["nondeterministic_output_order"],
        arguments: &[KEY.multiple()],
        handler: sdiff,
        ..ROW
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::all_from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the members of a set that no other of several sets has.",
        arguments: &[Argument::new("destination", "key"), KEY.multiple()],
        handler: sdiffstore,
        ..ROW
    },
];

/// The sets of a command, `None` for keys that do not exist.
type Sets<'a> = SmallVec<[Option<&'a Set>; 8]>;

/// Looks the sets up, all of them.
///
/// # Errors
/// When one of the keys holds something else.
fn sets<'s, 'a>(
    keys: &'s mut Keys<'_>,
    names: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<Sets<'s>, Error> {
    for name in names.clone() {
        super::read(keys, name)?;
    }
    Ok(names.map(|name| keys.view(name).and_then(Record::object::<Set>)).collect())
}

fn sinter(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let sets = sets(cx.keys, args.from(1))?;
    let reply = cx.reply.deferred_set();
    let mut count = 0;
    intersect(sets, |_, member| {
        write_value(cx.reply, member);
        count += 1;
        true
    });
    cx.reply.finish(reply, count);
    Ok(())
}

fn sintercard(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let keys = parse_integer(args.at(1)).filter(|&keys| keys > 0);
    let keys = keys.ok_or(const { Error::text("ERR numkeys should be greater than 0") })?;
    let end = usize::try_from(keys).ok().map(|keys| keys.saturating_add(2)).filter(|&end| end <= args.len());
    let end = end.ok_or(const { Error::text("ERR Number of keys can't be greater than number of args") })?;
    let mut limit = 0;
    for at in (end..args.len()).step_by(2) {
        if !args.is(at, "LIMIT") || at + 1 == args.len() {
            return Err(Error::Syntax);
        }
        let number = parse_integer(args.at(at + 1)).and_then(|limit| u64::try_from(limit).ok());
        limit = number.ok_or(const { Error::text("ERR LIMIT can't be negative") })?;
    }
    let sets = sets(cx.keys, args.from(2).take(end - 2))?;
    let mut count = 0;
    intersect(sets, |_, _| {
        count += 1;
        count != limit
    });
    cx.reply.integer(count.cast_signed());
    Ok(())
}

fn sinterstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let limits = limits(cx.server);
    let sets = sets(cx.keys, args.from(2))?;
    let mut result: Option<Set> = None;
    intersect(sets, |smallest, member| {
        let is_sorted = smallest.encoding() == Encoding::Intset;
        let new = || if is_sorted { Set::new() } else { Set::new_listpack() };
        result.get_or_insert_with(new).add(member, limits);
        true
    });
    let result = result.map(|mut set| {
        if set.encoding() != Encoding::Intset {
            set.become_intset(limits);
        }
        set
    });
    store(cx, args.at(1), result, "sinterstore");
    Ok(())
}

/// Shows the smallest of the sets and each member that all of them have, as long as `visit` says so.
fn intersect<'a>(sets: Sets<'a>, mut visit: impl FnMut(&'a Set, Value<'a>) -> bool) {
    let Some(mut sets) = sets.into_iter().collect::<Option<SmallVec<[&Set; 8]>>>() else { return };
    sets.sort_by_key(|set| set.len());
    let [smallest, others @ ..] = &*sets else { return };
    for member in smallest.iter() {
        // The smallest itself may be named twice.
        let in_all = others.iter().all(|set| std::ptr::eq(*set, *smallest) || set.contains(member));
        if in_all && !visit(smallest, member) {
            return;
        }
    }
}

fn sunion(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let limits = limits(cx.server);
    let union = unite(&sets(cx.keys, args.from(1))?, true, limits);
    cx.reply.set(union.len());
    union.iter().for_each(|member| write_value(cx.reply, member));
    Ok(())
}

fn sunionstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let limits = limits(cx.server);
    let union = unite(&sets(cx.keys, args.from(2))?, false, limits);
    store(cx, args.at(1), Some(union), "sunionstore");
    Ok(())
}

/// The members of all sets. What is only to be shown becomes a table at once, unless it is sorted.
fn unite(sets: &Sets<'_>, to_show: bool, limits: SetLimits) -> Set {
    let sorted = sets.iter().flatten().all(|set| set.encoding() == Encoding::Intset);
    let mut union = if to_show && !sorted { Set::new_table() } else { Set::new() };
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        union.add(member, limits);
    }
    union
}

fn sdiff(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let limits = limits(cx.server);
    let sets = sets(cx.keys, args.from(1))?;
    let reply = cx.reply.deferred_set();
    let mut count = 0;
    subtract(&sets, limits, |member| {
        write_value(cx.reply, member);
        count += 1;
    });
    cx.reply.finish(reply, count);
    Ok(())
}

fn sdiffstore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let limits = limits(cx.server);
    let mut result = Set::new();
    subtract(&sets(cx.keys, args.from(2))?, limits, |member| {
        result.add(member, limits);
    });
    store(cx, args.at(1), Some(result), "sdiffstore");
    Ok(())
}

/// Shows each member of the first set that no other has.
fn subtract(sets: &Sets<'_>, limits: SetLimits, mut visit: impl FnMut(Value<'_>)) {
    let Some((&Some(first), others)) = sets.split_first() else { return };
    let mut others: SmallVec<[&Set; 8]> = others.iter().copied().flatten().collect();
    if others.iter().any(|&set| std::ptr::eq(set, first)) {
        return;
    }
    // Asking the other sets often ends early: its work counts half, as in Redis.
    let asking = first.len() * (others.len() + 1) / 2;
    let removing = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if asking <= removing {
        // The largest sets first: they are the likeliest to have a member.
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in first.iter().filter(|&member| !others.iter().any(|set| set.contains(member))) {
            visit(member);
        }
        return;
    }
    let mut rest = Set::new_table();
    for member in first.iter() {
        rest.add(member, limits);
    }
    for member in others.iter().flat_map(|set| set.iter()) {
        if rest.is_empty() {
            break;
        }
        rest.remove(member);
    }
    rest.iter().for_each(visit);
}

/// Stores a result, or removes the key if there is none, and replies with its length.
fn store(cx: &mut Cx<'_, '_>, key: &[u8], result: Option<Set>, event: &'static str) {
    let result = result.filter(|set| !set.is_empty());
    cx.reply.integer(result.as_ref().map_or(0, Composite::len) as i64);
    match result {
        Some(set) => {
            cx.keys.set_object(key, set);
            cx.keys.event(EventClass::SET, event, key);
        }
        None => {
            if cx.keys.remove(key) {
                cx.keys.event(EventClass::GENERIC, "del", key);
            }
        }
    }
}
