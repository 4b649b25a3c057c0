//! A segment: a few cache lines of buckets that split, grow and shrink alone.
//!
//! The records of a segment share the first `depth` bits of their hash. The following bits choose a record's *home*
//! bucket, in the order of the hashes. A record that finds its home full goes to the next bucket, else to the
//! *stash*, the last buckets of the segment; its home counts it, so that a miss rarely looks at more than one line.
//!
//! Segments have any of 19 sizes from one line to [`MAX_LINES`], four to a doubling like an allocator's size classes,
//! so that memory follows the number of records closely.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use super::Keyed;
use super::bucket::{Bucket, Control, SLOTS, Word, tag_of};

/// Lines of the largest segment. Rebuilding one is the longest pause of an insert: about two microseconds.
pub(super) const MAX_LINES: usize = 64;

/// Deepest segment. With 400 records in each this is more than memory holds.
pub(super) const MAX_DEPTH: u32 = 26;

/// Bits of the hash that a slot keeps.
pub(super) const STAMP_BITS: u32 = 16;

/// A stamp starts at a depth that is a multiple of this: only a split across such a depth has to read its records'
/// keys and hash them again. At the depth before it nine bits of the stamp are left to choose among the homes, of
/// which there are at most 59.
const STAMP_STEP: u32 = 8;

/// First bit of the hash that the stamps of a segment of this depth keep.
#[inline]
pub(super) fn stamp_base(depth: u32) -> u32 {
    depth & !(STAMP_STEP - 1)
}

/// The stamp of a hash in a segment of this depth.
#[inline]
pub(super) fn stamp_of(hash: u64, depth: u32) -> u16 {
    (hash << stamp_base(depth) >> (64 - STAMP_BITS)) as u16
}

/// Smallest segment that holds `records` comfortably (at most three quarters full, if there is one so large).
pub(super) fn lines_for(records: usize) -> usize {
    let lines = (records * 4).div_ceil(SLOTS * 3).max(1);
    line_class(lines).min(MAX_LINES)
}

/// The segment sizes: all up to eight lines, then four to a doubling.
pub(super) fn line_class(lines: usize) -> usize {
    if lines <= 8 {
        return lines;
    }
    lines.next_multiple_of(1 << ((lines - 1).ilog2() - 2))
}

/// Lines that hold the overflow of the others.
#[inline]
fn stash_lines(lines: usize) -> usize {
    usize::from(lines > 1) + lines / 16
}

/// Where a record is; valid until the table changes.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    pub(super) bucket: NonNull<Bucket>,
    pub(super) home: NonNull<Bucket>,
    pub(super) slot: usize,
}

impl Location {
    /// Frees the slot, whose record goes. True when a record that overflowed from the same home could come back into it.
    ///
    /// # Safety
    /// The shard's lock is held and the location is a present one.
    #[inline]
    pub(super) unsafe fn vacate(self) -> bool {
        // SAFETY: the lock is held, so that the buckets are alive.
        let (bucket, home) = unsafe { (self.bucket.as_ref(), self.home.as_ref()) };
        bucket.clear(self.slot);
        if core::ptr::eq(bucket, home) {
            return home.control().overflows();
        }
        count_off(home, bucket);
        false
    }
}

/// Counts off one record of `home` that was in `bucket`.
fn count_off(home: &Bucket, bucket: &Bucket) {
    if core::ptr::eq(bucket, core::ptr::from_ref(home).wrapping_add(1)) {
        home.remove_neighbour();
    } else {
        home.remove_stashed();
    }
}

/// A segment's address and shape, as its directory entry has them.
///
/// Methods that take `self` and read buckets assume that the buckets are alive: because the lock is held, or because
/// the caller pinned the epoch before it read the entry.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) start: NonNull<Bucket>,
    /// Number of home buckets.
    pub(super) homes: usize,
    /// Number of stash buckets behind them.
    pub(super) stash: usize,
    /// Leading bits of the hash that all records share.
    pub(super) depth: u32,
}

impl Segment {
    pub(super) fn allocate(lines: usize, depth: u32) -> Self {
        let layout = Self::layout(lines);
        // SAFETY: a segment has at least one line.
        let memory = unsafe { alloc_zeroed(layout) };
        // A bucket of zeros is an empty one.
        let Some(start) = NonNull::new(memory.cast::<Bucket>()) else { handle_alloc_error(layout) };
        let stash = stash_lines(lines);
        Self { start, homes: lines - stash, stash, depth }
    }

    pub(super) fn layout(lines: usize) -> Layout {
        Layout::array::<Bucket>(lines).expect("a segment has at most MAX_LINES lines")
    }

    /// # Safety
    /// Nobody uses the segment any more.
    pub(super) unsafe fn free(self) {
        self.free_links();
        // SAFETY: as the caller vouches; the layout is the one of allocate.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.lines())) }
    }

    /// Frees the buckets beyond the stash, whose records are elsewhere by now, and says how many there were.
    pub(super) fn free_links(self) -> usize {
        let mut links = 0;
        let mut link = self.line(self.lines() - 1).take_link();
        while let Some(further) = link {
            links += 1;
            link = further.take_link();
        }
        links
    }

    #[inline]
    pub(super) fn line<'a>(self, line: usize) -> &'a Bucket {
        debug_assert!(line < self.lines());
        // SAFETY: the segment is alive (see the type), and callers stay inside it.
        unsafe { self.start.add(line).as_ref() }
    }

    #[inline]
    pub(super) fn lines(self) -> usize {
        self.homes + self.stash
    }

    pub(super) fn slots(self) -> usize {
        self.lines() * SLOTS
    }

    /// The home bucket of a record with this stamp.
    #[inline]
    pub(super) fn home(self, stamp: u16) -> usize {
        let known = stamp << (self.depth - stamp_base(self.depth));
        (usize::from(known) * self.homes) >> STAMP_BITS
    }

    /// The lowest hash whose home is bucket `home`, as a position of [`CURSOR_BITS`](super::CURSOR_BITS) bits beyond
    /// the segment's own start.
    pub(super) fn home_start(self, home: usize) -> u64 {
        let first = (home << STAMP_BITS).div_ceil(self.homes);
        let grain = 1 << (self.depth - stamp_base(self.depth));
        (first.next_multiple_of(grain) as u64) << (super::CURSOR_BITS - STAMP_BITS - self.depth)
    }

    /// Stash buckets, and those that continue the last of them.
    ///
    /// # Safety
    /// The shard's lock is held while the iterator lives, and links stay.
    pub(super) unsafe fn stash<'a>(self) -> impl Iterator<Item = &'a Bucket> {
        let mut line = self.homes;
        let mut further = None;
        core::iter::from_fn(move || {
            let bucket = match further.take() {
                Some(bucket) => bucket,
                None if line < self.lines() => {
                    line += 1;
                    self.line(line - 1)
                }
                None => return None,
            };
            // SAFETY: the lock is held; only the last line and its successors can be linked.
            further = if line == self.lines() { unsafe { bucket.link() } } else { None };
            Some(bucket)
        })
    }

    /// All buckets in the order of the lines.
    ///
    /// # Safety
    /// As for [`Segment::stash`].
    unsafe fn buckets<'a>(self) -> impl Iterator<Item = &'a Bucket> {
        // SAFETY: as the caller vouches.
        (0..self.homes).map(move |line| self.line(line)).chain(unsafe { self.stash() })
    }

    /// Every record's tag and word.
    ///
    /// # Safety
    /// As for [`Segment::stash`].
    pub(super) unsafe fn for_each(self, mut visit: impl FnMut(u8, Word)) {
        // SAFETY: as the caller vouches.
        for bucket in unsafe { self.buckets() } {
            let control = bucket.control();
            control.occupied().for_each(|slot| visit(control.tag(slot), bucket.word(slot)));
        }
    }

    /// Number of records.
    ///
    /// # Safety
    /// As for [`Segment::stash`].
    pub(super) unsafe fn count(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { self.buckets() }.map(|bucket| bucket.control().count()).sum()
    }

    /// # Safety
    /// The shard's lock is held.
    #[inline(always)]
    pub(super) unsafe fn find<R: Keyed>(self, hash: u64, key: &[u8]) -> Option<Location> {
        let tag = tag_of(hash);
        let line = self.home(stamp_of(hash, self.depth));
        let home = self.line(line);
        // SAFETY: the lock is held.
        unsafe {
            let control = home.control();
            if let Some(slot) = find_in::<R>(home, control, tag, key) {
                return Some(Location { bucket: home.into(), home: home.into(), slot });
            }
            if !control.overflows() {
                return None;
            }
            self.find_displaced::<R>(line, tag, key)
        }
    }

    /// # Safety
    /// The shard's lock is held.
    #[inline(never)]
    unsafe fn find_displaced<R: Keyed>(self, line: usize, tag: u8, key: &[u8]) -> Option<Location> {
        let home = self.line(line);
        let control = home.control();
        // SAFETY: the lock is held. A home that counts neighbours has a next bucket.
        unsafe {
            let look = |bucket: &Bucket| {
                let slot = find_in::<R>(bucket, bucket.control(), tag, key)?;
                Some(Location { bucket: bucket.into(), home: home.into(), slot })
            };
            if control.neighbours() > 0
                && let Some(at) = look(self.line(line + 1))
            {
                return Some(at);
            }
            if control.stashed() == 0 { None } else { self.stash().find_map(look) }
        }
    }

    /// Puts a record where its stamp says. `None` when home, neighbour and stash are full.
    ///
    /// # Safety
    /// The shard's lock is held, or the segment is not yet published.
    #[inline]
    pub(super) unsafe fn insert(self, tag: u8, word: Word) -> Option<Location> {
        let line = self.home(word.stamp());
        let home = self.line(line);
        match home.put(tag, word) {
            Some(slot) => Some(Location { bucket: home.into(), home: home.into(), slot }),
            // SAFETY: as the caller vouches.
            None => unsafe { self.insert_displaced(line, tag, word) },
        }
    }

    /// The same when home is full.
    ///
    /// # Safety
    /// As for [`Segment::insert`].
    #[inline(never)]
    unsafe fn insert_displaced(self, line: usize, tag: u8, word: Word) -> Option<Location> {
        let home = self.line(line);
        let at = |bucket: &Bucket, slot| Location { bucket: bucket.into(), home: home.into(), slot };
        if line + 1 < self.lines() {
            let next = self.line(line + 1);
            if let Some(slot) = next.put(tag, word) {
                home.add_neighbour();
                return Some(at(next, slot));
            }
        }
        // SAFETY: as the caller vouches.
        let stash = unsafe { self.stash() };
        let (bucket, slot) =
            stash.filter_map(|bucket| bucket.put(tag, word).map(|slot| (bucket, slot))).next()?;
        home.add_stashed();
        Some(at(bucket, slot))
    }

    /// Continues the stash with one more bucket.
    ///
    /// # Safety
    /// The shard's lock is held, or the segment is not yet published.
    pub(super) unsafe fn extend_stash(self) {
        // SAFETY: as the caller vouches.
        let last = unsafe { self.stash() }.last().expect("the largest segment has a stash");
        last.set_link();
    }

    /// Fills an empty segment. `None` when the contents do not fit; the largest segment continues its stash until
    /// they do, by as many buckets as it says.
    ///
    /// # Safety
    /// The segment is not yet published.
    pub(super) unsafe fn fill(self, contents: &[(u8, Word)]) -> Option<usize> {
        let mut links = 0;
        for &(tag, word) in contents {
            // SAFETY: as the caller vouches.
            unsafe {
                while self.insert(tag, word).is_none() {
                    if self.lines() < MAX_LINES {
                        return None;
                    }
                    self.extend_stash();
                    links += 1;
                }
            }
        }
        Some(links)
    }

    /// Brings a record that overflowed back to its home, which has room now and is the one of records with this stamp.
    ///
    /// # Safety
    /// The shard's lock is held.
    #[inline(never)]
    pub(super) unsafe fn bring_home(self, home: &Bucket, stamp: u16) {
        let line = self.home(stamp);
        let move_from = |bucket: &Bucket| {
            let control = bucket.control();
            let slot = control.occupied().find(|&slot| self.home(bucket.word(slot).stamp()) == line)?;
            home.put(control.tag(slot), bucket.word(slot)).expect("a slot was just freed");
            bucket.clear(slot);
            count_off(home, bucket);
            Some(())
        };
        // The stash first: it is what everybody shares, and what costs most to look at. Its first bucket may be the
        // last home's neighbour, which the count tells apart.
        // SAFETY: the lock is held.
        let stashed = home.control().stashed() > 0 && unsafe { self.stash() }.find_map(move_from).is_some();
        if !stashed && home.control().neighbours() > 0 {
            move_from(self.line(line + 1)).expect("a counted neighbour is in the next bucket");
        }
    }
}

/// The slot of `key` in one bucket.
///
/// # Safety
/// The shard's lock is held.
#[allow(clippy::manual_find, reason = "the adaptor is a call of its own for each lookup, the loop is not")]
#[inline(always)]
unsafe fn find_in<R: Keyed>(bucket: &Bucket, control: Control, tag: u8, key: &[u8]) -> Option<usize> {
    for slot in control.matches(tag) {
        // SAFETY: the lock is held and the slots with a matching tag are occupied.
        if unsafe { bucket.word(slot).record::<R>().has_key(key) } {
            return Some(slot);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::CURSOR_BITS;

    #[test]
    fn sizes_follow_the_number_of_records() {
        let mut sizes: Vec<usize> = (0..2000).map(lines_for).collect();
        assert!(sizes.is_sorted());
        sizes.dedup();
        assert_eq!(sizes, [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64]);
        for records in 6..300 {
            assert!(records * 4 <= lines_for(records) * SLOTS * 3, "{records} records");
        }
    }

    /// A position is at or after a home's start exactly if its home is that one or a later one.
    #[test]
    fn homes_cover_the_hash_space_in_order() {
        for depth in [0, 1, 3, 4, 7, 25] {
            for lines in (1..=MAX_LINES).filter(|&lines| line_class(lines) == lines) {
                let segment = Segment {
                    start: NonNull::dangling(),
                    homes: lines - stash_lines(lines),
                    stash: stash_lines(lines),
                    depth,
                };
                assert_eq!(segment.home_start(0), 0);
                for home in 0..segment.homes {
                    let start = segment.home_start(home);
                    let hash = |position: u64| position << (64 - CURSOR_BITS);
                    assert_eq!(segment.home(stamp_of(hash(start), depth)), home, "{depth} {lines} {home}");
                    if let Some(before) = start.checked_sub(1) {
                        assert_eq!(segment.home(stamp_of(hash(before) | 0xffff, depth)), home - 1);
                    }
                }
                let last = (1 << (CURSOR_BITS - depth)) - 1;
                assert_eq!(segment.home(stamp_of(last << 16, depth)), segment.homes - 1);
            }
        }
    }
}
