//! How long a blocking command waits.

use crate::commands::args::parse_integer;
use crate::commands::string::Extended;
use crate::commands::{Args, Error};
use boxcar_sys::clock::wall_ms;

/// A time limit; zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout {
    millis: u64,
}

const NEGATIVE: Error = Error::text("ERR timeout is negative");
const OUT_OF_RANGE: Error = Error::text("ERR timeout is out of range");

impl Timeout {
    /// Argument `i` in seconds, which may have a fraction; rounded up to milliseconds.
    ///
    /// # Errors
    /// In Redis's words when it is not a number, negative, or beyond the end of time.
    pub fn seconds(args: Args<'_>, i: usize) -> Result<Self, Error> {
        // Mostly it is a whole number.
        let whole = parse_integer(args.at(i)).and_then(|seconds| seconds.checked_mul(1000));
        let millis = match whole {
            Some(millis) => millis,
            None => Extended::parse(args.at(i))
                .ok_or(Error::text("ERR timeout is not a float or out of range"))?
                .times(1000)
                .ceil(),
        };
        Self::checked(millis)
    }

    /// Argument `i` in milliseconds.
    ///
    /// # Errors
    /// In Redis's words when it is not an integer, negative, or beyond the end of time.
    pub fn milliseconds(args: Args<'_>, i: usize) -> Result<Self, Error> {
        let millis =
            parse_integer(args.at(i)).ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
        Self::checked(millis)
    }

    fn checked(millis: i64) -> Result<Self, Error> {
        let millis_unsigned = u64::try_from(millis).map_err(|_| NEGATIVE)?;
        // Redis refuses a moment that its clock cannot name.
        if millis.checked_add(wall_ms()).is_none() {
            return Err(OUT_OF_RANGE);
        }
        Ok(Self { millis: millis_unsigned })
    }

    /// Milliseconds; `None` for ever.
    pub fn millis(self) -> Option<u64> {
        (self.millis != 0).then_some(self.millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_resp::Span;

    fn parse(text: &str, how: fn(Args<'_>, usize) -> Result<Timeout, Error>) -> Result<Option<u64>, String> {
        let spans = [Span { start: 0, len: text.len() as u32 }];
        let timeout = how(Args::new(text.as_bytes(), &spans), 0);
        timeout.map(Timeout::millis).map_err(|error| String::from_utf8_lossy(&error.message()).into_owned())
    }

    #[test]
    fn seconds_are_read_as_redis_reads_them() {
        let not_a_float = Err("ERR timeout is not a float or out of range");
        let (negative, out_of_range) = (Err("ERR timeout is negative"), Err("ERR timeout is out of range"));
        for (text, expected) in [
            ("0", Ok(None)),
            ("0.0", Ok(None)),
            ("1", Ok(Some(1000))),
            ("0.001", Ok(Some(1))),
            ("0.0001", Ok(Some(1))),
            ("0x1", Ok(Some(1000))),
            ("-1", negative),
            ("-0.5", negative),
            ("-inf", negative),
            ("inf", out_of_range),
            ("1e100", out_of_range),
            ("9223372036854775", out_of_range),
            ("nan", not_a_float),
            (" 1", not_a_float),
            ("", not_a_float),
            ("one", not_a_float),
        ] {
            assert_eq!(parse(text, Timeout::seconds), expected.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn milliseconds_are_integers() {
        assert_eq!(parse("0", Timeout::milliseconds), Ok(None));
        assert_eq!(parse("15", Timeout::milliseconds), Ok(Some(15)));
        assert!(parse("1.5", Timeout::milliseconds).unwrap_err().contains("not an integer"));
        assert!(parse("-1", Timeout::milliseconds).unwrap_err().contains("negative"));
        assert!(
            parse("9223372036854775807", Timeout::milliseconds).unwrap_err().ends_with("is out of range")
        );
    }
}
