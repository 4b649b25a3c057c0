//! Figures of active defragmentation, written by the housekeeping thread alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// See the module's text.
#[derive(Debug, Default)]
pub struct DefragmentationFigures {
    running: AtomicU64,
    moved: AtomicU64,
    kept: AtomicU64,
    total_us: AtomicU64,
    current_us: AtomicU64,
}

impl DefragmentationFigures {
    /// Percent of a processor that is used now.
    pub fn set_running(&self, percent: u64) {
        self.running.store(percent, Relaxed);
    }

    /// Counts keys that were moved, and keys that lay well.
    pub fn add_step(&self, moved: u64, kept: u64) {
        self.moved.fetch_add(moved, Relaxed);
        self.kept.fetch_add(kept, Relaxed);
    }

    /// Counts time; `pass_us` is that of the present pass so far.
    pub fn add_time(&self, micros: u64, pass_us: u64) {
        self.total_us.fetch_add(micros, Relaxed);
        self.current_us.store(pass_us, Relaxed);
    }

    /// Percent of a processor that is used now.
    pub fn running(&self) -> u64 {
        self.running.load(Relaxed)
    }

    /// Keys moved, and keys that lay well.
    pub fn keys(&self) -> (u64, u64) {
        (self.moved.load(Relaxed), self.kept.load(Relaxed))
    }

    /// Milliseconds, all in all and of the present pass.
    pub fn millis(&self) -> (u64, u64) {
        (self.total_us.load(Relaxed) / 1000, self.current_us.load(Relaxed) / 1000)
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        for figure in [&self.moved, &self.kept, &self.total_us] {
            figure.store(0, Relaxed);
        }
    }
}
