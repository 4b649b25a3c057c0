//! Looking ahead without the lock: hints to the processor about what a lookup will read.

use core::sync::atomic::Ordering::Acquire;

use crossbeam_epoch::Guard;

use super::Table;
use super::bucket::{Bucket, tag_of};
use super::segment::stamp_of;

/// Bytes that a prefetch brings in.
const CACHE_LINE: usize = 64;

/// Starts loading the cache line at an address. Any address is fine: a bad one is ignored.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
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

impl Table {
    /// The home bucket of a hash, for a reader without the lock.
    #[inline]
    fn home<'g>(&self, hash: u64, _: &'g Guard) -> Option<(&'g Bucket, Option<&'g Bucket>)> {
        // The guard was taken before the entry is read, and keeps alive what the entry names.
        let segment = self.lookup(hash, Acquire).segment()?;
        let line = segment.home(stamp_of(hash, segment.depth));
        Some((segment.line(line), (line + 1 < segment.lines()).then(|| segment.line(line + 1))))
    }

    /// Starts loading the home bucket of a hash.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, hash: u64, guard: &Guard) {
        if let Some((home, _)) = self.home(hash, guard) {
            prefetch(home);
        }
    }

    /// Starts loading the records that the home bucket of a hash, or its neighbour, has under its tag.
    #[inline]
    pub(crate) fn prefetch_record(&self, hash: u64, guard: &Guard) {
        let Some((home, next)) = self.home(hash, guard) else { return };
        let control = home.control();
        let tag = tag_of(hash);
        let mut found = false;
        for slot in control.matches(tag) {
            prefetch_ahead(home, slot);
            found = true;
        }
        if !found
            && control.neighbours() > 0
            && let Some(next) = next
        {
            next.control().matches(tag).for_each(|slot| prefetch_ahead(next, slot));
        }
    }
}

/// The two lines that a small record lies in.
#[inline]
fn prefetch_ahead(bucket: &Bucket, slot: usize) {
    let record = bucket.word(slot).address();
    prefetch(record);
    prefetch(record.wrapping_byte_add(CACHE_LINE));
}
