//! A decoded reply.

/// A reply of either protocol version. The two nulls of RESP2 and the one of RESP3 are all [`Value::Null`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`: a status.
    Simple(Vec<u8>),
    /// `-`, or `!` in RESP3: an error, its whole text from the code on.
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`: a string of any bytes.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, or `_`
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `,`
    Double(f64),
    /// `#`
    Boolean(bool),
    /// `(`: a decimal integer of any size.
    BigNumber(Vec<u8>),
    /// `=`: text and its kind, `txt` or `mkd`.
    Verbatim {
        /// The three characters that say how the text is to be shown.
        extension: [u8; 3],
        /// The text.
        text: Vec<u8>,
    },
    /// `%`: pairs in the order they came; keys may repeat.
    Map(Vec<(Value, Value)>),
    /// `~`: members in the order they came.
    Set(Vec<Value>),
    /// `>`: a message that answers no command.
    Push(Vec<Value>),
    /// `|`: a value with attributes, which a client may ignore.
    Attributed {
        /// Facts about the value.
        attributes: Vec<(Value, Value)>,
        /// The value itself.
        value: Box<Value>,
    },
}

impl Value {
    /// The bytes of a string of any kind, or the text of an error.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) | Value::Error(bytes) | Value::BigNumber(bytes) => {
                Some(bytes)
            }
            Value::Verbatim { text, .. } => Some(text),
            Value::Attributed { value, .. } => value.as_bytes(),
            _ => None,
        }
    }

    /// The number, if this is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Attributed { value, .. } => value.as_integer(),
            _ => None,
        }
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        match self {
            Value::Error(_) => true,
            Value::Attributed { value, .. } => value.is_error(),
            _ => false,
        }
    }
}
