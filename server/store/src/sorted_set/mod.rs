//! Sorted sets: members with scores, in the order of score and then of the members' bytes.
//!
//! A small one is a listpack of members and scores in order (`packed`). Beyond the thresholds it becomes a B+ tree with
//! ranks (`tree`), which owns an allocation for each member with its score (`element`), and an index from the member
//! to that same allocation (`index`). Redis keeps a skip list and a dictionary there, so that this form answers to
//! `skiplist`.
//!
//! ```text
//! word ──> listpack
//! word ──> tree: inner nodes ──> leaves ──┬──> element
//!          index: segments of buckets ────┘
//! ```
//!
//! Everything that depends on the order goes by rank: a range of scores or of members is two searches for its ends
//! ([`SortedSet::partition_point`]), whatever is done with it afterwards.

mod element;
mod index;
mod packed;
#[cfg(test)]
mod tests;
mod tree;

use core::mem::ManuallyDrop;
use core::ops::Range;

use self::element::{Element, Probe, score_of};
use self::index::Index;
use self::tree::Tree;
#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::forms::{Boxed, forms};
use crate::listpack::Listpack;
use crate::object::Composite;
use crate::record::layout::size_class;
use crate::value::{Encoding, Kind, Value};

/// Up to where a sorted set stays a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortedSetLimits {
    /// Most members (`zset-max-listpack-entries`).
    pub entries: usize,
    /// Longest member in bytes (`zset-max-listpack-value`).
    pub value: usize,
}

/// The large form.
struct Indexed {
    tree: Tree,
    index: Index,
}

forms!(Word, Form, FormMut {
    packed: Packed(Listpack) = 0,
    indexed: Indexed(Boxed<Indexed, 1>) = 1,
});

/// See the module.
#[derive(Clone)]
pub struct SortedSet {
    word: Word,
}

impl SortedSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::packed(Listpack::new())
    }

    /// An empty set that is about to get `members` members, the first one of `len` bytes: one that would not stay a
    /// listpack never is one.
    #[must_use]
    pub fn for_members(members: usize, len: usize, limits: SortedSetLimits) -> Self {
        if members <= limits.entries && len <= limits.value {
            Self::new()
        } else {
            Self::indexed(Indexed::new())
        }
    }

    /// The set whose listpack this is; `None` when its elements are not distinct members in order, each with a score.
    #[must_use]
    pub fn from_listpack(listpack: Listpack) -> Option<Self> {
        packed::is_sound(&listpack).then(|| Self::packed(listpack))
    }

    /// The set with the members and scores of this listpack, whatever their order; `None` when they are not that, or not
    /// distinct, or there are none.
    pub(crate) fn from_elements(listpack: Listpack, limits: SortedSetLimits) -> Option<Self> {
        if listpack.is_empty() {
            return None;
        }
        if packed::is_sound(&listpack) {
            let mut set = Self::packed(listpack);
            if set.len() > limits.entries {
                set.unpack();
            }
            return Some(set);
        }
        let mut set = Self::for_members(listpack.len() / 2, 0, limits);
        for pair in packed::checked_pairs(&listpack) {
            let (member, score) = pair?;
            let mut text = crate::value::IntegerText::default();
            if !set.add(member.as_bytes(&mut text), score, limits) {
                return None;
            }
        }
        Some(set)
    }

    /// Adds a member; false when it is there already.
    ///
    /// # Panics
    /// When the score is not a number.
    pub(crate) fn add(&mut self, member: &[u8], score: f64, limits: SortedSetLimits) -> bool {
        let mut is_new = false;
        self.update(member, limits, |present| {
            is_new = present.is_none();
            is_new.then_some(score)
        });
        is_new
    }

    /// Goes over to the large form, however small the set is.
    pub fn become_indexed(&mut self) {
        self.unpack();
    }

    fn packed(listpack: Listpack) -> Self {
        Self { word: listpack.into() }
    }

    fn indexed(indexed: Indexed) -> Self {
        Self { word: Boxed::new(indexed).into() }
    }

    /// The listpack, while the set is one.
    #[must_use]
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match self.word.form() {
            Form::Packed(listpack) => Some(listpack),
            Form::Indexed(_) => None,
        }
    }

    /// The score of a member.
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.word.form() {
            Form::Packed(listpack) => packed::find(listpack, member).map(|(_, score)| score),
            Form::Indexed(indexed) => indexed.score(member),
        }
    }

    /// The rank, counted from the lowest score (0), and the score of a member.
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.word.form() {
            Form::Packed(listpack) => packed::rank(listpack, member),
            Form::Indexed(indexed) => {
                let score = indexed.score(member)?;
                Some((indexed.tree.rank(Probe::new(score, member)), score))
            }
        }
    }

    /// Looks a member up and gives it the score that `decide` makes of its present one; `None` leaves everything as it
    /// is.
    ///
    /// # Panics
    /// When the score is not a number.
    pub fn update(
        &mut self,
        member: &[u8],
        limits: SortedSetLimits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let listpack = match self.word.form_mut() {
            FormMut::Indexed(indexed) => return indexed.update(member, decide),
            FormMut::Packed(listpack) => listpack,
        };
        let found = packed::find(listpack, member);
        let Some(score) = decide(found.map(|(_, score)| score)) else { return };
        assert!(!score.is_nan(), "a score is a number");
        match found {
            Some((_, old)) if old == score => {}
            Some((at, _)) => {
                packed::remove(listpack, at);
                packed::insert(listpack, member, score);
            }
            None if listpack.len() / 2 < limits.entries
                && member.len() <= limits.value
                && listpack.fits(member.len() + packed::PAIR_OVERHEAD) =>
            {
                packed::insert(listpack, member, score);
            }
            None => self.unpack().insert(Index::hash(member), member, score),
        }
    }

    /// Sets a member's score.
    ///
    /// # Panics
    /// When the score is not a number.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: SortedSetLimits) {
        self.update(member, limits, |_| Some(score));
    }

    /// Removes a member; its score, if it was there.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self.word.form_mut() {
            FormMut::Packed(listpack) => {
                let (at, score) = packed::find(listpack, member)?;
                packed::remove(listpack, at);
                Some(score)
            }
            FormMut::Indexed(indexed) => {
                let score = indexed.score(member)?;
                let len = indexed.tree.len();
                indexed.index.remove(member, len);
                indexed.tree.remove(Probe::new(score, member)).expect("the tree has what the index has");
                Some(score)
            }
        }
    }

    /// Removes the members of these ranks, cut to those that exist. Costs O(log n) and each removed member.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match self.word.form_mut() {
            FormMut::Packed(listpack) => packed::remove_run(listpack, ranks),
            FormMut::Indexed(indexed) if ranks.len() == indexed.tree.len() => **indexed = Indexed::new(),
            FormMut::Indexed(indexed) => {
                let Indexed { tree, index } = &mut **indexed;
                let mut len = tree.len();
                tree.remove_run(ranks, |element| {
                    index.remove(element.member(), len);
                    len -= 1;
                });
            }
        }
    }

    /// How many members stand before the first one for which `before` is false. It has to be true of all members up to
    /// some place in the order, and false of the rest.
    #[must_use]
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self.word.form() {
            Form::Packed(listpack) => packed::partition_point(listpack, before),
            Form::Indexed(indexed) => indexed.tree.partition_point(before),
        }
    }

    /// The member of a rank, and its score.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<(Value<'_>, f64)> {
        match self.word.form() {
            Form::Packed(_) => self.range(rank..rank + 1).next(),
            Form::Indexed(indexed) => indexed.tree.get(rank).map(|entry| view(&entry.element)),
        }
    }

    /// The members of these ranks, cut to those that exist, with their scores.
    #[must_use]
    pub fn range(&self, ranks: Range<usize>) -> Members<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        let left = ranks.len();
        let run = match self.word.form() {
            Form::Packed(listpack) => Run::Packed(packed::run(listpack, ranks)),
            Form::Indexed(indexed) => Run::Indexed(indexed.tree.run(ranks)),
        };
        Members { run, left }
    }

    /// All members with their scores, in order.
    #[must_use]
    pub fn iter(&self) -> Members<'_> {
        self.range(0..usize::MAX)
    }

    /// One step of a walk: shows the members at `position` (at first 0) and says where to go on; zero behind the last
    /// one. A member that is there during the whole walk is shown; in the large form, exactly once. Positions have
    /// [`SCAN_CURSOR_BITS`](crate::SCAN_CURSOR_BITS) bits.
    pub fn scan(&self, position: u64, mut visit: impl FnMut(Value<'_>, f64)) -> u64 {
        match self.word.form() {
            Form::Packed(listpack) => {
                packed::pairs(listpack).for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Indexed(indexed) => indexed.index.walk(position, |record| {
                // SAFETY: the tree owns the element, and is borrowed.
                let (member, score) = unsafe { (record.key(), score_of(record)) };
                visit(Value::Bytes(member), score);
            }),
        }
    }

    /// Goes over to the large form.
    fn unpack(&mut self) -> &mut Indexed {
        if let Form::Packed(listpack) = self.word.form() {
            let mut indexed = Indexed::new();
            let mut text = crate::value::IntegerText::default();
            for (member, score) in packed::pairs(listpack) {
                let member = member.as_bytes(&mut text);
                indexed.insert(Index::hash(member), member, score);
            }
            *self = Self::indexed(indexed);
        }
        match self.word.form_mut() {
            FormMut::Indexed(indexed) => indexed,
            FormMut::Packed(_) => unreachable!("it was unpacked just now"),
        }
    }
}

#[cfg(feature = "jemalloc")]
impl SortedSet {
    /// One step of moving the value's allocations: see [`Object`](crate::Object). The parts of a position are the tree and
    /// the index.
    pub(crate) fn defragment(
        &mut self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        let FormMut::Indexed(boxed) = self.word.form_mut() else {
            if let FormMut::Packed(listpack) = self.word.form_mut() {
                listpack.defragment(mover);
            }
            return None;
        };
        if position == ValuePosition::default() {
            boxed.defragment(mover);
        }
        let Indexed { tree, index } = &mut **boxed;
        if position.part == 0 {
            let mut move_element = |element: &mut Element, mover: &mut Mover| {
                index.defragment_element(element, mover);
            };
            let next = tree.defragment(position.within as usize, budget, mover, &mut move_element);
            return Some(match next {
                Some(rank) => ValuePosition::first(rank as u64),
                None => ValuePosition { part: 1, within: 0 },
            });
        }
        let next = index.defragment(position.within as u64, budget, mover);
        next.map(|position| ValuePosition { part: 1, within: position.into() })
    }
}

impl Composite for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn encoding(&self) -> Encoding {
        match self.word.form() {
            Form::Packed(_) => Encoding::Listpack,
            Form::Indexed(_) => Encoding::Skiplist,
        }
    }

    fn len(&self) -> usize {
        match self.word.form() {
            Form::Packed(listpack) => listpack.len() / 2,
            Form::Indexed(indexed) => indexed.tree.len(),
        }
    }

    fn memory(&self) -> usize {
        match self.word.form() {
            Form::Packed(listpack) => listpack.memory(),
            Form::Indexed(indexed) => {
                size_class(size_of::<Indexed>()) + indexed.tree.memory() + indexed.index.memory()
            }
        }
    }
}

impl Indexed {
    fn new() -> Self {
        Self { tree: Tree::new(), index: Index::default() }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        let (record, _) = self.index.find(Index::hash(member), member)?;
        // SAFETY: the tree owns the element, and is borrowed.
        Some(unsafe { score_of(record) })
    }

    fn update(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        let hash = Index::hash(member);
        let Some((record, _)) = self.index.find(hash, member) else {
            if let Some(score) = decide(None) {
                self.insert(hash, member, score);
            }
            return;
        };
        // SAFETY: the tree owns the element, and nobody writes it now.
        let old = unsafe { score_of(record) };
        match decide(Some(old)) {
            Some(score) if score != old => self.tree.set_score(Probe::new(old, member), score),
            _ => {}
        }
    }

    /// Inserts a member that is not there yet.
    fn insert(&mut self, hash: u64, member: &[u8], score: f64) {
        let element = Element::new(score, member);
        let record = element.record();
        self.tree.insert(element);
        self.index.insert(hash, record);
    }
}

impl Clone for Indexed {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        for entry in self.tree.run(0..self.tree.len()) {
            let (member, score) = (entry.element.member(), entry.element.score());
            copy.insert(Index::hash(member), member, score);
        }
        copy
    }
}

fn view(element: &Element) -> (Value<'_>, f64) {
    (Value::Bytes(element.member()), element.score())
}

/// Members with their scores, from both ends.
pub struct Members<'a> {
    run: Run<'a>,
    left: usize,
}

#[expect(clippy::large_enum_variant, reason = "it lives on the stack, and a box would cost an allocation")]
enum Run<'a> {
    Packed(packed::Pairs<'a>),
    Indexed(tree::Run<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Value<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.run {
            Run::Packed(pairs) => pairs.next(),
            Run::Indexed(run) => run.next().map(|entry| view(&entry.element)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.run {
            Run::Packed(pairs) => pairs.next_back(),
            Run::Indexed(run) => run.next_back().map(|entry| view(&entry.element)),
        }
    }
}

impl ExactSizeIterator for Members<'_> {}

impl Default for SortedSet {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
