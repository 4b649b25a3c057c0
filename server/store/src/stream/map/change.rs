//! Inserting and removing.

use super::{
    FANOUT, FANOUT_MERGED, FANOUT_SPARSE, IdMap, Inner, LEAF, LEAF_MERGED, LEAF_SPARSE, Node, StreamId,
    leaf_capacity,
};

/// What an insertion came to.
enum Inserted<V> {
    /// The ID was there, and this is its old value.
    Before(V),
    /// It is new.
    New,
    /// It is new, and the node was split: this is what comes to the right of it.
    Split(Node<V>),
}

impl<V> IdMap<V> {
    /// Sets the value of an ID, and returns the one it had.
    pub(in super::super) fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        match insert(&mut self.root, id, value, true, &mut self.memory) {
            Inserted::Before(value) => return Some(value),
            Inserted::New => {}
            Inserted::Split(right) => {
                let mut inner = Inner::new();
                let left = core::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
                inner.insert(0, left);
                inner.insert(1, right);
                self.memory += Inner::<V>::memory();
                self.root = Node::Inner(Box::new(inner));
            }
        }
        self.len += 1;
        None
    }

    /// Removes an ID, and returns its value if it was there.
    pub(in super::super) fn remove(&mut self, id: StreamId) -> Option<V> {
        let value = remove(&mut self.root, id, &mut self.memory)?;
        self.len -= 1;
        // A root of one subtree is none.
        while let Node::Inner(inner) = &mut self.root
            && inner.nodes.len() <= 1
        {
            self.root = inner.nodes.pop().unwrap_or(Node::Leaf(Vec::new()));
            self.memory -= Inner::<V>::memory();
        }
        Some(value)
    }
}

impl<V> Inner<V> {
    fn insert(&mut self, at: usize, node: Node<V>) {
        self.bounds.insert(at, node.first());
        self.nodes.insert(at, node);
    }

    fn remove(&mut self, at: usize) -> Node<V> {
        self.bounds.remove(at);
        self.nodes.remove(at)
    }
}

/// Inserts into a subtree, which may be the `last` of the tree.
fn insert<V>(node: &mut Node<V>, id: StreamId, value: V, last: bool, memory: &mut usize) -> Inserted<V> {
    match node {
        Node::Leaf(entries) => match entries.binary_search_by_key(&id, |entry| entry.0) {
            Ok(at) => Inserted::Before(core::mem::replace(&mut entries[at].1, value)),
            Err(at) if entries.len() < LEAF => {
                grow_leaf(entries, memory);
                entries.insert(at, (id, value));
                Inserted::New
            }
            Err(at) => {
                let middle = if last && at == LEAF { LEAF } else { LEAF / 2 };
                let mut right = Vec::with_capacity(leaf_capacity::<V>(LEAF - middle + 1));
                *memory += right.capacity() * size_of::<(StreamId, V)>();
                right.extend(entries.drain(middle..));
                if at < middle {
                    entries.insert(at, (id, value));
                } else {
                    right.insert(at - middle, (id, value));
                }
                fit_leaf(entries, memory);
                Inserted::Split(Node::Leaf(right))
            }
        },
        Node::Inner(inner) => {
            let child = inner.child_of(id);
            let last = last && child + 1 == inner.nodes.len();
            let inserted = insert(&mut inner.nodes[child], id, value, last, memory);
            // A new first entry of the whole.
            inner.bounds[child] = inner.nodes[child].first();
            match inserted {
                Inserted::Split(right) => match insert_node(inner, child + 1, right, last, memory) {
                    Some(right) => Inserted::Split(Node::Inner(Box::new(right))),
                    None => Inserted::New,
                },
                inserted => inserted,
            }
        }
    }
}

fn insert_node<V>(
    inner: &mut Inner<V>,
    at: usize,
    node: Node<V>,
    last: bool,
    memory: &mut usize,
) -> Option<Inner<V>> {
    if inner.nodes.len() < FANOUT {
        inner.insert(at, node);
        return None;
    }
    let middle = if last && at == FANOUT { FANOUT } else { FANOUT / 2 };
    let mut right = Inner::new();
    *memory += Inner::<V>::memory();
    right.bounds.extend(inner.bounds.drain(middle..));
    right.nodes.extend(inner.nodes.drain(middle..));
    if at < middle {
        inner.insert(at, node);
    } else {
        right.insert(at - middle, node);
    }
    Some(right)
}

fn remove<V>(node: &mut Node<V>, id: StreamId, memory: &mut usize) -> Option<V> {
    match node {
        Node::Leaf(entries) => {
            let at = entries.binary_search_by_key(&id, |entry| entry.0).ok()?;
            let (_, value) = entries.remove(at);
            // Room is given back when a quarter is free: not at once, as the next insertion may need it.
            if entries.is_empty()
                || entries.capacity() > leaf_capacity::<V>(entries.len() + entries.len() / 4 + 1)
            {
                fit_leaf(entries, memory);
            }
            Some(value)
        }
        Node::Inner(inner) => {
            let child = inner.child_of(id);
            let value = remove(&mut inner.nodes[child], id, memory)?;
            settle(inner, child, memory);
            Some(value)
        }
    }
}

/// After an entry of a subtree was removed: removes the subtree when it is empty, merges it when it is sparse and a
/// neighbour has room.
fn settle<V>(inner: &mut Inner<V>, child: usize, memory: &mut usize) {
    let width = inner.nodes[child].width();
    if width == 0 {
        forget_memory(&inner.remove(child), memory);
        return;
    }
    inner.bounds[child] = inner.nodes[child].first();
    let (sparse, merged) = match inner.nodes[child] {
        Node::Leaf(_) => (LEAF_SPARSE, LEAF_MERGED),
        Node::Inner(_) => (FANOUT_SPARSE, FANOUT_MERGED),
    };
    if width >= sparse {
        return;
    }
    for left in [child.checked_sub(1), Some(child)].into_iter().flatten() {
        if let Some(right) = inner.nodes.get(left + 1)
            && inner.nodes[left].width() + right.width() <= merged
        {
            let right = inner.remove(left + 1);
            return merge(&mut inner.nodes[left], right, memory);
        }
    }
}

fn merge<V>(left: &mut Node<V>, right: Node<V>, memory: &mut usize) {
    match (left, right) {
        (Node::Leaf(left), Node::Leaf(mut right)) => {
            *memory -= (left.capacity() + right.capacity()) * size_of::<(StreamId, V)>();
            let room = leaf_capacity::<V>(left.len() + right.len()).max(left.capacity());
            left.reserve_exact(room - left.len());
            left.append(&mut right);
            *memory += left.capacity() * size_of::<(StreamId, V)>();
        }
        (Node::Inner(left), Node::Inner(mut right)) => {
            left.bounds.append(&mut right.bounds);
            left.nodes.append(&mut right.nodes);
            *memory -= Inner::<V>::memory();
        }
        _ => unreachable!("neighbours have the same height"),
    }
}

/// Makes room for one more entry.
#[inline]
fn grow_leaf<V>(entries: &mut Vec<(StreamId, V)>, memory: &mut usize) {
    if entries.len() == entries.capacity() {
        *memory -= entries.capacity() * size_of::<(StreamId, V)>();
        entries.reserve_exact(leaf_capacity::<V>(entries.len() + 1) - entries.len());
        *memory += entries.capacity() * size_of::<(StreamId, V)>();
    }
}

/// Gives back the room that a leaf does not need.
fn fit_leaf<V>(entries: &mut Vec<(StreamId, V)>, memory: &mut usize) {
    *memory -= entries.capacity() * size_of::<(StreamId, V)>();
    entries.shrink_to(leaf_capacity::<V>(entries.len()));
    *memory += entries.capacity() * size_of::<(StreamId, V)>();
}

/// Takes the memory of an empty node, which is about to be dropped, out of the figure.
fn forget_memory<V>(node: &Node<V>, memory: &mut usize) {
    *memory -= match node {
        Node::Leaf(entries) => entries.capacity() * size_of::<(StreamId, V)>(),
        Node::Inner(_) => Inner::<V>::memory(),
    };
}
