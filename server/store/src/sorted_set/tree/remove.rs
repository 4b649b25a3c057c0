//! Removing entries, one or a whole run of them.

use core::ops::Range;

use super::super::element::{Element, Entry, Probe};
use super::change::fit_leaf;
use super::{FANOUT_MERGED, FANOUT_SPARSE, Inner, LEAF_MERGED, LEAF_SPARSE, Node, Tree, leaf_capacity};

impl Tree {
    /// Removes the element at a probe, if it is there.
    pub(in super::super) fn remove(&mut self, probe: Probe<'_>) -> Option<Element> {
        let element = self.take(probe)?.element;
        self.memory -= element.memory();
        Some(element)
    }

    pub(super) fn take(&mut self, probe: Probe<'_>) -> Option<Entry> {
        let entry = take(&mut self.root, probe, &mut self.memory)?;
        self.len -= 1;
        self.lower_root();
        Some(entry)
    }

    /// Removes the elements of these ranks, which exist, and hands them over in their order.
    pub(in super::super) fn remove_run(&mut self, ranks: Range<usize>, mut taken: impl FnMut(Element)) {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len, "the ranks of a run exist");
        if ranks.is_empty() {
            return;
        }
        self.len -= ranks.len();
        let mut freed = 0;
        take_run(&mut self.root, ranks, &mut self.memory, &mut |element: Element| {
            freed += element.memory();
            taken(element);
        });
        self.memory -= freed;
        self.lower_root();
    }

    /// A root of one subtree is none.
    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root
            && inner.nodes.len() <= 1
        {
            self.root = inner.nodes.pop().unwrap_or(Node::Leaf(Vec::new()));
            self.memory -= Inner::memory();
        }
    }
}

fn take(node: &mut Node, probe: Probe<'_>, memory: &mut usize) -> Option<Entry> {
    match node {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|entry| entry.cmp(probe).is_lt());
            if entries.get(at)?.cmp(probe).is_ne() {
                return None;
            }
            let entry = entries.remove(at);
            shrink_leaf(entries, memory);
            Some(entry)
        }
        Node::Inner(inner) => {
            let child = inner.child_of(probe);
            let entry = take(&mut inner.nodes[child], probe, memory)?;
            inner.counts[child] -= 1;
            if inner.counts[child] > 0 && inner.bounds[child] == entry.bound() {
                inner.bounds[child] = inner.nodes[child].first();
            }
            settle(inner, child, memory);
            Some(entry)
        }
    }
}

/// Gives room back when a quarter of it is free: not at once, as the next insertion may need it.
fn shrink_leaf(entries: &mut Vec<Entry>, memory: &mut usize) {
    if entries.capacity() > leaf_capacity(entries.len() + entries.len() / 4 + 1) {
        fit_leaf(entries, memory);
    }
}

fn take_run(node: &mut Node, ranks: Range<usize>, memory: &mut usize, taken: &mut impl FnMut(Element)) {
    match node {
        Node::Leaf(entries) => {
            entries.drain(ranks).for_each(|entry| taken(entry.element));
            shrink_leaf(entries, memory);
        }
        Node::Inner(inner) => {
            let mut start = 0;
            for child in 0..inner.nodes.len() {
                let end = start + inner.counts[child];
                let within = ranks.start.max(start)..ranks.end.min(end);
                if within.start < within.end {
                    take_run(
                        &mut inner.nodes[child],
                        within.start - start..within.end - start,
                        memory,
                        taken,
                    );
                    inner.counts[child] -= within.len();
                    if inner.counts[child] > 0 {
                        inner.bounds[child] = inner.nodes[child].first();
                    }
                }
                start = end;
            }
            drop_empty(inner, memory);
            // Only the two ends of the run can have become sparse; they are neighbours now.
            for child in (0..inner.nodes.len()).rev() {
                settle(inner, child, memory);
            }
        }
    }
}

/// Removes the subtrees that have no entries left.
fn drop_empty(inner: &mut Inner, memory: &mut usize) {
    let mut kept = 0;
    for child in 0..inner.nodes.len() {
        if inner.counts[child] > 0 {
            inner.nodes.swap(kept, child);
            inner.counts.swap(kept, child);
            inner.bounds.swap(kept, child);
            kept += 1;
        }
    }
    inner.nodes.drain(kept..).for_each(|node| forget_memory(&node, memory));
    inner.counts.truncate(kept);
    inner.bounds.truncate(kept);
}

/// After entries of a subtree were removed: removes it when it is empty, merges it when it is sparse and a neighbour
/// has room.
fn settle(inner: &mut Inner, child: usize, memory: &mut usize) {
    if child >= inner.nodes.len() {
        return;
    }
    if inner.counts[child] == 0 {
        forget_memory(&inner.remove(child), memory);
        return;
    }
    let (sparse, merged) = match inner.nodes[child] {
        Node::Leaf(_) => (LEAF_SPARSE, LEAF_MERGED),
        Node::Inner(_) => (FANOUT_SPARSE, FANOUT_MERGED),
    };
    let size = |node: &Node| match node {
        Node::Leaf(entries) => entries.len(),
        Node::Inner(inner) => inner.nodes.len(),
    };
    if size(&inner.nodes[child]) >= sparse {
        return;
    }
    for left in [child.checked_sub(1), Some(child)].into_iter().flatten() {
        if let Some(right) = inner.nodes.get(left + 1)
            && size(&inner.nodes[left]) + size(right) <= merged
        {
            let count = inner.counts[left + 1];
            let right = inner.remove(left + 1);
            inner.counts[left] += count;
            return merge(&mut inner.nodes[left], right, memory);
        }
    }
}

fn merge(left: &mut Node, right: Node, memory: &mut usize) {
    match (left, right) {
        (Node::Leaf(left), Node::Leaf(mut right)) => {
            *memory -= (left.capacity() + right.capacity()) * size_of::<Entry>();
            let room = leaf_capacity(left.len() + right.len()).max(left.capacity());
            left.reserve_exact(room - left.len());
            left.append(&mut right);
            *memory += left.capacity() * size_of::<Entry>();
        }
        (Node::Inner(left), Node::Inner(mut right)) => {
            left.bounds.append(&mut right.bounds);
            left.counts.append(&mut right.counts);
            left.nodes.append(&mut right.nodes);
            *memory -= Inner::memory();
        }
        _ => unreachable!("neighbours have the same height"),
    }
}

/// Takes the memory of an empty node, which is about to be dropped, out of the figure.
fn forget_memory(node: &Node, memory: &mut usize) {
    match node {
        Node::Leaf(entries) => *memory -= entries.capacity() * size_of::<Entry>(),
        Node::Inner(inner) => {
            inner.nodes.iter().for_each(|node| forget_memory(node, memory));
            *memory -= Inner::memory();
        }
    }
}
