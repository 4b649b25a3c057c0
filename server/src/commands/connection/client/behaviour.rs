//! CLIENT REPLY, NO-EVICT, NO-TOUCH, PAUSE, UNPAUSE, UNBLOCK: how the server treats connections.

use super::{ADMIN_FLAGS, FLAGS, ROW};
use crate::clients::pause::PauseMode;
use crate::clients::waiter::End;
use crate::clients::{ClientFlags, ReplyMode};
use crate::commands::help::subcommand_syntax;
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};

const ON_OR_OFF: &[Argument] =
    &[Argument::one_of("enabled", &[Argument::word("on", "ON"), Argument::word("off", "OFF")])];

/// CLIENT NO-EVICT.
pub const NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    flags: ADMIN_FLAGS,
    since: "7.0.0",
    summary: "Exempts the connection from client eviction, or ends that.",
    arguments: ON_OR_OFF,
    handler: no_evict,
    ..ROW
};

/// CLIENT NO-TOUCH.
pub const NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    flags: FLAGS,
    since: "7.2.0",
    summary: "Says whether commands of this connection renew the access time of keys.",
    arguments: ON_OR_OFF,
    handler: no_touch,
    ..ROW
};

/// CLIENT PAUSE.
pub const PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "3.0.0",
    summary: "Makes all commands, or all writes, wait for a time.",
    arguments: &[
        Argument::new("timeout", "integer"),
        Argument::one_of("mode", &[Argument::word("write", "WRITE"), Argument::word("all", "ALL")])
            .optional()
            .since("6.2.0"),
    ],
    handler: pause,
    ..ROW
};

/// CLIENT REPLY.
pub const REPLY: Command = Command {
    name: "reply",
    arity: 3,
    flags: FLAGS,
    since: "3.2.0",
    summary: "Says whether commands of this connection are answered.",
    arguments: &[Argument::one_of(
        "action",
        &[Argument::word("on", "ON"), Argument::word("off", "OFF"), Argument::word("skip", "SKIP")],
    )],
    handler: reply,
    ..ROW
};

/// CLIENT UNBLOCK.
pub const UNBLOCK: Command = Command {
    name: "unblock",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "5.0.0",
    complexity: "O(log N) where N is the number of client connections",
    summary: "Wakes a client that waits in a blocking command.",
    arguments: &[
        Argument::new("client-id", "integer"),
        Argument::one_of(
            "unblock-type",
            &[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")],
        )
        .optional(),
    ],
    handler: unblock,
    ..ROW
};

/// CLIENT UNPAUSE.
pub const UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "6.2.0",
    complexity: "O(N) Where N is the number of paused clients",
    summary: "Ends CLIENT PAUSE.",
    handler: unpause,
    ..ROW
};

/// Argument 2 as a switch.
fn on_or_off(args: Args<'_>) -> Result<bool, Error> {
    match () {
        () if args.is(2, "on") => Ok(true),
        () if args.is(2, "off") => Ok(false),
        () => Err(Error::Syntax),
    }
}

fn no_evict(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    cx.session.client.set_flags(ClientFlags::NO_EVICT, on_or_off(args)?);
    cx.reply.ok();
    Ok(())
}

fn no_touch(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let on = on_or_off(args)?;
    cx.session.no_touch = on;
    cx.session.client.set_flags(ClientFlags::NO_TOUCH, on);
    cx.reply.ok();
    Ok(())
}

fn reply(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.is(2, "on") {
        cx.session.reply_mode = ReplyMode::On;
        cx.reply.ok();
    } else if args.is(2, "off") {
        cx.session.reply_mode = ReplyMode::Off;
    } else if args.is(2, "skip") {
        // OFF is the stronger one and stays.
        if cx.session.reply_mode != ReplyMode::Off {
            cx.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Error::Syntax);
    }
    Ok(())
}

fn pause(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mode = match args.len() {
        3 => PauseMode::All,
        4 if args.is(3, "write") => PauseMode::Write,
        4 if args.is(3, "all") => PauseMode::All,
        4 => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(subcommand_syntax(args)),
    };
    let timeout_ms =
        parse_integer(args.at(2)).ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
    if timeout_ms < 0 {
        return Err(Error::text("ERR timeout is negative"));
    }
    let now_ms = cx.keys.now_ms;
    let until_ms = now_ms.checked_add(timeout_ms).ok_or(Error::text("ERR timeout is out of range"))?;
    cx.server.pause.start(mode, until_ms, now_ms);
    cx.reply.ok();
    Ok(())
}

fn unpause(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.server.pause.end();
    cx.server.notify_all();
    cx.reply.ok();
    Ok(())
}

fn unblock(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match args.len() {
        3 => {}
        4 if args.is(3, "timeout") || args.is(3, "error") => {}
        4 => return Err(Error::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(subcommand_syntax(args)),
    }
    let end = if args.is(3, "error") { End::Unblocked } else { End::TimedOut };
    let client = u64::try_from(args.integer(2)?).ok().and_then(|id| cx.server.clients.find(id));
    let unblocked = client.and_then(|client| client.waiter()).is_some_and(|waiter| waiter.end(end));
    cx.reply.integer(i64::from(unblocked));
    Ok(())
}
