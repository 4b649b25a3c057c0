//! Moving what is stored together, so that jemalloc can give the slabs back that it leaves.
//!
//! jemalloc says of each allocation how full its slab is beside the others of its size. What lies in a slab that is not
//! much fuller than the average moves to the one that is being filled ([`mover`]): records, blobs that no reply refers to,
//! the segments of tables, and what values are made of. Everything happens under the shard's lock, a few allocations at
//! a time: a value of many elements is left to [`Db::defragment_value`], which goes through it step by step. What
//! stays where it is: directories and other arrays that are mostly too large for a slab.

mod mover;

use core::ptr::NonNull;

use smallvec::SmallVec;

pub(crate) use self::mover::Mover;
pub use self::mover::flush_thread_cache;
use crate::db::Db;
use crate::hash::KeyHasher;
use crate::record::RawRecord;
use crate::table::{CURSOR_BITS, Keyed, Table};

/// Elements of a value that is moved as a whole with its record.
const FEW_ELEMENTS: usize = 64;

/// Bytes of memory of such a value, at most: a stream of few entries may have many that are pending.
const FEW_BYTES: usize = 64 << 10;

/// Allocations after which a step ends before it has passed all its buckets: some ten to twenty microseconds.
const MANY_ALLOCATIONS: usize = 128;

/// What one call of [`Db::defragment`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defragmented {
    /// The position that goes on; zero at the end.
    pub position: u64,
    /// Allocations moved.
    pub moved: usize,
    /// Allocations that lie well.
    pub kept: usize,
    /// Keys of which something was moved.
    pub moved_keys: usize,
    /// Keys of which nothing was.
    pub kept_keys: usize,
    /// Keys whose values have many elements and are left to [`Db::defragment_value`]; they are not among the others.
    pub large: Vec<Box<[u8]>>,
}

/// Where [`Db::defragment_value`] goes on in a value; by default at its start. It means the same whatever has become of
/// the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValuePosition {
    /// Which of the trees or tables that the value is made of.
    pub(crate) part: u64,
    /// A position in there.
    pub(crate) within: u128,
}

impl ValuePosition {
    /// A position in the first part, or in the only one.
    pub(crate) fn first(within: impl Into<u128>) -> Self {
        Self { part: 0, within: within.into() }
    }
}

/// What one call of [`Db::defragment_value`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefragmentedValue {
    /// The position that goes on, if the value is not done.
    pub position: Option<ValuePosition>,
    /// Allocations moved.
    pub moved: usize,
    /// Allocations that lie well.
    pub kept: usize,
}

impl Db<'_> {
    /// Looks at the records of some buckets, at most, from `position` on, as for [`Db::scan`], and at their values, and moves
    /// what lies badly. Does nothing when the records are not jemalloc's.
    pub fn defragment(&mut self, position: u64, buckets: usize) -> Defragmented {
        let core = self.core;
        let mut done =
            Defragmented { position: position & ((1 << CURSOR_BITS) - 1), ..Defragmented::default() };
        let mut mover = Mover::default();
        for _ in 0..buckets {
            // SAFETY: the lock is held, see Core.
            unsafe { core.table().defragment_segment(done.position, &mut mover) };
            let mut moved_before = mover.moved;
            let mut visit = |record: RawRecord, mover: &mut Mover| {
                // SAFETY: the record is in the table and the lock is held; the database is borrowed mutably, so that
                // nothing of the record is.
                unsafe {
                    record.move_blob(mover);
                    match record.object() {
                        Some(object) if object.len() > FEW_ELEMENTS || object.memory() > FEW_BYTES => {
                            moved_before = mover.moved;
                            return done.large.push(record.key().into());
                        }
                        Some(_) => {
                            let start = ValuePosition::default();
                            let rest = record.defragment_object(start, &mut usize::MAX.clone(), mover);
                            debug_assert!(rest.is_none(), "there is no end of budget");
                        }
                        None => {}
                    }
                }
                let moved = mover.moved > core::mem::replace(&mut moved_before, mover.moved);
                *(if moved { &mut done.moved_keys } else { &mut done.kept_keys }) += 1;
            };
            // SAFETY: the lock is held, see Core; the database is borrowed mutably.
            done.position = unsafe {
                core.table().defragment_bucket(done.position, &core.context.hasher, &mut mover, &mut visit)
            };
            if done.position == 0 || mover.moved + mover.kept >= MANY_ALLOCATIONS {
                break;
            }
        }
        (done.moved, done.kept) = (mover.moved, mover.kept);
        done
    }

    /// Goes through a value with many elements from a position on and moves what lies badly, for about as many allocations
    /// as `budget` says.
    pub fn defragment_value(
        &mut self,
        hash: u64,
        key: &[u8],
        position: ValuePosition,
        budget: usize,
    ) -> DefragmentedValue {
        let Some(at) = self.core.find(hash, key) else { return DefragmentedValue::default() };
        let (mut mover, mut budget) = (Mover::default(), budget);
        // SAFETY: the lock is held, and the database is borrowed mutably, so that nothing of the record is.
        let position = unsafe { self.core.raw(at).defragment_object(position, &mut budget, &mut mover) };
        DefragmentedValue { position, moved: mover.moved, kept: mover.kept }
    }
}

impl<R: Keyed> Table<R> {
    /// Moves the records of the bucket at a position that lie badly, and shows each record where it is then. Returns the
    /// position of the next bucket, zero at the end.
    ///
    /// # Safety
    /// The shard's lock is held; nothing of the records is borrowed.
    pub(crate) unsafe fn defragment_bucket(
        &self,
        position: u64,
        hasher: &KeyHasher,
        mover: &mut Mover,
        visit: &mut dyn FnMut(R, &mut Mover),
    ) -> u64 {
        let mut records = SmallVec::<[R; 16]>::new();
        // SAFETY: as the caller vouches. A record's key is read before the record is moved.
        unsafe {
            let next = self.walk_bucket(position, hasher, &mut |found| records.push(found.record));
            for mut record in records {
                if mover.wants(address_of(record)) {
                    let at = self.find(hasher.hash(record.key()), record.key());
                    let at = at.expect("a record of a bucket is found");
                    record = record.relocate(mover);
                    self.replace(at, record);
                }
                visit(record, mover);
            }
            next
        }
    }
}

/// Where the allocation of a record is.
pub(crate) fn address_of<R: Keyed>(record: R) -> NonNull<u8> {
    NonNull::new(record.as_ptr().cast()).expect("an allocation has an address")
}
