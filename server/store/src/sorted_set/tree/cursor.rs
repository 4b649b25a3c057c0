//! Reading entries in order, in either direction.

use core::ops::Range;

use smallvec::SmallVec;

use super::super::element::Entry;
use super::{Inner, Node};
use crate::table::{Keyed, prefetch};

/// Elements that are fetched before they are read.
const AHEAD: usize = 8;

/// A place in the tree: a leaf, an entry of it, and the way to it.
struct Cursor<'a> {
    /// Inner nodes from the root on, each with the subtree that was entered.
    path: SmallVec<[(&'a Inner, usize); 8]>,
    leaf: &'a [Entry],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn seek(root: &'a Node, mut rank: usize) -> Self {
        let mut path = SmallVec::new();
        let mut node = root;
        loop {
            match node {
                Node::Leaf(leaf) => return Self { path, leaf, at: rank },
                Node::Inner(inner) => {
                    let (child, within) = inner.child_at(rank);
                    path.push((&**inner, child));
                    node = &inner.nodes[child];
                    rank = within;
                }
            }
        }
    }

    /// The entry here; then on to the next one.
    #[inline]
    fn next(&mut self) -> &'a Entry {
        if self.at == self.leaf.len() {
            self.enter(1);
            self.at = 0;
        }
        if let Some(ahead) = self.leaf.get(self.at + AHEAD) {
            prefetch(ahead.element.record().as_ptr());
        }
        self.at += 1;
        &self.leaf[self.at - 1]
    }

    /// Back to the previous entry, which is returned.
    #[inline]
    fn previous(&mut self) -> &'a Entry {
        if self.at == 0 {
            self.enter(usize::MAX);
            self.at = self.leaf.len();
        }
        self.at -= 1;
        if let Some(ahead) = self.at.checked_sub(AHEAD) {
            prefetch(self.leaf[ahead].element.record().as_ptr());
        }
        &self.leaf[self.at]
    }

    /// To the next leaf (`step` 1), or the previous one (`step` -1, wrapping).
    ///
    /// # Panics
    /// When there is none.
    #[inline(never)]
    fn enter(&mut self, step: usize) {
        let mut node = loop {
            let (inner, child) = self.path.last_mut().expect("a run ends inside the tree");
            *child = child.wrapping_add(step);
            if let Some(node) = inner.nodes.get(*child) {
                break node;
            }
            self.path.pop();
        };
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let edge = if step == 1 {
                        &leaf[..leaf.len().min(AHEAD)]
                    } else {
                        &leaf[leaf.len().saturating_sub(AHEAD)..]
                    };
                    edge.iter().for_each(|entry| prefetch(entry.element.record().as_ptr()));
                    self.leaf = leaf;
                    return;
                }
                Node::Inner(inner) => {
                    let child = if step == 1 { 0 } else { inner.nodes.len() - 1 };
                    self.path.push((&**inner, child));
                    node = &inner.nodes[child];
                }
            }
        }
    }
}

/// Entries of neighbouring ranks, from either end.
pub(in super::super) struct Run<'a> {
    root: &'a Node,
    ranks: Range<usize>,
    /// Before the first entry, once somebody wanted it.
    front: Option<Cursor<'a>>,
    /// Behind the last entry, once somebody wanted it.
    back: Option<Cursor<'a>>,
}

impl<'a> Run<'a> {
    /// The ranks exist.
    pub(super) fn new(root: &'a Node, ranks: Range<usize>) -> Self {
        Self { root, ranks, front: None, back: None }
    }
}

impl<'a> Iterator for Run<'a> {
    type Item = &'a Entry;

    #[inline]
    fn next(&mut self) -> Option<&'a Entry> {
        let rank = self.ranks.next()?;
        Some(self.front.get_or_insert_with(|| Cursor::seek(self.root, rank)).next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl<'a> DoubleEndedIterator for Run<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<&'a Entry> {
        let rank = self.ranks.next_back()?;
        Some(self.back.get_or_insert_with(|| Cursor::seek(self.root, rank + 1)).previous())
    }
}

impl ExactSizeIterator for Run<'_> {}
