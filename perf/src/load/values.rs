//! What values hold: the key they belong to, which of its writes they are, and a pattern that both decide.
//!
//! A value is the last twelve digits of its key's number, eight digits of its version, and a pattern that is turned by
//! the version. So a reply shows by itself whether it belongs to the key that was asked for, whether it is the
//! undamaged work of one write, and of which. A value too short for that holds the last digits of its key.

use super::sizes::{Sizes, below, scramble};
use std::sync::Arc;

/// Digits of a key behind its prefix: with the default prefix `key:` a key is 16 bytes, as redis-benchmark's are.
pub const KEY_DIGITS: usize = 12;

/// Digits of a version in a value.
const VERSION_DIGITS: usize = 8;

/// Versions are below this; they are counted per key, and no run writes one key so often.
pub(super) const VERSIONS: u32 = 100_000_000;

/// Where the pattern begins.
const HEAD: usize = KEY_DIGITS + VERSION_DIGITS;

/// Period of the pattern that fills values: a prime, so that a piece shifted by a power of two does not match.
const PATTERN: usize = 4_093;

/// How far each version turns the pattern.
const TURN: usize = 131;

/// Sizes and contents of values.
#[derive(Debug, Clone)]
pub struct Values {
    sizes: Sizes,
    pattern: Arc<[u8]>,
}

impl Values {
    /// Values of `min..=max` bytes; the key's number decides the size, so that it never changes between two runs.
    ///
    /// # Panics
    /// If `min` is larger than `max`.
    pub fn new(min: usize, max: usize) -> Values {
        assert!(min <= max, "sizes are a range");
        Values::of(Sizes::Range { min, max })
    }

    /// Values of these sizes.
    pub fn of(sizes: Sizes) -> Values {
        let pattern = (0..PATTERN as u64).map(|i| b'a' + below(scramble(i), 26) as u8).collect();
        Values { sizes, pattern }
    }

    /// Whether all values have one size.
    pub fn fixed(&self) -> Option<usize> {
        self.sizes.fixed()
    }

    /// Largest size.
    pub fn max(&self) -> usize {
        self.sizes.max()
    }

    /// Bytes of the value of key number `key`.
    #[inline]
    pub fn size(&self, key: u64) -> usize {
        self.sizes.of_key(key)
    }

    /// Appends the value of `key` in `version`. Version 0 is what is written when nobody counts.
    pub(super) fn append(&self, out: &mut Vec<u8>, key: u64, version: u32, size: usize) {
        let (head, length) = head(key, version, size);
        out.extend_from_slice(&head[..length]);
        let turned = (version % VERSIONS) as usize * TURN;
        let mut at = length;
        while at < size {
            let from = (at + turned) % PATTERN;
            let piece = (PATTERN - from).min(size - at);
            out.extend_from_slice(&self.pattern[from..from + piece]);
            at += piece;
        }
    }

    /// Checks that `value` was written under `key`, whole and by one write. Returns its version if it is long enough
    /// to hold one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, key: u64, value: &[u8]) -> Result<Option<u32>, String> {
        let size = self.size(key);
        if value.len() != size {
            return Err(format!("a value of {} bytes instead of {size}", value.len()));
        }
        let version = if size < HEAD { None } else { number(&value[KEY_DIGITS..HEAD]) };
        if size >= HEAD && version.is_none() {
            return Err(format!("no version: {}", shown(value)));
        }
        let (head, length) = head(key, version.unwrap_or(0), size);
        // What a value too short for a version holds of it says nothing.
        let certain = if size < HEAD { length.min(KEY_DIGITS) } else { length };
        if value[..certain] != head[..certain] {
            return Err(format!("the value of another key: {}", shown(value)));
        }
        let turned = version.unwrap_or(0) as usize * TURN;
        let mut at = length;
        while at < size {
            let from = (at + turned) % PATTERN;
            let piece = (PATTERN - from).min(size - at);
            if value[at..at + piece] != self.pattern[from..from + piece] {
                return Err(format!("damaged at or after byte {at}: {}", shown(&value[at..])));
            }
            at += piece;
        }
        Ok(version)
    }
}

/// The beginning of a value of `size` bytes, and how many bytes of it count.
fn head(key: u64, version: u32, size: usize) -> ([u8; HEAD], usize) {
    let mut head = [b'0'; HEAD];
    let named = size.min(KEY_DIGITS);
    head[..named].copy_from_slice(&digits(key)[KEY_DIGITS - named..]);
    if size > KEY_DIGITS && version > 0 {
        let digits = digits(u64::from(version % VERSIONS));
        head[KEY_DIGITS..].copy_from_slice(&digits[KEY_DIGITS - VERSION_DIGITS..]);
    }
    (head, size.min(HEAD))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |sum: u32, &digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

/// The first bytes of `bytes` for a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    const MAX_SHOWN: usize = 200;
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN)]).into_owned()
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// The last twelve decimal digits of `number`.
#[inline]
pub(super) fn digits(number: u64) -> [u8; KEY_DIGITS] {
    let mut out = [b'0'; KEY_DIGITS];
    let low = (number % 100_000_000) as u32;
    let (upper, lower) = (low / 10_000, low % 10_000);
    out[4..6].copy_from_slice(&PAIRS[(upper / 100) as usize]);
    out[6..8].copy_from_slice(&PAIRS[(upper % 100) as usize]);
    out[8..10].copy_from_slice(&PAIRS[(lower / 100) as usize]);
    out[10..12].copy_from_slice(&PAIRS[(lower % 100) as usize]);
    if number >= 100_000_000 {
        let high = (number / 100_000_000 % 10_000) as u32;
        out[0..2].copy_from_slice(&PAIRS[(high / 100) as usize]);
        out[2..4].copy_from_slice(&PAIRS[(high % 100) as usize]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_format(number in 0_u64..1_000_000_000_000) {
            prop_assert_eq!(digits(number).to_vec(), format!("{number:012}").into_bytes());
        }

        #[test]
        fn a_value_passes_its_own_check_and_no_damage_does(
            key in 0_u64..1_000_000, version in 0_u32..VERSIONS, min in 0_usize..40, span in 0_usize..9_000,
            flip in 0_usize..9_100,
        ) {
            let values = Values::new(min, min + span);
            let size = values.size(key);
            prop_assert!((min..=min + span).contains(&size));
            let mut value = Vec::new();
            values.append(&mut value, key, version, size);
            prop_assert_eq!(value.len(), size);
            let expected = (size >= HEAD).then_some(version);
            prop_assert_eq!(values.check(key, &value), Ok(expected));
            // A changed digit of the version is found by the pattern behind it, if that is long enough.
            let found = !(KEY_DIGITS..HEAD).contains(&flip) || size > HEAD + 40;
            if flip < size && found && (flip < KEY_DIGITS || size >= HEAD) {
                value[flip] ^= 1;
                prop_assert!(values.check(key, &value).is_err());
                value[flip] ^= 1;
            }
            value.push(b'a');
            prop_assert!(values.check(key, &value).is_err());
        }
    }

    #[test]
    fn halves_of_two_versions_do_not_make_a_value() {
        let values = Values::new(1_000, 1_000);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        values.append(&mut first, 7, 1, 1_000);
        values.append(&mut second, 7, 2, 1_000);
        first[500..].copy_from_slice(&second[500..]);
        assert!(values.check(7, &first).unwrap_err().contains("damaged"));
        assert_eq!(values.check(7, &second), Ok(Some(2)));
        assert!(values.check(8, &second).unwrap_err().contains("another key"));
    }
}
