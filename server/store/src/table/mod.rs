//! The table of one database in one shard: extendible hashing over segments of 64-byte buckets.
//!
//! ```text
//! entry ──> segment                                 while one is enough
//! entry ──> directory of 2^depth entries ──> segments, each for a range of the hash space
//! ```
//!
//! An entry is a pointer with the shape of what it points to in its upper bits, so that a lookup reads one word, then
//! the home bucket, then the record. Growth touches one segment at a time: it is rebuilt larger, or split in two, and
//! the new one is published with one store. Records are never copied.
//!
//! **Who may do what.** All changes, and all reads that follow a pointer to a record, need the shard's lock. Without
//! it, holding an epoch guard, a thread may walk from the entry to a bucket and read its words: everything on that
//! way is an atomic, and memory that was replaced is freed only after the guards of its time are gone. Such a reader
//! may see any mixture of old and new; it only prefetches.

mod bucket;
mod directory;
mod growth;
mod prefetch;
mod segment;
mod walk;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

use self::bucket::{Bucket, Word, tag_of};
use self::segment::word_of;
use crate::hash::KeyHasher;
use crate::record::RawRecord;

pub use self::prefetch::Ahead;
pub(crate) use self::prefetch::prefetch;
pub(crate) use self::segment::Location;
pub(crate) use self::walk::Found;

/// Bits of a position in the hash space: the highest bits of the hash, above those that choose the shard.
pub(crate) const CURSOR_BITS: u32 = 48;

/// See the module. It does not own its records: whoever empties it frees them.
#[derive(Default)]
pub(crate) struct Table {
    /// A segment, a directory, or null when nothing was ever inserted.
    entry: AtomicPtr<Bucket>,
    /// Lines of all segments.
    lines: AtomicU32,
    /// Segments as deep as the directory; when the last is gone, the directory shrinks.
    deepest: AtomicU32,
}

impl Table {
    /// Bytes of segments and directory.
    pub(crate) fn memory(&self) -> usize {
        self.lines.load(Relaxed) as usize * size_of::<Bucket>() + self.directory_memory()
    }

    /// Number of records that the segments have room for.
    pub(crate) fn slots(&self) -> usize {
        self.lines.load(Relaxed) as usize * bucket::SLOTS
    }

    /// # Safety
    /// The shard's lock is held.
    #[inline(always)]
    pub(crate) unsafe fn find(&self, hash: u64, key: &[u8]) -> Option<Location> {
        // SAFETY: the lock is held, so that the segment is alive.
        unsafe { self.segment(hash)?.find(hash, key) }
    }

    /// The record at a location.
    ///
    /// # Safety
    /// The shard's lock is held and the table has not changed since the location was found.
    #[inline]
    pub(crate) unsafe fn record(&self, at: Location) -> RawRecord {
        // SAFETY: the location names an occupied slot of a living bucket.
        unsafe { at.bucket.as_ref().word(at.slot).record() }
    }

    /// Puts another record of the same key in the place of the one at `at`, or the same one after an expiry came or
    /// went.
    ///
    /// # Safety
    /// As for [`Table::record`].
    pub(crate) unsafe fn replace(&self, at: Location, record: RawRecord) {
        // SAFETY: as the caller vouches.
        unsafe {
            let bucket = at.bucket.as_ref();
            let volatile = record.may_expire();
            bucket.set_word(at.slot, Word::new(record, bucket.word(at.slot).stamp(), volatile));
        }
    }

    /// Inserts a record whose key is not there yet.
    ///
    /// # Safety
    /// The shard's lock is held; `hash` is `hasher`'s of the record's key.
    pub(crate) unsafe fn insert(&self, hash: u64, record: RawRecord, hasher: &KeyHasher) -> Location {
        loop {
            // SAFETY: the lock is held.
            unsafe {
                if let Some(segment) = self.segment(hash)
                    && let Some(at) = segment.insert(tag_of(hash), word_of(record, hash, segment.depth))
                {
                    return at;
                }
                self.make_room(hash, hasher);
            }
        }
    }

    /// Takes the record at `at` out; `len` records were in the table.
    ///
    /// # Safety
    /// As for [`Table::record`]; `hash` is the record's.
    pub(crate) unsafe fn remove(&self, hash: u64, at: Location, len: usize) -> RawRecord {
        // SAFETY: the lock is held; the location is in this hash's segment.
        unsafe {
            let segment = self.segment(hash).expect("a location names a record of a segment");
            let record = segment.remove(at).record();
            self.give_back(segment, hash, len - 1);
            record
        }
    }
}

#[cfg(test)]
mod tests;
