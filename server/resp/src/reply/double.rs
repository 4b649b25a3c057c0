//! Floating-point numbers as Redis 7.2 spells them.

use std::io::Write as _;

/// Room for the text of any double; the longest is 24 characters, `-1.2345678901234567e-308`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DoubleText([u8; 32]);

impl DoubleText {
    /// Room with nothing written in it.
    pub fn new() -> Self {
        DoubleText::default()
    }
}

/// Significant digits a shortest spelling can have.
const MAX_DIGITS: usize = 17;

/// Largest magnitude Redis prints as an integer: `LLONG_MAX / 2` as a double, 2^62.
const INTEGER_BOUND: f64 = 4_611_686_018_427_387_904.0;

/// Spells a double as Redis 7.2 does: the shortest digits that read back as the same number, without an exponent while that is
/// reasonably short; `inf`, `-inf`, `nan`, `-0`.
pub fn format_double(value: f64, text: &mut DoubleText) -> &str {
    let text = &mut text.0;
    let len = if value.is_nan() {
        put(text, b"nan")
    } else if value.is_infinite() {
        put(text, if value < 0.0 { b"-inf" } else { b"inf" })
    } else if value == 0.0 {
        put(text, if value.is_sign_negative() { b"-0" } else { b"0" })
    } else if value.abs() <= INTEGER_BOUND && value.trunc() == value {
        put(text, itoa::Buffer::new().format(value as i64).as_bytes())
    } else {
        let (digits, count, exponent) = shortest_digits(value.abs());
        lay_out(value < 0.0, &digits[..count], exponent, text)
    };
    std::str::from_utf8(&text[..len]).expect("only ASCII is written")
}

/// Copies a short text to the front of `text`.
fn put(text: &mut [u8; 32], bytes: &[u8]) -> usize {
    text[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

/// The shortest digits of a positive number, how many there are, and the decimal exponent of the last one.
fn shortest_digits(value: f64) -> ([u8; MAX_DIGITS], usize, i32) {
    // The standard library prints the shortest digits, as `d.ddde<exponent>`.
    let mut printed = [0u8; 32];
    let mut rest = &mut printed[..];
    write!(rest, "{value:e}").expect("a double takes at most 24 characters");
    let unused = rest.len();
    let printed = &printed[..32 - unused];
    let mark = printed.iter().position(|&byte| byte == b'e').expect("printed with an exponent");
    let mut digits = [0u8; MAX_DIGITS];
    let mut count = 0;
    for &byte in printed[..mark].iter().filter(|byte| byte.is_ascii_digit()) {
        digits[count] = byte;
        count += 1;
    }
    let exponent = crate::number::parse_integer(&printed[mark + 1..]).expect("an exponent follows the e");
    (digits, count, exponent as i32 - (count as i32 - 1))
}

/// Writes `digits` times ten to the `exponent`, plain or in scientific notation by the rule of the fpconv library that Redis uses.
fn lay_out(negative: bool, digits: &[u8], exponent: i32, text: &mut [u8; 32]) -> usize {
    let count = digits.len() as i32;
    // Of the first digit.
    let leading = exponent + count - 1;
    let mut out = &mut text[..];
    let mut emit = |bytes: &[u8]| out.write_all(bytes).expect("a spelled double fits");
    if negative {
        emit(b"-");
    }
    if exponent >= 0 && leading < count + 7 {
        emit(digits);
        emit(&b"0000000"[..exponent as usize]);
    } else if exponent < 0 && (exponent > -7 || leading.abs() < 4) {
        let whole = count + exponent;
        if whole <= 0 {
            emit(b"0.");
            emit(&b"000000"[..-whole as usize]);
            emit(digits);
        } else {
            let (whole, fraction) = digits.split_at(whole as usize);
            emit(whole);
            emit(b".");
            emit(fraction);
        }
    } else {
        emit(&digits[..1]);
        if count > 1 {
            emit(b".");
            emit(&digits[1..]);
        }
        emit(if leading < 0 { b"e-" } else { b"e+" });
        emit(itoa::Buffer::new().format(leading.unsigned_abs()).as_bytes());
    }
    let unused = out.len();
    text.len() - unused
}
