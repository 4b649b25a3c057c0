//! A B+ tree with ranks: entries in the order of score and member, and in every inner node how many entries each of
//! its subtrees has.
//!
//! ```text
//! inner   bounds  first entry of each subtree: score and address
//!         counts  entries of each subtree
//!         nodes   the subtrees, all of the same height
//! leaf    entries: score and element, one array of the size that an allocator's class has
//! ```
//!
//! A leaf has up to [`LEAF`] entries. Its array grows and shrinks in steps of the allocator's classes, so that a leaf
//! that has just been split wastes nothing. Inner nodes have up to [`FANOUT`] subtrees. What grows at either end of
//! the order, as logs and queues do, leaves full nodes behind.

mod change;
mod cursor;
#[cfg(feature = "jemalloc")]
mod defragment;
mod remove;
#[cfg(test)]
mod tests;

pub(super) use self::cursor::Run;

use core::cmp::Ordering;

use super::element::{Bound, Entry, Probe};
use crate::record::layout::size_class;

/// Entries of a full leaf: a kilobyte.
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

/// A node and everything below it.
pub(super) enum Node {
    Leaf(Vec<Entry>),
    Inner(Box<Inner>),
}

/// See the module. The three arrays have the same length.
pub(super) struct Inner {
    bounds: Vec<Bound>,
    counts: Vec<usize>,
    nodes: Vec<Node>,
}

impl Inner {
    /// Bytes of an inner node and its arrays, which have their full capacity from the start.
    fn memory() -> usize {
        size_class(size_of::<Self>())
            + size_class(FANOUT * size_of::<Bound>())
            + size_class(FANOUT * size_of::<usize>())
            + size_class(FANOUT * size_of::<Node>())
    }

    fn new() -> Self {
        Self {
            bounds: Vec::with_capacity(FANOUT),
            counts: Vec::with_capacity(FANOUT),
            nodes: Vec::with_capacity(FANOUT),
        }
    }

    /// The subtree in which the probe belongs: the last one that begins at or before it, else the first.
    #[inline]
    fn child_of(&self, probe: Probe<'_>) -> usize {
        // SAFETY: a bound names the first entry of its subtree, which the tree owns; both are borrowed.
        self.bounds
            .partition_point(|bound| unsafe { bound.cmp(probe) } != Ordering::Greater)
            .saturating_sub(1)
    }

    /// The subtree that holds the entry of this rank, and the entry's rank in there. Of the rank behind the last
    /// entry: the last subtree.
    #[inline]
    fn child_at(&self, mut rank: usize) -> (usize, usize) {
        let last = self.counts.len() - 1;
        for (index, &count) in self.counts[..last].iter().enumerate() {
            if rank < count {
                return (index, rank);
            }
            rank -= count;
        }
        (last, rank)
    }

    fn insert(&mut self, index: usize, node: Node) {
        self.bounds.insert(index, node.first());
        self.counts.insert(index, node.count());
        self.nodes.insert(index, node);
    }

    fn remove(&mut self, index: usize) -> Node {
        self.bounds.remove(index);
        self.counts.remove(index);
        self.nodes.remove(index)
    }
}

impl Node {
    /// The first entry.
    ///
    /// # Panics
    /// When the node is empty, which only a root is.
    fn first(&self) -> Bound {
        match self {
            Self::Leaf(entries) => entries[0].bound(),
            Self::Inner(inner) => inner.bounds[0],
        }
    }

    /// Number of entries.
    fn count(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(inner) => inner.counts.iter().sum(),
        }
    }
}

/// Entries that the array of a leaf of `len` entries has room for.
fn leaf_capacity(len: usize) -> usize {
    size_class(len * size_of::<Entry>()) / size_of::<Entry>()
}

/// See the module.
pub(super) struct Tree {
    root: Node,
    len: usize,
    /// Bytes of nodes and elements.
    memory: usize,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0, memory: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of nodes and elements.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// How many entries stand before the place of a probe.
    pub(super) fn rank(&self, probe: Probe<'_>) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(entries) => {
                    return rank + entries.partition_point(|entry| entry.cmp(probe) == Ordering::Less);
                }
                Node::Inner(inner) => {
                    let child = inner.child_of(probe);
                    rank += inner.counts[..child].iter().sum::<usize>();
                    node = &inner.nodes[child];
                }
            }
        }
    }

    /// How many entries stand before the first one for which `before` is false; it is true for all entries up to some
    /// place in the order and false for the rest.
    pub(super) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(entries) => {
                    let within = |entry: &Entry| before(entry.element.score(), entry.element.member());
                    return rank + entries.partition_point(within);
                }
                Node::Inner(inner) => {
                    let within = |bound: &Bound| {
                        // SAFETY: a bound names the first entry of its subtree, which the tree owns; both are
                        // borrowed.
                        let (score, member) = unsafe { bound.view() };
                        before(score, member)
                    };
                    let child = inner.bounds.partition_point(within).saturating_sub(1);
                    rank += inner.counts[..child].iter().sum::<usize>();
                    node = &inner.nodes[child];
                }
            }
        }
    }

    /// The entry of a rank.
    pub(super) fn get(&self, mut rank: usize) -> Option<&Entry> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(rank),
                Node::Inner(inner) => {
                    let (child, within) = inner.child_at(rank);
                    node = &inner.nodes[child];
                    rank = within;
                }
            }
        }
    }

    /// The entries of these ranks, cut to those that exist.
    pub(super) fn run(&self, ranks: core::ops::Range<usize>) -> Run<'_> {
        let end = ranks.end.min(self.len);
        Run::new(&self.root, ranks.start.min(end)..end)
    }
}
