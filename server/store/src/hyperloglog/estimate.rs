//! From registers to a number of elements: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
//! (arXiv:1702.01284), algorithm 6. It needs no more than how many registers have each rank.

use super::element::{RANK_BITS, RANK_MAX};
use super::{REGISTERS, Registers};

/// Number of registers of each rank; a 6-bit register holds 0 to 63, though no element has a rank above 51.
pub(super) type Histogram = [u32; 64];

/// The histogram of unpacked registers. Ranks above 63 count as 63.
pub(super) fn histogram(registers: &Registers) -> Histogram {
    let mut tally = Tally::default();
    tally.add(registers);
    tally.finish()
}

/// Counts ranks in several histograms at once, so that a run of equal ranks does not wait for one counter.
pub(super) struct Tally([Histogram; LANES]);

const LANES: usize = 4;

impl Default for Tally {
    fn default() -> Self {
        Self([[0; 64]; LANES])
    }
}

impl Tally {
    /// Counts these ranks.
    pub(super) fn add(&mut self, ranks: &[u8]) {
        let (chunks, rest) = ranks.as_chunks::<LANES>();
        for chunk in chunks {
            for (counters, rank) in self.0.iter_mut().zip(chunk) {
                counters[usize::from(*rank & 63)] += 1;
            }
        }
        for rank in rest {
            self.0[0][usize::from(*rank & 63)] += 1;
        }
    }

    pub(super) fn finish(&self) -> Histogram {
        std::array::from_fn(|rank| self.0.iter().map(|counters| counters[rank]).sum())
    }
}

/// The estimate, rounded to the nearest integer. What no elements can have brought about and has no finite estimate
/// counts as 2^63, as in Redis.
pub(super) fn estimate(histogram: &Histogram) -> u64 {
    const BEYOND: u64 = 1 << 63;
    /// `0.5 / ln(2)`
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let share = |count: u32| f64::from(count) / m;
    let full = f64::from(histogram[usize::from(RANK_MAX)]);
    let mut z = m * tau((m - full) / m);
    for rank in (1..=RANK_BITS as usize).rev() {
        z += f64::from(histogram[rank]);
        z *= 0.5;
    }
    z += m * sigma(share(histogram[0]));
    let estimate = (ALPHA * m * m / z).round();
    if estimate < BEYOND as f64 { estimate as u64 } else { BEYOND }
}

/// `x + x^2 + 2 x^4 + 4 x^8 + ...`, the correction for registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// The correction for registers that have reached the highest rank.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
