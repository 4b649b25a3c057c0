//! The Boxcar server.
pub mod config;
