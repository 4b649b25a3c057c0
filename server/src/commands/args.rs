//! The arguments of one command: slices of the bytes that were received.

use super::error::Error;
use boxcar_resp::Span;

/// Arguments, the command's own name first.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    input: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// The arguments that `spans` mark in `input`.
    pub fn new(input: &'a [u8], spans: &'a [Span]) -> Self {
        Self { input, spans }
    }

    /// Number of arguments, the name included.
    #[expect(clippy::len_without_is_empty, reason = "a command has at least its name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Argument `i`.
    ///
    /// # Panics
    /// When there is none: handlers only ask for what the row's arity promises or what they counted.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        let span = self.spans[i];
        &self.input[span.start as usize..][..span.len as usize]
    }

    /// Argument `i`, if there is one.
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|span| &self.input[span.start as usize..][..span.len as usize])
    }

    /// All arguments from `first` on.
    pub fn from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let input = self.input;
        let rest = self.spans.get(first..).unwrap_or_default();
        rest.iter().map(move |span| &input[span.start as usize..][..span.len as usize])
    }

    /// Whether argument `i` exists and is this word, in any case.
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.get(i).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Argument `i` as a 64-bit integer in Redis's strict form (no spaces, no plus sign, no leading zeros).
    ///
    /// # Errors
    /// `ERR value is not an integer or out of range`.
    pub fn integer(&self, i: usize) -> Result<i64, Error> {
        parse_integer(self.at(i)).ok_or(Error::NotInteger)
    }

    /// The spans, for whoever keeps a copy of the command.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// The bytes the spans refer to.
    pub fn input(&self) -> &'a [u8] {
        self.input
    }
}

/// Parses a 64-bit integer in Redis's strict form (`string2ll`): what INCR accepts and what is stored as an
/// integer. Total.
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits == b"0" {
        return (!negative).then_some(0);
    }
    if digits.is_empty() || digits.len() > 19 || !(b'1'..=b'9').contains(&digits[0]) {
        return None;
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), value, "{text:?}");
        }
    }
}
