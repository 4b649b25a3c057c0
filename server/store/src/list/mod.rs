//! Lists: short ones are one listpack, longer ones a row of them.
//!
//! - `node`: a stretch of a list: a listpack, or one large element alone.
//! - `quicklist`: a row of nodes.
//! - `walk`: the elements in both directions.
//!
//! Which of the two forms a list has, and where a node ends, is Redis's choice at every step, so that OBJECT ENCODING
//! and `list-max-listpack-size` mean the same here.

mod node;
mod quicklist;
#[cfg(test)]
mod tests;
mod walk;

pub use node::Fill;
pub(crate) use node::Node;
pub use walk::Elements;

use core::mem::ManuallyDrop;

#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::forms::{Boxed, forms};
use crate::listpack::Listpack;
use crate::object::Composite;
use crate::value::{Encoding, Kind, Value};
use quicklist::Quicklist;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The head.
    Left,
    /// The tail.
    Right,
}

forms!(Word, Form, FormMut {
    packed: Packed(Listpack) = 0,
    quick: Quick(Boxed<Quicklist, 1>) = 1,
});

/// A list: one word, a pointer to a listpack or, tagged, to a quicklist.
#[derive(Clone)]
pub struct List {
    word: Word,
}

impl List {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { word: Listpack::new().into() }
    }

    /// A list of the elements in this listpack, however many they are.
    #[must_use]
    pub fn from_listpack(listpack: Listpack, fill: Fill) -> Self {
        let mut list = Self { word: listpack.into() };
        list.grow(0, 0, fill);
        list
    }

    /// A quicklist of one node with the elements of this listpack.
    pub(crate) fn quick(listpack: Listpack) -> Self {
        Self { word: Boxed::new(Quicklist::of(listpack)).into() }
    }

    /// A list of these nodes; `None` when there are no elements. As with Redis, a single one stands alone where `fill` admits
    /// it.
    pub(crate) fn from_nodes(nodes: Vec<Node>, fill: Fill) -> Option<Self> {
        let mut quicklist = Quicklist::from_nodes(nodes);
        if quicklist.len() == 0 {
            return None;
        }
        let word = match quicklist.take_whole(fill) {
            Some(listpack) => listpack.into(),
            None => Boxed::new(quicklist).into(),
        };
        Some(Self { word })
    }

    /// Makes a quicklist of a listpack that would outgrow `fill` with `more` elements of so many `bytes`. To be called
    /// before elements are added.
    pub fn grow(&mut self, bytes: usize, more: usize, fill: Fill) {
        let FormMut::Packed(listpack) = self.word.form_mut() else { return };
        if fill.admits(listpack.byte_len() + bytes, listpack.len() + more) {
            return;
        }
        *self = Self::quick(core::mem::take(listpack));
    }

    /// Makes a listpack of a quicklist that has shrunk to a part of a node. To be called after elements were removed.
    pub fn shrink(&mut self, fill: Fill) {
        if let FormMut::Quick(quicklist) = self.word.form_mut()
            && let Some(listpack) = quicklist.take_only_node(fill)
        {
            self.word = listpack.into();
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, side: Side, value: Value<'_>, fill: Fill) {
        match (self.word.form_mut(), side) {
            (FormMut::Packed(listpack), Side::Left) => listpack.push_front(value),
            (FormMut::Packed(listpack), Side::Right) => listpack.push_back(value),
            (FormMut::Quick(quicklist), _) => quicklist.push(side, value, fill),
        }
    }

    /// The element with this index, counted from the head (0) or, when negative, from the tail (-1).
    #[must_use]
    pub fn get(&self, index: i64) -> Option<Value<'_>> {
        match self.word.form() {
            Form::Packed(listpack) => listpack.seek(index).map(|at| listpack.get(at)),
            Form::Quick(quicklist) => quicklist.get(self.offset_of(index)?),
        }
    }

    /// The element at an end.
    #[must_use]
    pub fn end(&self, side: Side) -> Option<Value<'_>> {
        self.get(if side == Side::Left { 0 } else { -1 })
    }

    /// An index as a distance from the head, if there is such an element.
    fn offset_of(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 { len.checked_sub(index.unsigned_abs() as usize)? } else { index as usize };
        (index < len).then_some(index)
    }

    /// Replaces an element; false when there is none with this index.
    pub fn set(&mut self, index: i64, value: Value<'_>, fill: Fill) -> bool {
        let Some(at) = self.offset_of(index) else { return false };
        match self.word.form_mut() {
            FormMut::Packed(listpack) => {
                let at = listpack.seek(at as i64).expect("the index is below the length");
                listpack.replace(at, value);
            }
            FormMut::Quick(quicklist) => quicklist.set(at, value, fill),
        }
        true
    }

    /// Inserts an element before the one with this distance from the head, or behind it.
    ///
    /// # Panics
    /// When there is no such element.
    pub fn insert(&mut self, at: usize, behind: bool, value: Value<'_>, fill: Fill) {
        match self.word.form_mut() {
            FormMut::Packed(listpack) => {
                let at = listpack.seek(at as i64).expect("an element to insert at");
                if behind {
                    listpack.insert_after(at, value)
                } else {
                    listpack.insert_before(at, value)
                };
            }
            FormMut::Quick(quicklist) => quicklist.insert(at, behind, value, fill),
        }
    }

    /// Removes the elements from this distance from the head on, as many as there are up to `count`.
    pub fn remove(&mut self, at: usize, count: usize) {
        match self.word.form_mut() {
            FormMut::Packed(listpack) => _ = listpack.remove_range(at as i64, count),
            FormMut::Quick(quicklist) => quicklist.remove(at, count),
        }
    }

    /// Removes up to `count` elements equal to `value`, the nearest to `side` first; returns how many there were.
    pub fn remove_equal(&mut self, value: Value<'_>, side: Side, count: usize) -> usize {
        match self.word.form_mut() {
            FormMut::Packed(listpack) => node::remove_equal(listpack, value, side, count),
            FormMut::Quick(quicklist) => quicklist.remove_equal(value, side, count),
        }
    }

    /// The elements from this distance from the head on, towards the tail.
    pub fn walk(&self, from: usize) -> Elements<'_> {
        Elements::new(self, Side::Left, from)
    }

    /// The elements from this distance from the tail on, towards the head.
    pub fn walk_back(&self, from: usize) -> Elements<'_> {
        Elements::new(self, Side::Right, from)
    }

    /// The stretches in which the elements are kept: what a dump consists of.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        (0..self.node_count()).map(|at| self.node(at))
    }

    /// The node of the element with this distance from the head, and the element's place in it.
    fn locate(&self, index: usize) -> (usize, usize) {
        match self.word.form() {
            Form::Packed(_) => (0, index),
            Form::Quick(quicklist) => quicklist.locate(index),
        }
    }

    fn node_count(&self) -> usize {
        match self.word.form() {
            Form::Packed(_) => 1,
            Form::Quick(quicklist) => quicklist.nodes().len(),
        }
    }

    fn node(&self, at: usize) -> NodeRef<'_> {
        match self.word.form() {
            Form::Packed(listpack) => NodeRef::Packed(listpack),
            Form::Quick(quicklist) => quicklist.nodes()[at].as_ref(),
        }
    }
}

/// A stretch of a list.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    /// Elements in a listpack.
    Packed(&'a Listpack),
    /// One large element.
    Plain(&'a [u8]),
}

#[cfg(feature = "jemalloc")]
impl List {
    /// One step of moving the value's allocations: see [`Object`](crate::Object).
    pub(crate) fn defragment(
        &mut self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        match self.word.form_mut() {
            FormMut::Packed(listpack) => {
                listpack.defragment(mover);
                None
            }
            FormMut::Quick(quicklist) => {
                if position == ValuePosition::default() {
                    quicklist.defragment(mover);
                }
                let next = quicklist.defragment_nodes(position.within as usize, budget, mover);
                next.map(|node| ValuePosition::first(node as u64))
            }
        }
    }
}

impl Composite for List {
    const KIND: Kind = Kind::List;

    fn encoding(&self) -> Encoding {
        match self.word.form() {
            Form::Packed(_) => Encoding::Listpack,
            Form::Quick(_) => Encoding::Quicklist,
        }
    }

    fn len(&self) -> usize {
        match self.word.form() {
            Form::Packed(listpack) => listpack.len(),
            Form::Quick(quicklist) => quicklist.len(),
        }
    }

    fn memory(&self) -> usize {
        match self.word.form() {
            Form::Packed(listpack) => listpack.memory(),
            Form::Quick(quicklist) => size_of::<Quicklist>() + quicklist.memory(),
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for List {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.walk(0)).finish()
    }
}
