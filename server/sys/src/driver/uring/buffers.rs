//! The provided-buffer ring: receive buffers that belong to the thread. The kernel takes one when bytes have arrived, not when
//! a receive is armed, so a handful serves thousands of connections and stays in the cache.

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

/// Buffers, and the ring that hands them to the kernel.
#[derive(Debug)]
pub(super) struct BufferRing {
    entries: Region,
    memory: Region,
    size: usize,
    stride: usize,
    mask: u16,
    tail: u16,
}

impl BufferRing {
    /// `count` buffers (a power of two up to 32,768) of `size` bytes, all of them offered to the kernel. The ring must be
    /// dropped after io_uring itself or after [`BufferRing::unregister`].
    pub(super) fn register(submitter: &Submitter<'_>, size: usize, count: usize) -> io::Result<BufferRing> {
        assert!(count.is_power_of_two() && count <= 1 << 15, "{count} buffers");
        let stride = size.next_multiple_of(STAGGER) + STAGGER;
        let entries = Region::new(count * size_of::<BufRingEntry>())?;
        let memory = Region::new(count * stride)?;
        let mut ring = BufferRing { entries, memory, size, stride, mask: (count - 1) as u16, tail: 0 };
        // SAFETY: the region is page-aligned, large enough for `count` entries, and lives until it is unregistered.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.entries.as_ptr() as u64, count as u16, GROUP, 0)?;
        }
        for buffer in 0..count {
            ring.recycle(buffer as u16);
        }
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

    /// Offers a buffer to the kernel again.
    #[inline]
    pub(super) fn recycle(&mut self, buffer: u16) {
        assert!(buffer <= self.mask, "buffer {buffer}");
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
