//! The bytes of a record: a header word, optional words, the key, and the value when it is small.
//!
//! ```text
//! offset 0   header: access clock 24 bits | meta 8 bits | key length 16 bits | inline value length 16 bits
//!        8   expiry in Unix milliseconds, i64          when VOLATILE
//!        +   key length, u64                           when LONG_KEY (65,535 bytes or more)
//!        +   payload word: an integer, a pointer to a  when PAYLOAD
//!            blob, or an object
//!        +   key bytes
//!        +   value bytes                               when not PAYLOAD
//! ```
//!
//! The allocation's size is the size class of what the header describes, so that it need not be stored: a value may
//! be overwritten in place exactly as long as the class stays the same.

use crate::value::Kind;

/// The record has an expiry word.
pub(super) const VOLATILE: u8 = 1 << 2;
/// The key's length is in a word of its own.
pub(super) const LONG_KEY: u8 = 1 << 3;
/// The value is a word before the key, not bytes behind it.
pub(super) const PAYLOAD: u8 = 1 << 0;
/// With PAYLOAD: the word is a pointer to a blob, or an object, not an integer.
pub(super) const POINTER: u8 = 1 << 1;
/// The string was modified in place, so that Redis would call it `raw` at any length.
pub(super) const MODIFIED: u8 = 1 << 4;

/// Where the kind of the value begins, in three bits.
pub(super) const KIND_SHIFT: u32 = 5;

/// Longest value that the header can describe inline.
pub(crate) const INLINE_LIMIT: usize = u16::MAX as usize;

/// Alignment of a record's allocation; the table uses the low pointer bits that it leaves free.
pub(super) const ALIGN: usize = 8;

const ACCESS_MASK: u64 = 0x00ff_ffff;
const KEY_LENGTH_IN_WORD: u64 = u16::MAX as u64;

/// A record's first word, by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header(pub(super) u64);

impl Header {
    /// The header of a record that is about to be written.
    pub(super) fn new(meta: u8, key_len: usize, value_len: usize, access: u32) -> Self {
        debug_assert!(value_len <= INLINE_LIMIT);
        let (meta, key_len) = match key_len as u64 {
            short if short < KEY_LENGTH_IN_WORD => (meta, short),
            _ => (meta | LONG_KEY, KEY_LENGTH_IN_WORD),
        };
        Self(
            u64::from(access) & ACCESS_MASK
                | u64::from(meta) << 24
                | key_len << 32
                | (value_len as u64) << 48,
        )
    }

    #[inline]
    pub(super) fn meta(self) -> u8 {
        (self.0 >> 24) as u8
    }

    #[inline]
    pub(super) fn has(self, flag: u8) -> bool {
        self.meta() & flag != 0
    }

    /// The kind of the value.
    #[inline]
    pub(super) fn kind(self) -> Kind {
        match self.meta() >> KIND_SHIFT {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            _ => Kind::Stream,
        }
    }

    /// Whether the payload word is a pointer to a blob.
    #[inline]
    pub(super) fn has_blob(self) -> bool {
        self.meta() & (POINTER | !0 << KIND_SHIFT) == POINTER
    }

    /// Whether the payload word is an object.
    #[inline]
    pub(super) fn has_object(self) -> bool {
        self.meta() >> KIND_SHIFT != 0
    }

    #[inline]
    pub(super) fn access(self) -> u32 {
        (self.0 & ACCESS_MASK) as u32
    }

    #[inline]
    pub(super) fn with_access(self, access: u32) -> Self {
        Self(self.0 & !ACCESS_MASK | u64::from(access) & ACCESS_MASK)
    }

    #[inline]
    pub(super) fn with_meta(self, meta: u8) -> Self {
        Self(self.0 & !(0xff << 24) | u64::from(meta) << 24)
    }

    /// The key's length when it is short; for LONG_KEY the length is in its own word.
    #[inline]
    pub(super) fn short_key_len(self) -> usize {
        (self.0 >> 32) as u16 as usize
    }

    /// Length of the inline value; zero when the value is in the payload word.
    #[inline]
    pub(super) fn value_len(self) -> usize {
        (self.0 >> 48) as usize
    }

    #[inline]
    pub(super) fn with_value_len(self, len: usize) -> Self {
        debug_assert!(len <= INLINE_LIMIT);
        Self(self.0 << 16 >> 16 | (len as u64) << 48)
    }

    /// Offset of the word that holds a long key's length.
    #[inline]
    pub(super) fn key_len_offset(self) -> usize {
        8 + word_if(self.meta(), VOLATILE)
    }

    /// Offset of the payload word.
    #[inline]
    pub(super) fn payload_offset(self) -> usize {
        8 + word_if(self.meta(), VOLATILE) + word_if(self.meta(), LONG_KEY)
    }

    /// Offset of the key's bytes.
    #[inline]
    pub(super) fn key_offset(self) -> usize {
        self.payload_offset() + word_if(self.meta(), PAYLOAD)
    }
}

/// Eight bytes when `flag` is set in `meta`, without a branch.
#[inline]
fn word_if(meta: u8, flag: u8) -> usize {
    usize::from(meta & flag) << (3 - flag.trailing_zeros())
}

/// The size that an allocation of `size` bytes really takes: multiples of 16 up to 128 bytes, then four classes to
/// each doubling. These are jemalloc's classes (man 3 jemalloc, "Size classes"); other allocators waste a little.
#[inline]
pub(crate) fn size_class(size: usize) -> usize {
    if size <= 128 {
        return (size.max(1) + 15) & !15;
    }
    // A multiple of a power of two, written out: there is no division in it.
    let rest = (1usize << ((size - 1).ilog2() - 2)) - 1;
    (size + rest) & !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_jemalloc() {
        let table = [
            (0, 16),
            (1, 16),
            (16, 16),
            (17, 32),
            (88, 96),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (1025, 1280),
            (4096, 4096),
            (14337, 16384),
            (16385, 20480),
        ];
        for (size, class) in table {
            assert_eq!(size_class(size), class, "class of {size}");
        }
        for size in 0..100_000 {
            let class = size_class(size);
            assert!(class >= size && size_class(class) == class);
        }
    }

    #[test]
    fn header_fields_do_not_touch_each_other() {
        let header = Header::new(VOLATILE | MODIFIED, 300, 65_535, 0x00ab_cdef);
        assert_eq!((header.short_key_len(), header.value_len(), header.access()), (300, 65_535, 0x00ab_cdef));
        assert_eq!(header.key_offset(), 16);
        let header = header.with_access(0xff00_0001).with_value_len(7).with_meta(PAYLOAD | POINTER);
        assert_eq!((header.short_key_len(), header.value_len(), header.access()), (300, 7, 1));
        assert_eq!((header.meta(), header.key_offset()), (PAYLOAD | POINTER, 16));
        let long = Header::new(VOLATILE | PAYLOAD, 65_535, 0, 0);
        assert!(long.has(LONG_KEY));
        assert_eq!((long.key_len_offset(), long.payload_offset(), long.key_offset()), (16, 24, 32));
    }
}
