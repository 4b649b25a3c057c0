//! Commands about the connection itself.
//!
//! - [`state`]: PING, ECHO, SELECT, QUIT, RESET.
//! - [`handshake`]: AUTH and HELLO.
//! - [`client`]: CLIENT and its subcommands.

pub mod client;
pub mod handshake;
pub mod state;

#[cfg(test)]
mod tests;

use super::row::{Categories, Command, Group};

/// What the rows of the family have in common.
const ROW: Command = Command {
    group: Group::Connection,
    categories: Categories::CONNECTION,
    ..Command::DEFAULT
};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[handshake::COMMANDS, client::COMMANDS, state::COMMANDS];
