//! What a record's 24-bit access clock says: when the key was used last, or how often, as `maxmemory-policy` needs it.
//!
//! With an LFU policy the lowest 8 bits count uses on a logarithmic scale and the 16 bits above hold the unix minute of
//! the last one; otherwise all 24 bits hold the unix second of the last use. Formats and formulas are Redis's
//! (<https://redis.io/docs/latest/develop/reference/eviction/>), and as there, the figures of a key are off for a while
//! after the policy has changed from one kind to the other.

use crate::config::choices::MaxmemoryPolicy;
use crate::config::{Config, rows};

/// The counter of a new key: it must not be the first to go before it had a chance to be used.
const NEW: u8 = 5;

/// How uses of keys are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessClock {
    /// When the last one was.
    #[default]
    Recency,
    /// How many there were.
    Frequency {
        /// `lfu-log-factor`: the larger, the more uses a count stands for.
        log_factor: u32,
        /// `lfu-decay-time`: minutes after which an unused key loses one count; 0 for never.
        decay_minutes: u32,
    },
}

impl AccessClock {
    /// The clock that `maxmemory-policy` asks for.
    pub fn of(config: &Config) -> Self {
        match config.choice(rows::MAXMEMORY_POLICY) {
            MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Self::Frequency {
                log_factor: config.int(rows::LFU_LOG_FACTOR) as u32,
                decay_minutes: config.int(rows::LFU_DECAY_TIME) as u32,
            },
            _ => Self::Recency,
        }
    }

    /// The clock of a key that is made now.
    #[inline]
    pub fn new_key(self, now_ms: i64) -> u32 {
        match self {
            Self::Recency => seconds(now_ms),
            Self::Frequency { .. } => minutes(now_ms) << 8 | u32::from(NEW),
        }
    }

    /// The clock of [`AccessClock::Recency`] of a key that was used so many seconds ago. As with Redis, of one that was used
    /// before there was a clock, half its range ago.
    pub fn unused_for(idle_seconds: i64, now_ms: i64) -> u32 {
        match i64::from(seconds(now_ms)) - idle_seconds {
            0.. => seconds(now_ms) - idle_seconds as u32,
            _ => seconds(now_ms).wrapping_add(0x0080_0000) & 0x00ff_ffff,
        }
    }

    /// The clock of [`AccessClock::Frequency`] of a key with this count, now.
    pub fn used_often(frequency: u8, now_ms: i64) -> u32 {
        minutes(now_ms) << 8 | u32::from(frequency)
    }

    /// The clock of a key that is used now; `access` is the clock before.
    #[inline]
    pub fn used(self, access: u32, now_ms: i64) -> u32 {
        match self {
            Self::Recency => seconds(now_ms),
            Self::Frequency { log_factor, .. } => self.used_once_more(access, log_factor, now_ms),
        }
    }

    /// Apart, so that the other clock costs its callers nothing but a comparison.
    #[inline(never)]
    fn used_once_more(self, access: u32, log_factor: u32, now_ms: i64) -> u32 {
        let count = increment(self.frequency(access, now_ms), log_factor, rand::random());
        minutes(now_ms) << 8 | u32::from(count)
    }

    /// The clock of a key whose value is replaced now by another: a count stays with the key.
    #[inline]
    pub fn replaced(self, access: u32, now_ms: i64) -> u32 {
        match self {
            Self::Recency => seconds(now_ms),
            Self::Frequency { .. } => access,
        }
    }

    /// The count of a key, less what it has lost by not being used: 0 to 255.
    pub fn frequency(self, access: u32, now_ms: i64) -> u8 {
        let count = (access & 0xff) as u8;
        let Self::Frequency { decay_minutes: decay_minutes @ 1.., .. } = self else { return count };
        let (then, now) = (access >> 8, minutes(now_ms));
        let unused = if now >= then { now - then } else { 0xffff - then + now };
        count.saturating_sub(u8::try_from(unused / decay_minutes).unwrap_or(u8::MAX))
    }
}

/// Seconds since the last use, from a clock of [`AccessClock::Recency`].
pub fn idle_seconds(access: u32, now_ms: i64) -> u32 {
    seconds(now_ms).wrapping_sub(access) & 0x00ff_ffff
}

/// Adds one to a count with a probability that falls with the count; `chance` is a random number from 0 to 1.
fn increment(count: u8, log_factor: u32, chance: f64) -> u8 {
    let above_new = f64::from(count.saturating_sub(NEW));
    let probability = 1.0 / (above_new * f64::from(log_factor) + 1.0);
    if chance < probability { count.saturating_add(1) } else { count }
}

/// Unix seconds, wrapping every 194 days.
fn seconds(now_ms: i64) -> u32 {
    ((now_ms / 1000) & 0x00ff_ffff) as u32
}

/// Unix minutes, wrapping every 45 days.
fn minutes(now_ms: i64) -> u32 {
    ((now_ms / 60_000) & 0xffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREQUENCY: AccessClock = AccessClock::Frequency { log_factor: 10, decay_minutes: 1 };
    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn idle_time_survives_the_wrap() {
        let access = AccessClock::Recency.new_key(NOW_MS);
        assert_eq!(idle_seconds(access, NOW_MS + 5_000), 5);
        let wrap_ms = ((NOW_MS / 1000) | 0x00ff_ffff) * 1000;
        let access = AccessClock::Recency.used(0, wrap_ms);
        assert_eq!((access, idle_seconds(access, wrap_ms + 3_000)), (0x00ff_ffff, 3));
    }

    #[test]
    fn counts_grow_ever_more_slowly_and_stop() {
        assert_eq!(increment(NEW, 10, 0.99), NEW + 1);
        assert_eq!(increment(0, 10, 0.99), 1);
        assert_eq!(increment(NEW + 1, 10, 0.09), NEW + 2);
        assert_eq!(increment(NEW + 1, 10, 0.1), NEW + 1);
        assert_eq!(increment(u8::MAX, 0, 0.0), u8::MAX);
    }

    #[test]
    fn counts_decay_by_the_minute() {
        let access = FREQUENCY.new_key(NOW_MS);
        assert_eq!(FREQUENCY.frequency(access, NOW_MS), 5);
        assert_eq!(FREQUENCY.frequency(access, NOW_MS + 2 * 60_000), 3);
        assert_eq!(FREQUENCY.frequency(access, NOW_MS + 600 * 60_000), 0);
        let forever = AccessClock::Frequency { log_factor: 10, decay_minutes: 0 };
        assert_eq!(forever.frequency(access, NOW_MS + 600 * 60_000), 5);
        // Across the wrap of the minutes.
        let last_minute = 0xffff << 8 | 9;
        let after_wrap_ms = 2 * 60_000;
        assert_eq!(FREQUENCY.frequency(last_minute, after_wrap_ms), 7);
    }

    #[test]
    fn a_use_counts_at_the_present_minute() {
        let access = FREQUENCY.used(FREQUENCY.new_key(NOW_MS), NOW_MS + 60_000);
        assert_eq!(access >> 8, minutes(NOW_MS + 60_000));
        // 4 after the decay, and below the count of a new key every use counts.
        assert_eq!(access & 0xff, 5);
    }
}
