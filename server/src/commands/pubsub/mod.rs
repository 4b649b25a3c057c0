//! Publish/subscribe.
//!
//! - `subscribe`: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites.
//! - `publish`: PUBLISH, SPUBLISH.
//! - `inspect`: PUBSUB.

pub mod inspect;
pub mod publish;
pub mod subscribe;

#[cfg(test)]
mod tests;

use super::row::{Command, Group};

/// What the rows of the family have in common.
const ROW: Command = Command { group: Group::PubSub, since: "2.0.0", ..Command::DEFAULT };

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[subscribe::COMMANDS, publish::COMMANDS, inspect::COMMANDS];
