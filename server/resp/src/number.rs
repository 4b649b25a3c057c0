//! Integers as the protocol spells them.

/// Reads a decimal integer exactly as Redis does for headers and integer-valued strings: an optional `-`, then
/// digits without leading zeros. No `+`, no spaces, no `-0`, nothing outside the range of `i64`.
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits are below 10^19, which u64 holds.
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads a line `<marker><number>\r` and the byte behind it, with a number of one to five digits, if eight bytes or more
/// start with it. The result is the number and the size of the line. Anything else is left to slower code.
#[inline]
pub(crate) fn short_line(input: &[u8], marker: u8) -> Option<(usize, usize)> {
    let bytes: &[u8; 8] = input.first_chunk()?;
    if bytes[0] != marker {
        return None;
    }
    let first = usize::from(bytes[1].wrapping_sub(b'0'));
    if first > 9 {
        return None;
    }
    if bytes[2] == b'\r' {
        return Some((first, 4));
    }
    // More digits must not start with a zero.
    if first == 0 {
        return None;
    }
    let mut value = first;
    for index in 2..6 {
        let digit = usize::from(bytes[index].wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = value * 10 + digit;
        if bytes[index + 1] == b'\r' {
            return Some((value, index + 3));
        }
    }
    None
}

/// What follows the marker in lines with a number below 1000, and spare bytes.
static SHORT_LINES: [[u8; 7]; 1000] = short_lines();

const fn short_lines() -> [[u8; 7]; 1000] {
    let mut lines = [[0; 7]; 1000];
    let mut value = 0;
    while value < lines.len() {
        let (hundreds, tens, ones) = (value / 100, value / 10 % 10, value % 10);
        let digits = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        let mut skipped = 3 - digits_below_1000(value);
        let mut at = 0;
        while skipped < 3 {
            lines[value][at] = digits[skipped];
            skipped += 1;
            at += 1;
        }
        lines[value][at] = b'\r';
        lines[value][at + 1] = b'\n';
        value += 1;
    }
    lines
}

const fn digits_below_1000(value: usize) -> usize {
    1 + (value >= 10) as usize + (value >= 100) as usize
}

/// Appends `<marker><value>\r\n`, the shape of every length line and integer.
#[inline(always)]
pub(crate) fn push_line(buffer: &mut Vec<u8>, marker: u8, value: u64) {
    if value < 10 {
        return buffer.extend_from_slice(&[marker, b'0' + value as u8, b'\r', b'\n']);
    }
    let Some([a, b, c, d, e, f, g]) = SHORT_LINES.get(value as usize) else {
        return push_long_line(buffer, marker, value);
    };
    // A constant size is one store; the spare bytes go again.
    let end = buffer.len() + digits_below_1000(value as usize) + 3;
    buffer.extend_from_slice(&[marker, *a, *b, *c, *d, *e, *f, *g]);
    buffer.truncate(end);
}

/// [`push_line`] for values of four digits and more.
#[inline(never)]
fn push_long_line(buffer: &mut Vec<u8>, marker: u8, value: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value).as_bytes();
    // A line of u64 is at most 1 + 20 + 2 bytes.
    let mut line = [0u8; 24];
    line[0] = marker;
    line[1..=digits.len()].copy_from_slice(digits);
    line[digits.len() + 1] = b'\r';
    line[digits.len() + 2] = b'\n';
    // Copying the whole array is a few stores, copying a part of it is a call.
    let end = buffer.len() + digits.len() + 3;
    buffer.extend_from_slice(&line);
    buffer.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::parse_integer;
    use proptest::prelude::*;

    #[test]
    fn accepts_only_the_canonical_spelling() {
        for (text, value) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1a", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_formatter(value: i64) {
            prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn whatever_is_accepted_prints_as_it_was_read(text in "[-+ 0-9]{0,22}") {
            if let Some(value) = parse_integer(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
