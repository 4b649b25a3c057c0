//! Large string values: out of the record, behind a reference count, so that a reply can be sent from one while the
//! key is overwritten or deleted.

use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

/// Start of a blob's allocation; the bytes follow.
#[repr(C)]
struct BlobHeader {
    references: AtomicUsize,
    /// Written only while the reference count is one.
    len: usize,
    capacity: usize,
}

/// Shared ownership of the bytes of a large value. Cloning is one atomic increment.
///
/// The bytes never change while more than one `Blob` refers to them.
pub struct Blob {
    header: NonNull<BlobHeader>,
}

// SAFETY: the bytes are only written by a sole owner, and the count is atomic.
unsafe impl Send for Blob {}
// SAFETY: as for Send; a shared reference gives read access alone.
unsafe impl Sync for Blob {}

impl Blob {
    /// Length of the header before the bytes.
    const OVERHEAD: usize = size_of::<BlobHeader>();

    fn layout(capacity: usize) -> Layout {
        let size = Self::OVERHEAD.checked_add(capacity).expect("a value's length fits the address space");
        Layout::from_size_align(size, align_of::<BlobHeader>())
            .expect("a value's length fits the address space")
    }

    /// A blob of `len` bytes, the first ones copied from `prefix`, the others zero.
    pub(crate) fn new(prefix: &[u8], len: usize, capacity: usize) -> Self {
        assert!(prefix.len() <= len && len <= capacity, "a blob's bytes fit its capacity");
        let layout = Self::layout(capacity);
        // SAFETY: the layout is never of size zero, as it contains the header.
        let memory = unsafe { alloc(layout) };
        let Some(header) = NonNull::new(memory.cast::<BlobHeader>()) else { handle_alloc_error(layout) };
        // SAFETY: fresh memory of OVERHEAD + capacity bytes, aligned for the header; `prefix` cannot overlap it.
        unsafe {
            header.write(BlobHeader { references: AtomicUsize::new(1), len, capacity });
            let bytes = memory.add(Self::OVERHEAD);
            bytes.copy_from_nonoverlapping(prefix.as_ptr(), prefix.len());
            bytes.add(prefix.len()).write_bytes(0, len - prefix.len());
        }
        Self { header }
    }

    fn header(&self) -> &BlobHeader {
        // SAFETY: the allocation lives as long as any Blob; `len` is only written through `&mut` by a sole owner.
        unsafe { self.header.as_ref() }
    }

    fn bytes(&self) -> NonNull<u8> {
        // SAFETY: the bytes directly follow the header in the same allocation.
        unsafe { self.header.byte_add(Self::OVERHEAD).cast() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.header().capacity
    }

    /// Bytes of memory that the blob occupies.
    pub(crate) fn memory(&self) -> usize {
        Self::layout(self.capacity()).size()
    }

    /// The sole owner's access: changes the length within the capacity (new bytes are zero) and returns the bytes.
    /// `None` when the blob is shared or `len` does not fit.
    pub(crate) fn resize_in_place(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.header().references.load(Ordering::Acquire) != 1 || len > self.capacity() {
            return None;
        }
        let old = self.len();
        let bytes = self.bytes();
        // SAFETY: this is the only reference (a count of one cannot rise without a reference to clone), both lengths
        // are within the capacity, and the bytes up to `old` are initialised.
        unsafe {
            if len > old {
                bytes.add(old).write_bytes(0, len - old);
            }
            (*self.header.as_ptr()).len = len;
            Some(core::slice::from_raw_parts_mut(bytes.as_ptr(), len))
        }
    }

    /// Moves the blob if it lies badly and is not shared.
    #[cfg(feature = "jemalloc")]
    pub(crate) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        // A count of one cannot rise without a reference to clone.
        if self.header().references.load(Ordering::Acquire) == 1 {
            let (mut address, layout) = (self.header.cast(), Self::layout(self.capacity()));
            // SAFETY: the allocation is of this layout, and this is the only reference to it.
            unsafe { mover.allocation(&mut address, layout) };
            self.header = address.cast();
        }
    }

    /// Gives up ownership; the pointer must come back through [`Blob::from_raw`].
    pub(crate) fn into_raw(self) -> *mut u8 {
        let raw = self.header.as_ptr().cast();
        core::mem::forget(self);
        raw
    }

    /// # Safety
    /// `raw` came from [`Blob::into_raw`], and each such pointer is taken back at most once.
    pub(crate) unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: into_raw gave a valid, non-null pointer to a BlobHeader.
        Self { header: unsafe { NonNull::new_unchecked(raw.cast()) } }
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes follow the header, unchanged while shared.
        unsafe { core::slice::from_raw_parts(self.bytes().as_ptr(), self.header().len) }
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Blob {
    fn clone(&self) -> Self {
        let before = self.header().references.fetch_add(1, Ordering::Relaxed);
        assert!(before < usize::MAX / 2, "a blob's reference count overflows");
        Self { header: self.header }
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if self.header().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let layout = Self::layout(self.capacity());
        // SAFETY: this was the last reference, and the layout is the one of the allocation.
        unsafe { dealloc(self.header.as_ptr().cast(), layout) }
    }
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Blob").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_blob_refuses_to_change_and_outlives_its_first_owner() {
        let mut blob = Blob::new(b"hello", 8, 16);
        assert_eq!(&*blob, b"hello\0\0\0");
        let reader = blob.clone();
        assert!(blob.resize_in_place(9).is_none());
        drop(blob);
        let sent = std::thread::spawn(move || reader.to_vec()).join().unwrap();
        assert_eq!(sent, b"hello\0\0\0");
    }

    #[test]
    fn a_sole_owner_resizes_with_zeros() {
        let mut blob = Blob::new(b"hello", 5, 8);
        blob.resize_in_place(2).unwrap().copy_from_slice(b"HE");
        assert_eq!(blob.resize_in_place(4).unwrap(), b"HE\0\0");
        assert!(blob.resize_in_place(9).is_none());
        assert_eq!(blob.memory(), 24 + 8);
    }
}
