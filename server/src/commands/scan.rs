//! What HSCAN and SSCAN have in common.

use super::generic::walk::parse_cursor;
use super::{Args, Error};
use crate::config::glob::{self, Case};
use boxcar_resp::Reply;

/// Default of COUNT.
const COUNT: usize = 10;

/// MATCH, COUNT and NOVALUES.
pub struct ScanOptions<'a> {
    /// `None` for all: `*` matches the empty element, too, which the pattern as such does not.
    pattern: Option<&'a [u8]>,
    /// About so many elements are visited.
    pub count: usize,
    /// Whether the values of fields are wanted.
    pub values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options from argument 3 on.
    ///
    /// # Errors
    /// A syntax error, a COUNT that is no integer, or NOVALUES where there are `no_values` anyway.
    pub fn parse(args: Args<'a>, no_values: bool) -> Result<Self, Error> {
        let mut options = Self { pattern: None, count: COUNT, values: !no_values };
        let mut i = 3;
        while i < args.len() {
            if args.is(i, "NOVALUES") {
                if no_values {
                    return Err(Error::text("ERR NOVALUES option can only be used in HSCAN"));
                }
                options.values = false;
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
        Ok(options)
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
