//! Lists: the type and its place in a record.

use crate::object::Composite;
use crate::value::{Encoding, Kind};

/// Lists.
#[derive(Clone, Default)]
pub struct List(Box<Elements>);

impl List {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Composite for List {
    const KIND: Kind = Kind::List;

    fn encoding(&self) -> Encoding {
        Encoding::Quicklist
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
