//! Ranges of a sorted set: by rank, by score, by member. Each becomes a range of ranks.

use crate::commands::float::parse_decimal;
use crate::commands::{Args, Error};
use boxcar_store::{Composite, SortedSet};
use std::cmp::Ordering;
use std::ops::Range;

/// Ranks from `start` to `stop`, both included and, when negative, counted from the end.
pub(super) fn ranks(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let start = from_front(start).max(0);
    let stop = from_front(stop).min(len - 1);
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// Scores between two bounds.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct ScoreRange {
    pub min: f64,
    pub max: f64,
    /// Without the lower bound itself.
    pub above_min: bool,
    /// Without the upper bound itself.
    pub below_max: bool,
}

impl ScoreRange {
    /// The range between arguments `min` and `max`.
    ///
    /// # Errors
    /// `ERR min or max is not a float`.
    pub(super) fn parse(args: Args<'_>, min: usize, max: usize) -> Result<Self, Error> {
        let bound = |i| score_bound(args.at(i)).ok_or(const { Error::text("ERR min or max is not a float") });
        let ((min, above_min), (max, below_max)) = (bound(min)?, bound(max)?);
        Ok(Self { min, max, above_min, below_max })
    }

    /// The ranks of the members with these scores.
    pub(in crate::commands) fn ranks(self, set: &SortedSet) -> Range<usize> {
        let start =
            set.partition_point(|score, _| if self.above_min { score <= self.min } else { score < self.min });
        let end =
            set.partition_point(|score, _| if self.below_max { score < self.max } else { score <= self.max });
        start..end.max(start)
    }
}

/// A number, and whether a parenthesis excludes it.
fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    let (text, open) = match text {
        [b'(', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    Some((parse_decimal(text)?, open))
}

/// An end of a range of members.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LexBound<'a> {
    /// `-`: before all members.
    First,
    /// `+`: behind all members.
    Last,
    /// `[member`
    At(&'a [u8]),
    /// `(member`
    Beside(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            [b'-'] | [b'-', 0, ..] => Some(Self::First),
            [b'+'] | [b'+', 0, ..] => Some(Self::Last),
            [b'[', member @ ..] => Some(Self::At(member)),
            [b'(', member @ ..] => Some(Self::Beside(member)),
            _ => None,
        }
    }

    /// Where a member stands to the bound.
    fn compare(self, member: &[u8]) -> Ordering {
        match self {
            Self::First => Ordering::Greater,
            Self::Last => Ordering::Less,
            Self::At(bound) | Self::Beside(bound) => member.cmp(bound),
        }
    }
}

/// Members between two bounds, in a set whose scores are all the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct LexRange<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// The range between arguments `min` and `max`.
    ///
    /// # Errors
    /// `ERR min or max not valid string range item`.
    pub(super) fn parse(args: Args<'a>, min: usize, max: usize) -> Result<Self, Error> {
        let bound = |i| {
            LexBound::parse(args.at(i))
                .ok_or(const { Error::text("ERR min or max not valid string range item") })
        };
        Ok(Self { min: bound(min)?, max: bound(max)? })
    }

    /// The ranks of these members.
    pub(super) fn ranks(self, set: &SortedSet) -> Range<usize> {
        let start = set.partition_point(|_, member| match self.min.compare(member) {
            Ordering::Less => true,
            Ordering::Equal => matches!(self.min, LexBound::Beside(_)),
            Ordering::Greater => false,
        });
        let end = set.partition_point(|_, member| match self.max.compare(member) {
            Ordering::Less => true,
            Ordering::Equal => matches!(self.max, LexBound::At(_)),
            Ordering::Greater => false,
        });
        start..end.max(start)
    }
}

/// One of the three kinds of range.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds<'a> {
    Ranks { start: i64, stop: i64 },
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl Bounds<'_> {
    /// The ranks that the range stands for; those of a range by rank are counted from the end when `reverse`.
    pub(super) fn ranks(self, set: &SortedSet, reverse: bool) -> Range<usize> {
        match self {
            Self::Ranks { start, stop } => {
                let (len, ranks) = (set.len(), ranks(start, stop, set.len()));
                if reverse { len - ranks.end..len - ranks.start } else { ranks }
            }
            Self::Scores(range) => range.ranks(set),
            Self::Members(range) => range.ranks(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_either_end() {
        for (start, stop, range) in [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 2, 0..0),
            (5, 9, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(ranks(start, stop, 5), range, "{start} {stop}");
        }
        assert_eq!(ranks(0, -1, 0), 0..0);
    }

    #[test]
    fn score_bounds() {
        for (text, bound) in [
            ("1", Some((1.0, false))),
            ("(1", Some((1.0, true))),
            ("-inf", Some((f64::NEG_INFINITY, false))),
            ("(+inf", Some((f64::INFINITY, true))),
            ("", Some((0.0, false))),
            ("(", Some((0.0, true))),
            (" 1", None),
            ("0x1", None),
            ("1\0x", Some((1.0, false))),
            ("1e999", Some((f64::INFINITY, false))),
            ("1 ", None),
            (" ", None),
            ("nan", None),
            ("[1", None),
        ] {
            assert_eq!(score_bound(text.as_bytes()), bound, "{text:?}");
        }
    }

    #[test]
    fn lexical_bounds() {
        assert_eq!(LexBound::parse(b"-"), Some(LexBound::First));
        assert_eq!(LexBound::parse(b"+"), Some(LexBound::Last));
        assert_eq!(LexBound::parse(b"["), Some(LexBound::At(b"")));
        assert_eq!(LexBound::parse(b"(a"), Some(LexBound::Beside(b"a")));
        for text in ["", "a", "-a", "++", " [a"] {
            assert_eq!(LexBound::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
