//! HyperLogLog in Redis's byte format: what a string must hold to be one, and everything that is done with it. Pure
//! functions over bytes; who keeps the bytes is not their business.
//!
//! ```text
//! offset 0   "HYLL"
//!        4   layout: 0 dense, 1 sparse
//!        5   three bytes that are not used
//!        8   the last estimate, little endian; its highest bit says that it is out of date
//!       16   dense: 16,384 registers of 6 bits, 12,288 bytes; sparse: run-length opcodes, see `sparse`
//! ```
//!
//! - `element`: hashing an element to a register and the rank it raises that to.
//! - `dense`: packed registers, and their vector forms in `vector`.
//! - `sparse`: opcodes.
//! - `estimate`: from registers to a number of elements.
//! - `selftest`: PFSELFTEST.

pub mod dense;
mod element;
mod estimate;
mod selftest;
pub mod sparse;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use element::{Observation, observe};
pub use selftest::self_test;

/// Number of registers.
pub const REGISTERS: usize = 1 << element::INDEX_BITS;
/// Bytes before the registers.
pub const HEADER_LEN: usize = 16;
/// Length of a dense one.
pub const DENSE_LEN: usize = HEADER_LEN + REGISTERS * dense::REGISTER_BITS / 8;

const MAGIC: &[u8; 4] = b"HYLL";
const LAYOUT_AT: usize = 4;
const ESTIMATE_AT: usize = 8;
/// Last byte of the estimate, whose highest bit says that it is out of date.
const OUT_OF_DATE_AT: usize = 15;
const OUT_OF_DATE: u8 = 1 << 7;

/// One that has seen nothing: sparse, one run of zeros.
pub const EMPTY: [u8; HEADER_LEN + 2] = {
    let mut image = [0; HEADER_LEN + 2];
    let mut i = 0;
    while i < MAGIC.len() {
        image[i] = MAGIC[i];
        i += 1;
    }
    image[LAYOUT_AT] = Layout::Sparse as u8;
    let run = sparse::long_zeros(REGISTERS);
    image[HEADER_LEN] = run[0];
    image[HEADER_LEN + 1] = run[1];
    image
};

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All of them, 6 bits each.
    Dense = 0,
    /// Runs of equal registers.
    Sparse = 1,
}

/// The opcodes of a sparse one do not describe 16,384 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// All registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// The layout of a string that passes for a HyperLogLog; `None` when it is something else.
#[must_use]
pub fn layout(image: &[u8]) -> Option<Layout> {
    if image.len() < HEADER_LEN || !image.starts_with(MAGIC) {
        return None;
    }
    match image[LAYOUT_AT] {
        0 if image.len() == DENSE_LEN => Some(Layout::Dense),
        1 => Some(Layout::Sparse),
        _ => None,
    }
}

/// The estimate that is kept in the header, unless it is out of date.
#[must_use]
pub fn kept_estimate(image: &[u8]) -> Option<u64> {
    let bytes = image[ESTIMATE_AT..HEADER_LEN].try_into().expect("eight bytes");
    (image[OUT_OF_DATE_AT] & OUT_OF_DATE == 0).then(|| u64::from_le_bytes(bytes))
}

/// Keeps an estimate in the header.
pub fn keep_estimate(image: &mut [u8], estimate: u64) {
    image[ESTIMATE_AT..HEADER_LEN].copy_from_slice(&estimate.to_le_bytes());
}

/// Marks the estimate in the header as out of date: a register has changed.
pub fn outdate_estimate(image: &mut [u8]) {
    image[OUT_OF_DATE_AT] |= OUT_OF_DATE;
}

/// Estimates the number of different elements that this one has seen.
///
/// # Errors
/// When it is sparse and corrupt.
///
/// # Panics
/// When `image` is no HyperLogLog by [`layout`]; so do the functions below.
pub fn estimate(image: &[u8]) -> Result<u64, Corrupt> {
    let histogram = match layout(image).expect("callers have checked the layout") {
        Layout::Dense => dense::histogram(registers_of(image)),
        Layout::Sparse => sparse::histogram(&image[HEADER_LEN..])?,
    };
    Ok(estimate::estimate(&histogram))
}

/// Estimates the number of different elements behind these registers.
#[must_use]
pub fn estimate_merged(registers: &Registers) -> u64 {
    estimate::estimate(&estimate::histogram(registers))
}

/// Raises each of `registers` to what it is in `image`.
///
/// # Errors
/// When `image` is sparse and corrupt; some registers may have been raised then.
pub fn merge(registers: &mut Registers, image: &[u8]) -> Result<(), Corrupt> {
    match layout(image).expect("callers have checked the layout") {
        Layout::Dense => {
            dense::merge(registers, registers_of(image));
            Ok(())
        }
        Layout::Sparse => sparse::registers(&image[HEADER_LEN..], |first, run, rank| {
            for register in &mut registers[first..first + run] {
                *register = rank.max(*register);
            }
        }),
    }
}

/// The dense form of a sparse one, header included.
///
/// # Errors
/// When it is corrupt.
pub fn to_dense(image: &[u8]) -> Result<Box<[u8; DENSE_LEN]>, Corrupt> {
    let mut dense = Box::new([0; DENSE_LEN]);
    dense[..HEADER_LEN].copy_from_slice(&image[..HEADER_LEN]);
    dense[LAYOUT_AT] = Layout::Dense as u8;
    let packed = dense::packed_mut(&mut dense);
    sparse::registers(&image[HEADER_LEN..], |first, run, rank| {
        (first..first + run).for_each(|index| dense::set(packed, index, rank));
    })?;
    Ok(dense)
}

fn registers_of(image: &[u8]) -> &dense::Packed {
    image[HEADER_LEN..].try_into().expect("a dense one has its fixed length")
}

#[cfg(test)]
mod tests;
