//! What unions, intersections and differences read: several keys at once.

use crate::commands::{Args, Cx, Error, Keys};
use boxcar_store::{Composite, IntegerText, Kind, ObjectRef, Record, Set, SortedSet, Value};
use std::borrow::Cow;
use std::ops::Range;

/// A member that the result refers to while the inputs are there.
pub(super) type Member<'a> = Cow<'a, [u8]>;

/// One input.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    source: Source<'a>,
    /// What its scores are multiplied by.
    pub(super) weight: f64,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    /// No such key.
    Nothing,
    SortedSet(&'a SortedSet),
    /// All its members have a score of 1.
    Set(&'a Set),
}

/// Looks the keys up, as reading them does, and refuses those of another type.
pub(super) fn check(cx: &mut Cx<'_, '_>, args: Args<'_>, keys: Range<usize>) -> Result<(), Error> {
    for i in keys {
        match cx.keys.read(args.at(i)).map(Record::kind) {
            None | Some(Kind::SortedSet | Kind::Set) => {}
            Some(_) => return Err(Error::WrongType),
        }
    }
    Ok(())
}

/// The inputs, which were checked.
pub(super) fn open<'a>(
    keys: &'a Keys<'_>,
    args: Args<'_>,
    positions: Range<usize>,
    weights: &[f64],
) -> Vec<Input<'a>> {
    let source = |i: usize| match keys.view(args.at(i)).map(Record::any_object) {
        None => Source::Nothing,
        Some(Some(ObjectRef::SortedSet(set))) => Source::SortedSet(set),
        Some(Some(ObjectRef::Set(set))) => Source::Set(set),
        Some(_) => unreachable!("the types were checked under the same lock"),
    };
    let weight = |at: usize| weights.get(at).copied().unwrap_or(1.0);
    positions.enumerate().map(|(at, i)| Input { source: source(i), weight: weight(at) }).collect()
}

impl<'a> Input<'a> {
    pub(super) fn len(&self) -> usize {
        match self.source {
            Source::Nothing => 0,
            Source::SortedSet(set) => set.len(),
            Source::Set(set) => set.len(),
        }
    }

    /// The score of a member, before its weight.
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        match self.source {
            Source::Nothing => None,
            Source::SortedSet(set) => set.score(member),
            Source::Set(set) => set.contains(Value::Bytes(member)).then_some(1.0),
        }
    }

    /// All members with their scores, before their weight. Ends early when `visit` returns false.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Member<'a>, f64) -> bool) {
        match self.source {
            Source::Nothing => {}
            Source::SortedSet(set) => {
                let _ended = set.iter().all(|(member, score)| visit(owned_if_needed(member), score));
            }
            Source::Set(set) => {
                let _ended = set.iter().all(|member| visit(owned_if_needed(member), 1.0));
            }
        }
    }
}

/// The member's text: borrowed where it is kept as such.
fn owned_if_needed(member: Value<'_>) -> Member<'_> {
    match member {
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Integer(_) => Cow::Owned(member.as_bytes(&mut IntegerText::default()).to_vec()),
    }
}
