//! Values with several forms behind one word: each form is a pointer whose lowest bits say which it is.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// The bits of a word that say which form it is; all forms are aligned to eight bytes.
pub(crate) const TAG_BITS: usize = 7;

/// A box whose pointer says `TAG` in its lowest bits.
#[repr(transparent)]
pub(crate) struct Boxed<T, const TAG: usize> {
    tagged: NonNull<T>,
}

impl<T, const TAG: usize> Boxed<T, TAG> {
    pub(crate) fn new(value: T) -> Self {
        const { assert!(align_of::<T>() > TAG && TAG <= TAG_BITS, "the tag fits below the pointer") };
        let boxed = NonNull::from(Box::leak(Box::new(value)));
        Self { tagged: boxed.map_addr(|address| address | TAG) }
    }

    /// Moves the box's allocation if it lies badly.
    #[cfg(feature = "jemalloc")]
    pub(crate) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        let mut address = self.untagged().cast();
        // SAFETY: the allocation is a box's, which this value owns and which is exclusively borrowed.
        unsafe { mover.allocation(&mut address, std::alloc::Layout::new::<T>()) };
        self.tagged = address.cast::<T>().map_addr(|address| address | TAG);
    }

    #[inline]
    fn untagged(&self) -> NonNull<T> {
        // The address of an allocation is not zero.
        self.tagged.map_addr(|address| {
            core::num::NonZero::new(address.get() & !TAG_BITS).expect("a box has an address")
        })
    }
}

// SAFETY: a box of something that may be sent.
unsafe impl<T: Send, const TAG: usize> Send for Boxed<T, TAG> {}

impl<T, const TAG: usize> Deref for Boxed<T, TAG> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is that of a living box, which this value owns.
        unsafe { self.untagged().as_ref() }
    }
}

impl<T, const TAG: usize> DerefMut for Boxed<T, TAG> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for deref; this value is exclusively borrowed.
        unsafe { self.untagged().as_mut() }
    }
}

impl<T, const TAG: usize> Drop for Boxed<T, TAG> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked box, which has no other owner.
        drop(unsafe { Box::from_raw(self.untagged().as_ptr()) });
    }
}

impl<T: Clone, const TAG: usize> Clone for Boxed<T, TAG> {
    fn clone(&self) -> Self {
        Self::new(T::clone(self))
    }
}

/// Declares how a type is kept: the word, and enums to look at what is in it.
///
/// Each form's type is one pointer whose lowest bits are the given tag.
macro_rules! forms {
    ($word:ident, $form:ident, $form_mut:ident { $($name:ident: $variant:ident($type:ty) = $tag:literal),* $(,)? }) => {
        #[repr(C)]
        union $word {
            $($name: ManuallyDrop<$type>,)*
            pointer: *const u8,
        }

        /// What is in the word.
        enum $form<'a> {
            $($variant(&'a $type),)*
        }

        /// What is in the word, for changing.
        enum $form_mut<'a> {
            $($variant(&'a mut $type),)*
        }

        const _: () = assert!(size_of::<$word>() == 8 $(&& size_of::<$type>() == 8)*, "a form is one word");

        impl $word {
            #[inline]
            fn tag(&self) -> usize {
                // SAFETY: every form is a pointer.
                unsafe { self.pointer }.addr() & crate::forms::TAG_BITS
            }

            #[inline]
            fn form(&self) -> $form<'_> {
                match self.tag() {
                    // SAFETY: the tag says which form is there.
                    $($tag => $form::$variant(unsafe { &self.$name }),)*
                    _ => unreachable!("a word has the tag of a form"),
                }
            }

            #[inline]
            fn form_mut(&mut self) -> $form_mut<'_> {
                match self.tag() {
                    // SAFETY: the tag says which form is there.
                    $($tag => $form_mut::$variant(unsafe { &mut self.$name }),)*
                    _ => unreachable!("a word has the tag of a form"),
                }
            }
        }

        $(impl From<$type> for $word {
            fn from(form: $type) -> Self {
                let word = Self { $name: ManuallyDrop::new(form) };
                debug_assert_eq!(word.tag(), $tag);
                word
            }
        })*

        impl Clone for $word {
            fn clone(&self) -> Self {
                match self.form() { $($form::$variant(form) => form.clone().into(),)* }
            }
        }

        impl Drop for $word {
            fn drop(&mut self) {
                match self.tag() {
                    // SAFETY: the tag says which form is there, and it is not used again.
                    $($tag => unsafe { ManuallyDrop::drop(&mut self.$name) },)*
                    _ => unreachable!("a word has the tag of a form"),
                }
            }
        }

        // SAFETY: the word owns one of the forms, each of which may be sent.
        unsafe impl Send for $word where $($type: Send,)* {}
    };
}

pub(crate) use forms;

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_tagged_box_owns_its_value() {
        let counted = Rc::new(7u64);
        let mut boxed = Boxed::<_, 2>::new((Rc::clone(&counted), 1u64));
        boxed.1 += 1;
        let copy = boxed.clone();
        assert_eq!((*copy.0, copy.1, Rc::strong_count(&counted)), (7, 2, 3));
        drop(boxed);
        drop(copy);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
