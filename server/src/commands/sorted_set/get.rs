//! What is known of members, and of the whole: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCARD, ZCOUNT, ZLEXCOUNT.

use super::bounds::{LexRange, ScoreRange};
use super::{KEY, MEMBER, READS_FIRST, ROW, read};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{Composite, SortedSet};
use std::ops::Range;

const READS: Flags = Flags::of(&[Flags::READONLY, Flags::FAST]);
const WITHSCORE: Argument = Argument::word("withscore", "WITHSCORE").since("7.2.0").optional();

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zcard",
        arity: 2,
        flags: READS,
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        since: "1.2.0",
        summary: "Returns the number of members of a sorted set.",
        arguments: &[KEY],
        handler: zcard,
        ..ROW
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: READS,
        keys: READS_FIRST,
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Counts the members with scores in a range.",
        arguments: &[KEY, Argument::new("min", "double"), Argument::new("max", "double")],
        handler: zcount,
        ..ROW
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: READS,
        keys: READS_FIRST,
        since: "2.8.9",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Counts the members in a lexical range.",
        arguments: &[KEY, Argument::new("min", "string"), Argument::new("max", "string")],
        handler: zlexcount,
        ..ROW
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: READS,
        keys: READS_FIRST,
        since: "1.2.0",
        summary: "Returns the score of a member.",
        arguments: &[KEY, MEMBER],
        handler: zscore,
        ..ROW
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: READS,
        keys: READS_FIRST,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the scores of several members.",
        arguments: &[KEY, MEMBER.multiple()],
        handler: zmscore,
        ..ROW
    },
    Command {
        name: "zrank",
        arity: -3,
        flags: READS,
        keys: READS_FIRST,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members stand before one, from the lowest score on.",
        arguments: &[KEY, MEMBER, WITHSCORE],
        handler: zrank,
        ..ROW
    },
    Command {
        name: "zrevrank",
        arity: -3,
        flags: READS,
        keys: READS_FIRST,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members stand before one, from the highest score on.",
        arguments: &[KEY, MEMBER, WITHSCORE],
        handler: zrevrank,
        ..ROW
    },
];

fn zcard(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let len = read(cx.keys, args.at(1))?.map_or(0, Composite::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn zcount(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let range = ScoreRange::parse(args, 2, 3)?;
    count(cx, args, |set| range.ranks(set))
}

fn zlexcount(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let range = LexRange::parse(args, 2, 3)?;
    count(cx, args, |set| range.ranks(set))
}

fn count(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> CommandResult {
    let count = read(cx.keys, args.at(1))?.map_or(0, |set| ranks(set).len());
    cx.reply.integer(count as i64);
    Ok(())
}

fn zscore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match read(cx.keys, args.at(1))?.and_then(|set| set.score(args.at(2))) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

fn zmscore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let set = read(cx.keys, args.at(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => cx.reply.double(score),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn zrank(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    rank(cx, args, false)
}

fn zrevrank(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    rank(cx, args, true)
}

fn rank(cx: &mut Cx<'_, '_>, args: Args<'_>, reverse: bool) -> CommandResult {
    let with_score = args.len() > 3;
    if args.len() > 4 {
        return Err(Error::WrongArity(cx.command.name.clone()));
    }
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(Error::Syntax);
    }
    let set = read(cx.keys, args.at(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(args.at(2))?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.integer(rank as i64);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.integer(rank as i64),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}
