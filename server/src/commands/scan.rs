//! What HSCAN and SSCAN have in common.

use super::generic::walk::parse_cursor;
use super::{Args, Error};
use crate::config::glob::{self, Case};
use boxcar_resp::Reply;

/// Default of COUNT.
const COUNT: usize = 10;

/// MATCH and COUNT.
pub struct ScanOptions<'a> {
    /// `None` for all: `*` matches the empty element, too, which the pattern as such does not.
    pattern: Option<&'a [u8]>,
    /// About so many elements are visited.
    pub count: usize,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options from argument `first` on; the second result is false when the word `without`, if any, was
    /// among them.
    ///
    /// # Errors
    /// A syntax error, or a COUNT that is no integer.
    pub fn parse(args: Args<'a>, first: usize, without: Option<&str>) -> Result<(Self, bool), Error> {
        let mut options = Self { pattern: None, count: COUNT };
        let mut with = true;
        let mut i = first;
        while i < args.len() {
            if without.is_some_and(|word| args.is(i, word)) {
                with = false;
                i += 1;
                continue;
            }
            let value = args.get(i + 1).ok_or(Error::Syntax)?;
            if args.is(i, "MATCH") {
                options.pattern = (value != b"*").then_some(value);
            } else if args.is(i, "COUNT") {
                let number = args.integer(i + 1)?;
                options.count =
                    usize::try_from(number).ok().filter(|&count| count > 0).ok_or(Error::Syntax)?;
            } else {
                return Err(Error::Syntax);
            }
            i += 2;
        }
        Ok((options, with))
    }

    /// Whether an element is wanted.
    pub fn admits(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, element, Case::Sensitive))
    }
}

/// The cursor that a text says.
///
/// # Errors
/// When it says none.
pub fn cursor(text: &[u8]) -> Result<u64, Error> {
    parse_cursor(text).ok_or(const { Error::text("ERR invalid cursor") })
}

/// The reply: where to go on, and the `count` values that are in `found`.
pub fn write(reply: &mut Reply, next: u64, count: usize, found: &Reply) {
    reply.array(2);
    reply.bulk_integer(next.cast_signed());
    reply.array(count);
    reply.raw(found.as_bytes());
}

/// The reply for a key that does not exist.
pub fn write_nothing(reply: &mut Reply) {
    reply.array(2);
    reply.bulk_integer(0);
    reply.array(0);
}
