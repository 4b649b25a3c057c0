//! The kernel-side programs: what the kernel does for this server before its sockets do.
//!
//! - `host`: what this machine and its interfaces allow.
//! - `loader`: the object, the programs, where they are attached.
//! - `told`: what the programs tell the log.
//! - `pins`: the maps under `/sys/fs/bpf/boxcar/<port>`, for bpftool.
//! - `figures`: INFO ebpf and LATENCY WIRE.
//! - `runner`: the handle that the server keeps, and the thread that keeps the tables true.
//!
//! Programs are attached by links that the process holds: when it ends, however it ends, the kernel detaches them. Without
//! them the server is the same in everything but speed and figures.

mod error;
mod figures;
mod host;
mod loader;
mod pins;
mod runner;
mod told;

pub use error::SteeringError;
pub use runner::{Plan, Steering};
