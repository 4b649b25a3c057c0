//! Values: from text to value with Redis's own error texts, and back.

use std::fmt::Write as _;
use std::sync::Arc;

use super::row::{Default, Kind, Row};

/// A directive's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Numbers, bytes, switches (0 and 1), choices. A percentage is held as its negative.
    Number(i64),
    /// One text.
    Text(Arc<str>),
    /// Several words in the canonical form of the directive's rule.
    Words(Arc<[Arc<str>]>),
}

impl Value {
    pub(super) fn default_of(row: &Row) -> Value {
        match row.default {
            Default::Number(number) => Value::Number(number),
            Default::Text(text) => Value::Text(text.into()),
            Default::Words(words) => Value::words(words),
        }
    }

    pub(super) fn words<S: AsRef<str>>(words: &[S]) -> Value {
        Value::Words(words.iter().map(|word| Arc::from(word.as_ref())).collect())
    }

    /// Parses `given`, the arguments after the directive's name. `current` is what the rule of a list may
    /// build upon. The error is Redis's text for what is wrong.
    pub(super) fn parse(row: &Row, current: &[Arc<str>], given: &[&str]) -> Result<Value, String> {
        if let Kind::Words(rule) = row.kind {
            return (rule.parse)(current, given).map(|words| Value::words(&words));
        }
        let [text] = given else { return Err("wrong number of arguments".into()) };
        match row.kind {
            Kind::Text(check) => check(text).map(|()| Value::Text(Arc::from(*text))),
            kind => parse_number(kind, text).map(Value::Number),
        }
    }

    /// The value as `CONFIG GET` reports it.
    pub(super) fn render(&self, row: &Row) -> String {
        match self {
            Value::Number(number) => render_number(row.kind, *number),
            Value::Text(text) => text.to_string(),
            Value::Words(words) => words.join(" "),
        }
    }
}

fn parse_number(kind: Kind, text: &str) -> Result<i64, String> {
    const NOT_AN_INTEGER: &str = "argument couldn't be parsed into an integer";
    match kind {
        Kind::Number { min, max } => {
            within(min, max, parse_decimal(text).ok_or(NOT_AN_INTEGER)?).map_err(between_decimal)
        }
        Kind::Hint { min, max } => {
            let number = parse_decimal(text).ok_or(NOT_AN_INTEGER)?;
            within(0, i64::from(i32::MAX), number).map_err(between_decimal).map(|n| n.clamp(min, max))
        }
        Kind::PowerOfTwo { min, max } => {
            let number = parse_decimal(text).ok_or(NOT_AN_INTEGER)?;
            let number = within(min, max, number).map_err(between_decimal)?;
            if number.count_ones() == 1 { Ok(number) } else { Err("argument must be a power of two".into()) }
        }
        Kind::Octal { max } => {
            let number = i64::from_str_radix(text, 8)
                .map_err(|_| "argument couldn't be parsed as an octal number".to_string())?;
            within(0, max, number)
                .map_err(|(min, max)| format!("argument must be between {min:o} and {max:o} inclusive"))
        }
        Kind::Memory { min, max } => {
            let bytes = parse_memory(text).ok_or("argument must be a memory value")?;
            within(min, max, bytes).map_err(between_decimal)
        }
        Kind::MemoryOrPercent => parse_share(text),
        Kind::Switch => match text {
            _ if text.eq_ignore_ascii_case("yes") => Ok(1),
            _ if text.eq_ignore_ascii_case("no") => Ok(0),
            _ => Err("argument must be 'yes' or 'no'".into()),
        },
        Kind::Choice(names) => {
            let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            found.map(|(_, number)| i64::from(*number)).ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                one_of(&names)
            })
        }
        Kind::Text(_) | Kind::Words(_) => unreachable!("texts and words are not numbers"),
    }
}

/// Redis's text for a value that is none of `names`.
pub(super) fn one_of(names: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn within(min: i64, max: i64, number: i64) -> Result<i64, (i64, i64)> {
    if (min..=max).contains(&number) { Ok(number) } else { Err((min, max)) }
}

fn between_decimal((min, max): (i64, i64)) -> String {
    format!("argument must be between {min} and {max} inclusive")
}

fn parse_share(text: &str) -> Result<i64, String> {
    if let Some(bytes) = parse_memory(text) {
        return Ok(bytes);
    }
    match text.strip_suffix('%').and_then(parse_decimal) {
        Some(percent @ 0..=100) => Ok(-percent),
        Some(101..) => Err("percentage argument must be less or equal to 100".into()),
        _ => Err("argument must be a memory or percent value".into()),
    }
}

/// Redis's strict decimal: an optional minus, no plus, no leading zeros, no spaces, within 64 bits.
fn parse_decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// Bytes with an optional unit. As in Redis, no digits at all mean 0; a value beyond 63 bits is held at the
/// largest.
pub fn parse_memory(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let number: i64 = if number.is_empty() { 0 } else { number.parse().unwrap_or(i64::MAX) };
    Some(number.saturating_mul(factor))
}

fn render_number(kind: Kind, number: i64) -> String {
    match kind {
        Kind::Octal { .. } => format!("{number:o}"),
        Kind::MemoryOrPercent if number < 0 => format!("{}%", -number),
        Kind::Switch => if number == 0 { "no" } else { "yes" }.into(),
        Kind::Choice(names) => {
            let name = names.iter().find(|(_, n)| i64::from(*n) == number);
            name.expect("a choice holds one of its numbers").0.into()
        }
        _ => number.to_string(),
    }
}

/// Bytes as `CONFIG REWRITE` writes them: in the largest unit that leaves no remainder.
pub(super) fn render_memory(bytes: i64) -> String {
    let mut text = String::new();
    let (number, unit) = match bytes {
        0 => (0, ""),
        _ if bytes % (1 << 30) == 0 => (bytes >> 30, "gb"),
        _ if bytes % (1 << 20) == 0 => (bytes >> 20, "mb"),
        _ if bytes % (1 << 10) == 0 => (bytes >> 10, "kb"),
        _ => (bytes, ""),
    };
    write!(text, "{number}{unit}").expect("writing to a String does not fail");
    text
}
