//! Small sets of integers: sorted, all in the width that the widest needs, in Redis's own byte format.
//!
//! ```text
//! bytes of an integer u32 (2, 4 or 8) | integers u32 | integer ... integer
//! ```
//!
//! The allocation's size is the size class of that, as with listpacks; the pointer has the tag [`TAG`].

use core::ptr::NonNull;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};

use crate::forms::TAG_BITS;
use crate::record::layout::size_class;

/// What the lowest bits of the pointer say.
pub(super) const TAG: usize = 1;

/// Bytes before the integers.
const HEADER: usize = 8;
const ALIGN: usize = 8;
/// The most integers: their number is 32 bits in the format, their bytes are in ours.
const MOST: usize = (u32::MAX as usize - HEADER) / 8;

/// See the module.
#[repr(transparent)]
pub(crate) struct Intset {
    tagged: NonNull<u8>,
}

// SAFETY: an intset owns its allocation alone.
unsafe impl Send for Intset {}

/// Bytes that an integer needs.
fn width_of(number: i64) -> usize {
    match number {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

impl Intset {
    pub(crate) fn new() -> Self {
        Self::copy_of(&[2, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The intset with exactly these bytes; `None` when they are not one, or one without integers.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let width = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let len = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
        let right =
            matches!(width, 2 | 4 | 8) && 0 < len && len < MOST && bytes.len() == HEADER + width * len;
        let set = right.then(|| Self::copy_of(bytes))?;
        let ascending = (1..len).all(|index| set.get(index - 1) < set.get(index));
        ascending.then_some(set)
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(size_class(len), ALIGN).expect("an intset's size is limited")
    }

    fn copy_of(bytes: &[u8]) -> Self {
        let layout = Self::layout(bytes.len());
        // SAFETY: no size class is zero.
        let memory = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: fresh memory of at least as many bytes.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Self { tagged: start.map_addr(|address| address | TAG) }
    }

    /// Moves the allocation if it lies badly.
    #[cfg(feature = "jemalloc")]
    pub(crate) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        let (mut start, layout) = (self.start(), Self::layout(self.byte_len()));
        // SAFETY: the allocation is of this layout, and exclusively borrowed.
        unsafe { mover.allocation(&mut start, layout) };
        self.tagged = start.map_addr(|address| address | TAG);
    }

    #[inline]
    fn start(&self) -> NonNull<u8> {
        self.tagged.map_addr(|address| {
            core::num::NonZero::new(address.get() & !TAG_BITS).expect("an allocation has an address")
        })
    }

    #[inline]
    fn header(&self) -> [u32; 2] {
        // SAFETY: an allocation begins with eight initialised bytes and is aligned to eight.
        unsafe { self.start().cast::<[u32; 2]>().read() }.map(u32::from_le)
    }

    #[inline]
    fn width(&self) -> usize {
        self.header()[0] as usize
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.header()[1] as usize
    }

    fn byte_len(&self) -> usize {
        let [width, len] = self.header();
        HEADER + width as usize * len as usize
    }

    /// Bytes of memory that the allocation takes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        size_class(self.byte_len())
    }

    /// The bytes of the format.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the allocation holds as many initialised bytes as its header says.
        unsafe { core::slice::from_raw_parts(self.start().as_ptr(), self.byte_len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the exclusive borrow covers the allocation.
        unsafe { core::slice::from_raw_parts_mut(self.start().as_ptr(), self.byte_len()) }
    }

    /// The integer with this index, counted from the smallest.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        let number = self.bytes().get(HEADER + width * index..)?;
        Some(match width {
            2 => i64::from(i16::from_le_bytes(*number.first_chunk()?)),
            4 => i64::from(i32::from_le_bytes(*number.first_chunk()?)),
            _ => i64::from_le_bytes(*number.first_chunk()?),
        })
    }

    fn put(&mut self, index: usize, number: i64) {
        let width = self.width();
        let at = HEADER + width * index;
        self.bytes_mut()[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
    }

    /// Where an integer is, or where it would be.
    fn search(&self, number: i64) -> Result<usize, usize> {
        let at = |index| self.get(index).expect("an index below the length");
        let (mut low, mut high) = (0, self.len());
        match high.checked_sub(1) {
            // Integers often come in ascending order.
            Some(last) if at(last) < number => return Err(high),
            _ => {}
        }
        while low < high {
            let middle = low.midpoint(high);
            match at(middle) {
                found if found == number => return Ok(middle),
                found if found < number => low = middle + 1,
                _ => high = middle,
            }
        }
        Err(low)
    }

    #[inline]
    pub(crate) fn contains(&self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Whether the number of integers is the largest possible.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MOST
    }

    /// Adds an integer. True when it is new.
    ///
    /// # Panics
    /// When the set is full.
    pub(crate) fn insert(&mut self, number: i64) -> bool {
        let Err(at) = self.search(number) else { return false };
        assert!(!self.is_full(), "an intset has a bounded length");
        if width_of(number) > self.width() {
            self.widen(width_of(number));
        }
        let (width, len) = (self.width(), self.len());
        self.resize(width, len + 1);
        let end = HEADER + width * len;
        self.bytes_mut().copy_within(HEADER + width * at..end, HEADER + width * (at + 1));
        self.put(at, number);
        true
    }

    /// Removes an integer. False when it is not there.
    pub(crate) fn remove(&mut self, number: i64) -> bool {
        let Ok(at) = self.search(number) else { return false };
        let (width, len) = (self.width(), self.len());
        self.bytes_mut().copy_within(HEADER + width * (at + 1).., HEADER + width * at);
        self.resize(width, len - 1);
        true
    }

    /// Gives all integers another, larger width.
    fn widen(&mut self, width: usize) {
        let len = self.len();
        let mut wide = Self::new();
        wide.resize(width, len);
        for index in 0..len {
            wide.put(index, self.get(index).expect("an index below the length"));
        }
        *self = wide;
    }

    /// Changes width and number of the integers; the bytes of those that stay, stay.
    fn resize(&mut self, width: usize, len: usize) {
        let (old, new) = (self.byte_len(), HEADER + width * len);
        let (old_layout, layout) = (Self::layout(old), Self::layout(new));
        let mut start = self.start();
        if layout != old_layout {
            // SAFETY: the allocation has the layout of its bytes; no size class is zero or too large.
            let memory = unsafe { realloc(start.as_ptr(), old_layout, layout.size()) };
            let Some(moved) = NonNull::new(memory) else { handle_alloc_error(layout) };
            start = moved;
        }
        // SAFETY: the allocation holds the larger number of bytes, and is aligned to eight.
        unsafe {
            if new > old {
                start.add(old).write_bytes(0, new - old);
            }
            start.cast::<[u32; 2]>().write([(width as u32).to_le(), (len as u32).to_le()]);
        }
        self.tagged = start.map_addr(|address| address | TAG);
    }
}

impl Clone for Intset {
    fn clone(&self) -> Self {
        Self::copy_of(self.bytes())
    }
}

impl Drop for Intset {
    fn drop(&mut self) {
        // SAFETY: the allocation's size is the class of the bytes in it, and nobody else owns it.
        unsafe { dealloc(self.start().as_ptr(), Self::layout(self.byte_len())) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn all(set: &Intset) -> Vec<i64> {
        (0..set.len()).map(|index| set.get(index).unwrap()).collect()
    }

    #[test]
    fn the_width_follows_the_widest() {
        let mut set = Intset::new();
        for (number, bytes) in [(1, 10), (-2, 12), (70_000, 20), (-5_000_000_000, 40)] {
            assert!(set.insert(number) && !set.insert(number));
            assert_eq!(set.byte_len(), bytes, "{number}");
        }
        assert_eq!(all(&set), [-5_000_000_000, -2, 1, 70_000]);
        assert_eq!(set.bytes()[..8], [8, 0, 0, 0, 4, 0, 0, 0]);
        assert!(set.remove(-5_000_000_000) && !set.remove(5));
        assert_eq!((set.width(), set.get(3)), (8, None));
    }

    proptest! {
        #[test]
        fn an_intset_is_a_sorted_set(
            steps in prop::collection::vec((any::<bool>(), any::<i64>(), 0..64u32), 1..200)
        ) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (add, number, shift) in steps {
                let number = number >> shift;
                if add {
                    prop_assert_eq!(set.insert(number), model.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
                prop_assert_eq!(set.contains(number), model.contains(&number));
                prop_assert!(all(&set).iter().eq(&model));
                prop_assert_eq!(all(&set.clone()), all(&set));
            }
        }
    }
}
