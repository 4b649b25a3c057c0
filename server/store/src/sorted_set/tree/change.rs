//! Inserting entries and changing their scores.

use super::super::element::{Element, Entry, Probe};
use super::{Bound, FANOUT, Inner, LEAF, Node, Tree, leaf_capacity};

/// Where a node lies at the edges of the tree: what grows there leaves full nodes behind.
#[derive(Clone, Copy)]
struct Edges {
    first: bool,
    last: bool,
}

impl Tree {
    /// Inserts an element whose member is not there yet.
    pub(in super::super) fn insert(&mut self, element: Element) {
        self.memory += element.memory();
        self.put(Entry::new(element));
    }

    fn put(&mut self, entry: Entry) {
        let edges = Edges { first: true, last: true };
        if let Some(right) = insert(&mut self.root, entry, edges, &mut self.memory) {
            let left = core::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            let mut inner = Inner::new();
            inner.insert(0, left);
            inner.insert(1, right);
            self.memory += Inner::memory();
            self.root = Node::Inner(Box::new(inner));
        }
        self.len += 1;
    }

    /// Gives the element at a probe, which is there, another score.
    pub(in super::super) fn set_score(&mut self, probe: Probe<'_>, score: f64) {
        let new = Probe::new(score, probe.member);
        if set_in_place(&mut self.root, probe, new, score) {
            return;
        }
        let mut entry = self.take(probe).expect("the element is in the tree");
        entry.set_score(score);
        self.put(entry);
    }
}

/// Inserts into a subtree; what a split puts to the right of it comes back.
fn insert(node: &mut Node, entry: Entry, edges: Edges, memory: &mut usize) -> Option<Node> {
    match node {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|other| other.cmp(entry.probe()).is_lt());
            insert_into_leaf(entries, at, entry, edges, memory).map(Node::Leaf)
        }
        Node::Inner(inner) => {
            let child = inner.child_of(entry.probe());
            let last = inner.nodes.len() - 1;
            let edges = Edges { first: edges.first && child == 0, last: edges.last && child == last };
            let split = insert(&mut inner.nodes[child], entry, edges, memory);
            // A new first entry of the whole, or a split at the left edge.
            if child == 0 {
                inner.bounds[0] = inner.nodes[0].first();
            }
            let Some(right) = split else {
                inner.counts[child] += 1;
                return None;
            };
            inner.counts[child] = inner.nodes[child].count();
            insert_into_inner(inner, child + 1, right, edges, memory)
                .map(|right| Node::Inner(Box::new(right)))
        }
    }
}

fn insert_into_leaf(
    entries: &mut Vec<Entry>,
    at: usize,
    entry: Entry,
    edges: Edges,
    memory: &mut usize,
) -> Option<Vec<Entry>> {
    if entries.len() < LEAF {
        grow_leaf(entries, memory);
        entries.insert(at, entry);
        return None;
    }
    if edges.last && at == LEAF {
        let mut right = Vec::new();
        grow_leaf(&mut right, memory);
        right.push(entry);
        return Some(right);
    }
    if edges.first && at == 0 {
        let mut left = Vec::new();
        grow_leaf(&mut left, memory);
        left.push(entry);
        return Some(core::mem::replace(entries, left));
    }
    let mut right = Vec::with_capacity(leaf_capacity(LEAF / 2 + 1));
    *memory += right.capacity() * size_of::<Entry>();
    right.extend(entries.drain(LEAF / 2..));
    if at <= LEAF / 2 {
        entries.insert(at, entry);
    } else {
        right.insert(at - LEAF / 2, entry);
    }
    fit_leaf(entries, memory);
    Some(right)
}

/// Makes room for one more entry.
#[inline]
fn grow_leaf(entries: &mut Vec<Entry>, memory: &mut usize) {
    if entries.len() == entries.capacity() {
        *memory -= entries.capacity() * size_of::<Entry>();
        entries.reserve_exact(leaf_capacity(entries.len() + 1) - entries.len());
        *memory += entries.capacity() * size_of::<Entry>();
    }
}

/// Gives back the room that a leaf does not need.
pub(super) fn fit_leaf(entries: &mut Vec<Entry>, memory: &mut usize) {
    *memory -= entries.capacity() * size_of::<Entry>();
    entries.shrink_to(leaf_capacity(entries.len()));
    *memory += entries.capacity() * size_of::<Entry>();
}

fn insert_into_inner(
    inner: &mut Inner,
    at: usize,
    node: Node,
    edges: Edges,
    memory: &mut usize,
) -> Option<Inner> {
    if inner.nodes.len() < FANOUT {
        inner.insert(at, node);
        return None;
    }
    *memory += Inner::memory();
    let mut right = Inner::new();
    if edges.last && at == FANOUT {
        right.insert(0, node);
        return Some(right);
    }
    let middle = if edges.first && at == 1 { 1 } else { FANOUT / 2 };
    right.bounds.extend(inner.bounds.drain(middle..));
    right.counts.extend(inner.counts.drain(middle..));
    right.nodes.extend(inner.nodes.drain(middle..));
    if at <= middle && middle > 1 {
        inner.insert(at, node);
    } else {
        right.insert(at - middle, node);
    }
    Some(right)
}

/// Writes the new score where the entry is, if it keeps its place in the order and that is seen in its leaf.
fn set_in_place(node: &mut Node, old: Probe<'_>, new: Probe<'_>, score: f64) -> bool {
    match node {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|entry| entry.cmp(old).is_lt());
            let inside = at > 0 && at + 1 < entries.len();
            let stays = inside && entries[at - 1].cmp(new).is_lt() && entries[at + 1].cmp(new).is_gt();
            if stays {
                entries[at].set_score(score);
            }
            stays
        }
        Node::Inner(inner) => {
            let child = inner.child_of(old);
            set_in_place(&mut inner.nodes[child], old, new, score)
        }
    }
}

const _: () = assert!(size_of::<Entry>() == 16 && size_of::<Bound>() == 16 && size_of::<Node>() == 24);
