//! The elements of a list, in one direction or the other.

use super::{List, NodeRef, Side};
use crate::listpack::Cursor;
use crate::object::Composite;
use crate::value::Value;

/// The elements of a list from somewhere on.
#[derive(Clone)]
pub struct Elements<'a> {
    list: &'a List,
    /// Where it began: elements go away from there.
    from: Side,
    /// The node of the next element.
    node: usize,
    here: Option<Here<'a>>,
    left: usize,
}

/// The next element.
#[derive(Clone, Copy)]
enum Here<'a> {
    Packed(&'a crate::listpack::Listpack, Cursor),
    Plain(&'a [u8]),
}

impl<'a> Elements<'a> {
    /// The elements but for the first `skipped`, seen from `from`.
    pub(super) fn new(list: &'a List, from: Side, skipped: usize) -> Self {
        let len = list.len();
        let mut elements = Self { list, from, node: 0, here: None, left: len.saturating_sub(skipped) };
        if elements.left > 0 {
            let index = if from == Side::Left { skipped } else { len - 1 - skipped };
            let (node, at) = list.locate(index);
            elements.node = node;
            elements.here = Some(match list.node(node) {
                NodeRef::Packed(listpack) => {
                    Here::Packed(listpack, listpack.seek(at as i64).expect("an index below the length"))
                }
                NodeRef::Plain(bytes) => Here::Plain(bytes),
            });
        }
        elements
    }

    /// The first element of the next node.
    fn enter_next_node(&mut self) -> Option<Here<'a>> {
        self.node = match self.from {
            Side::Left => self.node + 1,
            Side::Right => self.node.checked_sub(1)?,
        };
        Some(match self.list.node(self.node) {
            NodeRef::Packed(listpack) => {
                let at = if self.from == Side::Left { listpack.first() } else { listpack.last() };
                Here::Packed(listpack, at.expect("no node is empty"))
            }
            NodeRef::Plain(bytes) => Here::Plain(bytes),
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (value, next) = match self.here? {
            Here::Packed(listpack, at) => {
                let next = if self.from == Side::Left { listpack.next(at) } else { listpack.prev(at) };
                (listpack.get(at), next.map(|next| Here::Packed(listpack, next)))
            }
            Here::Plain(bytes) => (Value::Bytes(bytes), None),
        };
        self.here = match next {
            None if self.left > 0 => self.enter_next_node(),
            next => next,
        };
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}
