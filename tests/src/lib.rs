//! The harness of Boxcar's tests: starts the real binary, talks to it as any client would, and knows nothing of its
//! insides.
//!
//! The decoder here is deliberately not the server's: a mistake made in both directions would cancel out.
#![forbid(unsafe_code)]

pub mod browser;
pub mod client;
pub mod history;
pub mod matrix;
pub mod network;
pub mod oracle;
pub mod programs;
pub mod server;
pub mod transcript;
pub mod value;

pub use client::Client;
pub use matrix::Configuration;
pub use server::Server;
pub use value::Value;
