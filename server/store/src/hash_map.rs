//! Hashes: the type and its place in a record.

use crate::object::Composite;
use crate::value::{Encoding, Kind};

/// Hashes.
#[derive(Clone, Default)]
pub struct Hash(Box<Elements>);

impl Hash {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Composite for Hash {
    const KIND: Kind = Kind::Hash;

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
