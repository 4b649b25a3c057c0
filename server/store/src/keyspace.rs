//! The keyspace: shards, each a lock and its part of every database.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;

use crate::db::{Core, Db, DetachedDb};
use crate::hash::{KeyHasher, SHARD_BITS, tag_of};
use crate::lock::{LockCounters, LockWord, WaitList, Wake};
use crate::record::{OwnedRecord, Record};
use crate::root::{Context, Expires, Root};
use crate::table::Ahead;

/// Largest number of shards.
pub const MAX_SHARDS: usize = 1 << SHARD_BITS;

/// Default of [`KeyspaceOptions::inline_limit`]: sending a value without copying it pays from about here on.
pub const DEFAULT_INLINE_LIMIT: usize = 16 * 1024;

/// How a keyspace is made.
#[derive(Clone, Copy, Debug)]
pub struct KeyspaceOptions {
    /// Number of shards: a power of two, at most [`MAX_SHARDS`].
    pub shards: usize,
    /// Number of databases, at least one.
    pub databases: usize,
    /// Seed of the key hash; random, unless a test wants to repeat itself.
    pub seed: u64,
    /// Longest string in bytes that is kept inside its record (at most 65,535); longer ones are shared [`Blob`]s.
    ///
    /// [`Blob`]: crate::Blob
    pub inline_limit: usize,
}

impl Default for KeyspaceOptions {
    fn default() -> Self {
        Self { shards: 1024, databases: 16, seed: 0, inline_limit: DEFAULT_INLINE_LIMIT }
    }
}

/// Where a key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Hash of the whole key.
    pub hash: u64,
    /// Shard of the key's hash tag, or of the whole key when it has none.
    pub shard: u32,
}

/// The first cache line is what a command on database 0 needs: the lock, the entry of the table, the figures.
#[repr(C)]
struct Shard<E> {
    lock: LockWord,
    first: Root,
    /// The other databases: null until the first command uses one; then its root stays.
    others: Box<[AtomicPtr<Root>]>,
    waiters: WaitList,
    ext: UnsafeCell<E>,
}

impl<E> Shard<E> {
    fn new(databases: usize, ext: E) -> Self {
        Self {
            lock: LockWord::default(),
            first: Root::default(),
            others: (1..databases).map(|_| AtomicPtr::default()).collect(),
            waiters: WaitList::default(),
            ext: UnsafeCell::new(ext),
        }
    }

    /// A database's root, if it was ever used.
    #[inline]
    fn used_root(&self, db: usize) -> Option<&Root> {
        if db == 0 {
            return Some(&self.first);
        }
        // SAFETY: a root that is there stays until the shard is dropped; Acquire finds it initialised.
        unsafe { self.others[db - 1].load(Ordering::Acquire).as_ref() }
    }

    /// A database's root, made if need be. For the holder of the lock.
    #[inline]
    fn root(&self, db: usize) -> &Root {
        self.used_root(db).unwrap_or_else(|| self.make_root(db))
    }

    #[cold]
    fn make_root(&self, db: usize) -> &Root {
        let root = Box::into_raw(Box::<Root>::default());
        self.others[db - 1].store(root, Ordering::Release);
        // SAFETY: the root was just made, and stays until the shard is dropped.
        unsafe { &*root }
    }

    fn used_roots(&self) -> impl Iterator<Item = &Root> {
        (0..=self.others.len()).filter_map(|db| self.used_root(db))
    }
}

impl<E> Drop for Shard<E> {
    fn drop(&mut self) {
        for root in &mut self.others {
            if !root.get_mut().is_null() {
                // SAFETY: the pointer came from Box::into_raw, and nobody uses the shard any more.
                drop(unsafe { Box::from_raw(*root.get_mut()) });
            }
        }
    }
}

/// All databases, divided into shards. `E` is the owner's own state in each shard, under the shard's lock.
pub struct Keyspace<E> {
    shards: Box<[CachePadded<Shard<E>>]>,
    context: Context,
    databases: usize,
}

// SAFETY: what a shard's cells hold is only touched by the holder of its lock; records may be freed by any thread.
unsafe impl<E: Send> Send for Keyspace<E> {}
// SAFETY: as for Send; `E` is handed from thread to thread with the lock, never shared.
unsafe impl<E: Send> Sync for Keyspace<E> {}

impl<E> Keyspace<E> {
    /// An empty keyspace; `make_ext` is called with each shard's number.
    ///
    /// # Panics
    /// When the options are out of their ranges.
    pub fn new(options: KeyspaceOptions, mut make_ext: impl FnMut(usize) -> E) -> Self {
        let KeyspaceOptions { shards, databases, seed, inline_limit } = options;
        assert!(
            shards.is_power_of_two() && shards <= MAX_SHARDS,
            "shards: a power of two up to {MAX_SHARDS}"
        );
        assert!(databases > 0, "there is at least one database");
        let shard = |index| CachePadded::new(Shard::new(databases, make_ext(index)));
        Self {
            shards: (0..shards).map(shard).collect(),
            context: Context {
                hasher: KeyHasher::new(seed),
                inline_limit: AtomicUsize::new(inline_limit),
                on_replaced: OnceLock::new(),
            },
            databases,
        }
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Number of databases.
    #[must_use]
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Changes [`KeyspaceOptions::inline_limit`] for values stored from now on.
    pub fn set_inline_limit(&self, limit: usize) {
        self.context.set_inline_limit(limit);
    }

    /// Registers, once and for all, who gets the records that are replaced by others, or removed, and free slowly
    /// ([`Record::frees_slowly`](crate::Record::frees_slowly)), while the shard is locked.
    ///
    /// # Panics
    /// When somebody is registered already.
    pub fn on_replaced(&self, free: impl Fn(OwnedRecord) + Send + Sync + 'static) {
        assert!(self.context.on_replaced.set(Box::new(free)).is_ok(), "one frees what is replaced");
    }

    /// The place of `key`.
    #[inline(always)]
    pub fn locate(&self, key: &[u8]) -> Place {
        let hash = self.context.hasher.hash(key);
        let shard_hash = tag_of(key).map_or(hash, |tag| self.context.hasher.hash(tag));
        Place { hash, shard: (shard_hash as usize & (self.shards.len() - 1)) as u32 }
    }

    /// Keeps the memory that prefetches look at from being freed. Taken once for a batch; holding it long delays
    /// the freeing of replaced table segments.
    #[must_use]
    pub fn pin(&self) -> Guard {
        crossbeam_epoch::pin()
    }

    /// Starts loading the bucket of a key. Needs no lock; a hint, without effect on the result of anything. What it
    /// returns, once the bucket has had time to arrive, starts loading the record.
    #[inline]
    pub fn prefetch_bucket<'g>(&self, db: usize, place: Place, guard: &'g Guard) -> Ahead<'g> {
        self.shard(place.shard)
            .used_root(db)
            .map_or(Ahead::NOTHING, |root| root.table.prefetch_bucket(place.hash, guard))
    }

    /// Locks a shard if it is free now.
    #[inline]
    pub fn try_lock(&self, shard: u32) -> Option<ShardGuard<'_, E>> {
        self.shard(shard).lock.try_lock().then(|| self.guard(shard))
    }

    /// Locks a shard, spinning for a few microseconds at most.
    #[inline]
    pub fn lock_bounded(&self, shard: u32) -> Option<ShardGuard<'_, E>> {
        let home = self.shard(shard);
        home.lock.lock_bounded(&home.waiters).then(|| self.guard(shard))
    }

    /// Locks a shard, however long it takes: for threads that serve nobody meanwhile.
    pub fn lock(&self, shard: u32) -> ShardGuard<'_, E> {
        let home = self.shard(shard);
        home.lock.lock(&home.waiters);
        self.guard(shard)
    }

    /// Leaves a waiter with the present holder of a shard's lock. True: `waiter.wake(token)` will be called once,
    /// when the lock is released. False: the lock has become free meanwhile, try again.
    #[must_use]
    pub fn park(&self, shard: u32, waiter: Arc<dyn Wake>, token: u64) -> bool {
        let home = self.shard(shard);
        home.lock.park(&home.waiters, waiter, token)
    }

    /// Number of keys of a database, expired ones that were not removed yet included. Takes no lock: while other
    /// threads write, this is a sum of the shards at slightly different times.
    #[must_use]
    pub fn len(&self, db: usize) -> usize {
        self.shards.iter().filter_map(|shard| shard.used_root(db)).map(Root::len).sum()
    }

    /// Expiry figures of a database; as exact as [`Keyspace::len`].
    #[must_use]
    pub fn expires(&self, db: usize) -> Expires {
        let mut sum = Expires::default();
        self.shards.iter().filter_map(|shard| shard.used_root(db)).for_each(|root| sum.add(root.expires()));
        sum
    }

    /// Number of keys of a database that have an expiry.
    #[must_use]
    pub fn expires_len(&self, db: usize) -> usize {
        self.expires(db).count
    }

    /// Bytes that the records and tables of all databases take; as exact as [`Keyspace::len`].
    #[must_use]
    pub fn used_memory(&self) -> usize {
        self.shards.iter().flat_map(|shard| shard.used_roots()).map(Root::memory).sum()
    }

    /// Number of keys in a database's part of a shard, and how many of them have an expiry. Takes no lock: the two may
    /// be of slightly different times.
    #[must_use]
    pub fn len_in(&self, shard: u32, db: usize) -> (usize, usize) {
        self.shard(shard).used_root(db).map_or((0, 0), |root| (root.len(), root.expires().count))
    }

    /// Whether keys or fields of hashes in a database's part of a shard expire. Takes no lock.
    #[must_use]
    pub fn may_expire_in(&self, shard: u32, db: usize) -> bool {
        self.shard(shard).used_root(db).is_some_and(|root| root.expires().any())
    }

    /// How often locks were contended.
    #[must_use]
    pub fn lock_counters(&self) -> LockCounters {
        self.shards.iter().map(|shard| shard.waiters.counters()).fold(LockCounters::default(), |sum, one| {
            LockCounters { spun: sum.spun + one.spun, parked: sum.parked + one.parked }
        })
    }

    #[inline]
    fn shard(&self, shard: u32) -> &Shard<E> {
        &self.shards[shard as usize]
    }

    /// The guard of a lock that was just taken.
    #[inline]
    fn guard(&self, index: u32) -> ShardGuard<'_, E> {
        ShardGuard { keyspace: self, shard: self.shard(index), index, thread: PhantomData }
    }
}

/// A locked shard; dropping it releases the lock.
pub struct ShardGuard<'a, E> {
    keyspace: &'a Keyspace<E>,
    shard: &'a Shard<E>,
    index: u32,
    /// The cells of a shard are used through shared references, by one thread.
    thread: PhantomData<*mut ()>,
}

impl<E> ShardGuard<'_, E> {
    /// The shard's number.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.index
    }

    /// A database's part of this shard.
    #[inline]
    pub fn db(&mut self, db: usize) -> Db<'_> {
        // SAFETY: the lock is held, and the result borrows the guard mutably.
        Db::new(unsafe { Core::new(self.shard.root(db), &self.keyspace.context) })
    }

    /// The record of `key` in a database, expired or not: several may be read at once.
    #[must_use]
    #[inline]
    pub fn record(&self, db: usize, hash: u64, key: &[u8]) -> Option<Record<'_>> {
        // SAFETY: the lock is held, and as the result borrows the guard, nothing is changed while it is there.
        let core = unsafe { Core::new(self.shard.root(db), &self.keyspace.context) };
        core.find(hash, key).map(|at| core.record(at))
    }

    /// The owner's state of this shard.
    pub fn ext(&mut self) -> &mut E {
        // SAFETY: the lock is held, and the result borrows the guard mutably.
        unsafe { &mut *self.shard.ext.get() }
    }

    /// Both at once.
    pub fn db_and_ext(&mut self, db: usize) -> (Db<'_>, &mut E) {
        // SAFETY: the lock is held, the results borrow the guard mutably, and they are disjoint.
        let core = unsafe { Core::new(self.shard.root(db), &self.keyspace.context) };
        // SAFETY: as above.
        (Db::new(core), unsafe { &mut *self.shard.ext.get() })
    }

    /// Bytes of memory that the records and tables of all databases take in this shard.
    #[must_use]
    pub fn used_memory(&self) -> usize {
        self.shard.used_roots().map(Root::memory).sum()
    }

    /// Gives the memory of the tables of empty databases back: a table whose last key goes keeps a cache line for the
    /// next one. For who looks after the shards now and then.
    pub fn release_empty(&mut self) {
        for root in self.shard.used_roots().filter(|root| root.len() == 0) {
            // SAFETY: the lock is held and nothing is borrowed, as the guard is borrowed mutably.
            unsafe { root.table.release() };
        }
    }

    /// Exchanges this shard's parts of two databases.
    pub fn swap_databases(&mut self, a: usize, b: usize) {
        if a != b {
            // SAFETY: the lock is held and nothing is borrowed, as the guard is borrowed mutably.
            unsafe { Root::swap(self.shard.root(a), self.shard.root(b)) };
        }
    }

    /// Takes all keys of a database out of this shard, to be dropped elsewhere.
    #[must_use]
    pub fn take_database(&mut self, db: usize) -> DetachedDb {
        // SAFETY: the lock is held and nothing is borrowed, as the guard is borrowed mutably.
        unsafe { DetachedDb::take(self.shard.root(db)) }
    }
}

impl<E> Drop for ShardGuard<'_, E> {
    #[inline]
    fn drop(&mut self) {
        self.shard.lock.unlock(&self.shard.waiters);
    }
}
