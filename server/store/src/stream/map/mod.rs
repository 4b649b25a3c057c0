//! Maps and sets of IDs in their order: B+ trees of which every allocation can be moved.
//!
//! ```text
//! inner   bounds  the smallest ID of each subtree
//!         nodes   the subtrees, all of the same height
//! leaf    IDs and their values, one array of the size that an allocator's class has
//! ```
//!
//! IDs are mostly added at the end and removed from the front, so that a full leaf at the end is left full.

mod change;
#[cfg(feature = "jemalloc")]
mod defragment;
mod set;
#[cfg(test)]
mod tests;

pub use self::set::IdSet;

use super::StreamId;
use crate::record::layout::size_class;
use core::ops::{Index, RangeFrom, RangeToInclusive};
use core::slice;

/// Entries of a full leaf.
const LEAF: usize = 64;
/// Entries of a leaf that looks for a neighbour to merge with.
const LEAF_SPARSE: usize = 16;
/// Entries of a leaf that was merged, at most: far from the next split.
const LEAF_MERGED: usize = 48;
/// Subtrees of a full inner node.
const FANOUT: usize = 32;
/// The same for inner nodes.
const FANOUT_SPARSE: usize = 8;
const FANOUT_MERGED: usize = 24;

/// An ID and its value.
type Entry<V> = (StreamId, V);

/// A node and everything below it.
enum Node<V> {
    Leaf(Vec<Entry<V>>),
    Inner(Box<Inner<V>>),
}

/// See the module. The two arrays have the same length, and room for [`FANOUT`] from the start.
struct Inner<V> {
    bounds: Vec<StreamId>,
    nodes: Vec<Node<V>>,
}

/// A map from IDs. See the module.
pub struct IdMap<V> {
    root: Node<V>,
    len: usize,
    /// Bytes of nodes.
    memory: usize,
}

impl<V> Inner<V> {
    /// Bytes of an inner node and its arrays.
    fn memory() -> usize {
        size_class(size_of::<Self>())
            + size_class(FANOUT * size_of::<StreamId>())
            + size_class(FANOUT * size_of::<Node<V>>())
    }

    fn new() -> Self {
        Self { bounds: Vec::with_capacity(FANOUT), nodes: Vec::with_capacity(FANOUT) }
    }

    /// The subtree in which an ID belongs: the last one that begins at or before it, else the first.
    #[inline]
    fn child_of(&self, id: StreamId) -> usize {
        self.bounds.partition_point(|bound| *bound <= id).saturating_sub(1)
    }
}

impl<V> Node<V> {
    /// The smallest ID.
    ///
    /// # Panics
    /// When the node is empty, which only a root is.
    fn first(&self) -> StreamId {
        match self {
            Self::Leaf(entries) => entries[0].0,
            Self::Inner(inner) => inner.bounds[0],
        }
    }

    /// Number of entries or subtrees.
    fn width(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(inner) => inner.nodes.len(),
        }
    }

    /// The entries of one leaf that begin with the first one from an ID on; empty when there is none.
    fn entries_from(&self, id: StreamId) -> &[Entry<V>] {
        let (mut node, mut right) = (self, None);
        loop {
            match node {
                Self::Inner(inner) => {
                    let child = inner.child_of(id);
                    right = inner.nodes.get(child + 1).or(right);
                    node = &inner.nodes[child];
                }
                Self::Leaf(entries) => {
                    let at = entries.partition_point(|entry| entry.0 < id);
                    match right.take().filter(|_| at == entries.len()) {
                        Some(next) => node = next,
                        None => return &entries[at..],
                    }
                }
            }
        }
    }

    /// The entries of one leaf that end with the last one up to an ID; empty when there is none.
    fn entries_to(&self, id: StreamId) -> &[Entry<V>] {
        let mut node = self;
        loop {
            match node {
                Self::Inner(inner) => node = &inner.nodes[inner.child_of(id)],
                Self::Leaf(entries) => return &entries[..entries.partition_point(|entry| entry.0 <= id)],
            }
        }
    }

    /// The same, for changing values.
    fn entries_to_mut(&mut self, id: StreamId) -> &mut [Entry<V>] {
        let mut node = self;
        loop {
            match node {
                Self::Inner(inner) => {
                    let child = inner.child_of(id);
                    node = &mut inner.nodes[child];
                }
                Self::Leaf(entries) => {
                    let end = entries.partition_point(|entry| entry.0 <= id);
                    return &mut entries[..end];
                }
            }
        }
    }
}

/// Entries that the array of a leaf of `len` entries has room for.
fn leaf_capacity<V>(len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    size_class(len * size_of::<Entry<V>>()) / size_of::<Entry<V>>()
}

impl<V> IdMap<V> {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0, memory: 0 }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the tree; what values refer to is not among them.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// The value of an ID.
    #[must_use]
    pub fn get(&self, id: &StreamId) -> Option<&V> {
        self.root.entries_to(*id).last().filter(|entry| entry.0 == *id).map(|entry| &entry.1)
    }

    /// The value of an ID, for changing.
    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut V> {
        self.last_to_mut(id).filter(|entry| entry.0 == id).map(|(_, value)| value)
    }

    /// The entry with the largest ID up to this one, for changing its value.
    pub(super) fn last_to_mut(&mut self, id: StreamId) -> Option<(StreamId, &mut V)> {
        self.root.entries_to_mut(id).last_mut().map(|(id, value)| (*id, value))
    }

    /// The entry with the smallest ID.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&StreamId, &V)> {
        self.iter().next()
    }

    /// The entry with the largest ID.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&StreamId, &V)> {
        self.range_back(..=StreamId::MAX).next()
    }

    /// All entries, ascending.
    #[must_use]
    pub fn iter(&self) -> Range<'_, V> {
        self.range(StreamId::MIN..)
    }

    /// The entries from an ID on, ascending.
    #[must_use]
    pub fn range(&self, ids: RangeFrom<StreamId>) -> Range<'_, V> {
        Range { root: &self.root, leaf: [].iter(), next: Some(ids.start) }
    }

    /// The entries up to an ID, descending.
    pub(super) fn range_back(&self, ids: RangeToInclusive<StreamId>) -> RangeBack<'_, V> {
        RangeBack { root: &self.root, leaf: [].iter(), next: Some(ids.end) }
    }
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone> Clone for IdMap<V> {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        self.iter().for_each(|(id, value)| drop(copy.insert(*id, value.clone())));
        copy
    }
}

impl<V> Index<&StreamId> for IdMap<V> {
    type Output = V;

    /// # Panics
    /// When the ID is not there.
    fn index(&self, id: &StreamId) -> &V {
        self.get(id).expect("the ID is in the map")
    }
}

impl<'m, V> IntoIterator for &'m IdMap<V> {
    type Item = (&'m StreamId, &'m V);
    type IntoIter = Range<'m, V>;

    fn into_iter(self) -> Range<'m, V> {
        self.iter()
    }
}

/// See [`IdMap::range`].
pub struct Range<'m, V> {
    root: &'m Node<V>,
    leaf: slice::Iter<'m, Entry<V>>,
    /// Where to go on behind the leaf.
    next: Option<StreamId>,
}

impl<'m, V> Iterator for Range<'m, V> {
    type Item = (&'m StreamId, &'m V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((id, value)) = self.leaf.next() {
                return Some((id, value));
            }
            let entries = self.root.entries_from(self.next.take()?);
            self.next = entries.last().and_then(|entry| entry.0.next());
            self.leaf = entries.iter();
        }
    }
}

/// See [`IdMap::range_back`].
pub(super) struct RangeBack<'m, V> {
    root: &'m Node<V>,
    leaf: slice::Iter<'m, Entry<V>>,
    /// Where to go on before the leaf.
    next: Option<StreamId>,
}

impl<'m, V> Iterator for RangeBack<'m, V> {
    type Item = (&'m StreamId, &'m V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((id, value)) = self.leaf.next_back() {
                return Some((id, value));
            }
            let entries = self.root.entries_to(self.next.take()?);
            self.next = entries.first().and_then(|entry| entry.0.prev());
            self.leaf = entries.iter();
        }
    }
}
