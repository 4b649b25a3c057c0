//! COMMAND: the register as clients and proxies read it.
//!
//! - [`describe`]: COMMAND and COMMAND INFO.
//! - [`docs`]: COMMAND DOCS.
//! - [`keys`]: COMMAND GETKEYS and GETKEYSANDFLAGS.
//! - [`list`]: COMMAND COUNT and LIST.

pub mod describe;
pub mod docs;
pub mod keys;
pub mod list;

use super::{HELP, ROW};
use crate::commands::row::{Categories, Command, Flags};
use crate::commands::{Entry, Table};

/// What all of them need.
const FLAGS: Flags = Flags::of(&[Flags::LOADING, Flags::STALE]);

/// What the rows have in common.
const COMMAND_ROW: Command =
    Command { flags: FLAGS, categories: Categories::CONNECTION, since: "2.8.13", ..ROW };

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "command",
    arity: -1,
    complexity: "O(N) where N is the total number of Redis commands",
    summary: "Describes all commands.",
    tips: &["nondeterministic_output_order"],
    handler: describe::command,
    subcommands: &[
        list::COUNT,
        docs::DOCS,
        keys::GETKEYS,
        keys::GETKEYSANDFLAGS,
        Command { categories: Categories::CONNECTION, ..HELP },
        describe::INFO,
        list::LIST,
    ],
    ..COMMAND_ROW
}];

/// The command of this full name (`get`, `client|list`), in any case. A name with a bar needs a command that has
/// subcommands.
pub(super) fn find<'t>(table: &'t Table, name: &[u8]) -> Option<&'t Entry> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let entry = table.find(parts.next()?)?;
    match parts.next() {
        None => Some(entry),
        Some(subcommand) => table.find_subcommand(entry, subcommand),
    }
}
