//! A RESP value, its decoder, and the notation in which transcripts write it.

use std::fmt;

/// Any reply of RESP2 or RESP3.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `%`, in the order of the wire
    Map(Vec<(Value, Value)>),
    /// `~`, in the order of the wire
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `,` with the text of the wire: how a number is written is part of the interface
    Double(String),
    /// `#`
    Boolean(bool),
    /// `(`
    BigNumber(String),
    /// `=` with its three-letter format
    Verbatim(String, Vec<u8>),
    /// `!`
    BulkError(Vec<u8>),
}

/// What is on the wire is not RESP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not RESP: {0}")]
pub struct NotResp(String);

/// Nesting deeper than any reply of Redis.
const MAX_DEPTH: usize = 64;

impl Value {
    /// The first value of `input` and how many bytes it takes; `None` when it is not complete yet.
    ///
    /// # Errors
    /// When the bytes cannot be the beginning of a reply.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, NotResp> {
        let mut decoder = Decoder { input, at: 0 };
        Ok(decoder.value(0)?.map(|value| (value, decoder.at)))
    }

    /// The text of a value that has one: a string of any kind, an error, a number.
    #[must_use]
    pub fn text(&self) -> Option<Vec<u8>> {
        match self {
            Self::Simple(t) | Self::Error(t) | Self::Bulk(t) | Self::Verbatim(_, t) | Self::BulkError(t) => {
                Some(t.clone())
            }
            Self::Double(t) | Self::BigNumber(t) => Some(t.clone().into_bytes()),
            Self::Integer(n) => Some(n.to_string().into_bytes()),
            _ => None,
        }
    }

    /// The text as UTF-8, with what is not replaced; empty for a value without text.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.text().unwrap_or_default()).into_owned()
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BulkError(_))
    }

    /// Whether it is a null of any kind.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullBulk | Self::NullArray)
    }

    /// The integer.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(n) => *n,
            other => panic!("an integer was expected, not {other}"),
        }
    }

    /// The elements of an array, a set or a push.
    ///
    /// # Panics
    /// When it is none of them.
    #[must_use]
    pub fn elements(&self) -> &[Value] {
        match self {
            Self::Array(e) | Self::Set(e) | Self::Push(e) => e,
            other => panic!("an array was expected, not {other}"),
        }
    }

    /// A bulk string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    /// The simple string `OK`.
    #[must_use]
    pub fn ok() -> Self {
        Self::Simple(b"OK".to_vec())
    }
}

struct Decoder<'a> {
    input: &'a [u8],
    at: usize,
}

impl Decoder<'_> {
    fn line(&mut self) -> Option<&str> {
        let rest = &self.input[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        // What is not UTF-8 is no number; simple strings are read as bytes.
        Some(std::str::from_utf8(&rest[..end]).unwrap_or("\u{fffd}"))
    }

    fn line_bytes(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        self.line()?;
        Some(self.input[start..self.at - 2].to_vec())
    }

    fn number(&mut self) -> Result<Option<i64>, NotResp> {
        let Some(line) = self.line() else { return Ok(None) };
        line.parse().map(Some).map_err(|_| NotResp(format!("{line:?} is no number")))
    }

    fn bytes(&mut self, length: i64) -> Result<Option<Vec<u8>>, NotResp> {
        let length = usize::try_from(length).map_err(|_| NotResp(format!("length {length}")))?;
        let rest = &self.input[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        if &rest[length..length + 2] != b"\r\n" {
            return Err(NotResp("a string does not end where its length says".to_owned()));
        }
        self.at += length + 2;
        Ok(Some(rest[..length].to_vec()))
    }

    fn string(&mut self) -> Result<Option<Vec<u8>>, NotResp> {
        let Some(length) = self.number()? else { return Ok(None) };
        self.bytes(length)
    }

    fn elements(&mut self, count: i64, depth: usize) -> Result<Option<Vec<Value>>, NotResp> {
        let count = usize::try_from(count).map_err(|_| NotResp(format!("{count} elements")))?;
        let mut elements = Vec::new();
        for _ in 0..count {
            let Some(element) = self.value(depth + 1)? else { return Ok(None) };
            elements.push(element);
        }
        Ok(Some(elements))
    }

    fn aggregate(&mut self, depth: usize, each: i64) -> Result<Option<Vec<Value>>, NotResp> {
        let Some(count) = self.number()? else { return Ok(None) };
        self.elements(count * each, depth)
    }

    fn value(&mut self, depth: usize) -> Result<Option<Value>, NotResp> {
        if depth > MAX_DEPTH {
            return Err(NotResp("nested too deeply".to_owned()));
        }
        let Some(kind) = self.input.get(self.at) else { return Ok(None) };
        self.at += 1;
        Ok(match kind {
            b'+' => self.line_bytes().map(Value::Simple),
            b'-' => self.line_bytes().map(Value::Error),
            b':' => self.number()?.map(Value::Integer),
            b'$' => match self.number()? {
                Some(-1) => Some(Value::NullBulk),
                Some(length) => self.bytes(length)?.map(Value::Bulk),
                None => None,
            },
            b'*' => match self.number()? {
                Some(-1) => Some(Value::NullArray),
                Some(count) => self.elements(count, depth)?.map(Value::Array),
                None => None,
            },
            b'_' => self.line().map(|_| Value::Null),
            b'%' => self.aggregate(depth, 2)?.map(|flat| Value::Map(pairs(flat))),
            b'~' => self.aggregate(depth, 1)?.map(Value::Set),
            b'>' => self.aggregate(depth, 1)?.map(Value::Push),
            b',' => self.line().map(|text| Value::Double(text.to_owned())),
            b'(' => self.line().map(|text| Value::BigNumber(text.to_owned())),
            b'#' => match self.line() {
                Some("t") => Some(Value::Boolean(true)),
                Some("f") => Some(Value::Boolean(false)),
                Some(other) => return Err(NotResp(format!("{other:?} is no boolean"))),
                None => None,
            },
            b'=' => self.string()?.map(|content| verbatim(&content)).transpose()?,
            b'!' => self.string()?.map(Value::BulkError),
            other => return Err(NotResp(format!("{:?} begins no reply", char::from(*other)))),
        })
    }
}

fn pairs(flat: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    let mut values = flat.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn verbatim(content: &[u8]) -> Result<Value, NotResp> {
    match content.get(..4) {
        Some([format @ .., b':']) => {
            Ok(Value::Verbatim(String::from_utf8_lossy(format).into_owned(), content[4..].to_vec()))
        }
        _ => Err(NotResp("a verbatim string without a format".to_owned())),
    }
}

/// Text between quotes, with what is not printable escaped.
#[must_use]
pub fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

/// As in transcripts: what a failed assertion shows is to be read by somebody.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_nested(self, f, 0)
    }
}

fn fmt_nested(value: &Value, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    match value {
        Value::Simple(text) | Value::Error(text) | Value::BulkError(text) => {
            let sign = match value {
                Value::Simple(_) => '+',
                Value::Error(_) => '-',
                _ => '!',
            };
            let plain = text.iter().all(|b| (0x20..0x7f).contains(b));
            let shown_whole = text.trim_ascii().len() == text.len();
            let is_word = text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
            match plain
                && shown_whole
                && (depth == 0 || is_word)
                && !text.starts_with(b"/")
                && !text.starts_with(b"\"")
            {
                true => write!(f, "{sign}{}", String::from_utf8_lossy(text)),
                false => write!(f, "{sign}{}", quoted(text)),
            }
        }
        Value::Integer(n) => write!(f, ":{n}"),
        Value::Bulk(text) => f.write_str(&quoted(text)),
        Value::NullBulk | Value::Null => f.write_str("nil"),
        Value::NullArray => f.write_str("nil-array"),
        Value::Array(elements) => fmt_elements("[", elements, f, depth),
        Value::Set(elements) => fmt_elements("~[", elements, f, depth),
        Value::Push(elements) => fmt_elements(">[", elements, f, depth),
        Value::Map(pairs) => fmt_pairs(pairs, f, depth),
        Value::Double(text) => write!(f, ",{text}"),
        Value::Boolean(true) => f.write_str("#t"),
        Value::Boolean(false) => f.write_str("#f"),
        Value::BigNumber(text) => write!(f, "({text}"),
        Value::Verbatim(format, text) => write!(f, "={format}:{}", quoted(text)),
    }
}

fn is_flat(elements: &[Value]) -> bool {
    elements.iter().all(|e| !matches!(e, Value::Array(_) | Value::Map(_) | Value::Set(_) | Value::Push(_)))
}

fn fmt_elements(open: &str, elements: &[Value], f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    f.write_str(open)?;
    let flat = is_flat(elements);
    for (at, element) in elements.iter().enumerate() {
        match (flat, at) {
            (true, 0) => {}
            (true, _) => f.write_str(" ")?,
            (false, _) => write!(f, "\n{:indent$}", "", indent = 2 * (depth + 1))?,
        }
        fmt_nested(element, f, depth + 1)?;
    }
    if !flat {
        write!(f, "\n{:indent$}", "", indent = 2 * depth)?;
    }
    f.write_str("]")
}

fn fmt_pairs(pairs: &[(Value, Value)], f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    f.write_str("{")?;
    for (key, value) in pairs {
        write!(f, "\n{:indent$}", "", indent = 2 * (depth + 1))?;
        fmt_nested(key, f, depth + 1)?;
        f.write_str(" => ")?;
        fmt_nested(value, f, depth + 1)?;
    }
    if !pairs.is_empty() {
        write!(f, "\n{:indent$}", "", indent = 2 * depth)?;
    }
    f.write_str("}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_KIND: &[u8] =
        b"*14\r\n+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n_\r\n%1\r\n:1\r\n#t\r\n~1\r\n#f\r\n\
        >1\r\n:2\r\n,1.5\r\n(12345678901234567890\r\n=5\r\ntxt:x\r\n!3\r\nERR\r\n";

    #[test]
    fn every_kind_is_decoded() {
        let (value, used) = Value::decode(EVERY_KIND).unwrap().unwrap();
        assert_eq!(used, EVERY_KIND.len());
        let shown = value.to_string();
        for part in [
            "+OK",
            "-\"ERR no\"",
            ":-7",
            "\"a\\r\\n\"",
            "nil-array",
            "#t",
            "~[#f]",
            ">[:2]",
            ",1.5",
            "=txt:\"x\"",
            "!ERR",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }

    #[test]
    fn an_incomplete_value_is_no_value() {
        for length in 0..EVERY_KIND.len() {
            assert_eq!(Value::decode(&EVERY_KIND[..length]).unwrap(), None, "{length}");
        }
    }

    #[test]
    fn what_is_not_resp_is_an_error() {
        for wrong in
            [&b"HTTP/1.1 200\r\n"[..], b":x\r\n", b"$-2\r\n", b"$1\r\nabc", b"#x\r\n", b"=1\r\nx\r\n"]
        {
            assert!(Value::decode(wrong).is_err(), "{}", quoted(wrong));
        }
    }
}
