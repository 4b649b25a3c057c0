//! Values that are not strings.
//!
//! An object is one word, which is the payload of its record: a pointer, however its type likes to have it. So a
//! small collection costs its record and one allocation.

use core::ptr::NonNull;

#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::hash_map::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::value::{Encoding, Kind};

mod sealed {
    pub trait Sealed {}
}

/// A type of value other than the string. Its values are one word in size, and are used where they lie in a record.
pub trait Composite: sealed::Sealed + Clone + Send + Into<Object> {
    /// The type's name for the commands.
    const KIND: Kind;

    /// How the value is kept, in Redis's terms.
    fn encoding(&self) -> Encoding;

    /// Number of elements: what freeing the value costs.
    fn len(&self) -> usize;

    /// Whether there are no elements.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory beyond the word itself. Constant time: it is asked for before and after every change.
    fn memory(&self) -> usize;

    /// A moment, in Unix milliseconds, before which no element expires; `None` when none ever does. Constant time, as
    /// for `memory`.
    #[inline]
    fn next_expiry(&self) -> Option<i64> {
        None
    }
}

macro_rules! objects {
    ($($kind:ident),*) => {
        /// A value that is not a string.
        #[derive(Clone)]
        #[expect(missing_docs, reason = "the types' own documentation")]
        pub enum Object {
            $($kind($kind),)*
        }

        /// A value that is not a string, in its record.
        #[derive(Clone, Copy)]
        #[expect(missing_docs, reason = "the types' own documentation")]
        pub enum ObjectRef<'a> {
            $($kind(&'a $kind),)*
        }

        $(
            const _: () = assert!(size_of::<$kind>() == 8 && align_of::<$kind>() == 8, "an object is one word");

            impl sealed::Sealed for $kind {}

            impl From<$kind> for Object {
                fn from(object: $kind) -> Self {
                    Self::$kind(object)
                }
            }
        )*

        impl Object {
            /// The type.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => <$kind>::KIND,)* }
            }

            /// Number of elements.
            #[must_use]
            #[expect(clippy::len_without_is_empty, reason = "what is restored is never empty, streams aside")]
            pub fn len(&self) -> usize {
                match self { $(Self::$kind(object) => object.len(),)* }
            }

            /// Moves the object into a record's payload word.
            ///
            /// # Safety
            /// The word is there to be written, and holds nothing.
            pub(crate) unsafe fn into_word(self, word: NonNull<u64>) {
                // SAFETY: each type is one word, and the caller vouches for this one.
                match self { $(Self::$kind(object) => unsafe { word.cast().write(object) },)* }
            }

            /// One step of moving what the object in a record's payload word is made of: goes on at a position until `budget`, which counts down by allocations, is used up. What comes back is where to go on,
            /// `None` at the end; a position means the same whatever has become of the object.
            ///
            /// # Safety
            /// The word holds an object of this kind, and nothing of it is borrowed.
            #[cfg(feature = "jemalloc")]
            pub(crate) unsafe fn defragment_word(
                kind: Kind,
                word: NonNull<u64>,
                position: ValuePosition,
                budget: &mut usize,
                mover: &mut Mover,
            ) -> Option<ValuePosition> {
                match kind {
                    $(Kind::$kind => {
                        // SAFETY: as the caller vouches.
                        unsafe { word.cast::<$kind>().as_mut() }.defragment(position, budget, mover)
                    })*
                    Kind::String => unreachable!("a string is no object"),
                }
            }

            /// Moves the object out of a record's payload word.
            ///
            /// # Safety
            /// The word holds an object of this kind, and is not used as one again.
            pub(crate) unsafe fn from_word(kind: Kind, word: NonNull<u64>) -> Self {
                match kind {
                    // SAFETY: as the caller vouches.
                    $(Kind::$kind => Self::$kind(unsafe { word.cast().read() }),)*
                    Kind::String => unreachable!("a string is no object"),
                }
            }
        }

        impl<'a> ObjectRef<'a> {
            /// The object in a record's payload word.
            ///
            /// # Safety
            /// The word holds an object of this kind, unchanged during `'a`.
            pub(crate) unsafe fn of(kind: Kind, word: NonNull<u64>) -> Self {
                match kind {
                    // SAFETY: as the caller vouches.
                    $(Kind::$kind => Self::$kind(unsafe { word.cast().as_ref() }),)*
                    Kind::String => unreachable!("a string is no object"),
                }
            }

            /// A deep copy.
            #[must_use]
            pub fn duplicate(self) -> Object {
                match self { $(Self::$kind(object) => object.clone().into(),)* }
            }

            /// How the value is kept, in Redis's terms.
            #[must_use]
            pub fn encoding(self) -> Encoding {
                match self { $(Self::$kind(object) => object.encoding(),)* }
            }

            /// Number of elements.
            #[must_use]
            #[expect(clippy::len_without_is_empty, reason = "an object in the keyspace is never empty, streams aside")]
            pub fn len(self) -> usize {
                match self { $(Self::$kind(object) => object.len(),)* }
            }

            /// A moment before which no element expires.
            #[must_use]
            #[inline]
            pub fn next_expiry(self) -> Option<i64> {
                match self { $(Self::$kind(object) => object.next_expiry(),)* }
            }

            /// Bytes of memory beyond the record.
            #[must_use]
            pub fn memory(self) -> usize {
                match self { $(Self::$kind(object) => object.memory(),)* }
            }
        }
    };
}

objects!(List, Set, SortedSet, Hash, Stream);
