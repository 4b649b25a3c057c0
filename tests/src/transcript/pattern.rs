//! What a reply is expected to be: one notation for both protocols.

use super::parse::unquote;
use crate::value::{Value, quoted};
use regex::bytes::Regex;
use std::collections::HashMap;

/// Texts that a conversation has captured with `@name` and uses again as `${name}`.
pub type Captured = HashMap<String, Vec<u8>>;

/// An expectation. Where a kind exists in RESP3 only, it stands in RESP2 for what Redis sends there instead.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// `any`
    Any,
    /// `@name`: anything with a text that is no error; the text is kept
    Capture(String),
    /// `+OK`
    Simple(Text),
    /// `-ERR …`
    Error(Text),
    /// `:5`, `:1..9` (both included), `:*`
    Integer(i64, i64),
    /// `:${name}`: the integer captured under this name
    IntegerOf(String),
    /// `"…"`, `/…/`, `bulk`
    Bulk(Text),
    /// `=txt:"…"`; a bulk string in RESP2
    Verbatim(String, Text),
    /// `nil`
    Nil,
    /// `nil-array`; the same as `nil` in RESP3
    NilArray,
    /// `,1.5`; a bulk string in RESP2
    Double(Text),
    /// `#t`; an integer in RESP2
    Boolean(bool),
    /// `(123`; a bulk string in RESP2
    BigNumber(Text),
    /// `[…]`, `~[…]`, `>[…]`; the last two are arrays in RESP2
    List(List, Elements),
    /// `{k => v …}`; a flat array in RESP2
    Map(Vec<(Pattern, Pattern)>, Order),
}

/// Which aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `[…]`
    Array,
    /// `~[…]`
    Set,
    /// `>[…]`
    Push,
}

/// How strictly the elements of an aggregate are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As written.
    Exact,
    /// `unordered`: as many, in any order.
    Any,
    /// `...` at the end: these first, more may follow; with `unordered`, these somewhere among more.
    Prefix,
    /// See [`Order::Prefix`].
    Among,
}

/// The elements of a list.
#[derive(Debug, Clone)]
pub struct Elements(Vec<Pattern>, Order);

/// What a text is expected to be.
#[derive(Debug, Clone)]
pub enum Text {
    /// Exactly this; it may hold `${…}`.
    Exact(Vec<u8>),
    /// A match of a regular expression.
    Match(Regex),
}

impl Text {
    fn matches(&self, text: &[u8], captured: &Captured) -> bool {
        match self {
            Self::Exact(expected) => expand(expected, captured).as_deref() == Ok(text),
            Self::Match(regex) => regex.is_match(text),
        }
    }
}

/// Replaces `${name}` by what was captured and `${x*1000}` by so many times `x`.
///
/// # Errors
/// When nothing of this name was captured.
pub fn expand(text: &[u8], captured: &Captured) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.windows(2).position(|pair| pair == b"${") {
        out.extend_from_slice(&rest[..start]);
        let end = rest[start..].iter().position(|b| *b == b'}').ok_or("`${` is not closed")? + start;
        let inner = String::from_utf8_lossy(&rest[start + 2..end]).into_owned();
        match inner.rsplit_once('*').and_then(|(what, times)| Some((what, times.parse::<usize>().ok()?))) {
            Some((what, times)) => out.extend(what.as_bytes().repeat(times)),
            None => {
                out.extend(captured.get(&inner).ok_or_else(|| format!("nothing was captured as {inner}"))?);
            }
        }
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

impl Pattern {
    /// Whether a reply is what was expected; keeps what `@name` asks for.
    pub fn matches(&self, value: &Value, protocol: u8, captured: &mut Captured) -> bool {
        let bulk =
            |text: &Text, captured: &Captured| matches!(value, Value::Bulk(t) if text.matches(t, captured));
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Capture(name), _) => match value.text() {
                Some(text) if !value.is_error() => {
                    captured.insert(name.clone(), text);
                    true
                }
                _ => false,
            },
            (Self::Simple(t), Value::Simple(v)) | (Self::Error(t), Value::Error(v)) => t.matches(v, captured),
            (Self::Integer(low, high), Value::Integer(n)) => (low..=high).contains(&n),
            (Self::IntegerOf(name), Value::Integer(n)) => {
                captured.get(name) == Some(&n.to_string().into_bytes())
            }
            (Self::Bulk(t), _) => bulk(t, captured),
            (Self::Verbatim(_, t) | Self::Double(t) | Self::BigNumber(t), _) if protocol == 2 => {
                bulk(t, captured)
            }
            (Self::Verbatim(f, t), Value::Verbatim(format, v)) => f == format && t.matches(v, captured),
            (Self::Double(t), Value::Double(v)) | (Self::BigNumber(t), Value::BigNumber(v)) => {
                t.matches(v.as_bytes(), captured)
            }
            (Self::Nil, Value::NullBulk) | (Self::NilArray, Value::NullArray) => protocol == 2,
            (Self::Nil | Self::NilArray, Value::Null) => protocol == 3,
            (Self::Boolean(b), Value::Integer(n)) => protocol == 2 && *n == i64::from(*b),
            (Self::Boolean(b), Value::Boolean(v)) => b == v,
            (Self::List(kind, elements), _) => match (kind, value) {
                (List::Array, Value::Array(v)) => elements.matches(v, protocol, captured),
                (List::Set, Value::Set(v)) | (List::Push, Value::Push(v)) => {
                    elements.matches(v, protocol, captured)
                }
                (List::Set | List::Push, Value::Array(v)) => {
                    protocol == 2 && elements.matches(v, protocol, captured)
                }
                _ => false,
            },
            (Self::Map(pairs, order), Value::Map(v)) => match_pairs(pairs, *order, v, protocol, captured),
            (Self::Map(pairs, order), Value::Array(flat)) if protocol == 2 && flat.len() % 2 == 0 => {
                let v: Vec<(Value, Value)> =
                    flat.chunks_exact(2).map(|c| (c[0].clone(), c[1].clone())).collect();
                match_pairs(pairs, *order, &v, protocol, captured)
            }
            _ => false,
        }
    }
}

impl Elements {
    fn matches(&self, values: &[Value], protocol: u8, captured: &mut Captured) -> bool {
        match_all(&self.0, self.1, values, |pattern, value| pattern.matches(value, protocol, captured))
    }
}

fn match_pairs(
    pairs: &[(Pattern, Pattern)],
    order: Order,
    values: &[(Value, Value)],
    protocol: u8,
    captured: &mut Captured,
) -> bool {
    match_all(pairs, order, values, |(key, value), (k, v)| {
        key.matches(k, protocol, captured) && value.matches(v, protocol, captured)
    })
}

fn match_all<P, V>(
    patterns: &[P],
    order: Order,
    values: &[V],
    mut matches: impl FnMut(&P, &V) -> bool,
) -> bool {
    let enough = match order {
        Order::Exact | Order::Any => patterns.len() == values.len(),
        Order::Prefix | Order::Among => patterns.len() <= values.len(),
    };
    if !enough {
        return false;
    }
    match order {
        Order::Exact | Order::Prefix => patterns.iter().zip(values).all(|(p, v)| matches(p, v)),
        // Each pattern takes the first value that is left: enough for patterns that are told apart by their texts.
        Order::Any | Order::Among => {
            let mut left: Vec<&V> = values.iter().collect();
            patterns.iter().all(|p| {
                let found = left.iter().position(|v| matches(p, v));
                found.is_some_and(|at| {
                    left.remove(at);
                    true
                })
            })
        }
    }
}

/// The text of an expectation, which may go over several lines as long as a bracket is open.
pub struct Source<'a> {
    line: &'a [u8],
    at: usize,
    following: &'a [&'a str],
    taken: usize,
    depth: usize,
}

impl<'a> Source<'a> {
    /// Begins at a line; further lines are taken as needed.
    #[must_use]
    pub fn new(line: &'a str, following: &'a [&'a str]) -> Self {
        Self { line: line.as_bytes(), at: 0, following, taken: 1, depth: 0 }
    }

    /// Reads one expectation; gives it and how many lines it takes.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn pattern(mut self) -> Result<(Pattern, usize), String> {
        let pattern = self.one()?;
        self.blanks();
        if self.at < self.line.len() {
            return Err(format!(
                "{:?} after the end of the reply",
                String::from_utf8_lossy(&self.line[self.at..])
            ));
        }
        Ok((pattern, self.taken))
    }

    fn blanks(&mut self) {
        loop {
            while self.line.get(self.at).is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            }
            if self.depth == 0 || self.at < self.line.len() {
                return;
            }
            let Some((next, rest)) = self.following.split_first() else { return };
            (self.line, self.following, self.at) = (next.as_bytes(), rest, 0);
            self.taken += 1;
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.line[self.at..].starts_with(token.as_bytes());
        if found {
            self.at += token.len();
        }
        found
    }

    /// Up to the next blank or closing bracket.
    fn word(&mut self) -> String {
        let rest = &self.line[self.at..];
        let end =
            rest.iter().position(|b| b.is_ascii_whitespace() || b"]}".contains(b)).unwrap_or(rest.len());
        self.at += end;
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    fn one(&mut self) -> Result<Pattern, String> {
        self.blanks();
        let unordered = self.take("unordered ");
        let any_order = |order| match order {
            Order::Exact if unordered => Order::Any,
            Order::Prefix if unordered => Order::Among,
            other => other,
        };
        for (open, kind) in [("[", List::Array), ("~[", List::Set), (">[", List::Push)] {
            if self.take(open) {
                let (elements, order) = self.until("]", Self::one)?;
                return Ok(Pattern::List(kind, Elements(elements, any_order(order))));
            }
        }
        if self.take("{") {
            let (pairs, order) = self.until("}", Self::pair)?;
            return Ok(Pattern::Map(pairs, any_order(order)));
        }
        if unordered {
            return Err("`unordered` stands before a bracket".to_owned());
        }
        self.scalar()
    }

    fn scalar(&mut self) -> Result<Pattern, String> {
        let Some(first) = self.line.get(self.at).copied() else {
            return Err("a reply is missing".to_owned());
        };
        if first == b'"' || first == b'/' {
            return Ok(Pattern::Bulk(self.text()?));
        }
        self.at += 1;
        match first {
            b'+' => Ok(Pattern::Simple(self.text()?)),
            b'-' => Ok(Pattern::Error(self.text()?)),
            b',' => Ok(Pattern::Double(self.text()?)),
            b'(' => Ok(Pattern::BigNumber(self.text()?)),
            b':' => self.integer(),
            b'#' => match self.word().as_str() {
                "t" => Ok(Pattern::Boolean(true)),
                "f" => Ok(Pattern::Boolean(false)),
                other => Err(format!("#{other} is no boolean")),
            },
            b'=' => {
                let format: String = self.line[self.at..].iter().take(3).map(|b| char::from(*b)).collect();
                self.at += 3;
                if !self.take(":") {
                    return Err("`=` is followed by a format of three letters and a colon".to_owned());
                }
                Ok(Pattern::Verbatim(format, self.text()?))
            }
            b'@' => Ok(Pattern::Capture(self.word())),
            _ => {
                self.at -= 1;
                match self.word().as_str() {
                    "any" => Ok(Pattern::Any),
                    "bulk" => Ok(Pattern::Bulk(Text::Match(Regex::new("").map_err(|e| e.to_string())?))),
                    "nil" => Ok(Pattern::Nil),
                    "nil-array" => Ok(Pattern::NilArray),
                    other => Err(format!("{other:?} is no reply")),
                }
            }
        }
    }

    fn integer(&mut self) -> Result<Pattern, String> {
        if self.take("${") {
            let name = self.word();
            return if self.take("}") {
                Ok(Pattern::IntegerOf(name))
            } else {
                Err("`${` is not closed".to_owned())
            };
        }
        let word = self.word();
        if word == "*" {
            return Ok(Pattern::Integer(i64::MIN, i64::MAX));
        }
        let (low, high) = word.split_once("..").unwrap_or((&word, &word));
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!(":{word} is no integer"));
        Ok(Pattern::Integer(number(low)?, number(high)?))
    }

    /// `"…"`, `/…/`, or bare words: one inside brackets, all to the end of the line outside.
    fn text(&mut self) -> Result<Text, String> {
        let rest = &self.line[self.at..];
        match rest.first() {
            Some(b'"') => {
                let (text, used) = unquote(rest)?;
                self.at += used;
                Ok(Text::Exact(text))
            }
            Some(b'/') => {
                let closing = |at: &usize| rest[*at] == b'/' && rest[at - 1] != b'\\';
                let end = (1..rest.len()).find(closing).ok_or("a regular expression is not closed")?;
                let source = String::from_utf8_lossy(&rest[1..end]).replace("\\/", "/");
                self.at += end + 1;
                let whole = format!("(?s-u)^(?:{source})$");
                Ok(Text::Match(Regex::new(&whole).map_err(|e| e.to_string())?))
            }
            _ if self.depth > 0 => Ok(Text::Exact(self.word().into_bytes())),
            _ => {
                self.at = self.line.len();
                Ok(Text::Exact(rest.trim_ascii_end().to_vec()))
            }
        }
    }

    fn pair(&mut self) -> Result<(Pattern, Pattern), String> {
        let key = self.one()?;
        self.blanks();
        if !self.take("=>") {
            return Err(format!("a pair is written {} => value", quoted(b"key")));
        }
        Ok((key, self.one()?))
    }

    fn until<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<(Vec<T>, Order), String> {
        self.depth += 1;
        let mut items = Vec::new();
        let mut order = Order::Exact;
        loop {
            self.blanks();
            if self.take(close) {
                self.depth -= 1;
                return Ok((items, order));
            }
            if self.at == self.line.len() {
                return Err(format!("{close} is missing"));
            }
            if order != Order::Exact {
                return Err("`...` stands at the end".to_owned());
            }
            if self.take("...") {
                order = Order::Prefix;
            } else {
                items.push(item(self)?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(source: &str, wire: &str, protocol: u8) -> bool {
        let lines: Vec<&str> = source.lines().collect();
        let (pattern, taken) = Source::new(lines[0], &lines[1..]).pattern().unwrap();
        assert_eq!(taken, lines.len(), "{source}");
        let (value, _) = Value::decode(wire.as_bytes()).unwrap().unwrap();
        pattern.matches(&value, protocol, &mut Captured::new())
    }

    #[test]
    fn scalars() {
        assert!(matches("+OK", "+OK\r\n", 2) && !matches("+OK", "$2\r\nOK\r\n", 2));
        assert!(matches("-ERR a b", "-ERR a b\r\n", 2) && !matches("-ERR a", "-ERR a b\r\n", 2));
        assert!(matches(":1..9", ":9\r\n", 2) && !matches(":1..9", ":10\r\n", 2));
        assert!(matches("/a+/", "$2\r\naa\r\n", 2) && !matches("/a+/", "$2\r\nab\r\n", 2));
        assert!(matches("nil", "$-1\r\n", 2) && matches("nil", "_\r\n", 3) && !matches("nil", "*-1\r\n", 2));
        assert!(matches("nil-array", "*-1\r\n", 2) && !matches("nil-array", "$-1\r\n", 2));
        assert!(!matches("nil", "$-1\r\n", 3));
    }

    #[test]
    fn kinds_of_resp3_stand_for_those_of_resp2() {
        assert!(
            matches(",1.5", ",1.5\r\n", 3)
                && matches(",1.5", "$3\r\n1.5\r\n", 2)
                && !matches(",1.5", "$3\r\n1.5\r\n", 3)
        );
        assert!(matches("#t", "#t\r\n", 3) && matches("#t", ":1\r\n", 2) && !matches("#t", ":1\r\n", 3));
        assert!(matches("=txt:\"x\"", "=5\r\ntxt:x\r\n", 3) && matches("=txt:\"x\"", "$1\r\nx\r\n", 2));
        assert!(matches("{\"a\" => :1}", "%1\r\n$1\r\na\r\n:1\r\n", 3));
        assert!(matches("{\"a\" => :1}", "*2\r\n$1\r\na\r\n:1\r\n", 2));
        assert!(!matches("{\"a\" => :1}", "*2\r\n$1\r\na\r\n:1\r\n", 3));
        assert!(matches(">[:1]", "*1\r\n:1\r\n", 2) && !matches("[:1]", ">1\r\n:1\r\n", 3));
    }

    #[test]
    fn lists_in_order_in_any_order_and_open() {
        let wire = "*3\r\n:1\r\n:2\r\n+OK\r\n";
        assert!(
            matches("[:1 :2 +OK]", wire, 2)
                && !matches("[:2 :1 +OK]", wire, 2)
                && !matches("[:1 :2]", wire, 2)
        );
        assert!(
            matches("unordered [+OK\n  :2\n  :1]", wire, 2) && !matches("unordered [:1 :1 +OK]", wire, 2)
        );
        assert!(matches("[:1 ...]", wire, 2) && !matches("[:2 ...]", wire, 2));
        assert!(matches("unordered [:2 ...]", wire, 2) && !matches("unordered [:3 ...]", wire, 2));
    }

    #[test]
    fn texts_are_expanded() {
        let captured = Captured::from([("id".to_owned(), b"42".to_vec())]);
        assert_eq!(expand(b"<${id}${ab*2}>", &captured).unwrap(), b"<42abab>");
        assert!(expand(b"${other}", &captured).is_err());
    }
}
