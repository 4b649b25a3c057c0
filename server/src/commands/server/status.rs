//! TIME, LASTSAVE, ROLE, WAIT: short questions about the server's state.

use super::ROW;
use crate::commands::blocking::{Timeout, Wait};
use crate::commands::row::{Argument, Categories, Command, Flags, Group};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_resp::Reply;
use boxcar_store::Kind;
use boxcar_sys::clock::wall_us;
use std::sync::atomic::Ordering::Relaxed;

const CHEAP: Flags = Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lastsave",
        arity: 1,
        flags: CHEAP,
        categories: Categories::ADMIN.union(Categories::DANGEROUS),
        summary: "Returns the Unix time of the last successful save.",
        tips: &["nondeterministic_output"],
        handler: lastsave,
        ..ROW
    },
    Command {
        name: "role",
        arity: 1,
        flags: CHEAP.union(Flags::NOSCRIPT),
        categories: Categories::ADMIN.union(Categories::DANGEROUS),
        since: "2.8.12",
        summary: "Returns the role of the server in replication.",
        handler: role,
        ..ROW
    },
    Command {
        name: "time",
        arity: 1,
        flags: CHEAP,
        since: "2.6.0",
        summary: "Returns the time of day of the server.",
        tips: &["nondeterministic_output"],
        handler: time,
        ..ROW
    },
    Command {
        name: "wait",
        arity: 3,
        flags: Flags::BLOCKING,
        categories: Categories::CONNECTION,
        since: "3.0.0",
        group: Group::Generic,
        summary: "Waits until replicas have acknowledged the writes of this connection.",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        arguments: &[Argument::new("numreplicas", "integer"), Argument::new("timeout", "integer")],
        handler: wait,
        ..ROW
    },
];

fn time(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let now = wall_us();
    cx.reply.array(2);
    cx.reply.bulk_integer(now / 1_000_000);
    cx.reply.bulk_integer(now % 1_000_000);
    Ok(())
}

fn lastsave(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.integer(cx.server.last_save.load(Relaxed));
    Ok(())
}

/// A master without replicas, whose replication stream has not begun.
fn role(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    cx.reply.array(3);
    cx.reply.bulk(b"master");
    cx.reply.integer(0);
    cx.reply.array(0);
    Ok(())
}

/// There are no replicas, and none can come while replication does not exist: whoever wants one waits in vain.
fn wait(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let replicas = args.integer(1)?;
    let timeout = Timeout::milliseconds(args, 2)?;
    let none = |reply: &mut Reply| reply.integer(0);
    if replicas <= 0 {
        none(cx.reply);
        return Ok(());
    }
    cx.block(args, Wait { timed_out: none, refused: none, ..Wait::new(0..0, Kind::String, timeout) })
}
