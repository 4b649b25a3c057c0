//! The Boxcar server. The binary is a thin `main` around [`boot`].
//!
//! Rooms, lowest first; a file imports only from its own room or a lower one:
//! `config < acl < observability < clients < commands < shard < persistence < replication < net < scripting < steering <
//! boot` (those that exist).
#![forbid(unsafe_code)]

pub mod acl;
pub mod boot;
pub mod clients;
pub mod commands;
pub mod config;
pub mod net;
pub mod observability;
pub mod shard;
pub mod steering;
