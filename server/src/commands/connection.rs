//! The connection itself.

use super::row::{Categories, Command, Flags, Group};
use super::{Args, CommandResult, Cx};

const ROW: Command =
    Command { group: Group::Connection, categories: Categories::CONNECTION, ..Command::DEFAULT };

/// The family's rows.
pub const COMMANDS: &[Command] = &[Command {
    name: "ping",
    arity: -1,
    flags: Flags::FAST,
    summary: "Answers, to show that the server is alive.",
    handler: ping,
    ..ROW
}];

fn ping(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match args.get(1) {
        Some(text) => cx.reply.bulk(text),
        None => cx.reply.simple("PONG"),
    }
    Ok(())
}
