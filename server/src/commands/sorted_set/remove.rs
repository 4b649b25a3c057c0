//! Removing members: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::bounds::{Bounds, LexRange, ScoreRange};
use super::{KEY, MEMBER, REMOVES_FROM_FIRST, ROW, change, changed};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_store::{Composite, SortedSet};

const COMPLEXITY: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of \
    elements removed by the operation.";

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zrem",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: REMOVES_FROM_FIRST,
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to \
            be removed.",
        summary: "Removes members from a sorted set, and the key with the last of them.",
        arguments: &[KEY, MEMBER.multiple()],
        handler: zrem,
        ..ROW
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::WRITE,
        keys: REMOVES_FROM_FIRST,
        since: "2.0.0",
        complexity: COMPLEXITY,
        summary: "Removes the members in a range of ranks.",
        arguments: &[KEY, Argument::new("start", "integer"), Argument::new("stop", "integer")],
        handler: zremrangebyrank,
        ..ROW
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::WRITE,
        keys: REMOVES_FROM_FIRST,
        since: "1.2.0",
        complexity: COMPLEXITY,
        summary: "Removes the members with scores in a range.",
        arguments: &[KEY, Argument::new("min", "double"), Argument::new("max", "double")],
        handler: zremrangebyscore,
        ..ROW
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::WRITE,
        keys: REMOVES_FROM_FIRST,
        since: "2.8.9",
        complexity: COMPLEXITY,
        summary: "Removes the members in a lexical range.",
        arguments: &[KEY, Argument::new("min", "string"), Argument::new("max", "string")],
        handler: zremrangebylex,
        ..ROW
    },
];

fn zrem(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    remove(cx, args, "zrem", |set| args.from(2).filter(|member| set.remove(member).is_some()).count())
}

fn zremrangebyrank(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let bounds = Bounds::Ranks { start: args.integer(2)?, stop: args.integer(3)? };
    remove(cx, args, "zremrangebyrank", |set| remove_bounds(set, bounds))
}

fn zremrangebyscore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let bounds = Bounds::Scores(ScoreRange::parse(args, 2, 3)?);
    remove(cx, args, "zremrangebyscore", |set| remove_bounds(set, bounds))
}

fn zremrangebylex(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let bounds = Bounds::Members(LexRange::parse(args, 2, 3)?);
    remove(cx, args, "zremrangebylex", |set| remove_bounds(set, bounds))
}

fn remove_bounds(set: &mut SortedSet, bounds: Bounds<'_>) -> usize {
    let before = set.len();
    set.remove_range(bounds.ranks(set, false));
    before - set.len()
}

/// Removes members, reports that, and replies with their number.
fn remove(
    cx: &mut Cx<'_, '_>,
    args: Args<'_>,
    event: &'static str,
    remove: impl FnOnce(&mut SortedSet) -> usize,
) -> CommandResult {
    let (removed, emptied) = change(cx.keys, args.at(1), remove)?.unwrap_or_default();
    if removed > 0 {
        changed(cx, args.at(1), removed, event, emptied);
    }
    cx.reply.integer(removed as i64);
    Ok(())
}
