//! The arithmetic of INCRBYFLOAT: x87 extended precision, which is what C's `long double` and so Redis's arithmetic is
//! on x86-64, done in software and therefore the same on every machine.
//!
//! A finite number is `mantissa * 2^exponent` with a mantissa of at most 64 bits. Reading a decimal, adding and
//! printing each work on exact integers and round once, to nearest, ties to even, as the hardware and glibc do. (Redis
//! on aarch64 computes with 113-bit mantissas; there its 17th decimal may differ from ours.)

use num_bigint::BigUint;

/// Bits of the mantissa.
const MANTISSA_BITS: u64 = 64;
/// Exponent of the lowest bit of the smallest denormal number.
const MIN_EXPONENT: i64 = -16_445;
/// Exponent of the lowest bit of the largest numbers.
const MAX_EXPONENT: i64 = 16_383 - 63;
/// Longest text that is read (`MAX_LONG_DOUBLE_CHARS` in Redis).
const TEXT_MAX: usize = 5 * 1024;
/// Digits after the point that are printed.
const DECIMALS: u32 = 17;
/// Powers of ten above which every number overflows, however few digits it has, and below which (the smallest number
/// is 3.6e-4951) it vanishes, however many digits a text of [`TEXT_MAX`] bytes has.
const DECIMAL_EXPONENT_MAX: i64 = 4_951 + TEXT_MAX as i64;

/// A number that is not NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Extended {
    Finite { negative: bool, mantissa: u64, exponent: i64 },
    Infinite { negative: bool },
}

impl Extended {
    pub(in crate::commands) const ZERO: Self = Self::Finite { negative: false, mantissa: 0, exponent: 0 };

    /// Reads what C's `strtold` reads when the whole text has to be a number: decimal or hexadecimal, `inf`,
    /// `infinity`. `None` for anything else, for NaN, and for numbers that are too large or too small by magnitude.
    pub(in crate::commands) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::Infinite { negative });
        }
        let parsed = match rest {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            digits => parse_decimal(digits)?,
        };
        match parsed {
            Exact::Zero => Some(Self::Finite { negative, mantissa: 0, exponent: 0 }),
            Exact::OutOfRange => None,
            Exact::Number { integer, exponent, inexact } => {
                let rounded = round(negative, &integer, exponent, inexact);
                let usable = matches!(rounded, Self::Finite { mantissa: 1.., .. });
                usable.then_some(rounded)
            }
        }
    }

    /// The sum; `None` when it is infinite or no number.
    pub(in crate::commands) fn add(self, other: Self) -> Option<Self> {
        let (
            Self::Finite { negative: a_negative, mantissa: a, exponent: a_exponent },
            Self::Finite { negative: b_negative, mantissa: b, exponent: b_exponent },
        ) = (self, other)
        else {
            return None;
        };
        let exponent = a_exponent.min(b_exponent);
        let a = BigUint::from(a) << (a_exponent - exponent) as u64;
        let b = BigUint::from(b) << (b_exponent - exponent) as u64;
        let (negative, sum) = match (a_negative == b_negative, a >= b) {
            (true, _) => (a_negative, a + b),
            (false, true) => (a_negative, a - b),
            (false, false) => (b_negative, b - a),
        };
        let rounded = round(negative, &sum, exponent, false);
        matches!(rounded, Self::Finite { .. }).then_some(rounded)
    }

    /// The product with a whole number.
    pub(in crate::commands) fn times(self, factor: u32) -> Self {
        match self {
            Self::Finite { negative, mantissa, exponent } => {
                round(negative, &(BigUint::from(mantissa) * factor), exponent, false)
            }
            infinite @ Self::Infinite { .. } => infinite,
        }
    }

    /// The next larger whole number, unless this is one; the ends of the range stand for everything beyond them.
    pub(in crate::commands) fn ceil(self) -> i64 {
        let (negative, magnitude) = match self {
            Self::Infinite { negative } => (negative, None),
            Self::Finite { negative, mantissa, exponent } if exponent < 0 => {
                let whole = mantissa.checked_shr(exponent.unsigned_abs() as u32).unwrap_or(0);
                let is_whole = i64::from(mantissa.trailing_zeros()) >= -exponent || mantissa == 0;
                (negative, i64::try_from(whole + u64::from(!negative && !is_whole)).ok())
            }
            Self::Finite { negative, mantissa, exponent } => {
                let fits = exponent < i64::from(mantissa.leading_zeros());
                (negative, fits.then(|| mantissa << exponent).and_then(|whole| i64::try_from(whole).ok()))
            }
        };
        match magnitude {
            Some(magnitude) if negative => -magnitude,
            Some(magnitude) => magnitude,
            None if negative => i64::MIN,
            None => i64::MAX,
        }
    }

    /// `%.17Lf` without the zeros at its end.
    ///
    /// # Panics
    /// For infinities, which no sum is.
    pub(in crate::commands) fn to_text(self) -> String {
        let Self::Finite { negative, mantissa, exponent } = self else {
            unreachable!("an infinite sum is an error")
        };
        let scaled = BigUint::from(mantissa) * BigUint::from(10u32).pow(DECIMALS);
        let scaled = if exponent >= 0 {
            scaled << exponent as u64
        } else {
            shift_right_rounding(&scaled, exponent.unsigned_abs(), false)
        };
        let width = DECIMALS as usize + 1;
        let digits = format!("{scaled:0>width$}");
        let (whole, decimals) = digits.split_at(digits.len() - DECIMALS as usize);
        let decimals = decimals.trim_end_matches('0');
        let sign = if negative && scaled != BigUint::ZERO { "-" } else { "" };
        let point = if decimals.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{decimals}")
    }
}

/// A number as it was written.
enum Exact {
    Zero,
    /// Its exponent alone says that it is too large or too small.
    OutOfRange,
    /// `integer * 2^exponent`, and a bit more when `inexact`.
    Number {
        integer: BigUint,
        exponent: i64,
        inexact: bool,
    },
}

/// Digits with at most one point among them, and what follows them.
struct Digits<'a> {
    digits: Vec<u8>,
    /// How many of the digits stand behind the point.
    behind_point: i64,
    rest: &'a [u8],
}

impl<'a> Digits<'a> {
    fn split(text: &'a [u8], is_digit: fn(&u8) -> bool) -> Option<Self> {
        let count = |text: &[u8]| text.iter().take_while(|&byte| is_digit(byte)).count();
        let (whole, rest) = text.split_at(count(text));
        let (decimals, rest) = match rest {
            [b'.', rest @ ..] => rest.split_at(count(rest)),
            _ => (&rest[..0], rest),
        };
        let digits = [whole, decimals].concat();
        (!digits.is_empty()).then_some(Self { digits, behind_point: decimals.len() as i64, rest })
    }

    /// The exponent after `marker` (a lower-case letter), 0 when there is none. Beyond 32 bits it stays at their
    /// limit: more does not matter.
    fn exponent(&self, marker: u8) -> Option<i64> {
        let [first, rest @ ..] = self.rest else { return Some(0) };
        if first.to_ascii_lowercase() != marker {
            return None;
        }
        let (negative, digits) = match rest {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() {
            return None;
        }
        let mut exponent: i64 = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            exponent = (exponent * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX));
        }
        Some(if negative { -exponent } else { exponent })
    }
}

fn parse_decimal(text: &[u8]) -> Option<Exact> {
    let digits = Digits::split(text, u8::is_ascii_digit)?;
    let exponent = digits.exponent(b'e')? - digits.behind_point;
    let integer = BigUint::parse_bytes(&digits.digits, 10).expect("these are digits");
    if integer == BigUint::ZERO {
        return Some(Exact::Zero);
    }
    if exponent.abs() > DECIMAL_EXPONENT_MAX {
        return Some(Exact::OutOfRange);
    }
    let power = BigUint::from(10u32).pow(exponent.unsigned_abs() as u32);
    if exponent >= 0 {
        return Some(Exact::Number { integer: integer * power, exponent: 0, inexact: false });
    }
    // As many bits in the quotient as rounding looks at, and one for luck: the remainder only says whether there is more.
    let shift = (power.bits() + MANTISSA_BITS + 2).saturating_sub(integer.bits());
    let integer = integer << shift;
    let quotient = &integer / &power;
    let inexact = &quotient * &power != integer;
    Some(Exact::Number { integer: quotient, exponent: -(shift as i64), inexact })
}

fn parse_hexadecimal(text: &[u8]) -> Option<Exact> {
    let digits = Digits::split(text, u8::is_ascii_hexdigit)?;
    let exponent = digits.exponent(b'p')? - 4 * digits.behind_point;
    let integer = BigUint::parse_bytes(&digits.digits, 16).expect("these are digits");
    if integer == BigUint::ZERO {
        return Some(Exact::Zero);
    }
    let bits = integer.bits() as i64;
    if exponent + bits > MAX_EXPONENT + 65 || exponent + bits < MIN_EXPONENT - 1 {
        return Some(Exact::OutOfRange);
    }
    Some(Exact::Number { integer, exponent, inexact: false })
}

/// `integer * 2^exponent`, and a bit more when `inexact`, rounded to the nearest number there is.
fn round(negative: bool, integer: &BigUint, exponent: i64, inexact: bool) -> Extended {
    let surplus = (integer.bits() as i64 - MANTISSA_BITS as i64).max(MIN_EXPONENT - exponent).max(0);
    let mut exponent = exponent + surplus;
    let mut mantissa = shift_right_rounding(integer, surplus as u64, inexact);
    if mantissa.bits() > MANTISSA_BITS {
        // Rounded up to the next power of two.
        mantissa >>= 1u32;
        exponent += 1;
    }
    let mantissa = u64::try_from(&mantissa).expect("at most 64 bits are left");
    // Numbers with a short mantissa may have a large exponent: compare as the hardware holds them, shifted up.
    if mantissa != 0 && exponent - i64::from(mantissa.leading_zeros()) > MAX_EXPONENT {
        return Extended::Infinite { negative };
    }
    Extended::Finite { negative, mantissa, exponent }
}

/// `integer / 2^bits` to the nearest integer, ties to even; `inexact` says that the true value is a bit larger.
fn shift_right_rounding(integer: &BigUint, bits: u64, inexact: bool) -> BigUint {
    let Some(half) = bits.checked_sub(1) else {
        return integer.clone();
    };
    let mut quotient = integer >> bits;
    let beyond_half = inexact || integer.trailing_zeros().is_some_and(|zeros| zeros < half);
    if integer.bit(half) && (beyond_half || quotient.bit(0)) {
        quotient += 1u32;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sum(a: &str, b: &str) -> String {
        let [a, b] = [a, b].map(|text| Extended::parse(text.as_bytes()).expect("a number"));
        a.add(b).expect("a finite sum").to_text()
    }

    /// The sums are those that redis-server on x86-64 replies.
    #[test]
    fn sums_are_those_of_the_hardware() {
        for (a, b, expected) in SUMS {
            assert_eq!(sum(a, b), *expected, "{a} + {b}");
        }
    }

    #[test]
    fn products_are_rounded_before_they_are_rounded_up() {
        for (text, product) in [
            ("0.001", 1),
            ("0.0011", 2),
            ("1", 1000),
            ("-0.5", -500),
            ("-0.0001", 0),
            ("0", 0),
            ("0x1p-1", 500),
            ("9223372036854775.807", i64::MAX),
            ("9223372036854776", i64::MAX),
            ("1e4000", i64::MAX),
            ("-inf", i64::MIN),
        ] {
            assert_eq!(
                Extended::parse(text.as_bytes()).expect("a number").times(1000).ceil(),
                product,
                "{text}"
            );
        }
    }

    #[test]
    fn texts_are_read_as_strtold_reads_them() {
        for (text, value) in [
            ("1", "1"),
            ("+1.5", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0", "0"),
            ("1E3", "1000"),
            ("1e+3", "1000"),
            ("125e-3", "0.125"),
            ("0x10", "16"),
            ("0X1.8p1", "3"),
            ("0x.8", "0.5"),
            ("-0x1P-1", "-0.5"),
            ("0e99999999999999999999", "0"),
            ("1e-4950", "0"),
            ("-1e-30", "0"),
        ] {
            assert_eq!(sum(text, "0"), value, "{text}");
        }
        let refused = [
            "",
            " 1",
            "1 ",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "0x",
            "0x1p",
            "1.2.3",
            "1,5",
            "nan",
            "-nan",
            "infin",
            "1e4933",
            "1e-4952",
            "0x1p16384",
            "0x1p-16446",
            "1e99999999999999999999",
            "--1",
            "1\0",
        ];
        for text in refused {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Extended::parse(b"-inf"), Some(Extended::Infinite { negative: true }));
        assert_eq!(Extended::parse(&[b'1'; TEXT_MAX]), None);
    }

    #[test]
    fn the_ends_of_the_range() {
        // The largest number, and half the distance to the next power of two, which is too much.
        let largest = Extended::Finite { negative: false, mantissa: u64::MAX, exponent: MAX_EXPONENT };
        assert_eq!(Extended::parse(b"0xffffffffffffffffp16320"), Some(largest));
        assert_eq!(Extended::parse(b"0xffffffffffffffff7p16316"), Some(largest));
        assert_eq!(Extended::parse(b"0xffffffffffffffff8p16316"), None);
        assert_eq!(largest.add(largest), None);
        assert_eq!(Extended::Infinite { negative: false }.add(largest), None);
        // The smallest number; half of it is a tie that goes to zero.
        let smallest = Extended::Finite { negative: false, mantissa: 1, exponent: MIN_EXPONENT };
        assert_eq!(Extended::parse(b"0x1p-16445"), Some(smallest));
        assert_eq!(Extended::parse(b"0x1.8p-16446"), Some(smallest));
        assert_eq!(Extended::parse(b"3.6451995318824746025e-4951"), Some(smallest));
        assert_eq!(sum("1e4932", "-1e4932"), "0");
        assert_eq!(sum("1e4932", "0").len(), 4933);
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        // 2^64 and 2^64 + 2 are neighbours.
        assert_eq!(sum("18446744073709551616", "1"), "18446744073709551616");
        assert_eq!(sum("18446744073709551618", "1"), "18446744073709551620");
        assert_eq!(sum("18446744073709551617", "0"), "18446744073709551616");
        assert_eq!(sum("18446744073709551617.00000000000000000001", "0"), "18446744073709551618");
    }

    const SUMS: &[(&str, &str, &str)] = &[
        ("10.5", "0.1", "10.6"),
        ("0.1", "0.2", "0.3"),
        ("3.0e3", "200", "3200"),
        ("1234567.1", "0", "1234567.10000000000002274"),
        ("5.0e3", "2.0e2", "5200"),
        ("1", "1e-17", "1.00000000000000001"),
        ("1", "1e-18", "1"),
        ("0.000000000000000005", "0", "0"),
        ("0.000000000000000015", "0", "0.00000000000000002"),
        ("99999999999999999999", "1", "100000000000000000000"),
        ("1e30", "1", "1000000000000000000024696061952"),
        ("-10.6", "0.1", "-10.5"),
        ("123456789.987654321", "0.000000001", "123456789.98765432199434144"),
        ("1e-5", "1e-5", "0.00002"),
        ("3.14159265358979323846", "2.71828182845904523536", "5.85987448204883847"),
        ("9007199254740993", "0.5", "9007199254740993.5"),
        ("0.3", "-0.1", "0.2"),
        ("-0.1", "0.1", "0"),
        ("0x1.921fb54442d1846ap1", "0", "3.14159265358979324"),
        ("2.45803389779e+16", "5.9038713113139331e+19", "59063293452117231000"),
        ("-94198954", "2.97949e+21", "2979489999999905800960"),
        ("-7.7358807e+08", "-0.0002384841659104697319", "-773588070.00023848417913541"),
        ("-5.013386e+16", "-0.0183697890051", "-50133860000000000.01953125"),
        ("-6.81e+18", "-7224651632021.94", "-6810007224651632022"),
        ("-7e-07", "-0.581087", "-0.5810877"),
        ("744.81553087", "9.22956e+10", "92295600744.81553086638450623"),
        ("-6.366627e+15", "9.331286246344e+21", "9331279879717000000000"),
        ("-40242.220429226", "-0.00668087886", "-40242.2271101048599995"),
        ("-869.72057324864749717", "1.7228251701e+12", "1722825169230.2794266939163208"),
        ("-86795.50989", "-385.096", "-87180.60588999999999515"),
        ("-3.75632e+14", "-8.85998140928e-07", "-375632000000000"),
    ];
}
