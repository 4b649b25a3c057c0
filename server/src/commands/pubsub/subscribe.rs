//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites: one push for each name, which says how many subscriptions the
//! connection has then.

use super::ROW;
use crate::clients::Session;
use crate::clients::pubsub::{PubSub, TopicKind};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_resp::Reply;

const FLAGS: Flags = Flags::of(&[
    Flags::PUBSUB,
    Flags::NOSCRIPT,
    Flags::LOADING,
    Flags::STALE,
    Flags::HOME,
    Flags::PUSHES,
    Flags::WHILE_LISTENING,
]);
const BEGIN: Command = Command { arity: -2, flags: FLAGS, ..ROW };
const END: Command = Command { arity: -1, flags: FLAGS, ..ROW };

const CHANNEL: Argument = Argument::new("channel", "string").multiple();
const PATTERN: Argument = Argument::new("pattern", "pattern").multiple();
const SHARD_CHANNEL: Argument = Argument::new("shardchannel", "string").multiple();
const SHARD_KEYS: &[KeySpec] = &[KeySpec::all_from(1, 1, KeyFlags::NOT_KEY)];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "subscribe",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listens to channels.",
        arguments: &[CHANNEL],
        handler: |cx, args| begin(cx, args, TopicKind::Channel),
        ..BEGIN
    },
    Command {
        name: "unsubscribe",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        summary: "Ends listening to channels, or to all.",
        arguments: &[CHANNEL.optional()],
        handler: |cx, args| end(cx, args, TopicKind::Channel),
        ..END
    },
    Command {
        name: "psubscribe",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        summary: "Listens to all channels that match patterns.",
        arguments: &[PATTERN],
        handler: |cx, args| begin(cx, args, TopicKind::Pattern),
        ..BEGIN
    },
    Command {
        name: "punsubscribe",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        summary: "Ends listening to the channels that match patterns, or to those of all patterns.",
        arguments: &[PATTERN.optional()],
        handler: |cx, args| end(cx, args, TopicKind::Pattern),
        ..END
    },
    Command {
        name: "ssubscribe",
        keys: SHARD_KEYS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listens to shard channels.",
        arguments: &[SHARD_CHANNEL],
        handler: |cx, args| begin(cx, args, TopicKind::ShardChannel),
        ..BEGIN
    },
    Command {
        name: "sunsubscribe",
        keys: SHARD_KEYS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        summary: "Ends listening to shard channels, or to all.",
        arguments: &[SHARD_CHANNEL.optional()],
        handler: |cx, args| end(cx, args, TopicKind::ShardChannel),
        ..END
    },
];

fn begin(cx: &mut Cx<'_, '_>, args: Args<'_>, kind: TopicKind) -> CommandResult {
    let word: &[u8] = match kind {
        TopicKind::Channel => b"subscribe",
        TopicKind::Pattern => b"psubscribe",
        TopicKind::ShardChannel => b"ssubscribe",
    };
    let Session { subscriptions, client, .. } = &mut *cx.session;
    let subscriptions = subscriptions.get_or_insert_default();
    for name in args.from(1) {
        subscriptions.add(&cx.server.pubsub, client, kind, name);
        tell(cx.reply, word, Some(name), subscriptions.counted_with(kind));
    }
    Ok(())
}

fn end(cx: &mut Cx<'_, '_>, args: Args<'_>, kind: TopicKind) -> CommandResult {
    let word: &[u8] = match kind {
        TopicKind::Channel => b"unsubscribe",
        TopicKind::Pattern => b"punsubscribe",
        TopicKind::ShardChannel => b"sunsubscribe",
    };
    end_subscriptions(&cx.server.pubsub, cx.session, cx.reply, args, kind, word);
    if cx.session.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.is_empty()) {
        cx.session.subscriptions = None;
    }
    Ok(())
}

fn end_subscriptions(
    pubsub: &PubSub,
    session: &mut Session,
    reply: &mut Reply,
    args: Args<'_>,
    kind: TopicKind,
    word: &[u8],
) {
    let client = &session.client;
    let subscriptions = session.subscriptions.get_or_insert_default();
    if args.len() > 1 {
        for name in args.from(1) {
            subscriptions.remove(pubsub, client, kind, name);
            tell(reply, word, Some(name), subscriptions.counted_with(kind));
        }
    } else if subscriptions.len(kind) == 0 {
        tell(reply, word, None, subscriptions.counted_with(kind));
    } else {
        subscriptions.remove_all(pubsub, client, kind, |name, left| tell(reply, word, Some(name), left));
    }
}

fn tell(reply: &mut Reply, word: &[u8], name: Option<&[u8]>, subscriptions: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(subscriptions as i64);
}
