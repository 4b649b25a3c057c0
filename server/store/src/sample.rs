//! Looking for records to evict: a few neighbours in hash space at a time, found again by their hash.

use crate::db::Db;
use crate::entry::OccupiedEntry;
use crate::record::{RawRecord, Record};
use crate::table::CURSOR_BITS;

/// What one call of [`Db::sample`] looks for, and where it stops.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Only records with an expiry.
    pub volatile: bool,
    /// Records after which it stops; a few more are shown, as it does not stop inside a bucket.
    pub records: usize,
    /// Buckets after which it stops, whatever it found: what bounds the time that the lock is held.
    pub buckets: usize,
}

impl<'a> Db<'a> {
    /// Shows records with the hashes of their keys, in the order of the hashes from `position` on, round the end if
    /// need be. Returns the position that goes on; any number is one, as for [`Db::scan`].
    pub fn sample(&self, position: u64, sample: Sample, visit: &mut dyn FnMut(u64, Record<'_>)) -> u64 {
        let hasher = &self.core.context.hasher;
        let mut position = position & ((1 << CURSOR_BITS) - 1);
        let mut shown = 0;
        for _ in 0..sample.buckets {
            // SAFETY: the lock is held, see Core; the records are alive during the call.
            position = unsafe {
                self.core.table().walk_bucket(position, hasher, &mut |found| {
                    // A hash may be volatile for its fields alone.
                    let is_volatile = || found.volatile && found.record.expiry().is_some();
                    if !sample.volatile || is_volatile() {
                        let record = Record::new(found.record);
                        visit(hasher.hash(record.key()), record);
                        shown += 1;
                    }
                })
            };
            if shown >= sample.records {
                break;
            }
        }
        position
    }

    /// The record whose key has this hash, if it is still there; of several one, as good as the others.
    #[must_use]
    pub fn into_sampled(self, hash: u64) -> Option<OccupiedEntry<'a>> {
        let hasher = &self.core.context.hasher;
        let mut sampled: Option<RawRecord> = None;
        // SAFETY: the lock is held, see Core; the records are alive until one is removed through the entry.
        unsafe {
            self.core.table().walk_bucket(hash >> (64 - CURSOR_BITS), hasher, &mut |found| {
                if hasher.hash(found.record.key()) == hash {
                    sampled = Some(found.record);
                }
            });
            let at = self.core.find(hash, sampled?.key())?;
            Some(OccupiedEntry::new(self.core, hash, at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyspace, KeyspaceOptions, Value};
    use std::collections::HashSet;

    fn keyspace(keys: u32) -> Keyspace<()> {
        let keyspace = Keyspace::new(KeyspaceOptions { shards: 1, ..KeyspaceOptions::default() }, |_| ());
        for number in 0..keys {
            let key = number.to_le_bytes();
            let expire_at = number.is_multiple_of(100).then_some(5);
            let place = keyspace.locate(&key);
            keyspace.lock(0).db(0).set(place.hash, &key, Value::Integer(1), expire_at, 0);
        }
        keyspace
    }

    #[test]
    fn samples_follow_each_other_round_the_whole_table() {
        let keyspace = keyspace(5000);
        let mut guard = keyspace.lock(0);
        let db = guard.db(0);
        for volatile in [false, true] {
            let sample = Sample { volatile, records: 5, buckets: 50 };
            let (mut seen, mut position) = (HashSet::new(), u64::MAX / 3);
            for _ in 0..5000 {
                let before = seen.len();
                position = db.sample(position, sample, &mut |hash, record| {
                    assert!(!volatile || record.expire_at().is_some());
                    seen.insert(hash);
                });
                assert!(seen.len() - before <= 5 + 32, "a sample stops");
            }
            assert_eq!(seen.len(), if volatile { 50 } else { 5000 });
        }
    }

    #[test]
    fn a_sample_of_nothing_ends() {
        let keyspace = keyspace(0);
        let sample = Sample { volatile: false, records: 1, buckets: 3 };
        assert_eq!(keyspace.lock(0).db(0).sample(7, sample, &mut |_, _| panic!("nothing is there")), 0);
        assert!(keyspace.lock(0).db(0).into_sampled(7).is_none());
    }

    #[test]
    fn what_was_sampled_is_found_until_it_is_gone() {
        let keyspace = keyspace(1000);
        let mut guard = keyspace.lock(0);
        let mut hashes = Vec::new();
        let sample = Sample { volatile: false, records: usize::MAX, buckets: 1000 };
        guard.db(0).sample(0, sample, &mut |hash, _| hashes.push(hash));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 1000);
        for &hash in &hashes {
            let entry = guard.db(0).into_sampled(hash).expect("it is there");
            assert_eq!(keyspace.locate(entry.record().key()).hash, hash);
            entry.remove();
            assert!(guard.db(0).into_sampled(hash).is_none());
        }
        assert!(guard.db(0).is_empty());
    }
}
