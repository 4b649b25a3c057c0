//! Counting replies as they stream in, without keeping them.
//!
//! The replies that a run expects (`+OK`, a value of the one known size) are recognised by eight bytes and stepped
//! over; anything else goes through a small incremental reader of RESP2 and RESP3 that never needs a whole reply in
//! memory. This module is the only one that knows what a reply looks like.

use boxcar_resp::client::DecodeError;
use thiserror::Error;

/// A line (`+OK`, `$64`, an error's text) longer than this is not RESP: Redis's own error texts stay below 1 KiB,
/// and inline replies of some servers echo up to 64 KiB.
const MAX_LINE: usize = 64 * 1024;

/// Elements announced by one reply; the largest that a server of this family sends is 2^32 - 1.
const MAX_ELEMENTS: u64 = u32::MAX as u64;

/// Largest bulk string: Redis's upper bound for `proto-max-bulk-len` is the size of the address space; 2^40 bytes
/// is more than any machine here has memory.
const MAX_BULK: u64 = 1 << 40;

/// What came is not RESP.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ReplyError {
    /// A line does not begin with a type that RESP knows, or its number is not one.
    #[error("not a RESP reply: {0:?}")]
    Malformed(String),
    /// A line does not end.
    #[error("a reply's line is longer than {MAX_LINE} bytes")]
    LineTooLong,
    /// A bulk string does not end with CR LF.
    #[error("a bulk string does not end where its length says")]
    Unterminated,
    /// Replies that are verified are read whole, and this one cannot be.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
}

/// A complete reply at the top level.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// `+...`
    Status(&'a [u8]),
    /// `-...`, or `!...` whose text went by as pieces and is empty here.
    Error(&'a [u8]),
    /// `$-1`, `*-1` or `_`
    Null,
    /// A bulk string of this many bytes; they went by as pieces.
    Bulk(usize),
    /// Anything else: a number, an aggregate.
    Other,
}

/// Who is told about the replies.
pub(super) trait Sink {
    /// Of the expected shapes, that many values and that many `+OK` came in a row.
    fn expected(&mut self, values: u32, statuses: u32);
    /// A part of a top-level bulk string of `size` bytes.
    fn piece(&mut self, size: usize, offset: usize, piece: &[u8]);
    /// A reply is complete.
    fn reply(&mut self, reply: Reply<'_>);
}

/// The shape of a GET's reply when all values have one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The reply's first eight bytes under `mask`, little endian.
    head: u64,
    mask: u64,
    len: usize,
}

impl Shape {
    /// The reply `$size\r\n...\r\n`.
    pub fn of_values(size: usize) -> Shape {
        let head = format!("${size}\r\n").into_bytes();
        let mut bytes = [0; 8];
        let mut mask = [0; 8];
        let kept = head.len().min(8);
        bytes[..kept].copy_from_slice(&head[..kept]);
        mask[..kept].fill(0xff);
        // A header longer than eight bytes announces at least 100,000 bytes: what a shorter prefix cannot tell apart
        // (99 KB from 990 KB) would be caught by the CR LF at the end, but not surely; such values are left to the
        // general reader, which costs them nothing in proportion.
        if head.len() > 8 {
            bytes = [0; 8];
            mask = [0xff; 8];
        }
        Shape { head: u64::from_le_bytes(bytes), mask: u64::from_le_bytes(mask), len: head.len() + size + 2 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Body {
    size: usize,
    offset: usize,
    top: bool,
    error: bool,
}

/// What the reply under way is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// One item, perhaps behind attributes.
    Leaf,
    /// Several.
    Aggregate,
    /// Out of band: it answers nothing.
    Push,
}

/// The state of one connection's reply stream.
#[derive(Debug)]
pub(super) struct Replies {
    shape: Option<Shape>,
    /// Items still to come before the reply at the top level is complete; 0 between replies.
    outstanding: u64,
    whole: Whole,
    body: Option<Body>,
    line: Vec<u8>,
}

impl Replies {
    /// `shape`: replies to step over without telling their pieces; `None` when every byte is to be looked at.
    pub fn new(shape: Option<Shape>) -> Replies {
        Replies { shape, outstanding: 0, whole: Whole::Leaf, body: None, line: Vec::new() }
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, data: &[u8], sink: &mut impl Sink) -> Result<(), ReplyError> {
        let mut rest = data;
        while !rest.is_empty() {
            if let Some(shape) = self.shape
                && self.outstanding == 0
                && self.line.is_empty()
            {
                rest = step_over(shape, rest, sink);
                if rest.is_empty() {
                    break;
                }
            }
            rest = match self.body {
                Some(body) => self.take_body(body, rest, sink)?,
                None => self.take_line(rest, sink)?,
            };
        }
        Ok(())
    }

    fn take_line<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> Result<&'a [u8], ReplyError> {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            if self.line.len() + rest.len() > MAX_LINE {
                return Err(ReplyError::LineTooLong);
            }
            self.line.extend_from_slice(rest);
            return Ok(&[]);
        };
        let (piece, after) = rest.split_at(end + 1);
        if self.line.is_empty() {
            self.line_complete(piece, sink)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(piece);
            self.line_complete(&line, sink)?;
            line.clear();
            self.line = line;
        }
        Ok(after)
    }

    fn line_complete(&mut self, line: &[u8], sink: &mut impl Sink) -> Result<(), ReplyError> {
        let malformed = || {
            let shown = &line[..line.len().min(80)];
            ReplyError::Malformed(String::from_utf8_lossy(shown).into_owned())
        };
        if line.len() > MAX_LINE {
            return Err(ReplyError::LineTooLong);
        }
        let [kind, text @ .., b'\r', b'\n'] = line else { return Err(malformed()) };
        let top = self.outstanding == 0;
        if top {
            self.outstanding = 1;
        }
        match kind {
            b'+' => self.item(Reply::Status(text), sink),
            b'-' => self.item(Reply::Error(text), sink),
            b'_' => self.item(Reply::Null, sink),
            b':' | b',' | b'#' | b'(' => self.item(Reply::Other, sink),
            b'$' | b'*' if text == b"-1" => self.item(Reply::Null, sink),
            b'$' | b'=' | b'!' => {
                let size = number(text).filter(|&size| size <= MAX_BULK).ok_or_else(malformed)?;
                let size = usize::try_from(size).map_err(|_| malformed())?;
                self.body = Some(Body { size, offset: 0, top, error: *kind == b'!' });
            }
            b'*' | b'~' | b'%' | b'>' | b'|' => {
                let count = number(text).filter(|&count| count <= MAX_ELEMENTS).ok_or_else(malformed)?;
                self.aggregate(*kind, top, count, sink).ok_or_else(malformed)?;
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn aggregate(&mut self, kind: u8, top: bool, count: u64, sink: &mut impl Sink) -> Option<()> {
        let items = match kind {
            b'%' => count * 2,
            // Attributes stand before the item that they describe.
            b'|' => count * 2 + 1,
            _ => count,
        };
        if top && kind != b'|' {
            self.whole = if kind == b'>' { Whole::Push } else { Whole::Aggregate };
        }
        self.outstanding = self.outstanding.checked_add(items)?;
        self.item(Reply::Other, sink);
        Some(())
    }

    /// One of the outstanding items is read.
    fn item(&mut self, reply: Reply<'_>, sink: &mut impl Sink) {
        self.outstanding -= 1;
        if self.outstanding == 0 {
            match std::mem::replace(&mut self.whole, Whole::Leaf) {
                Whole::Leaf => sink.reply(reply),
                Whole::Aggregate => sink.reply(Reply::Other),
                Whole::Push => {}
            }
        }
    }

    fn take_body<'a>(
        &mut self,
        mut body: Body,
        rest: &'a [u8],
        sink: &mut impl Sink,
    ) -> Result<&'a [u8], ReplyError> {
        if body.offset < body.size {
            let (piece, after) = rest.split_at((body.size - body.offset).min(rest.len()));
            if body.top && !body.error {
                sink.piece(body.size, body.offset, piece);
            }
            body.offset += piece.len();
            self.body = Some(body);
            return Ok(after);
        }
        let wanted = b"\r\n"[body.offset - body.size];
        if rest[0] != wanted {
            return Err(ReplyError::Unterminated);
        }
        body.offset += 1;
        if wanted == b'\n' {
            self.body = None;
            let reply = match body {
                Body { error: true, .. } => Reply::Error(b""),
                Body { top: true, size, .. } => Reply::Bulk(size),
                Body { .. } => Reply::Other,
            };
            self.item(reply, sink);
        } else {
            self.body = Some(body);
        }
        Ok(&rest[1..])
    }
}

/// Steps over replies of the expected shapes at the head of `rest`.
#[inline]
fn step_over<'a>(shape: Shape, mut rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
    let (mut values, mut statuses) = (0, 0);
    loop {
        if let Some(head) = rest.first_chunk::<8>()
            && u64::from_le_bytes(*head) & shape.mask == shape.head
            && rest.len() >= shape.len
            && rest[shape.len - 2..shape.len] == *b"\r\n"
        {
            values += 1;
            rest = &rest[shape.len..];
        } else if let Some(head) = rest.first_chunk::<5>()
            && head == b"+OK\r\n"
        {
            statuses += 1;
            rest = &rest[5..];
        } else {
            break;
        }
    }
    if values + statuses > 0 {
        sink.expected(values, statuses);
    }
    rest
}

/// A decimal number of at most 19 digits, nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter()
        .try_fold(0_u64, |sum, &digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, Clone, PartialEq, Eq)]
    struct Seen {
        replies: Vec<String>,
        body: Vec<u8>,
    }

    impl Sink for Seen {
        fn expected(&mut self, values: u32, statuses: u32) {
            // Between two calls of `feed` the order of the two kinds is lost, their number is not.
            self.replies.extend((0..values).map(|_| "value".to_owned()));
            self.replies.extend((0..statuses).map(|_| "ok".to_owned()));
        }

        fn piece(&mut self, size: usize, offset: usize, piece: &[u8]) {
            assert_eq!(offset, self.body.len());
            assert!(offset + piece.len() <= size);
            self.body.extend_from_slice(piece);
        }

        fn reply(&mut self, reply: Reply<'_>) {
            self.replies.push(match reply {
                Reply::Status(text) => format!("status {}", String::from_utf8_lossy(text)),
                Reply::Error(text) => format!("error {}", String::from_utf8_lossy(text)),
                Reply::Null => "null".to_owned(),
                Reply::Bulk(size) => {
                    assert_eq!(size, self.body.len());
                    format!("bulk {}", String::from_utf8_lossy(&std::mem::take(&mut self.body)))
                }
                Reply::Other => "other".to_owned(),
            });
        }
    }

    fn read(shape: Option<Shape>, pieces: &[&[u8]]) -> Result<Vec<String>, ReplyError> {
        let (mut replies, mut seen) = (Replies::new(shape), Seen::default());
        for piece in pieces {
            replies.feed(piece, &mut seen)?;
        }
        Ok(seen.replies)
    }

    #[test]
    fn kinds_are_told_apart() {
        let input = b"+OK\r\n-ERR no\r\n:5\r\n$-1\r\n_\r\n*-1\r\n$3\r\na\nb\r\n$0\r\n\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n\
            %1\r\n+a\r\n+b\r\n>2\r\n+invalidate\r\n_\r\n|1\r\n+ttl\r\n:1\r\n+OK\r\n*0\r\n!3\r\nERR\r\n,1.5\r\n";
        let seen = read(None, &[input]).unwrap();
        let expected = [
            "status OK",
            "error ERR no",
            "other",
            "null",
            "null",
            "null",
            "bulk a\nb",
            "bulk ",
            "other",
            "other",
            "status OK",
            "other",
            "error ",
            "other",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn expected_shapes_are_stepped_over() {
        let shape = Some(Shape::of_values(3));
        let seen =
            read(shape, &[b"$3\r\nabc\r\n$3\r\nabc\r\n+OK\r\n$-1\r\n$3\r\nab", b"c\r\n+OK\r\n"]).unwrap();
        assert_eq!(seen, ["value", "value", "ok", "null", "bulk abc", "ok"]);
        let long =
            read(Some(Shape::of_values(100_000)), &[b"$100000\r\n", &[b'x'; 100_000], b"\r\n"]).unwrap();
        assert_eq!(long.len(), 1);
        let empty = read(Some(Shape::of_values(0)), &[b"$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n"]).unwrap();
        assert_eq!(empty, ["value", "value", "bulk "]);
    }

    #[test]
    fn rubbish_is_refused() {
        for rubbish in [
            &b"HTTP/1.1 400\r\n"[..],
            b"$x\r\n",
            b"$\r\n",
            b"*-2\r\n",
            b"+OK\n",
            b"\r\n",
            b"\n",
            b"$99999999999999999999\r\n",
        ] {
            assert!(matches!(read(None, &[rubbish]), Err(ReplyError::Malformed(_))), "{rubbish:?}");
        }
        assert_eq!(read(None, &[b"$1\r\nxy\n"]), Err(ReplyError::Unterminated));
        let endless = vec![b'a'; MAX_LINE + 2];
        assert_eq!(read(None, &[b"+", &endless]), Err(ReplyError::LineTooLong));
    }

    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let line = "[a-z ]{0,12}";
        let leaf = prop_oneof![
            Just(b"+OK\r\n".to_vec()),
            Just(b"$-1\r\n".to_vec()),
            Just(b"_\r\n".to_vec()),
            line.prop_map(|text| format!("-ERR {text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            Just(b"$5\r\nhello\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|body| {
                let mut bulk = format!("${}\r\n", body.len()).into_bytes();
                bulk.extend_from_slice(&body);
                bulk.extend_from_slice(b"\r\n");
                bulk
            }),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            (0_usize..3, proptest::collection::vec(inner, 0..8)).prop_map(|(kind, items)| {
                let (mark, count) = [("*", items.len()), ("~", items.len()), ("%", items.len() / 2)][kind];
                let used = if mark == "%" { count * 2 } else { count };
                let mut out = format!("{mark}{count}\r\n").into_bytes();
                out.extend(items.into_iter().take(used).flatten());
                out
            })
        })
    }

    proptest! {
        #[test]
        fn every_reply_is_counted_once_however_it_is_cut(
            stream in proptest::collection::vec(reply(), 0..12), cuts in proptest::collection::vec(0_usize..400, 0..8),
            shaped in any::<bool>(),
        ) {
            let count = stream.len();
            let bytes: Vec<u8> = stream.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let shape = shaped.then(|| Shape::of_values(5));
            let (mut replies, mut counted) = (Replies::new(shape), Counted::default());
            for piece in pieces {
                replies.feed(piece, &mut counted).unwrap();
            }
            prop_assert_eq!(counted.0, count);
            prop_assert!(replies.outstanding == 0 && replies.body.is_none() && replies.line.is_empty());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let (mut replies, mut counted) = (Replies::new(Some(Shape::of_values(5))), Counted::default());
            let cut = cut.min(bytes.len());
            if replies.feed(&bytes[..cut], &mut counted).is_ok() {
                let _outcome = replies.feed(&bytes[cut..], &mut counted);
            }
            prop_assert!(counted.0 <= bytes.len());
        }
    }

    #[derive(Default)]
    struct Counted(usize);

    impl Sink for Counted {
        fn expected(&mut self, values: u32, statuses: u32) {
            self.0 += (values + statuses) as usize;
        }
        fn piece(&mut self, _size: usize, _offset: usize, _piece: &[u8]) {}
        fn reply(&mut self, _reply: Reply<'_>) {
            self.0 += 1;
        }
    }
}
