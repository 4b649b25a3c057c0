//! One member with its score: a record whose key is the member and whose integer is the score's bits. The tree owns
//! it, the index refers to it.

use core::cmp::Ordering;

use crate::record::RawRecord;
#[cfg(feature = "jemalloc")]
use crate::table::Keyed;
use crate::value::Value;

/// A member and its score, owned.
pub(super) struct Element(RawRecord);

// SAFETY: an element owns its record, which holds plain bytes.
unsafe impl Send for Element {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Element {}

impl Element {
    /// # Panics
    /// When `score` is not a number, which has no place in an order.
    pub(super) fn new(score: f64, member: &[u8]) -> Self {
        Self(RawRecord::new(member, Self::value(score), None, 0, 0))
    }

    fn value(score: f64) -> Value<'static> {
        assert!(!score.is_nan(), "a score is a number");
        Value::Integer(score.to_bits() as i64)
    }

    /// Bytes of memory that the element occupies.
    pub(super) fn memory(&self) -> usize {
        // SAFETY: the record is alive while the element is borrowed.
        unsafe { self.0.memory() }
    }

    /// Moves the record; whoever knows its address has to learn the new one.
    #[cfg(feature = "jemalloc")]
    pub(super) fn relocate(&mut self, mover: &mut crate::defrag::Mover) {
        // SAFETY: the element owns the record and is exclusively borrowed.
        self.0 = unsafe { self.0.relocate(mover) };
    }

    /// The record, for who knows that it is alive.
    #[inline]
    pub(super) fn record(&self) -> RawRecord {
        self.0
    }

    #[inline]
    pub(super) fn score(&self) -> f64 {
        // SAFETY: the record is alive, and not written, while the element is borrowed.
        unsafe { score_of(self.0) }
    }

    pub(super) fn set_score(&mut self, score: f64) {
        // SAFETY: the element is exclusively borrowed, and nothing of the record is.
        let written = unsafe { self.0.overwrite(Self::value(score), 0) };
        assert!(written, "an element's record holds an integer");
    }

    #[inline]
    pub(super) fn member(&self) -> &[u8] {
        // SAFETY: the record is alive, and not written, while the element is borrowed.
        unsafe { self.0.key() }
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        // SAFETY: the element owns the record.
        unsafe { self.0.free() }
    }
}

/// The score in an element's record.
///
/// # Safety
/// The record is alive and not being written.
#[inline]
pub(super) unsafe fn score_of(record: RawRecord) -> f64 {
    // SAFETY: as the caller vouches.
    match unsafe { record.value() } {
        Value::Integer(bits) => f64::from_bits(bits as u64),
        Value::Bytes(_) => unreachable!("an element's record holds an integer"),
    }
}

/// A score as an integer with the same order; both zeros are one.
#[inline]
pub(super) fn order_of(score: f64) -> u64 {
    // Adding zero makes -0 positive and changes nothing else.
    let bits = (score + 0.0).to_bits();
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

/// A place in the order of a sorted set: by score, then by the member's bytes.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) order: u64,
    pub(super) member: &'a [u8],
}

impl<'a> Probe<'a> {
    pub(super) fn new(score: f64, member: &'a [u8]) -> Self {
        Self { order: order_of(score), member }
    }
}

/// An element in a leaf, with its score where a search sees it without following the pointer.
pub(super) struct Entry {
    order: u64,
    pub(super) element: Element,
}

impl Entry {
    pub(super) fn new(element: Element) -> Self {
        Self { order: order_of(element.score()), element }
    }

    /// Changes the score of an entry that stays where it is in the order.
    pub(super) fn set_score(&mut self, score: f64) {
        self.element.set_score(score);
        self.order = order_of(score);
    }

    #[inline]
    pub(super) fn cmp(&self, probe: Probe<'_>) -> Ordering {
        self.order.cmp(&probe.order).then_with(|| self.element.member().cmp(probe.member))
    }

    #[inline]
    pub(super) fn probe(&self) -> Probe<'_> {
        Probe { order: self.order, member: self.element.member() }
    }

    pub(super) fn bound(&self) -> Bound {
        Bound { order: self.order, record: self.element.record() }
    }
}

/// The first entry of a subtree, as the node above remembers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    order: u64,
    record: RawRecord,
}

// SAFETY: an address; whoever reads through it vouches that the record is alive.
unsafe impl Send for Bound {}
// SAFETY: as for Send.
unsafe impl Sync for Bound {}

impl Bound {
    /// # Safety
    /// The entry is alive and nobody writes it.
    #[inline]
    pub(super) unsafe fn cmp(self, probe: Probe<'_>) -> Ordering {
        // SAFETY: as the caller vouches.
        self.order.cmp(&probe.order).then_with(|| unsafe { self.record.key() }.cmp(probe.member))
    }

    /// # Safety
    /// As for [`Bound::cmp`].
    #[inline]
    pub(super) unsafe fn view<'a>(self) -> (f64, &'a [u8]) {
        // SAFETY: as the caller vouches.
        unsafe { (score_of(self.record), self.record.key()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_members_of_every_length() {
        for len in [0, 1, 16, 254, 255, 256, 70_000] {
            let member = vec![b'x'; len];
            let mut element = Element::new(1.5, &member);
            assert_eq!((element.member(), element.score()), (member.as_slice(), 1.5));
            element.set_score(-2.0);
            assert_eq!((element.member(), element.score()), (member.as_slice(), -2.0));
            assert!(element.memory() >= len + 16);
        }
        assert_eq!(Element::new(0.0, &[0; 16]).memory(), 32);
    }

    #[test]
    fn the_order_of_scores_is_that_of_the_integers() {
        let scores =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -1.0, -f64::MIN_POSITIVE, 0.0, 5e-324, 1.0, f64::MAX];
        for pair in scores.windows(2) {
            assert!(order_of(pair[0]) < order_of(pair[1]), "{pair:?}");
        }
        assert_eq!(order_of(-0.0), order_of(0.0));
        assert!(order_of(f64::INFINITY) > order_of(f64::MAX));
    }

    #[test]
    #[should_panic(expected = "a score is a number")]
    fn nan_is_no_score() {
        drop(Element::new(f64::NAN, b"m"));
    }
}
