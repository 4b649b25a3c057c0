//! Which register an element belongs to, and its rank there.

/// Bits of the hash that choose the register.
pub(super) const INDEX_BITS: u32 = 14;
/// Bits of the hash that the rank is taken from.
pub(super) const RANK_BITS: u32 = 64 - INDEX_BITS;
/// The highest rank: no bit of [`RANK_BITS`] is set.
pub(super) const RANK_MAX: u8 = RANK_BITS as u8 + 1;

const SEED: u64 = 0xadc8_3b19;

/// What one element says: this register has seen this rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The register, below [`REGISTERS`](super::REGISTERS).
    pub index: usize,
    /// One more than the number of zeros at the end of the hash's other bits: 1 to 51.
    pub rank: u8,
}

/// The observation that an element makes.
#[must_use]
pub fn observe(element: &[u8]) -> Observation {
    let hash = murmur_64a(element, SEED);
    let index = hash & ((1 << INDEX_BITS) - 1);
    // The bit above the rank's bits ends the count.
    let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
    Observation { index: index as usize, rank: rest.trailing_zeros() as u8 + 1 }
}

/// MurmurHash64A of Austin Appleby's (public domain), reading little endian on every machine.
pub(super) fn murmur_64a(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        let mixed = (mixed ^ mixed >> SHIFT).wrapping_mul(MULTIPLIER);
        hash = (hash ^ mixed).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u64::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}
