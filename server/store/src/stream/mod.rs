//! Streams: logs of entries, each a few fields, with consumer groups.
//!
//! - `id`: [`StreamId`].
//! - `node`: some hundred entries, packed.
//! - `map`: a tree of IDs.
//! - `log`: the nodes in a tree by their first entry's ID, and what is known about all entries.
//! - `packed`: nodes as Redis's listpacks, for dumps.
//! - `radix`: what XINFO tells about Redis's tree.
//! - `group`: consumer groups and what is pending with whom.

mod group;
mod id;
mod log;
mod map;
mod node;
mod packed;
mod radix;
#[cfg(test)]
mod tests;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::StreamId;
pub use log::{AppendError, Log, Trim};
pub use map::{IdMap, IdSet};
pub use node::{Entry as StreamEntry, Field, Fields, NodeLimits};

#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::object::Composite;
use crate::record::layout::size_class;
use crate::value::{Encoding, Kind};
use core::ops::{Deref, DerefMut};

/// A stream. Its entries are those of the [`Log`] that it dereferences to.
#[derive(Clone, Default)]
pub struct Stream(Box<Parts>);

#[derive(Default)]
struct Parts {
    log: Log,
    /// The groups in the order of their names.
    groups: Vec<(Box<[u8]>, Box<Group>)>,
    /// Bytes of memory of all groups, with their names.
    group_memory: usize,
}

impl Clone for Parts {
    fn clone(&self) -> Self {
        let groups = self.groups.clone();
        let memory = |(name, group): &(Box<[u8]>, Box<Group>)| group.memory() + size_class(name.len());
        let group_memory = groups.iter().map(memory).sum();
        Self { log: self.log.clone(), groups, group_memory }
    }
}

impl Parts {
    /// Where a group's name is, or belongs.
    fn group_place(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| (*group.0).cmp(name))
    }
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
        self.0.group_place(name).ok().map(|at| &*self.0.groups[at].1)
    }

    /// The group of this name for changing, and the entries beside it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, GroupMut<'_>)> {
        let at = self.0.group_place(name).ok()?;
        let Parts { log, groups, group_memory } = &mut *self.0;
        let group = &mut *groups[at].1;
        let before = group.memory();
        Some((log, GroupMut { group, before, total: group_memory }))
    }

    /// Makes a group that has read everything up to `last_id`; false when there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> bool {
        let Err(at) = self.0.group_place(name) else { return false };
        let group = Box::new(Group::new(last_id, entries_read));
        self.0.group_memory += group.memory() + size_class(name.len());
        self.0.groups.insert(at, (name.into(), group));
        true
    }

    /// Removes a group; false when there is none of this name.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Ok(at) = self.0.group_place(name) else { return false };
        let groups = &mut self.0.groups;
        let (_, group) = groups.remove(at);
        if groups.len() <= groups.capacity() / 4 {
            groups.shrink_to_fit();
        }
        self.0.group_memory -= group.memory() + size_class(name.len());
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

/// Parts of a position in one group: its own, then those of its consumers.
#[cfg(feature = "jemalloc")]
const GROUP_PARTS: u64 = 1 << 32;

#[cfg(feature = "jemalloc")]
impl Stream {
    /// One step of moving the value's allocations: see [`Object`](crate::Object). The first part of a position is the log,
    /// behind it come the groups; within, it is an ID.
    pub(crate) fn defragment(
        &mut self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        let ValuePosition { mut part, within } = position;
        let mut first = StreamId::from_be_bytes(within.to_be_bytes());
        if position == ValuePosition::default() {
            mover.boxed(&mut self.0);
            mover.vec(&mut self.0.groups);
        }
        while *budget > 0 {
            let rest = match part.checked_sub(GROUP_PARTS) {
                None => self.0.log.defragment(first, budget, mover),
                Some(place) => {
                    let (at, within) = ((place / GROUP_PARTS) as usize, (place % GROUP_PARTS) as usize);
                    let (name, group) = self.0.groups.get_mut(at)?;
                    if within == 0 && first == StreamId::MIN {
                        mover.bytes(name);
                        mover.boxed(group);
                    }
                    *budget = budget.saturating_sub(1);
                    group.defragment(within, first, budget, mover)
                }
            };
            match rest {
                Some(id) => {
                    return Some(ValuePosition { part, within: u128::from_be_bytes(id.to_be_bytes()) });
                }
                None => (part, first) = (self.part_behind(part), StreamId::MIN),
            }
        }
        Some(ValuePosition { part, within: 0 })
    }

    /// The part that follows one.
    fn part_behind(&self, part: u64) -> u64 {
        let (group, within) = (part / GROUP_PARTS, part % GROUP_PARTS + 1);
        let parts = group.checked_sub(1).and_then(|at| self.0.groups.get(at as usize));
        match parts.is_some_and(|(_, group)| within < group.parts() as u64) {
            true => part + 1,
            false => (group + 1) * GROUP_PARTS,
        }
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
        let groups = self.0.groups.capacity() * size_of::<(Box<[u8]>, Box<Group>)>();
        size_of::<Parts>() + self.0.log.memory() + groups + self.0.group_memory
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
