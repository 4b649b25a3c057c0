//! Figures of active defragmentation, written by the housekeeping thread alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// See the module's text.
#[derive(Debug, Default)]
pub struct DefragmentationFigures {
    running: AtomicU64,
    allocations: Balance,
    keys: Balance,
    total_us: AtomicU64,
    current_us: AtomicU64,
}

/// What was moved, and what lay well.
#[derive(Debug, Default)]
struct Balance {
    moved: AtomicU64,
    kept: AtomicU64,
}

impl Balance {
    fn add(&self, moved: usize, kept: usize) {
        self.moved.fetch_add(moved as u64, Relaxed);
        self.kept.fetch_add(kept as u64, Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.moved.load(Relaxed), self.kept.load(Relaxed))
    }

    fn reset(&self) {
        self.moved.store(0, Relaxed);
        self.kept.store(0, Relaxed);
    }
}

impl DefragmentationFigures {
    /// Percent of a processor that is used now.
    pub fn set_running(&self, percent: u64) {
        self.running.store(percent, Relaxed);
    }

    /// Counts allocations that were moved, and such that lay well.
    pub fn add_allocations(&self, moved: usize, kept: usize) {
        self.allocations.add(moved, kept);
    }

    /// Counts keys of which something was moved, and keys of which nothing was.
    pub fn add_keys(&self, moved: usize, kept: usize) {
        self.keys.add(moved, kept);
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

    /// Allocations moved, and such that lay well.
    pub fn allocations(&self) -> (u64, u64) {
        self.allocations.get()
    }

    /// Keys of which something was moved, and keys of which nothing was.
    pub fn keys(&self) -> (u64, u64) {
        self.keys.get()
    }

    /// Milliseconds, all in all and of the present pass.
    pub fn millis(&self) -> (u64, u64) {
        (self.total_us.load(Relaxed) / 1000, self.current_us.load(Relaxed) / 1000)
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        self.allocations.reset();
        self.keys.reset();
        self.total_us.store(0, Relaxed);
    }
}
