//! What a handler may answer instead of a reply, in Redis's own words.

use std::borrow::Cow;

/// An error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The key holds another type.
    WrongType,
    /// `ERR syntax error`.
    Syntax,
    /// An argument or value is no 64-bit integer.
    NotInteger,
    /// An argument or value is no float.
    NotFloat,
    /// `ERR no such key`.
    NoSuchKey,
    /// `ERR index out of range`.
    IndexOutOfRange,
    /// An arithmetic result does not fit.
    Overflow,
    /// Subcommand known, but called with the wrong number of arguments; the full name (`client|kill`).
    WrongArity(String),
    /// Any other text, code first (`ERR ...`).
    Text(Cow<'static, str>),
    /// A text that quotes arguments and so may not be UTF-8.
    Bytes(Vec<u8>),
    /// No error: the command has come to nothing yet, and is executed again. What it has done so far lies in the
    /// session ([`crate::clients::session::Walk`]). Never inside a transaction.
    Again(Again),
}

/// When a command is to be executed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// When this shard, which another thread holds, is free.
    WhenFree(u32),
    /// When the thread's other connections have had their turn.
    InTurn,
}

/// What a handler returns: its reply is in the context, or an error takes its place.
pub type CommandResult = Result<(), Error>;

impl Error {
    /// A constant text, code first.
    pub const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// As much of an argument as an error quotes: Redis prints it as a C string, which ends at a NUL byte.
    pub fn quotable(argument: &[u8]) -> &[u8] {
        argument.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The whole line after the dash.
    pub fn message(&self) -> Cow<'_, [u8]> {
        let text = match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::Syntax => "ERR syntax error",
            Self::NotInteger => "ERR value is not an integer or out of range",
            Self::NotFloat => "ERR value is not a valid float",
            Self::NoSuchKey => "ERR no such key",
            Self::IndexOutOfRange => "ERR index out of range",
            Self::Overflow => "ERR increment or decrement would overflow",
            Self::WrongArity(name) => {
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return Cow::Owned(text.into_bytes());
            }
            Self::Text(text) => text,
            Self::Bytes(bytes) => return Cow::Borrowed(bytes),
            Self::Again(_) => unreachable!("a command that is executed again has no reply"),
        };
        Cow::Borrowed(text.as_bytes())
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}
