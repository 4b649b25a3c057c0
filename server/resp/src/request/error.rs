//! What can be wrong with a request.

use thiserror::Error;

/// A request that is not RESP. The text of [`Display`](std::fmt::Display) is what Redis 7.2 sends after
/// `-ERR Protocol error: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The line after `*` is no integer, or above `INT_MAX`.
    #[error("invalid multibulk length")]
    InvalidMultibulkLength,
    /// More than 10 arguments before authentication.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// An argument does not start with `$` but with this byte.
    #[error("expected '$', got '{}'", char::from(*.0))]
    ExpectedDollar(u8),
    /// The line after `$` is no integer, negative, or above `proto-max-bulk-len`.
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// An argument longer than 16 KiB before authentication.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An inline command longer than 64 KiB.
    #[error("too big inline request")]
    TooBigInline,
    /// A `*` line longer than 64 KiB.
    #[error("too big mbulk count string")]
    TooBigMultibulkCount,
    /// A `$` line longer than 64 KiB.
    #[error("too big bulk count string")]
    TooBigBulkCount,
    /// An inline command with an open quote, or with text right after a closing one.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
}

impl ProtocolError {
    /// The whole error text for [`Reply::error`](crate::Reply::error). Differs from `Display` for an offending byte above 127,
    /// which goes back as the byte it was.
    pub fn reply_text(&self) -> Vec<u8> {
        let mut text = b"ERR Protocol error: ".to_vec();
        match self {
            ProtocolError::ExpectedDollar(byte) => {
                text.extend_from_slice(b"expected '$', got '");
                text.extend_from_slice(&[*byte, b'\'']);
            }
            error => text.extend_from_slice(error.to_string().as_bytes()),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::ProtocolError;

    #[test]
    fn the_offending_byte_is_sent_back_as_it_came() {
        assert_eq!(
            ProtocolError::ExpectedDollar(b'x').reply_text(),
            b"ERR Protocol error: expected '$', got 'x'"
        );
        assert_eq!(
            ProtocolError::ExpectedDollar(0xff).reply_text(),
            b"ERR Protocol error: expected '$', got '\xff'"
        );
        assert_eq!(ProtocolError::InvalidBulkLength.reply_text(), b"ERR Protocol error: invalid bulk length");
    }
}
