//! Streams: logs of entries, each a few fields, with consumer groups.
//!
//! - `id`: [`StreamId`].
//! - `node`: some hundred entries, packed.
//! - `log`: the nodes in a tree by their first entry's ID, and what is known about all entries.
//! - `packed`: nodes as Redis's listpacks, for dumps.
//! - `radix`: what XINFO tells about Redis's tree.
//! - `group`: consumer groups and what is pending with whom.

mod group;
mod id;
mod log;
mod node;
mod packed;
mod radix;
#[cfg(test)]
mod tests;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::StreamId;
pub use log::{AppendError, Log, Trim};
pub use node::{Entry as StreamEntry, Field, Fields, NodeLimits};

use crate::object::Composite;
use crate::value::{Encoding, Kind};
use core::ops::{Deref, DerefMut};
use std::collections::BTreeMap;

/// A stream. Its entries are those of the [`Log`] that it dereferences to.
#[derive(Clone, Default)]
pub struct Stream(Box<Parts>);

#[derive(Clone, Default)]
struct Parts {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Box<Group>>,
    /// Bytes of memory of all groups, with their names.
    group_memory: usize,
}

impl Stream {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The group of this name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name).map(|group| &**group)
    }

    /// The group of this name for changing, and the entries beside it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, GroupMut<'_>)> {
        let Parts { log, groups, group_memory } = &mut *self.0;
        let group = groups.get_mut(name)?;
        let before = group.memory();
        Some((log, GroupMut { group, before, total: group_memory }))
    }

    /// Makes a group that has read everything up to `last_id`; false when there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> bool {
        if self.0.groups.contains_key(name) {
            return false;
        }
        let group = Box::new(Group::new(last_id, entries_read));
        self.0.group_memory += group.memory() + name.len();
        self.0.groups.insert(name.into(), group);
        true
    }

    /// Removes a group; false when there is none of this name.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.0.groups.remove(name) else { return false };
        self.0.group_memory -= group.memory() + name.len();
        true
    }
}

impl Deref for Stream {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.0.log
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut Log {
        &mut self.0.log
    }
}

#[cfg(feature = "jemalloc")]
impl Stream {
    /// One step of moving the value's allocations: see [`Object`](crate::Object).
    pub(crate) fn defragment(
        &mut self,
        position: u128,
        budget: &mut usize,
        mover: &mut crate::defrag::Mover,
    ) -> Option<u128> {
        if position == 0 {
            mover.boxed(&mut self.0);
            // Groups are few beside entries.
            mover.map(&mut self.0.groups);
            self.0.groups.values_mut().for_each(|group| mover.boxed(group));
        }
        self.0.log.defragment(position, budget, mover)
    }
}

impl Composite for Stream {
    const KIND: Kind = Kind::Stream;

    fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    fn len(&self) -> usize {
        self.0.log.length() as usize
    }

    fn memory(&self) -> usize {
        size_of::<Parts>() + self.0.log.memory() + self.0.group_memory
    }
}

/// A group that is being changed; when dropped, the stream's figures follow.
pub struct GroupMut<'s> {
    group: &'s mut Group,
    /// The group's memory before the change.
    before: usize,
    total: &'s mut usize,
}

impl Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.total = *self.total - self.before + self.group.memory();
    }
}
