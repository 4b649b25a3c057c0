//! Strings as arrays of bits: counting, searching and combining. The first bit of a byte is its most significant one.

/// Number of bits that are one.
#[must_use]
pub fn count_ones(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= WORTH_DISPATCH {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { count_ones_avx2(bytes) };
        }
        if is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has the feature.
            return unsafe { count_ones_popcnt(bytes) };
        }
    }
    count_ones_portable(bytes)
}

/// Shorter strings are counted before the processor's features have been asked for.
#[cfg(target_arch = "x86_64")]
const WORTH_DISPATCH: usize = 32;

/// Words whose counts are summed before they are widened: the vector form then adds narrow lanes.
const WORDS_PER_SUM: usize = 16;

/// The body of all forms; the compiler makes of it what the features of its caller allow.
#[inline(always)]
fn count_ones_portable(bytes: &[u8]) -> u64 {
    let mut total = 0;
    let mut blocks = bytes.chunks_exact(8 * WORDS_PER_SUM);
    for block in &mut blocks {
        total +=
            block.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word).count_ones()).sum::<u32>()
                as u64;
    }
    let (words, rest) = blocks.remainder().as_chunks::<8>();
    total += words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>();
    total + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_ones_avx2(bytes: &[u8]) -> u64 {
    count_ones_portable(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn count_ones_popcnt(bytes: &[u8]) -> u64 {
    count_ones_portable(bytes)
}

/// Position of the first bit that is `bit`.
#[must_use]
pub fn first_bit(bytes: &[u8], bit: bool) -> Option<u64> {
    let skipped = if bit { 0 } else { u8::MAX };
    // Whole blocks first: their comparison is a vector one.
    let uniform = [skipped; 64];
    let (blocks, _) = bytes.as_chunks::<64>();
    let from = 64 * blocks.iter().take_while(|block| **block == uniform).count();
    let at = from + bytes[from..].iter().position(|byte| *byte != skipped)?;
    let within = (bytes[at] ^ skipped).leading_zeros();
    Some(8 * at as u64 + u64::from(within))
}

/// How BITOP combines its sources. A source that is shorter than the longest one counts as padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOperation {
    /// Bits set in all sources.
    And,
    /// Bits set in any source.
    Or,
    /// Bits set in an odd number of sources.
    Xor,
    /// The bits that are not set in the only source.
    Not,
    /// Bits set in the first source and in no other.
    Diff,
    /// Bits set in any source but the first, and not in that.
    Diff1,
    /// Bits set in the first source and in any other.
    AndOr,
    /// Bits set in exactly one source.
    One,
}

/// The combination of sources that are given one after the other.
#[derive(Debug)]
pub struct Combination {
    operation: BitOperation,
    sources: usize,
    /// What the first source is, or what the sources so far have come to.
    first: Vec<u8>,
    /// What the other sources have come to, where that is needed apart from `first`: their union, or for
    /// [`BitOperation::One`] the bits that were set more than once. Else empty.
    others: Vec<u8>,
}

impl Combination {
    /// Nothing combined yet; the result is going to be `len` bytes long, the length of the longest source.
    #[must_use]
    pub fn new(operation: BitOperation, len: usize) -> Self {
        use BitOperation::{AndOr, Diff, Diff1, One};
        let apart = matches!(operation, Diff | Diff1 | AndOr | One);
        let others = if apart { vec![0; len] } else { Vec::new() };
        Self { operation, sources: 0, first: vec![0; len], others }
    }

    /// Adds the next source, at most as long as the result.
    ///
    /// # Panics
    /// When it is longer.
    pub fn add(&mut self, source: &[u8]) {
        use BitOperation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
        self.sources += 1;
        if self.sources == 1 {
            self.first[..source.len()].copy_from_slice(source);
            return;
        }
        let (first, others) = (&mut self.first, &mut self.others);
        match self.operation {
            And => {
                let (overlap, beyond) = first.split_at_mut(source.len());
                fold(overlap, source, |a, b| a & b);
                beyond.fill(0);
            }
            Or | Not => fold(first, source, |a, b| a | b),
            Xor => fold(first, source, |a, b| a ^ b),
            Diff | Diff1 | AndOr => fold(others, source, |a, b| a | b),
            One => {
                for ((more, seen), byte) in others.iter_mut().zip(first).zip(source) {
                    *more |= *seen & byte;
                    *seen |= byte;
                }
            }
        }
    }

    /// The result.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        use BitOperation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
        let (first, others) = (&mut self.first, &self.others);
        match self.operation {
            And | Or | Xor => {}
            Not => first.iter_mut().for_each(|byte| *byte = !*byte),
            Diff | One => fold(first, others, |a, b| a & !b),
            Diff1 => fold(first, others, |a, b| !a & b),
            AndOr => fold(first, others, |a, b| a & b),
        }
        self.first
    }
}

/// Combines byte by byte, as far as the shorter one goes.
fn fold(target: &mut [u8], source: &[u8], combine: impl Fn(u8, u8) -> u8) {
    target.iter_mut().zip(source).for_each(|(a, b)| *a = combine(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look random, the same each time.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let step = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (*state >> 56) as u8
        };
        (0..len).map(|_| step(&mut state)).collect()
    }

    #[test]
    fn all_forms_of_counting_agree() {
        let bytes = noise(5000);
        for len in (0..300).chain([1000, 4999, 5000]) {
            let bytes = &bytes[bytes.len() - len..];
            let expected: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
            assert_eq!(count_ones(bytes), expected, "{len}");
            assert_eq!(count_ones_portable(bytes), expected, "{len}");
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("popcnt") {
                // SAFETY: the processor has the feature.
                assert_eq!(unsafe { count_ones_popcnt(bytes) }, expected, "{len}");
            }
        }
        assert_eq!(count_ones(&[0xff; 100_000]), 800_000);
    }

    #[test]
    fn the_first_bit_is_found_wherever_it_is() {
        for len in [0, 1, 63, 64, 65, 200] {
            assert_eq!(first_bit(&vec![0; len], true), None);
            assert_eq!(first_bit(&vec![0xff; len], false), None);
            for at in 0..8 * len {
                let mut bytes = vec![0; len];
                bytes[at / 8] = 0xff >> (at % 8);
                assert_eq!(first_bit(&bytes, true), Some(at as u64));
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                assert_eq!(first_bit(&bytes, false), Some(at as u64));
            }
        }
    }

    #[test]
    fn combinations_pad_with_zeros() {
        use BitOperation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
        let sources: [&[u8]; 3] = [&[0b1100_1010, 0xf0, 0xff], &[0b1010_0110, 0x3c], &[0b0110_0010]];
        for (operation, expected) in [
            (And, [0b0000_0010, 0, 0]),
            (Or, [0b1110_1110, 0xfc, 0xff]),
            (Xor, [0b0000_1110, 0xcc, 0xff]),
            (Diff, [0b0000_1000, 0xc0, 0xff]),
            (Diff1, [0b0010_0100, 0x0c, 0]),
            (AndOr, [0b1100_0010, 0x30, 0]),
            (One, [0b0000_1100, 0xcc, 0xff]),
        ] {
            let mut combination = Combination::new(operation, 3);
            sources.iter().for_each(|source| combination.add(source));
            assert_eq!(combination.finish(), expected, "{operation:?}");
        }
        let mut combination = Combination::new(Not, 1);
        combination.add(&[0b1010_0000]);
        assert_eq!(combination.finish(), [0b0101_1111]);
    }
}
