//! Requests: finding the commands in the bytes a connection has received.
//!
//! [`Parser`] is kept per connection and remembers only how far a half-received command has been read; [`Commands`]
//! is kept per thread, reused for every batch, and holds positions, not bytes. The forms of a request:
//!
//! - multibulk, what every client library sends: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, in `multibulk.rs`;
//! - inline, what a person types into a TCP session: `GET k\r\n`, in `inline.rs`.
//!
//! ```
//! use boxcar_resp::{Commands, Limits, Parser, Status};
//!
//! let mut parser = Parser::new();
//! let mut commands = Commands::new();
//! let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$4\r\nPI";
//! let progress = parser.parse(input, &Limits::default(), 64, &mut commands);
//! assert_eq!(progress.status, Status::NeedMore { missing: 4 });
//! assert_eq!(progress.consumed, 26);
//! let words: Vec<&[u8]> = commands.argv(0).iter().map(|span| span.of(input)).collect();
//! assert_eq!(words, [b"GET".as_slice(), b"k"]);
//! ```

mod commands;
mod error;
mod inline;
mod multibulk;
#[cfg(test)]
mod tests;

pub use commands::{Command, Commands, Span};
pub use error::ProtocolError;

use crate::limits;
use inline::Line;
use multibulk::Outcome;

/// What a connection may send at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest bulk string in bytes (`proto-max-bulk-len`). Values above [`limits::MAX_COMMAND_LEN`] act as that.
    pub max_bulk_len: usize,
    /// Whether the connection is authenticated, or need not be. Until then at most 10 arguments of at most 16 KiB are
    /// accepted; parse one command at a time then, since the command may be the AUTH that lifts the bounds.
    pub authenticated: bool,
    /// Longest inline command or header line in bytes, without its line end.
    pub max_inline: usize,
}

impl Default for Limits {
    /// The defaults of Redis, for an authenticated connection.
    fn default() -> Self {
        Limits { max_bulk_len: limits::MAX_BULK_LEN, authenticated: true, max_inline: limits::MAX_INLINE }
    }
}

/// What one call of [`Parser::parse`] achieved.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// Bytes at the start of the input that are done with: complete commands and what was silently skipped.
    pub consumed: usize,
    /// Why the parser stopped there.
    pub status: Status,
}

/// Why the parser stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Status {
    /// Every complete command was parsed.
    NeedMore {
        /// Lower bound, in bytes, of what the command at the head still lacks: the rest of the bulk string it is
        /// in, at most `max_bulk_len + 2`; 0 when unknown.
        missing: usize,
    },
    /// `max_commands` were parsed and input is left over, which may hold further complete commands.
    Full,
    /// An inline command with quotes stands after `consumed`. Its arguments had to be unescaped, so they are
    /// handed over as copies; the caller consumes `line_len` bytes more.
    Quoted {
        /// Raw bytes of the line, line end included.
        line_len: usize,
        /// The arguments, at least one.
        argv: Vec<Vec<u8>>,
    },
    /// The bytes after `consumed` are not RESP. The connection is to be told and closed; commands parsed before the
    /// error are valid and to be answered first.
    Error(ProtocolError),
}

/// The resumable request parser of one connection.
///
/// Work is linear in the bytes received, however they are cut: a half-received multibulk goes on at the
/// argument it stopped in, a line without an end is not searched twice.
#[derive(Debug, Default)]
pub struct Parser {
    /// Arguments of the half-received multibulk that are complete, relative to its first byte.
    pending: Vec<Span>,
    /// Arguments of it still to come; 0 when no multibulk has been begun.
    remaining: u32,
    /// Where the next argument's header starts, relative to the first byte of the half-received command.
    position: u32,
    /// Bytes from `position` that are known to hold no line end.
    searched: u32,
}

impl Parser {
    /// A parser at the start of a connection. Allocates nothing.
    pub fn new() -> Self {
        Parser::default()
    }

    /// Whether the last call stopped inside a command of which some bytes had been seen.
    pub fn is_midway(&self) -> bool {
        self.remaining != 0 || self.searched != 0
    }

    /// Appends up to `max_commands` complete commands of `input` to `out`.
    ///
    /// `input` starts at the first byte not yet consumed, so with the half-received command of the previous call, if any,
    /// in full. Positions in `out` are relative to `input`. Empty commands (`*0`, `*-1`, blank lines) are consumed and not
    /// reported.
    ///
    /// # Panics
    ///
    /// If `input` is shorter than what an earlier call has already seen of the command at its head, which breaks the contract
    /// above.
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &Limits,
        max_commands: usize,
        out: &mut Commands,
    ) -> Progress {
        let window = &input[..input.len().min(limits::MAX_INPUT)];
        assert!(
            window.len() >= self.position as usize + self.searched as usize,
            "the input of parse() must start at the first unconsumed byte"
        );
        out.assert_room_for(window.len());
        let ceiling = multibulk::Ceiling::of(limits);
        let last = out.len().saturating_add(max_commands);
        let mut at = 0;
        // Concerns only the command at the head.
        let mut searched = std::mem::take(&mut self.searched) as usize;
        let status = loop {
            let Some(&first) = window.get(at) else { break Status::NeedMore { missing: 0 } };
            if out.len() >= last {
                break Status::Full;
            }
            if first == b'*' {
                let outcome = if self.remaining != 0 {
                    self.resume_multibulk(window, searched, &ceiling, out)
                } else {
                    self.begin_multibulk(window, at, searched, &ceiling, out)
                };
                match outcome {
                    Outcome::Complete { end } => at = end,
                    Outcome::Incomplete { missing } => break Status::NeedMore { missing },
                    Outcome::Failed(error) => break Status::Error(error),
                }
            } else {
                match self.parse_inline(window, at, searched, limits.max_inline, out) {
                    Line::Parsed { end } => at = end,
                    Line::Incomplete => break Status::NeedMore { missing: 0 },
                    Line::Quoted { line_len, argv } => break Status::Quoted { line_len, argv },
                    Line::Failed(error) => break Status::Error(error),
                }
            }
            searched = 0;
        };
        let status = match status {
            // Only the window ended, not the input, and a fresh window will show more.
            Status::NeedMore { .. } if window.len() < input.len() && at > 0 => Status::Full,
            status => status,
        };
        Progress { consumed: at, status }
    }
}
