//! The string family, by theme.
//!
//! - `get`: reading, whole or in part; also GETDEL, GETEX and GETSET.
//! - `set`: SET and its older forms, MSET, MSETNX.
//! - `counter`: INCR and its kin; `extended` holds the arithmetic of INCRBYFLOAT (and of fractions of seconds).
//! - `edit`: APPEND, SETRANGE.
//! - `lcs`: the longest common subsequence.
//! - `options`: the options that SET and GETEX share, and expiry arguments.

pub mod counter;
pub mod edit;
pub(in crate::commands) mod extended;
pub mod get;
pub mod lcs;
mod options;
pub mod set;
#[cfg(test)]
mod tests;

pub(in crate::commands) use extended::Extended;

use super::row::{Argument, Categories, Command, Group, Locks};
use super::{Error, Server};
use crate::config::rows;
use boxcar_resp::Reply;
use boxcar_store::{Record, Value};

/// The family's rows.
pub const COMMANDS: &[&[Command]] =
    &[get::COMMANDS, set::COMMANDS, counter::COMMANDS, edit::COMMANDS, lcs::COMMANDS];

/// What the rows have in common.
const ROW: Command =
    Command { group: Group::String, categories: Categories::STRING, locks: Locks::Keys, ..Command::DEFAULT };

const KEY: Argument = Argument::new("key", "key");
const VALUE: Argument = Argument::new("value", "string");

/// The value of a record that has to be a string.
#[inline]
pub(super) fn string_value(record: Record<'_>) -> Result<Value<'_>, Error> {
    record.string().ok_or(Error::WrongType)
}

/// Replies with a string.
#[inline(always)]
pub(in crate::commands) fn write_value(reply: &mut Reply, value: Value<'_>) {
    match value {
        Value::Bytes(bytes) => reply.bulk(bytes),
        Value::Integer(number) => reply.bulk_integer(number),
    }
}

/// The sum of both lengths, or the error for a string that would become longer than `proto-max-bulk-len`.
fn check_length(server: &Server, len: usize, more: usize) -> Result<usize, Error> {
    let limit = server.config.bytes(rows::PROTO_MAX_BULK_LEN);
    match len.checked_add(more) {
        Some(total) if total as u64 <= limit => Ok(total),
        _ => Err(Error::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)")),
    }
}
