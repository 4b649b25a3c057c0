//! CLIENT CACHING, GETREDIR, TRACKING, TRACKINGINFO: server-assisted client-side caching, which is always off:
//! nothing sends invalidations yet, so a client must not be made to believe in them.

use super::{FLAGS, ROW};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error};

/// CLIENT CACHING.
pub const CACHING: Command = Command {
    name: "caching",
    arity: 3,
    flags: FLAGS,
    since: "6.0.0",
    summary: "Says whether the keys of the next command are tracked.",
    arguments: &[Argument::one_of("mode", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])],
    handler: caching,
    ..ROW
};

/// CLIENT GETREDIR.
pub const GETREDIR: Command = Command {
    name: "getredir",
    arity: 2,
    flags: FLAGS,
    since: "6.0.0",
    summary: "Returns the client that receives the tracking messages of this connection.",
    handler: getredir,
    ..ROW
};

/// CLIENT TRACKING.
pub const TRACKING: Command = Command {
    name: "tracking",
    arity: -3,
    flags: FLAGS,
    since: "6.0.0",
    complexity: "O(1). Some options may introduce additional complexity.",
    summary: "Switches server-assisted client-side caching on or off.",
    arguments: &[
        Argument::one_of("status", &[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
        Argument::new("client-id", "integer").after("REDIRECT").optional(),
        Argument::new("prefix", "string").after("PREFIX").optional().multiple_token(),
        Argument::word("bcast", "BCAST").optional(),
        Argument::word("optin", "OPTIN").optional(),
        Argument::word("optout", "OPTOUT").optional(),
        Argument::word("noloop", "NOLOOP").optional(),
    ],
    handler: tracking,
    ..ROW
};

/// CLIENT TRACKINGINFO.
pub const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    arity: 2,
    flags: FLAGS,
    since: "6.2.0",
    summary: "Returns the tracking state of the connection.",
    handler: trackinginfo,
    ..ROW
};

fn caching(_: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    Err(Error::text(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
         enabled",
    ))
}

fn getredir(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(-1);
    Ok(())
}

fn tracking(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    check_options(cx, args)?;
    if args.is(2, "on") {
        return Err(Error::text("ERR CLIENT TRACKING ON is not supported yet: no invalidations would be sent"));
    }
    if !args.is(2, "off") {
        return Err(Error::Syntax);
    }
    cx.reply.ok();
    Ok(())
}

fn check_options(cx: &Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let mut redirected = false;
    let mut next = 3;
    while next < args.len() {
        let has_value = next + 1 < args.len();
        if has_value && args.is(next, "redirect") {
            if redirected {
                return Err(Error::text("ERR A client can only redirect to a single other client"));
            }
            redirected = true;
            let id = u64::try_from(args.integer(next + 1)?).ok();
            if id.and_then(|id| cx.server.clients.find(id)).is_none() {
                return Err(Error::text("ERR The client ID you want redirect to does not exist"));
            }
            next += 2;
        } else if has_value && args.is(next, "prefix") {
            next += 2;
        } else if ["bcast", "optin", "optout", "noloop"].iter().any(|word| args.is(next, word)) {
            next += 1;
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok(())
}

fn trackinginfo(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    cx.reply.set(1);
    cx.reply.bulk(b"off");
    cx.reply.bulk(b"redirect");
    cx.reply.integer(-1);
    cx.reply.bulk(b"prefixes");
    cx.reply.array(0);
    Ok(())
}
