//! MONITOR and SLOWLOG: watching which commands are executed, and which took long.

use super::{ADMIN_FLAGS, HELP, ROW};
use crate::clients::ClientFlags;
use crate::commands::help::subcommand_syntax;
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};

const SLOWLOG_ROW: Command =
    Command { flags: Flags::of(&[Flags::ADMIN, Flags::LOADING, Flags::STALE]), since: "2.2.12", ..ROW };

const GET: Command = Command {
    name: "get",
    arity: -2,
    complexity: "O(N) where N is the number of entries returned",
    summary: "Returns entries of the slow log, the latest first.",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    arguments: &[Argument::new("count", "integer").optional()],
    handler: get,
    ..SLOWLOG_ROW
};

const LEN: Command = Command {
    name: "len",
    arity: 2,
    summary: "Returns the number of entries in the slow log.",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    handler: len,
    ..SLOWLOG_ROW
};

const RESET: Command = Command {
    name: "reset",
    arity: 2,
    complexity: "O(N) where N is the number of entries in the slowlog",
    summary: "Empties the slow log.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: reset,
    ..SLOWLOG_ROW
};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "monitor",
        arity: 1,
        flags: ADMIN_FLAGS,
        complexity: "",
        summary: "Shows every command that the server executes, as it happens.",
        handler: monitor,
        ..ROW
    },
    Command {
        name: "slowlog",
        arity: -2,
        since: "2.2.12",
        complexity: "Depends on subcommand.",
        summary: "Commands about the slow log.",
        subcommands: &[GET, Command { since: "6.2.0", ..HELP }, LEN, RESET],
        ..ROW
    },
];

/// A connection that is watching already gets no second reply, as in Redis.
fn monitor(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    if cx.in_transaction {
        return Err(Error::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if cx.session.monitor {
        return Ok(());
    }
    cx.session.monitor = true;
    cx.session.client.set_flags(ClientFlags::MONITOR, true);
    cx.server.monitors.add(&cx.session.client);
    cx.reply.ok();
    Ok(())
}

/// Entries shown when no count is given.
const DEFAULT_COUNT: usize = 10;

fn get(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let count = match args.len() {
        2 => DEFAULT_COUNT,
        3 => match parse_integer(args.at(2)) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => return Err(Error::text("ERR count should be greater than or equal to -1")),
        },
        _ => return Err(subcommand_syntax(args)),
    };
    let entries = cx.server.slowlog.newest(count);
    cx.reply.array(entries.len());
    for entry in entries {
        cx.reply.array(6);
        cx.reply.integer(entry.id as i64);
        cx.reply.integer(entry.time);
        cx.reply.integer(entry.micros as i64);
        cx.reply.array(entry.arguments.len());
        for argument in &entry.arguments {
            cx.reply.bulk(argument);
        }
        cx.reply.bulk(entry.address.as_bytes());
        cx.reply.bulk(&entry.name);
    }
    Ok(())
}

fn len(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.server.slowlog.len() as i64);
    Ok(())
}

fn reset(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.server.slowlog.reset();
    cx.reply.ok();
    Ok(())
}
