//! IDs as arguments and in replies.

use crate::commands::Error;
use crate::commands::args::parse_integer;
use boxcar_resp::Reply;
use boxcar_store::stream::StreamId;

const INVALID: Error = Error::text("ERR Invalid stream ID specified as stream command argument");

/// Longest text of an ID that Redis looks at.
const TEXT_MAX: usize = 127;

/// What XADD is told about the ID of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// All of it.
    Given(StreamId),
}

/// An ID: `ms-seq`, or `ms` with `missing_seq` for the rest.
pub(super) fn parse(text: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    let (ms, seq) = split(text)?;
    let seq = match seq {
        Some(seq) => parse_u64(seq).ok_or(INVALID)?,
        None => missing_seq,
    };
    Ok(StreamId { ms: parse_u64(ms).ok_or(INVALID)?, seq })
}

/// The same, where `-` and `+` stand for the smallest and the largest ID.
pub(super) fn parse_end(text: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        text => parse(text, missing_seq),
    }
}

/// The first ID of an interval that begins with this one, or behind it when it is written `(id`.
pub(super) fn parse_start_of_interval(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let next = parse(id, 0)?.next();
            next.ok_or(const { Error::text("ERR invalid start ID for the interval") })
        }
        text => parse_end(text, 0),
    }
}

/// The last ID of an interval that ends with this one, or before it when it is written `(id`.
pub(super) fn parse_end_of_interval(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let previous = parse(id, u64::MAX)?.prev();
            previous.ok_or(const { Error::text("ERR invalid end ID for the interval") })
        }
        text => parse_end(text, u64::MAX),
    }
}

/// The ID that XADD is given.
pub(super) fn parse_new(text: &[u8]) -> Result<NewId, Error> {
    if text == b"*" {
        return Ok(NewId::Auto);
    }
    match split(text)? {
        (ms, Some(b"*")) => parse_u64(ms).map(NewId::AutoSeq).ok_or(INVALID),
        _ => parse(text, 0).map(NewId::Given),
    }
}

/// The two parts of an ID.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), Error> {
    if text.len() > TEXT_MAX {
        return Err(INVALID);
    }
    // A C string there.
    let text = Error::quotable(text);
    Ok(match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    })
}

/// A number as Redis's `string2ull` reads it: what is not a strict integer is left to `strtoull`, which lets blanks
/// before it, signs and leading zeros pass and wraps what is negative.
fn parse_u64(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_integer(text) {
        return u64::try_from(number).ok();
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(if negative { number.wrapping_neg() } else { number })
}

/// An ID's text: the array up to the length.
pub(super) fn text(id: StreamId) -> ([u8; 41], usize) {
    let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
    let mut text = [b'-'; 41];
    text[..ms.len()].copy_from_slice(ms);
    let len = ms.len() + 1 + seq.len();
    text[ms.len() + 1..len].copy_from_slice(seq);
    (text, len)
}

/// Replies with an ID.
pub(super) fn write(reply: &mut Reply, id: StreamId) {
    let (text, len) = text(id);
    reply.bulk(&text[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_arguments() {
        let id = |ms, seq| StreamId { ms, seq };
        for (text, expected) in [
            ("5", Some(id(5, 9))),
            ("5-3", Some(id(5, 3))),
            ("0-0", Some(id(0, 0))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616", None),
            ("007-+1", Some(id(7, 1))),
            ("5--0", Some(id(5, 0))),
            ("5--1", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("5-", None),
            ("-5", None),
            ("5-3-1", None),
            (" 5", Some(id(5, 9))),
            ("\t5- 3", Some(id(5, 3))),
            ("5 ", None),
            (" ", None),
            ("x", None),
        ] {
            assert_eq!(parse(text.as_bytes(), 9).ok(), expected, "{text}");
        }
        assert_eq!(parse_start_of_interval(b"(5"), Ok(id(5, 1)));
        assert_eq!(parse_end_of_interval(b"(5"), Ok(id(5, u64::MAX - 1)));
        assert_eq!(parse_end_of_interval(b"(5-0"), Ok(id(4, u64::MAX)));
        assert!(parse_start_of_interval(b"(+").is_err() && parse_start_of_interval(b"(").is_err());
        assert_eq!(parse_new(b"5-*"), Ok(NewId::AutoSeq(5)));
        assert!(parse_new(b"*-*").is_err() && parse_new(b"5-**").is_err());
    }
}
