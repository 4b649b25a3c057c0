//! Replies: appending RESP2 or RESP3 to a byte buffer.
//!
//! [`Reply`] speaks the protocol its connection has negotiated; where RESP2 lacks a type, it writes the RESP2 form that
//! Redis uses for it. One buffer takes the replies of a whole batch, and leaves with [`Reply::take`].

mod aggregate;
mod double;
mod grisu;
mod scalar;
#[cfg(test)]
mod tests;

pub use aggregate::Deferred;
pub use double::{DoubleText, format_double};

/// The protocol version of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// Chosen with `HELLO 3`.
    Resp3,
}

/// A growing buffer of replies.
#[derive(Debug, Default)]
pub struct Reply {
    buffer: Vec<u8>,
    protocol: Protocol,
}

impl Reply {
    /// An empty buffer. Allocates with the first reply.
    pub fn new(protocol: Protocol) -> Self {
        Reply { buffer: Vec::new(), protocol }
    }

    /// A reply buffer that goes on writing at the end of `buffer`.
    pub fn with_buffer(protocol: Protocol, buffer: Vec<u8>) -> Self {
        Reply { buffer, protocol }
    }

    /// Everything written and not taken yet.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Length in bytes of what has been written and not taken yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is in the buffer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Forgets what has been written; keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Forgets what has been written after the first `len` bytes, for instance a reply that turned into an error.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.buffer.truncate(len);
    }

    /// Takes the written bytes away, to be sent, and leaves an empty buffer without memory.
    #[inline]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// The buffer itself.
    #[inline]
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The protocol replies are written in.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol for the replies to come.
    #[inline]
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Appends bytes that are RESP already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether RESP3 is spoken.
    #[inline]
    fn resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }
}
