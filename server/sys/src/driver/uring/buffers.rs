//! The provided-buffer ring: receive buffers that belong to the thread. The kernel takes one when bytes have arrived, not when
//! a receive is armed, so a handful serves thousands of connections and stays in the cache.
//!
//! **How many circulate.** The kernel takes the buffers in turn, so all that circulate pass through the cache: with requests of
//! 1 to 7 KiB, 64 cost 3 to 8 % more than 32. But a receive that finds none left is ended and must be armed again, which costs
//! more (20 % in all with 500 busy connections and 32 buffers). So few circulate at first, twice as many after a turn
//! in which they ran out, and only as many as the recent turns needed once that is less; the rest are kept in reserve, untouched.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::memory::Region;

/// The only group of this driver.
pub(super) const GROUP: u16 = 0;

/// Buffers begin this much further apart than they are long. At a distance of whole pages the beginnings of all would fall into
/// the same few sets of the L1 cache, and most receives touch little more than the beginning.
const STAGGER: usize = 64;

/// Buffers that circulate at least, if there are as many: the kernel works out some 20 receives in one go.
const FEWEST: u16 = 32;

/// Turns over which the need is observed before buffers are withdrawn: a fraction of a second under load.
const OBSERVED_TURNS: u32 = 4096;

/// Buffers, and the ring that hands them to the kernel.
#[derive(Debug)]
pub(super) struct BufferRing {
    entries: Region,
    memory: Region,
    size: usize,
    stride: usize,
    mask: u16,
    tail: u16,
    /// Buffers that are offered to the kernel or hold what it has received.
    circulating: u16,
    /// How many should.
    target: u16,
    /// Those that do not, the last used on top.
    reserve: Vec<u16>,
    taken_this_turn: u16,
    ran_out: bool,
    most_taken: u16,
    turns: u32,
}

impl BufferRing {
    /// `count` buffers (a power of two up to 32,768) of `size` bytes, all of them offered to the kernel. The ring must be
    /// dropped after io_uring itself or after [`BufferRing::unregister`].
    pub(super) fn register(submitter: &Submitter<'_>, size: usize, count: usize) -> io::Result<BufferRing> {
        assert!(count.is_power_of_two() && count <= 1 << 15, "{count} buffers");
        let stride = size.next_multiple_of(STAGGER) + STAGGER;
        let mut entries = Region::new(count * size_of::<BufRingEntry>())?;
        entries.populate();
        let memory = Region::new(count * stride)?;
        let mut ring = BufferRing {
            entries,
            memory,
            size,
            stride,
            mask: (count - 1) as u16,
            tail: 0,
            circulating: 0,
            target: FEWEST.min(count as u16),
            reserve: (0..count as u16).rev().collect(),
            taken_this_turn: 0,
            ran_out: false,
            most_taken: 0,
            turns: 0,
        };
        // SAFETY: the region is page-aligned, large enough for `count` entries, and lives until it is unregistered.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.entries.as_ptr() as u64, count as u16, GROUP, 0)?;
        }
        ring.circulate();
        Ok(ring)
    }

    /// Takes the ring back from the kernel.
    pub(super) fn unregister(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        submitter.unregister_buf_ring(GROUP)
    }

    /// The first `len` bytes of a buffer that a completion has named.
    ///
    /// # Safety
    /// The kernel has given the buffer to us, it has not been recycled since, and nobody else refers to it.
    #[inline]
    pub(super) unsafe fn received(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        assert!(buffer <= self.mask && len <= self.size, "buffer {buffer} with {len} bytes");
        // SAFETY: within the region by the line above; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start(buffer), len) }
    }

    #[inline]
    fn start(&self, buffer: u16) -> *mut u8 {
        // SAFETY: `buffer` is at most `mask`, so this is within the region of (mask + 1) strides.
        unsafe { self.memory.as_ptr().add(usize::from(buffer) * self.stride) }
    }

    /// A buffer has done its duty: it is offered to the kernel again, or goes into the reserve.
    #[inline]
    pub(super) fn recycle(&mut self, buffer: u16) {
        assert!(buffer <= self.mask, "buffer {buffer}");
        self.taken_this_turn = self.taken_this_turn.saturating_add(1);
        if self.circulating > self.target {
            self.circulating -= 1;
            self.reserve.push(buffer);
        } else {
            self.offer(buffer);
        }
    }

    /// Gives back the memory of all buffers, which the next receives take anew.
    ///
    /// # Safety
    /// No buffer holds anything, and the kernel writes to none before this returns.
    pub(super) unsafe fn release(&mut self) {
        self.memory.release();
    }

    /// A receive has found no buffer.
    pub(super) fn note_exhaustion(&mut self) {
        self.ran_out = true;
    }

    /// Adjusts how many buffers circulate. True: to more, because they ran out in this turn.
    #[inline]
    pub(super) fn end_turn(&mut self) -> bool {
        self.most_taken = self.most_taken.max(std::mem::take(&mut self.taken_this_turn));
        self.turns += 1;
        if std::mem::take(&mut self.ran_out) {
            return self.grow();
        }
        if self.turns >= OBSERVED_TURNS {
            let needed = self.most_taken.saturating_add(self.most_taken / 2).max(FEWEST.min(self.mask + 1));
            self.target = self.target.min(needed);
            (self.turns, self.most_taken) = (0, 0);
        }
        false
    }

    #[cold]
    fn grow(&mut self) -> bool {
        let before = self.target;
        self.target = self.target.saturating_mul(2).min(self.mask + 1);
        (self.turns, self.most_taken) = (0, 0);
        self.circulate();
        self.target > before
    }

    /// Takes buffers out of the reserve until as many circulate as should.
    fn circulate(&mut self) {
        while self.circulating < self.target
            && let Some(buffer) = self.reserve.pop()
        {
            self.circulating += 1;
            self.offer(buffer);
        }
    }

    #[inline]
    fn offer(&mut self, buffer: u16) {
        let base = self.entries.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the place is within the ring, and the kernel does not read it before the tail has passed it. At most
        // mask + 1 buffers exist, so the place is not one still to be read.
        let entry = unsafe { &mut *base.add(usize::from(self.tail & self.mask)) };
        entry.set_addr(self.start(buffer) as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry's reserved field, aligned for 16 bits, and only we write it. The release
        // makes the entry visible before the kernel sees the new tail.
        unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) }
            .store(self.tail, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use io_uring::IoUring;

    use super::*;

    /// One turn in which `taken` buffers come and go.
    fn turn(ring: &mut BufferRing, taken: u16, ran_out: bool) -> bool {
        (0..taken).for_each(|buffer| ring.recycle(buffer));
        if ran_out {
            ring.note_exhaustion();
        }
        ring.end_turn()
    }

    #[test]
    fn as_many_circulate_as_are_needed() {
        let Ok(io) = IoUring::new(8) else { return };
        let mut ring = BufferRing::register(&io.submitter(), 64, 256).unwrap();
        assert_eq!((ring.circulating, ring.reserve.len()), (32, 224));
        assert!(turn(&mut ring, 32, true));
        assert!(turn(&mut ring, 32, true));
        assert_eq!((ring.circulating, ring.reserve.len()), (128, 128));
        assert!(turn(&mut ring, 100, true));
        assert!(!turn(&mut ring, 100, true), "there are no more");
        assert_eq!((ring.circulating, ring.reserve.len()), (256, 0));
        for _ in 0..OBSERVED_TURNS {
            assert!(!turn(&mut ring, 40, false));
        }
        turn(&mut ring, 250, false);
        assert_eq!((ring.target, ring.circulating), (60, 60), "one and a half times what was needed");
        for _ in 0..2 * OBSERVED_TURNS {
            turn(&mut ring, 1, false);
        }
        turn(&mut ring, 60, false);
        assert_eq!((ring.target, ring.circulating, ring.reserve.len()), (32, 32, 224));
    }
}
