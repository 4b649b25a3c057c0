//! Where a reply ends, without reading what it says.

use super::DecodeError;
use crate::limits;
use crate::number::{parse_integer, short_line};

/// Length in bytes of the reply at the start of `input`; `None` while it is incomplete. Allocates nothing.
///
/// A RESP3 push message (first byte `>`) counts as a reply of its own: who counts answers to commands must skip those. Attributes are
/// part of the reply they precede.
#[inline]
pub fn skip_reply(input: &[u8]) -> Result<Option<usize>, DecodeError> {
    ReplyScanner::new().scan(input)
}

/// Finds the end of one reply that arrives in pieces, reading each piece once.
#[derive(Clone, Debug)]
pub struct ReplyScanner {
    /// Bytes of the reply that are done with.
    pub(super) offset: usize,
    /// Values that are still to come before the reply is complete, as far as is known.
    pub(super) outstanding: u64,
}

impl Default for ReplyScanner {
    fn default() -> Self {
        ReplyScanner { offset: 0, outstanding: 1 }
    }
}

impl ReplyScanner {
    /// A scanner at the start of a reply.
    pub fn new() -> Self {
        ReplyScanner::default()
    }

    /// Length in bytes of the reply at the start of `input`; `None` while it is incomplete.
    ///
    /// `input` starts at the same byte in every call for one reply and has grown since the last. With an end found, or after an
    /// error, the scanner stands at the start of a reply again.
    #[inline]
    pub fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, DecodeError> {
        loop {
            let (token, next) = match token(input, self.offset) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(error) => {
                    *self = ReplyScanner::new();
                    return Err(error);
                }
            };
            self.offset = next;
            // Attributes come before the value they belong to and do not stand for it.
            let (taken, added) = match token {
                Token::Line { .. } | Token::Bulk { .. } | Token::Null => (1, 0),
                Token::Aggregate { marker: b'%', count } => (1, 2 * count),
                Token::Aggregate { marker: b'|', count } => (0, 2 * count),
                Token::Aggregate { count, .. } => (1, count),
            };
            self.outstanding = match (self.outstanding - taken).checked_add(added) {
                Some(0) => {
                    *self = ReplyScanner::new();
                    return Ok(Some(next));
                }
                Some(outstanding) => outstanding,
                None => {
                    *self = ReplyScanner::new();
                    return Err(DecodeError::TooManyElements);
                }
            };
        }
    }
}

/// One step of a reply: a whole scalar, or the header of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A value on a line of its own.
    Line { marker: u8, text: &'a [u8] },
    /// A value with a length before it.
    Bulk { marker: u8, text: &'a [u8] },
    /// A null of RESP2. That of RESP3 is a line.
    Null,
    /// `count` values follow, or pairs for `%` and `|`.
    Aggregate { marker: u8, count: u64 },
}

/// Reads the token at `at` and the offset behind it; `None` while it is incomplete.
#[inline]
pub(super) fn token(input: &[u8], at: usize) -> Result<Option<(Token<'_>, usize)>, DecodeError> {
    let Some(&marker) = input.get(at) else { return Ok(None) };
    match marker {
        b'$' | b'=' | b'!' => bulk(input, at, marker),
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {
            let Some((text, next)) = line(input, at)? else { return Ok(None) };
            Ok(Some((Token::Line { marker, text }, next)))
        }
        b'*' | b'%' | b'~' | b'>' | b'|' => aggregate(input, at, marker),
        other => Err(DecodeError::UnknownType(other)),
    }
}

/// Reads a value with a length before it.
#[inline]
fn bulk(input: &[u8], at: usize, marker: u8) -> Result<Option<(Token<'_>, usize)>, DecodeError> {
    let (len, body) = match short_line(&input[at..], marker) {
        Some((len, line_len)) if input[at + line_len - 1] == b'\n' => (len, at + line_len),
        _ => {
            let Some((len, body)) = number_line(input, at)? else { return Ok(None) };
            if len == -1 && marker == b'$' {
                return Ok(Some((Token::Null, body)));
            }
            if len > limits::MAX_REPLY_BULK {
                return Err(DecodeError::BulkTooLong);
            }
            (usize::try_from(len).map_err(|_| DecodeError::InvalidLength)?, body)
        }
    };
    let end = body + len;
    match input.get(end..end + 2) {
        Some(b"\r\n") => Ok(Some((Token::Bulk { marker, text: &input[body..end] }, end + 2))),
        Some(_) => Err(DecodeError::MissingLineEnd),
        None => Ok(None),
    }
}

/// Reads the header of an aggregate.
#[inline]
fn aggregate(input: &[u8], at: usize, marker: u8) -> Result<Option<(Token<'_>, usize)>, DecodeError> {
    let Some((count, next)) = number_line(input, at)? else { return Ok(None) };
    if count == -1 && marker == b'*' {
        return Ok(Some((Token::Null, next)));
    }
    if count > limits::MAX_REPLY_ELEMENTS {
        return Err(DecodeError::TooManyElements);
    }
    let count = u64::try_from(count).map_err(|_| DecodeError::InvalidLength)?;
    Ok(Some((Token::Aggregate { marker, count }, next)))
}

/// Reads a line that holds a length or a count.
fn number_line(input: &[u8], at: usize) -> Result<Option<(i64, usize)>, DecodeError> {
    let Some((text, next)) = line(input, at)? else { return Ok(None) };
    let number = parse_integer(text).ok_or(DecodeError::InvalidLength)?;
    Ok(Some((number, next)))
}

/// Characters of a line looked at one by one before a vectorised search is called.
const SHORT_LINE: usize = 6;

/// Reads the line at `at`: its text without the marker, and the offset behind it.
#[inline]
fn line(input: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let rest = &input[at + 1..];
    // Most lines are short: a status, a small integer. Looking is cheaper than calling a search.
    let short = rest.iter().take(SHORT_LINE).position(|&byte| byte == b'\r');
    if let Some(end) = short
        && rest.get(end + 1) == Some(&b'\n')
    {
        return Ok(Some((&rest[..end], at + end + 3)));
    }
    let search = &rest[..rest.len().min(limits::MAX_REPLY_LINE + 1)];
    match memchr::memchr(b'\r', search) {
        Some(end) => match rest.get(end + 1) {
            Some(b'\n') => Ok(Some((&rest[..end], at + end + 3))),
            Some(_) => Err(DecodeError::MissingLineEnd),
            None => Ok(None),
        },
        None if rest.len() > limits::MAX_REPLY_LINE => Err(DecodeError::LineTooLong),
        None => Ok(None),
    }
}
