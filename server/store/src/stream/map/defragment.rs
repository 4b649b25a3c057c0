//! Moving nodes.

use super::{IdMap, Node, StreamId};
use crate::defrag::Mover;

impl<V> IdMap<V> {
    /// Moves nodes that lie badly, and shows each value to be moved likewise, from an ID on, leaf by leaf until `budget`
    /// entries were looked at. Returns the ID to go on with.
    pub(in super::super) fn defragment(
        &mut self,
        first: StreamId,
        budget: &mut usize,
        mover: &mut Mover,
        visit: &mut dyn FnMut(&mut V, &mut Mover),
    ) -> Option<StreamId> {
        defragment(&mut self.root, first, budget, mover, visit)
    }
}

fn defragment<V>(
    node: &mut Node<V>,
    first: StreamId,
    budget: &mut usize,
    mover: &mut Mover,
    visit: &mut dyn FnMut(&mut V, &mut Mover),
) -> Option<StreamId> {
    match node {
        Node::Leaf(entries) => {
            mover.vec(entries);
            entries.iter_mut().for_each(|(_, value)| visit(value, mover));
            *budget = budget.saturating_sub(1 + entries.len());
            None
        }
        Node::Inner(inner) => {
            if first <= inner.bounds[0] {
                mover.boxed(inner);
                mover.vec(&mut inner.bounds);
                mover.vec(&mut inner.nodes);
            }
            for child in inner.child_of(first)..inner.nodes.len() {
                if *budget == 0 {
                    return Some(inner.bounds[child]);
                }
                let rest = defragment(&mut inner.nodes[child], first, budget, mover, visit);
                if rest.is_some() {
                    return rest;
                }
            }
            None
        }
    }
}
