//! The entries of a stream and what is known about them.

use super::map::IdMap;
use super::node::{Entry, Field, NODE_MAX_BYTES, Node, NodeLimits};
use super::{StreamId, radix};

/// What is to be left after trimming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// So many entries.
    ToLength(u64),
    /// The entries from this ID on.
    From(StreamId),
}

/// The entry is too large, or its ID is not above all that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Names and values are longer than a node may be.
    TooLarge,
    /// The ID is not above the last one.
    NotAbove,
}

/// Entries in the order of their IDs, and counters. Read through [`Stream`](super::Stream)'s dereference.
#[derive(Default)]
pub struct Log {
    /// Nodes by the ID of the first entry that each ever had.
    nodes: IdMap<Node>,
    len: u64,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// Bytes of the nodes' own allocations.
    node_memory: usize,
}

impl Clone for Log {
    fn clone(&self) -> Self {
        let nodes = self.nodes.clone();
        let node_memory = nodes.iter().map(|(_, node)| node.memory()).sum();
        Self { nodes, node_memory, ..*self }
    }
}

impl Log {
    /// Number of entries.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.len
    }

    /// The largest ID that was ever given out, or set.
    #[must_use]
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The largest ID that was deleted by itself (not by trimming); [`StreamId::MIN`] when none was.
    #[must_use]
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    #[must_use]
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The first entry's ID; [`StreamId::MIN`] when there is none.
    #[must_use]
    pub fn first_id(&self) -> StreamId {
        self.range(StreamId::MIN).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The last entry's ID; [`StreamId::MIN`] when there is none.
    #[must_use]
    pub fn tail_id(&self) -> StreamId {
        self.nodes.last_key_value().map_or(StreamId::MIN, |(_, node)| node.tail())
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Number of nodes of the radix tree that Redis would have for them. Linear in the number of nodes.
    #[must_use]
    pub fn radix_tree_nodes(&self) -> usize {
        radix::tree_nodes(self.nodes.iter().map(|(id, _)| id.to_be_bytes()))
    }

    /// Moves nodes that lie badly, from an ID on, until `budget` of them were looked at. Returns where to go on.
    #[cfg(feature = "jemalloc")]
    pub(super) fn defragment(
        &mut self,
        first: StreamId,
        budget: &mut usize,
        mover: &mut crate::defrag::Mover,
    ) -> Option<StreamId> {
        self.nodes.defragment(first, budget, mover, &mut Node::defragment)
    }

    pub(super) fn memory(&self) -> usize {
        self.node_memory + self.nodes.memory()
    }

    /// The entries from `start` on, ascending.
    pub fn range(&self, start: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let first = self.nodes.range_back(..=start).next().map_or(start, |(id, _)| *id);
        let entries = self.nodes.range(first..).flat_map(|(id, node)| node.entries(*id));
        entries.skip_while(move |entry| entry.id < start)
    }

    /// The entries up to `end`, descending.
    pub fn range_back(&self, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let entries = self.nodes.range_back(..=end).flat_map(|(id, node)| {
            let entries: Vec<Entry<'_>> = node.entries(*id).collect();
            entries.into_iter().rev()
        });
        entries.skip_while(move |entry| entry.id > end)
    }

    /// The entry with this ID.
    #[must_use]
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id).next().filter(|entry| entry.id == id)
    }

    /// Adds an entry behind all others.
    ///
    /// # Errors
    /// When it cannot be added; nothing has changed then.
    pub fn append<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = Field<'f>> + Clone,
        limits: NodeLimits,
    ) -> Result<(), AppendError> {
        if id <= self.last_id {
            return Err(AppendError::NotAbove);
        }
        let bytes: usize = fields.clone().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > NODE_MAX_BYTES {
            return Err(AppendError::TooLarge);
        }
        let mut last = self.nodes.last_to_mut(StreamId::MAX);
        if let Some((_, full)) = last.take_if(|(_, last)| !last.has_room(bytes, limits)) {
            self.node_memory -= full.memory();
            full.shrink();
            self.node_memory += full.memory();
        }
        match last {
            Some((master, node)) => {
                self.node_memory -= node.memory();
                // About what the entry takes without its names. Where that is too little, the vector grows by itself.
                node.reserve(bytes / 2 + 2 * fields.len() + 4);
                node.push(master, id, fields);
                self.node_memory += node.memory();
            }
            None => {
                let mut node = Node::new(id, fields.clone());
                node.push(id, id, fields);
                node.shrink();
                self.node_memory += node.memory();
                self.nodes.insert(id, node);
            }
        }
        self.len += 1;
        self.entries_added += 1;
        self.last_id = id;
        Ok(())
    }

    /// The nodes with their keys.
    pub(super) fn keyed_nodes(&self) -> impl Iterator<Item = (StreamId, &Node)> {
        self.nodes.iter().map(|(key, node)| (*key, node))
    }

    /// Adds a node whose entries are above all others, unless it has none.
    pub(super) fn add_node(&mut self, key: StreamId, mut node: Node) {
        if node.len() == 0 {
            return;
        }
        node.shrink();
        self.len += node.len();
        self.entries_added += node.len();
        self.last_id = node.newest();
        self.node_memory += node.memory();
        self.nodes.insert(key, node);
    }

    /// Deletes an entry; false when there is none with this ID.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((master, node)) = self.nodes.last_to_mut(id) else { return false };
        if !node.delete(master, id) {
            return false;
        }
        if node.len() == 0 {
            self.node_memory -= node.memory();
            self.nodes.remove(master);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        true
    }

    /// Removes the oldest entries and returns how many. When `approximate`, only whole nodes; with a `limit`, no node that
    /// would bring the number above it.
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: Option<u64>) -> u64 {
        let mut removed = 0;
        while let Some((&master, first)) = self.nodes.first_key_value() {
            let entries = first.len();
            let (done, whole) = match trim {
                Trim::ToLength(len) => (self.len <= len, self.len.saturating_sub(entries) >= len),
                Trim::From(id) => (false, first.newest() < id),
            };
            if done || limit.is_some_and(|limit| removed + entries > limit) {
                break;
            }
            if whole {
                self.node_memory -= first.memory();
                self.nodes.remove(master);
                self.len -= entries;
                removed += entries;
                continue;
            }
            if approximate {
                break;
            }
            let excess = match trim {
                Trim::ToLength(len) => self.len - len,
                Trim::From(id) => first.entries(master).take_while(|entry| entry.id < id).count() as u64,
            };
            if let Some(node) = self.nodes.get_mut(master) {
                node.delete_first(master, excess);
            }
            self.len -= excess;
            removed += excess;
            break;
        }
        removed
    }

    /// Sets the last ID, and the other two figures if they are given.
    pub fn set_last_id(
        &mut self,
        id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        self.last_id = id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// Whether an entry with an ID from `start` on was deleted by itself.
    fn has_gap_from(&self, start: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::MIN && start <= self.max_deleted_id
    }

    /// How many entries had been added when the one with this ID was, where that can be told.
    #[must_use]
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id || id > self.last_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        let first = self.first_id();
        let no_gap = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < first;
        let before = self.entries_added.wrapping_sub(self.len);
        match id.cmp(&first) {
            core::cmp::Ordering::Less if no_gap => Some(before),
            core::cmp::Ordering::Equal if no_gap => Some(before.wrapping_add(1)),
            _ => None,
        }
    }

    /// The number of entries that a group has read when it reads `id` next, having read `read` up to `last_id`.
    #[must_use]
    pub fn entries_read_after(&self, read: Option<i64>, last_id: StreamId, id: StreamId) -> Option<i64> {
        match read {
            Some(read) if last_id >= self.first_id() && !self.has_gap_from(last_id) => Some(read + 1),
            _ if self.entries_added > 0 => self.entries_up_to(id).map(|count| count as i64),
            unknown => unknown,
        }
    }

    /// The number of entries that a group, having read `read` up to `last_id`, has still to read, where that can be told.
    #[must_use]
    pub fn lag(&self, read: Option<i64>, last_id: StreamId) -> Option<i64> {
        if self.entries_added == 0 || self.len == 0 {
            return Some(0);
        }
        let first = self.first_id();
        if last_id < first && self.max_deleted_id < first {
            return Some(self.len as i64);
        }
        let read = match read {
            Some(read) if !self.has_gap_from(last_id) => read,
            _ => self.entries_up_to(last_id)? as i64,
        };
        Some((self.entries_added as i64).wrapping_sub(read))
    }
}
