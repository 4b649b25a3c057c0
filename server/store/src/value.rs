//! What a record holds, as the commands see it: kinds, encodings and string values. Values of the other kinds are in
//! [`object`](crate::Object).

/// The type of a value, as the `TYPE` command names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A binary-safe string or an integer.
    String,
    /// A sequence of strings.
    List,
    /// Distinct strings.
    Set,
    /// Distinct strings in the order of their scores.
    SortedSet,
    /// Fields and their values.
    Hash,
    /// A log of entries, with its consumer groups.
    Stream,
}

impl Kind {
    /// The name that `TYPE` replies with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// The internal representation of a value, as `OBJECT ENCODING` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// A 64-bit integer kept in the record.
    Int,
    /// A string of at most [`EMBSTR_LIMIT`] bytes that was never modified in place.
    Embstr,
    /// Any other string.
    Raw,
    /// A small list, set, sorted set or hash in one allocation.
    Listpack,
    /// A small hash in one allocation, with the expiries of its fields.
    ListpackEx,
    /// A list of listpacks.
    Quicklist,
    /// A small set of integers, sorted.
    Intset,
    /// A hash table.
    Hashtable,
    /// Elements in the order of their scores. The name is Redis's; what is behind it is a tree.
    Skiplist,
    /// A stream.
    Stream,
}

impl Encoding {
    /// The name that `OBJECT ENCODING` replies with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::ListpackEx => "listpackex",
            Encoding::Quicklist => "quicklist",
            Encoding::Intset => "intset",
            Encoding::Hashtable => "hashtable",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// Longest string that Redis calls `embstr` (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT` since Redis 3.2).
pub const EMBSTR_LIMIT: usize = 44;

/// A string value, borrowed from a record or about to be stored in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer; its string form is the decimal text without leading zeros or plus sign.
    Integer(i64),
    /// Any other bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The most compact form of `bytes`: an integer when its decimal text is exactly `bytes`, else the bytes.
    #[must_use]
    pub fn encode(bytes: &'a [u8]) -> Self {
        parse_integer(bytes).map_or(Value::Bytes(bytes), Value::Integer)
    }

    /// The value's string form; integers are written into `text`.
    #[must_use]
    pub fn as_bytes<'t>(&self, text: &'t mut IntegerText) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Value::Integer(number) => text.format(*number),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// Length in bytes of the value's string form.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a length in the sense of STRLEN, not of a collection")]
    pub fn len(&self) -> usize {
        match self {
            Value::Integer(number) => IntegerText::default().format(*number).len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }
}

/// The integer whose canonical decimal text is exactly `text`: no plus sign, no leading zero, no `-0`.
#[must_use]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits are at most 9,999,999,999,999,999,999, which a u64 holds.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Room for the decimal text of any `i64`.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntegerText {
    digits: [u8; 20],
}

impl IntegerText {
    /// Writes `number` and returns its text.
    pub fn format(&mut self, number: i64) -> &[u8] {
        let mut at = self.digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            self.digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            at -= 1;
            self.digits[at] = b'-';
        }
        &self.digits[at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_recognised_only_in_canonical_form() {
        for number in [0, 1, -1, 9, 10, 1234567890123456789, i64::MAX, i64::MIN] {
            let text = number.to_string();
            assert_eq!(parse_integer(text.as_bytes()), Some(number));
            assert_eq!(IntegerText::default().format(number), text.as_bytes());
            assert_eq!(Value::Integer(number).len(), text.len());
        }
        for text in
            ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809"]
        {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_integer(b"99999999999999999999"), None);
    }
}
