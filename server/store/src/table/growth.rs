//! How segments grow, split, shrink and merge.
//!
//! Each step collects one segment's (or two buddies') slots, builds the successors, publishes them and retires the
//! predecessors. The records themselves are not read, as each slot keeps sixteen bits of its hash; only a split that
//! crosses a stamp boundary hashes the keys again.

use core::sync::atomic::Ordering::Relaxed;

use crossbeam_epoch::Guard;
use smallvec::SmallVec;

use super::bucket::{SLOTS, Word, tag_of};
use super::prefetch::prefetch;
use super::segment::{
    MAX_DEPTH, MAX_LINES, STAMP_BITS, Segment, line_class, lines_for, stamp_base, stamp_of,
};
use super::{Keyed, Table};
use crate::hash::KeyHasher;

/// Every slot of a segment on its way to another: on the stack, unless the segment is pathological.
type Contents = SmallVec<[(u8, Word); 512]>;
const _: () = assert!(MAX_LINES * SLOTS <= 512);

/// Below this share of its slots (a quarter) a table looks for segments to shrink.
const SPARSE: usize = 4;
/// A segment shrinks when less than a third full: to about 60 percent, far from growing again.
const SHRINK: usize = 3;
/// Buddies merge when they fill at most half of one segment together.
const MERGE: usize = 2;

/// The directory may have this many entries for each line of the segments, and a few to start with. Usually there
/// are 40 lines to an entry; only keys chosen against the seed come near this bound.
const ENTRIES_PER_LINE: usize = 1;
const ENTRIES_FREE: usize = 64;

impl<R: Keyed> Table<R> {
    /// Changes the segment of `hash` so that an insertion that failed may succeed.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn make_room(&self, hash: u64, hasher: &KeyHasher) {
        let guard = crossbeam_epoch::pin();
        // SAFETY: the lock is held.
        unsafe {
            let Some(segment) = self.segment(hash) else {
                self.set_segment(hash, Segment::allocate(1, 0));
                return self.lines.store(1, Relaxed);
            };
            let count = segment.count();
            if segment.lines() < MAX_LINES {
                let lines = lines_for(count + 1).max(line_class(segment.lines() + 1));
                self.rebuild(segment, hash, lines, &guard);
            } else if count * 2 >= segment.slots() && self.may_split(segment) {
                self.split(segment, hash, hasher, &guard);
            } else {
                // Records that no split tells apart, or only a hopeless number of them.
                segment.extend_stash();
                self.lines.store(self.lines.load(Relaxed) + 1, Relaxed);
            }
        }
    }

    fn may_split(&self, segment: Segment) -> bool {
        let depth = self.depth();
        let entries = ENTRIES_FREE + self.lines.load(Relaxed) as usize * ENTRIES_PER_LINE;
        segment.depth < MAX_DEPTH && (segment.depth < depth || 2usize << depth <= entries)
    }

    /// # Safety
    /// The shard's lock is held.
    unsafe fn rebuild(&self, old: Segment, hash: u64, lines: usize, guard: &Guard) {
        // SAFETY: the lock is held.
        unsafe {
            let mut contents = Contents::new();
            old.for_each(|tag, word| contents.push((tag, word)));
            let new = self.build(&contents, lines, old.depth);
            self.set_segment(hash, new);
            self.retire(old, guard);
        }
    }

    /// Moves the segment that begins at a position, if one does and it lies badly.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[cfg(feature = "jemalloc")]
    pub(crate) unsafe fn defragment_segment(&self, position: u64, mover: &mut crate::defrag::Mover) {
        let hash = position << (64 - super::CURSOR_BITS);
        // SAFETY: the lock is held. Readers without it may still be looking at the old segment, so that it is rebuilt and
        // retired like one that grows.
        unsafe {
            let Some(segment) = self.segment(hash) else { return };
            let begins = hash & (u64::MAX.checked_shr(segment.depth).unwrap_or(0)) == 0;
            if begins && mover.wants(segment.start.cast()) {
                self.rebuild(segment, hash, segment.lines(), &crossbeam_epoch::pin());
            }
        }
    }

    /// # Safety
    /// The shard's lock is held.
    unsafe fn split(&self, old: Segment, hash: u64, hasher: &KeyHasher, guard: &Guard) {
        if old.depth == self.depth() {
            self.double(guard);
        }
        let depth = old.depth + 1;
        let splitting_bit = STAMP_BITS - 1 - (old.depth - stamp_base(old.depth));
        let mut halves = [Contents::new(), Contents::new()];
        // SAFETY: the lock is held.
        unsafe {
            old.for_each(|tag, word| {
                halves[usize::from(word.stamp() >> splitting_bit & 1)].push((tag, word));
            });
            for (half, contents) in halves.iter_mut().enumerate() {
                if stamp_base(depth) != stamp_base(old.depth) {
                    stamp_from_keys::<R>(contents, depth, hasher);
                }
                let prefix = hash >> (64 - depth) & !1 | half as u64;
                let new = self.build(contents, lines_for(contents.len()), depth);
                self.set_segment(prefix << (64 - depth), new);
            }
            if depth == self.depth() {
                self.deepest.store(self.deepest.load(Relaxed) + 2, Relaxed);
            }
            self.retire(old, guard);
        }
    }

    /// After a removal that left `len` records in the table: shrinks the segment of `hash`, or merges it, if the table has
    /// become sparse.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[inline]
    pub(super) unsafe fn give_back(&self, hash: u64, len: usize) {
        let lines = self.lines.load(Relaxed) as usize;
        // A single line stays, so that a key that comes and goes alone costs no allocation; see `release`.
        if len * SPARSE >= lines * SLOTS || lines == 1 {
            return;
        }
        // Counting a segment costs more than removing a record, so only one removal in eight looks.
        if len == 0 || tag_of(hash).is_multiple_of(8) {
            // SAFETY: as the caller vouches.
            unsafe { self.shrink(hash, len) };
        }
    }

    /// Gives the memory of a table without records back.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn release(&self) {
        if self.lines.load(Relaxed) == 0 {
            return;
        }
        let guard = crossbeam_epoch::pin();
        // SAFETY: the lock is held.
        unsafe { self.drain(Some(&guard), &mut |_| unreachable!("the table has no records")) };
        guard.flush();
    }

    #[cold]
    #[inline(never)]
    unsafe fn shrink(&self, hash: u64, len: usize) {
        // SAFETY: the lock is held.
        unsafe {
            if len == 0 {
                return self.release();
            }
            let Some(segment) = self.segment(hash) else { return };
            let guard = crossbeam_epoch::pin();
            let count = segment.count();
            if segment.depth > 0 {
                let buddy_hash = hash ^ 1 << (64 - segment.depth);
                let buddy = self.segment(buddy_hash).expect("a directory has no empty entry");
                if buddy.depth == segment.depth && (count + buddy.count()) * MERGE <= MAX_LINES * SLOTS {
                    return self.merge([(segment, hash), (buddy, buddy_hash)], &guard);
                }
            }
            let lines = lines_for(with_room(count));
            if count * SHRINK < segment.slots() && lines < segment.lines() {
                self.rebuild(segment, hash, lines, &guard);
            }
        }
    }

    /// # Safety
    /// The shard's lock is held; the two are the halves of one range.
    unsafe fn merge(&self, buddies: [(Segment, u64); 2], guard: &Guard) {
        let (old, hash) = buddies[0];
        let depth = old.depth - 1;
        let mut contents = Contents::new();
        // SAFETY: the lock is held.
        unsafe {
            for (buddy, hash) in buddies {
                buddy.for_each(|tag, word| contents.push((tag, stamp_before(word, hash, old.depth))));
            }
            let new = self.build(&contents, lines_for(with_room(contents.len())), depth);
            self.set_segment(hash, new);
            buddies.into_iter().for_each(|(buddy, _)| self.retire(buddy, guard));
        }
        if old.depth == self.depth() {
            self.deepest.store(self.deepest.load(Relaxed) - 2, Relaxed);
            self.shrink_directory(guard);
        }
    }

    /// A segment with these contents, of `lines` lines or, if they fit badly, more. Its lines are counted.
    ///
    /// # Safety
    /// The words are of living records, with stamps for `depth`.
    unsafe fn build(&self, contents: &[(u8, Word)], mut lines: usize, depth: u32) -> Segment {
        loop {
            let segment = Segment::allocate(lines, depth);
            // SAFETY: the segment is not yet published.
            unsafe {
                if let Some(links) = segment.fill(contents) {
                    self.lines.store(self.lines.load(Relaxed) + (lines + links) as u32, Relaxed);
                    return segment;
                }
                segment.free();
            }
            lines = line_class(lines + 1);
        }
    }

    /// Frees a segment that is no longer published once no reader of its time is left.
    ///
    /// # Safety
    /// The shard's lock is held and no entry names the segment.
    unsafe fn retire(&self, segment: Segment, guard: &Guard) {
        let links = segment.free_links();
        self.lines.store(self.lines.load(Relaxed) - (segment.lines() + links) as u32, Relaxed);
        // SAFETY: new readers cannot find the segment; any thread may free its memory.
        unsafe { guard.defer_unchecked(move || segment.free()) };
        if segment.lines() * size_of::<super::Bucket>() >= FLUSH_BYTES {
            guard.flush();
        }
    }
}

/// Garbage of this size is not left in the thread's own bag, where dozens of pieces could wait for long.
const FLUSH_BYTES: usize = 1024;

/// What a shrunken segment should have room for, so that it does not grow again at once.
fn with_room(records: usize) -> usize {
    records + records / 4
}

/// Gives the slots the stamps of a new depth by hashing their keys again.
///
/// # Safety
/// The shard's lock is held.
unsafe fn stamp_from_keys<R: Keyed>(contents: &mut Contents, depth: u32, hasher: &KeyHasher) {
    contents.iter().for_each(|(_, word)| prefetch(word.address()));
    for (_, word) in contents {
        // SAFETY: records in the table are alive.
        let hash = hasher.hash(unsafe { word.record::<R>().key() });
        *word = word.with_stamp(stamp_of(hash, depth));
    }
}

/// The word for a segment one level above `depth`. Should its stamps start earlier, then with bits that all records
/// of the segment of `hash` share.
fn stamp_before(word: Word, hash: u64, depth: u32) -> Word {
    let earlier = stamp_base(depth) - stamp_base(depth - 1);
    if earlier == 0 {
        return word;
    }
    let shared = stamp_of(hash, depth - 1) >> (STAMP_BITS - earlier) << (STAMP_BITS - earlier);
    word.with_stamp(shared | word.stamp() >> earlier)
}
