//! Nodes as the listpacks that Redis keeps them in, and writes to dumps.
//!
//! ```text
//! entries | deleted entries | number of names | name ... | 0            the head
//! flags | milliseconds and number, less those of the node's key | [number of fields] | ... | elements before this
//! ```
//!
//! Each an element. With the flag [`SAME_NAMES`] an entry has values only, otherwise names and values in turn. An entry
//! with the flag [`DELETED`] is no more; such are read, and not written, since nothing is left of them here.

use super::StreamId;
use super::log::Log;
use super::node::{Node, StoredEntry};
use crate::listpack::codec::Encoded;
use crate::listpack::{Iter, Listpack};
use crate::value::{IntegerText, Value};
use std::borrow::Cow;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;

/// Elements of an entry beside its fields: flags, two distances, the count behind.
const ENTRY_ELEMENTS: i64 = 3;

/// A listpack that is being written.
struct Pack {
    bytes: Vec<u8>,
    elements: usize,
}

impl Pack {
    fn new() -> Self {
        Self { bytes: vec![0; 6], elements: 0 }
    }

    fn push(&mut self, value: Value<'_>) {
        Encoded::new(value).append(&mut self.bytes);
        self.elements += 1;
    }

    fn integer(&mut self, number: i64) {
        self.push(Value::Integer(number));
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0xff);
        let len = u32::try_from(self.bytes.len()).expect("a node has less than 4 GiB");
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        let counted = u16::try_from(self.elements).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&counted.to_le_bytes());
        self.bytes
    }
}

impl Node {
    /// Redis's listpack for the node of this key.
    fn to_listpack(&self, key: StreamId) -> Vec<u8> {
        let mut pack = Pack::new();
        pack.integer(self.len() as i64);
        pack.integer(0);
        let names = self.common_names();
        pack.integer(names.len() as i64);
        names.for_each(|name| pack.push(name));
        pack.integer(0);
        for entry in self.entries(key) {
            let fields = entry.fields();
            let (same, count) = (fields.have_common_names(), fields.len() as i64);
            pack.integer(if same { SAME_NAMES } else { 0 });
            pack.integer(entry.id.ms.wrapping_sub(key.ms).cast_signed());
            pack.integer(entry.id.seq.wrapping_sub(key.seq).cast_signed());
            if !same {
                pack.integer(count);
            }
            for (name, value) in fields {
                if !same {
                    pack.push(name);
                }
                pack.push(value);
            }
            pack.integer(if same { count + ENTRY_ELEMENTS } else { 2 * count + ENTRY_ELEMENTS + 1 });
        }
        pack.finish()
    }
}

impl Log {
    /// The nodes as Redis keeps them, by their keys.
    pub(crate) fn listpacks(&self) -> impl Iterator<Item = (StreamId, Vec<u8>)> {
        self.keyed_nodes().map(|(key, node)| (key, node.to_listpack(key)))
    }

    /// Adds a node behind all others; `None` when it is not sound. A node without entries is left out.
    pub(crate) fn add_listpack(&mut self, key: StreamId, listpack: &Listpack) -> Option<()> {
        let mut elements = Elements(listpack.iter());
        let (live, deleted) = (elements.count()?, elements.count()?);
        let name_count = elements.count()?;
        let names = elements.texts(name_count)?;
        if elements.integer()? != 0 || key == StreamId::MIN && live + deleted > 0 {
            return None;
        }
        let mut node = Node::new(key, names.iter().map(|name| (&**name, &b""[..])));
        let mut before = (key > self.last_id()).then_some(key);
        let mut first = true;
        for _ in 0..live + deleted {
            let entry = elements.entry(key, &names)?;
            // The first entry has the key's own ID; each other one is above those before.
            let in_order = if first { entry.id >= key } else { before.is_some_and(|id| entry.id > id) };
            if before.is_none() || !in_order {
                return None;
            }
            (before, first) = (Some(entry.id), false);
            node.push_stored(key, &entry);
        }
        if elements.0.next().is_some() || node.len() != live as u64 {
            return None;
        }
        self.add_node(key, node);
        Some(())
    }
}

/// Elements of a listpack that may be wrong.
struct Elements<'a>(Iter<'a>);

impl<'a> Elements<'a> {
    fn integer(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Integer(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }

    /// A number of elements: no more than a listpack can have.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.integer()?).ok().filter(|&count| count <= Listpack::LIMIT)
    }

    fn text(&mut self) -> Option<Cow<'a, [u8]>> {
        Some(match self.0.next()? {
            Value::Bytes(bytes) => Cow::Borrowed(bytes),
            Value::Integer(number) => Cow::Owned(IntegerText::default().format(number).to_vec()),
        })
    }

    /// So many elements, as far as there are any: no memory is taken for others.
    fn texts(&mut self, count: usize) -> Option<Vec<Cow<'a, [u8]>>> {
        (0..count).map(|_| self.text()).collect()
    }

    fn entry(&mut self, key: StreamId, names: &[Cow<'a, [u8]>]) -> Option<StoredEntry<'a>> {
        let flags = self.integer()?;
        let ms = key.ms.wrapping_add(self.integer()?.cast_unsigned());
        let seq = key.seq.wrapping_add(self.integer()?.cast_unsigned());
        let (fields, elements) = if flags & SAME_NAMES != 0 {
            let fields =
                names.iter().map(|name| Some((name.clone(), self.text()?))).collect::<Option<Vec<_>>>()?;
            let elements = fields.len() as i64 + ENTRY_ELEMENTS;
            (fields, elements)
        } else {
            let count = self.count()?;
            let fields =
                (0..count).map(|_| Some((self.text()?, self.text()?))).collect::<Option<Vec<_>>>()?;
            let elements = 2 * fields.len() as i64 + ENTRY_ELEMENTS + 1;
            (fields, elements)
        };
        let is_whole = self.integer()? == elements;
        is_whole.then_some(StoredEntry { id: StreamId { ms, seq }, fields, deleted: flags & DELETED != 0 })
    }
}
