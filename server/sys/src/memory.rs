//! Page-aligned memory straight from the kernel: receive buffers and rings that the kernel reads and writes while we run.

use std::io;
use std::ptr::NonNull;

/// The size from which a region asks for transparent huge pages: one of them on x86-64, and on aarch64 with 4-KiB pages.
const HUGE_PAGE: usize = 2 << 20;

/// A private, zeroed, page-aligned region; given back to the kernel when dropped.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a region is plain memory with one owner; nothing about it belongs to a thread.
unsafe impl Send for Region {}

impl Region {
    /// Maps at least `len` bytes, rounded up to whole pages. A page takes memory from its first use on.
    ///
    /// # Errors
    /// `InvalidInput` for a length of zero or beyond half the address space, else what mmap(2) says.
    pub fn new(len: usize) -> io::Result<Region> {
        if len == 0 || len > isize::MAX as usize - HUGE_PAGE {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let len = len.next_multiple_of(page_size());
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Region {
            start: NonNull::new(start.cast()).expect("mmap without MAP_FIXED never gives zero"),
            len,
        })
    }

    /// Takes the memory now, all of it, so that the hot path meets no page fault; in huge pages if the region is large enough
    /// for one and the system allows them (`transparent_hugepage` at least on `madvise`).
    pub fn populate(&mut self) {
        if self.len >= HUGE_PAGE {
            self.advise(libc::MADV_HUGEPAGE);
        }
        self.advise(libc::MADV_POPULATE_WRITE);
    }

    /// Gives the memory back: the region keeps its addresses, reads as zeros, and takes memory again from its next use on.
    pub fn release(&mut self) {
        self.advise(libc::MADV_DONTNEED);
    }

    /// Bytes in the region, a whole number of pages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a region has at least one page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The first byte.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The whole region. Not to be used while the kernel has been given (parts of) it to write to.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes long, initialised by the kernel, and borrowed through `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Advice only: a kernel that does not follow it changes the speed, not the meaning.
    fn advise(&self, advice: i32) {
        // SAFETY: the range is this mapping. MADV_DONTNEED makes its contents zeros, which `release` says and whoever calls it
        // through `&mut` knows; the others do not change them.
        let _ = unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, advice) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping, and whoever shared it with the kernel has taken it back.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Bytes of a page.
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: no pointers are involved.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("the page size is always known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_whole_zeroed_pages() {
        let mut region = Region::new(5).unwrap();
        assert_eq!(region.len(), page_size());
        assert_eq!(region.as_ptr() as usize % page_size(), 0);
        assert!(region.as_mut_slice().iter().all(|&byte| byte == 0));
        region.as_mut_slice()[4] = 9;
        assert_eq!(region.as_mut_slice()[4], 9);
        region.release();
        assert_eq!(region.as_mut_slice()[4], 0);
        let mut large = Region::new(3 << 20).unwrap();
        large.populate();
        assert_eq!(large.len(), 3 << 20);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert_eq!(Region::new(0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Region::new(usize::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(Region::new(1 << 60).is_err());
    }
}
