//! Floating-point arguments, read as C's `strtod` does, which Redis uses.

use super::{Args, Error};

/// What `strtod` makes of the front of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prefix {
    /// The number; 0 when there is none.
    pub value: f64,
    /// How many bytes it takes, with the white space before it; 0 when there is none.
    pub len: usize,
    /// Whether it is too large for a double, or so small that nothing is left of it.
    pub out_of_range: bool,
}

const NOTHING: Prefix = Prefix { value: 0.0, len: 0, out_of_range: false };

/// Reads a number from the front of a text: white space, a sign, then decimal or hexadecimal digits with a point and
/// an exponent, or `inf`, `infinity`, `nan` in any case. Total.
pub fn parse_prefix(text: &[u8]) -> Prefix {
    let blank = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, signed) = match text.get(blank) {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let start = blank + signed;
    let rest = &text[start..];
    let number = word(rest).or_else(|| hexadecimal(rest)).unwrap_or_else(|| decimal(rest));
    if number.len == 0 {
        return NOTHING;
    }
    let value = if negative { -number.value } else { number.value };
    Prefix { value, len: start + number.len, ..number }
}

/// A whole argument that is a number: not blank at either end, not NaN, not out of range. Total.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    if let Some(small) = small_integer(text) {
        return Some(small);
    }
    let number = parse_prefix(text);
    let whole =
        !text.is_empty() && number.len == text.len() && !text[0].is_ascii_whitespace() && text[0] != 0x0b;
    (whole && !number.out_of_range && !number.value.is_nan()).then_some(number.value)
}

/// A number as Redis 8 reads it where it takes a C string (bounds of scores, what is sorted by): the text ends with its first NUL,
/// and none is zero; it has decimal digits, nothing blank, and may be too large or too small for a double. Total.
pub fn parse_decimal(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let is_odd = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r' | b'x' | b'X');
    let number = parse_prefix(text);
    let whole = number.len == text.len() && !text.iter().any(is_odd);
    (whole && !number.value.is_nan()).then_some(number.value)
}

/// What most scores are: a few digits.
fn small_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let add = |value: u64, digit: &u8| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'));
    text.iter().try_fold(0, add).map(|value| value as f64)
}

impl Args<'_> {
    /// Argument `i` as a double.
    ///
    /// # Errors
    /// `ERR value is not a valid float`.
    pub fn double(&self, i: usize) -> Result<f64, Error> {
        parse_double(self.at(i)).ok_or(Error::NotFloat)
    }
}

/// Writes a number as C's `%.17g` does.
pub fn write_17_digits(value: f64, text: &mut String) {
    use std::fmt::Write as _;
    const DIGITS: i32 = 17;
    text.clear();
    let infallible = "a String takes all text";
    if !value.is_finite() {
        let name = if value.is_nan() { "nan" } else { "inf" };
        return write!(text, "{}{name}", if value < 0.0 { "-" } else { "" }).expect(infallible);
    }
    write!(text, "{value:.*e}", DIGITS as usize - 1).expect(infallible);
    let at = text.find('e').expect("a number in scientific notation has an exponent");
    let exponent: i32 = text[at + 1..].parse().expect("an exponent is an integer");
    if (-4..DIGITS).contains(&exponent) {
        text.clear();
        write!(text, "{value:.*}", (DIGITS - 1 - exponent) as usize).expect(infallible);
        trim_zeros(text);
    } else {
        text.truncate(at);
        trim_zeros(text);
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(text, "e{sign}{:02}", exponent.unsigned_abs()).expect(infallible);
    }
}

/// Takes the zeros off the end of a fraction, and the point with the last of them.
fn trim_zeros(text: &mut String) {
    if text.contains('.') {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// `inf`, `infinity`, `nan`, `nan(...)`.
fn word(text: &[u8]) -> Option<Prefix> {
    let (value, len) = if starts_with(text, b"infinity") {
        (f64::INFINITY, 8)
    } else if starts_with(text, b"inf") {
        (f64::INFINITY, 3)
    } else if starts_with(text, b"nan") {
        let tail = &text[3..];
        let payload = |tail: &[u8]| {
            let inside = tail.strip_prefix(b"(")?;
            let len = inside.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            (inside.get(len) == Some(&b')')).then_some(len + 2)
        };
        (f64::NAN, 3 + payload(tail).unwrap_or(0))
    } else {
        return None;
    };
    Some(Prefix { value, len, out_of_range: false })
}

/// Digits, a point, digits: how long they are together, and whether there is a digit that is not 0.
fn digits(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<(usize, bool)> {
    let whole = text.iter().take_while(|byte| is_digit(byte)).count();
    let fraction = match text.get(whole) {
        Some(b'.') => Some(text[whole + 1..].iter().take_while(|byte| is_digit(byte)).count()),
        _ => None,
    };
    let len = whole + fraction.map_or(0, |len| len + 1);
    let any = whole + fraction.unwrap_or(0) > 0;
    any.then(|| (len, text[..len].iter().any(|byte| !matches!(byte, b'0' | b'.'))))
}

/// Length of an exponent after this letter, and its value; none when no digit follows.
fn exponent(text: &[u8], letter: u8) -> Option<(usize, i64)> {
    let rest = text.strip_prefix(&[letter]).or_else(|| text.strip_prefix(&[letter.to_ascii_uppercase()]))?;
    let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let add = |value: i64, digit: &u8| value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let value = rest[sign..][..digits].iter().fold(0, add);
    Some((1 + sign + digits, if rest[0] == b'-' { -value } else { value }))
}

fn decimal(text: &[u8]) -> Prefix {
    let Some((mantissa, nonzero)) = digits(text, u8::is_ascii_digit) else { return NOTHING };
    let len = mantissa + exponent(&text[mantissa..], b'e').map_or(0, |(len, _)| len);
    let value: f64 = core::str::from_utf8(&text[..len])
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("digits with a point and an exponent are a number");
    Prefix { value, len, out_of_range: value.is_infinite() || (value == 0.0 && nonzero) }
}

fn hexadecimal(text: &[u8]) -> Option<Prefix> {
    let rest = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"))?;
    let (mantissa, nonzero) = digits(rest, u8::is_ascii_hexdigit)?;
    let (exponent_len, exponent) = exponent(&rest[mantissa..], b'p').unwrap_or((0, 0));
    // The first sixty bits that count, a bit for whether any behind them is set, and the power of two of the last one.
    let (mut bits, mut power, mut in_fraction) = (0u64, exponent, false);
    for &byte in &rest[..mantissa] {
        let Some(digit) = char::from(byte).to_digit(16) else {
            in_fraction = true;
            continue;
        };
        let fits = bits >> 56 == 0;
        if fits {
            bits = bits << 4 | u64::from(digit);
        } else {
            bits |= u64::from(digit != 0);
        }
        power = power.saturating_add(match (fits, in_fraction) {
            (true, true) => -4,
            (false, false) => 4,
            _ => 0,
        });
    }
    let value = scale(bits, power);
    let out_of_range = value.is_infinite() || (value == 0.0 && nonzero);
    Some(Prefix { value, len: 2 + mantissa + exponent_len, out_of_range })
}

/// `bits * 2^power`, rounded once to the nearest double, ties to even.
fn scale(bits: u64, power: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let highest = power.saturating_add(63 - i64::from(bits.leading_zeros()));
    if highest > 1023 {
        return f64::INFINITY;
    }
    if highest < -1075 {
        return 0.0;
    }
    // Bits that a double of this magnitude does not have.
    let lowest = (highest - 52).max(-1074);
    let dropped = lowest - power;
    let kept = if dropped <= 0 {
        bits << -dropped
    } else {
        let dropped = dropped as u32;
        let (kept, rest) =
            if dropped < 64 { (bits >> dropped, bits << (64 - dropped)) } else { (0, bits >> 1 | bits & 1) };
        let half = 1 << 63;
        kept + u64::from(rest > half || (rest == half && kept & 1 == 1))
    };
    // Exact: at most 53 bits times powers of two, the second of which only reaches a representable number.
    let two = |power: i64| f64::from_bits(((power + 1023) as u64) << 52);
    if lowest >= -1022 { kept as f64 * two(lowest) } else { kept as f64 * two(-1022) * two(lowest + 1022) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_arguments() {
        for (text, value) in [
            ("0", Some(0.0)),
            ("-0", Some(-0.0)),
            ("+1.5e3", Some(1500.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e-7", Some(1e-7)),
            ("INF", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x10", Some(16.0)),
            ("-0x1.8p1", Some(-3.0)),
            ("0x.8", Some(0.5)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("0x1.fffffffffffff4p0", Some(2.0 - f64::EPSILON)),
            ("0x123456789abcdef012345p0", Some(1.375_488_932_539_311_4e24)),
            ("4.9e-324", Some(5e-324)),
            ("123456789012345", Some(123_456_789_012_345.0)),
            ("1234567890123456789", Some(1_234_567_890_123_456_800.0)),
            ("1e400", None),
            ("1e-400", None),
            ("0x1p2000", None),
            ("0x1p-2000", None),
            ("nan", None),
            ("nan(1)", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("\u{b}1", None),
            ("1e", None),
            ("e1", None),
            (".", None),
            ("0x", None),
            ("0xg", None),
            ("1_0", None),
            ("--1", None),
            ("infinit", None),
        ] {
            assert_eq!(parse_double(text.as_bytes()), value, "{text:?}");
        }
        assert!(parse_double(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn decimal_numbers_of_c_strings() {
        for (text, value) in [
            ("", Some(0.0)),
            ("1\0x", Some(1.0)),
            ("+1.", Some(1.0)),
            ("1e400", Some(f64::INFINITY)),
            ("1e-400", Some(0.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("nan", None),
            (" 1", None),
            ("1 ", None),
            ("0x1", None),
            ("1e", None),
        ] {
            assert_eq!(parse_decimal(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn seventeen_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.10000000000000001"),
            (-90.883, "-90.882999999999996"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut text = String::new();
            write_17_digits(value, &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn prefixes() {
        for (text, value, len) in [
            ("", 0.0, 0),
            (" ", 0.0, 0),
            (" 5x", 5.0, 2),
            ("1e+", 1.0, 1),
            ("0x", 0.0, 1),
            ("0x1p", 1.0, 3),
            ("infinit", f64::INFINITY, 3),
            ("-.", 0.0, 0),
        ] {
            let number = parse_prefix(text.as_bytes());
            assert_eq!((number.value, number.len), (value, len), "{text:?}");
        }
        assert_eq!(parse_prefix(b"nan(ab_1)x").len, 9);
        assert_eq!(parse_prefix(b"nan(ab").len, 3);
        let large = parse_prefix(b"-1e999");
        assert!(large.out_of_range && large.value == f64::NEG_INFINITY);
    }
}
