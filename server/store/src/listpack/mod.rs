//! Listpacks: short sequences of strings and integers in one allocation, in Redis's own byte format.
//!
//! ```text
//! total bytes u32 | elements u16 | element ... element | 0xff
//! ```
//!
//! The number of elements saturates: 65,535 means that they must be counted. The elements are described in `codec`.
//! The allocation's size is the allocator's size class of the total, so that no capacity need be stored, and an
//! insertion moves to another allocation only where the class changes.

pub(crate) mod codec;
mod edit;
#[cfg(test)]
mod tests;

use core::ptr::NonNull;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};

use crate::record::layout::size_class;
use crate::value::{IntegerText, Value};
use codec::{END, backlen_size, decode, entry_len, read_backlen, write_backlen};

/// Length of the header: total bytes and number of elements.
const HEADER: usize = 6;
/// Length of a listpack without elements.
const EMPTY: usize = HEADER + 1;
/// The stored number of elements that says nothing: count them.
const UNCOUNTED: usize = u16::MAX as usize;
/// Alignment of the allocation: types that keep a listpack among other forms tell them by the low bits of the pointer.
const ALIGN: usize = 8;

/// A short sequence of strings and integers. See the module.
///
/// Everything but appending is linear in the bytes: whoever keeps one bounds it by a number of elements and a size.
#[repr(transparent)]
pub struct Listpack {
    start: NonNull<u8>,
}

/// The place of an element in a listpack. Any change to the listpack makes the cursors into it meaningless, except
/// those that the change returns: what a stale one reads is arbitrary, or a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(u32);

// SAFETY: a listpack owns its allocation alone, and shared references only read it.
unsafe impl Send for Listpack {}
// SAFETY: as for Send.
unsafe impl Sync for Listpack {}

impl Listpack {
    /// The most bytes that a listpack may have. Changes beyond it panic: ask [`Listpack::fits`] before.
    pub const LIMIT: usize = 1 << 30;

    /// A listpack without elements.
    #[must_use]
    pub fn new() -> Self {
        Self::copy_of(&[EMPTY as u8, 0, 0, 0, 0, 0, END])
    }

    /// The listpack with exactly these bytes; `None` when they are not one in every detail.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        is_valid(bytes).then(|| Self::copy_of(bytes))
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(size_class(len), ALIGN).expect("a listpack's size is limited")
    }

    fn copy_of(bytes: &[u8]) -> Self {
        let layout = Self::layout(bytes.len());
        // SAFETY: no size class is zero.
        let memory = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: fresh memory of at least as many bytes.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Self { start }
    }

    /// Moves the allocation if it lies badly.
    #[cfg(feature = "jemalloc")]
    pub(crate) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        let layout = Self::layout(self.byte_len());
        // SAFETY: the allocation is of this layout, and exclusively borrowed.
        unsafe { mover.allocation(&mut self.start, layout) };
    }

    /// The bytes of the format, as they stand in Redis's dumps.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the allocation holds as many initialised bytes as its first word says.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.byte_len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the exclusive borrow covers the allocation.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.byte_len()) }
    }

    /// Number of bytes of the format.
    #[must_use]
    #[inline]
    pub fn byte_len(&self) -> usize {
        // SAFETY: an allocation has at least EMPTY initialised bytes and is aligned to eight.
        u32::from_le(unsafe { self.start.cast::<u32>().read() }) as usize
    }

    /// Bytes of memory that the allocation takes.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> usize {
        size_class(self.byte_len())
    }

    /// Number of elements. Constant below 65,535 elements, else they are counted.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self.counted() {
            UNCOUNTED => self.count(),
            known => known,
        }
    }

    /// Whether there is no element.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.byte_len() == EMPTY
    }

    /// Whether `more` bytes of elements may be added without reaching [`Listpack::LIMIT`]; an element takes up to 11
    /// bytes beside its own.
    #[must_use]
    #[inline]
    pub fn fits(&self, more: usize) -> bool {
        more <= Self::LIMIT - self.byte_len()
    }

    fn counted(&self) -> usize {
        let bytes = self.bytes();
        usize::from(u16::from_le_bytes([bytes[4], bytes[5]]))
    }

    #[cold]
    fn count(&self) -> usize {
        self.iter().count()
    }

    /// The first element.
    #[must_use]
    #[inline]
    pub fn first(&self) -> Option<Cursor> {
        self.cursor(HEADER)
    }

    /// The last element.
    #[must_use]
    #[inline]
    pub fn last(&self) -> Option<Cursor> {
        self.before(self.byte_len() - 1)
    }

    /// The element behind another one.
    #[must_use]
    #[inline]
    pub fn next(&self, at: Cursor) -> Option<Cursor> {
        self.cursor(self.end_of(at))
    }

    /// The element before another one.
    #[must_use]
    #[inline]
    pub fn prev(&self, at: Cursor) -> Option<Cursor> {
        self.before(at.offset())
    }

    /// The element with this index, counted from the first one (0), or from the last one (-1) when negative. The walk
    /// begins at the nearer end.
    #[must_use]
    pub fn seek(&self, index: i64) -> Option<Cursor> {
        let counted = self.counted();
        let from_front = u64::try_from(index).ok();
        let from_back = from_front.is_none().then(|| index.unsigned_abs() - 1);
        let (from_front, from_back) = if counted == UNCOUNTED {
            (from_front, from_back)
        } else {
            let last = (counted as u64).checked_sub(1)?;
            let distance = last.checked_sub(from_front.or(from_back)?)?;
            (from_front.or(Some(distance)), from_back.or(Some(distance)))
        };
        match (from_front, from_back) {
            (Some(steps), back) if back.is_none_or(|back| steps <= back) => {
                (0..steps).try_fold(self.first()?, |at, _| self.next(at))
            }
            (_, steps) => (0..steps?).try_fold(self.last()?, |at, _| self.prev(at)),
        }
    }

    /// The element at a cursor.
    ///
    /// # Panics
    /// When the cursor is stale and there is no element; so do all functions that take one.
    #[must_use]
    #[inline]
    pub fn get(&self, at: Cursor) -> Value<'_> {
        decode(&self.bytes()[at.offset()..]).expect("a cursor names an element")
    }

    /// The elements in their order.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter { listpack: self, front: HEADER, back: self.byte_len() - 1 }
    }

    /// The elements from a cursor on.
    #[must_use]
    #[inline]
    pub fn iter_from(&self, at: Cursor) -> Iter<'_> {
        Iter { front: at.offset(), ..self.iter() }
    }

    /// The first element equal to `element`, beginning with the one at `from` and passing over `skip` elements after
    /// each that was compared: with a skip of one, the fields of a sequence of fields and values.
    #[must_use]
    pub fn find(&self, element: Value<'_>, from: Cursor, skip: usize) -> Option<Cursor> {
        let mut text = IntegerText::default();
        let (bytes, number) = match element {
            Value::Integer(number) => (text.format(number), Some(number)),
            Value::Bytes(bytes) => match Value::encode(bytes) {
                Value::Integer(number) => (bytes, Some(number)),
                Value::Bytes(bytes) => (bytes, None),
            },
        };
        let mut at = Some(from);
        while let Some(here) = at {
            let equal = match self.get(here) {
                Value::Bytes(found) => found == bytes,
                Value::Integer(found) => number == Some(found),
            };
            if equal {
                return at;
            }
            at = self.next(here);
            for _ in 0..skip {
                at = self.next(at?);
            }
        }
        None
    }

    /// Whether the first element and every `step`th behind it are distinct.
    pub(crate) fn has_distinct(&self, step: usize) -> bool {
        let mut seen = std::collections::HashSet::new();
        self.iter().step_by(step).all(|element| {
            // Texts: an integer may also be there as a string.
            let mut text = IntegerText::default();
            seen.insert(element.as_bytes(&mut text).to_vec())
        })
    }

    /// The element that begins at `offset`, unless it is the end.
    #[inline]
    fn cursor(&self, offset: usize) -> Option<Cursor> {
        (self.bytes()[offset] != END).then_some(Cursor(offset as u32))
    }

    /// The element that ends at `offset`.
    #[inline]
    fn before(&self, offset: usize) -> Option<Cursor> {
        if offset == HEADER {
            return None;
        }
        let (len, size) = read_backlen(&self.bytes()[HEADER..offset]).expect("each element leads back");
        Some(Cursor((offset - len - size) as u32))
    }

    /// Where the element at a cursor ends, what leads back included.
    #[inline]
    fn end_of(&self, at: Cursor) -> usize {
        let len = entry_len(&self.bytes()[at.offset()..]).expect("a cursor names an element");
        at.offset() + len + backlen_size(len)
    }
}

impl Cursor {
    #[inline]
    fn offset(self) -> usize {
        self.0 as usize
    }
}

/// Whether `bytes` are a listpack: lengths, every element and everything that leads back.
fn is_valid(bytes: &[u8]) -> bool {
    let Some((&total, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Some((&counted, _)) = rest.split_first_chunk::<2>() else { return false };
    if bytes.len() > Listpack::LIMIT || u32::from_le_bytes(total) as usize != bytes.len() {
        return false;
    }
    let mut at = HEADER;
    let mut count = 0;
    while let Some(len) = bytes.get(at..).and_then(entry_len) {
        let mut backlen = [0; 5];
        let backlen = &mut backlen[..backlen_size(len)];
        write_backlen(len, backlen);
        let (leads_back, end) = (at + len, at + len + backlen.len());
        if bytes.get(leads_back..end) != Some(&*backlen) {
            return false;
        }
        count += 1;
        at = end;
    }
    let counted = usize::from(u16::from_le_bytes(counted));
    bytes.get(at..) == Some(&[END]) && (counted == UNCOUNTED || counted == count)
}

/// The elements of a listpack, from both ends.
#[derive(Clone)]
pub struct Iter<'a> {
    listpack: &'a Listpack,
    front: usize,
    back: usize,
}

impl Iter<'_> {
    /// The element that `next` would return.
    #[must_use]
    #[inline]
    pub fn cursor(&self) -> Option<Cursor> {
        (self.front < self.back).then_some(Cursor(self.front as u32))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let at = self.cursor()?;
        self.front = self.listpack.end_of(at);
        Some(self.listpack.get(at))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.cursor()?;
        let at = self.listpack.before(self.back)?;
        self.back = at.offset();
        Some(self.listpack.get(at))
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Value<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Self {
        Self::copy_of(self.bytes())
    }
}

impl Drop for Listpack {
    fn drop(&mut self) {
        // SAFETY: the allocation's size is the class of the bytes in it, and nobody else owns it.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.byte_len())) };
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Listpack {}

impl core::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
