//! Building records.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc, handle_alloc_error};

use super::layout::{
    ALIGN, Header, INLINE_LIMIT, KIND_SHIFT, LONG_KEY, PAYLOAD, POINTER, VOLATILE, size_class,
};
use super::raw::RawRecord;
use crate::blob::Blob;
use crate::object::Object;
use crate::value::Value;

/// The value part of a record that is about to be built.
pub(super) enum Payload<'a> {
    Integer(i64),
    Inline { prefix: &'a [u8], len: usize },
    Blob(Blob),
    Object(Object),
}

impl Payload<'_> {
    fn meta(&self) -> u8 {
        match self {
            Payload::Integer(_) => PAYLOAD,
            Payload::Inline { .. } => 0,
            Payload::Blob(_) => PAYLOAD | POINTER,
            Payload::Object(object) => PAYLOAD | POINTER | (object.kind() as u8) << KIND_SHIFT,
        }
    }
}

impl RawRecord {
    /// Allocates a record. Strings longer than `inline_limit` (at most [`INLINE_LIMIT`]) go out of line.
    pub(crate) fn new(
        key: &[u8],
        value: Value<'_>,
        expiry: Option<i64>,
        access: u32,
        inline_limit: usize,
    ) -> Self {
        match value {
            Value::Bytes(bytes) if bytes.len() <= inline_limit.min(INLINE_LIMIT) => {
                Self::with_inline(key, bytes, bytes.len(), 0, expiry, access)
            }
            Value::Bytes(bytes) => {
                let blob = Blob::new(bytes, bytes.len(), bytes.len());
                Self::with_word(key, Payload::Blob(blob), 0, expiry, access)
            }
            Value::Integer(number) => Self::with_word(key, Payload::Integer(number), 0, expiry, access),
        }
    }

    /// Allocates a record that holds an object.
    pub(crate) fn with_object(key: &[u8], object: Object, expiry: Option<i64>, access: u32) -> Self {
        Self::with_word(key, Payload::Object(object), 0, expiry, access)
    }

    /// Allocates a record with a value in any of its forms; MODIFIED may be among the `flags`.
    pub(super) fn build(
        key: &[u8],
        payload: Payload<'_>,
        flags: u8,
        expiry: Option<i64>,
        access: u32,
    ) -> Self {
        match payload {
            Payload::Inline { prefix, len } => Self::with_inline(key, prefix, len, flags, expiry, access),
            payload => Self::with_word(key, payload, flags, expiry, access),
        }
    }

    /// Allocates a record whose value of `len` bytes, which begins with `prefix`, follows the key.
    fn with_inline(
        key: &[u8],
        prefix: &[u8],
        len: usize,
        flags: u8,
        expiry: Option<i64>,
        access: u32,
    ) -> Self {
        let (record, header) = Self::allocate(key, flags, len, expiry, access);
        // SAFETY: the record was made for a value of this length, which begins with the prefix.
        unsafe {
            let value = record.0.byte_add(header.key_offset() + key.len()).cast::<u8>();
            value.copy_from_nonoverlapping(NonNull::from(prefix).cast(), prefix.len());
            if len > prefix.len() {
                value.add(prefix.len()).write_bytes(0, len - prefix.len());
            }
        }
        record
    }

    /// Allocates a record whose value is a word, or in what the word points to.
    fn with_word(key: &[u8], payload: Payload<'_>, flags: u8, expiry: Option<i64>, access: u32) -> Self {
        let (record, header) = Self::allocate(key, payload.meta() | flags, 0, expiry, access);
        // SAFETY: the record was made for a payload of this kind.
        unsafe {
            let word = record.payload(header);
            match payload {
                Payload::Integer(number) => word.cast::<i64>().write(number),
                Payload::Blob(blob) => word.cast::<*mut u8>().write(blob.into_raw()),
                Payload::Object(object) => object.into_word(word),
                Payload::Inline { .. } => unreachable!("an inline value is no word"),
            }
        }
        record
    }

    /// Allocates a record and writes everything but its value.
    #[inline(always)]
    fn allocate(key: &[u8], flags: u8, value_len: usize, expiry: Option<i64>, access: u32) -> (Self, Header) {
        let volatile = if expiry.is_some() { VOLATILE } else { 0 };
        let header = Header::new(flags | volatile, key.len(), value_len, access);
        let layout = layout_of(header.key_offset() + key.len() + value_len);
        // SAFETY: the size is at least a header's.
        let memory = unsafe { alloc(layout) };
        let Some(record) = NonNull::new(memory.cast::<u64>()) else { handle_alloc_error(layout) };
        // SAFETY: all offsets come from the header that sized the allocation; words are 8-aligned within it.
        unsafe {
            record.write(header.0);
            if let Some(at) = expiry {
                record.byte_add(8).cast::<i64>().write(at);
            }
            if header.has(LONG_KEY) {
                record.byte_add(header.key_len_offset()).write(key.len() as u64);
            }
            memory.add(header.key_offset()).copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        (Self(record), header)
    }
}

/// The layout of a record that uses `used` bytes.
pub(super) fn layout_of(used: usize) -> Layout {
    Layout::from_size_align(size_class(used), ALIGN).expect("a key's length fits the address space")
}
