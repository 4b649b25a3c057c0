//! Replies that hold several values, with their count known before or only after.

use super::Reply;
use crate::number::push_line;

/// Stands in the buffer for a header whose count is not known yet. `?` is never a count we send, so that
/// [`Reply::finish`] recognises its own placeholder. Four bytes, as a header with a one-digit count.
const PLACEHOLDER: &[u8; 4] = b"*?\r\n";

/// An aggregate that was begun before its count was known; give it back to [`Reply::finish`].
#[derive(Debug)]
#[must_use = "a deferred aggregate must be finished, or the reply is not valid"]
pub struct Deferred {
    offset: usize,
    kind: Kind,
}

/// The kinds of aggregate that can be deferred.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Array,
    Map,
    Set,
}

impl Reply {
    /// The header of an array; `count` values follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        push_line(&mut self.buffer, b'*', count as u64);
    }

    /// The header of a map; `pairs` keys, each with its value, follow. A flat array in RESP2.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        if self.resp3() {
            push_line(&mut self.buffer, b'%', pairs as u64);
        } else {
            push_line(&mut self.buffer, b'*', 2 * pairs as u64);
        }
    }

    /// The header of a set; `count` values follow. An array in RESP2.
    #[inline]
    pub fn set(&mut self, count: usize) {
        let marker = if self.resp3() { b'~' } else { b'*' };
        push_line(&mut self.buffer, marker, count as u64);
    }

    /// The header of a message that answers no command; `count` values follow. An array in RESP2, as pub/sub messages are.
    #[inline]
    pub fn push(&mut self, count: usize) {
        let marker = if self.resp3() { b'>' } else { b'*' };
        push_line(&mut self.buffer, marker, count as u64);
    }

    /// The header of attributes of the next reply; `pairs` keys, each with its value, follow.
    ///
    /// # Panics
    ///
    /// In RESP2, which has nothing a client could tell from the reply itself.
    #[inline]
    pub fn attribute(&mut self, pairs: usize) {
        assert!(self.resp3(), "RESP2 has no attributes");
        push_line(&mut self.buffer, b'|', pairs as u64);
    }

    /// Begins an array whose count will be known when its values are written.
    pub fn deferred_array(&mut self) -> Deferred {
        self.defer(Kind::Array)
    }

    /// Begins a map whose count will be known when its pairs are written.
    pub fn deferred_map(&mut self) -> Deferred {
        self.defer(Kind::Map)
    }

    /// Begins a set whose count will be known when its values are written.
    pub fn deferred_set(&mut self) -> Deferred {
        self.defer(Kind::Set)
    }

    /// Ends a deferred aggregate of `count` values, or pairs for a map. Nested ones are finished from the inside out. A count of
    /// one digit costs nothing, a larger one moves the aggregate's bytes once.
    ///
    /// # Panics
    ///
    /// If the mark is not of this reply, was cut off by [`Reply::truncate`], or an outer aggregate was finished first.
    #[expect(clippy::needless_pass_by_value, reason = "a mark is used up: it can be finished only once")]
    pub fn finish(&mut self, mark: Deferred, count: usize) {
        let Deferred { offset, kind } = mark;
        let body = offset + PLACEHOLDER.len();
        assert_eq!(
            self.buffer.get(offset..body),
            Some(PLACEHOLDER.as_slice()),
            "deferred aggregates are finished once, from the inside out"
        );
        let end = self.buffer.len();
        match kind {
            Kind::Array => self.array(count),
            Kind::Map => self.map(count),
            Kind::Set => self.set(count),
        }
        // The header now stands behind the body, where the bytes it takes are reserved already.
        let header_len = self.buffer.len() - end;
        let mut header = [0u8; 24];
        header[..header_len].copy_from_slice(&self.buffer[end..]);
        let grown = header_len - PLACEHOLDER.len();
        self.buffer.truncate(end + grown);
        if grown > 0 {
            self.buffer.copy_within(body..end, body + grown);
        }
        self.buffer[offset..offset + header_len].copy_from_slice(&header[..header_len]);
    }

    fn defer(&mut self, kind: Kind) -> Deferred {
        let offset = self.buffer.len();
        self.buffer.extend_from_slice(PLACEHOLDER);
        Deferred { offset, kind }
    }
}
