//! CONFIG: reading and changing directives.

use super::{ADMIN_FLAGS, HELP, ROW};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error, Server};
use crate::config::set::is_sensitive;
use std::net::SocketAddr;

const GET: Command = Command {
    name: "get",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    complexity: "O(N) when N is the number of configuration parameters provided",
    summary: "Returns the directives whose names match, with their values.",
    arguments: &[Argument::new("parameter", "string").multiple()],
    handler: get,
    ..ROW
};

const RESETSTAT: Command = Command {
    name: "resetstat",
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    summary: "Sets the statistics of INFO to zero.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: resetstat,
    ..ROW
};

const REWRITE: Command = Command {
    name: "rewrite",
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "2.8.0",
    summary: "Writes the configuration in effect to the configuration file.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: rewrite,
    ..ROW
};

const SET: Command = Command {
    name: "set",
    arity: -4,
    flags: ADMIN_FLAGS,
    since: "2.0.0",
    complexity: "O(N) when N is the number of configuration parameters provided",
    summary: "Changes directives while the server runs.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::block(
        "data",
        &[Argument::new("parameter", "string"), Argument::new("value", "string")],
    )
    .multiple()],
    secret: is_secret_value,
    handler: set,
    ..ROW
};

/// The rows.
pub const COMMANDS: &[Command] = &[Command {
    name: "config",
    arity: -2,
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    summary: "Commands about the configuration.",
    subcommands: &[GET, HELP, RESETSTAT, REWRITE, SET],
    ..ROW
}];

/// Values stand at odd positions from 3 on, each behind its directive's name.
fn is_secret_value(args: Args<'_>, argument: usize) -> bool {
    argument >= 3 && argument % 2 == 1 && is_sensitive(args.at(argument - 1))
}

fn get(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = args.from(2).collect();
    let found = cx.server.config.get(&patterns);
    cx.reply.map(found.len());
    for (name, value) in found {
        cx.reply.bulk(name.as_bytes());
        cx.reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let pairs: Vec<&[u8]> = args.from(2).collect();
    let local = is_local(cx);
    cx.server.config.set(&pairs, local).map_err(|error| Error::from(format!("ERR {error}")))?;
    cx.reply.ok();
    Ok(())
}

/// Whether the connection comes from this machine: what the value `local` of guarding directives asks for.
pub(super) fn is_local(cx: &Cx<'_, '_>) -> bool {
    let client = &cx.session.client;
    client.flags().contains(crate::clients::ClientFlags::UNIX_SOCKET)
        || client.address.parse::<SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
}

fn rewrite(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    if let Err(error) = cx.server.config.rewrite() {
        tracing::warn!("CONFIG REWRITE failed: {error}");
        return Err(Error::from(format!("ERR {error}")));
    }
    tracing::info!("CONFIG REWRITE executed with success.");
    cx.reply.ok();
    Ok(())
}

fn resetstat(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let server: &Server = cx.server;
    server.stats.reset();
    server.reclaimer.reset();
    server.budget.reset();
    cx.reply.ok();
    Ok(())
}
