//! What the server counts and remembers about itself: counters, latency histograms, the slow log, the log.
//!
//! This room knows numbers, not commands: rooms above it write into the structures kept here, and `INFO`,
//! `LATENCY` and `SLOWLOG` read them.

pub mod defragmentation;
pub mod expiry;
pub mod histogram;
pub mod latency;
pub mod log;
pub mod slowlog;
pub mod stages;
pub mod stats;
