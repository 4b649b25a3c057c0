//! The table of one database in one shard, in hash order.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::record::RawRecord;

/// Bits of a scan cursor: the highest bits of the hash.
pub(crate) const CURSOR_BITS: u32 = 48;

/// Where a record is; valid until the table changes.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    hash: u64,
    index: usize,
}

/// See the module. It does not own its records: whoever empties it frees them.
#[derive(Default)]
pub(crate) struct Table {
    records: BTreeMap<u64, SmallVec<[RawRecord; 1]>>,
}

impl Table {
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<Location> {
        let same_hash = self.records.get(&hash)?;
        // SAFETY: records in the table are alive, and the table is borrowed.
        let index = same_hash.iter().position(|record| unsafe { record.key() } == key)?;
        Some(Location { hash, index })
    }

    pub(crate) fn record(&self, at: Location) -> RawRecord {
        self.records[&at.hash][at.index]
    }

    pub(crate) fn replace(&mut self, at: Location, record: RawRecord) {
        self.records.get_mut(&at.hash).expect("a location names a record")[at.index] = record;
    }

    pub(crate) fn insert(&mut self, hash: u64, record: RawRecord) -> Location {
        let same_hash = self.records.entry(hash).or_default();
        same_hash.push(record);
        Location { hash, index: same_hash.len() - 1 }
    }

    pub(crate) fn remove(&mut self, at: Location) -> RawRecord {
        let same_hash = self.records.get_mut(&at.hash).expect("a location names a record");
        let record = same_hash.swap_remove(at.index);
        if same_hash.is_empty() {
            self.records.remove(&at.hash);
        }
        record
    }

    /// Visits records in hash order from `cursor` on, at least `count` while there are any.
    pub(crate) fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(u64, RawRecord)) -> u64 {
        let mut visited = 0;
        let mut position = cursor;
        for (&hash, same_hash) in self.records.range(cursor << (64 - CURSOR_BITS)..) {
            let here = hash >> (64 - CURSOR_BITS);
            if visited >= count && here != position {
                return here;
            }
            position = here;
            for &record in same_hash {
                visit(hash, record);
                visited += 1;
            }
        }
        0
    }

    pub(crate) fn random(&self, rng: u64) -> Option<RawRecord> {
        let (_, same_hash) = self.records.range(rng..).next().or_else(|| self.records.iter().next())?;
        same_hash.first().copied()
    }

    /// Empties the table.
    pub(crate) fn drain(&mut self, free: &mut dyn FnMut(RawRecord)) {
        for (_, same_hash) in core::mem::take(&mut self.records) {
            same_hash.into_iter().for_each(&mut *free);
        }
    }
}
