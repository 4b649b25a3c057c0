//! Figures of the active expiry cycle, written by the housekeeping thread alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// See the module's text.
#[derive(Debug, Default)]
pub struct ExpiryFigures {
    /// Running average of the share of keys that had expired among those looked at, in percent, as the bits of an f64.
    stale_percent: AtomicU64,
    /// Turns that ended because their time was up.
    time_cap_reached: AtomicU64,
    /// CPU time, microseconds.
    cpu_us: AtomicU64,
}

/// What one turn counts for in the running average, as in Redis.
const WEIGHT: f64 = 0.05;

impl ExpiryFigures {
    /// Counts one turn of the cycle.
    pub fn add_turn(&self, checked: u64, expired: u64, time_cap_reached: bool) {
        let stale = if checked == 0 { 0.0 } else { expired as f64 * 100.0 / checked as f64 };
        let average = self.stale_percent() * (1.0 - WEIGHT) + stale * WEIGHT;
        self.stale_percent.store(average.to_bits(), Relaxed);
        self.time_cap_reached.fetch_add(time_cap_reached.into(), Relaxed);
    }

    /// Counts CPU time.
    pub fn add_cpu_us(&self, micros: u64) {
        self.cpu_us.fetch_add(micros, Relaxed);
    }

    /// Percent of the keys with an expiry that have probably expired and are still there.
    pub fn stale_percent(&self) -> f64 {
        f64::from_bits(self.stale_percent.load(Relaxed))
    }

    /// Turns that ended because their time was up.
    pub fn time_cap_reached(&self) -> u64 {
        self.time_cap_reached.load(Relaxed)
    }

    /// CPU time spent, milliseconds.
    pub fn cpu_ms(&self) -> u64 {
        self.cpu_us.load(Relaxed) / 1000
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        self.stale_percent.store(0, Relaxed);
        self.time_cap_reached.store(0, Relaxed);
        self.cpu_us.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_slowly() {
        let figures = ExpiryFigures::default();
        figures.add_turn(0, 0, false);
        assert_eq!((figures.stale_percent(), figures.time_cap_reached()), (0.0, 0));
        figures.add_turn(200, 100, true);
        assert_eq!((figures.stale_percent(), figures.time_cap_reached()), (2.5, 1));
        (0..500).for_each(|_| figures.add_turn(10, 5, true));
        assert!((figures.stale_percent() - 50.0).abs() < 0.01);
        figures.add_cpu_us(1999);
        assert_eq!(figures.cpu_ms(), 1);
        figures.reset();
        assert_eq!((figures.stale_percent(), figures.time_cap_reached(), figures.cpu_ms()), (0.0, 0, 0));
    }
}
