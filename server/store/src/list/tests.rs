//! Lists against a plain model, and their forms.

use super::*;
use crate::IntegerText;
use node::Node;
use proptest::prelude::*;
use std::collections::VecDeque;

type Model = VecDeque<Vec<u8>>;

/// The directive's values: few elements, and few bytes.
const FILLS: [i64; 4] = [1, 3, 8, -1];

fn text(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut IntegerText::default()).to_vec()
}

fn of(elements: &[&str], fill: Fill) -> List {
    let mut list = List::new();
    elements.iter().for_each(|element| push(&mut list, Side::Right, element.as_bytes(), fill));
    list
}

/// As RPUSH and LPUSH do.
fn push(list: &mut List, side: Side, element: &[u8], fill: Fill) {
    list.grow(element.len(), 1, fill);
    list.push(side, Value::Bytes(element), fill);
}

fn shown(list: &List) -> (Encoding, String) {
    let all: Vec<String> =
        list.walk(0).map(|element| String::from_utf8_lossy(&text(element)).into_owned()).collect();
    (list.encoding(), all.join(" "))
}

/// The elements of each node.
fn nodes(list: &List) -> Vec<usize> {
    let len = |node: NodeRef<'_>| match node {
        NodeRef::Packed(listpack) => listpack.len(),
        NodeRef::Plain(_) => 1,
    };
    list.nodes().map(len).collect()
}

/// Bytes of memory, counted anew.
fn recount(list: &List) -> usize {
    let allocations: usize = list
        .nodes()
        .map(|node| match node {
            NodeRef::Packed(listpack) => listpack.memory(),
            NodeRef::Plain(bytes) => crate::record::layout::size_class(bytes.len()),
        })
        .sum();
    match list.word.form() {
        Form::Packed(_) => allocations,
        Form::Quick(quicklist) => {
            size_of::<Quicklist>() + quicklist.nodes().capacity() * size_of::<Node>() + allocations
        }
    }
}

#[test]
fn forms_follow_the_length() {
    let fill = Fill::new(4);
    let mut list = of(&["a", "1", "b", "-2"], fill);
    assert_eq!(shown(&list), (Encoding::Listpack, "a 1 b -2".into()));
    push(&mut list, Side::Left, b"c", fill);
    assert_eq!(shown(&list), (Encoding::Quicklist, "c a 1 b -2".into()));
    assert_eq!(nodes(&list), [1, 4]);
    list.remove(0, 2);
    list.shrink(fill);
    assert_eq!(shown(&list), (Encoding::Quicklist, "1 b -2".into()));
    list.remove(2, 1);
    list.shrink(fill);
    assert_eq!(shown(&list), (Encoding::Listpack, "1 b".into()));
}

#[test]
fn a_large_element_stands_alone() {
    let (fill, large) = (Fill::new(-1), "x".repeat(4097));
    let mut list = of(&["a", "b", "c", "d"], fill);
    list.grow(large.len(), 1, fill);
    assert!(list.set(1, Value::Bytes(large.as_bytes()), fill));
    assert_eq!(nodes(&list), [1, 1, 2]);
    assert!(list.set(-3, Value::Bytes(b"small"), fill));
    assert_eq!(shown(&list).1, "a small c d");
    list.insert(2, false, Value::Bytes(large.as_bytes()), fill);
    list.insert(0, true, Value::Bytes(large.as_bytes()), fill);
    assert_eq!(list.remove_equal(Value::Bytes(large.as_bytes()), Side::Right, 1), 1);
    assert_eq!(list.remove_equal(Value::Bytes(large.as_bytes()), Side::Left, 5), 1);
    assert_eq!(shown(&list), (Encoding::Quicklist, "a small c d".into()));
    assert!(!list.set(4, Value::Bytes(b"x"), fill) && !list.set(-5, Value::Bytes(b"x"), fill));
}

#[test]
fn the_middle_of_a_long_list_goes_at_once() {
    const LEN: usize = 200_000;
    let fill = Fill::new(1);
    let mut list = List::new();
    (0..LEN).for_each(|number| push(&mut list, Side::Right, (number % 2).to_string().as_bytes(), fill));
    assert_eq!(nodes(&list).len(), LEN);
    let mut copy = list.clone();
    // Node by node, each of these would move what is behind a hundred thousand times.
    assert_eq!(list.remove_equal(Value::Bytes(b"1"), Side::Left, usize::MAX), LEN / 2);
    assert!(list.len() == LEN / 2 && list.walk(0).all(|element| element == Value::Integer(0)));
    copy.remove(LEN / 4, LEN / 2);
    assert_eq!((copy.len(), list.memory(), copy.memory()), (LEN / 2, recount(&list), recount(&copy)));
}

/// Bytes that an element may take in a listpack beside its own.
const ELEMENT_COST: usize = 11;

#[derive(Clone, Debug)]
enum Step {
    Refill(i64),
    Push(Side, Vec<u8>),
    Set(i64, Vec<u8>),
    Insert(usize, bool, Vec<u8>),
    Remove(usize, usize),
    RemoveEqual(Vec<u8>, Side, usize),
    Rebuild,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[ab]".prop_map(String::into_bytes),
        4 => "-?[0-9]{1,3}".prop_map(String::into_bytes),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => (b'a'..b'c', 0..2000usize).prop_map(|(byte, len)| vec![byte; len]),
        2 => (b'a'..b'c', 4090..4100usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (b'a'..b'c', 8190..8194usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Left), Just(Side::Right)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => prop::sample::select(&FILLS[..]).prop_map(Step::Refill),
        12 => (side(), element()).prop_map(|(side, element)| Step::Push(side, element)),
        4 => (-20..20i64, element()).prop_map(|(index, element)| Step::Set(index, element)),
        6 => (0..20usize, any::<bool>(), element()).prop_map(|(at, behind, e)| Step::Insert(at, behind, e)),
        3 => (0..20usize, prop_oneof![0..4usize, Just(usize::MAX)]).prop_map(|(at, n)| Step::Remove(at, n)),
        3 => (element(), side(), prop_oneof![1..3usize, Just(usize::MAX)])
            .prop_map(|(element, side, count)| Step::RemoveEqual(element, side, count)),
        1 => Just(Step::Rebuild),
    ]
}

/// Does a step as the commands do, to the list and to the model.
fn perform(step: &Step, list: &mut List, model: &mut Model, fill: &mut Fill) {
    match step {
        Step::Refill(directive) => *fill = Fill::new(*directive),
        Step::Push(side, element) => {
            push(list, *side, element, *fill);
            match side {
                Side::Left => model.push_front(element.clone()),
                Side::Right => model.push_back(element.clone()),
            }
        }
        Step::Set(index, element) => {
            let at = if *index < 0 { index + model.len() as i64 } else { *index };
            let there = usize::try_from(at).ok().and_then(|at| model.get_mut(at));
            list.grow(element.len(), 1, *fill);
            assert_eq!(list.set(*index, Value::Bytes(element), *fill), there.is_some());
            there.into_iter().for_each(|there| there.clone_from(element));
            list.shrink(*fill);
        }
        Step::Insert(at, behind, element) if !model.is_empty() => {
            let at = at % model.len();
            list.grow(element.len(), 1, *fill);
            list.insert(at, *behind, Value::Bytes(element), *fill);
            model.insert(at + usize::from(*behind), element.clone());
        }
        Step::Insert(..) => {}
        Step::Remove(at, count) => {
            list.remove(*at, *count);
            let start = (*at).min(model.len());
            model.drain(start..start.saturating_add(*count).min(model.len()));
            list.shrink(*fill);
        }
        Step::RemoveEqual(element, side, count) => {
            assert_eq!(
                list.remove_equal(Value::Bytes(element), *side, *count),
                forget(model, element, *side, *count)
            );
            list.shrink(*fill);
        }
        Step::Rebuild => {
            let mut listpack = Listpack::new();
            list.walk(0).for_each(|element| listpack.push_back(element));
            *list = List::from_listpack(listpack, *fill);
        }
    }
}

/// Removes equal elements from the model; returns how many there were.
fn forget(model: &mut Model, wanted: &[u8], side: Side, count: usize) -> usize {
    let before = model.len();
    for _ in 0..count {
        let at = match side {
            Side::Left => model.iter().position(|element| element == wanted),
            Side::Right => model.iter().rposition(|element| element == wanted),
        };
        let Some(at) = at else { break };
        model.remove(at);
    }
    before - model.len()
}

/// Everything that can be asked of a list.
fn compare(list: &List, model: &Model, fill: Fill) {
    assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(list.memory(), recount(list), "the memory figure");
    let len = model.len();
    for from in [0, 1, len / 2, len.saturating_sub(1), len, len + 1] {
        let (ahead, back) = (list.walk(from), list.walk_back(from));
        assert_eq!((ahead.len(), back.len()), (len.saturating_sub(from), len.saturating_sub(from)));
        assert!(ahead.map(text).eq(model.iter().skip(from).cloned()), "walk({from})");
        assert!(back.map(text).eq(model.iter().rev().skip(from).cloned()), "walk_back({from})");
    }
    for (at, element) in model.iter().enumerate() {
        assert_eq!(list.get(at as i64).map(text).as_ref(), Some(element));
        assert_eq!(list.get(at as i64 - len as i64).map(text).as_ref(), Some(element));
    }
    for beyond in [len as i64, -1 - len as i64, i64::MAX, i64::MIN] {
        assert_eq!(list.get(beyond), None);
    }
    assert_eq!(list.end(Side::Left).map(text), model.front().cloned());
    assert_eq!(list.end(Side::Right).map(text), model.back().cloned());
    let nodes = nodes(list);
    assert_eq!((nodes.iter().sum::<usize>(), nodes.len()), (len, list.nodes().len()));
    if list.encoding() == Encoding::Quicklist {
        assert!(nodes.iter().all(|&count| count > 0), "no node is empty");
        let mut copy = list.clone();
        copy.shrink(fill);
        assert!(len == 0 || copy.walk(0).map(text).eq(model.iter().cloned()), "shrinking changes nothing");
    }
}

proptest! {
    #[test]
    fn a_list_is_a_sequence(
        fill in prop::sample::select(&FILLS[..]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut list, mut model, mut fill) = (List::new(), Model::new(), Fill::new(fill));
        for step in &steps {
            perform(step, &mut list, &mut model, &mut fill);
            compare(&list, &model, fill);
        }
        let copy = list.clone();
        drop(list);
        compare(&copy, &model, fill);
    }

    #[test]
    fn nodes_hold_what_the_directive_allows(
        fill in prop::sample::select(&FILLS[..]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut list, mut model, mut fill) = (List::new(), Model::new(), Fill::new(fill));
        // Replacing an element, or inserting one into a full node, may make a node larger, as it does in Redis.
        let kept_small = |step: &&Step| matches!(step, Step::Push(..) | Step::Remove(..) | Step::RemoveEqual(..));
        for step in steps.iter().filter(kept_small) {
            perform(step, &mut list, &mut model, &mut fill);
            for node in list.nodes() {
                match node {
                    NodeRef::Packed(listpack) if listpack.len() > 1 => {
                        // As in Redis, an element that is added counts without what it costs in the listpack.
                        let counted = listpack.byte_len().saturating_sub(ELEMENT_COST);
                        prop_assert!(fill.admits(counted, listpack.len()));
                    }
                    NodeRef::Packed(_) => {}
                    NodeRef::Plain(bytes) => prop_assert!(fill.is_large(bytes.len())),
                }
            }
        }
    }
}
