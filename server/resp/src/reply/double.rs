//! Floating-point numbers as Redis 7.2 spells them.

use super::grisu::{Digits, shortest_digits};
use std::io::Write as _;

/// Room for the text of any double; the longest has 25 characters: a sign, `0.00000`, 17 digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct DoubleText([u8; 32]);

impl DoubleText {
    /// Room with nothing written in it.
    pub fn new() -> Self {
        DoubleText::default()
    }
}

/// Largest magnitude Redis prints as an integer: `LLONG_MAX / 2` as a double, 2^62.
const INTEGER_BOUND: f64 = 4_611_686_018_427_387_904.0;

/// Spells a double as Redis 7.2 does: few digits that read back as the same number (see `grisu.rs`), without an exponent while that is
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
        let mut digits = Digits::default();
        let (count, exponent) = shortest_digits(value.abs(), &mut digits);
        lay_out(value < 0.0, &digits[..count], exponent, text)
    };
    std::str::from_utf8(&text[..len]).expect("only ASCII is written")
}

/// Copies a short text to the front of `text`.
fn put(text: &mut [u8; 32], bytes: &[u8]) -> usize {
    text[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
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
