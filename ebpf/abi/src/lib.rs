//! What the kernel-side programs and the server share.
//!
//! | module | what lives there |
//! |---|---|
//! | [`packet`] | from a frame to a TCP segment, over a bounds-checked [`View`](packet::View) |
//! | [`flow`] | the hash of a connection, and which thread it names |
//! | [`table`] | the connections that the probe measures |
//! | [`histogram`] | the log-linear buckets of the latency probe |
//! | [`layout`] | what lies in the maps |
//! | [`names`] | what maps and programs are called |
//!
//! Everything here is plain arithmetic that neither allocates nor panics, so that one source serves the kernel's verifier
//! and the tests on the host.
#![no_std]

pub mod flow;
pub mod histogram;
pub mod layout;
pub mod names;
pub mod packet;
pub mod table;
