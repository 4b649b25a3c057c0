//! CLIENT: one file for each theme of subcommands.
//!
//! - [`identity`]: ID, GETNAME, SETNAME, SETINFO.
//! - [`list`]: LIST and INFO.
//! - [`mod@kill`]: KILL in its old and new form.
//! - [`behaviour`]: REPLY, NO-EVICT, NO-TOUCH, PAUSE, UNPAUSE, UNBLOCK.
//! - [`tracking`]: CACHING, GETREDIR, TRACKING, TRACKINGINFO.

pub mod behaviour;
pub mod identity;
pub mod kill;
pub mod list;
pub mod tracking;

use super::ROW;
use crate::commands::help::help;
use crate::commands::row::{Categories, Command, Flags};

/// What most subcommands need.
const FLAGS: Flags = Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]);
/// The same for those that concern other connections.
const ADMIN_FLAGS: Flags = FLAGS.union(Flags::ADMIN);

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "client",
    arity: -2,
    categories: Categories::empty(),
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    summary: "Commands about client connections.",
    subcommands: &[
        tracking::CACHING,
        identity::GETNAME,
        tracking::GETREDIR,
        Command {
            name: "help",
            arity: 2,
            flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
            since: "5.0.0",
            summary: "Describes the subcommands.",
            handler: help,
            ..ROW
        },
        identity::ID,
        list::INFO,
        kill::KILL,
        list::LIST,
        behaviour::NO_EVICT,
        behaviour::NO_TOUCH,
        behaviour::PAUSE,
        behaviour::REPLY,
        identity::SETINFO,
        identity::SETNAME,
        tracking::TRACKING,
        tracking::TRACKINGINFO,
        behaviour::UNBLOCK,
        behaviour::UNPAUSE,
    ],
    ..ROW
}];
