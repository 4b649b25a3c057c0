//! Streams: the type and its place in a record.

use crate::object::Composite;
use crate::value::{Encoding, Kind};

/// Streams.
#[derive(Clone, Default)]
pub struct Stream(Box<Elements>);

impl Stream {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Composite for Stream {
    const KIND: Kind = Kind::Stream;

    fn encoding(&self) -> Encoding {
        Encoding::Stream
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
