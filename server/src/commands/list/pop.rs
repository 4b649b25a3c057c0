//! Taking from the ends: LPOP, RPOP, LMPOP, and BLPOP, BRPOP, BLMPOP, which wait until there is something.

use super::{KEY, LEFT_OR_RIGHT, ROW, RW_TAKE, at_least, fill, pop_event, side, take};
use crate::commands::blocking::{Timeout, Wait};
use crate::commands::row::{Argument, Begin, Command, Find, Flags, KeySpec};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Reply;
use boxcar_store::{Composite, Kind, List, Side};
use std::ops::Range;

const POP: Command = Command {
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, RW_TAKE)],
    complexity: "O(N) where N is the number of elements returned",
    arguments: &[KEY, Argument::new("count", "integer").optional().since("6.2.0")],
    ..ROW
};

const BLOCKING_POP: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING]),
    keys: &[KeySpec { find: Find::Range { last: -2, step: 1 }, ..KeySpec::one(1, RW_TAKE) }],
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    arguments: &[KEY.multiple(), Argument::new("timeout", "double")],
    ..ROW
};

/// Keys behind their number, which stands at this argument.
const fn counted(at: usize) -> KeySpec {
    let find = Find::KeyCount { count_at: 0, first: 1, step: 1 };
    KeySpec { begin: Begin::Index(at), find, ..KeySpec::one(at, RW_TAKE) }
}

const NUMKEYS: Argument = Argument::new("numkeys", "integer");
const WHERE: Argument = Argument::one_of("where", LEFT_OR_RIGHT);
const COUNT: Argument = Argument::new("count", "integer").after("COUNT").optional();

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpop",
        summary: "Takes the first element or elements from a list.",
        handler: |cx, args| pop(cx, args, Side::Left),
        ..POP
    },
    Command {
        name: "rpop",
        summary: "Takes the last element or elements from a list.",
        handler: |cx, args| pop(cx, args, Side::Right),
        ..POP
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::MOVABLEKEYS]),
        keys: &[counted(1)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Takes elements from an end of the first list among the keys.",
        arguments: &[NUMKEYS, KEY.multiple(), WHERE, COUNT],
        handler: lmpop,
        ..ROW
    },
    Command {
        name: "blpop",
        summary: "Takes the first element from the first list among the keys, and waits for one if there is none.",
        handler: |cx, args| blocking_pop(cx, args, Side::Left),
        ..BLOCKING_POP
    },
    Command {
        name: "brpop",
        summary: "Takes the last element from the first list among the keys, and waits for one if there is none.",
        handler: |cx, args| blocking_pop(cx, args, Side::Right),
        ..BLOCKING_POP
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING, Flags::MOVABLEKEYS]),
        keys: &[counted(2)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Takes elements from an end of the first list among the keys, and waits for one if there is none.",
        arguments: &[Argument::new("timeout", "double"), NUMKEYS, KEY.multiple(), WHERE, COUNT],
        handler: blmpop,
        ..ROW
    },
];

fn pop(cx: &mut Cx<'_, '_>, args: Args<'_>, side: Side) -> CommandResult {
    let count = match args.len() {
        2 => None,
        3 => Some(at_least(0, args, 2, "ERR value is out of range, must be positive")?),
        _ => return Err(Error::WrongArity(cx.command.name.clone())),
    };
    let reply = &mut *cx.reply;
    let popped = take(cx.keys, fill(cx.server), args.at(1), pop_event(side), |list| {
        match count {
            Some(count) => write_end(reply, list, side, count),
            None => write_value(reply, list.end(side).expect("no list is empty")),
        }
        ((), remove_end(list, side, count.unwrap_or(1)))
    })?;
    match (popped, count) {
        (Some(()), _) => {}
        (None, Some(_)) => cx.reply.null_array(),
        (None, None) => cx.reply.null(),
    }
    Ok(())
}

/// Writes the elements at an end, the outermost first.
fn write_end(reply: &mut Reply, list: &List, side: Side, count: usize) {
    let elements = if side == Side::Left { list.walk(0) } else { list.walk_back(0) };
    reply.array(count.min(list.len()));
    elements.take(count).for_each(|element| write_value(reply, element));
}

/// Removes elements from an end; false when there was nothing to be removed.
pub(super) fn remove_end(list: &mut List, side: Side, count: usize) -> bool {
    let count = count.min(list.len());
    let at = if side == Side::Left { 0 } else { list.len() - count };
    list.remove(at, count);
    count > 0
}

/// What is taken from the first list that has something.
#[derive(Clone, Copy)]
enum Portion {
    /// One element.
    One,
    /// An array of up to so many.
    Many(usize),
}

/// Replies with the name of the first list among the keys and what was taken from it; false when there is none.
fn pop_first(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    keys: Range<usize>,
    side: Side,
    portion: Portion,
) -> Result<bool, Error> {
    for key in keys.map(|position| args.at(position)) {
        if cx.serving && !cx.keys.holds_kind(key, Kind::List) {
            continue;
        }
        let reply = &mut *cx.reply;
        let popped = take(cx.keys, fill(cx.server), key, pop_event(side), |list| {
            reply.array(2);
            reply.bulk(key);
            match portion {
                Portion::One => write_value(reply, list.end(side).expect("no list is empty")),
                Portion::Many(count) => write_end(reply, list, side, count),
            }
            let count = if let Portion::Many(count) = portion { count } else { 1 };
            ((), remove_end(list, side, count))
        })?;
        if popped.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn blocking_pop(cx: &mut Cx<'_, '_>, args: Args<'_>, side: Side) -> CommandResult {
    let timeout = Timeout::seconds(args, args.len() - 1)?;
    let keys = 1..args.len() - 1;
    if pop_first(cx, args, keys.clone(), side, Portion::One)? {
        return Ok(());
    }
    cx.block(args, Wait::new(keys, Kind::List, timeout))
}

/// The arguments of LMPOP from the number of keys on.
fn parse_multiple(args: Args<'_>, numkeys: usize) -> Result<(Range<usize>, Side, Portion), Error> {
    let count = at_least(1, args, numkeys, "ERR numkeys should be greater than 0")?;
    let keys = numkeys + 1..count.saturating_add(numkeys + 1);
    if keys.end >= args.len() {
        return Err(Error::Syntax);
    }
    let side = side(args, keys.end)?;
    let portion = match args.len() - keys.end {
        1 => 1,
        3 if args.is(keys.end + 1, "count") => {
            at_least(1, args, keys.end + 2, "ERR count should be greater than 0")?
        }
        // Redis looks at the first COUNT before it meets what does not belong there.
        4.. if args.is(keys.end + 1, "count") => {
            at_least(1, args, keys.end + 2, "ERR count should be greater than 0")?;
            return Err(Error::Syntax);
        }
        _ => return Err(Error::Syntax),
    };
    Ok((keys, side, Portion::Many(portion)))
}

fn lmpop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (keys, side, portion) = parse_multiple(args, 1)?;
    if !pop_first(cx, args, keys, side, portion)? {
        cx.reply.null_array();
    }
    Ok(())
}

fn blmpop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (keys, side, portion) = parse_multiple(args, 2)?;
    let timeout = Timeout::seconds(args, 1)?;
    if pop_first(cx, args, keys.clone(), side, portion)? {
        return Ok(());
    }
    cx.block(args, Wait::new(keys, Kind::List, timeout))
}
