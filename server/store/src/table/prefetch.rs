//! Looking ahead without the lock: hints to the processor about what a lookup will read.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::Acquire;

use crossbeam_epoch::Guard;

use super::Table;
use super::bucket::{Bucket, tag_of};
use super::segment::stamp_of;

/// Bytes that a prefetch brings in.
const CACHE_LINE: usize = 64;

/// Starts loading the cache line at an address. Any address is fine: a bad one is ignored.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction never faults and changes nothing but the cache.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: the instruction never faults and changes nothing but the cache.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// Where a key will be looked for: its bucket, that of its overflow, and its tag.
#[derive(Clone, Copy)]
pub struct Ahead<'g> {
    /// The home bucket; null when the database is empty.
    home: *const Bucket,
    tag: u8,
    /// The buckets are alive as long as the guard.
    guard: PhantomData<&'g Guard>,
}

impl Ahead<'_> {
    /// No bucket: nothing to load.
    pub const NOTHING: Self = Self { home: core::ptr::null(), tag: 0, guard: PhantomData };

    /// Starts loading the records that the home bucket, or its neighbour, has under the key's tag.
    #[inline]
    pub fn prefetch_record(self) {
        // SAFETY: a bucket that is there is kept alive by the guard.
        let Some(home) = (unsafe { self.home.as_ref() }) else { return };
        let control = home.control();
        let mut slots = control.matches(self.tag);
        if let Some(slot) = slots.next() {
            prefetch_record_of(home, slot);
            // A second match is a coincidence of tags: one in forty.
            for slot in slots {
                prefetch_record_of(home, slot);
            }
        } else if control.neighbours() > 0 {
            self.prefetch_from_neighbour();
        }
    }

    #[inline(never)]
    fn prefetch_from_neighbour(self) {
        // SAFETY: a home that ever counted a neighbour has a bucket behind it, in the same allocation, which the
        // guard keeps alive.
        let next = unsafe { &*self.home.add(1) };
        for slot in next.control().matches(self.tag) {
            prefetch_record_of(next, slot);
        }
    }
}

impl<R> Table<R> {
    /// Where a hash will be looked for, for a reader without the lock.
    #[inline]
    pub(crate) fn look_ahead<'g>(&self, hash: u64, _: &'g Guard) -> Ahead<'g> {
        // The guard was taken before the entry is read, and keeps alive what the entry names.
        let Some(segment) = self.lookup(hash, Acquire).segment() else { return Ahead::NOTHING };
        let line = segment.home(stamp_of(hash, segment.depth));
        // SAFETY: a home is inside its segment.
        let home = unsafe { segment.start.add(line) };
        Ahead { home: home.as_ptr(), tag: tag_of(hash), guard: PhantomData }
    }

    /// Starts loading the home bucket of a hash.
    #[inline]
    pub(crate) fn prefetch_bucket<'g>(&self, hash: u64, guard: &'g Guard) -> Ahead<'g> {
        let ahead = self.look_ahead(hash, guard);
        prefetch(ahead.home);
        ahead
    }
}

/// Starts loading the two lines that a small record lies in.
#[inline]
fn prefetch_record_of(bucket: &Bucket, slot: usize) {
    let record = bucket.word(slot).address();
    prefetch(record);
    prefetch(record.wrapping_byte_add(CACHE_LINE));
}
