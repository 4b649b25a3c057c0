//! What a handler works with.

use super::error::Again;
use super::keys::Keys;
use super::server_state::Server;
use super::table::Entry;
use crate::clients::Session;
use crate::observability::stats::ThreadStats;
use boxcar_resp::Reply;
use boxcar_sys::clock::Ticks;

/// The context of one command. `'k` is the lifetime of the batch, `'c` that of the command.
pub struct Cx<'c, 'k> {
    /// What all threads share.
    pub server: &'k Server,
    /// The connection's session.
    pub session: &'c mut Session,
    /// The locked keys.
    pub keys: &'c mut Keys<'k>,
    /// Where the reply goes.
    pub reply: &'c mut Reply,
    /// The executing thread's counters.
    pub stats: &'k ThreadStats,
    /// The command that executes.
    pub command: &'k Entry,
    /// Whether EXEC runs it.
    pub in_transaction: bool,
    /// When the previous command ended and so this one began.
    pub tick: Ticks,
    /// Whether the command is executed for a client that waits (see [`super::blocking`]).
    pub serving: bool,
    /// Set by [`Cx::block`]: there is no reply yet.
    pub blocked: bool,
    /// Set when the command has to be executed again before it has a reply.
    pub again: Option<Again>,
}
