//! Which versions of each key were written, so that a stale or a future value is noticed.
//!
//! While replies are verified, each key of a string is written by one connection only, so the server executes its
//! writes in the order in which they are numbered. A read that was sent after version `v` had been acknowledged must
//! then show `v` or a later one, and none that has not been sent yet.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// The register of one run, shared by its threads.
#[derive(Debug)]
pub(in crate::load) struct Ledger {
    issued: Box<[AtomicU32]>,
    acknowledged: Box<[AtomicU32]>,
    counters: Box<[AtomicI64]>,
}

impl Ledger {
    /// A register of `strings` keys with versions and `counters` keys that are counted up.
    pub fn new(strings: u64, counters: u64) -> Ledger {
        let zeros = |count| (0..count).map(|_| AtomicU32::new(0)).collect();
        Ledger {
            issued: zeros(strings),
            acknowledged: zeros(strings),
            counters: (0..counters).map(|_| AtomicI64::new(0)).collect(),
        }
    }

    /// The next version of `key`, to be written by the one connection that writes it.
    pub fn issue(&self, key: u64) -> u32 {
        self.issued[key as usize].fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The last version of `key` that was sent.
    pub fn issued(&self, key: u64) -> u32 {
        self.issued[key as usize].load(Ordering::Acquire)
    }

    /// The server has acknowledged `version` of `key`.
    pub fn acknowledge(&self, key: u64, version: u32) {
        self.acknowledged[key as usize].fetch_max(version, Ordering::AcqRel);
    }

    /// The last version of `key` that the server has acknowledged; 0: none.
    pub fn acknowledged(&self, key: u64) -> u32 {
        self.acknowledged[key as usize].load(Ordering::Acquire)
    }

    /// The highest number that counter `key` is known to have reached.
    pub fn counted(&self, key: u64) -> i64 {
        self.counters[key as usize].load(Ordering::Acquire)
    }

    /// Counter `key` has reached `number`.
    pub fn count(&self, key: u64, number: i64) {
        self.counters[key as usize].fetch_max(number, Ordering::AcqRel);
    }
}
