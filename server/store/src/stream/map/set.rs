//! A set of IDs: a map without values.

use super::{IdMap, StreamId};
use core::ops::RangeFrom;

/// A set of IDs in their order.
#[derive(Clone, Default)]
pub struct IdSet(IdMap<()>);

impl IdSet {
    /// Number of IDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All IDs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &StreamId> {
        self.0.iter().map(|(id, ())| id)
    }

    /// The IDs from one on, ascending.
    pub fn range(&self, ids: RangeFrom<StreamId>) -> impl Iterator<Item = &StreamId> {
        self.0.range(ids).map(|(id, ())| id)
    }

    /// The map, for changing.
    pub(in super::super) fn as_map(&mut self) -> &mut IdMap<()> {
        &mut self.0
    }

    /// Bytes of the tree.
    pub(in super::super) fn memory(&self) -> usize {
        self.0.memory()
    }
}
