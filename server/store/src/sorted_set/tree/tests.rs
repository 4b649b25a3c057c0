//! What must be true of a tree at any time.

use super::*;

impl Tree {
    /// Panics unless counts, bounds, order, heights and the figure of memory are as they must be.
    pub(in super::super) fn check(&self) {
        let mut memory = 0;
        let height = check(&self.root, true, &mut memory);
        assert!(height < 12, "height {height}");
        assert_eq!(self.root.count(), self.len);
        assert_eq!(memory, self.memory);
        let mut run = self.run(0..self.len);
        let Some(mut before) = run.next() else { return };
        for entry in run {
            assert!(before.cmp(entry.probe()).is_lt(), "out of order");
            before = entry;
        }
    }
}

/// Checks a node and returns its height.
fn check(node: &Node, is_root: bool, memory: &mut usize) -> usize {
    match node {
        Node::Leaf(entries) => {
            assert!((is_root || !entries.is_empty()) && entries.len() <= LEAF);
            *memory += entries.capacity() * size_of::<Entry>();
            *memory += entries.iter().map(|entry| entry.element.memory()).sum::<usize>();
            0
        }
        Node::Inner(inner) => {
            *memory += Inner::memory();
            let len = inner.nodes.len();
            assert!(len >= if is_root { 2 } else { 1 } && len <= FANOUT);
            assert_eq!((inner.bounds.len(), inner.counts.len()), (len, len));
            assert_eq!((inner.bounds.capacity(), inner.nodes.capacity()), (FANOUT, FANOUT));
            let mut heights = Vec::new();
            for (index, node) in inner.nodes.iter().enumerate() {
                assert_eq!(inner.counts[index], node.count());
                assert!(inner.bounds[index] == node.first(), "a bound is the first entry below it");
                heights.push(check(node, false, memory));
            }
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]), "all leaves have one height");
            heights[0] + 1
        }
    }
}
