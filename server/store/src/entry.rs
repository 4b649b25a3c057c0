//! The place of one key, found once and then read and changed without another probe.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::db::Core;
use crate::object::{Composite, Object};
use crate::record::{OwnedRecord, RawRecord, Record};
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

    /// Replaces value, expiry and access clock by an object and these.
    pub fn set_object(&mut self, object: impl Into<Object>, expire_at: Option<i64>, access: u32) {
        // SAFETY: the entry holds the database; the key is copied before its record is replaced.
        let key = unsafe { self.core.raw(self.at).key() };
        self.core.replace_record(self.at, RawRecord::with_object(key, object.into(), expire_at, access));
    }

    /// Puts a record that has the same key in the place of this one.
    ///
    /// # Panics
    /// When it has another key.
    pub fn set_record(&mut self, record: OwnedRecord) {
        assert!(record.record().key() == self.record().key(), "a record is stored under its own key");
        self.core.replace_record(self.at, record.into_raw());
    }

    /// The value for changing, if it is of this type.
    #[inline]
    pub fn object_mut<T: Composite>(&mut self) -> Option<ObjectMut<'_, T>> {
        // SAFETY: the record is alive; the result borrows the entry, through which alone it can be replaced.
        let object = unsafe { self.core.raw(self.at).object_word(T::KIND) }?.cast::<T>();
        // SAFETY: the word holds a `T` by its kind.
        let now = unsafe { object.as_ref() };
        let (before, expired) = (now.memory(), now.next_expiry().is_some());
        Some(ObjectMut { core: self.core, at: self.at, object, before, expired, entry: PhantomData })
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

    /// Removes the key and frees it, or has it freed ([`Keyspace::on_replaced`](crate::Keyspace::on_replaced)).
    pub fn remove(self) {
        self.core.delete(self.hash, self.at);
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

    /// Inserts the key with an object.
    pub fn insert_object(
        self,
        object: impl Into<Object>,
        expire_at: Option<i64>,
        access: u32,
    ) -> OccupiedEntry<'a> {
        let record = RawRecord::with_object(self.key, object.into(), expire_at, access);
        let at = self.core.insert_record(self.hash, record);
        OccupiedEntry::new(self.core, self.hash, at)
    }

    /// Inserts a record that has this key.
    ///
    /// # Panics
    /// When it has another one.
    pub fn insert_record(self, record: OwnedRecord) -> OccupiedEntry<'a> {
        assert!(record.record().key() == self.key, "a record is stored under its own key");
        let at = self.core.insert_record(self.hash, record.into_raw());
        OccupiedEntry::new(self.core, self.hash, at)
    }

    /// Inserts the key.
    pub fn insert(self, value: Value<'_>, expire_at: Option<i64>, access: u32) -> OccupiedEntry<'a> {
        let at = self.core.insert(self.hash, self.key, value, expire_at, access);
        OccupiedEntry::new(self.core, self.hash, at)
    }
}

/// An object that is being changed; when dropped, the database's figures follow.
pub struct ObjectMut<'e, T: Composite> {
    core: Core<'e>,
    at: Location,
    object: NonNull<T>,
    /// The object's memory before the change.
    before: usize,
    /// Whether elements expired before the change.
    expired: bool,
    entry: PhantomData<&'e mut T>,
}

impl<T: Composite> Deref for ObjectMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the object lives in its record, which stays where it is while the entry is borrowed.
        unsafe { self.object.as_ref() }
    }
}

impl<T: Composite> DerefMut for ObjectMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for deref; the entry is borrowed mutably.
        unsafe { self.object.as_mut() }
    }
}

impl<T: Composite> Drop for ObjectMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.core.count_memory(self.before, self.memory());
        let expires = self.next_expiry().is_some();
        if expires != self.expired {
            self.core.mark_expiring(self.at, expires);
        }
    }
}
