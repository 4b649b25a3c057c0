//! PUBSUB: who listens to what.

use super::ROW;
use crate::clients::pubsub::TopicKind;
use crate::commands::help::{help, subcommand_syntax};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx};

const SUBCOMMAND: Command = Command {
    arity: -2,
    flags: Flags::of(&[Flags::PUBSUB, Flags::LOADING, Flags::STALE]),
    since: "2.8.0",
    ..ROW
};

const PATTERN: &[Argument] = &[Argument::new("pattern", "pattern").optional()];

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "pubsub",
    arity: -2,
    since: "2.8.0",
    complexity: "Depends on subcommand.",
    summary: "Commands about publish/subscribe.",
    subcommands: &[
        Command {
            name: "channels",
            complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching \
                (relatively short channels and patterns)",
            summary: "Lists the channels that have subscribers, or those of them that match a pattern.",
            arguments: PATTERN,
            handler: |cx, args| channels(cx, args, TopicKind::Channel),
            ..SUBCOMMAND
        },
        Command {
            name: "help",
            arity: 2,
            flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
            since: "6.2.0",
            summary: "Describes the subcommands.",
            handler: help,
            ..SUBCOMMAND
        },
        Command {
            name: "numpat",
            arity: 2,
            summary: "Returns the number of patterns that have subscribers.",
            handler: numpat,
            ..SUBCOMMAND
        },
        Command {
            name: "numsub",
            complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
            summary: "Returns the number of subscribers of channels, those of patterns not included.",
            arguments: &[Argument::new("channel", "string").optional().multiple()],
            handler: |cx, args| numsub(cx, args, TopicKind::Channel),
            ..SUBCOMMAND
        },
        Command {
            name: "shardchannels",
            since: "7.0.0",
            complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern \
                matching (relatively short shard channels).",
            summary: "Lists the shard channels that have subscribers, or those of them that match a pattern.",
            arguments: PATTERN,
            handler: |cx, args| channels(cx, args, TopicKind::ShardChannel),
            ..SUBCOMMAND
        },
        Command {
            name: "shardnumsub",
            since: "7.0.0",
            complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
            summary: "Returns the number of subscribers of shard channels.",
            arguments: &[Argument::new("shardchannel", "string").optional().multiple()],
            handler: |cx, args| numsub(cx, args, TopicKind::ShardChannel),
            ..SUBCOMMAND
        },
    ],
    ..ROW
}];

fn channels(cx: &mut Cx<'_, '_>, args: Args<'_>, kind: TopicKind) -> CommandResult {
    if args.len() > 3 {
        return Err(subcommand_syntax(args));
    }
    let names = cx.server.pubsub.names(kind, args.get(2));
    cx.reply.array(names.len());
    for name in names {
        cx.reply.bulk(&name);
    }
    Ok(())
}

fn numsub(cx: &mut Cx<'_, '_>, args: Args<'_>, kind: TopicKind) -> CommandResult {
    let names = args.from(2);
    cx.reply.array(2 * names.len());
    for name in names {
        cx.reply.bulk(name);
        cx.reply.integer(cx.server.pubsub.subscribers(kind, name) as i64);
    }
    Ok(())
}

fn numpat(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.server.pubsub.len(TopicKind::Pattern) as i64);
    Ok(())
}
