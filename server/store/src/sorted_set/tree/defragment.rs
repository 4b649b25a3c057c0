//! Moving nodes and elements.

use super::super::element::Element;
use super::{Node, Tree};
use crate::defrag::Mover;

/// Moves an element if it lies badly, and tells the index.
type MoveElement<'a> = dyn FnMut(&mut Element, &mut Mover) + 'a;

impl Tree {
    /// Moves what lies badly, from the leaf that has the entry of this rank on, leaf by leaf until `budget` entries were
    /// looked at. Returns the rank to go on with.
    pub(in super::super) fn defragment(
        &mut self,
        rank: usize,
        budget: &mut usize,
        mover: &mut Mover,
        move_element: &mut MoveElement<'_>,
    ) -> Option<usize> {
        let reached = defragment(&mut self.root, rank, budget, mover, move_element);
        (reached < self.len).then_some(reached)
    }
}

/// Within a subtree. Returns the rank in it of the first entry that is not done.
fn defragment(
    node: &mut Node,
    rank: usize,
    budget: &mut usize,
    mover: &mut Mover,
    move_element: &mut MoveElement<'_>,
) -> usize {
    match node {
        Node::Leaf(entries) => {
            mover.vec(entries);
            entries.iter_mut().for_each(|entry| move_element(&mut entry.element, mover));
            *budget = budget.saturating_sub(1 + entries.len());
            entries.len()
        }
        Node::Inner(inner) => {
            if rank == 0 {
                mover.boxed(inner);
                mover.vec(&mut inner.bounds);
                mover.vec(&mut inner.counts);
                mover.vec(&mut inner.nodes);
            }
            let (first, mut within) = inner.child_at(rank);
            let mut reached = rank - within;
            for child in first..inner.nodes.len() {
                if *budget == 0 {
                    break;
                }
                reached += defragment(&mut inner.nodes[child], within, budget, mover, move_element);
                within = 0;
                // The first element of the subtree may be elsewhere now.
                inner.bounds[child] = inner.nodes[child].first();
            }
            reached
        }
    }
}
