//! The place of one key, found once and then read and changed without another probe.

use crate::db::Core;
use crate::record::{OwnedRecord, Record};
use crate::table::Location;
use crate::value::Value;

/// The place of a key: taken or free.
pub enum Entry<'a, 'k> {
    /// The key exists.
    Occupied(OccupiedEntry<'a>),
    /// The key does not exist.
    Vacant(VacantEntry<'a, 'k>),
}

/// An existing key.
pub struct OccupiedEntry<'a> {
    core: Core<'a>,
    hash: u64,
    at: Location,
}

impl<'a> OccupiedEntry<'a> {
    pub(crate) fn new(core: Core<'a>, hash: u64, at: Location) -> Self {
        Self { core, hash, at }
    }

    /// The record.
    #[must_use]
    #[inline]
    pub fn record(&self) -> Record<'_> {
        self.core.record(self.at)
    }

    /// The record, for as long as the database is borrowed.
    #[must_use]
    pub fn into_record(self) -> Record<'a> {
        self.core.record(self.at)
    }

    /// Replaces the value; expiry and access clock stay.
    pub fn set_value(&mut self, value: Value<'_>) {
        self.core.set_value(self.at, value);
    }

    /// Replaces value, expiry and access clock.
    pub fn set(&mut self, value: Value<'_>, expire_at: Option<i64>, access: u32) {
        self.core.set(self.at, value, expire_at, access);
    }

    /// Sets or removes the expiry (Unix milliseconds).
    pub fn set_expire(&mut self, expire_at: Option<i64>) {
        self.core.set_expire(self.at, expire_at);
    }

    /// Makes the string `len` bytes long and returns it for writing: its first bytes stay, new ones are zero, an
    /// integer becomes its text. The value's encoding is `raw` afterwards. Appending in small steps costs amortised
    /// constant time for each byte.
    pub fn resize_bytes(&mut self, len: usize) -> &mut [u8] {
        self.core.resize(self.at, len)
    }

    /// Removes the key and frees it.
    pub fn remove(self) {
        drop(self.take());
    }

    /// Removes the key and returns its place, free again. `hash` and `key` are those it was found by.
    #[must_use]
    pub fn vacate<'k>(self, hash: u64, key: &'k [u8]) -> VacantEntry<'a, 'k> {
        let core = self.core;
        self.remove();
        VacantEntry::new(core, hash, key)
    }

    /// Takes the key out, to be dropped elsewhere.
    #[must_use]
    pub fn take(self) -> OwnedRecord {
        self.core.remove(self.hash, self.at)
    }
}

/// A key that does not exist.
pub struct VacantEntry<'a, 'k> {
    core: Core<'a>,
    hash: u64,
    key: &'k [u8],
}

impl<'a, 'k> VacantEntry<'a, 'k> {
    pub(crate) fn new(core: Core<'a>, hash: u64, key: &'k [u8]) -> Self {
        Self { core, hash, key }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &'k [u8] {
        self.key
    }

    /// Inserts the key.
    pub fn insert(self, value: Value<'_>, expire_at: Option<i64>, access: u32) -> OccupiedEntry<'a> {
        let at = self.core.insert(self.hash, self.key, value, expire_at, access);
        OccupiedEntry::new(self.core, self.hash, at)
    }
}
