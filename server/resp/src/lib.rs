//! RESP, the Redis serialization protocol, for both ends of the wire and without any I/O.
//!
//! | Module | Who uses it | What it does |
//! |---|---|---|
//! | [`request`] | server | finds commands in received bytes: multibulk and inline, resumable, nothing copied |
//! | [`reply`] | server | appends RESP2 or RESP3 replies to a byte buffer |
//! | [`client`] | clients, load generator, tests | encodes commands, skips and decodes replies |
//! | [`limits`] | all three | every bound of this package, each with its reason |
//!
//! The protocol itself is described at <https://redis.io/docs/latest/develop/reference/protocol-spec/>; where that page is
//! silent, the behaviour of Redis 7.2 is followed byte for byte (limits, error texts, the spelling of doubles).
//!
//! Everything that reads bytes from the wire is total: for any input it returns a value or a typed error, never
//! panics, and never allocates more than in proportion to the bytes it was given.

#![forbid(unsafe_code)]

pub mod client;
pub mod limits;
mod number;
pub mod reply;
pub mod request;

pub use client::{DecodeError, ReplyScanner, Value, decode, encode_command, skip_reply};
pub use number::parse_integer;
pub use reply::{Deferred, DoubleText, Protocol, Reply, format_double};
pub use request::{Command, Commands, Limits, Parser, Progress, ProtocolError, Span, Status};
