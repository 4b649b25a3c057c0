//! Inline requests: a line of words, as typed by a person or a health check.
//!
//! Words are separated by blanks. As in Redis, a word may hold parts in double quotes (with `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH`, and
//! `\` before any other character) or in single quotes (with `\'`), and a closing quote must end its word. One difference:
//! a NUL is an ordinary byte, where Redis would wait for ever for the end of its line.

use super::{Commands, Parser, ProtocolError, Span};
use crate::limits;

/// How far one inline request was read.
pub(super) enum Line {
    /// Recorded, or blank; `end` is the offset behind the line.
    Parsed { end: usize },
    /// Its line end has not arrived.
    Incomplete,
    /// It holds quotes; see [`super::Status::Quoted`].
    Quoted { line_len: usize, argv: Vec<Vec<u8>> },
    /// It is not valid.
    Failed(ProtocolError),
}

impl Parser {
    /// Reads the line that starts at `start`.
    #[cold]
    pub(super) fn parse_inline(
        &mut self,
        input: &[u8],
        start: usize,
        searched: usize,
        max_inline: usize,
        out: &mut Commands,
    ) -> Line {
        let max_inline = max_inline.min(limits::MAX_INLINE);
        let rest = &input[start..];
        // The end must lie within the first max_inline + 1 bytes however the input is cut.
        let search = &rest[searched..rest.len().min(max_inline + 1)];
        let Some(found) = memchr::memchr(b'\n', search) else {
            if rest.len() > max_inline {
                return Line::Failed(ProtocolError::TooBigInline);
            }
            self.searched = rest.len() as u32;
            return Line::Incomplete;
        };
        let newline = searched + found;
        let line_len = newline + 1;
        let text = &rest[..newline];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if memchr::memchr2(b'"', b'\'', text).is_some() {
            return match split_quoted(text) {
                Some(argv) => Line::Quoted { line_len, argv },
                None => Line::Failed(ProtocolError::UnbalancedQuotes),
            };
        }
        let end = start + line_len;
        let first_arg = out.args.len();
        split_plain(text, start, &mut out.args);
        if out.args.len() > first_arg {
            out.finish(start, end, first_arg);
        }
        Line::Parsed { end }
    }
}

/// What may stand before a word.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// What ends a word outside quotes. Fewer characters than [`is_blank`], as in Redis.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Records the words of a line without quotes; the line starts at offset `base`.
fn split_plain(text: &[u8], base: usize, args: &mut Vec<Span>) {
    let mut at = 0;
    loop {
        at += text[at..].iter().take_while(|&&byte| is_blank(byte)).count();
        let len = text[at..].iter().take_while(|&&byte| !ends_word(byte)).count();
        if len == 0 {
            return;
        }
        args.push(Span { start: (base + at) as u32, len: len as u32 });
        at += len;
    }
}

/// The words of a line with quotes, unescaped; `None` if the quotes are not balanced. A line with balanced quotes has at
/// least one word, which may be empty.
fn split_quoted(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut argv = Vec::new();
    let mut rest = text;
    loop {
        while let [byte, tail @ ..] = rest
            && is_blank(*byte)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(argv);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        argv.push(word);
    }
}

/// Reads one word and returns what follows it.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return Some(rest),
            [byte, tail @ ..] if ends_word(*byte) => return Some(tail),
            [b'"', tail @ ..] => rest = take_double_quoted(tail, word)?,
            [b'\'', tail @ ..] => rest = take_single_quoted(tail, word)?,
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
                continue;
            }
        }
        // A closing quote ends the word: a blank or the end of the line must follow.
        return match rest {
            [] => Some(rest),
            [byte, ..] if is_blank(*byte) => Some(rest),
            _ => None,
        };
    }
}

/// Reads up to the closing double quote and returns what follows it.
fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex_value(*high) << 4 | hex_value(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// Reads up to the closing single quote and returns what follows it.
fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [b'\'', tail @ ..] => return Some(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
