//! A node: some hundred entries, one after the other, in one allocation.
//!
//! ```text
//! number of fields, their names     those of the first entry: most entries have the same ones
//! entries, each:
//!   1 byte: highest bit: names of its own; else: milliseconds since the entry before, 127: they follow
//!   what to add to the number of the entry before, or, in another millisecond, the number
//!   values; or, with names of its own, how many fields, then names and values in turn
//! ```
//!
//! Names and values are encoded like a listpack's elements, so that the text of an integer takes one to nine bytes;
//! numbers are LEB128. An entry that is deleted leaves no bytes behind. Where nodes end is Redis's rule, since that is
//! what trimming with `~` shows; so a node remembers how long Redis's would be.

use super::StreamId;
use crate::listpack::codec::{Encoded, decode, entry_len};
use crate::value::Value;
use core::ops::Range;
use std::borrow::Cow;

/// In an entry's first byte: it has names of its own.
const OWN_NAMES: u8 = 1 << 7;
/// In an entry's first byte: the milliseconds do not fit and follow.
const LONG_GAP: u8 = OWN_NAMES - 1;

/// Bytes of a listpack without elements.
const LISTPACK_EMPTY: usize = 7;

/// Most bytes that a listpack of a stream may have (`STREAM_LISTPACK_MAX_SIZE`).
pub(super) const NODE_MAX_BYTES: usize = 1 << 30;

/// How large nodes get.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// `stream-node-max-bytes`: what Redis's listpack may have; 0 for no limit.
    pub bytes: u64,
    /// `stream-node-max-entries`: deleted ones count; 0 for no limit.
    pub entries: u64,
}

/// See the module's text.
#[derive(Clone)]
pub(super) struct Node {
    bytes: Vec<u8>,
    /// The last entry; for a node that was just made, its key.
    tail: StreamId,
    /// The last entry that it ever had.
    newest: StreamId,
    live: u32,
    deleted: u32,
    /// Bytes of the elements that Redis's listpack would have for the entries, deleted ones included.
    listpack_entries: usize,
    /// The same for the names of the first entry.
    listpack_names: usize,
}

impl Node {
    /// A node without entries, which are going to have these names mostly. The first is going to be `id`.
    pub(super) fn new<'f>(id: StreamId, fields: impl ExactSizeIterator<Item = Field<'f>>) -> Self {
        let mut bytes = Vec::new();
        write_number(&mut bytes, fields.len() as u64);
        let mut listpack_names = 0;
        for (name, _) in fields {
            let name = Encoded::new(Value::Bytes(name));
            listpack_names += name.size();
            name.append_entry(&mut bytes);
        }
        Self { bytes, tail: id, newest: id, live: 0, deleted: 0, listpack_entries: 0, listpack_names }
    }

    /// Moves the bytes if they lie badly.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment(&mut self, mover: &mut crate::defrag::Mover) {
        mover.vec(&mut self.bytes);
    }

    /// Whether an entry with so many bytes of names and values still belongs in here.
    pub(super) fn has_room(&self, more: usize, limits: NodeLimits) -> bool {
        let most = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
        let most = if most == 0 { NODE_MAX_BYTES } else { most.min(NODE_MAX_BYTES) };
        let entries = u64::from(self.live) + u64::from(self.deleted);
        self.listpack_len() + more < most && (limits.entries == 0 || entries < limits.entries)
    }

    /// Bytes of Redis's listpack.
    fn listpack_len(&self) -> usize {
        let counts = [u64::from(self.live), u64::from(self.deleted), self.names().0, 0];
        let counts: usize = counts.into_iter().map(|count| integer_size(count as i64)).sum();
        LISTPACK_EMPTY + counts + self.listpack_names + self.listpack_entries
    }

    /// Adds an entry, whose ID is above all others, to the node with key `master`.
    pub(super) fn push<'f>(
        &mut self,
        master: StreamId,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = Field<'f>> + Clone,
    ) {
        let same = self.has_names(fields.clone());
        let count = fields.len();
        let mut entry = EntryWriter { bytes: &mut self.bytes, listpack: 0 };
        entry.head(self.tail, id, same);
        if !same {
            write_number(entry.bytes, count as u64);
            entry.listpack += integer_size(count as i64);
        }
        for (name, value) in fields {
            if !same {
                entry.element(name);
            }
            entry.element(value);
        }
        // Flags, the distances from the node's key, and how many elements the entry has.
        let elements = if same { count + 3 } else { 2 * count + 4 };
        let distances = [id.ms.wrapping_sub(master.ms), id.seq.wrapping_sub(master.seq)];
        let distances: usize = distances.into_iter().map(|distance| integer_size(distance as i64)).sum();
        self.listpack_entries += entry.listpack + integer_size(0) + distances + integer_size(elements as i64);
        self.tail = id;
        self.newest = id;
        self.live += 1;
    }

    /// Adds an entry as it was read from a dump, to the node with key `master`; its ID is above all others. One that is
    /// deleted leaves its size in the figures.
    pub(super) fn push_stored(&mut self, master: StreamId, entry: &StoredEntry<'_>) {
        let (len, tail) = (self.bytes.len(), self.tail);
        self.push(master, entry.id, entry.fields.iter().map(|(name, value)| (&**name, &**value)));
        if entry.deleted {
            self.bytes.truncate(len);
            self.tail = tail;
            self.live -= 1;
            self.deleted += 1;
        }
    }

    /// The names that most entries have.
    pub(super) fn common_names(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        let (count, mut names) = self.names();
        (0..count as usize).map(move |_| take_element(&mut names))
    }

    fn has_names<'f>(&self, fields: impl ExactSizeIterator<Item = Field<'f>>) -> bool {
        let (count, mut names) = self.names();
        count == fields.len() as u64
            && fields.into_iter().all(|(name, _)| take_element(&mut names) == Value::encode(name))
    }

    /// How many names, and these with everything behind them.
    fn names(&self) -> (u64, &[u8]) {
        let mut bytes = &self.bytes[..];
        let count = take_number(&mut bytes);
        (count, bytes)
    }

    /// Makes room for an entry of about this length, with some to spare: the node is still being filled.
    pub(super) fn reserve(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            self.bytes.reserve_exact(more.max(self.bytes.len() / 2));
        }
    }

    /// Gives up spare memory: the node is full.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Bytes of memory of its own allocation.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Number of entries.
    pub(super) fn len(&self) -> u64 {
        self.live.into()
    }

    /// The last entry; there is one in a node that is part of a stream.
    pub(super) fn tail(&self) -> StreamId {
        self.tail
    }

    /// The last entry that it ever had.
    pub(super) fn newest(&self) -> StreamId {
        self.newest
    }

    /// The entries in order. `master` is the node's key.
    pub(super) fn entries(&self, master: StreamId) -> Entries<'_> {
        let (count, mut rest) = self.names();
        let names = rest;
        (0..count).for_each(|_| skip_element(&mut rest));
        Entries { node: &self.bytes, name_count: count, names, rest, previous: master }
    }

    /// Deletes an entry; false when it is not here.
    pub(super) fn delete(&mut self, master: StreamId, id: StreamId) -> bool {
        let mut before = master;
        let mut entries = self.entries(master);
        let found = loop {
            match entries.next() {
                Some(entry) if entry.id == id => break entry.place,
                Some(entry) if entry.id < id => before = entry.id,
                _ => return false,
            }
        };
        let next = entries.next().map(|entry| (entry.id, entry.place, entry.body));
        self.cut(before, found, next, 1);
        true
    }

    /// Deletes the first `count` entries, fewer than there are.
    pub(super) fn delete_first(&mut self, master: StreamId, count: u64) {
        let mut entries = self.entries(master);
        let start = self.bytes.len() - entries.rest.len();
        let Some(last) = entries.by_ref().take(count as usize).last() else { return };
        let next = entries.next().map(|entry| (entry.id, entry.place, entry.body));
        self.cut(master, start..last.place.end, next, count as u32);
    }

    /// Takes `count` entries out, which take these bytes. `before` is the one before them, or the node's key; `next` the one
    /// behind them, which now has another neighbour: its ID, its bytes, and where its fields begin.
    fn cut(
        &mut self,
        before: StreamId,
        place: Range<usize>,
        next: Option<(StreamId, Range<usize>, usize)>,
        count: u32,
    ) {
        match next {
            Some((id, next, body)) => {
                let same = self.bytes[next.start] & OWN_NAMES == 0;
                let mut head = Vec::with_capacity(24);
                EntryWriter { bytes: &mut head, listpack: 0 }.head(before, id, same);
                self.bytes.splice(place.start..body, head);
            }
            None => {
                self.bytes.truncate(place.start);
                self.tail = before;
            }
        }
        self.live -= count;
        self.deleted += count;
    }
}

/// A field of it: its name and its value.
type StoredField<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// An entry as it was read from a dump.
pub(super) struct StoredEntry<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Vec<StoredField<'a>>,
    /// It is no more.
    pub(super) deleted: bool,
}

/// A field of an entry: its name and its value.
pub type Field<'f> = (&'f [u8], &'f [u8]);

struct EntryWriter<'b> {
    bytes: &'b mut Vec<u8>,
    /// Bytes of the elements in Redis's listpack.
    listpack: usize,
}

impl EntryWriter<'_> {
    fn head(&mut self, before: StreamId, id: StreamId, same: bool) {
        let gap = id.ms - before.ms;
        let flag = if same { 0 } else { OWN_NAMES };
        self.bytes.push(flag | gap.min(LONG_GAP.into()) as u8);
        if gap >= LONG_GAP.into() {
            write_number(self.bytes, gap);
        }
        write_number(self.bytes, if gap == 0 { id.seq - before.seq } else { id.seq });
    }

    fn element(&mut self, text: &[u8]) {
        let element = Encoded::new(Value::Bytes(text));
        self.listpack += element.size();
        element.append_entry(self.bytes);
    }
}

/// See [`Node::entries`].
pub(super) struct Entries<'a> {
    node: &'a [u8],
    name_count: u64,
    names: &'a [u8],
    rest: &'a [u8],
    previous: StreamId,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let start = self.node.len() - self.rest.len();
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let mut gap = u64::from(first & LONG_GAP);
        if gap == LONG_GAP.into() {
            gap = take_number(&mut self.rest);
        }
        let seq = take_number(&mut self.rest);
        let seq = if gap == 0 { self.previous.seq + seq } else { seq };
        let id = StreamId { ms: self.previous.ms + gap, seq };
        self.previous = id;
        let body = self.node.len() - self.rest.len();
        let own = first & OWN_NAMES != 0;
        let count = if own { take_number(&mut self.rest) } else { self.name_count };
        let fields = Fields { left: count as usize, names: (!own).then_some(self.names), rest: self.rest };
        let elements = if own { 2 * count } else { count };
        (0..elements).for_each(|_| skip_element(&mut self.rest));
        Some(Entry { id, fields, place: start..self.node.len() - self.rest.len(), body })
    }
}

/// An entry.
#[derive(Clone)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    fields: Fields<'a>,
    /// Its bytes in the node.
    place: Range<usize>,
    /// Where its fields begin there.
    body: usize,
}

impl<'a> Entry<'a> {
    /// Names and values in the order in which they were given.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }
}

/// See [`Entry::fields`].
#[derive(Clone)]
pub struct Fields<'a> {
    left: usize,
    /// The names, where they are not among the values.
    names: Option<&'a [u8]>,
    rest: &'a [u8],
}

impl Fields<'_> {
    /// Whether the names are those that most entries of the node have.
    pub(super) fn have_common_names(&self) -> bool {
        self.names.is_some()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => take_element(names),
            None => take_element(&mut self.rest),
        };
        Some((name, take_element(&mut self.rest)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

fn integer_size(number: i64) -> usize {
    Encoded::new(Value::Integer(number)).size()
}

const WHOLE: &str = "a node holds whole entries";

fn take_element<'a>(bytes: &mut &'a [u8]) -> Value<'a> {
    let element = decode(bytes).expect(WHOLE);
    skip_element(bytes);
    element
}

fn skip_element(bytes: &mut &[u8]) {
    *bytes = &bytes[entry_len(bytes).expect(WHOLE)..];
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().expect(WHOLE);
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
        shift += 7;
    }
}
