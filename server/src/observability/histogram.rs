//! A log-linear latency histogram with one writer and any number of readers.
//!
//! The writer uses plain relaxed loads and stores, so that recording costs a few instructions and no locked
//! one; a reader sees every bucket at some recent value.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sub-buckets per power of two: 1/32 or about 3 % resolution.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
/// Largest recorded value in nanoseconds: 2^34 ns, about 17 s; longer ones are counted there.
const MAX_BITS: u32 = 34;
/// Number of buckets.
pub const BUCKETS: usize = (MAX_BITS - SUB_BITS + 1) as usize * SUB;

/// Latencies in nanoseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }
}

/// The bucket that holds `nanos`.
fn bucket_of(nanos: u64) -> usize {
    let value = nanos.min((1 << MAX_BITS) - 1);
    let magnitude = (63 - (value | (SUB as u64 - 1)).leading_zeros()) + 1 - SUB_BITS;
    (magnitude as usize * SUB + (value >> magnitude.saturating_sub(1)) as usize)
        - if magnitude > 0 { SUB } else { 0 }
}

/// The largest value that falls into `bucket`, in nanoseconds.
fn upper_bound(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket / SUB - 1) as u32;
    (((bucket % SUB + SUB) as u64 + 1) << shift) - 1
}

impl Histogram {
    /// Records one duration. Only the owning thread may call this; a second writer could lose counts.
    pub fn record(&self, nanos: u64) {
        let bucket = &self.buckets[bucket_of(nanos)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
    }

    /// Sets every bucket to zero. Counts recorded at the same moment may survive or vanish.
    pub fn reset(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
    }

    /// Adds the counts to `sum`.
    pub fn add_to(&self, sum: &mut Snapshot) {
        for (total, bucket) in sum.counts.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
    }
}

/// The sum of histograms at one moment.
#[derive(Debug)]
pub struct Snapshot {
    counts: Vec<u64>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }
}

impl Snapshot {
    /// Number of recorded values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value in nanoseconds at or below which `percent` (0 to 100) of the values lie; 0 when empty.
    pub fn percentile(&self, percent: f64) -> u64 {
        let count = self.count();
        if count == 0 {
            return 0;
        }
        let rank = ((percent / 100.0 * count as f64).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        for (bucket, &n) in self.counts.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return upper_bound(bucket);
            }
        }
        unreachable!("rank lies within the count")
    }

    /// `(microseconds, cumulative count)` in steps of powers of two, leaving out those that add nothing: the form
    /// that `LATENCY HISTOGRAM` prints. The bounds are Redis's: powers of two in nanoseconds from 1024 on, as a
    /// histogram of two significant digits holds them (1, 2, 4, 8, 16, 33, 66, ... microseconds).
    pub fn powers_of_two(&self) -> Vec<(u64, u64)> {
        let total = self.count();
        let mut rows = Vec::new();
        let (mut seen, mut bucket) = (0, 0);
        for power in 10.. {
            let before = seen;
            let bound = (1u64 << power) + (1 << (power - 7)) - 1;
            while bucket < BUCKETS && (upper_bound(bucket) <= bound || power > MAX_BITS) {
                seen += self.counts[bucket];
                bucket += 1;
            }
            if seen > before {
                rows.push((bound / 1000, seen));
            }
            if seen == total {
                break;
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_ordered_and_tight() {
        let mut last = 0;
        for value in (0..200_000u64).chain((1..34).map(|bit| (1 << bit) + 3)) {
            let bucket = bucket_of(value);
            assert!(upper_bound(bucket) >= value, "{value}");
            assert!(bucket == 0 || upper_bound(bucket - 1) < value, "{value}");
            last = last.max(bucket);
        }
        assert!(last < BUCKETS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_within_resolution() {
        let histogram = Histogram::default();
        for micros in 1..=1000u64 {
            histogram.record(micros * 1000);
        }
        let mut sum = Snapshot::default();
        histogram.add_to(&mut sum);
        assert_eq!(sum.count(), 1000);
        for (percent, expected) in [(50.0, 500_000.0), (99.0, 990_000.0), (100.0, 1_000_000.0)] {
            let value = sum.percentile(percent) as f64;
            assert!((value / expected - 1.0).abs() < 0.04, "{percent}: {value}");
        }
        let rows = sum.powers_of_two();
        assert_eq!(rows.last().map(|row| row.1), Some(1000));
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056]);
        assert!(Snapshot::default().powers_of_two().is_empty());
    }
}
