//! Multibulk requests: `*<count>\r\n` followed by `count` times `$<length>\r\n<bytes>\r\n`.
//!
//! As in Redis, lengths rule: a header line ends at its `\r` and the byte after it is skipped unseen, and so are the two
//! bytes after an argument. One difference: a NUL in a header is an invalid length at once, where Redis waits for more.

use super::{Commands, Limits, Parser, ProtocolError, Span};
use crate::limits;
use crate::number::{parse_integer, short_line};

/// How far one multibulk request was read.
pub(super) enum Outcome {
    /// All of it, or it was empty; `end` is the offset behind it.
    Complete { end: usize },
    /// Not all of it has arrived; see [`super::Status::NeedMore`].
    Incomplete { missing: usize },
    /// It is not valid.
    Failed(ProtocolError),
}

/// The limits in the form the parsing loop compares with.
pub(super) struct Ceiling {
    /// Longest acceptable bulk string, all limits taken together.
    bulk: usize,
    /// Longest bulk string once authenticated.
    max_bulk_len: usize,
    max_inline: usize,
    authenticated: bool,
}

impl Ceiling {
    pub(super) fn of(limits: &Limits) -> Self {
        let max_bulk_len = limits.max_bulk_len.min(limits::MAX_COMMAND_LEN);
        let bulk = if limits.authenticated {
            max_bulk_len
        } else {
            max_bulk_len.min(limits::MAX_BULK_LEN_UNAUTHENTICATED)
        };
        Ceiling {
            bulk,
            max_bulk_len,
            max_inline: limits.max_inline.min(limits::MAX_INLINE),
            authenticated: limits.authenticated,
        }
    }
}

/// How the arguments of a request ended.
enum Arguments {
    /// All are there; `end` is the offset behind the last.
    Complete { end: usize },
    /// The header at `position` or the argument it announces is incomplete; the line end is not in the `searched` bytes
    /// from there.
    Incomplete { position: usize, remaining: u32, searched: usize, missing: usize },
    /// They are not valid.
    Failed(ProtocolError),
}

/// A header line, `*<count>\r\n` or `$<length>\r\n`.
enum Header<'a> {
    /// The text between marker and `\r`, and the offset behind the line.
    Whole { text: &'a [u8], next: usize },
    /// Its first `searched` bytes hold no line end.
    Incomplete { searched: usize },
    /// It is longer than allowed.
    TooLong,
}

impl Parser {
    /// Reads the multibulk request that starts at `start`, of which nothing is known yet but that it starts with `*`.
    ///
    /// The everyday request, short headers and all of it there, is handled here; the rest is left to [`Parser::go_on`].
    #[inline(always)]
    pub(super) fn begin_multibulk(
        &mut self,
        input: &[u8],
        start: usize,
        searched: usize,
        ceiling: &Ceiling,
        out: &mut Commands,
    ) -> Outcome {
        let first_arg = out.args.len();
        let (at, remaining) = match input[start..] {
            [_, digit @ b'1'..=b'9', b'\r', _, ..] => {
                short_arguments(input, start + 4, u32::from(digit - b'0'), ceiling.bulk, &mut out.args)
            }
            _ => match self.long_count(input, start, searched, ceiling) {
                // An empty request leaves no argument.
                Ok((0, next)) => return Outcome::Complete { end: next },
                Ok((count, next)) => (next, count),
                Err(outcome) => return outcome,
            },
        };
        if remaining != 0 {
            return self.go_on(input, start, at, remaining, first_arg, ceiling, out);
        }
        out.finish(start, at, first_arg);
        Outcome::Complete { end: at }
    }

    /// Reads the arguments from `at` on of a request that starts at `start`, and keeps what there is if it is incomplete.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "the state of begin_multibulk, in registers there")]
    fn go_on(
        &mut self,
        input: &[u8],
        start: usize,
        at: usize,
        remaining: u32,
        first_arg: usize,
        ceiling: &Ceiling,
        out: &mut Commands,
    ) -> Outcome {
        match arguments(input, start, at, remaining, 0, ceiling, &mut out.args) {
            Arguments::Complete { end } => {
                out.finish(start, end, first_arg);
                Outcome::Complete { end }
            }
            Arguments::Incomplete { position, remaining, searched, missing } => {
                self.keep(start, position, remaining, searched);
                let base = start as u32;
                let kept = out.args.drain(first_arg..);
                self.pending.extend(kept.map(|span| Span { start: span.start - base, len: span.len }));
                Outcome::Incomplete { missing }
            }
            Arguments::Failed(error) => {
                out.args.truncate(first_arg);
                Outcome::Failed(error)
            }
        }
    }

    /// Goes on with the half-received request at the start of the input.
    #[cold]
    pub(super) fn resume_multibulk(
        &mut self,
        input: &[u8],
        searched: usize,
        ceiling: &Ceiling,
        out: &mut Commands,
    ) -> Outcome {
        let position = self.position as usize;
        // Appended to `pending` and copied once when complete, so that a request of many arguments costs linear time.
        match arguments(input, 0, position, self.remaining, searched, ceiling, &mut self.pending) {
            Arguments::Complete { end } => {
                let first_arg = out.args.len();
                out.args.extend_from_slice(&self.pending);
                out.finish(0, end, first_arg);
                self.forget();
                Outcome::Complete { end }
            }
            Arguments::Incomplete { position, remaining, searched, missing } => {
                self.keep(0, position, remaining, searched);
                Outcome::Incomplete { missing }
            }
            Arguments::Failed(error) => {
                self.forget();
                Outcome::Failed(error)
            }
        }
    }

    /// Reads a `*` line that is not of the short form; `Ok` is the count and the offset behind the line.
    #[cold]
    fn long_count(
        &mut self,
        input: &[u8],
        start: usize,
        searched: usize,
        ceiling: &Ceiling,
    ) -> Result<(u32, usize), Outcome> {
        let (text, next) = match header(input, start, searched, ceiling.max_inline) {
            Header::Whole { text, next } => (text, next),
            Header::Incomplete { searched } => {
                self.keep(start, start, 0, searched);
                return Err(Outcome::Incomplete { missing: 0 });
            }
            Header::TooLong => return Err(Outcome::Failed(ProtocolError::TooBigMultibulkCount)),
        };
        match parse_integer(text) {
            None => Err(Outcome::Failed(ProtocolError::InvalidMultibulkLength)),
            Some(count) if count > limits::MAX_MULTIBULK => {
                Err(Outcome::Failed(ProtocolError::InvalidMultibulkLength))
            }
            Some(count) if count > limits::MAX_MULTIBULK_UNAUTHENTICATED && !ceiling.authenticated => {
                Err(Outcome::Failed(ProtocolError::UnauthenticatedMultibulkLength))
            }
            Some(count) => Ok((u32::try_from(count).unwrap_or(0), next)),
        }
    }

    /// Remembers where to go on; offsets are those of the input, the command starts at `start`.
    fn keep(&mut self, start: usize, position: usize, remaining: u32, searched: usize) {
        self.position = (position - start) as u32;
        self.remaining = remaining;
        self.searched = searched as u32;
    }

    /// Back to the state between commands.
    fn forget(&mut self) {
        self.pending.clear();
        self.pending.shrink_to(limits::RETAINED_PENDING);
        self.position = 0;
        self.remaining = 0;
    }
}

/// Reads up to `remaining` arguments from `at` on into `args`, as long as they are complete and have short headers. The result is
/// where it stopped and how many remain.
#[inline(always)]
fn short_arguments(
    input: &[u8],
    mut at: usize,
    mut remaining: u32,
    longest: usize,
    args: &mut Vec<Span>,
) -> (usize, u32) {
    while remaining != 0 {
        let Some((len, line_len)) = short_line(&input[at..], b'$') else { break };
        let body = at + line_len;
        let end = body + len + 2;
        if len > longest || end > input.len() {
            break;
        }
        args.push(Span { start: body as u32, len: len as u32 });
        at = end;
        remaining -= 1;
    }
    (at, remaining)
}

/// Reads `remaining` arguments from `at` on into `args`; the command they belong to starts at `start`, and the first
/// `searched` bytes from `at` hold no line end.
fn arguments(
    input: &[u8],
    start: usize,
    mut at: usize,
    mut remaining: u32,
    mut searched: usize,
    ceiling: &Ceiling,
    args: &mut Vec<Span>,
) -> Arguments {
    loop {
        let (stopped, left) = short_arguments(input, at, remaining, ceiling.bulk, args);
        if left == 0 {
            return Arguments::Complete { end: stopped };
        }
        if stopped != at {
            // The line searched before is behind us.
            searched = 0;
        }
        (at, remaining) = (stopped, left);
        let (len, body) = match long_length(input, at, searched, ceiling) {
            Ok(found) => found,
            Err(Length::Incomplete { searched }) => {
                return Arguments::Incomplete { position: at, remaining, searched, missing: 0 };
            }
            Err(Length::Failed(error)) => return Arguments::Failed(error),
        };
        searched = 0;
        let end = body + len + 2;
        if end > input.len() {
            if end - start > limits::MAX_COMMAND_LEN {
                return Arguments::Failed(ProtocolError::InvalidBulkLength);
            }
            return Arguments::Incomplete { position: at, remaining, searched, missing: end - input.len() };
        }
        args.push(Span { start: body as u32, len: len as u32 });
        at = end;
        remaining -= 1;
    }
}

/// Why there is no length of an argument.
enum Length {
    /// The first `searched` bytes of its line hold no line end.
    Incomplete { searched: usize },
    /// It is not valid.
    Failed(ProtocolError),
}

/// Reads any `$` line, slowly; `Ok` is the length and the offset behind the line.
#[cold]
fn long_length(
    input: &[u8],
    at: usize,
    searched: usize,
    ceiling: &Ceiling,
) -> Result<(usize, usize), Length> {
    let (text, next) = match header(input, at, searched, ceiling.max_inline) {
        Header::Whole { text, next } => (text, next),
        Header::Incomplete { searched } => {
            return Err(Length::Incomplete { searched });
        }
        Header::TooLong => return Err(Length::Failed(ProtocolError::TooBigBulkCount)),
    };
    if input[at] != b'$' {
        return Err(Length::Failed(ProtocolError::ExpectedDollar(input[at])));
    }
    match parse_integer(text).map(usize::try_from) {
        Some(Ok(len)) if len <= ceiling.bulk => Ok((len, next)),
        Some(Ok(len)) if len <= ceiling.max_bulk_len => {
            Err(Length::Failed(ProtocolError::UnauthenticatedBulkLength))
        }
        _ => Err(Length::Failed(ProtocolError::InvalidBulkLength)),
    }
}

/// Finds the header line at `at`, whose first `searched` bytes hold no `\r`.
fn header(input: &[u8], at: usize, searched: usize, max_line: usize) -> Header<'_> {
    let line = &input[at..];
    // The end must lie within the first max_line + 1 bytes however the input is cut.
    let search = &line[searched..line.len().min(max_line + 1)];
    match memchr::memchr(b'\r', search) {
        Some(found) => {
            let end = searched + found;
            if line.len() < end + 2 {
                Header::Incomplete { searched: end }
            } else {
                Header::Whole { text: line.get(1..end).unwrap_or_default(), next: at + end + 2 }
            }
        }
        None if line.len() > max_line => Header::TooLong,
        None => Header::Incomplete { searched: line.len() },
    }
}
