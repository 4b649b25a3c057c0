//! SHUTDOWN: the way to stop the server from a connection.

use super::{ADMIN_FLAGS, ROW};
use crate::clients::ClientFlags;
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx, Error};

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "shutdown",
    arity: -1,
    flags: ADMIN_FLAGS.union(Flags::NO_MULTI).union(Flags::ALLOW_BUSY),
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    summary: "Stops the server.",
    arguments: &[
        Argument::one_of(
            "save-selector",
            &[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")],
        )
        .optional(),
        Argument::word("now", "NOW").optional().since("7.0.0"),
        Argument::word("force", "FORCE").optional().since("7.0.0"),
        Argument::word("abort", "ABORT").optional().since("7.0.0"),
    ],
    handler: shutdown,
    ..ROW
}];

/// How to stop.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    save: bool,
    nosave: bool,
    /// Without waiting for replicas; there are none.
    now: bool,
    /// Even when saving fails.
    force: bool,
    /// Take a shutdown under way back.
    abort: bool,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        for i in 1..args.len() {
            let option = match () {
                () if args.is(i, "save") => &mut options.save,
                () if args.is(i, "nosave") => &mut options.nosave,
                () if args.is(i, "now") => &mut options.now,
                () if args.is(i, "force") => &mut options.force,
                () if args.is(i, "abort") => &mut options.abort,
                () => return Err(Error::Syntax),
            };
            *option = true;
        }
        let other = options.save || options.nosave || options.now || options.force;
        if (options.abort && other) || (options.save && options.nosave) {
            return Err(Error::Syntax);
        }
        Ok(options)
    }
}

/// As in Redis there is no reply when the server stops: the connection ends.
fn shutdown(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    if options.abort {
        // A shutdown waits for nothing here, so there is never time to take it back.
        return Err(Error::text("ERR No shutdown in progress."));
    }
    if options.save {
        tracing::warn!("SHUTDOWN SAVE: there is no persistence yet, so nothing can be saved");
        if !options.force {
            return Err(Error::text("ERR Errors trying to SHUTDOWN. Check logs."));
        }
    }
    cx.session.close_after_reply = true;
    cx.session.client.set_flags(ClientFlags::CLOSE_AFTER_REPLY, true);
    cx.server.shutdown.request();
    Ok(())
}
