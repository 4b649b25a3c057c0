//! One database's part of one locked shard: lookups, changes, scans and expiry.

use smallvec::SmallVec;

use crate::entry::{Entry, OccupiedEntry, VacantEntry};
use crate::hash_map::Hash;
use crate::object::{Composite, ObjectRef};
use crate::record::{OwnedRecord, RawRecord, Record};
use crate::root::{Context, Expires, Root};
use crate::table::{CURSOR_BITS, Found, Location, Table};
use crate::value::Value;

/// Bits of a [`Db::scan`] cursor. The rest of a 64-bit `SCAN` cursor is free for the shard.
pub const SCAN_CURSOR_BITS: u32 = CURSOR_BITS;

/// Access to a database while the lock of its shard is held. Copies stay inside the borrow of the guard.
#[derive(Clone, Copy)]
pub(crate) struct Core<'a> {
    root: &'a Root,
    pub(crate) context: &'a Context,
}

impl<'a> Core<'a> {
    /// # Safety
    /// The shard's lock is held during `'a`, and all access during `'a` goes through this value or its copies, one
    /// at a time.
    pub(crate) unsafe fn new(root: &'a Root, context: &'a Context) -> Self {
        Self { root, context }
    }

    pub(crate) fn table(&self) -> &'a Table {
        &self.root.table
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<Location> {
        // SAFETY: the lock is held, see `new`.
        unsafe { self.table().find(hash, key) }
    }

    #[inline]
    pub(crate) fn raw(&self, at: Location) -> RawRecord {
        // SAFETY: the lock is held, see `new`; callers keep no location across a change.
        unsafe { self.table().record(at) }
    }

    /// The record at `at`, for as long as nothing changes it.
    #[inline]
    pub(crate) fn record(&self, at: Location) -> Record<'a> {
        // SAFETY: the record is alive and the lock is held; callers bound the lifetime by a borrow of the database.
        unsafe { Record::new(self.raw(at)) }
    }

    pub(crate) fn insert(
        &self,
        hash: u64,
        key: &[u8],
        value: Value<'_>,
        expiry: Option<i64>,
        access: u32,
    ) -> Location {
        self.insert_record(hash, RawRecord::new(key, value, expiry, access, self.context.inline_limit()))
    }

    /// Inserts a record that nobody else owns, whose key is not there.
    #[inline]
    pub(crate) fn insert_record(&self, hash: u64, record: RawRecord) -> Location {
        // SAFETY: the record is alive, its key was not found, and the lock is held.
        unsafe {
            self.root.count_in(record);
            self.table().insert(hash, record, &self.context.hasher)
        }
    }

    /// Replaces the record at `at` by one that nobody else owns and that has the same key.
    pub(crate) fn replace_record(&self, at: Location, record: RawRecord) {
        // SAFETY: the lock is held; callers hold the database mutably, so that nothing of it is borrowed.
        unsafe { self.swap_in(at, record) };
    }

    /// The memory of an object of this database changed.
    pub(crate) fn count_memory(&self, before: usize, after: usize) {
        self.root.count_memory(before, after);
    }

    /// Elements of the object at `at` began or ceased to expire.
    #[cold]
    pub(crate) fn mark_expiring(&self, at: Location, expiring: bool) {
        self.root.count_expiring_object(expiring);
        // SAFETY: the lock is held, see `new`; the record stays, but its slot says whether it may expire.
        unsafe { self.table().replace(at, self.raw(at)) };
    }

    pub(crate) fn set_value(&self, at: Location, value: Value<'_>) {
        let old = self.raw(at);
        let limit = self.context.inline_limit();
        // SAFETY: the record is alive; callers hold the database mutably, so that nothing of it is borrowed. A
        // change in place keeps the record's memory and expiry, so the figures stay.
        unsafe {
            if old.overwrite(value, limit) {
                return;
            }
            self.swap_in(at, RawRecord::new(old.key(), value, old.expiry(), old.access(), limit));
        }
    }

    pub(crate) fn set_expire(&self, at: Location, expiry: Option<i64>) {
        let record = self.raw(at);
        // SAFETY: as in set_value.
        unsafe {
            if record.expiry() == expiry {
                return;
            }
            self.root.count_contents_out(record);
            let in_place = expiry.is_some_and(|at_ms| record.overwrite_expiry(at_ms));
            let now = if in_place { record } else { record.rebuild(record.key(), expiry) };
            self.root.count_contents_in(now);
            self.table().replace(at, now);
        }
    }

    /// Replaces value, expiry and access of an existing record.
    pub(crate) fn set(&self, at: Location, value: Value<'_>, expiry: Option<i64>, access: u32) {
        let old = self.raw(at);
        let limit = self.context.inline_limit();
        // SAFETY: as in set_value.
        unsafe {
            if old.expiry() == expiry && old.overwrite(value, limit) {
                old.set_access(access);
                return;
            }
            self.swap_in(at, RawRecord::new(old.key(), value, expiry, access, limit));
        }
    }

    /// Puts `new` in the place of the record at `at`, which goes.
    ///
    /// # Safety
    /// The lock is held, nothing of the old record is borrowed, and `new` has the same key.
    unsafe fn swap_in(&self, at: Location, new: RawRecord) {
        let old = self.raw(at);
        // SAFETY: both records are alive; the old one is out of the table before it is freed.
        unsafe {
            let own_memory = self.root.count_contents_out(old);
            self.root.count_contents_in(new);
            self.table().replace(at, new);
            self.context.discard(old, own_memory);
        }
    }

    pub(crate) fn resize(&self, at: Location, len: usize) -> &'a mut [u8] {
        let record = self.raw(at);
        // SAFETY: as in set_value; the result is bounded by the caller's mutable borrow.
        unsafe {
            self.root.count_contents_out(record);
            let now = record.resize(len, self.context.inline_limit());
            self.root.count_contents_in(now);
            self.table().replace(at, now);
            now.bytes_mut()
        }
    }

    /// Takes the record at `at` out, whose hash this is.
    pub(crate) fn remove(&self, hash: u64, at: Location) -> OwnedRecord {
        // SAFETY: the lock is held; the record is alive and taken out of the table, its only owner.
        unsafe {
            let record = self.table().remove(hash, at, self.root.len());
            self.root.count_out(record);
            OwnedRecord::new(record)
        }
    }

    /// Takes the record at `at` out, whose hash this is, and frees it, or has it freed.
    #[inline]
    pub(crate) fn delete(&self, hash: u64, at: Location) {
        // SAFETY: as for `remove`.
        unsafe {
            let record = self.table().remove(hash, at, self.root.len());
            let own_memory = self.root.count_out(record);
            self.context.discard(record, own_memory);
        }
    }
}

/// One database's part of one locked shard.
pub struct Db<'a> {
    pub(crate) core: Core<'a>,
}

impl<'a> Db<'a> {
    pub(crate) fn new(core: Core<'a>) -> Self {
        Self { core }
    }

    /// Number of keys, expired ones that were not removed yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.root.len()
    }

    /// Number of keys that the table has room for as it is.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.core.table().slots()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have an expiry, and its mean.
    #[must_use]
    pub fn expires(&self) -> Expires {
        self.core.root.expires()
    }

    /// Number of keys that have an expiry.
    #[must_use]
    pub fn expires_len(&self) -> usize {
        self.expires().count
    }

    /// Bytes of memory that records and table take here.
    #[must_use]
    pub fn used_memory(&self) -> usize {
        self.core.root.memory()
    }

    /// The record of `key`, expired or not.
    #[must_use]
    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<Record<'_>> {
        self.core.find(hash, key).map(|at| self.core.record(at))
    }

    /// The place of `key`, for reading, changing, inserting or removing with one probe.
    #[inline]
    pub fn entry<'e, 'k>(&'e mut self, hash: u64, key: &'k [u8]) -> Entry<'e, 'k> {
        match self.core.find(hash, key) {
            Some(at) => Entry::Occupied(OccupiedEntry::new(self.core, hash, at)),
            None => Entry::Vacant(VacantEntry::new(self.core, hash, key)),
        }
    }

    /// Like [`Db::entry`], for a result that outlives this handle: what it lends lives as long as the shard's
    /// guard is borrowed. A part of its caller, for which little is left of it when it only reads.
    #[inline(always)]
    pub fn into_entry<'k>(self, hash: u64, key: &'k [u8]) -> Entry<'a, 'k> {
        match self.core.find(hash, key) {
            Some(at) => Entry::Occupied(OccupiedEntry::new(self.core, hash, at)),
            None => Entry::Vacant(VacantEntry::new(self.core, hash, key)),
        }
    }

    /// Inserts or replaces: value, expiry (Unix milliseconds) and access clock are all the new ones. True when the
    /// key was there before.
    #[inline]
    pub fn set(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Value<'_>,
        expire_at: Option<i64>,
        access: u32,
    ) -> bool {
        let found = self.core.find(hash, key);
        match found {
            Some(at) => self.core.set(at, value, expire_at, access),
            None => {
                self.core.insert(hash, key, value, expire_at, access);
            }
        }
        found.is_some()
    }

    /// Removes `key` and frees it, or has it freed ([`Keyspace::on_replaced`](crate::Keyspace::on_replaced)). False when
    /// it was not there.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> bool {
        let Some(at) = self.core.find(hash, key) else { return false };
        self.core.delete(hash, at);
        true
    }

    /// Takes `key` out, to be dropped elsewhere.
    pub fn take(&mut self, hash: u64, key: &[u8]) -> Option<OwnedRecord> {
        self.core.find(hash, key).map(|at| self.core.remove(hash, at))
    }

    /// Visits records in the order of their hashes from `cursor` on, at least `count` of them as long as there are
    /// any, and returns the cursor that goes on, zero at the end.
    ///
    /// A cursor is a position in the space of hashes ([`SCAN_CURSOR_BITS`] bits) and means the same whatever happens
    /// to the table. Every record that is there during the whole of a scan is visited, and exactly once. Any value
    /// is accepted as a cursor; bits beyond the lowest [`SCAN_CURSOR_BITS`] are ignored.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(Record<'_>)) -> u64 {
        let mut position = cursor & ((1 << SCAN_CURSOR_BITS) - 1);
        let mut visited = 0;
        loop {
            // SAFETY: the lock is held, see Core; the records are alive during the call.
            position = unsafe {
                self.core.table().walk_bucket(position, &self.core.context.hasher, &mut |found| {
                    visited += 1;
                    visit(Record::new(found.record));
                })
            };
            if position == 0 || visited >= count {
                return position;
            }
        }
    }

    /// A record that `rng`, 64 random bits, decides on; every record has nearly the same chance.
    #[must_use]
    pub fn random(&self, rng: u64) -> Option<Record<'_>> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: the lock is held; the record is alive as long as the database is borrowed.
        unsafe { self.core.table().random(rng).map(|record| Record::new(record)) }
    }

    /// One bounded step of the active expiry cycle: goes on where the last step ended, looks at `max_records` records
    /// with an expiry or passes as many buckets (a few more, as it does not stop inside one), and removes those whose
    /// expiry is before `now_ms`, and fields of hashes likewise: `on_expired` learns of each record, and gets those
    /// that are gone, to be dropped when the lock is released.
    pub fn expire_step(
        &mut self,
        now_ms: i64,
        max_records: usize,
        on_expired: &mut dyn FnMut(Expired<'_>),
    ) -> ExpireStep {
        let mut step = ExpireStep::default();
        if !self.expires().any() {
            step.wrapped = true;
            return step;
        }
        let hasher = &self.core.context.hasher;
        let mut position = self.core.root.expiry_cursor();
        let mut buckets = 0;
        loop {
            let gathered_from = position;
            let mut candidates = SmallVec::<[RawRecord; EXPIRY_LOOKAHEAD]>::new();
            while candidates.len() < EXPIRY_LOOKAHEAD / 2 && !step.wrapped && buckets < max_records.max(1) {
                let mut gather =
                    |found: Found<RawRecord>| candidates.extend(found.volatile.then_some(found.record));
                // SAFETY: the lock is held, see Core.
                position = unsafe { self.core.table().walk_bucket(position, hasher, &mut gather) };
                buckets += 1;
                step.wrapped = position == 0;
            }
            step.checked += candidates.len();
            for record in candidates {
                // SAFETY: the record is in the table, which alone frees it, until it is removed here.
                let record = unsafe { Record::new(record) };
                let is_due = record.expire_at().is_some_and(|at| at < now_ms);
                let elements = record.any_object().and_then(ObjectRef::next_expiry);
                if !is_due && elements.is_none_or(|at| at >= now_ms) {
                    continue;
                }
                let hash = hasher.hash(record.key());
                let at = self.core.find(hash, record.key()).expect("a due record is there until removed");
                let entry = OccupiedEntry::new(self.core, hash, at);
                if is_due {
                    on_expired(Expired::Key(entry.take()));
                    step.expired += 1;
                } else {
                    expire_fields(entry, now_ms, &mut step, on_expired);
                }
            }
            if step.fields_left {
                // The next step goes on with the same hash.
                step.wrapped = false;
                self.core.root.set_expiry_cursor(gathered_from);
                return step;
            }
            if step.wrapped || step.checked >= max_records || buckets >= max_records {
                self.core.root.set_expiry_cursor(position);
                return step;
            }
        }
    }
}

/// Removes some of the expired fields of a hash, and the hash if none are left.
fn expire_fields(
    mut entry: OccupiedEntry<'_>,
    now_ms: i64,
    step: &mut ExpireStep,
    on_expired: &mut dyn FnMut(Expired<'_>),
) {
    let mut budget = EXPIRY_FIELDS;
    let Some(mut hash) = entry.object_mut::<Hash>() else { return };
    let before = hash.len();
    let more = hash.expire_step(now_ms, &mut budget, &mut |_| {});
    let (expired, is_empty) = (before - hash.len(), hash.is_empty());
    drop(hash);
    step.checked += EXPIRY_FIELDS - budget;
    step.expired_fields += expired;
    step.fields_left |= more;
    if is_empty {
        on_expired(Expired::LastFields(entry.take()));
    } else if expired > 0 {
        on_expired(Expired::Fields(entry.record()));
    }
}

/// Fields or their buckets that a step looks at in one hash.
const EXPIRY_FIELDS: usize = 64;

/// What expired.
pub enum Expired<'a> {
    /// A key.
    Key(OwnedRecord),
    /// Fields of a hash that has others.
    Fields(Record<'a>),
    /// The last fields of a hash, and the key with them.
    LastFields(OwnedRecord),
}

/// Records that the expiry cycle collects before it looks at them, so that their cache misses overlap.
const EXPIRY_LOOKAHEAD: usize = 32;

/// What one step of the active expiry cycle did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireStep {
    /// Records looked at.
    pub checked: usize,
    /// Records removed because of their own expiry.
    pub expired: usize,
    /// Fields of hashes removed.
    pub expired_fields: usize,
    /// A hash still has expired fields: the next step goes on with it.
    pub fields_left: bool,
    /// The step reached the end; the next one starts again.
    pub wrapped: bool,
}

/// A database's part of one shard that was taken out of the keyspace. Dropping it frees its records, on any thread.
pub struct DetachedDb {
    root: Box<Root>,
}

// SAFETY: nobody else refers to the root, and the records it owns are Send.
unsafe impl Send for DetachedDb {}

impl DetachedDb {
    /// Takes the contents of `root`, leaving it empty.
    ///
    /// # Safety
    /// The shard's lock is held and nothing of the database is borrowed.
    pub(crate) unsafe fn take(root: &Root) -> Self {
        let detached = Self { root: Box::default() };
        // SAFETY: as the caller vouches; the new root is this function's own.
        unsafe { Root::swap(root, &detached.root) };
        detached
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that dropping it gives back.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.root.memory()
    }
}

impl Drop for DetachedDb {
    fn drop(&mut self) {
        // Threads that prefetch may still be looking at the buckets that this database had in the keyspace.
        let guard = crossbeam_epoch::pin();
        // SAFETY: this is the only owner; the table gives up each record.
        unsafe { self.root.table.drain(Some(&guard), &mut |record| record.free()) };
    }
}
