//! Ranges of members: ZRANGE, its older forms, ZRANGESTORE.

use super::bounds::{Bounds, LexRange, ScoreRange};
use super::{KEY, READS_FIRST, ROW, WITHSCORES, limits, read, store, write_members};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{IntegerText, Members, SortedSet, SortedSetLimits};
use std::ops::Range;

const BY: Argument =
    Argument::one_of("sortby", &[Argument::word("byscore", "BYSCORE"), Argument::word("bylex", "BYLEX")])
        .optional();
const REV: Argument = Argument::word("rev", "REV").optional();
const LIMIT: Argument =
    Argument::block("limit", &[Argument::new("offset", "integer"), Argument::new("count", "integer")])
        .after("LIMIT")
        .optional();
const RETURNED: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
    returned.";
const LIMITED: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
    being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it \
    O(log(N)).";

/// What the rows of the older forms have in common.
const OLDER: Command =
    Command { arity: -4, flags: Flags::READONLY, keys: READS_FIRST, complexity: LIMITED, ..ROW };

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: READS_FIRST,
        since: "1.2.0",
        complexity: RETURNED,
        summary: "Returns the members in a range of ranks, of scores, or of the members themselves.",
        arguments: &[
            KEY,
            Argument::new("start", "string"),
            Argument::new("stop", "string"),
            BY.since("6.2.0"),
            REV.since("6.2.0"),
            LIMIT.since("6.2.0"),
            WITHSCORES,
        ],
        handler: zrange,
        ..ROW
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements \
            stored into the destination key.",
        summary: "Stores a range of members under another key.",
        arguments: &[
            Argument::new("dst", "key"),
            Argument::new("src", "key"),
            Argument::new("min", "string"),
            Argument::new("max", "string"),
            BY,
            REV,
            LIMIT,
        ],
        handler: zrangestore,
        ..ROW
    },
    Command {
        name: "zrevrange",
        since: "1.2.0",
        complexity: RETURNED,
        summary: "Returns the members in a range of ranks, from the highest score on.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        arguments: &[KEY, Argument::new("start", "integer"), Argument::new("stop", "integer"), WITHSCORES],
        handler: zrevrange,
        ..OLDER
    },
    Command {
        name: "zrangebyscore",
        since: "1.0.5",
        summary: "Returns the members with scores in a range.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        arguments: &[
            KEY,
            Argument::new("min", "double"),
            Argument::new("max", "double"),
            WITHSCORES.since("2.0.0"),
            LIMIT,
        ],
        handler: zrangebyscore,
        ..OLDER
    },
    Command {
        name: "zrevrangebyscore",
        since: "2.2.0",
        summary: "Returns the members with scores in a range, from the highest score on.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        arguments: &[KEY, Argument::new("max", "double"), Argument::new("min", "double"), WITHSCORES, LIMIT],
        handler: zrevrangebyscore,
        ..OLDER
    },
    Command {
        name: "zrangebylex",
        since: "2.8.9",
        summary: "Returns the members in a lexical range.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        arguments: &[KEY, Argument::new("min", "string"), Argument::new("max", "string"), LIMIT],
        handler: zrangebylex,
        ..OLDER
    },
    Command {
        name: "zrevrangebylex",
        since: "2.8.9",
        summary: "Returns the members in a lexical range, from the last one on.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        arguments: &[KEY, Argument::new("max", "string"), Argument::new("min", "string"), LIMIT],
        handler: zrevrangebylex,
        ..OLDER
    },
];

/// What the two bounds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a form of the command says by its name; `None` is for the options to say.
#[derive(Debug, Clone, Copy)]
struct Form {
    by: Option<By>,
    reverse: Option<bool>,
    /// Whether the result is stored.
    store: bool,
}

/// Everything that the arguments say.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    /// LIMIT: members to pass over, and the most to take; a negative number of them for all.
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

fn zrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: None, reverse: None, store: false })
}

fn zrevrange(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: Some(By::Rank), reverse: Some(true), store: false })
}

fn zrangebyscore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: Some(By::Score), reverse: Some(false), store: false })
}

fn zrevrangebyscore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: Some(By::Score), reverse: Some(true), store: false })
}

fn zrangebylex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: Some(By::Lex), reverse: Some(false), store: false })
}

fn zrevrangebylex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    range(cx, args, Form { by: Some(By::Lex), reverse: Some(true), store: false })
}

fn range(cx: &mut Cx<'_, '_>, args: Args<'_>, form: Form) -> CommandResult {
    let query = Query::parse(args, 2, form)?;
    let Some(set) = read(cx.keys, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let members = set.range(query.ranks(set));
    if query.reverse {
        write_members(cx.reply, members.rev(), query.with_scores);
    } else {
        write_members(cx.reply, members, query.with_scores);
    }
    Ok(())
}

fn zrangestore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let query = Query::parse(args, 3, Form { by: None, reverse: None, store: true })?;
    let limits = limits(cx.server);
    let found = read(cx.keys, args.at(2))?;
    let copy = found.map(|set| copy_of(|| set.range(query.ranks(set)), limits)).unwrap_or_default();
    store(cx, args.at(1), copy, "zrangestore");
    Ok(())
}

/// A set of these members.
fn copy_of<'a>(members: impl Fn() -> Members<'a>, limits: SortedSetLimits) -> SortedSet {
    let longest = members().map(|(member, _)| member.len()).max().unwrap_or(0);
    let mut copy = SortedSet::for_members(members().len(), longest, limits);
    let mut text = IntegerText::default();
    members().for_each(|(member, score)| copy.insert(member.as_bytes(&mut text), score, limits));
    copy
}

impl<'a> Query<'a> {
    /// Reads the bounds at `first` and the options behind them.
    fn parse(args: Args<'a>, first: usize, form: Form) -> Result<Self, Error> {
        let Form { mut by, mut reverse, store } = form;
        let (mut limit, mut with_scores) = (None, false);
        let mut i = first + 2;
        while i < args.len() {
            if !store && args.is(i, "WITHSCORES") {
                with_scores = true;
            } else if args.is(i, "LIMIT") && i + 2 < args.len() {
                limit = Some((args.integer(i + 1)?, args.integer(i + 2)?));
                i += 2;
            } else if reverse.is_none() && args.is(i, "REV") {
                reverse = Some(true);
            } else if by.is_none() && args.is(i, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is(i, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        // As in Redis, a LIMIT that takes everything is as good as none.
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return Err(Error::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if by == By::Lex && with_scores {
            return Err(Error::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (min, max) = if reverse && by != By::Rank { (first + 1, first) } else { (first, first + 1) };
        let bounds = match by {
            By::Rank => Bounds::Ranks { start: args.integer(min)?, stop: args.integer(max)? },
            By::Score => Bounds::Scores(ScoreRange::parse(args, min, max)?),
            By::Lex => Bounds::Members(LexRange::parse(args, min, max)?),
        };
        let limit = limit.filter(|_| by != By::Rank);
        Ok(Self { bounds, reverse, limit, with_scores })
    }

    /// The ranks of the members that are asked for.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.reverse);
        let Some((offset, count)) = self.limit else { return ranks };
        let Ok(offset) = usize::try_from(offset) else { return 0..0 };
        let left = ranks.len().saturating_sub(offset);
        let count = usize::try_from(count).map_or(left, |count| count.min(left));
        if left == 0 {
            0..0
        } else if self.reverse {
            let end = ranks.end - offset;
            end - count..end
        } else {
            let start = ranks.start + offset;
            start..start + count
        }
    }
}
