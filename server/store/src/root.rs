//! One database's part of one shard: its table and the figures about it.
//!
//! The figures are atomics that only the holder of the shard's lock writes, with plain loads and stores, and that
//! anybody reads.

use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::OnceLock;

use crate::hash::KeyHasher;
use crate::record::{OwnedRecord, RawRecord};
use crate::table::Table;

/// What all databases of a keyspace share.
pub(crate) struct Context {
    pub(crate) hasher: KeyHasher,
    /// Longest string that is kept inside its record.
    pub(crate) inline_limit: AtomicUsize,
    /// Who gets what is replaced and frees slowly.
    pub(crate) on_replaced: OnceLock<Box<dyn Fn(OwnedRecord) + Send + Sync>>,
}

impl Context {
    pub(crate) fn set_inline_limit(&self, limit: usize) {
        self.inline_limit.store(limit, Relaxed);
    }

    /// Frees a record that went or was replaced, whose own memory this is, or has it freed.
    ///
    /// # Safety
    /// The record is alive, and nobody else uses it from now on.
    #[inline]
    pub(crate) unsafe fn discard(&self, record: RawRecord, own_memory: usize) {
        // SAFETY: as the caller vouches.
        unsafe {
            if record.is_out_of_line() {
                self.discard_value(OwnedRecord::new(record));
            } else {
                record.free_shell(own_memory);
            }
        }
    }

    #[inline(never)]
    fn discard_value(&self, record: OwnedRecord) {
        if record.record().frees_slowly()
            && let Some(free) = self.on_replaced.get()
        {
            free(record);
        }
    }

    #[inline]
    pub(crate) fn inline_limit(&self) -> usize {
        self.inline_limit.load(Relaxed)
    }
}

/// See the module.
///
/// The size is chosen: with the lock's word in front it is one cache line.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Root {
    pub(crate) table: Table,
    len: AtomicUsize,
    expires: AtomicU32,
    /// Objects of which elements expire.
    expiring_objects: AtomicU32,
    /// Sum of the expiry times, in units of [`EXPIRY_UNIT_MS`], modulo 2^64.
    expiry_sum: AtomicI64,
    /// Bytes of the records and their blobs.
    memory: AtomicUsize,
    /// Where the active expiry cycle goes on.
    expiry_cursor: AtomicU64,
}

/// Unit of the sum of expiry times: coarse enough that the sum of a billion of them does not overflow.
const EXPIRY_UNIT_MS: i64 = 256;

/// Expiry figures of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expires {
    /// Keys that have an expiry.
    pub count: usize,
    /// Keys whose value has elements that have an expiry (fields of hashes).
    pub objects: usize,
    /// Sum of their expiry times, in units of 256 ms since the Unix epoch.
    sum: i64,
}

impl Expires {
    /// The mean expiry time in Unix milliseconds, exact to 256 ms; `None` when no key has one.
    #[must_use]
    pub fn mean_expire_at(&self) -> Option<i64> {
        let count = i64::try_from(self.count).ok()?;
        self.sum.checked_div(count).map(|mean| mean.saturating_mul(EXPIRY_UNIT_MS))
    }

    /// Whether anything expires.
    #[must_use]
    pub fn any(&self) -> bool {
        self.count + self.objects > 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.objects += other.objects;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl Root {
    pub(crate) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub(crate) fn expires(&self) -> Expires {
        Expires {
            count: self.expires.load(Relaxed) as usize,
            objects: self.expiring_objects.load(Relaxed) as usize,
            sum: self.expiry_sum.load(Relaxed),
        }
    }

    /// Bytes of records, blobs and the table.
    pub(crate) fn memory(&self) -> usize {
        self.memory.load(Relaxed) + self.table.memory()
    }

    pub(crate) fn expiry_cursor(&self) -> u64 {
        self.expiry_cursor.load(Relaxed)
    }

    pub(crate) fn set_expiry_cursor(&self, cursor: u64) {
        self.expiry_cursor.store(cursor, Relaxed);
    }

    /// Counts a record that entered the table.
    ///
    /// # Safety
    /// The record is alive, and the caller holds the shard's lock.
    #[inline]
    pub(crate) unsafe fn count_in(&self, record: RawRecord) {
        self.len.store(self.len.load(Relaxed) + 1, Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { self.count_contents_in(record) };
    }

    /// Counts a record that left the table, and returns the bytes of its own memory, for whoever frees it.
    ///
    /// # Safety
    /// As for [`Root::count_in`].
    #[inline]
    pub(crate) unsafe fn count_out(&self, record: RawRecord) -> usize {
        self.len.store(self.len.load(Relaxed) - 1, Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { self.count_contents_out(record) }
    }

    /// Counts memory and expiry of a record that was changed, or is about to be (then out).
    ///
    /// # Safety
    /// As for [`Root::count_in`].
    #[inline]
    pub(crate) unsafe fn count_contents_in(&self, record: RawRecord) {
        // SAFETY: as the caller vouches.
        let (memory, expiry) = unsafe { (record.memory(), record.expiry()) };
        self.memory.store(self.memory.load(Relaxed) + memory, Relaxed);
        if let Some(at) = expiry {
            self.expires.store(self.expires.load(Relaxed) + 1, Relaxed);
            let sum = self.expiry_sum.load(Relaxed).wrapping_add(at.div_euclid(EXPIRY_UNIT_MS));
            self.expiry_sum.store(sum, Relaxed);
        }
        // SAFETY: as the caller vouches.
        if unsafe { record.has_expiring_elements() } {
            self.count_expiring_object(true);
        }
    }

    /// The reverse of [`Root::count_contents_in`]; returns the bytes of the record's own memory.
    ///
    /// # Safety
    /// As for [`Root::count_in`].
    #[inline]
    pub(crate) unsafe fn count_contents_out(&self, record: RawRecord) -> usize {
        // SAFETY: as the caller vouches.
        let (own, beyond, expiry) = unsafe { (record.own_memory(), record.memory_beyond(), record.expiry()) };
        self.memory.store(self.memory.load(Relaxed) - own - beyond, Relaxed);
        if let Some(at) = expiry {
            self.expires.store(self.expires.load(Relaxed) - 1, Relaxed);
            let sum = self.expiry_sum.load(Relaxed).wrapping_sub(at.div_euclid(EXPIRY_UNIT_MS));
            self.expiry_sum.store(sum, Relaxed);
        }
        // SAFETY: as the caller vouches.
        if unsafe { record.has_expiring_elements() } {
            self.count_expiring_object(false);
        }
        own
    }
}

impl Root {
    /// Counts an object whose elements began or ceased to expire. For the holder of the shard's lock.
    pub(crate) fn count_expiring_object(&self, expiring: bool) {
        let count = self.expiring_objects.load(Relaxed);
        self.expiring_objects.store(if expiring { count + 1 } else { count - 1 }, Relaxed);
    }

    /// Counts what the memory of a record's object changed by. For the holder of the shard's lock.
    pub(crate) fn count_memory(&self, before: usize, after: usize) {
        self.memory.store(self.memory.load(Relaxed) - before + after, Relaxed);
    }

    /// Exchanges the contents of two databases.
    ///
    /// # Safety
    /// The locks of both are held, and nothing of them is borrowed.
    pub(crate) unsafe fn swap(a: &Root, b: &Root) {
        a.table.swap(&b.table);
        for (x, y) in [(&a.len, &b.len), (&a.memory, &b.memory)] {
            x.store(y.swap(x.load(Relaxed), Relaxed), Relaxed);
        }
        for (x, y) in [(&a.expires, &b.expires), (&a.expiring_objects, &b.expiring_objects)] {
            x.store(y.swap(x.load(Relaxed), Relaxed), Relaxed);
        }
        a.expiry_sum.store(b.expiry_sum.swap(a.expiry_sum.load(Relaxed), Relaxed), Relaxed);
        a.expiry_cursor.store(b.expiry_cursor.swap(a.expiry_cursor.load(Relaxed), Relaxed), Relaxed);
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // SAFETY: the root is exclusively borrowed, so that nobody is in the table, not even a reader without the
        // lock; the table gives up each record, which nobody else refers to.
        unsafe { self.table.drain(None, &mut |record| record.free()) };
    }
}
