//! PING, ECHO, SELECT, QUIT, RESET: what a connection may change or ask about itself in one word.

use super::ROW;
use crate::clients::{ClientFlags, ReplyMode};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::Protocol;
use std::sync::atomic::Ordering::Relaxed;

/// QUIT and RESET are possible in every state of a connection.
const ALWAYS: Flags = Flags::of(&[
    Flags::NOSCRIPT,
    Flags::LOADING,
    Flags::STALE,
    Flags::FAST,
    Flags::NO_AUTH,
    Flags::ALLOW_BUSY,
    Flags::NOT_QUEUED,
    Flags::WHILE_LISTENING,
]);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "echo",
        arity: 2,
        flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
        summary: "Returns its argument.",
        arguments: &[Argument::new("message", "string")],
        handler: echo,
        ..ROW
    },
    Command {
        name: "ping",
        arity: -1,
        flags: Flags::of(&[Flags::FAST, Flags::WHILE_LISTENING]),
        summary: "Answers, to show that the server is alive.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[Argument::new("message", "string").optional()],
        handler: ping,
        ..ROW
    },
    Command {
        name: "quit",
        arity: -1,
        flags: ALWAYS,
        summary: "Closes the connection after the reply.",
        deprecated: Some(("7.2.0", "just closing the connection")),
        handler: quit,
        ..ROW
    },
    Command {
        name: "reset",
        arity: 1,
        flags: ALWAYS.union(Flags::HOME),
        since: "6.2.0",
        summary: "Brings the connection back to the state of a new one.",
        handler: reset,
        ..ROW
    },
    Command {
        name: "select",
        arity: 2,
        flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
        summary: "Selects a database.",
        arguments: &[Argument::new("index", "integer")],
        handler: select,
        ..ROW
    },
];

fn ping(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match args.get(1) {
        Some(_) if args.len() > 2 => return Err(Error::WrongArity("ping".to_owned())),
        text if cx.session.only_listens() => {
            cx.reply.array(2);
            cx.reply.bulk(b"pong");
            cx.reply.bulk(text.unwrap_or_default());
        }
        Some(text) => cx.reply.bulk(text),
        None => cx.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    cx.reply.bulk(args.at(1));
    Ok(())
}

fn select(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let index = database_index(cx, args.integer(1)?)?;
    cx.session.select(index);
    cx.reply.ok();
    Ok(())
}

/// A database's number as SELECT takes it: first within a C `int`, then within `databases`.
fn database_index(cx: &Cx<'_, '_>, number: i64) -> Result<usize, Error> {
    let Ok(number) = i32::try_from(number) else {
        let text = format!("ERR value is out of range, value must between {} and {}", i32::MIN, i32::MAX);
        return Err(text.into());
    };
    usize::try_from(number)
        .ok()
        .filter(|&index| index < cx.server.keyspace.databases())
        .ok_or(Error::text("ERR DB index is out of range"))
}

fn quit(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.ok();
    cx.session.close_after_reply = true;
    cx.session.client.set_flags(ClientFlags::CLOSE_AFTER_REPLY, true);
    Ok(())
}

/// The name goes with the rest; library name and version stay, since they still describe the other side.
fn reset(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let session = &mut *cx.session;
    if session.monitor {
        session.monitor = false;
        cx.server.monitors.remove(&session.client);
    }
    session.unsubscribe(&cx.server.pubsub);
    session.stop_tracking(&cx.server.tracking);
    session.discard_transaction();
    session.select(0);
    session.protocol = Protocol::Resp2;
    session.authenticated = !cx.server.access.password_required();
    session.reply_mode = ReplyMode::On;
    session.no_touch = false;
    let client = &session.client;
    client.protocol.store(2, Relaxed);
    client.set_flags(ClientFlags::MONITOR | ClientFlags::NO_EVICT | ClientFlags::NO_TOUCH, false);
    client.labels().name.clear();
    cx.reply.set_protocol(Protocol::Resp2);
    cx.reply.simple("RESET");
    Ok(())
}
