//! The keys as a handler sees them: only in shards that are locked for the command, with expired ones gone,
//! lookups counted and changes reported to watchers.

use super::access::AccessClock;
use super::blocking::Ready;
use super::budget::{self, Budget};
use super::error::{Again, Error};
use super::events::EventClass;
use super::held::Held;
use super::news::News;
use super::watch::ShardExtension;
use crate::observability::stats::ThreadStats;
use boxcar_store::{Ahead, Db, Entry, Keyspace, Kind, Object, OwnedRecord, Place, Record, ShardGuard, Value};
use std::cell::Cell;
use std::collections::VecDeque;

/// The keyspace with the server's per-shard extension.
pub type ServerKeyspace = Keyspace<ShardExtension>;
/// A locked shard of it.
pub type Shard<'k> = ShardGuard<'k, ShardExtension>;

/// Keys of one command that are prefetched together: as many as a core can have cache misses under way.
const PREFETCHED_TOGETHER: usize = 16;
/// Keys of one command that are prefetched: what they bring has to stay in the second-level cache until it is used.
const PREFETCHED_MAX: usize = 1024;

/// See the module's text. One lives as long as a batch is executed; the locks it holds change with the
/// commands.
pub struct Keys<'k> {
    keyspace: &'k ServerKeyspace,
    held: Held<'k>,
    /// Changed keys that clients wait for, in the order of the changes.
    ready: VecDeque<Ready>,
    /// The selected database.
    pub db: usize,
    /// Unix milliseconds: one reading for the whole batch, so that a command sees time stand still.
    pub now_ms: i64,
    stats: &'k ThreadStats,
    /// Address and place of the key that was hashed ahead of execution.
    hashed: (*const u8, usize, Place),
    /// The same of all keys of a command with several, in the order of its key specs.
    planned: Vec<(*const u8, usize, Place)>,
    /// Which of the planned keys will probably be asked for next.
    next_planned: Cell<usize>,
    /// Whether reads leave the access clock alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// How uses of keys are remembered.
    pub access: AccessClock,
    /// What others are to be told.
    pub news: News,
}

impl<'k> Keys<'k> {
    /// Nothing locked yet.
    pub fn new(keyspace: &'k ServerKeyspace, stats: &'k ThreadStats, now_ms: i64) -> Self {
        Self {
            keyspace,
            held: Held::default(),
            ready: VecDeque::new(),
            db: 0,
            now_ms,
            stats,
            hashed: (std::ptr::null(), 0, Place { hash: 0, shard: 0 }),
            planned: Vec::new(),
            next_planned: Cell::new(0),
            no_touch: false,
            access: AccessClock::default(),
            news: News::default(),
        }
    }

    /// The keyspace itself, for lock-free questions (sizes) and for walking over it.
    pub fn keyspace(&self) -> &'k ServerKeyspace {
        self.keyspace
    }

    /// Remembers the place of a key that was hashed ahead, so that [`Keys::locate`] need not do it again. Its bytes, by whose
    /// address it is known, stay as they are for as long as this is used.
    #[inline]
    pub fn remember(&mut self, key: &[u8], place: Place) {
        self.hashed = (key.as_ptr(), key.len(), place);
    }

    /// Hashes a key of the command that is about to execute, and remembers its place.
    pub fn plan(&mut self, key: &[u8]) -> Place {
        let place = self.keyspace.locate(key);
        self.planned.push((key.as_ptr(), key.len(), place));
        place
    }

    /// Forgets the planned keys.
    pub fn forget_plan(&mut self) {
        self.planned.clear();
        self.next_planned.set(0);
    }

    /// Starts loading what the planned keys' lookups will touch.
    pub fn prefetch_planned(&self) {
        if self.planned.len() < 2 {
            return;
        }
        let epoch = self.keyspace.pin();
        for keys in self.planned[..self.planned.len().min(PREFETCHED_MAX)].chunks(PREFETCHED_TOGETHER) {
            let mut ahead = [Ahead::NOTHING; PREFETCHED_TOGETHER];
            for (ahead, (_, _, place)) in ahead.iter_mut().zip(keys) {
                *ahead = self.keyspace.prefetch_bucket(self.db, *place, &epoch);
            }
            ahead.iter().for_each(|ahead| ahead.prefetch_record());
        }
    }

    /// Where a key lives.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Place {
        let (address, len, place) = self.hashed;
        if std::ptr::eq(address, key.as_ptr()) && len == key.len() { place } else { self.locate_planned(key) }
    }

    /// Handlers mostly ask for keys in the order of the key specs, for some of them more than once, and some handlers
    /// start over.
    fn locate_planned(&self, key: &[u8]) -> Place {
        let next = self.next_planned.get();
        for at in [next, next.wrapping_sub(1), 0] {
            if let Some(&(address, len, place)) = self.planned.get(at)
                && std::ptr::eq(address, key.as_ptr())
                && len == key.len()
            {
                self.next_planned.set(at + 1);
                return place;
            }
        }
        self.keyspace.locate(key)
    }

    /// Whether exactly this shard is held.
    #[inline]
    pub fn holds_only(&self, shard: u32) -> bool {
        self.held.is_only(shard)
    }

    /// Adds a locked shard; ascending order is the caller's duty.
    #[inline]
    pub fn hold(&mut self, guard: Shard<'k>) {
        self.held.push(guard);
    }

    /// Unlocks everything.
    #[inline]
    pub fn release(&mut self) {
        assert!(
            self.ready.is_empty(),
            "clients that wait are served before anybody else can have what they wait for"
        );
        self.held.clear();
    }

    /// Counts by how much the held shards have grown, when there is a limit to keep.
    #[inline]
    pub fn count_growth(&mut self, budget: &Budget) {
        if budget.is_limited() {
            budget.owe(self.stats, self.held.iter_mut().map(budget::growth).sum());
        }
    }

    /// Whether a key was changed that clients wait for.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes the first key that was changed and that clients wait for.
    pub fn next_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Whether the key may be touched. It always may when a command is executed for the first time; when it is executed
    /// for a client that waits, this holds of keys in the shards that happen to be locked.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.holds_shard(self.locate(key).shard)
    }

    /// Whether the key may be touched, as [`Keys::holds`] says, and has a value of this kind.
    pub fn holds_kind(&mut self, key: &[u8], kind: Kind) -> bool {
        self.holds(key) && self.peek(key).is_some_and(|record| record.kind() == kind)
    }

    /// The shards that have to be locked, too, before a change in the locked ones: see [`super::blocking`].
    #[inline]
    pub fn links(&mut self) -> impl Iterator<Item = u32> {
        self.held.iter_mut().flat_map(|guard| guard.ext().links())
    }

    /// Whether this shard is locked.
    pub fn holds_shard(&self, shard: u32) -> bool {
        self.held.contains(shard)
    }

    /// The locked shard with this number.
    ///
    /// # Panics
    /// When it is not locked: the row's key specs and the handler disagree.
    #[inline]
    pub fn shard(&mut self, shard: u32) -> &mut Shard<'k> {
        self.held.get_mut(shard)
    }

    /// The selected database's part of a shard, and what the server keeps beside it.
    #[inline]
    fn parts(&mut self, shard: u32) -> (Db<'_>, &mut ShardExtension) {
        let db = self.db;
        self.shard(shard).db_and_ext(db)
    }

    /// The key's place in its database with one probe, without leaving traces but that a key whose time has come
    /// is removed first. Report a change with [`Keys::changed`] afterwards.
    #[inline]
    pub fn entry<'s, 'key>(&'s mut self, key: &'key [u8]) -> Entry<'s, 'key> {
        self.entry_at(self.locate(key), key)
    }

    /// [`Keys::entry`] of a key whose place is known.
    pub fn entry_at<'s, 'key>(&'s mut self, place: Place, key: &'key [u8]) -> Entry<'s, 'key> {
        self.probe(place, key)
    }

    /// [`Keys::entry_at`] as a part of its caller: a reader needs little of what it finds.
    #[inline(always)]
    fn probe<'s, 'key>(&'s mut self, place: Place, key: &'key [u8]) -> Entry<'s, 'key> {
        let Self { held, now_ms, stats, db: selected, news, ready, .. } = self;
        let shard = held.get_mut(place.shard);
        let (db, ext) = shard.db_and_ext(*selected);
        match db.into_entry(place.hash, key) {
            Entry::Occupied(entry) if is_due(entry.record(), *now_ms) => {
                stats.metrics.expired_keys.add(1);
                news.expired(ext, *selected, key);
                if ext.make_ready(*selected, key) {
                    ready.push_back(Ready { db: *selected, place, key: key.into() });
                }
                Entry::Vacant(entry.vacate(place.hash, key))
            }
            Entry::Vacant(entry) if news.is_attentive() => {
                news.missing(*selected, key);
                Entry::Vacant(entry)
            }
            entry => entry,
        }
    }

    /// The key's place, for a change that depends on what is there: an existing key's access clock is renewed.
    /// Report the change with [`Keys::changed`] afterwards.
    #[inline]
    pub fn write<'s, 'key>(&'s mut self, key: &'key [u8]) -> Entry<'s, 'key> {
        let (access, now_ms, touch) = (self.access, self.now_ms, !self.no_touch);
        let entry = self.entry(key);
        if let Entry::Occupied(occupied) = &entry
            && touch
        {
            touch_record(occupied.record(), access, now_ms);
        }
        entry
    }

    /// Looks a key up for reading: counts hit or miss and renews its access clock.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<Record<'_>> {
        let (access, now_ms, touch) = (self.access, self.now_ms, !self.no_touch);
        let record = self.inspect(key)?;
        if touch {
            touch_record(record, access, now_ms);
        }
        Some(record)
    }

    /// Looks a key up for questions about it (TTL, TYPE): counts hit or miss, leaves its access clock alone.
    #[inline(always)]
    pub fn inspect(&mut self, key: &[u8]) -> Option<Record<'_>> {
        if self.news.wants(EventClass::MISS) && !self.exists(key) {
            self.event(EventClass::MISS, "keymiss", key);
        }
        self.inspect_quietly(key)
    }

    /// [`Keys::inspect`] without the event of a missing key (OBJECT).
    #[inline(always)]
    pub fn inspect_quietly(&mut self, key: &[u8]) -> Option<Record<'_>> {
        let stats = self.stats;
        match self.probe(self.locate(key), key) {
            Entry::Occupied(entry) => {
                stats.metrics.keyspace_hits.add(1);
                Some(entry.into_record())
            }
            Entry::Vacant(_) => {
                stats.metrics.keyspace_misses.add(1);
                None
            }
        }
    }

    /// Looks a key up without leaving traces.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<Record<'_>> {
        match self.entry(key) {
            Entry::Occupied(entry) => Some(entry.into_record()),
            Entry::Vacant(_) => None,
        }
    }

    /// The record of a key, without leaving traces: for a command that reads several at once, after it looked each of
    /// them up.
    #[inline]
    pub fn view(&self, key: &[u8]) -> Option<Record<'_>> {
        self.stored(key).filter(|&record| !is_due(record, self.now_ms))
    }

    /// The record of a key as long as it takes memory, even if its time has come; leaves no traces.
    pub fn stored(&self, key: &[u8]) -> Option<Record<'_>> {
        let place = self.locate(key);
        self.held.get(place.shard).record(self.db, place.hash, key)
    }

    /// Whether the key exists; leaves no traces.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Sets a string, replacing whatever was there together with its expiry, and reports the change.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: Value<'_>, expire_at_ms: Option<i64>) {
        let place = self.locate(key);
        if self.news.is_attentive() {
            // Others may want to know that it had expired, or was not there.
            self.exists(key);
        }
        let clock = self.replaced_key_clock(key);
        let (mut db, ext) = self.parts(place.shard);
        // Nothing of it depends on the change, and now the shard is at hand.
        let observed = ext.is_observed();
        db.set(place.hash, key, value, expire_at_ms, clock);
        self.counted();
        if observed | self.news.is_attentive() {
            self.tell(place, key);
        }
    }

    /// Sets an object, replacing whatever was there together with its expiry, and reports the change.
    pub fn set_object(&mut self, key: &[u8], object: impl Into<Object>) {
        let clock = self.replaced_key_clock(key);
        match self.entry(key) {
            Entry::Occupied(mut entry) => entry.set_object(object, None, clock),
            Entry::Vacant(entry) => {
                entry.insert_object(object, None, clock);
            }
        }
        self.changed(key);
    }

    /// Takes a key out; `None` when it is missing. Reports the change.
    pub fn take(&mut self, key: &[u8]) -> Option<OwnedRecord> {
        let place = self.locate(key);
        let Entry::Occupied(entry) = self.entry_at(place, key) else { return None };
        let record = entry.take();
        self.changed_at(place, key);
        Some(record)
    }

    /// Removes a key and has it freed; false when it is missing. Reports the change.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let place = self.locate(key);
        let Entry::Occupied(entry) = self.entry_at(place, key) else { return false };
        entry.remove();
        self.changed_at(place, key);
        true
    }

    /// A key of the selected database was changed: counts it and tells its watchers.
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        self.changed_at(self.locate(key), key);
    }

    /// [`Keys::changed`] for a key whose place is known.
    #[inline]
    pub fn changed_at(&mut self, place: Place, key: &[u8]) {
        self.stats.metrics.changes.add(1);
        self.touched_at(place, key);
    }

    /// Something was changed that nobody who watches a key would call a change.
    #[inline]
    pub fn counted(&mut self) {
        self.stats.metrics.changes.add(1);
    }

    /// Tells the watchers of a key of the selected database, for a change that is counted already.
    #[inline]
    pub fn touched(&mut self, key: &[u8]) {
        self.touched_at(self.locate(key), key);
    }

    #[inline]
    fn touched_at(&mut self, place: Place, key: &[u8]) {
        if self.shard(place.shard).ext().is_observed() | self.news.is_attentive() {
            self.tell(place, key);
        }
    }

    /// Tells whom it concerns that a key of the selected database has changed.
    #[cold]
    fn tell(&mut self, place: Place, key: &[u8]) {
        let Self { held, db, news, .. } = self;
        let shard = held.get_mut(place.shard);
        news.changed(shard.ext(), *db, key);
        self.make_ready(place, key);
        if self.news.was_missing(self.db, key) && self.exists(key) {
            self.event(EventClass::NEW, "new", key);
        }
    }

    /// Clients that wait for a key of the selected database are served after the command.
    pub fn make_ready(&mut self, place: Place, key: &[u8]) {
        let db = self.db;
        if self.shard(place.shard).ext().make_ready(db, key) {
            self.ready.push_back(Ready { db, place, key: key.into() });
        }
    }

    /// Forgets keys that clients have in their caches, of the held shards, until there are no more than `max` in all.
    pub fn evict_tracked(&mut self, max: usize) {
        let cause = self.news.came_across();
        for shard in self.held.iter_mut() {
            if let Some(concerned) = shard.ext().concerned() {
                self.news.mailed_self |= concerned.tracked.evict(max, cause);
            }
        }
    }

    /// Says what happened to a key of the selected database, where and as Redis does
    /// (<https://redis.io/docs/latest/develop/use/keyspace-notifications/>).
    #[inline]
    pub fn event(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        if self.news.wants(class) {
            self.news.event(class, name, self.db, key);
        }
    }

    /// Runs `step` with another database selected.
    pub fn in_db<T>(&mut self, db: usize, step: impl FnOnce(&mut Self) -> T) -> T {
        let selected = std::mem::replace(&mut self.db, db);
        let result = step(self);
        self.db = selected;
        result
    }

    /// Runs `step` on one shard: the held one inside a transaction that locks everything, else with the lock
    /// taken just for this step. For commands whose row says `Locks::Steps`.
    ///
    /// # Errors
    /// [`Error::Again`] when another thread holds the shard.
    pub fn step<T>(&mut self, shard: u32, step: impl FnOnce(&mut Shard<'k>) -> T) -> Result<T, Error> {
        if !self.held.is_empty() {
            return Ok(step(self.shard(shard)));
        }
        match self.keyspace.lock_bounded(shard) {
            Some(mut guard) => Ok(step(&mut guard)),
            None => Err(Error::Again(Again::WhenFree(shard))),
        }
    }

    /// The access clock of a key that is made now.
    #[inline]
    pub fn access_clock(&self) -> u32 {
        self.access.new_key(self.now_ms)
    }

    /// The access clock of a key that is replaced now: when its uses are counted, it keeps its count.
    #[inline]
    fn replaced_key_clock(&mut self, key: &[u8]) -> u32 {
        let (access, now_ms) = (self.access, self.now_ms);
        match access {
            AccessClock::Recency => access.new_key(now_ms),
            AccessClock::Frequency { .. } => match self.peek(key) {
                Some(record) => access.used(record.access(), now_ms),
                None => access.new_key(now_ms),
            },
        }
    }
}

/// Renews a record's access clock; mostly it is up to date, and then its cache line stays clean.
#[inline]
fn touch_record(record: Record<'_>, access: AccessClock, now_ms: i64) {
    let clock = access.used(record.access(), now_ms);
    if record.access() != clock {
        record.set_access(clock);
    }
}

/// Whether a record's time has come: it lives through the whole millisecond that its expiry names, as in Redis.
#[inline]
pub fn is_due(record: Record<'_>, now_ms: i64) -> bool {
    record.expire_at().is_some_and(|at| at < now_ms)
}
