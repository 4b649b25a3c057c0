//! The small form: a listpack of members, each followed by its score, in their order.

use core::cmp::Ordering;
use core::ops::Range;

use super::element::{Probe, order_of};
use crate::listpack::{self, Cursor, Listpack};
use crate::value::{IntegerText, Value};

/// Listpack elements of one member.
const PAIR: usize = 2;

/// Bytes that a pair takes at most beside those of the member: what leads over both elements, and the score's text.
pub(super) const PAIR_OVERHEAD: usize = 11 + 11 + 32;

/// The largest magnitude that Redis writes as an integer.
const INTEGER_BOUND: f64 = 4_611_686_018_427_387_904.0;

/// Room for the text of a score.
#[derive(Default)]
struct ScoreText(String);

impl ScoreText {
    /// How a score stands in a listpack: whole ones as integers, others in the fewest decimal digits, written as Redis does
    /// (`fpconv_dtoa`).
    fn value(&mut self, score: f64) -> Value<'_> {
        use core::fmt::Write as _;
        if score.abs() <= INTEGER_BOUND && score.trunc() == score {
            return Value::Integer(score as i64);
        }
        self.0.clear();
        if score.is_infinite() {
            write!(self.0, "{score}").expect("a String takes all text");
        } else {
            self.write_finite(score);
        }
        Value::Bytes(self.0.as_bytes())
    }
}

/// Zeros behind the digits of a whole number, at most so many, are written out.
const ZEROS_WRITTEN: usize = 7;

impl ScoreText {
    fn write_finite(&mut self, score: f64) {
        use core::fmt::Write as _;
        let text = format!("{:e}", score.abs());
        let (mantissa, exponent) = text.split_once('e').expect("it is written with an exponent");
        let exponent: i32 = exponent.parse().expect("an exponent is an integer");
        let digits = mantissa.replace('.', "");
        // The number is the digits times ten to this power.
        let power = exponent + 1 - digits.len() as i32;
        let magnitude = exponent.unsigned_abs() as usize;
        if score.is_sign_negative() {
            self.0.push('-');
        }
        if power >= 0 && magnitude < digits.len() + ZEROS_WRITTEN {
            self.0.push_str(&digits);
            self.0.extend(core::iter::repeat_n('0', power as usize));
        } else if power < 0 && (power > -7 || magnitude < 4) {
            let places = power.unsigned_abs() as usize;
            match digits.len().checked_sub(places).filter(|&whole| whole > 0) {
                Some(whole) => self.0.extend([&digits[..whole], ".", &digits[whole..]]),
                None => {
                    self.0.push_str("0.");
                    self.0.extend(core::iter::repeat_n('0', places - digits.len()));
                    self.0.push_str(&digits);
                }
            }
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            let point = if digits.len() > 1 { "." } else { "" };
            let written = write!(self.0, "{}{point}{}e{sign}{magnitude}", &digits[..1], &digits[1..]);
            written.expect("a String takes all text");
        }
    }
}

/// The number that a listpack element is as a score.
fn parse_score(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(number as f64),
        Value::Bytes(text) => {
            let score: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
            (!score.is_nan()).then_some(score)
        }
    }
}

fn score_of(value: Value<'_>) -> f64 {
    parse_score(value).expect("every second element of a sorted set's listpack is a score")
}

fn compare(member: Value<'_>, score: f64, probe: Probe<'_>) -> Ordering {
    let mut text = IntegerText::default();
    order_of(score).cmp(&probe.order).then_with(|| member.as_bytes(&mut text).cmp(probe.member))
}

/// Whether a listpack is the small form of a sorted set: pairs in strictly ascending order with distinct members.
pub(super) fn is_sound(listpack: &Listpack) -> bool {
    let mut members = std::collections::HashSet::new();
    let mut before: Option<(Vec<u8>, f64)> = None;
    let mut elements = listpack.iter();
    while let Some(member) = elements.next() {
        let Some(score) = elements.next().and_then(parse_score) else { return false };
        let mut text = IntegerText::default();
        let bytes = member.as_bytes(&mut text).to_vec();
        let ascending = before
            .as_ref()
            .is_none_or(|(last, last_score)| compare(member, score, Probe::new(*last_score, last)).is_gt());
        if !ascending || !members.insert(bytes.clone()) {
            return false;
        }
        before = Some((bytes, score));
    }
    true
}

/// Members and scores of a listpack that may have something else: `None` for what is no pair.
pub(super) fn checked_pairs(listpack: &Listpack) -> impl Iterator<Item = Option<(Value<'_>, f64)>> {
    let mut elements = listpack.iter();
    core::iter::from_fn(move || {
        let member = elements.next()?;
        Some(elements.next().and_then(parse_score).map(|score| (member, score)))
    })
}

/// Where a member is, and its score.
pub(super) fn find(listpack: &Listpack, member: &[u8]) -> Option<(Cursor, f64)> {
    let at = listpack.find(Value::encode(member), listpack.first()?, PAIR - 1)?;
    let score = listpack.next(at).expect("a score follows each member");
    Some((at, score_of(listpack.get(score))))
}

/// A member's rank and score.
pub(super) fn rank(listpack: &Listpack, member: &[u8]) -> Option<(usize, f64)> {
    let (found, score) = find(listpack, member)?;
    let rank = pairs(listpack).position_of(found);
    Some((rank, score))
}

/// Inserts a member that is not there yet.
pub(super) fn insert(listpack: &mut Listpack, member: &[u8], score: f64) {
    let mut text = ScoreText::default();
    let (member_value, score_value) = (Value::encode(member), text.value(score));
    // Through what is written, so that -0 stands among the zeros.
    let probe = Probe::new(score, member);
    let mut pairs = pairs(listpack);
    let before = loop {
        let here = pairs.0.cursor();
        match pairs.next() {
            Some((other, other_score)) if compare(other, other_score, probe).is_lt() => {}
            Some(_) => break here,
            None => break None,
        }
    };
    match before {
        None => listpack.append(&[member_value, score_value]),
        Some(at) => {
            let at = listpack.insert_before(at, member_value);
            listpack.insert_after(at, score_value);
        }
    }
}

/// Removes the member at a cursor together with its score.
pub(super) fn remove(listpack: &mut Listpack, at: Cursor) {
    listpack.remove_many(at, PAIR);
}

/// Removes the members of these ranks.
pub(super) fn remove_run(listpack: &mut Listpack, ranks: Range<usize>) {
    listpack.remove_range((ranks.start * PAIR) as i64, ranks.len() * PAIR);
}

/// How many members stand before the first one for which `before` is false.
pub(super) fn partition_point(listpack: &Listpack, before: impl Fn(f64, &[u8]) -> bool) -> usize {
    let mut text = IntegerText::default();
    pairs(listpack).take_while(|(member, score)| before(*score, member.as_bytes(&mut text))).count()
}

/// All members and scores.
pub(super) fn pairs(listpack: &Listpack) -> Pairs<'_> {
    Pairs(listpack.iter())
}

/// The members and scores of these ranks, which exist. Without any rank what comes is not meant to be looked at.
pub(super) fn run(listpack: &Listpack, ranks: Range<usize>) -> Pairs<'_> {
    let behind = listpack.len() / PAIR - ranks.end;
    let mut elements = match listpack.seek((ranks.start * PAIR) as i64) {
        Some(at) => listpack.iter_from(at),
        None => listpack.iter(),
    };
    if behind > 0 {
        elements.nth_back(behind * PAIR - 1);
    }
    Pairs(elements)
}

/// Members and scores, from both ends.
pub(super) struct Pairs<'a>(listpack::Iter<'a>);

impl Pairs<'_> {
    /// How many pairs stand before the one of a cursor.
    fn position_of(mut self, member: Cursor) -> usize {
        let mut position = 0;
        while self.0.cursor().is_some_and(|here| here < member) {
            self.0.nth(PAIR - 1);
            position += 1;
        }
        position
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Value<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?;
        Some((member, score_of(self.0.next().expect("a score follows each member"))))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = score_of(self.0.next_back()?);
        Some((self.0.next_back().expect("a member precedes each score"), score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_written_as_redis_writes_them() {
        for (score, text) in [
            (0.1, "0.1"),
            (2.5, "2.5"),
            (-123_456_789.125, "-123456789.125"),
            (-1e20, "-1e+20"),
            (1.234_567_890_123_456e22, "12345678901234560000000"),
            (1e-7, "1e-7"),
            (0.000_012_34, "1.234e-5"),
            (0.000_123, "0.000123"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut written = ScoreText::default();
            assert_eq!(written.value(score), Value::Bytes(text.as_bytes()));
            assert_eq!(parse_score(Value::Bytes(text.as_bytes())), Some(score));
        }
    }
}
