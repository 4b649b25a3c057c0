//! Sets: the type and its place in a record.

use crate::object::Composite;
use crate::value::{Encoding, Kind};

/// Sets.
#[derive(Clone, Default)]
pub struct Set(Box<Elements>);

impl Set {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Composite for Set {
    const KIND: Kind = Kind::Set;

    fn encoding(&self) -> Encoding {
        Encoding::Hashtable
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
