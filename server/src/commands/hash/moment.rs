//! The moments that the commands for field expiries are given.

use crate::commands::args::parse_integer;
use crate::commands::{Cx, Error};

/// The latest moment, in Unix milliseconds: some 2,200 years after the epoch, as in Redis.
const LATEST_MS: i64 = (1 << 46) - 1;

/// What a moment is counted in, and from when on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Seconds from now.
    SecondsFromNow,
    /// Milliseconds from now.
    MillisFromNow,
    /// Unix seconds.
    UnixSeconds,
    /// Unix milliseconds.
    UnixMillis,
}

impl Clock {
    pub(super) fn is_seconds(self) -> bool {
        matches!(self, Self::SecondsFromNow | Self::UnixSeconds)
    }

    /// What is 0 on this clock, in Unix milliseconds.
    pub(super) fn origin_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::SecondsFromNow | Self::MillisFromNow => now_ms,
            Self::UnixSeconds | Self::UnixMillis => 0,
        }
    }

    /// The moment that a text says, in Unix milliseconds.
    pub(super) fn parse(self, text: &[u8], cx: &Cx<'_, '_>) -> Result<i64, Error> {
        let number = parse_integer(text).ok_or(Error::NotInteger)?;
        if number < 0 {
            return Err(Error::text("ERR invalid expire time, must be >= 0"));
        }
        let millis = if self.is_seconds() { number.checked_mul(1000) } else { Some(number) };
        let latest = LATEST_MS - self.origin_ms(cx.keys.now_ms);
        match millis {
            Some(millis) if millis <= latest => Ok(millis + self.origin_ms(cx.keys.now_ms)),
            _ => Err(format!("ERR invalid expire time in '{}' command", cx.command.name).into()),
        }
    }

    /// What EX, PX, EXAT and PXAT mean.
    pub(super) fn of_option(word: &[u8]) -> Option<Self> {
        [
            ("EX", Self::SecondsFromNow),
            ("PX", Self::MillisFromNow),
            ("EXAT", Self::UnixSeconds),
            ("PXAT", Self::UnixMillis),
        ]
        .into_iter()
        .find_map(|(option, clock)| word.eq_ignore_ascii_case(option.as_bytes()).then_some(clock))
    }
}
