//! Replies that hold one value: strings, numbers, errors, nulls.

use super::{DoubleText, Reply, format_double};
use crate::number::push_line;

/// Whether a byte would end a line early.
fn breaks_line(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

impl Reply {
    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buffer.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string, a status such as `PONG`. Line ends in it become spaces.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(b'+');
        self.push_flattened(text.as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// An error: its whole text from the code on, for instance `WRONGTYPE Operation against ...`. As in Redis, line ends at
    /// its ends are dropped and those inside become spaces.
    #[inline]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let mut text = text.as_ref();
        while let [rest @ .., last] = text
            && breaks_line(last)
        {
            text = rest;
        }
        while let [first, rest @ ..] = text
            && breaks_line(first)
        {
            text = rest;
        }
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(b'-');
        self.push_flattened(text);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => push_line(&mut self.buffer, b':', value),
            Err(_) => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(value).as_bytes();
                self.buffer.reserve(digits.len() + 3);
                self.buffer.push(b':');
                self.buffer.extend_from_slice(digits);
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        // Once for header (at most 23 bytes, written as 24), content and end.
        self.buffer.reserve(bytes.len() + 26);
        push_line(&mut self.buffer, b'$', bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string, what GET replies for a counter.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// The absence of a value: `$-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null(&mut self) {
        let text: &[u8] = if self.resp3() { b"_\r\n" } else { b"$-1\r\n" };
        self.buffer.extend_from_slice(text);
    }

    /// The absence of an array: `*-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null_array(&mut self) {
        let text: &[u8] = if self.resp3() { b"_\r\n" } else { b"*-1\r\n" };
        self.buffer.extend_from_slice(text);
    }

    /// A truth value: `:1` or `:0` in RESP2.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        let text: &[u8] = match (self.resp3(), value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        };
        self.buffer.extend_from_slice(text);
    }

    /// A floating-point number in the spelling of [`format_double`]: a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        let mut text = DoubleText::new();
        let text = format_double(value, &mut text);
        if self.resp3() {
            self.buffer.reserve(text.len() + 3);
            self.buffer.push(b',');
            self.buffer.extend_from_slice(text.as_bytes());
            self.buffer.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// An integer beyond 64 bits, given in decimal: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        if self.resp3() {
            self.buffer.reserve(digits.len() + 3);
            self.buffer.push(b'(');
            self.push_flattened(digits.as_bytes());
            self.buffer.extend_from_slice(b"\r\n");
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text for people, of the kind `extension` says (`txt` or `mkd`): a bulk string in RESP2.
    ///
    /// # Panics
    ///
    /// If `extension` is not three bytes long.
    pub fn verbatim(&mut self, extension: &str, text: &[u8]) {
        assert_eq!(extension.len(), 3, "a verbatim string's extension has three characters");
        if self.resp3() {
            self.buffer.reserve(text.len() + 30);
            push_line(&mut self.buffer, b'=', text.len() as u64 + 4);
            self.buffer.extend_from_slice(extension.as_bytes());
            self.buffer.push(b':');
            self.buffer.extend_from_slice(text);
            self.buffer.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Appends bytes with spaces for line ends, which would otherwise let data pass for protocol.
    fn push_flattened(&mut self, bytes: &[u8]) {
        let from = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        if bytes.iter().any(breaks_line) {
            for byte in self.buffer[from..].iter_mut().filter(|byte| breaks_line(byte)) {
                *byte = b' ';
            }
        }
    }
}
