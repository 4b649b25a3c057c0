//! Sorted sets: the type and its place in a record.

use crate::object::Composite;
use crate::value::{Encoding, Kind};

/// Sorted sets.
#[derive(Clone, Default)]
pub struct SortedSet(Box<Elements>);

impl SortedSet {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Composite for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn encoding(&self) -> Encoding {
        Encoding::Skiplist
    }

    fn len(&self) -> usize {
        self.0.strings.len()
    }

    fn memory(&self) -> usize {
        size_of::<Elements>()
    }
}

#[derive(Clone, Default)]
struct Elements {
    strings: Vec<Box<[u8]>>,
}
