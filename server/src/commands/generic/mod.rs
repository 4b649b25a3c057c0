//! Keys of any type.
//!
//! - `keyspace`: DEL, UNLINK, EXISTS, TOUCH, TYPE.
//! - `transfer`: RENAME, RENAMENX, COPY, MOVE.
//! - `expiry`: EXPIRE and TTL with their kin, PERSIST.
//! - `walk`: KEYS, SCAN, RANDOMKEY, which visit shard after shard.
//! - `sort`: SORT, SORT_RO.
//! - `serialized`: DUMP, RESTORE.
//! - `object`: OBJECT and its subcommands.

pub mod expiry;
pub mod keyspace;
pub mod object;
pub mod serialized;
pub mod sort;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod walk;

use super::row::{Argument, Categories, Command, Group, Locks};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[
    keyspace::COMMANDS,
    transfer::COMMANDS,
    expiry::COMMANDS,
    walk::COMMANDS,
    sort::COMMANDS,
    serialized::COMMANDS,
    object::COMMANDS,
];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::Generic,
    categories: Categories::KEYSPACE,
    locks: Locks::Keys,
    ..Command::DEFAULT
};

const KEY: Argument = Argument::new("key", "key");
