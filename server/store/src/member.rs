//! What a large hash or set holds: one allocation for a field's name, value and expiry, or a member's name alone.
//!
//! ```text
//! 1 byte     bits 0-1: form of the value; bit 2: there is an expiry; bits 3-7: length of the name, or, above
//!            [`SHORT_NAME`], how many bytes it takes
//! +          length of the name, when it is longer than that
//! +          expiry in Unix milliseconds, i64
//! +          INLINE: length of the value, one byte, or 255 and two more
//!            INTEGER: the integer, i64; BLOB: the address of the blob
//! +          name
//! +          INLINE: value
//! ```
//!
//! Nothing is aligned but the allocation. Unlike a record ([`crate::record`]) it has no access clock, no type and no
//! room for objects: a short member has one byte of header where a record has eight. The allocation's size is the size
//! class of what the bytes describe, as with records.

use core::marker::PhantomData;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

use crate::blob::Blob;
#[cfg(feature = "jemalloc")]
use crate::defrag::Mover;
use crate::record::layout::size_class;
use crate::table::Keyed;
use crate::value::Value;

/// Forms of the value.
const NOTHING: u8 = 0;
const INLINE: u8 = 1;
const INTEGER: u8 = 2;
const BLOB: u8 = 3;
const FORM: u8 = 3;

/// There is an expiry.
const VOLATILE: u8 = 1 << 2;

/// Where the length of the name begins in the first byte.
const NAME: u32 = 3;
/// Longest name whose length is in the first byte.
const SHORT_NAME: usize = 28;
/// In its place: the length takes 1, 2 or 8 bytes more.
const NAME_8: u8 = 29;
const NAME_16: u8 = 30;
const NAME_64: u8 = 31;

/// In place of a value's length: it takes two bytes more.
const LONG_VALUE: u8 = 255;
/// Longest value that is kept inline.
pub(crate) const INLINE_LIMIT: usize = 16 * 1024;

const ALIGN: usize = 8;
/// Smallest size class of jemalloc's, which records do not use.
const SMALLEST: usize = 8;

/// An untyped, unowned pointer to a member. As for records: whoever calls an `unsafe` method vouches that the member is
/// alive and that nobody else is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawMember(NonNull<u8>);

/// The value of a member that is about to be built.
enum Payload<'a> {
    Nothing,
    Inline(&'a [u8]),
    Integer(i64),
    Blob(Blob),
}

impl<'a> Payload<'a> {
    fn of(value: Option<Value<'a>>) -> Self {
        match value {
            None => Self::Nothing,
            Some(Value::Integer(number)) => Self::Integer(number),
            Some(Value::Bytes(bytes)) if bytes.len() <= INLINE_LIMIT => Self::Inline(bytes),
            Some(Value::Bytes(bytes)) => Self::Blob(Blob::new(bytes, bytes.len(), bytes.len())),
        }
    }
}

/// Where the parts of a member are, as distances from its start.
#[derive(Clone, Copy)]
struct Parts {
    form: u8,
    /// The expiry, if there is one.
    expiry: Option<usize>,
    /// The integer or the blob's address; for an inline value its length.
    word: usize,
    name: usize,
    name_len: usize,
    /// Length of an inline value, which follows the name.
    value_len: usize,
}

impl Parts {
    fn used(self) -> usize {
        self.name + self.name_len + self.value_len
    }
}

fn layout_of(used: usize) -> Layout {
    let size = if used <= SMALLEST { SMALLEST } else { size_class(used) };
    Layout::from_size_align(size, ALIGN).expect("a name's length fits the address space")
}

impl RawMember {
    /// Allocates a member. Without a value: a set's.
    pub(crate) fn new(name: &[u8], value: Option<Value<'_>>, expiry: Option<i64>) -> Self {
        Self::build(name, Payload::of(value), expiry)
    }

    fn build(name: &[u8], payload: Payload<'_>, expiry: Option<i64>) -> Self {
        let (form, inline) = match &payload {
            Payload::Nothing => (NOTHING, &[][..]),
            Payload::Inline(bytes) => (INLINE, *bytes),
            Payload::Integer(_) => (INTEGER, &[][..]),
            Payload::Blob(_) => (BLOB, &[][..]),
        };
        // The longest header: first byte, length of the name, expiry, integer or length of the value.
        let mut header = [0u8; 1 + 8 + 8 + 8];
        let mut end = 1;
        let mut put = |bytes: &[u8]| {
            header[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        };
        let name_code = match name.len() {
            len @ ..=SHORT_NAME => len as u8,
            len @ ..=0xff => {
                put(&[len as u8]);
                NAME_8
            }
            len @ ..=0xffff => {
                put(&(len as u16).to_le_bytes());
                NAME_16
            }
            len => {
                put(&(len as u64).to_le_bytes());
                NAME_64
            }
        };
        if let Some(moment) = expiry {
            put(&moment.to_le_bytes());
        }
        match payload {
            Payload::Nothing => {}
            Payload::Inline(bytes) if bytes.len() < usize::from(LONG_VALUE) => put(&[bytes.len() as u8]),
            Payload::Inline(bytes) => {
                let [low, high] = (bytes.len() as u16).to_le_bytes();
                put(&[LONG_VALUE, low, high]);
            }
            Payload::Integer(number) => put(&number.to_le_bytes()),
            // The address is written below, as a pointer.
            Payload::Blob(_) => put(&[0; 8]),
        }
        let volatile = if expiry.is_some() { VOLATILE } else { 0 };
        header[0] = form | volatile | name_code << NAME;
        let layout = layout_of(end + name.len() + inline.len());
        // SAFETY: the size is at least that of the smallest class.
        let memory = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: header, name and value lie in the fresh allocation, one behind the other.
        unsafe {
            memory.copy_from_nonoverlapping(header.as_ptr(), end);
            memory.add(end).copy_from_nonoverlapping(name.as_ptr(), name.len());
            memory.add(end + name.len()).copy_from_nonoverlapping(inline.as_ptr(), inline.len());
            if let Payload::Blob(blob) = payload {
                memory.add(end - 8).cast::<*mut u8>().write_unaligned(blob.into_raw());
            }
        }
        Self(start)
    }

    /// # Safety
    /// See the type; as many bytes are there.
    #[inline]
    unsafe fn read<const N: usize>(self, at: usize) -> [u8; N] {
        // SAFETY: as the caller vouches.
        unsafe { self.0.add(at).cast::<[u8; N]>().read() }
    }

    /// # Safety
    /// See the type.
    #[inline]
    unsafe fn parts(self) -> Parts {
        // SAFETY: each part says whether the next one is there.
        unsafe {
            let [first] = self.read(0);
            let (name_len, mut at) = match first >> NAME {
                NAME_8 => (usize::from(self.read::<1>(1)[0]), 2),
                NAME_16 => (usize::from(u16::from_le_bytes(self.read(1))), 3),
                NAME_64 => (u64::from_le_bytes(self.read(1)) as usize, 9),
                short => (usize::from(short), 1),
            };
            let expiry = (first & VOLATILE != 0).then_some(at);
            at += 2 * usize::from(first & VOLATILE);
            let word = at;
            let mut value_len = 0;
            match first & FORM {
                NOTHING => {}
                INLINE => {
                    value_len = usize::from(self.read::<1>(at)[0]);
                    at += 1;
                    if value_len == usize::from(LONG_VALUE) {
                        value_len = usize::from(u16::from_le_bytes(self.read(at)));
                        at += 2;
                    }
                }
                _ => at += 8,
            }
            Parts { form: first & FORM, expiry, word, name: at, name_len, value_len }
        }
    }

    /// # Safety
    /// See the type; so many bytes are there, and the slice does not outlive the member.
    #[inline]
    unsafe fn slice<'a>(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: as the caller vouches.
        unsafe { core::slice::from_raw_parts(self.0.add(at).as_ptr(), len) }
    }

    /// # Safety
    /// See the type.
    #[inline]
    pub(crate) unsafe fn expiry(self) -> Option<i64> {
        // SAFETY: as the caller vouches.
        unsafe { self.parts().expiry.map(|at| i64::from_le_bytes(self.read(at))) }
    }

    /// The value; empty for a set's member.
    ///
    /// # Safety
    /// See the type; the value must not outlive the member, nor its next change.
    #[inline]
    pub(crate) unsafe fn value<'a>(self) -> Value<'a> {
        // SAFETY: as the caller vouches.
        unsafe {
            let parts = self.parts();
            match parts.form {
                INTEGER => Value::Integer(i64::from_le_bytes(self.read(parts.word))),
                BLOB => {
                    let blob = self.borrow_blob(parts);
                    Value::Bytes(core::slice::from_raw_parts(blob.as_ptr(), blob.len()))
                }
                _ => Value::Bytes(self.slice(parts.name + parts.name_len, parts.value_len)),
            }
        }
    }

    /// The member's own reference to its blob, without counting one more.
    ///
    /// # Safety
    /// See the type; the form is BLOB.
    unsafe fn borrow_blob(self, parts: Parts) -> core::mem::ManuallyDrop<Blob> {
        // SAFETY: the word was written by into_raw; ManuallyDrop leaves ownership with the member.
        unsafe {
            let raw = self.0.add(parts.word).cast::<*mut u8>().read_unaligned();
            core::mem::ManuallyDrop::new(Blob::from_raw(raw))
        }
    }

    /// Bytes of memory of the member and its blob.
    ///
    /// # Safety
    /// See the type.
    pub(crate) unsafe fn memory(self) -> usize {
        // SAFETY: as the caller vouches.
        unsafe {
            let parts = self.parts();
            let beyond = if parts.form == BLOB { self.borrow_blob(parts).memory() } else { 0 };
            layout_of(parts.used()).size() + beyond
        }
    }

    /// Frees the member and its reference to a blob.
    ///
    /// # Safety
    /// See the type; nobody uses the member afterwards.
    pub(crate) unsafe fn free(self) {
        // SAFETY: as the caller vouches.
        unsafe {
            let parts = self.parts();
            if parts.form == BLOB {
                drop(core::mem::ManuallyDrop::into_inner(self.borrow_blob(parts)));
            }
            self.free_shell(parts);
        }
    }

    /// # Safety
    /// See the type; the blob, if there was one, is somebody else's.
    unsafe fn free_shell(self, parts: Parts) {
        // SAFETY: the layout is the one of build, as changes in place keep the size class.
        unsafe { dealloc(self.0.as_ptr(), layout_of(parts.used())) }
    }

    /// Overwrites the value where it is, if the new one has the same form, as long a header and the same size class.
    /// The expiry stays.
    ///
    /// # Safety
    /// See the type; nothing of the member is borrowed.
    pub(crate) unsafe fn overwrite(self, value: Value<'_>) -> bool {
        // SAFETY: the bytes written lie inside the allocation, whose class stays.
        unsafe {
            let parts = self.parts();
            match value {
                Value::Integer(number) if parts.form == INTEGER => {
                    self.0.add(parts.word).cast::<[u8; 8]>().write(number.to_le_bytes());
                    true
                }
                Value::Bytes(bytes) if parts.form == INLINE && bytes.len() <= INLINE_LIMIT => {
                    let long = usize::from(LONG_VALUE);
                    let used = parts.used() - parts.value_len + bytes.len();
                    if (bytes.len() < long) != (parts.value_len < long)
                        || layout_of(used) != layout_of(parts.used())
                    {
                        return false;
                    }
                    let length = self.0.add(parts.word);
                    if bytes.len() < long {
                        length.write(bytes.len() as u8);
                    } else {
                        length.add(1).cast::<[u8; 2]>().write((bytes.len() as u16).to_le_bytes());
                    }
                    let old = self.0.add(parts.name + parts.name_len);
                    old.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
                    true
                }
                _ => false,
            }
        }
    }

    /// The same member with this expiry; the old one is gone.
    ///
    /// # Safety
    /// See the type; nobody uses the old member afterwards.
    pub(crate) unsafe fn with_expiry(self, expiry: Option<i64>) -> Self {
        // SAFETY: a blob moves to the new member, and the old shell is freed without it.
        unsafe {
            let parts = self.parts();
            let payload = match parts.form {
                NOTHING => Payload::Nothing,
                BLOB => Payload::Blob(core::mem::ManuallyDrop::into_inner(self.borrow_blob(parts))),
                _ => Payload::of(Some(self.value())),
            };
            let new = Self::build(self.slice(parts.name, parts.name_len), payload, expiry);
            self.free_shell(parts);
            new
        }
    }

    /// A copy; the bytes of a blob are shared.
    ///
    /// # Safety
    /// See the type.
    pub(crate) unsafe fn duplicate(self) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            let parts = self.parts();
            let payload = match parts.form {
                NOTHING => Payload::Nothing,
                BLOB => Payload::Blob(Blob::clone(&self.borrow_blob(parts))),
                _ => Payload::of(Some(self.value())),
            };
            Self::build(self.slice(parts.name, parts.name_len), payload, self.expiry())
        }
    }
}

#[cfg(feature = "jemalloc")]
impl RawMember {
    /// Moves the member's blob, if it has one that nobody else refers to.
    ///
    /// # Safety
    /// See the type; nothing of the blob is borrowed.
    pub(crate) unsafe fn move_blob(self, mover: &mut Mover) {
        // SAFETY: as the caller vouches; the word gets the blob's new address.
        unsafe {
            let parts = self.parts();
            if parts.form == BLOB {
                let mut blob = core::mem::ManuallyDrop::into_inner(self.borrow_blob(parts));
                blob.defragment(mover);
                self.0.add(parts.word).cast::<*mut u8>().write_unaligned(blob.into_raw());
            }
        }
    }
}

impl Keyed for RawMember {
    #[inline]
    unsafe fn from_ptr_unchecked(ptr: *mut u64) -> Self {
        // SAFETY: as_ptr gives no null.
        Self(unsafe { NonNull::new_unchecked(ptr.cast()) })
    }

    #[inline]
    fn as_ptr(self) -> *mut u64 {
        self.0.as_ptr().cast()
    }

    #[inline]
    unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: as the caller vouches.
        unsafe {
            let parts = self.parts();
            self.slice(parts.name, parts.name_len)
        }
    }

    #[inline]
    unsafe fn has_key(self, key: &[u8]) -> bool {
        // SAFETY: as the caller vouches; the borrow ends here.
        unsafe { self.key() == key }
    }

    #[inline]
    unsafe fn may_expire(self) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { self.read::<1>(0)[0] & VOLATILE != 0 }
    }

    #[cfg(feature = "jemalloc")]
    unsafe fn relocate(self, mover: &mut Mover) -> Self {
        // SAFETY: as the caller vouches; the layout is the one of build.
        Self(unsafe { mover.relocate(self.0, layout_of(self.parts().used())) })
    }
}

/// A member of a hash or set that is borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    raw: RawMember,
    owner: PhantomData<&'a RawMember>,
}

impl<'a> Member<'a> {
    /// # Safety
    /// The member is alive and unchanged during `'a`.
    #[inline]
    pub(crate) unsafe fn new(raw: RawMember) -> Self {
        Self { raw, owner: PhantomData }
    }

    #[inline]
    pub(crate) fn name(self) -> &'a [u8] {
        // SAFETY: see `new`.
        unsafe { self.raw.key() }
    }

    /// The value; empty for a set's member.
    #[inline]
    pub(crate) fn value(self) -> Value<'a> {
        // SAFETY: see `new`.
        unsafe { self.raw.value() }
    }

    /// When it expires, in Unix milliseconds.
    #[inline]
    pub(crate) fn expire_at(self) -> Option<i64> {
        // SAFETY: see `new`.
        unsafe { self.raw.expiry() }
    }

    /// A copy, which the caller owns.
    pub(crate) fn duplicate(self) -> RawMember {
        // SAFETY: see `new`.
        unsafe { self.raw.duplicate() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_names_values_and_expiries_of_every_length() {
        let lengths = [0, 1, 7, 8, 28, 29, 254, 255, 256, 16_384, 16_385, 65_535, 65_536, 100_000];
        for name_len in lengths {
            for value_len in lengths {
                for expiry in [None, Some(i64::MIN), Some(1)] {
                    let (name, bytes) = (vec![b'n'; name_len], vec![b'v'; value_len]);
                    for value in [None, Some(Value::Bytes(&bytes)), Some(Value::Integer(-5))] {
                        check(&name, value, expiry);
                    }
                }
            }
        }
    }

    fn check(name: &[u8], value: Option<Value<'_>>, expiry: Option<i64>) {
        let shown = value.unwrap_or(Value::Bytes(b""));
        // SAFETY: the test owns the members.
        unsafe {
            let member = RawMember::new(name, value, expiry);
            let copy = member.duplicate();
            let (used, size) = (member.parts().used(), layout_of(member.parts().used()).size());
            assert!(used <= size && member.memory() >= size);
            for other in [member, copy] {
                assert_eq!((other.key(), other.value(), other.expiry()), (name, shown, expiry));
                assert!(other.has_key(name) && !other.has_key(b"other"));
                assert_eq!(other.may_expire(), expiry.is_some());
            }
            copy.free();
            let member = member.with_expiry(Some(77));
            assert_eq!((member.key(), member.value(), member.expiry()), (name, shown, Some(77)));
            member.free();
        }
    }

    #[test]
    fn values_are_overwritten_where_they_are_as_long_as_the_class_stays() {
        // SAFETY: the test owns the member.
        unsafe {
            let member = RawMember::new(b"name", Some(Value::Bytes(b"value")), Some(3));
            let before = member.memory();
            let values =
                [(&b"other"[..], true), (b"twelve bytes", true), (b"", false), (&[b'x'; 300], false)];
            for (value, fits) in values {
                let now: Vec<u8> = if fits { value.to_vec() } else { b"twelve bytes".to_vec() };
                assert_eq!(member.overwrite(Value::Bytes(value)), fits);
                assert_eq!((member.value(), member.expiry()), (Value::Bytes(&now), Some(3)));
                assert_eq!((member.key(), member.memory()), (&b"name"[..], before));
            }
            assert!(!member.overwrite(Value::Integer(1)));
            member.free();
            let number = RawMember::new(b"name", Some(Value::Integer(1)), None);
            assert!(number.overwrite(Value::Integer(2)) && !number.overwrite(Value::Bytes(b"")));
            assert_eq!(number.value(), Value::Integer(2));
            number.free();
        }
    }

    #[test]
    fn a_short_member_costs_a_byte_beside_its_name() {
        for (len, memory) in [(0, 8), (7, 8), (8, 16), (15, 16), (16, 32), (28, 32), (31, 48)] {
            // SAFETY: the test owns the member.
            unsafe {
                let member = RawMember::new(&vec![b'm'; len], None, None);
                assert_eq!(member.memory(), memory, "{len}");
                member.free();
            }
        }
    }
}
