//! Records: one allocation that holds a key, its expiry, its access clock and its value.

mod build;
mod keyed;
pub(crate) mod layout;
pub(crate) mod raw;

use core::marker::PhantomData;

use crate::blob::Blob;
use crate::object::{Composite, ObjectRef};
use crate::value::{EMBSTR_LIMIT, Encoding, Kind, Value};
pub(crate) use raw::RawRecord;

/// Bytes that the table spends on one record beside its own allocation, for [`Record::memory_usage`]: its share of a
/// 64-byte bucket of seven at the usual fill.
const TABLE_SHARE: usize = 11;

/// Elements of a value above which freeing it takes longer than handing it over.
const MANY_ELEMENTS: usize = 64;
/// The same in bytes of memory: returning pages to the system costs some 100 ns each.
const MANY_BYTES: usize = 256 << 10;

/// A record inside the table, readable while its database is borrowed.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    raw: RawRecord,
    database: PhantomData<&'a RawRecord>,
}

impl<'a> Record<'a> {
    /// # Safety
    /// The record stays alive, and unchanged but for its access clock, during `'a`, and belongs to this thread.
    pub(crate) unsafe fn new(raw: RawRecord) -> Self {
        Self { raw, database: PhantomData }
    }

    /// The key.
    #[must_use]
    #[inline]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: `'a` bounds the record, see `new`.
        unsafe { self.raw.key() }
    }

    /// The type of the value.
    #[must_use]
    #[inline]
    pub fn kind(self) -> Kind {
        // SAFETY: the record is alive, see `new`.
        unsafe { self.raw.kind() }
    }

    /// The value, if it is a string.
    #[must_use]
    #[inline]
    pub fn string(self) -> Option<Value<'a>> {
        // SAFETY: `'a` bounds the record and excludes changes, see `new`; the kind is that of a string.
        (self.kind() == Kind::String).then(|| unsafe { self.raw.value() })
    }

    /// The value, if it is of this type.
    #[must_use]
    #[inline]
    pub fn object<T: Composite>(self) -> Option<&'a T> {
        // SAFETY: `'a` bounds the record and excludes changes, see `new`; the word holds a `T` by its kind.
        unsafe { self.raw.object_word(T::KIND).map(|word| word.cast::<T>().as_ref()) }
    }

    /// The value, if it is no string.
    #[must_use]
    pub fn any_object(self) -> Option<ObjectRef<'a>> {
        // SAFETY: `'a` bounds the record and excludes changes, see `new`.
        unsafe { self.raw.object() }
    }

    /// A record with a copy of the value under another key.
    #[must_use]
    pub fn duplicate(self, key: &[u8], expire_at: Option<i64>, access: u32) -> OwnedRecord {
        // SAFETY: the record is alive, see `new`; nobody else knows the copy.
        unsafe { OwnedRecord::new(self.raw.duplicate(key, expire_at, access)) }
    }

    /// Shared ownership of the value's bytes when they are out of line, for a reply that outlives the lock.
    #[must_use]
    pub fn blob(self) -> Option<Blob> {
        // SAFETY: the record is alive, see `new`.
        unsafe { self.raw.blob() }
    }

    /// When the key expires, in Unix milliseconds.
    #[must_use]
    #[inline]
    pub fn expire_at(self) -> Option<i64> {
        // SAFETY: the record is alive, see `new`.
        unsafe { self.raw.expiry() }
    }

    /// The 24-bit access clock (LRU time or LFU counter; the meaning is the caller's).
    #[must_use]
    #[inline]
    pub fn access(self) -> u32 {
        // SAFETY: the record is alive, see `new`.
        unsafe { self.raw.access() }
    }

    /// Stores the access clock; bits above the lowest 24 are dropped.
    #[inline]
    pub fn set_access(self, access: u32) {
        // SAFETY: the record is alive and belongs to this thread, and no reference covers its header.
        unsafe { self.raw.set_access(access) }
    }

    /// How the value is kept, in Redis's terms.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        if let Some(object) = self.any_object() {
            return object.encoding();
        }
        // SAFETY: the record is alive, see `new`, and the value is a string.
        match unsafe { self.raw.value() } {
            Value::Integer(_) => Encoding::Int,
            // SAFETY: the record is alive, see `new`.
            Value::Bytes(bytes) if bytes.len() > EMBSTR_LIMIT || unsafe { self.raw.modified() } => {
                Encoding::Raw
            }
            Value::Bytes(_) => Encoding::Embstr,
        }
    }

    /// Whether freeing the value takes longer than handing it to another thread.
    #[must_use]
    #[inline]
    pub fn frees_slowly(self) -> bool {
        // SAFETY: the record is alive, see `new`.
        let out_of_line = unsafe { self.raw.is_out_of_line() };
        out_of_line
            && (self.any_object().is_some_and(|object| object.len() > MANY_ELEMENTS)
                || self.memory_usage() >= MANY_BYTES)
    }

    /// Bytes of memory that the key and its value take, with their share of the table.
    #[must_use]
    pub fn memory_usage(self) -> usize {
        // SAFETY: the record is alive, see `new`.
        unsafe { self.raw.memory() + TABLE_SHARE }
    }
}

impl core::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key().escape_ascii().to_string())
            .field("kind", &self.kind())
            .field("string", &self.string())
            .field("expire_at", &self.expire_at())
            .finish_non_exhaustive()
    }
}

/// A record that was taken out of the table. It may be read, and dropped on any thread.
pub struct OwnedRecord {
    raw: RawRecord,
}

// SAFETY: a record is plain data and a counted reference to a blob or an object, both Send.
unsafe impl Send for OwnedRecord {}

impl OwnedRecord {
    /// # Safety
    /// The record is alive and nobody else uses it from now on.
    pub(crate) unsafe fn new(raw: RawRecord) -> Self {
        Self { raw }
    }

    /// The same value under another key.
    #[must_use]
    pub fn rekey(self, key: &[u8]) -> Self {
        let raw = self.into_raw();
        // SAFETY: the record was this one's, and what comes back is nobody else's.
        unsafe { Self::new(raw.rebuild(key, raw.expiry())) }
    }

    /// Gives up ownership.
    pub(crate) fn into_raw(self) -> RawRecord {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }

    /// The record, for reading.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        // SAFETY: the borrow of `self` keeps the record alive; OwnedRecord is not Sync.
        unsafe { Record::new(self.raw) }
    }
}

impl Drop for OwnedRecord {
    fn drop(&mut self) {
        // SAFETY: this is the record's owner.
        unsafe { self.raw.free() }
    }
}

impl core::fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.record().fmt(f)
    }
}
