//! Boxcar's keyspace: sharded, batched, without I/O and without a clock of its own.
//!
//! A [`Keyspace`] is divided into shards, each a lock and its part of every database. A command locates its key once
//! ([`Keyspace::locate`]), locks the [`Place`]'s shard and works on the [`Db`] behind the [`ShardGuard`]. A batch of
//! commands does so in stages: locate all keys, prefetch all buckets, prefetch all records, execute.
//!
//! - [`value`](Value): what a record holds, as the commands see it.
//! - [`record`](Record): one allocation with key, expiry, access clock and small value; large ones are [`Blob`]s.
//! - [`object`](Object): values that are not strings: lists, sets, sorted sets, hashes, streams.
//! - [`listpack`]: Redis's format for small collections; `members`: the hash table of large ones; `forms`: how a
//!   collection has one of several forms behind one word.
//! - `bitmap`, [`hyperloglog`]: strings as bits and as sketches, pure functions over bytes.
//! - [`rdb`]: values as bytes, in the format of Redis's dumps.
//! - `table`: extendible hashing over segments that grow, split, shrink and merge alone.
//! - `defrag`: moving together what is stored (feature `jemalloc`).
//! - `sample`: looking for records to evict.
//! - `root`: one database's table in one shard, and the figures about it.
//! - `lock`: a word to spin on, and a list to park on ([`Wake`]).
//!
//! What this package must never do: read a clock, block on anything but a shard's lock, or let a command pay for
//! the size of the table.

mod barrier;
mod bitmap;
mod blob;
mod db;
#[cfg(feature = "jemalloc")]
mod defrag;
mod entry;
mod forms;
mod hash;
mod hash_map;
pub mod hyperloglog;
mod keyspace;
mod list;
pub mod listpack;
mod lock;
mod member;
mod members;
mod object;

pub mod rdb;
mod record;
mod root;
mod sample;
mod set;
mod sorted_set;
pub mod stream;
mod table;
mod value;

pub use bitmap::{BitOperation, Combination, count_ones, first_bit};
pub use blob::Blob;
pub use crossbeam_epoch::Guard;
pub use db::{Db, DetachedDb, ExpireStep, Expired, SCAN_CURSOR_BITS};
#[cfg(feature = "jemalloc")]
pub use defrag::{Defragmented, DefragmentedValue, ValuePosition, flush_thread_cache};
pub use entry::{Entry, ObjectMut, OccupiedEntry, VacantEntry};
pub use hash::hash_tag;
pub use hash_map::{Field, Hash, HashIter, HashLimits};
pub use keyspace::{DEFAULT_INLINE_LIMIT, Keyspace, KeyspaceOptions, MAX_SHARDS, Place, ShardGuard};
pub use list::{Elements, Fill, List, NodeRef, Side};
pub use lock::{LockCounters, Wake};
pub use object::{Composite, Object, ObjectRef};
pub use record::{OwnedRecord, Record};
pub use root::Expires;
pub use sample::Sample;
pub use set::{Set, SetIter, SetLimits};
pub use sorted_set::{Members, SortedSet, SortedSetLimits};
pub use stream::Stream;
pub use table::Ahead;
pub use value::{EMBSTR_LIMIT, Encoding, IntegerText, Kind, Value, parse_integer};
