//! Commands: the register (one row a command), what a handler is given, and the handlers, a family to a file
//! or folder.
//!
//! Adding a command is one row and one handler in the file of its family. `COMMAND`, key extraction, locking,
//! statistics and documentation derive from the row.

pub mod access;
pub mod args;
pub mod blocking;
pub mod budget;
pub mod call;
pub mod context;
pub mod error;
pub mod events;
pub mod float;
pub mod held;
pub mod help;
pub mod keys;
pub mod news;
pub mod reclaim;
pub mod reference;
pub mod row;
pub mod sampling;
pub mod scan;
pub mod server_state;
pub mod table;
pub mod watch;
pub mod wire;

#[cfg(test)]
pub(crate) mod testing;

pub mod bitmap;
pub mod connection;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transaction;

pub use args::Args;
pub use context::Cx;
pub use error::{Again, CommandResult, Error};
pub use keys::Keys;
pub use row::{Begin, Categories, Command, Find, Flags, Group, KeyFlags, KeySpec, Locks};
pub use server_state::Server;
pub use table::{Entry, Table};

/// The families, in the order of COMMAND's output.
pub const FAMILIES: &[&[&[Command]]] = &[
    string::COMMANDS,
    bitmap::COMMANDS,
    hyperloglog::COMMANDS,
    list::COMMANDS,
    hash::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    geo::COMMANDS,
    stream::COMMANDS,
    generic::COMMANDS,
    connection::COMMANDS,
    server::COMMANDS,
    &[transaction::COMMANDS],
    pubsub::COMMANDS,
];

/// INFO's sections that this room knows, in Redis's order.
pub const INFO_SECTIONS: &[server_state::InfoSection] = server::info::SECTIONS;
