//! A row of nodes. Where elements go, and when nodes are split and joined, follows Redis's quicklist.

use std::collections::VecDeque;
use std::ops::Range;

use super::Side;
use super::node::{Fill, Node};
use crate::listpack::Listpack;
use crate::value::Value;

/// A row of nodes, none of them empty.
#[derive(Clone, Default)]
pub(crate) struct Quicklist {
    nodes: VecDeque<Node>,
    /// Elements of all nodes.
    len: usize,
    /// Bytes of memory of all nodes' allocations.
    node_bytes: usize,
}

impl Quicklist {
    /// The elements of a listpack.
    pub(super) fn of(listpack: Listpack) -> Self {
        let mut quicklist = Self::default();
        if !listpack.is_empty() {
            quicklist.add_node(0, Node::of(listpack));
        }
        quicklist
    }

    /// A row of these nodes, none of which is empty.
    pub(super) fn from_nodes(nodes: Vec<Node>) -> Self {
        let len = nodes.iter().map(Node::len).sum();
        let node_bytes = nodes.iter().map(Node::memory).sum();
        Self { nodes: nodes.into(), len, node_bytes }
    }

    pub(super) fn nodes(&self) -> &VecDeque<Node> {
        &self.nodes
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory beyond the quicklist itself.
    pub(super) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.node_bytes
    }

    /// The listpack of the only node, when a list of it alone would not become a quicklist.
    pub(super) fn take_whole(&mut self, fill: Fill) -> Option<Listpack> {
        let only = self.nodes.front().filter(|_| self.nodes.len() == 1)?;
        if only.is_plain() || !fill.admits_whole(only.bytes(), only.len()) {
            return None;
        }
        self.take_node(0).into_listpack()
    }

    /// Moves nodes that lie badly, from this one on until `budget` of them were looked at. Returns where to go on.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment_nodes(
        &mut self,
        first: usize,
        budget: &mut usize,
        mover: &mut crate::defrag::Mover,
    ) -> Option<usize> {
        let end = self.nodes.len().min(first.saturating_add(*budget));
        self.nodes.range_mut(first.min(end)..end).for_each(|node| node.defragment(mover));
        *budget -= end.saturating_sub(first);
        (end < self.nodes.len()).then_some(end)
    }

    /// The listpack of the only node, when that is so small that a list needs no more.
    pub(super) fn take_only_node(&mut self, fill: Fill) -> Option<Listpack> {
        let only = self.nodes.front().filter(|_| self.nodes.len() == 1)?;
        if only.is_plain() || !fill.admits_shrunk(only.bytes(), only.len()) {
            return None;
        }
        self.take_node(0).into_listpack()
    }

    /// The node of the element with this distance from the head, and the element's place in it.
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
        let mut left = index;
        if index < self.len / 2 {
            for (at, node) in self.nodes.iter().enumerate() {
                match left.checked_sub(node.len()) {
                    Some(rest) => left = rest,
                    None => return (at, left),
                }
            }
        } else {
            let mut behind = self.len;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                behind -= node.len();
                if index >= behind {
                    return (at, index - behind);
                }
            }
        }
        unreachable!("the index is below the length")
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'_>> {
        if index >= self.len {
            return None;
        }
        let (node, at) = self.locate(index);
        Some(self.nodes[node].get(at))
    }

    pub(super) fn push(&mut self, side: Side, value: Value<'_>, fill: Fill) {
        let bytes = value.len();
        let (end, beyond) = match side {
            Side::Left => (0, 0),
            Side::Right => (self.nodes.len().saturating_sub(1), self.nodes.len()),
        };
        if !fill.is_large(bytes) && self.nodes.get(end).is_some_and(|node| node.admits(bytes, fill)) {
            self.change(end, |node| node.push(side, value));
        } else {
            self.add_node(beyond, Node::alone(value, fill));
        }
    }

    pub(super) fn set(&mut self, index: usize, value: Value<'_>, fill: Fill) {
        let (node, at) = self.locate(index);
        let alone = fill.is_large(value.len()) || !self.nodes[node].fits(value);
        match (self.nodes[node].is_plain(), alone) {
            (true, true) | (false, false) => self.change(node, |node| node.replace(at, value)),
            (true, false) => {
                self.insert(index, true, value, fill);
                self.remove_within(node, at, 1);
            }
            (false, true) => {
                if at + 1 < self.nodes[node].len() {
                    self.split(node, at + 1);
                }
                self.add_node(node + 1, Node::alone(value, fill));
                if !self.remove_within(node, at, 1) {
                    self.join_around(node, fill);
                }
            }
        }
    }

    pub(super) fn insert(&mut self, index: usize, behind: bool, value: Value<'_>, fill: Fill) {
        let (node, at) = self.locate(index);
        let bytes = value.len();
        let here = &self.nodes[node];
        let at_edge = if behind { at + 1 == here.len() } else { at == 0 };
        let beside = if behind { node + 1 } else { node };
        if fill.is_large(bytes) {
            if !here.is_plain() && !at_edge {
                self.split(node, if behind { at + 1 } else { at });
                self.add_node(node + 1, Node::alone(value, fill));
            } else {
                self.add_node(beside, Node::alone(value, fill));
            }
            return;
        }
        if here.admits(bytes, fill) {
            return self.change(node, |node| node.insert(at, behind, value));
        }
        if at_edge {
            let neighbour = if behind { Some(node + 1) } else { node.checked_sub(1) };
            let neighbour =
                neighbour.filter(|&at| self.nodes.get(at).is_some_and(|node| node.admits(bytes, fill)));
            let side = if behind { Side::Left } else { Side::Right };
            return match neighbour {
                Some(neighbour) => self.change(neighbour, |node| node.push(side, value)),
                None => self.add_node(beside, Node::alone(value, fill)),
            };
        }
        self.split(node, if behind { at + 1 } else { at });
        if behind {
            self.change(node + 1, |node| node.push(Side::Left, value));
            self.join_around(node, fill);
        } else {
            self.change(node, |node| node.push(Side::Right, value));
            self.join_around(node + 1, fill);
        }
    }

    pub(super) fn remove(&mut self, index: usize, count: usize) {
        let mut left = count.min(self.len.saturating_sub(index));
        if left == 0 {
            return;
        }
        let (mut first, at) = self.locate(index);
        if at > 0 {
            let gone = left.min(self.nodes[first].len() - at);
            self.change(first, |node| node.remove(at, gone));
            left -= gone;
            first += 1;
        }
        let mut end = first;
        while let Some(rest) = self.nodes.get(end).and_then(|node| left.checked_sub(node.len())) {
            left = rest;
            end += 1;
        }
        self.take_nodes(first..end);
        if left > 0 {
            self.change(first, |node| node.remove(0, left));
        }
    }

    pub(super) fn remove_equal(&mut self, value: Value<'_>, side: Side, count: usize) -> usize {
        let mut removed = 0;
        let mut emptied = 0..0;
        for passed in 0..self.nodes.len() {
            if removed == count {
                break;
            }
            let node = if side == Side::Left { passed } else { self.nodes.len() - 1 - passed };
            removed += self.change(node, |node| node.remove_equal(value, side, count - removed));
            if self.nodes[node].len() == 0 {
                emptied = match emptied.is_empty() {
                    true => node..node + 1,
                    false => emptied.start.min(node)..emptied.end.max(node + 1),
                };
            }
        }
        self.take_empty_nodes(emptied);
        removed
    }

    /// Changes a node and keeps the figures.
    fn change<T>(&mut self, node: usize, change: impl FnOnce(&mut Node) -> T) -> T {
        let node = &mut self.nodes[node];
        let (len, bytes) = (node.len(), node.memory());
        let result = change(node);
        self.len = self.len - len + node.len();
        self.node_bytes = self.node_bytes - bytes + node.memory();
        result
    }

    fn add_node(&mut self, at: usize, node: Node) {
        self.len += node.len();
        self.node_bytes += node.memory();
        self.nodes.insert(at, node);
    }

    fn take_node(&mut self, at: usize) -> Node {
        let node = self.nodes.remove(at).expect("a node that is there");
        self.len -= node.len();
        self.node_bytes -= node.memory();
        self.give_room_back();
        node
    }

    /// Removes nodes, all at once: one at a time would move the others again and again.
    fn take_nodes(&mut self, range: Range<usize>) {
        for node in self.nodes.drain(range) {
            self.len -= node.len();
            self.node_bytes -= node.memory();
        }
        self.give_room_back();
    }

    /// Removes the nodes of a range that have no elements any more, all at once as well.
    fn take_empty_nodes(&mut self, range: Range<usize>) {
        let mut kept = range.start;
        for node in range.clone() {
            if self.nodes[node].len() > 0 {
                self.nodes.swap(kept, node);
                kept += 1;
            }
        }
        self.take_nodes(kept..range.end);
    }

    fn give_room_back(&mut self) {
        if self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Removes elements of one node; true when the node went with them.
    fn remove_within(&mut self, node: usize, at: usize, count: usize) -> bool {
        let all = count == self.nodes[node].len();
        if all {
            self.take_node(node);
        } else {
            self.change(node, |node| node.remove(at, count));
        }
        all
    }

    /// Makes two nodes of one: the second begins with the element at this place.
    fn split(&mut self, node: usize, at: usize) {
        let rest = self.change(node, |node| node.split(at));
        self.add_node(node + 1, rest);
    }

    /// Joins a node and its neighbours where they fit into one, as Redis does after a split: the two before, the two
    /// behind, the node with the one before, and the result with the one behind.
    fn join_around(&mut self, centre: usize, fill: Fill) {
        let mut centre = centre;
        if centre >= 2 && self.join(centre - 2, fill) {
            centre -= 1;
        }
        self.join(centre + 1, fill);
        if centre >= 1 && self.join(centre - 1, fill) {
            centre -= 1;
        }
        self.join(centre, fill);
    }

    /// Joins a node with the next one if they fit into one.
    fn join(&mut self, node: usize, fill: Fill) -> bool {
        let (Some(here), Some(next)) = (self.nodes.get(node), self.nodes.get(node + 1)) else { return false };
        if !here.admits_node(next, fill) {
            return false;
        }
        let next = self.take_node(node + 1);
        self.change(node, |node| node.absorb(&next));
        true
    }
}
