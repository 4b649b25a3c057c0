//! CLIENT CACHING, GETREDIR, TRACKING, TRACKINGINFO: server-assisted client-side caching.

use super::{FLAGS, ROW};
use crate::clients::tracking::{Mode, Tracker, TrackingState};
use crate::clients::{Client, ClientFlags};
use crate::commands::row::{Argument, Command};
use crate::commands::{Args, CommandResult, Cx, Error};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

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

fn caching(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let Some(state) = &mut cx.session.tracking else {
        return Err(Error::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    let (mode, error) = match () {
        () if args.is(2, "yes") => (
            Mode::OptIn,
            Error::text("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."),
        ),
        () if args.is(2, "no") => (
            Mode::OptOut,
            Error::text("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."),
        ),
        () => return Err(Error::Syntax),
    };
    if state.tracker.mode() != mode {
        return Err(error);
    }
    state.caching = true;
    cx.reply.ok();
    Ok(())
}

/// The id of the client that gets the messages, 0 for the client itself, -1 without client-side caching.
fn redirect(cx: &Cx<'_, '_>) -> i64 {
    if cx.session.tracking.is_some() { cx.session.client.redirect.load(Relaxed) as i64 } else { -1 }
}

fn getredir(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(redirect(cx));
    Ok(())
}

/// What CLIENT TRACKING asks for.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<Arc<Client>>,
    prefixes: Vec<&'a [u8]>,
    bcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
}

impl<'a> Options<'a> {
    fn parse(cx: &Cx<'_, '_>, args: Args<'a>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut next = 3;
        while let Some(option) = args.get(next) {
            let value = args.get(next + 1);
            match (option.to_ascii_lowercase().as_slice(), value) {
                (b"redirect", Some(_)) => {
                    if options.redirect.is_some() {
                        return Err(Error::text("ERR A client can only redirect to a single other client"));
                    }
                    let id = u64::try_from(args.integer(next + 1)?).ok();
                    let client = id.and_then(|id| cx.server.clients.find(id));
                    let missing = Error::text("ERR The client ID you want redirect to does not exist");
                    options.redirect = Some(client.ok_or(missing)?);
                    next += 1;
                }
                (b"prefix", Some(prefix)) => {
                    options.prefixes.push(prefix);
                    next += 1;
                }
                (b"bcast", _) => options.bcast = true,
                (b"optin", _) => options.optin = true,
                (b"optout", _) => options.optout = true,
                (b"noloop", _) => options.noloop = true,
                _ => return Err(Error::Syntax),
            }
            next += 1;
        }
        Ok(options)
    }

    /// The mode, when the options agree with one another and with what is in force.
    fn mode(&self, present: Option<Mode>) -> Result<Mode, Error> {
        if !self.bcast && !self.prefixes.is_empty() {
            return Err(Error::text("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if present.is_some_and(|mode| (mode == Mode::Broadcast) != self.bcast) {
            return Err(Error::text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if self.bcast && (self.optin || self.optout) {
            return Err(Error::text("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.optin && self.optout {
            return Err(Error::text("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if (self.optin && present == Some(Mode::OptOut)) || (self.optout && present == Some(Mode::OptIn)) {
            return Err(Error::text(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        Ok(match () {
            () if self.bcast => Mode::Broadcast,
            () if self.optin => Mode::OptIn,
            () if self.optout => Mode::OptOut,
            () => Mode::Default,
        })
    }

    /// Prefixes of one client must not overlap, or it would be told twice of the same change.
    fn check_prefixes(&self, present: &BTreeSet<Box<[u8]>>) -> CommandResult {
        for (i, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = present.iter().find(|other| overlap(prefix, other)) {
                return Err(overlapping(prefix, b"an existing prefix", other));
            }
            if let Some(other) = self.prefixes[i + 1..].iter().find(|other| overlap(prefix, other)) {
                return Err(overlapping(prefix, b"another provided prefix", other));
            }
        }
        Ok(())
    }
}

fn overlap(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn overlapping(prefix: &[u8], which: &[u8], other: &[u8]) -> Error {
    let end = b"'. Prefixes for a single client must not overlap.";
    Error::Bytes([b"ERR Prefix '", prefix, b"' overlaps with ", which, b" '", other, end].concat())
}

fn tracking(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = Options::parse(cx, args)?;
    if args.is(2, "on") {
        start(cx, options)?;
    } else if args.is(2, "off") {
        cx.session.stop_tracking(&cx.server.tracking);
    } else {
        return Err(Error::Syntax);
    }
    cx.reply.ok();
    Ok(())
}

fn start(cx: &mut Cx<'_, '_>, mut options: Options<'_>) -> CommandResult {
    let present = cx.session.tracking.as_ref();
    let mode = options.mode(present.map(|state| state.tracker.mode()))?;
    if mode == Mode::Broadcast {
        options.check_prefixes(present.map_or(&BTreeSet::new(), |state| &state.prefixes))?;
        if options.prefixes.is_empty() {
            options.prefixes.push(b"");
        }
    }
    let client = Arc::clone(&cx.session.client);
    let tracker = Arc::new(Tracker::new(client, options.redirect, mode, options.noloop));
    cx.server.tracking.start(&tracker, options.prefixes.iter().copied());
    let before = cx.session.tracking.take().map(|state| state.prefixes);
    let mut prefixes = before.unwrap_or_default();
    prefixes.extend(options.prefixes.into_iter().map(Box::from));
    cx.session.tracking = Some(Box::new(TrackingState { tracker, caching: false, prefixes }));
    Ok(())
}

fn trackinginfo(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let redirect = redirect(cx);
    let state = cx.session.tracking.as_deref();
    let broken = cx.session.client.flags().contains(ClientFlags::BROKEN_REDIRECT);
    let mode = state.map(|state| (state.tracker.mode(), state.caching));
    let flags = [
        ("off", state.is_none()),
        ("on", state.is_some()),
        ("bcast", matches!(mode, Some((Mode::Broadcast, _)))),
        ("optin", matches!(mode, Some((Mode::OptIn, _)))),
        ("caching-yes", matches!(mode, Some((Mode::OptIn, true)))),
        ("optout", matches!(mode, Some((Mode::OptOut, _)))),
        ("caching-no", matches!(mode, Some((Mode::OptOut, true)))),
        ("noloop", state.is_some_and(|state| state.tracker.no_loop())),
        ("broken_redirect", broken),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    cx.reply.set(flags.len());
    flags.into_iter().for_each(|name| cx.reply.bulk(name.as_bytes()));
    cx.reply.bulk(b"redirect");
    cx.reply.integer(redirect);
    cx.reply.bulk(b"prefixes");
    cx.reply.array(state.map_or(0, |state| state.prefixes.len()));
    for prefix in state.iter().flat_map(|state| &state.prefixes) {
        cx.reply.bulk(prefix);
    }
    Ok(())
}
