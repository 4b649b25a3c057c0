//! Clients as every thread sees them: the shared view of a connection, the registry of all of them, and the
//! session that travels with a connection's commands.

pub mod inbox;
pub mod monitors;
pub mod pause;
pub mod pubsub;
pub mod registry;
pub mod session;
pub mod tracking;
pub mod waiter;

pub use inbox::{Inbox, Inboxes, Mail};
pub use registry::{Client, ClientFlags, Clients};
pub use session::{Queued, ReplyMode, Session, Transaction};
pub use waiter::Waiter;
