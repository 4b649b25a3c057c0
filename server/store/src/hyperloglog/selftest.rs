//! PFSELFTEST: whether HyperLogLogs are on this machine what they should be.

use super::sparse::{self, Raise};
use super::{
    DENSE_LEN, EMPTY, HEADER_LEN, Layout, Observation, REGISTERS, dense, estimate, layout, observe, to_dense,
};

/// Rounds of the test of packed registers.
const ROUNDS: usize = 50;
/// Elements of the test of estimates; every power of ten up to here is checked.
const ELEMENTS: u64 = 1_000_000;
/// Length up to which the sparse one of the test stays sparse, bytes.
const SPARSE_MAX: u64 = 3000;
/// Standard errors by which an estimate may be off.
const TOLERANCE: f64 = 6.0;

/// Runs the test with elements that `seed` decides on. Takes some tens of milliseconds.
///
/// # Errors
/// What is wrong, beginning with `TESTFAILED`.
pub fn self_test(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    test_registers(&mut random)?;
    test_estimates(&mut random)
}

/// Sets packed registers and looks whether that one, and no other, has changed.
fn test_registers(random: &mut Random) -> Result<(), String> {
    let mut packed = [0; DENSE_LEN - HEADER_LEN];
    let mut expected = [0; REGISTERS];
    for _ in 0..ROUNDS {
        for (index, rank) in expected.iter_mut().enumerate() {
            *rank = random.next() as u8 & 63;
            dense::set(&mut packed, index, *rank);
        }
        for (index, &rank) in expected.iter().enumerate() {
            let found = dense::get(&packed, index);
            if found != rank {
                return Err(format!("TESTFAILED Register {index} should be {rank} but is {found}"));
            }
        }
    }
    Ok(())
}

/// Shows the same elements to a sparse and a dense one: they must agree, and be near the truth.
fn test_estimates(random: &mut Random) -> Result<(), String> {
    let corrupt = |_| "TESTFAILED sparse encoding is corrupt".to_owned();
    let mut sparse = EMPTY.to_vec();
    let mut dense = to_dense(&EMPTY).map_err(corrupt)?.to_vec();
    let mut checkpoint = 1;
    for count in 1..=ELEMENTS {
        let observation = observe(&random.next().to_ne_bytes());
        let raised = raise(&mut sparse, observation, SPARSE_MAX).map_err(corrupt)?;
        if raise(&mut dense, observation, SPARSE_MAX) != Ok(raised) {
            return Err("TESTFAILED dense/sparse disagree".to_owned());
        }
        if count == checkpoint {
            let found = estimate(&sparse).map_err(corrupt)?;
            if estimate(&dense) != Ok(found) {
                return Err("TESTFAILED dense/sparse disagree".to_owned());
            }
            let error = found.abs_diff(count);
            let standard_error = 1.04 / (REGISTERS as f64).sqrt();
            // Of ten elements two may fall into one register.
            let tolerated = (TOLERANCE * standard_error * count as f64).ceil().max(1.0);
            if error as f64 > tolerated {
                return Err(format!("TESTFAILED Too big error. card:{count} abserr:{error}"));
            }
            checkpoint *= 10;
        }
    }
    Ok(())
}

/// Raises a register, changing the layout where that is needed; whether it was lower before.
pub(super) fn raise(
    image: &mut Vec<u8>,
    observation: Observation,
    max_len: u64,
) -> Result<bool, super::Corrupt> {
    if layout(image) == Some(Layout::Sparse) {
        match sparse::raise(image, observation, max_len)? {
            Raise::Nothing => return Ok(false),
            Raise::Splice(splice) => {
                image.splice(splice.old.clone(), splice.replacement().iter().copied());
                return Ok(true);
            }
            Raise::Dense => *image = to_dense(image)?.to_vec(),
        }
    }
    let image: &mut [u8; DENSE_LEN] = image.first_chunk_mut().expect("a dense one has its fixed length");
    Ok(dense::raise(dense::packed_mut(image), observation.index, observation.rank))
}

/// Numbers that look random (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
