//! PUBLISH and SPUBLISH.

use super::ROW;
use crate::clients::pubsub::TopicKind;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx};

const FLAGS: Flags = Flags::of(&[Flags::PUBSUB, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::PUBLISHES]);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "publish",
        arity: 3,
        flags: FLAGS,
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total \
            number of subscribed patterns (by any client).",
        summary: "Sends a message to a channel.",
        arguments: &[Argument::new("channel", "string"), Argument::new("message", "string")],
        handler: |cx, args| publish(cx, args, TopicKind::Channel),
        ..ROW
    },
    Command {
        name: "spublish",
        arity: 3,
        flags: FLAGS,
        keys: &[KeySpec::one(1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        summary: "Sends a message to a shard channel.",
        arguments: &[Argument::new("shardchannel", "string"), Argument::new("message", "string")],
        handler: |cx, args| publish(cx, args, TopicKind::ShardChannel),
        ..ROW
    },
];

fn publish(cx: &mut Cx<'_, '_>, args: Args<'_>, kind: TopicKind) -> CommandResult {
    let receivers = cx.server.pubsub.publish(kind, args.at(1), args.at(2));
    cx.keys.news.mailed_self |= receivers > 0 && cx.session.subscriptions.is_some();
    cx.reply.integer(receivers as i64);
    Ok(())
}
