//! Maps of IDs against the standard library's.

use super::*;
use std::collections::BTreeMap;

fn id(number: u64) -> StreamId {
    // Two IDs that follow each other, then a gap.
    StreamId { ms: number / 2, seq: number % 2 }
}

/// Checks the order, the sizes and the figures of a subtree; returns its height and its bytes.
fn check_node<V>(node: &Node<V>, root: bool) -> (usize, usize) {
    match node {
        Node::Leaf(entries) => {
            assert!(entries.len() <= LEAF && (root || !entries.is_empty()));
            assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
            (0, entries.capacity() * size_of::<Entry<V>>())
        }
        Node::Inner(inner) => {
            assert!(inner.bounds.len() == inner.nodes.len() && inner.nodes.len() <= FANOUT);
            assert!((inner.bounds.capacity(), inner.nodes.capacity()) == (FANOUT, FANOUT));
            assert!(inner.bounds.is_sorted_by(|a, b| a < b) && inner.nodes.len() > usize::from(root));
            let mut bytes = Inner::<V>::memory();
            let mut heights = Vec::new();
            for (bound, node) in inner.bounds.iter().zip(&inner.nodes) {
                assert_eq!(*bound, node.first());
                let (height, below) = check_node(node, false);
                heights.push(height);
                bytes += below;
            }
            assert!(heights.iter().all(|&height| height == heights[0]));
            (heights[0] + 1, bytes)
        }
    }
}

fn check<V: PartialEq + core::fmt::Debug>(map: &mut IdMap<V>, model: &BTreeMap<StreamId, V>, at: StreamId) {
    assert_eq!(check_node(&map.root, true).1, map.memory());
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert!(map.iter().eq(model));
    assert!(map.range(at..).eq(model.range(at..)));
    assert!(map.range_back(..=at).eq(model.range(..=at).rev()));
    assert_eq!(map.get(&at), model.get(&at));
    assert_eq!(map.first_key_value(), model.first_key_value());
    assert_eq!(map.last_key_value(), model.last_key_value());
    let below = model.range(..=at).next_back();
    assert_eq!(map.last_to_mut(at).map(|(id, value)| (id, &*value)), below.map(|(id, value)| (*id, value)));
}

/// Pseudo-random numbers, the same in each run.
fn random(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

#[test]
fn a_map_holds_what_it_was_told() {
    // Three in four are inserted, then two in four, then one: the tree grows, stays and shrinks to nothing.
    for (seed, range) in [(1, 300), (2, 20_000), (3, 4_000_000)] {
        let (mut map, mut model, mut state) = (IdMap::new(), BTreeMap::new(), seed);
        for step in 0..20_000 {
            let at = id(random(&mut state, range));
            if random(&mut state, 4) < 3 - step / 7000 {
                assert_eq!(map.insert(at, step), model.insert(at, step));
            } else {
                // Mostly something that is there.
                let at = map.range(at..).next().map_or(at, |(id, _)| *id);
                assert_eq!(map.remove(at), model.remove(&at));
            }
            if step % 500 == 0 {
                check(&mut map, &model, at);
                check(&mut map.clone(), &model, at);
            }
        }
        while let Some((&at, _)) = map.range(id(random(&mut state, range))..).next().or(map.iter().next()) {
            assert_eq!(map.remove(at), model.remove(&at));
            assert_eq!(map.remove(at), None);
        }
        check(&mut map, &model, id(5));
        assert_eq!(map.remove(id(5)), None);
        assert!(map.memory() < 100, "{}", map.memory());
    }
}

#[test]
fn a_queue_has_full_leaves() {
    let (mut map, mut model) = (IdMap::new(), BTreeMap::new());
    for number in 0..100_000 {
        map.insert(id(number), ());
        model.insert(id(number), ());
        if number >= 50_000 {
            let first = id(number - 50_000);
            assert_eq!((map.remove(first), model.remove(&first)), (Some(()), Some(())));
        }
    }
    check(&mut map, &model, id(75_000));
    let each = map.memory() as f64 / map.len() as f64;
    assert!(each < 18.0, "{each} bytes for 16");
    let (height, _) = check_node(&map.root, true);
    assert!(height <= 3, "{height}");
}

#[test]
fn the_largest_and_the_smallest_id_are_ids_like_others() {
    let mut map = IdMap::new();
    let ids = [StreamId::MIN, id(1), StreamId { ms: 4, seq: u64::MAX }, id(10), StreamId::MAX];
    ids.iter().rev().for_each(|&id| assert_eq!(map.insert(id, id.ms), None));
    assert!(map.iter().map(|(id, _)| *id).eq(ids));
    assert!(map.range_back(..=StreamId::MAX).map(|(id, _)| *id).eq(ids.into_iter().rev()));
    assert_eq!(map.range(StreamId::MAX..).count(), 1);
    assert_eq!(map.range_back(..=StreamId::MIN).count(), 1);
    *map.get_mut(StreamId::MAX).unwrap() = 7;
    assert_eq!(map[&StreamId::MAX], 7);
    assert_eq!(map.insert(StreamId::MAX, 8), Some(7));
}
