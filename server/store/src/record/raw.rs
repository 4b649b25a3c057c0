//! Raw records: reading, overwriting and freeing them. Every function that touches a record's memory is here, or beside
//! it in `build` and `keyed`; who may call it when is the table's business.

use core::ptr::NonNull;
use std::alloc::{Layout, dealloc};

use super::build::Payload;
use super::layout::{
    ALIGN, Header, INLINE_LIMIT, LONG_KEY, MODIFIED, PAYLOAD, POINTER, VOLATILE, size_class,
};
use crate::blob::Blob;
use crate::object::{Object, ObjectRef};
use crate::value::{IntegerText, Kind, Value};

/// Largest capacity that grows by doubling; beyond it a quarter is added, so that a huge string wastes less.
const DOUBLING_LIMIT: usize = 1 << 20;

/// An untyped, unowned pointer to a record.
///
/// Whoever has one and calls an `unsafe` method vouches that the record is alive and that nobody else is in it: the
/// owner of the record, or the holder of the lock of the shard that owns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawRecord(pub(super) NonNull<u64>);

impl RawRecord {
    /// # Safety
    /// See the type.
    #[inline]
    pub(super) unsafe fn header(self) -> Header {
        // SAFETY: the record is alive, as the caller vouches.
        Header(unsafe { self.0.read() })
    }

    /// # Safety
    /// See the type; the header must describe what is there.
    #[inline]
    unsafe fn set_header(self, header: Header) {
        // SAFETY: the record is alive and not otherwise accessed, as the caller vouches.
        unsafe { self.0.write(header.0) }
    }

    #[inline]
    unsafe fn key_len(self, header: Header) -> usize {
        if header.has(LONG_KEY) {
            // SAFETY: the word is there when the flag is set.
            return unsafe { self.0.byte_add(header.key_len_offset()).read() } as usize;
        }
        header.short_key_len()
    }

    /// # Safety
    /// See the type; the slice must not outlive the record.
    #[inline]
    pub(crate) unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: key_len bytes are initialised from key_offset on; the caller bounds the lifetime.
        unsafe {
            let header = self.header();
            let bytes = self.0.byte_add(header.key_offset()).cast::<u8>();
            core::slice::from_raw_parts(bytes.as_ptr(), self.key_len(header))
        }
    }

    /// Whether this is the record's key.
    ///
    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn has_key(self, key: &[u8]) -> bool {
        // SAFETY: as the caller vouches; the borrows end here.
        unsafe {
            let header = self.header();
            if header.has(LONG_KEY) {
                return self.key() == key;
            }
            let bytes = self.0.byte_add(header.key_offset()).cast::<u8>();
            header.short_key_len() == key.len()
                && same_bytes(core::slice::from_raw_parts(bytes.as_ptr(), key.len()), key)
        }
    }

    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn kind(self) -> Kind {
        // SAFETY: as the caller vouches.
        unsafe { self.header() }.kind()
    }

    /// The object, unless the value is a string.
    ///
    /// # Safety
    /// See the type; the object must not outlive the record, nor its next change.
    #[inline]
    pub(crate) unsafe fn object<'a>(self) -> Option<ObjectRef<'a>> {
        // SAFETY: the payload word of a record with such a header is an object of that kind.
        unsafe {
            let header = self.header();
            header.has_object().then(|| ObjectRef::of(header.kind(), self.payload(header)))
        }
    }

    /// Whether the value is an object of which elements expire.
    ///
    /// # Safety
    /// See the type.
    #[inline(always)]
    pub(crate) unsafe fn has_expiring_elements(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.header().has_object() && self.object_expires() }
    }

    /// The same of what is an object.
    #[inline(never)]
    unsafe fn object_expires(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.object() }.is_some_and(|object| object.next_expiry().is_some())
    }

    /// Whether the expiry cycle should look at the record: it has an expiry, or elements that have one.
    ///
    /// # Safety
    /// See the type.
    #[inline(always)]
    pub(crate) unsafe fn may_expire(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.header().has(VOLATILE) || self.has_expiring_elements() }
    }

    /// Where the object of this kind is, if the value is one.
    ///
    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn object_word(self, kind: Kind) -> Option<NonNull<u64>> {
        // SAFETY: as the caller vouches.
        unsafe {
            let header = self.header();
            (header.has_object() && header.kind() == kind).then(|| self.payload(header))
        }
    }

    /// The string; the value is none of the other kinds.
    ///
    /// # Safety
    /// See the type; the value must not outlive the record, nor its next change.
    #[inline]
    pub(crate) unsafe fn value<'a>(self) -> Value<'a> {
        // SAFETY: the header says which of the three forms is there; the caller bounds the lifetime.
        unsafe {
            let header = self.header();
            debug_assert!(!header.has_object(), "an object is no string");
            if !header.has(PAYLOAD) {
                let bytes = self.inline_bytes(header);
                return Value::Bytes(core::slice::from_raw_parts(bytes.as_ptr(), header.value_len()));
            }
            if !header.has(POINTER) {
                return Value::Integer(self.payload(header).cast::<i64>().read());
            }
            let blob = self.borrow_blob(header);
            Value::Bytes(core::slice::from_raw_parts(blob.as_ptr(), blob.len()))
        }
    }

    #[inline]
    pub(super) unsafe fn payload(self, header: Header) -> NonNull<u64> {
        // SAFETY: the offset is inside the allocation.
        unsafe { self.0.byte_add(header.payload_offset()) }
    }

    unsafe fn inline_bytes(self, header: Header) -> NonNull<u8> {
        // SAFETY: the offset is inside the allocation, or one past its end when the value is empty.
        unsafe { self.0.byte_add(header.key_offset() + self.key_len(header)).cast() }
    }

    /// The record's own reference to its blob, without counting one more.
    pub(super) unsafe fn borrow_blob(self, header: Header) -> core::mem::ManuallyDrop<Blob> {
        // SAFETY: the payload word was written by into_raw; ManuallyDrop leaves ownership with the record.
        unsafe { core::mem::ManuallyDrop::new(Blob::from_raw(self.payload(header).cast::<*mut u8>().read())) }
    }

    /// # Safety
    /// See the type.
    pub(crate) unsafe fn blob(self) -> Option<Blob> {
        // SAFETY: as the caller vouches.
        unsafe {
            let header = self.header();
            header.has_blob().then(|| Blob::clone(&self.borrow_blob(header)))
        }
    }

    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn expiry(self) -> Option<i64> {
        // SAFETY: the expiry word is there when the flag is set.
        unsafe { self.header().has(VOLATILE).then(|| self.0.byte_add(8).cast::<i64>().read()) }
    }

    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn access(self) -> u32 {
        // SAFETY: as the caller vouches.
        unsafe { self.header() }.access()
    }

    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn set_access(self, access: u32) {
        // SAFETY: as the caller vouches; the other fields stay.
        unsafe { self.set_header(self.header().with_access(access)) }
    }

    /// Whether the value is a blob or an object, beyond the record.
    ///
    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn is_out_of_line(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.header() }.has(POINTER)
    }

    /// Whether the string was changed by [`RawRecord::resize`].
    ///
    /// # Safety
    /// See the type.
    pub(crate) unsafe fn modified(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.header() }.has(MODIFIED)
    }

    #[inline]
    pub(super) unsafe fn used(self, header: Header) -> usize {
        // SAFETY: as the caller vouches.
        header.key_offset() + unsafe { self.key_len(header) } + header.value_len()
    }

    /// Bytes of memory of the record itself.
    ///
    /// # Safety
    /// See the type.
    #[inline(always)]
    pub(crate) unsafe fn own_memory(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { size_class(self.used(self.header())) }
    }

    /// Bytes of memory of the record's blob or object.
    ///
    /// # Safety
    /// See the type.
    #[inline(always)]
    pub(crate) unsafe fn memory_beyond(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { if self.is_out_of_line() { self.memory_out_of_line() } else { 0 } }
    }

    #[inline(never)]
    unsafe fn memory_out_of_line(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe {
            let header = self.header();
            match self.object() {
                Some(object) => object.memory(),
                None => self.borrow_blob(header).memory(),
            }
        }
    }

    /// Bytes of memory of the record and its blob or object.
    ///
    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn memory(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { self.own_memory() + self.memory_beyond() }
    }

    /// Frees the record, its object, or its reference to a blob.
    ///
    /// # Safety
    /// See the type; nobody uses the record afterwards.
    pub(crate) unsafe fn free(self) {
        // SAFETY: as the caller vouches.
        unsafe {
            let header = self.header();
            if header.has(POINTER) {
                drop(self.take_payload(header));
            }
            self.free_shell(self.own_memory());
        }
    }

    /// Frees the record alone, whose own memory this is: it has no blob or object, or that was moved elsewhere.
    ///
    /// # Safety
    /// As for [`RawRecord::free`].
    #[inline]
    pub(crate) unsafe fn free_shell(self, own_memory: usize) {
        // SAFETY: the layout is the valid one of build, as in-place changes keep the size class.
        unsafe { dealloc(self.0.as_ptr().cast(), Layout::from_size_align_unchecked(own_memory, ALIGN)) }
    }

    /// Overwrites the value where it is, if the new one has the same form and size class. The expiry stays.
    ///
    /// # Safety
    /// See the type; no borrowed value or key of this record is alive.
    #[inline]
    pub(crate) unsafe fn overwrite(self, value: Value<'_>, inline_limit: usize) -> bool {
        // SAFETY: the new header describes the same allocation, and the bytes written lie inside it.
        unsafe {
            let header = self.header();
            match value {
                Value::Integer(number) if header.has(PAYLOAD) && !header.has(POINTER) => {
                    self.payload(header).cast::<i64>().write(number);
                }
                Value::Bytes(bytes)
                    if !header.has(PAYLOAD) && bytes.len() <= inline_limit.min(INLINE_LIMIT) =>
                {
                    let start = header.key_offset() + self.key_len(header);
                    if size_class(start + bytes.len()) != size_class(start + header.value_len()) {
                        return false;
                    }
                    self.inline_bytes(header)
                        .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
                    self.set_header(header.with_value_len(bytes.len()).with_meta(header.meta() & !MODIFIED));
                }
                _ => return false,
            }
            true
        }
    }

    /// Writes the expiry word, if there is one.
    ///
    /// # Safety
    /// See the type.
    pub(crate) unsafe fn overwrite_expiry(self, expiry: i64) -> bool {
        // SAFETY: the word is there when the flag is set.
        unsafe {
            let volatile = self.header().has(VOLATILE);
            if volatile {
                self.0.byte_add(8).cast::<i64>().write(expiry);
            }
            volatile
        }
    }

    /// A record with the same value and access, this key and this expiry; the old one is gone. `key` may be the old
    /// record's own.
    ///
    /// # Safety
    /// See the type; nobody uses the old record afterwards.
    pub(crate) unsafe fn rebuild(self, key: &[u8], expiry: Option<i64>) -> Self {
        // SAFETY: a blob or object moves to the new record and the old shell is freed without it.
        unsafe {
            let header = self.header();
            let payload = if header.has(POINTER) { self.take_payload(header) } else { self.string_payload() };
            let new = Self::build(key, payload, header.meta() & MODIFIED, expiry, header.access());
            self.free_shell(self.own_memory());
            new
        }
    }

    /// A record with a copy of the value under another key. The bytes of a blob are shared.
    ///
    /// # Safety
    /// See the type.
    pub(crate) unsafe fn duplicate(self, key: &[u8], expiry: Option<i64>, access: u32) -> Self {
        // SAFETY: as the caller vouches; the copy owns what it holds.
        unsafe {
            let header = self.header();
            let payload = match (self.object(), self.blob()) {
                (Some(object), _) => Payload::Object(object.duplicate()),
                (None, Some(blob)) => Payload::Blob(blob),
                (None, None) => self.string_payload(),
            };
            Self::build(key, payload, header.meta() & MODIFIED, expiry, access)
        }
    }

    /// An integer or inline string as it goes into another record.
    unsafe fn string_payload<'a>(self) -> Payload<'a> {
        // SAFETY: as the caller vouches.
        match unsafe { self.value() } {
            Value::Integer(number) => Payload::Integer(number),
            Value::Bytes(bytes) => Payload::Inline { prefix: bytes, len: bytes.len() },
        }
    }

    /// Takes the blob or object out; the record must then be freed with free_shell.
    unsafe fn take_payload<'a>(self, header: Header) -> Payload<'a> {
        // SAFETY: as the caller vouches, the record does not use its payload word again.
        unsafe {
            if header.has_object() {
                Payload::Object(Object::from_word(header.kind(), self.payload(header)))
            } else {
                Payload::Blob(core::mem::ManuallyDrop::into_inner(self.borrow_blob(header)))
            }
        }
    }

    /// Makes the value `len` bytes long, keeping its first bytes and filling with zeros; an integer becomes text. The
    /// result is `raw` for Redis. Returns the record that now holds the value: this one, or its replacement.
    ///
    /// # Safety
    /// See the type; when another record comes back, this one is gone.
    pub(crate) unsafe fn resize(self, len: usize, inline_limit: usize) -> Self {
        let inline_limit = inline_limit.min(INLINE_LIMIT);
        // SAFETY: as the caller vouches; each branch keeps header and memory consistent.
        unsafe {
            let header = self.header();
            assert!(!header.has_object(), "only strings are resized");
            if !header.has(PAYLOAD) && len <= inline_limit {
                let start = header.key_offset() + self.key_len(header);
                let old = header.value_len();
                if size_class(start + len) == size_class(start + old) {
                    if len > old {
                        self.inline_bytes(header).add(old).write_bytes(0, len - old);
                    }
                    self.set_header(header.with_value_len(len).with_meta(header.meta() | MODIFIED));
                    return self;
                }
            }
            if header.has(POINTER) && len > inline_limit {
                self.resize_blob(header, len);
                return self;
            }
            let mut text = IntegerText::default();
            let value = self.value();
            let bytes = value.as_bytes(&mut text);
            let prefix = &bytes[..bytes.len().min(len)];
            let payload = if len <= inline_limit {
                Payload::Inline { prefix, len }
            } else {
                Payload::Blob(Blob::new(prefix, len, grown_capacity(bytes.len(), len)))
            };
            let new = Self::build(self.key(), payload, MODIFIED, self.expiry(), header.access());
            self.free();
            new
        }
    }

    /// Resizes the blob of this record, in place if it is not shared and has (not too much) room.
    unsafe fn resize_blob(self, header: Header, len: usize) {
        // SAFETY: as the caller vouches; the payload word always names a live blob that the record owns.
        unsafe {
            let mut blob = self.borrow_blob(header);
            let wasteful = len < blob.capacity() / 2;
            if wasteful || blob.resize_in_place(len).is_none() {
                let kept = blob.len().min(len);
                let new = Blob::new(&blob[..kept], len, grown_capacity(blob.len(), len));
                self.payload(header).cast::<*mut u8>().write(new.into_raw());
                drop(core::mem::ManuallyDrop::into_inner(blob));
            }
            self.set_header(header.with_meta(header.meta() | MODIFIED));
        }
    }

    /// The string bytes for writing, after [`RawRecord::resize`].
    ///
    /// # Safety
    /// See the type; the record was just resized, so that it is no integer and its blob is not shared.
    pub(crate) unsafe fn bytes_mut<'a>(self) -> &'a mut [u8] {
        // SAFETY: the bytes are initialised and, as the caller vouches, nobody else's.
        unsafe {
            let header = self.header();
            if header.has(POINTER) {
                let mut blob = self.borrow_blob(header);
                let len = blob.len();
                let bytes = blob.resize_in_place(len).expect("a blob that was just resized is not shared");
                return core::slice::from_raw_parts_mut(bytes.as_mut_ptr(), len);
            }
            assert!(!header.has(PAYLOAD), "a resized value is a string");
            core::slice::from_raw_parts_mut(self.inline_bytes(header).as_ptr(), header.value_len())
        }
    }
}

/// Capacity of a string that grows from `old` to `len` bytes: room for more of the same, none when it shrinks.
fn grown_capacity(old: usize, len: usize) -> usize {
    if len <= old {
        return len;
    }
    let slack = if len < DOUBLING_LIMIT { len } else { len / 4 };
    len.saturating_add(slack)
}

/// Equality of two keys of the same length. Those of 8 to 16 bytes, the usual ones, are compared as two overlapping
/// words, which is several times faster than a call of the C library's comparison.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() <= 16
        && let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>())
        && let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>())
    {
        let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        return (word(a_first) ^ word(b_first)) | (word(a_last) ^ word(b_last)) == 0;
    }
    a == b
}
