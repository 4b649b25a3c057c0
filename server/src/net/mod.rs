//! The network: I/O threads with their connections, from received bytes to sent replies.
//!
//! A thread owns its driver, its listeners and its connections; nothing of a connection is touched by another
//! thread. What others want of a connection arrives in the thread's inbox.

mod accepting;
mod blocking;
mod closing;
mod connection;
mod dispatching;
mod gathering;
mod io_thread;
pub mod listeners;
mod reading;
mod writing;

pub use io_thread::{IoThread, Opened, Spec};
