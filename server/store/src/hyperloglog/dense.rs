//! The dense layout: 16,384 registers of 6 bits, packed from the lowest bit of each byte upwards, four to three bytes.

use super::estimate::{Histogram, Tally};
use super::{DENSE_LEN, HEADER_LEN, REGISTERS, Registers};

/// Bits of a register.
pub(super) const REGISTER_BITS: usize = 6;
/// Registers in one group, which begins and ends at a byte.
pub(super) const GROUP: usize = 4;
/// Bytes of one group.
pub(super) const GROUP_BYTES: usize = 3;

const LOW_BITS: u8 = (1 << REGISTER_BITS) - 1;

/// The packed registers, without the header.
pub type Packed = [u8; DENSE_LEN - HEADER_LEN];

/// The packed registers of a dense HyperLogLog.
pub fn packed_mut(image: &mut [u8; DENSE_LEN]) -> &mut Packed {
    image[HEADER_LEN..].first_chunk_mut().expect("a dense one has its fixed length")
}

/// Register `index`.
#[must_use]
pub fn get(packed: &Packed, index: usize) -> u8 {
    let (at, shift) = place(index);
    let high = packed.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([packed[at], high]) >> shift) as u8 & LOW_BITS
}

/// Sets register `index` to `rank`, at most 63.
pub fn set(packed: &mut Packed, index: usize, rank: u8) {
    let (at, shift) = place(index);
    let high = packed.get(at + 1).copied().unwrap_or(0);
    let cleared = u16::from_le_bytes([packed[at], high]) & !(u16::from(LOW_BITS) << shift);
    let [low, high] = (cleared | u16::from(rank) << shift).to_le_bytes();
    packed[at] = low;
    if let Some(byte) = packed.get_mut(at + 1) {
        *byte = high;
    }
}

/// Raises register `index` to `rank`, at most 63; false when it is there already.
pub fn raise(packed: &mut Packed, index: usize, rank: u8) -> bool {
    let higher = get(packed, index) < rank;
    if higher {
        set(packed, index, rank);
    }
    higher
}

/// The byte that a register begins in, and at which of its bits.
fn place(index: usize) -> (usize, usize) {
    (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8)
}

/// Raises each of `registers` to what it is in `packed`.
pub(super) fn merge(registers: &mut Registers, packed: &Packed) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { super::vector::merge(registers, packed) };
    }
    merge_scalar(registers, packed);
}

/// Packs all registers; ranks above 63 lose their upper bits.
pub fn pack(packed: &mut Packed, registers: &Registers) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { super::vector::pack(packed, registers) };
    }
    pack_scalar(packed, registers);
}

/// How many registers have each rank.
pub(super) fn histogram(packed: &Packed) -> Histogram {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { super::vector::histogram(packed) };
    }
    histogram_scalar(packed)
}

pub(super) fn merge_scalar(registers: &mut [u8], packed: &[u8]) {
    let (groups, _) = registers.as_chunks_mut::<GROUP>();
    for (group, bytes) in groups.iter_mut().zip(packed.as_chunks::<GROUP_BYTES>().0) {
        for (register, rank) in group.iter_mut().zip(unpack(*bytes)) {
            *register = rank.max(*register);
        }
    }
}

pub(super) fn pack_scalar(packed: &mut [u8], registers: &[u8]) {
    let (groups, _) = packed.as_chunks_mut::<GROUP_BYTES>();
    for (bytes, [a, b, c, d]) in groups.iter_mut().zip(registers.as_chunks::<GROUP>().0) {
        let [a, b, c, d] = [a, b, c, d].map(|rank| u32::from(rank & LOW_BITS));
        let [low, middle, high, _] = (a | b << 6 | c << 12 | d << 18).to_le_bytes();
        *bytes = [low, middle, high];
    }
}

pub(super) fn histogram_scalar(packed: &[u8]) -> Histogram {
    let mut tally = Tally::default();
    packed.as_chunks::<GROUP_BYTES>().0.iter().for_each(|bytes| tally.add(&unpack(*bytes)));
    tally.finish()
}

/// The four registers of a group.
fn unpack([low, middle, high]: [u8; GROUP_BYTES]) -> [u8; GROUP] {
    let bits = u32::from_le_bytes([low, middle, high, 0]);
    [bits, bits >> 6, bits >> 12, bits >> 18].map(|rank| rank as u8 & LOW_BITS)
}

const _: () = assert!(REGISTERS.is_multiple_of(GROUP));
