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

use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

use self::bucket::{Bucket, Word, tag_of};
use self::segment::stamp_of;
use crate::hash::KeyHasher;
use crate::record::RawRecord;

pub use self::prefetch::Ahead;
pub(crate) use self::prefetch::prefetch;
pub(crate) use self::segment::Location;
pub(crate) use self::walk::Found;

/// Bits of a position in the hash space: the highest bits of the hash, above those that choose the shard.
pub(crate) const CURSOR_BITS: u32 = 48;

/// What a table refers to: an allocation that has a key. The words of a table have room for the addresses of
/// allocations that are aligned to eight bytes.
///
/// Whoever calls an `unsafe` method vouches that the allocation is alive and that nobody else is in it.
pub(crate) trait Keyed: Copy {
    /// # Safety
    /// The pointer came from [`Keyed::as_ptr`].
    unsafe fn from_ptr_unchecked(ptr: *mut u64) -> Self;

    /// Its address.
    fn as_ptr(self) -> *mut u64;

    /// # Safety
    /// See the trait; the slice must not outlive the allocation.
    unsafe fn key<'a>(self) -> &'a [u8];

    /// Whether this is the key.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn has_key(self, key: &[u8]) -> bool;

    /// Whether the expiry cycle should look at it.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn may_expire(self) -> bool;

    /// Moves the allocation, and returns it where it is now.
    ///
    /// # Safety
    /// See the trait; nobody uses the old one afterwards.
    #[cfg(feature = "jemalloc")]
    unsafe fn relocate(self, mover: &mut crate::defrag::Mover) -> Self;
}

/// See the module. It does not own its records: whoever empties it frees them.
pub(crate) struct Table<R = RawRecord> {
    /// A segment, a directory, or null when nothing was ever inserted.
    entry: AtomicPtr<Bucket>,
    /// Lines of all segments.
    lines: AtomicU32,
    /// Segments as deep as the directory; when the last is gone, the directory shrinks.
    deepest: AtomicU32,
    records: PhantomData<fn() -> R>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            entry: AtomicPtr::default(),
            lines: AtomicU32::default(),
            deepest: AtomicU32::default(),
            records: PhantomData,
        }
    }
}

impl<R: Keyed> Table<R> {
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
        unsafe { self.segment(hash)?.find::<R>(hash, key) }
    }

    /// The record at a location.
    ///
    /// # Safety
    /// The shard's lock is held and the table has not changed since the location was found.
    #[inline]
    pub(crate) unsafe fn record(&self, at: Location) -> R {
        // SAFETY: the location names an occupied slot of a living bucket.
        unsafe { at.bucket.as_ref().word(at.slot).record() }
    }

    /// Puts another record of the same key in the place of the one at `at`, or the same one after an expiry came or
    /// went.
    ///
    /// # Safety
    /// As for [`Table::record`].
    pub(crate) unsafe fn replace(&self, at: Location, record: R) {
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
    #[inline]
    pub(crate) unsafe fn insert(&self, hash: u64, record: R, hasher: &KeyHasher) -> Location {
        // SAFETY: the record is alive.
        let volatile = unsafe { record.may_expire() };
        loop {
            // SAFETY: the lock is held.
            unsafe {
                if let Some(segment) = self.segment(hash)
                    && let Some(at) = segment
                        .insert(tag_of(hash), Word::new(record, stamp_of(hash, segment.depth), volatile))
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
    #[inline(always)]
    pub(crate) unsafe fn remove(&self, hash: u64, at: Location, len: usize) -> R {
        // SAFETY: the lock is held; the location is in this hash's segment.
        unsafe {
            let record = self.record(at);
            if at.vacate() {
                let segment = self.segment(hash).expect("a location names a record of a segment");
                segment.bring_home(at.home.as_ref(), stamp_of(hash, segment.depth));
            }
            self.give_back(hash, len - 1);
            record
        }
    }
}

#[cfg(test)]
mod tests;
