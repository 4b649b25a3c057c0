//! From bytes to a [`Value`].

use super::scan::{Token, skip_reply, token};
use super::{DecodeError, Value};
use crate::limits;
use crate::number::parse_integer;

/// Decodes the reply at the start of `input`, and says how many bytes it takes; `None` while it is incomplete.
///
/// Nothing is allocated before the whole reply is there, so a peer cannot make the caller reserve memory by announcing
/// more than it sends. To read a large reply that arrives in pieces in linear time, find its end with a
/// [`ReplyScanner`](super::ReplyScanner) first.
pub fn decode(input: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
    let Some(len) = skip_reply(input)? else { return Ok(None) };
    let mut tokens = Tokens { input: &input[..len], at: 0 };
    let value = tokens.value(0)?;
    assert_eq!(tokens.at, len, "scanning and decoding agree on the end of a reply");
    Ok(Some((value, len)))
}

/// Reads the tokens of one reply that is known to be complete.
struct Tokens<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        let (token, next) = token(self.input, self.at)?.expect("the reply was scanned and is complete");
        self.at = next;
        Ok(token)
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > limits::MAX_REPLY_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        match self.next()? {
            Token::Null => Ok(Value::Null),
            Token::Line { marker, text } => line_value(marker, text),
            Token::Bulk { marker, text } => bulk_value(marker, text),
            Token::Aggregate { marker, count } => self.aggregate(marker, count as usize, depth + 1),
        }
    }

    fn aggregate(&mut self, marker: u8, count: usize, depth: usize) -> Result<Value, DecodeError> {
        match marker {
            b'%' => Ok(Value::Map(self.pairs(count, depth)?)),
            b'~' => Ok(Value::Set(self.values(count, depth)?)),
            b'>' => Ok(Value::Push(self.values(count, depth)?)),
            b'|' => {
                let attributes = self.pairs(count, depth)?;
                Ok(Value::Attributed { attributes, value: Box::new(self.value(depth)?) })
            }
            _ => Ok(Value::Array(self.values(count, depth)?)),
        }
    }

    // The elements are known to be there, at three bytes or more each, so their count may be reserved.

    fn values(&mut self, count: usize, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn pairs(&mut self, count: usize, depth: usize) -> Result<Vec<(Value, Value)>, DecodeError> {
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(pairs)
    }
}

fn line_value(marker: u8, text: &[u8]) -> Result<Value, DecodeError> {
    let value = match marker {
        b'+' => Some(Value::Simple(text.to_vec())),
        b'-' => Some(Value::Error(text.to_vec())),
        b':' => integer(text).map(Value::Integer),
        b',' => double(text).map(Value::Double),
        b'#' => match text {
            b"t" => Some(Value::Boolean(true)),
            b"f" => Some(Value::Boolean(false)),
            _ => None,
        },
        b'(' => is_big_number(text).then(|| Value::BigNumber(text.to_vec())),
        _ => text.is_empty().then_some(Value::Null),
    };
    value.ok_or(DecodeError::Malformed(marker))
}

fn bulk_value(marker: u8, text: &[u8]) -> Result<Value, DecodeError> {
    match marker {
        b'!' => Ok(Value::Error(text.to_vec())),
        b'=' => match text {
            [a, b, c, b':', text @ ..] => {
                Ok(Value::Verbatim { extension: [*a, *b, *c], text: text.to_vec() })
            }
            _ => Err(DecodeError::Malformed(marker)),
        },
        _ => Ok(Value::Bulk(text.to_vec())),
    }
}

/// An integer; the protocol allows a `+` before it, which Redis never sends.
fn integer(text: &[u8]) -> Option<i64> {
    match text {
        [b'+', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => parse_integer(digits),
        text => parse_integer(text),
    }
}

/// A floating-point number: the three names of the protocol, or decimal digits with point and exponent.
fn double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"+inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        // Redis before 7.2 sends the sign its C library prints.
        b"nan" | b"-nan" => Some(f64::NAN),
        text => {
            let plain =
                text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
            if !plain {
                return None;
            }
            std::str::from_utf8(text).ok()?.parse().ok()
        }
    }
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = match text {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
