//! How much memory the data set takes, and how much it may (`maxmemory`).
//!
//! Each shard knows its own size to the byte. Whoever changed a shard compares that size with the one that was
//! counted last, keeps the difference as a debt of its thread, and adds the debt to the sum of all when it has grown
//! to a quantum. So threads share the sum's cache line for reading, and the sum is wrong by a quantum for each thread
//! at most. Without a limit nothing is counted at all.

use super::keys::Shard;
use crate::observability::stats::ThreadStats;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// Largest debt of a thread, in bytes: some forty small keys, which one eviction pass after it removes in 20 us.
const QUANTUM_MAX: i64 = 4096;
/// The debt is at most this part of the limit.
const QUANTUM_SHARE: i64 = 1024;

/// See the module's text.
#[derive(Default)]
pub struct Budget {
    /// What is written seldom; read before every command.
    bounds: CachePadded<Bounds>,
    /// Bytes of the data set, less the debts of all threads.
    counted: CachePadded<AtomicI64>,
    /// Since when more is used than may be, in microseconds of the monotonic clock; 0 when it is not.
    exceeded_since_us: AtomicU64,
    /// Microseconds for which more was used than may be, until the last time that ended.
    exceeded_us: AtomicU64,
}

struct Bounds {
    /// `maxmemory`, or the largest number.
    limit: AtomicI64,
    /// Debt at which a thread pays.
    quantum: AtomicI64,
    /// When last something had to be evicted, nothing could be.
    exhausted: AtomicBool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limit: AtomicI64::new(i64::MAX),
            quantum: AtomicI64::new(QUANTUM_MAX),
            exhausted: AtomicBool::new(false),
        }
    }
}

impl Budget {
    /// Sets the limit in bytes; 0 for none.
    pub fn set_limit(&self, bytes: u64) {
        let limit = match bytes {
            0 => i64::MAX,
            bytes => i64::try_from(bytes).unwrap_or(i64::MAX),
        };
        self.bounds.limit.store(limit, Relaxed);
        self.bounds.quantum.store((limit / QUANTUM_SHARE).min(QUANTUM_MAX), Relaxed);
        self.bounds.exhausted.store(false, Relaxed);
    }

    /// Whether there is a limit.
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.bounds.limit.load(Relaxed) != i64::MAX
    }

    /// Bytes that have to go.
    #[inline]
    pub fn excess(&self) -> i64 {
        self.counted.load(Relaxed).saturating_sub(self.bounds.limit.load(Relaxed)).max(0)
    }

    /// Whether something has to go.
    #[inline]
    pub fn is_exceeded(&self) -> bool {
        self.counted.load(Relaxed) > self.bounds.limit.load(Relaxed)
    }

    /// Whether commands that need memory are refused now: too much is used, and nothing can be evicted.
    pub fn refuses(&self) -> bool {
        self.is_exceeded() && self.bounds.exhausted.load(Relaxed)
    }

    /// Adds what a shard grew (or shrank, when negative) to the thread's debt, and pays if that is large.
    #[inline]
    pub fn owe(&self, stats: &ThreadStats, grown: i64) {
        stats.memory_debt.add(grown as u64);
        let debt = stats.memory_debt.get() as i64;
        if debt.abs() >= self.bounds.quantum.load(Relaxed) && debt != 0 {
            self.counted.fetch_add(debt, Relaxed);
            stats.memory_debt.take();
        }
    }

    /// Adds what a shard grew to the sum at once.
    pub fn pay(&self, grown: i64) {
        self.counted.fetch_add(grown, Relaxed);
    }

    /// What an attempt to keep within the limit came to: whether anything could have been evicted, and whether the
    /// limit is still exceeded.
    pub fn note(&self, exhausted: bool, exceeded: bool, now_us: u64) {
        self.bounds.exhausted.store(exhausted, Relaxed);
        if exceeded {
            // One of several threads begins the time.
            let _begun_already = self.exceeded_since_us.compare_exchange(0, now_us, Relaxed, Relaxed);
        } else {
            let since = self.exceeded_since_us.swap(0, Relaxed);
            if since != 0 {
                self.exceeded_us.fetch_add(now_us.saturating_sub(since), Relaxed);
            }
        }
    }

    /// Milliseconds for which the limit has been exceeded: all in all, and since it last was not.
    pub fn exceeded_ms(&self, now_us: u64) -> (u64, u64) {
        let current = match self.exceeded_since_us.load(Relaxed) {
            0 => 0,
            since => now_us.saturating_sub(since),
        };
        ((self.exceeded_us.load(Relaxed) + current) / 1000, current / 1000)
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        self.exceeded_us.store(0, Relaxed);
    }
}

/// By how many bytes a shard has grown since it was last asked.
#[inline]
pub fn growth(shard: &mut Shard<'_>) -> i64 {
    let now = shard.used_memory();
    let before = std::mem::replace(&mut shard.ext().counted_bytes, now);
    now as i64 - before as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observability::stats::Stats;

    #[test]
    fn debts_are_paid_by_the_quantum() {
        let (budget, stats) = (Budget::default(), Stats::new(0));
        let (a, b) = (stats.register("a"), stats.register("b"));
        assert!(!budget.is_limited() && !budget.is_exceeded());
        budget.set_limit(100 << 20);
        budget.pay(100 << 20);
        budget.owe(&a, QUANTUM_MAX - 1);
        budget.owe(&b, 100);
        assert_eq!(budget.excess(), 0);
        budget.owe(&a, 1);
        assert_eq!(budget.excess(), QUANTUM_MAX);
        budget.owe(&b, -100 - QUANTUM_MAX);
        assert!(!budget.is_exceeded());
        // A small limit is kept to the byte.
        budget.set_limit(1000);
        budget.owe(&a, 1);
        budget.owe(&b, -2);
        assert_eq!(budget.excess(), (100 << 20) - 1 - 1000);
    }

    #[test]
    fn commands_are_refused_only_while_nothing_can_go() {
        let budget = Budget::default();
        budget.set_limit(10);
        budget.note(true, true, 1_000_000);
        assert!(!budget.refuses());
        budget.pay(11);
        assert!(budget.refuses());
        budget.note(false, true, 3_000_000);
        assert!(!budget.refuses());
        assert_eq!(budget.exceeded_ms(4_000_000), (3000, 3000));
        budget.note(false, false, 5_000_000);
        assert_eq!(budget.exceeded_ms(9_000_000), (4000, 0));
    }
}
