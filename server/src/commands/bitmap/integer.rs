//! Integers of 1 to 64 bits at any bit of a string, and arithmetic that keeps to their width.

/// Width and sign of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// Two's complement.
    pub(super) signed: bool,
    /// 1 to 64, or 63 without a sign.
    pub(super) bits: u32,
}

/// What becomes of a result that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Its upper bits are lost.
    Wrap,
    /// The nearest number that fits takes its place.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl Width {
    /// The width that `i16`, `u8` and the like name.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (signed, digits, most) = match text {
            [b'i', digits @ ..] => (true, digits, 64),
            [b'u', digits @ ..] => (false, digits, 63),
            _ => return None,
        };
        let bits = crate::commands::args::parse_integer(digits)?;
        (1..=most).contains(&bits).then_some(Self { signed, bits: bits as u32 })
    }

    /// The integer at `offset`; bits beyond the string are zero. One without a sign fits an `i64`.
    pub(super) fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let first = (offset / 8) as usize;
        let there = bytes.get(first..).unwrap_or_default();
        // At most 7 bits before and 64 of its own: nine bytes.
        let mut window = [0; 16];
        let len = there.len().min(9);
        window[..len].copy_from_slice(&there[..len]);
        let aligned = u128::from_be_bytes(window) << (offset % 8);
        if self.signed {
            (aligned as i128 >> (128 - self.bits)) as i64
        } else {
            (aligned >> (128 - self.bits)) as i64
        }
    }

    /// Writes the lowest bits of `value` at `offset`.
    ///
    /// # Panics
    /// When the string ends before the integer does.
    pub(super) fn write(self, bytes: &mut [u8], offset: u64, value: i64) {
        let first = (offset / 8) as usize;
        let shift = 128 - self.bits - (offset % 8) as u32;
        let mask = u128::MAX >> (128 - self.bits) << shift;
        let len = (offset % 8 + u64::from(self.bits)).div_ceil(8) as usize;
        let target = &mut bytes[first..first + len];
        let mut window = [0; 16];
        window[..len].copy_from_slice(target);
        let merged = u128::from_be_bytes(window) & !mask | (value as u128) << shift & mask;
        target.copy_from_slice(&merged.to_be_bytes()[..len]);
    }

    /// `value + increment` within the width; `None` when it does not fit and is not to be made to fit.
    ///
    /// Redis decides whether a sum fits by differences that are themselves computed in 64 bits; so does this, so that
    /// numbers far outside the width saturate to the same end.
    pub(super) fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let limit = if self.signed {
            self.limit_signed(value, increment)
        } else {
            self.limit_unsigned(value, increment)
        };
        let sum = value.wrapping_add(increment);
        match (limit, overflow) {
            (None, _) => Some(sum),
            (Some(_), Overflow::Wrap) => Some(self.wrap(sum)),
            (Some(limit), Overflow::Saturate) => Some(limit),
            (Some(_), Overflow::Fail) => None,
        }
    }

    /// The end of the range that a sum is beyond.
    fn limit_signed(self, value: i64, increment: i64) -> Option<i64> {
        let max = i64::MAX >> (64 - self.bits);
        let min = !max;
        let (up, down) = (max.wrapping_sub(value), min.wrapping_sub(value));
        let narrow = self.bits < 64;
        if value > max || (increment > up && (narrow || value >= 0 && increment > 0)) {
            Some(max)
        } else if value < min || (increment < down && (narrow || value < 0 && increment < 0)) {
            Some(min)
        } else {
            None
        }
    }

    /// The same without a sign; a negative `value` is one of 64 bits that is too large.
    fn limit_unsigned(self, value: i64, increment: i64) -> Option<i64> {
        let max = i64::MAX >> (63 - self.bits);
        let up = max.wrapping_sub(value);
        if value as u64 > max as u64 || (increment > 0 && increment > up) {
            Some(max)
        } else if increment < 0 && increment < value.wrapping_neg() {
            Some(0)
        } else {
            None
        }
    }

    /// The number that the lowest bits of `value` are.
    fn wrap(self, value: i64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { value << unused >> unused } else { ((value as u64) << unused >> unused) as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(Width::parse(b"i1"), Some(Width { signed: true, bits: 1 }));
        assert_eq!(Width::parse(b"i64"), Some(Width { signed: true, bits: 64 }));
        assert_eq!(Width::parse(b"u63"), Some(Width { signed: false, bits: 63 }));
        for text in ["", "i", "u", "i0", "i65", "u64", "u-1", "i08", "x8", "I8", "i8 "] {
            assert_eq!(Width::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_changes() {
        for bits in 1..=64 {
            for offset in 0..20 {
                let width = Width { signed: true, bits };
                for (background, value) in
                    [(0, -1), (0xff, 0), (0x5a, i64::MIN), (0x5a, 0x0123_4567_89ab_cdef)]
                {
                    let mut bytes = [background; 12];
                    width.write(&mut bytes, offset, value);
                    assert_eq!(width.read(&bytes, offset), width.wrap(value), "i{bits} at {offset}");
                    for other in (0..offset).chain(offset + u64::from(bits)..96) {
                        let bit = Width { signed: false, bits: 1 };
                        assert_eq!(bit.read(&bytes, other), bit.read(&[background; 12], other));
                    }
                }
            }
        }
        let wide = Width { signed: true, bits: 64 };
        assert_eq!(wide.read(&[0xff], 0), 0xff_u64.rotate_right(8) as i64);
        assert_eq!(wide.read(&[0xff], 8), 0);
        assert_eq!(wide.read(&[0xff], u64::MAX / 2), 0);
    }

    #[test]
    fn sums_keep_to_their_width() {
        use Overflow::{Fail, Saturate, Wrap};
        let (i8, u8) = (Width { signed: true, bits: 8 }, Width { signed: false, bits: 8 });
        let i64_ = Width { signed: true, bits: 64 };
        for (width, value, increment, wrapped, saturated) in [
            (i8, 127, 1, -128, 127),
            (i8, -128, -1, 127, -128),
            (i8, 1000, 0, -24, 127),
            (u8, 255, 1, 0, 255),
            (u8, 0, -1, 255, 0),
            (u8, -1, 0, 255, 255),
            (i64_, i64::MAX, 1, i64::MIN, i64::MAX),
            (i64_, i64::MIN, -1, i64::MAX, i64::MIN),
            // 127 - i64::MIN wraps to a negative number, which even 0 is above.
            (i8, i64::MIN, 0, 0, 127),
        ] {
            assert_eq!(width.add(value, increment, Wrap), Some(wrapped), "{value} + {increment}");
            assert_eq!(width.add(value, increment, Saturate), Some(saturated), "{value} + {increment}");
            assert_eq!(width.add(value, increment, Fail), None, "{value} + {increment}");
        }
        for (width, value, increment, sum) in
            [(i8, 100, 27, 127), (u8, 200, -200, 0), (i64_, i64::MAX, i64::MIN, -1), (i64_, -1, 1, 0)]
        {
            assert_eq!(width.add(value, increment, Fail), Some(sum));
        }
    }
}
