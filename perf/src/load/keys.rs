//! Which key comes next: uniform, Zipf or in sequence, at a nanosecond or two a key.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use rand_distr::{Distribution as _, Zipf};
use std::ops::Range;
use std::sync::Arc;

/// How keys are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Each key equally often, at random.
    Uniform,
    /// Key number `r` with probability proportional to `1 / (r + 1)^exponent`, exactly; the exponent is above 0, usually
    /// 0.99 (what YCSB calls theta).
    Zipf(f64),
    /// The first key with this probability (0 to 1), any of all keys equally often otherwise.
    Hot(f64),
    /// One after the other, from the first to the last and round again; every thread walks a range of its own.
    Sequential,
}

/// Zipf keys are drawn once, before the run, into a ring of this many samples (4 MiB of `u32`), which the run then
/// reads in order: drawing one costs about 40 ns, reading one under a nanosecond. A million samples hold every key
/// that would be drawn at least once in 100,000 operations about ten times or more, and the repetition after a
/// million operations is invisible to a server.
const ZIPF_SAMPLES: usize = 1 << 20;

/// More keys than this cannot be named: a key has twelve digits, and Zipf samples are kept in 32 bits.
pub const MAX_KEYS: u64 = 1 << 32;

/// Samples shared by the threads of a run; empty when the distribution needs none.
pub(super) fn prepare(distribution: Distribution, count: u64, seed: u64) -> Arc<[u32]> {
    let Distribution::Zipf(exponent) = distribution else { return Arc::from([]) };
    let zipf =
        Zipf::new(count as f64, exponent).expect("options were checked: count and exponent are positive");
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..ZIPF_SAMPLES).map(|_| (zipf.sample(&mut rng) as u64 - 1).min(count - 1) as u32).collect()
}

/// An endless source of key numbers.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    rng: SmallRng,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Uniform { count: u64 },
    Hot { count: u64, below: u64 },
    Samples { ring: Arc<[u32]>, next: usize },
    Sequence { range: Range<u64>, next: u64 },
}

impl Keys {
    /// A source of keys in `0..count`; `part` of them if sequential. `samples` comes from [`prepare`].
    pub fn new(
        distribution: Distribution,
        count: u64,
        part: Range<u64>,
        samples: &Arc<[u32]>,
        seed: u64,
    ) -> Keys {
        let mut rng = SmallRng::seed_from_u64(seed);
        let source = match distribution {
            Distribution::Uniform => Source::Uniform { count },
            Distribution::Hot(share) => Source::Hot { count, below: (share * 4_294_967_296.0) as u64 },
            Distribution::Zipf(_) => {
                Source::Samples { ring: Arc::clone(samples), next: rng.random_range(0..samples.len()) }
            }
            Distribution::Sequential => return Keys::sequence(part),
        };
        Keys { rng, source }
    }

    /// The keys of `range` one after the other, and round again.
    pub fn sequence(range: Range<u64>) -> Keys {
        // More threads than keys leave a thread with an empty part: it then repeats the key at its start.
        let range = range.start..range.end.max(range.start + 1);
        let next = range.start;
        Keys { rng: SmallRng::seed_from_u64(0), source: Source::Sequence { range, next } }
    }

    /// The next key's number.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        match &mut self.source {
            // Multiply and shift: uniform up to a bias of count / 2^64.
            Source::Uniform { count } => {
                ((u128::from(self.rng.next_u64()) * u128::from(*count)) >> 64) as u64
            }
            Source::Hot { count, below } => {
                let bits = self.rng.next_u64();
                if u64::from(self.rng.next_u32()) < *below {
                    0
                } else {
                    ((u128::from(bits) * u128::from(*count)) >> 64) as u64
                }
            }
            Source::Samples { ring, next } => {
                let key = ring[*next];
                *next += 1;
                if *next == ring.len() {
                    *next = 0;
                }
                u64::from(key)
            }
            Source::Sequence { range, next } => {
                let key = *next;
                *next += 1;
                if *next == range.end {
                    *next = range.start;
                }
                key
            }
        }
    }

    /// 32 random bits, for choices beside the key's.
    #[inline]
    pub fn coin(&mut self) -> u32 {
        self.rng.next_u32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(distribution: Distribution, count: u64, draws: usize) -> Vec<u64> {
        let samples = prepare(distribution, count, 7);
        let mut keys = Keys::new(distribution, count, 0..count, &samples, 11);
        let mut counts = vec![0; count as usize];
        for _ in 0..draws {
            counts[keys.draw() as usize] += 1;
        }
        counts
    }

    #[test]
    fn uniform_draws_are_flat() {
        let counts = counts(Distribution::Uniform, 100, 1_000_000);
        // 10,000 expected, standard deviation 100: seven deviations leave no room for chance.
        assert!(counts.iter().all(|&n| (9_300..10_700).contains(&n)), "{counts:?}");
    }

    #[test]
    fn zipf_draws_follow_the_power_law() {
        let (exponent, count) = (0.99, 1_000_u64);
        let counts = counts(Distribution::Zipf(exponent), count, 1_000_000);
        let weight = |rank: usize| 1.0 / ((rank + 1) as f64).powf(exponent);
        let total: f64 = (0..count as usize).map(weight).sum();
        for rank in [0, 1, 2, 5, 10, 50, 100, 500] {
            let expected = 1_000_000.0 * weight(rank) / total;
            let off = (counts[rank] as f64 - expected).abs();
            assert!(off < 7.0 * expected.sqrt(), "rank {rank}: {} instead of {expected:.0}", counts[rank]);
        }
        assert!(counts[0] > 50 * counts[99], "the first key is far hotter than the hundredth");
        assert!(counts.iter().filter(|&&n| n > 0).count() > 990, "the tail is drawn too");
    }

    #[test]
    fn a_hot_key_has_its_share() {
        let counts = counts(Distribution::Hot(0.5), 100, 1_000_000);
        assert!((500_000..510_000).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[1..].iter().all(|&n| (4_500..5_500).contains(&n)), "{counts:?}");
    }

    #[test]
    fn zipf_stays_inside_a_single_key() {
        assert_eq!(counts(Distribution::Zipf(1.2), 1, 1_000), [1_000]);
    }

    #[test]
    fn a_sequence_wraps_inside_its_part() {
        let mut keys = Keys::sequence(5..8);
        let drawn: Vec<u64> = (0..7).map(|_| keys.draw()).collect();
        assert_eq!(drawn, [5, 6, 7, 5, 6, 7, 5]);
        let mut empty = Keys::sequence(3..3);
        assert_eq!([empty.draw(), empty.draw()], [3, 3]);
    }
}
