//! Going through a table in the order of the hashes, picking at random, and emptying.

use crossbeam_epoch::Guard;

use super::bucket::{Bucket, SLOTS};
use super::directory::Directory;
use super::prefetch::prefetch;
use super::segment::{Segment, stamp_of};
use super::{CURSOR_BITS, Keyed, Table};
use crate::hash::KeyHasher;

/// Tries of [`Table::random`] before it takes the next record it finds. The table is rarely less than a quarter
/// full, so that 32 tries in a row miss once in ten thousand times.
const RANDOM_TRIES: usize = 32;

/// A record that a walk came by.
#[derive(Clone, Copy)]
pub(crate) struct Found<R> {
    pub(crate) record: R,
    /// Whether it, or an element of it, has an expiry; known without touching the record.
    pub(crate) volatile: bool,
}

impl<R: Keyed> Table<R> {
    /// Shows the records whose home is the bucket of `position`, and whose own position is not before it. Returns the
    /// position of the next bucket, zero after the last.
    ///
    /// Splits and merges move the borders of buckets, but a position always divides the records in the same way.
    ///
    /// # Safety
    /// The shard's lock is held.
    pub(crate) unsafe fn walk_bucket(
        &self,
        position: u64,
        hasher: &KeyHasher,
        visit: &mut dyn FnMut(Found<R>),
    ) -> u64 {
        let hash = position << (64 - CURSOR_BITS);
        // SAFETY: the lock is held.
        let Some(segment) = (unsafe { self.segment(hash) }) else { return 0 };
        let span = 1 << (CURSOR_BITS - segment.depth);
        let start = position & !(span - 1);
        let line = segment.home(stamp_of(hash, segment.depth));
        let first = start + segment.home_start(line);
        let next = if line + 1 < segment.homes { start + segment.home_start(line + 1) } else { start + span };

        // SAFETY: the lock is held.
        unsafe {
            for_each_of_home(segment, line, |found: Found<R>| {
                // Only a walk that began when the borders were elsewhere enters a bucket in its middle.
                if position == first || hasher.hash(found.record.key()) >> (64 - CURSOR_BITS) >= position {
                    visit(found);
                }
            });
        }
        next & ((1 << CURSOR_BITS) - 1)
    }

    /// A record, nearly fairly chosen by 64 random bits.
    ///
    /// # Safety
    /// The shard's lock is held.
    pub(crate) unsafe fn random(&self, rng: u64) -> Option<R> {
        let mut state = rng;
        for _ in 0..RANDOM_TRIES {
            let place = split_mix(&mut state);
            // SAFETY: the lock is held.
            let segment = unsafe { self.segment(place) }?;
            let slot = ((place & 0xffff_ffff) as usize * segment.slots()) >> 32;
            let bucket = segment.line(slot / SLOTS);
            if bucket.control().occupied().any(|occupied| occupied == slot % SLOTS) {
                // SAFETY: the slot is occupied and the lock is held.
                return Some(unsafe { bucket.word(slot % SLOTS).record() });
            }
        }
        // SAFETY: the lock is held.
        unsafe { self.first_from(state >> (64 - CURSOR_BITS)).or_else(|| self.first_from(0)) }
    }

    /// The first record at or after the bucket of a position.
    unsafe fn first_from(&self, mut position: u64) -> Option<R> {
        loop {
            // SAFETY: the lock is held.
            let segment = unsafe { self.segment(position << (64 - CURSOR_BITS)) }?;
            let mut first = None;
            // SAFETY: the lock is held.
            unsafe { segment.for_each(|_, word| first = first.or(Some(word.record()))) };
            let span = 1 << (CURSOR_BITS - segment.depth);
            position = (position & !(span - 1)) + span;
            if first.is_some() || position >= 1 << CURSOR_BITS {
                return first;
            }
        }
    }

    /// Empties the table: hands over every record. The memory is freed at once, or with a guard when it may still be
    /// looked at.
    ///
    /// # Safety
    /// The shard's lock is held; without a guard, nobody else can reach the table.
    pub(crate) unsafe fn drain(&self, guard: Option<&Guard>, free: &mut dyn FnMut(R)) {
        let (segments, directory) = self.take_entry();
        for segment in &segments {
            // SAFETY: the lock is held, so that records and segments are alive.
            unsafe {
                segment.for_each(|_, word| prefetch(word.address()));
                segment.for_each(|_, word| free(word.record()));
            }
        }
        let dismantle = move || {
            // SAFETY: the table forgot them, and no reader of their time is left.
            unsafe {
                segments.into_iter().for_each(|segment| segment.free());
                directory.into_iter().for_each(|directory: Directory| directory.free());
            }
        };
        match guard {
            // SAFETY: any thread may free the memory.
            Some(guard) => unsafe { guard.defer_unchecked(dismantle) },
            None => dismantle(),
        }
    }
}

/// Every record of one home, wherever it is.
///
/// # Safety
/// The shard's lock is held.
unsafe fn for_each_of_home<R: Keyed>(segment: Segment, line: usize, mut visit: impl FnMut(Found<R>)) {
    let home = segment.line(line);
    let control = home.control();
    let mut look = |bucket: &Bucket| {
        let here = || bucket.control().occupied().map(|slot| bucket.word(slot));
        here().for_each(|word| prefetch(word.address()));
        here().filter(|word| segment.home(word.stamp()) == line).for_each(|word| {
            // SAFETY: the slot is occupied and the lock is held.
            visit(Found { record: unsafe { word.record() }, volatile: word.is_volatile() });
        });
    };
    look(home);
    if control.neighbours() > 0 {
        look(segment.line(line + 1));
    }
    if control.stashed() > 0 {
        // The first stash bucket is the last home's neighbour.
        let seen = usize::from(line + 1 == segment.homes);
        // SAFETY: the lock is held.
        unsafe { segment.stash() }.skip(seen).for_each(look);
    }
}

/// The next of a sequence of well-mixed numbers (SplitMix64, Steele, Lea and Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
