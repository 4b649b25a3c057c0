//! Directory entries, and the directory that grows and shrinks by factors of two.
//!
//! Doubling copies the directory, eight bytes for some 300 records of the shard: with the usual number of shards a
//! few kilobytes at most.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

use crossbeam_epoch::Guard;

use super::Table;
use super::bucket::Bucket;
use super::segment::{MAX_DEPTH, Segment};

/// A pointer to a segment or a directory, with its shape in the upper bits: five bits of depth, eight of a segment's
/// home buckets (none for a directory), three of its stash buckets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(pub(super) *mut Bucket);

const STASH: u32 = 48;
const HOMES: u32 = 51;
const DEPTH: u32 = 59;

impl Entry {
    fn new(start: *mut Bucket, depth: u32, homes: usize, stash: usize) -> Self {
        Self(start.map_addr(|address| {
            assert!(address >> STASH == 0, "a segment's address has 48 bits");
            address | (depth as usize) << DEPTH | homes << HOMES | stash << STASH
        }))
    }

    #[inline]
    fn start(self) -> *mut Bucket {
        self.0.map_addr(|bits| bits & ((1 << STASH) - 1))
    }

    #[inline]
    fn depth(self) -> u32 {
        (self.0.addr() >> DEPTH) as u32
    }

    #[inline]
    fn homes(self) -> usize {
        self.0.addr() >> HOMES & 0xff
    }

    #[inline]
    pub(super) fn segment(self) -> Option<Segment> {
        let stash = self.0.addr() >> STASH & 7;
        NonNull::new(self.start()).map(|start| Segment {
            start,
            homes: self.homes(),
            stash,
            depth: self.depth(),
        })
    }
}

impl From<Segment> for Entry {
    fn from(segment: Segment) -> Self {
        Self::new(segment.start.as_ptr(), segment.depth, segment.homes, segment.stash)
    }
}

/// A directory of `1 << depth` entries.
#[derive(Clone, Copy)]
pub(super) struct Directory {
    start: NonNull<AtomicPtr<Bucket>>,
    pub(super) depth: u32,
}

impl Directory {
    fn layout(depth: u32) -> Layout {
        Layout::array::<AtomicPtr<Bucket>>(1 << depth)
            .expect("a directory has at most 1 << MAX_DEPTH entries")
    }

    /// A directory whose entries come from `fill`.
    fn allocate(depth: u32, mut fill: impl FnMut(usize) -> Entry) -> Self {
        assert!((1..=MAX_DEPTH).contains(&depth), "a directory has a sensible depth");
        let layout = Self::layout(depth);
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(memory.cast::<AtomicPtr<Bucket>>()) else {
            handle_alloc_error(layout)
        };
        for index in 0..1 << depth {
            // SAFETY: the index is inside the fresh allocation.
            unsafe { start.add(index).write(AtomicPtr::new(fill(index).0)) };
        }
        Self { start, depth }
    }

    #[inline]
    pub(super) fn slot(&self, index: usize) -> &AtomicPtr<Bucket> {
        debug_assert!(index < 1 << self.depth);
        // SAFETY: the directory is alive (see Segment about the same assumption) and callers stay inside it.
        unsafe { self.start.add(index).as_ref() }
    }

    /// # Safety
    /// Nobody uses the directory any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: as the caller vouches; the layout is the one of allocate.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.depth)) }
    }

    fn entry(self) -> Entry {
        Entry::new(self.start.as_ptr().cast(), self.depth, 0, 0)
    }
}

impl<R> Table<R> {
    #[inline]
    pub(super) fn load_entry(&self, order: Ordering) -> Entry {
        Entry(self.entry.load(order))
    }

    fn publish(&self, entry: Entry) {
        // Release: a reader without the lock must find what it points to initialised.
        self.entry.store(entry.0, Ordering::Release);
    }

    /// The directory, if there is one.
    #[inline]
    pub(super) fn directory(&self, order: Ordering) -> Option<Directory> {
        let entry = self.load_entry(order);
        let start = NonNull::new(entry.start().cast())?;
        (entry.homes() == 0).then(|| Directory { start, depth: entry.depth() })
    }

    pub(super) fn directory_memory(&self) -> usize {
        self.directory(Ordering::Relaxed).map_or(0, |directory| Directory::layout(directory.depth).size())
    }

    /// The entry of a hash: for the lock's holder with relaxed order, for a pinned reader with acquire.
    #[inline(always)]
    pub(super) fn lookup(&self, hash: u64, order: Ordering) -> Entry {
        let entry = self.load_entry(order);
        let depth = entry.depth();
        if depth == 0 {
            return entry;
        }
        // SAFETY: a non-zero depth at the top means a directory, which the lock or the guard keeps alive.
        let slot =
            unsafe { &*entry.start().cast::<AtomicPtr<Bucket>>().add((hash >> (64 - depth)) as usize) };
        Entry(slot.load(order))
    }

    /// The segment of a hash.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[inline]
    pub(super) unsafe fn segment(&self, hash: u64) -> Option<Segment> {
        self.lookup(hash, Ordering::Relaxed).segment()
    }

    /// Depth of the directory, zero when there is none.
    pub(super) fn depth(&self) -> u32 {
        self.load_entry(Ordering::Relaxed).depth()
    }

    /// Publishes a segment for its whole range of the hash space, in which `hash` lies.
    pub(super) fn set_segment(&self, hash: u64, segment: Segment) {
        let entry = Entry::from(segment);
        let Some(directory) = self.directory(Ordering::Relaxed) else {
            assert!(segment.depth == 0, "a table without a directory has one segment");
            return self.publish(entry);
        };
        let span = 1usize << (directory.depth - segment.depth);
        let first = (hash >> (64 - directory.depth)) as usize & !(span - 1);
        (first..first + span).for_each(|index| directory.slot(index).store(entry.0, Ordering::Release));
    }

    /// Replaces the directory by one twice as large, in which every segment has twice as many entries.
    pub(super) fn double(&self, guard: &Guard) {
        let entry = self.load_entry(Ordering::Relaxed);
        let old = self.directory(Ordering::Relaxed);
        let new = Directory::allocate(self.depth() + 1, |index| match old {
            Some(old) => Entry(old.slot(index / 2).load(Ordering::Relaxed)),
            None => entry,
        });
        self.deepest.store(0, Ordering::Relaxed);
        self.publish(new.entry());
        retire(old, guard);
    }

    /// Replaces the directory by smaller ones until some segment is as deep as it.
    pub(super) fn shrink_directory(&self, guard: &Guard) {
        while self.deepest.load(Ordering::Relaxed) == 0
            && let Some(old) = self.directory(Ordering::Relaxed)
        {
            let depth = old.depth - 1;
            let every_second = |index: usize| Entry(old.slot(2 * index).load(Ordering::Relaxed));
            if depth == 0 {
                self.publish(every_second(0));
            } else {
                let as_deep = (0..1 << depth).filter(|&index| every_second(index).depth() == depth).count();
                self.deepest.store(as_deep as u32, Ordering::Relaxed);
                self.publish(Directory::allocate(depth, every_second).entry());
            }
            retire(Some(old), guard);
        }
    }

    /// Takes the whole contents, leaving an empty table.
    pub(super) fn take_entry(&self) -> (Vec<Segment>, Option<Directory>) {
        let mut segments = Vec::new();
        let directory = self.directory(Ordering::Relaxed);
        match directory {
            None => segments.extend(self.load_entry(Ordering::Relaxed).segment()),
            Some(directory) => {
                let mut index = 0;
                while index < 1 << directory.depth {
                    let entry = Entry(directory.slot(index).load(Ordering::Relaxed));
                    let segment = entry.segment().expect("a directory has no empty entry");
                    index += 1 << (directory.depth - segment.depth);
                    segments.push(segment);
                }
            }
        }
        self.publish(Entry(core::ptr::null_mut()));
        self.lines.store(0, Ordering::Relaxed);
        self.deepest.store(0, Ordering::Relaxed);
        (segments, directory)
    }

    /// Exchanges the contents of two tables. Both locks are held.
    pub(crate) fn swap(&self, other: &Self) {
        let entry = self.load_entry(Ordering::Relaxed);
        self.publish(other.load_entry(Ordering::Relaxed));
        other.publish(entry);
        for (a, b) in [(&self.lines, &other.lines), (&self.deepest, &other.deepest)] {
            let value = a.load(Ordering::Relaxed);
            a.store(b.load(Ordering::Relaxed), Ordering::Relaxed);
            b.store(value, Ordering::Relaxed);
        }
    }
}

/// Frees a directory once no reader of its time is left.
fn retire(directory: Option<Directory>, guard: &Guard) {
    if let Some(directory) = directory {
        // SAFETY: the directory is no longer published, and its memory may be freed by any thread.
        unsafe { guard.defer_unchecked(move || directory.free()) };
    }
}
