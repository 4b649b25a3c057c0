//! Taking members from either end: ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which wait until there
//! is something.

use super::{KEY, ROW, change, changed, write_member};
use crate::commands::blocking::{Timeout, Wait};
use crate::commands::row::{Argument, Begin, Command, Find, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::{Protocol, Reply};
use boxcar_store::{Composite, Kind, Value};
use std::ops::Range;

const TAKES: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
const COMPLEXITY: &str = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of \
    elements popped.";
const END: Argument =
    Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]);

const NUMKEYS: Argument = Argument::new("numkeys", "integer");
const COUNT: Argument = Argument::new("count", "integer").after("COUNT").optional();
const TIMEOUT: Argument = Argument::new("timeout", "double");

/// Keys behind their number, which stands at this argument.
const fn counted(at: usize) -> KeySpec {
    let find = Find::KeyCount { count_at: 0, first: 1, step: 1 };
    KeySpec { begin: Begin::Index(at), find, ..KeySpec::one(at, TAKES) }
}

/// What the rows of BZPOPMIN and BZPOPMAX have in common.
const BLOCKING_POP: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING, Flags::FAST]),
    keys: &[KeySpec { find: Find::Range { last: -2, step: 1 }, ..KeySpec::one(1, TAKES) }],
    since: "5.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    arguments: &[KEY.multiple(), TIMEOUT],
    ..ROW
};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zpopmin",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, TAKES)],
        since: "5.0.0",
        complexity: COMPLEXITY,
        summary: "Removes and returns the members with the lowest scores.",
        arguments: &[KEY, Argument::new("count", "integer").optional()],
        handler: zpopmin,
        ..ROW
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, TAKES)],
        since: "5.0.0",
        complexity: COMPLEXITY,
        summary: "Removes and returns the members with the highest scores.",
        arguments: &[KEY, Argument::new("count", "integer").optional()],
        handler: zpopmax,
        ..ROW
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::MOVABLEKEYS]),
        keys: &[counted(1)],
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the \
            sorted set, and M being the number of elements popped.",
        summary: "Removes and returns members from one end of the first of several sorted sets that is not empty.",
        arguments: &[NUMKEYS, KEY.multiple(), END, COUNT],
        handler: zmpop,
        ..ROW
    },
    Command {
        name: "bzpopmin",
        summary: "Removes and returns the member with the lowest score, and waits for one if there is none.",
        handler: |cx, args| blocking_pop(cx, args, End::Min),
        ..BLOCKING_POP
    },
    Command {
        name: "bzpopmax",
        summary: "Removes and returns the member with the highest score, and waits for one if there is none.",
        handler: |cx, args| blocking_pop(cx, args, End::Max),
        ..BLOCKING_POP
    },
    Command {
        name: "bzmpop",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING, Flags::MOVABLEKEYS]),
        keys: &[counted(2)],
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the \
            sorted set, and M being the number of elements popped.",
        summary: "Removes and returns members from one end of the first of several sorted sets that is not empty, and \
            waits until one is not.",
        arguments: &[TIMEOUT, NUMKEYS, KEY.multiple(), END, COUNT],
        handler: bzmpop,
        ..ROW
    },
];

/// An end of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }
}

fn zpopmin(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    pop(cx, args, End::Min)
}

fn zpopmax(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    pop(cx, args, End::Max)
}

fn pop(cx: &mut Cx<'_, '_>, args: Args<'_>, end: End) -> CommandResult {
    let count = match args.len() {
        2 => None,
        3 => Some(natural(args, 2, 0, "ERR value is out of range, must be positive")?),
        _ => return Err(Error::Syntax),
    };
    let pairs = count.is_some() && cx.reply.protocol() == Protocol::Resp3;
    let start = cx.reply.len();
    let popped = take(cx, args.at(1), end, count.unwrap_or(1), |reply, len| {
        reply.array(if pairs { len } else { 2 * len });
        pairs
    })?;
    if !popped {
        cx.reply.truncate(start);
        cx.reply.array(0);
    }
    Ok(())
}

/// Argument `i` as a number that is not below `least`.
///
/// # Errors
/// `refusal` when it is below or no number at all.
pub(super) fn natural(args: Args<'_>, i: usize, least: i64, refusal: &'static str) -> Result<usize, Error> {
    let number = args.integer(i).ok().filter(|&number| number >= least);
    number.and_then(|number| usize::try_from(number).ok()).ok_or(Error::text(refusal))
}

/// Removes up to `count` members from one end of a key's set and replies with them: `head` writes what stands before
/// them, given their number, and says whether each is a pair of its own. False, and nothing is written, when there is
/// no such key or `count` is 0. Of the keys of a client that waits, only those that are locked may have something.
fn take(
    cx: &mut Cx<'_, '_>,
    key: &[u8],
    end: End,
    count: usize,
    head: impl FnOnce(&mut Reply, usize) -> bool,
) -> Result<bool, Error> {
    if cx.serving && !cx.keys.holds_kind(key, Kind::SortedSet) {
        return Ok(false);
    }
    let reply = &mut *cx.reply;
    let taken = change(cx.keys, key, |set| {
        let len = set.len();
        let count = count.min(len);
        if count == 0 {
            return 0;
        }
        let pairs = head(reply, count);
        match end {
            End::Min => {
                set.range(0..count).for_each(|popped| write_pair(reply, popped, pairs));
                set.remove_range(0..count);
            }
            End::Max => {
                set.range(len - count..len).rev().for_each(|popped| write_pair(reply, popped, pairs));
                set.remove_range(len - count..len);
            }
        }
        count
    })?;
    let (taken, emptied) = taken.unwrap_or_default();
    if taken > 0 {
        changed(cx, key, taken, end.event(), emptied);
    }
    Ok(taken > 0)
}

fn write_pair(reply: &mut Reply, (member, score): (Value<'_>, f64), pair: bool) {
    if pair {
        reply.array(2);
    }
    write_member(reply, member);
    reply.double(score);
}

fn zmpop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let request = Request::parse(args, 1)?;
    if !request.serve(cx)? {
        cx.reply.null_array();
    }
    Ok(())
}

fn bzmpop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let request = Request::parse(args, 2)?;
    let timeout = Timeout::seconds(args, 1)?;
    if request.serve(cx)? {
        return Ok(());
    }
    cx.block(args, Wait::new(request.keys, Kind::SortedSet, timeout))
}

/// Replies with key, member and score.
fn blocking_pop(cx: &mut Cx<'_, '_>, args: Args<'_>, end: End) -> CommandResult {
    let timeout = Timeout::seconds(args, args.len() - 1)?;
    let keys = 1..args.len() - 1;
    for key in keys.clone().map(|i| args.at(i)) {
        let popped = take(cx, key, end, 1, |reply, _| {
            reply.array(3);
            reply.bulk(key);
            false
        })?;
        if popped {
            return Ok(());
        }
    }
    cx.block(args, Wait::new(keys, Kind::SortedSet, timeout))
}

/// What ZMPOP asks for.
struct Request<'a> {
    args: Args<'a>,
    keys: Range<usize>,
    end: End,
    count: usize,
}

impl<'a> Request<'a> {
    /// Reads the arguments from the number of keys at `at` on.
    fn parse(args: Args<'a>, at: usize) -> Result<Self, Error> {
        let keys = natural(args, at, 1, "ERR numkeys should be greater than 0")?;
        let word = keys.checked_add(at + 1).filter(|&word| word < args.len()).ok_or(Error::Syntax)?;
        let end = match () {
            () if args.is(word, "MIN") => End::Min,
            () if args.is(word, "MAX") => End::Max,
            () => return Err(Error::Syntax),
        };
        let mut count = None;
        let mut i = word + 1;
        while i < args.len() {
            if count.is_some() || !args.is(i, "COUNT") || i + 1 == args.len() {
                return Err(Error::Syntax);
            }
            count = Some(natural(args, i + 1, 1, "ERR count should be greater than 0")?);
            i += 2;
        }
        Ok(Self { args, keys: at + 1..word, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has something; false when none has.
    fn serve(&self, cx: &mut Cx<'_, '_>) -> Result<bool, Error> {
        for i in self.keys.clone() {
            let key = self.args.at(i);
            let popped = take(cx, key, self.end, self.count, |reply, len| {
                reply.array(2);
                reply.bulk(key);
                reply.array(len);
                true
            })?;
            if popped {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
