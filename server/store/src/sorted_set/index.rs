//! From a member to its element: the table that also finds keys, over the elements that the tree owns.

use std::sync::LazyLock;

use crate::hash::KeyHasher;
use crate::record::RawRecord;
use crate::table::{Location, Table};

/// The hash of members: one for all sorted sets, with a seed of this process.
static HASHER: LazyLock<KeyHasher> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    KeyHasher::new(RandomState::new().hash_one(0u8))
});

/// See the module. The owner keeps every element that is in the index alive.
#[derive(Default)]
pub(super) struct Index(Table);

impl Index {
    pub(super) fn hash(member: &[u8]) -> u64 {
        HASHER.hash(member)
    }

    /// The element of a member, and its place.
    #[inline]
    pub(super) fn find(&self, hash: u64, member: &[u8]) -> Option<(RawRecord, Location)> {
        // SAFETY: the owner's borrow excludes changes, as a shard's lock does; the elements are alive.
        unsafe {
            let at = self.0.find(hash, member)?;
            Some((self.0.record(at), at))
        }
    }

    /// Inserts an element whose member is not there yet.
    pub(super) fn insert(&mut self, hash: u64, element: RawRecord) {
        // SAFETY: the owner's exclusive borrow stands for the lock, and keeps the element alive.
        unsafe { self.0.insert(hash, element, &HASHER) };
    }

    /// Removes an element that is there, before it is freed; `len` elements were in the index.
    pub(super) fn remove(&mut self, member: &[u8], len: usize) {
        let hash = Self::hash(member);
        let (_, at) = self.find(hash, member).expect("the index knows every element");
        // SAFETY: as for `insert`; the place was found just now.
        unsafe { self.0.remove(hash, at, len) };
    }

    /// Shows the elements of the bucket at `position`, and says where to go on; zero behind the last one. An element
    /// that is there from the beginning to the end of a walk is shown exactly once.
    pub(super) fn walk(&self, position: u64, mut visit: impl FnMut(RawRecord)) -> u64 {
        // SAFETY: as for `find`.
        unsafe { self.0.walk_bucket(position, &HASHER, &mut |found| visit(found.record)) }
    }

    /// Moves an element of the index if it lies badly.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment_element(
        &mut self,
        element: &mut super::Element,
        mover: &mut crate::defrag::Mover,
    ) {
        if mover.wants(crate::defrag::address_of(element.record())) {
            let (_, at) = self
                .find(Self::hash(element.member()), element.member())
                .expect("the index knows every element");
            element.relocate(mover);
            // SAFETY: as for `insert`; the record is the one that was found, elsewhere.
            unsafe { self.0.replace(at, element.record()) };
        }
    }

    /// Moves segments that lie badly, from a position on until `budget` buckets were passed. Returns where to go on.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment(
        &mut self,
        position: u64,
        budget: &mut usize,
        mover: &mut crate::defrag::Mover,
    ) -> Option<u64> {
        let mut position = position & ((1 << crate::table::CURSOR_BITS) - 1);
        while *budget > 0 {
            // SAFETY: as for `insert`.
            unsafe { self.0.defragment_segment(position, mover) };
            position = self.walk(position, |_| ());
            if position == 0 {
                return None;
            }
            *budget -= 1;
        }
        Some(position)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: exclusively borrowed, and nobody ever looks ahead into an index. The elements are the owner's.
        unsafe { self.0.drain(None, &mut |_| ()) };
    }
}
