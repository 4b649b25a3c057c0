//! Commands about the server as a whole.
//!
//! - [`info`]: INFO and the sections this room knows.
//! - [`command`]: COMMAND, the register as clients read it.
//! - [`mod@config`]: CONFIG and its subcommands.
//! - [`databases`]: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.
//! - [`status`]: TIME, LASTSAVE, ROLE, WAIT; [`lolwut`]: LOLWUT.
//! - [`mod@shutdown`]: SHUTDOWN with all its options.
//! - [`memory`]: MEMORY; [`allocator`] knows the allocator's own figures.
//! - [`watching`]: MONITOR, SLOWLOG; [`latency`]: LATENCY.
//! - [`acl`]: ACL. [`debug`]: DEBUG.

pub mod acl;
pub mod allocator;
pub mod command;
pub mod config;
pub mod databases;
pub mod debug;
pub mod info;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod shutdown;
pub mod status;
pub mod watching;

#[cfg(test)]
mod tests;

use super::help::help;
use super::row::{Command, Flags, Group};

/// The Redis version whose dialect is spoken: what clients look at to know which commands they may send.
///
/// 7.4 is the newest whose data commands are all here (it brought expiries of fields). Most of what 8.0 added is here as
/// well, but clients take a server that calls itself 8 to have JSON, search, time series and probabilistic types, which are
/// part of Redis since then.
pub const REDIS_VERSION: &str = "7.4.2";

/// Boxcar's own version.
pub const BOXCAR_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the rows of the family have in common.
const ROW: Command = Command { group: Group::Server, ..Command::DEFAULT };

/// What most commands about the server's inside need.
const ADMIN_FLAGS: Flags = Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]);

/// What `HELP` subcommands have in common.
const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    since: "5.0.0",
    summary: "Describes the subcommands.",
    handler: help,
    ..ROW
};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[
    acl::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    databases::COMMANDS,
    debug::COMMANDS,
    info::COMMANDS,
    latency::COMMANDS,
    lolwut::COMMANDS,
    memory::COMMANDS,
    shutdown::COMMANDS,
    status::COMMANDS,
    watching::COMMANDS,
];
