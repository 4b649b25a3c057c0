//! The client's side: commands out, replies in.

mod decode;
mod encode;
mod scan;
#[cfg(test)]
mod tests;
mod value;

pub use decode::decode;
pub use encode::encode_command;
pub use scan::{ReplyScanner, skip_reply};
pub use value::Value;

use thiserror::Error;

/// A reply that is not RESP, or beyond the bounds in [`limits`](crate::limits). The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A reply starts with a byte that marks no type.
    #[error("byte 0x{0:02x} marks no reply type")]
    UnknownType(u8),
    /// A length or count is no integer, or negative where that means nothing.
    #[error("invalid length or count")]
    InvalidLength,
    /// A bulk string is longer than [`MAX_REPLY_BULK`](crate::limits::MAX_REPLY_BULK).
    #[error("bulk string too long")]
    BulkTooLong,
    /// An aggregate holds more than [`MAX_REPLY_ELEMENTS`](crate::limits::MAX_REPLY_ELEMENTS).
    #[error("aggregate of too many elements")]
    TooManyElements,
    /// A line is longer than [`MAX_REPLY_LINE`](crate::limits::MAX_REPLY_LINE).
    #[error("line too long")]
    LineTooLong,
    /// A line does not end in CR LF, or a bulk string is not followed by one.
    #[error("missing CR LF")]
    MissingLineEnd,
    /// Aggregates are nested deeper than [`MAX_REPLY_DEPTH`](crate::limits::MAX_REPLY_DEPTH).
    #[error("aggregates nested too deep")]
    TooDeep,
    /// The content of a number, boolean, null or verbatim string is malformed.
    #[error("malformed value of type '{}'", char::from(*.0))]
    Malformed(u8),
}
