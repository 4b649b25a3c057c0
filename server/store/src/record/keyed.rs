//! Records as the tables see them, and moving what they are made of.

use core::ptr::NonNull;

#[cfg(feature = "jemalloc")]
use super::build::layout_of;
use super::raw::RawRecord;
#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
#[cfg(feature = "jemalloc")]
use crate::object::Object;
use crate::table::Keyed;

impl Keyed for RawRecord {
    #[inline]
    unsafe fn from_ptr_unchecked(ptr: *mut u64) -> Self {
        // SAFETY: as_ptr gives no null.
        Self(unsafe { NonNull::new_unchecked(ptr) })
    }

    #[inline]
    fn as_ptr(self) -> *mut u64 {
        self.0.as_ptr()
    }

    #[inline]
    unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: as the caller vouches.
        unsafe { Self::key(self) }
    }

    #[inline]
    unsafe fn has_key(self, key: &[u8]) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { Self::has_key(self, key) }
    }

    #[inline]
    unsafe fn may_expire(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { Self::may_expire(self) }
    }

    #[cfg(feature = "jemalloc")]
    unsafe fn relocate(self, mover: &mut Mover) -> Self {
        // SAFETY: as the caller vouches; the layout is the one of build, as in-place changes keep the size class.
        unsafe {
            let layout = layout_of(self.used(self.header()));
            Self(mover.relocate(self.0.cast(), layout).cast())
        }
    }
}

#[cfg(feature = "jemalloc")]
impl RawRecord {
    /// Moves the record's blob, if it has one that nobody else refers to.
    ///
    /// # Safety
    /// See the type; nothing of the blob is borrowed.
    pub(crate) unsafe fn move_blob(self, mover: &mut Mover) {
        // SAFETY: as the caller vouches; the payload word gets the blob's new address.
        unsafe {
            let header = self.header();
            if header.has_blob() {
                let mut blob = core::mem::ManuallyDrop::into_inner(self.borrow_blob(header));
                blob.defragment(mover);
                self.payload(header).cast::<*mut u8>().write(blob.into_raw());
            }
        }
    }

    /// One step of moving what an object is made of: see [`ObjectRef`] for positions. `None` when it is done.
    ///
    /// # Safety
    /// See the type; nothing of the object is borrowed.
    pub(crate) unsafe fn defragment_object(
        self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        // SAFETY: as the caller vouches; the word of a record with such a header is an object of that kind.
        unsafe {
            let header = self.header();
            if !header.has_object() {
                return None;
            }
            Object::defragment_word(header.kind(), self.payload(header), position, budget, mover)
        }
    }
}
