//! A stretch of a list.

use super::{NodeRef, Side};
use crate::listpack::Listpack;
use crate::record::layout::size_class;
use crate::value::{IntegerText, Value};

/// How much one node may hold: `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    directive: i64,
    /// Bytes from which on an element has a node of its own; 0 when the limits of nodes decide.
    plain_from: u32,
}

/// Bytes that a node may have when its elements are limited by number (`SIZE_SAFETY_LIMIT`).
const SAFETY_BYTES: usize = 8192;
/// Bytes that an element is taken to cost beside its own (`SIZE_ESTIMATE_OVERHEAD`).
const ELEMENT_OVERHEAD: usize = 8;
/// Bytes that an element may cost in a listpack beside its own.
const ENTRY_OVERHEAD: usize = 11;
/// Bytes that two listpacks have more than one with the elements of both: header and end.
const MERGE_SAVES: usize = 7;

impl Fill {
    /// From the directive's value: elements when positive; -1 to -5 for 4, 8, 16, 32, 64 KiB.
    #[must_use]
    pub const fn new(directive: i64) -> Self {
        Self { directive, plain_from: 0 }
    }

    /// The same, where elements of so many bytes get nodes of their own; with 0, those that are too large for others do.
    #[must_use]
    pub const fn with_plain_from(self, bytes: u32) -> Self {
        Self { plain_from: bytes, ..self }
    }

    /// Bytes and elements that a node may have.
    fn limits(self) -> (usize, usize) {
        match self.directive {
            0.. => (usize::MAX, (self.directive as usize).max(1)),
            level => (4096 << (level.unsigned_abs() - 1).min(4), usize::MAX),
        }
    }

    /// Whether a node may have so many bytes and elements.
    #[must_use]
    pub fn admits(self, bytes: usize, elements: usize) -> bool {
        let (bytes_max, elements_max) = self.limits();
        if bytes_max == usize::MAX {
            bytes <= SAFETY_BYTES && elements <= elements_max
        } else {
            bytes <= bytes_max
        }
    }

    /// Whether a node that is the only one may stand alone as a listpack.
    pub(super) fn admits_whole(self, bytes: usize, elements: usize) -> bool {
        let (bytes_max, elements_max) = self.limits();
        bytes <= bytes_max && elements <= elements_max
    }

    /// Whether a node is so small that it may stand alone as a listpack.
    pub(super) fn admits_shrunk(self, bytes: usize, elements: usize) -> bool {
        let (bytes_max, elements_max) = self.limits();
        bytes <= bytes_max / 2 && elements <= elements_max / 2
    }

    /// Whether an element of so many bytes gets a node of its own.
    pub(super) fn is_large(self, bytes: usize) -> bool {
        if self.plain_from > 0 {
            return bytes >= self.plain_from as usize;
        }
        let (bytes_max, _) = self.limits();
        bytes > if bytes_max == usize::MAX { SAFETY_BYTES } else { bytes_max }
    }
}

#[derive(Clone)]
enum Data {
    Packed(Listpack),
    Plain(Box<[u8]>),
}

/// A listpack, or one large element.
#[derive(Clone)]
pub(crate) struct Node {
    data: Data,
    /// Elements, here beside the pointer for whoever looks for an index.
    count: u32,
}

impl Node {
    /// The elements of a listpack.
    pub(crate) fn of(listpack: Listpack) -> Self {
        Self { count: listpack.len() as u32, data: Data::Packed(listpack) }
    }

    /// One element, however large.
    pub(crate) fn plain(bytes: Box<[u8]>) -> Self {
        Self { data: Data::Plain(bytes), count: 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One element, which is large or not.
    pub(super) fn alone(value: Value<'_>, fill: Fill) -> Self {
        match value {
            Value::Bytes(bytes) if fill.is_large(bytes.len()) => {
                Self { data: Data::Plain(bytes.into()), count: 1 }
            }
            value => {
                let mut listpack = Listpack::new();
                listpack.push_back(value);
                Self { data: Data::Packed(listpack), count: 1 }
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes as `list-max-listpack-size` counts them.
    pub(super) fn bytes(&self) -> usize {
        match &self.data {
            Data::Packed(listpack) => listpack.byte_len(),
            Data::Plain(bytes) => bytes.len(),
        }
    }

    /// Bytes of memory that the node's allocation takes.
    pub(super) fn memory(&self) -> usize {
        match &self.data {
            Data::Packed(listpack) => listpack.memory(),
            Data::Plain(bytes) => size_class(bytes.len()),
        }
    }

    /// Moves the allocation if it lies badly.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        match &mut self.data {
            Data::Packed(listpack) => listpack.defragment(mover),
            Data::Plain(bytes) => mover.bytes(bytes),
        }
    }

    pub(super) fn as_ref(&self) -> NodeRef<'_> {
        match &self.data {
            Data::Packed(listpack) => NodeRef::Packed(listpack),
            Data::Plain(bytes) => NodeRef::Plain(bytes),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.data, Data::Plain(_))
    }

    /// Whether an element of so many bytes may be added.
    pub(super) fn admits(&self, bytes: usize, fill: Fill) -> bool {
        !self.is_plain() && fill.admits(self.bytes() + bytes + ELEMENT_OVERHEAD, self.len() + 1)
    }

    /// Whether there is room for an element at all, whatever the directive says.
    pub(super) fn fits(&self, value: Value<'_>) -> bool {
        match &self.data {
            Data::Packed(listpack) => listpack.fits(value.len() + ENTRY_OVERHEAD),
            Data::Plain(_) => true,
        }
    }

    /// Whether the elements of another node may be added.
    pub(super) fn admits_node(&self, other: &Self, fill: Fill) -> bool {
        !self.is_plain()
            && !other.is_plain()
            && fill.admits(self.bytes() + other.bytes() - MERGE_SAVES, self.len() + other.len())
    }

    /// The listpack, for changing; the count is the caller's to keep.
    ///
    /// # Panics
    /// When it is a large element.
    fn listpack(&mut self) -> &mut Listpack {
        match &mut self.data {
            Data::Packed(listpack) => listpack,
            Data::Plain(_) => unreachable!("nothing is added to a large element"),
        }
    }

    pub(super) fn into_listpack(self) -> Option<Listpack> {
        match self.data {
            Data::Packed(listpack) => Some(listpack),
            Data::Plain(_) => None,
        }
    }

    pub(super) fn get(&self, at: usize) -> Value<'_> {
        match &self.data {
            Data::Packed(listpack) => {
                listpack.get(listpack.seek(at as i64).expect("an index below the length"))
            }
            Data::Plain(bytes) => Value::Bytes(bytes),
        }
    }

    pub(super) fn push(&mut self, side: Side, value: Value<'_>) {
        let listpack = self.listpack();
        match side {
            Side::Left => listpack.push_front(value),
            Side::Right => listpack.push_back(value),
        }
        self.count += 1;
    }

    pub(super) fn insert(&mut self, at: usize, behind: bool, value: Value<'_>) {
        let listpack = self.listpack();
        let at = listpack.seek(at as i64).expect("an index below the length");
        if behind {
            listpack.insert_after(at, value)
        } else {
            listpack.insert_before(at, value)
        };
        self.count += 1;
    }

    pub(super) fn replace(&mut self, at: usize, value: Value<'_>) {
        match (&mut self.data, value) {
            (Data::Plain(old), Value::Bytes(bytes)) => *old = bytes.into(),
            _ => {
                let listpack = self.listpack();
                let at = listpack.seek(at as i64).expect("an index below the length");
                listpack.replace(at, value);
            }
        }
    }

    /// Removes elements; those of a large one's node go with it, so that it is not asked.
    pub(super) fn remove(&mut self, at: usize, count: usize) {
        self.listpack().remove_range(at as i64, count);
        self.count -= count as u32;
    }

    /// Removes elements equal to `value`; a large one that is equal leaves a node without elements.
    pub(super) fn remove_equal(&mut self, value: Value<'_>, side: Side, count: usize) -> usize {
        let removed = match &mut self.data {
            Data::Packed(listpack) => remove_equal(listpack, value, side, count),
            Data::Plain(bytes) => usize::from(count > 0 && value == Value::Bytes(bytes)),
        };
        self.count -= removed as u32;
        removed
    }

    /// Cuts off the elements from an index on.
    pub(super) fn split(&mut self, at: usize) -> Self {
        let rest = self.len() - at;
        let listpack = self.listpack();
        let mut tail = Listpack::new();
        let from = listpack.seek(at as i64).expect("an index below the length");
        let elements: Vec<Value<'_>> = listpack.iter_from(from).collect();
        tail.append(&elements);
        listpack.remove_many(from, rest);
        self.count -= rest as u32;
        Self { data: Data::Packed(tail), count: rest as u32 }
    }

    /// Takes the elements of the next node over.
    pub(super) fn absorb(&mut self, next: &Self) {
        if let NodeRef::Packed(other) = next.as_ref() {
            let elements: Vec<Value<'_>> = other.iter().collect();
            self.listpack().append(&elements);
            self.count += next.count;
        }
    }
}

/// Removes up to `count` elements equal to `value`, the nearest to `side` first; returns how many there were.
pub(super) fn remove_equal(listpack: &mut Listpack, value: Value<'_>, side: Side, count: usize) -> usize {
    let mut text = IntegerText::default();
    let wanted = Value::encode(value.as_bytes(&mut text));
    let mut removed = 0;
    let mut at = if side == Side::Left { listpack.first() } else { listpack.last() };
    while let Some(here) = at
        && removed < count
    {
        let equal = listpack.get(here) == wanted;
        at = match (side, equal) {
            (Side::Left, true) => listpack.remove(here),
            (Side::Left, false) => listpack.next(here),
            // What stands before stays where it is.
            (Side::Right, _) => listpack.prev(here),
        };
        if equal {
            removed += 1;
            if side == Side::Right {
                listpack.remove(here);
            }
        }
    }
    removed
}
