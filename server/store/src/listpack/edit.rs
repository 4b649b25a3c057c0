//! Changes to a listpack. Each is one splice: at most one change of the allocation and one move of what is behind.

use smallvec::SmallVec;

use super::*;
use codec::Encoded;

impl Listpack {
    /// Appends an element.
    #[inline]
    pub fn push_back(&mut self, element: Value<'_>) {
        self.append(&[element]);
    }

    /// Appends several elements at once.
    pub fn append(&mut self, elements: &[Value<'_>]) {
        self.put(self.byte_len() - 1, 0, 0, elements);
    }

    /// Inserts an element before all others.
    pub fn push_front(&mut self, element: Value<'_>) {
        self.put(HEADER, 0, 0, &[element]);
    }

    /// Inserts an element before the one at a cursor, and returns its place.
    pub fn insert_before(&mut self, at: Cursor, element: Value<'_>) -> Cursor {
        self.put(at.offset(), 0, 0, &[element]);
        at
    }

    /// Inserts several elements before the one at a cursor.
    pub fn insert_all_before(&mut self, at: Cursor, elements: &[Value<'_>]) {
        self.put(at.offset(), 0, 0, elements);
    }

    /// Inserts an element behind the one at a cursor, and returns its place.
    pub fn insert_after(&mut self, at: Cursor, element: Value<'_>) -> Cursor {
        let behind = self.end_of(at);
        self.put(behind, 0, 0, &[element]);
        Cursor(behind as u32)
    }

    /// Replaces the element at a cursor, which then names the new one.
    pub fn replace(&mut self, at: Cursor, element: Value<'_>) {
        let len = self.end_of(at) - at.offset();
        self.put(at.offset(), len, 1, &[element]);
    }

    /// Removes the element at a cursor, and returns the place of the one that was behind it.
    pub fn remove(&mut self, at: Cursor) -> Option<Cursor> {
        self.remove_many(at, 1)
    }

    /// Removes up to `count` elements from the one at a cursor on, and returns the place of the one that was behind
    /// them.
    pub fn remove_many(&mut self, at: Cursor, count: usize) -> Option<Cursor> {
        let mut end = at.offset();
        let mut removed = 0;
        while removed < count
            && let Some(here) = self.cursor(end)
        {
            end = self.end_of(here);
            removed += 1;
        }
        self.put(at.offset(), end - at.offset(), removed, &[]);
        self.cursor(at.offset())
    }

    /// Removes up to `count` elements from an index on (as in [`Listpack::seek`]), and returns how many they were.
    pub fn remove_range(&mut self, index: i64, count: usize) -> usize {
        let Some(at) = self.seek(index) else { return 0 };
        let before = self.len();
        self.remove_many(at, count);
        before - self.len()
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Puts `elements` in the place of `old_len` bytes at `at`, which hold `old_count` elements.
    fn put(&mut self, at: usize, old_len: usize, old_count: usize, elements: &[Value<'_>]) {
        let encoded: SmallVec<[Encoded<'_>; 4]> = elements.iter().map(|&value| Encoded::new(value)).collect();
        let size = encoded.iter().map(Encoded::size).sum();
        let mut room = self.splice(at, old_len, size);
        for element in &encoded {
            room = element.write(room);
        }
        self.recount(old_count, elements.len());
    }

    /// Brings the stored number of elements up to date.
    fn recount(&mut self, removed: usize, added: usize) {
        let counted = self.counted();
        let now = if counted != UNCOUNTED {
            counted - removed + added
        } else if self.byte_len() <= HEADER + 2 * UNCOUNTED {
            // An element takes two bytes or more: there are few enough again.
            self.count()
        } else {
            UNCOUNTED
        };
        let stored = u16::try_from(now).unwrap_or(u16::MAX);
        self.bytes_mut()[4..HEADER].copy_from_slice(&stored.to_le_bytes());
    }

    /// Makes the `old` bytes at `at` `new` bytes long, and returns them for writing.
    fn splice(&mut self, at: usize, old: usize, new: usize) -> &mut [u8] {
        let total = self.byte_len();
        assert!(HEADER <= at && at + old < total, "a splice lies between header and end");
        let after = total - old;
        assert!(new <= Self::LIMIT - after, "a listpack's size is limited");
        let after = after + new;
        if after > total {
            self.reallocate(total, after);
        }
        if after != total {
            // SAFETY: all ranges end at or before the larger of the two totals, which the allocation holds; its
            // alignment is eight.
            unsafe {
                let old_tail = self.start.add(at + old);
                self.start.add(at + new).copy_from(old_tail, total - at - old);
                self.start.add(at).write_bytes(0, new);
                self.start.cast::<u32>().write((after as u32).to_le());
            }
        }
        if after < total {
            self.reallocate(total, after);
        }
        &mut self.bytes_mut()[at..at + new]
    }

    /// Moves to an allocation for `new` bytes unless the one for `old` bytes is of that class.
    fn reallocate(&mut self, old: usize, new: usize) {
        let layout = Self::layout(new);
        if layout == Self::layout(old) {
            return;
        }
        // SAFETY: the allocation was made with the layout of `old` bytes; no size class is zero or too large.
        let memory = unsafe { realloc(self.start.as_ptr(), Self::layout(old), layout.size()) };
        let Some(start) = NonNull::new(memory) else { handle_alloc_error(layout) };
        self.start = start;
    }
}
