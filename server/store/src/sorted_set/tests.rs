//! Random sequences of operations, held against a map and its sorted pairs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::value::IntegerText;

const LIMITS: SortedSetLimits = SortedSetLimits { entries: 8, value: 20 };
const NEVER: SortedSetLimits = SortedSetLimits { entries: 0, value: 0 };

fn pairs_of(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(owned).collect()
}

fn owned((member, score): (Value<'_>, f64)) -> (Vec<u8>, f64) {
    (member.as_bytes(&mut IntegerText::default()).to_vec(), score)
}

type Model = BTreeMap<Vec<u8>, f64>;

fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut pairs: Vec<_> = model.iter().map(|(member, &score)| (member.clone(), score)).collect();
    pairs.sort_by(|a, b| (a.1).partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    pairs
}

#[derive(Clone, Debug)]
enum Op {
    Insert { member: u16, score: i8 },
    Nudge { member: u16, by: f64 },
    Remove { member: u16 },
    RemoveRange { start: usize, count: usize },
    Fill { first: u16, count: u16, step: i8 },
    Clone,
}

fn op() -> impl Strategy<Value = Op> {
    let member = 0..3000u16;
    prop_oneof![
        8 => (member.clone(), any::<i8>()).prop_map(|(member, score)| Op::Insert { member, score }),
        4 => (member.clone(), -2.0..2.0).prop_map(|(member, by)| Op::Nudge { member, by }),
        4 => member.clone().prop_map(|member| Op::Remove { member }),
        2 => (0..3000usize, 0..400usize).prop_map(|(start, count)| Op::RemoveRange { start, count }),
        2 => (member, 0..1500u16, -1..2i8).prop_map(|(first, count, step)| Op::Fill { first, count, step }),
        1 => Just(Op::Clone),
    ]
}

fn name(member: u16) -> Vec<u8> {
    match member % 4 {
        0 => member.to_string().into_bytes(),
        1 => format!("member:{member:09}").into_bytes(),
        2 => format!("m{}", member % 1000).into_bytes(),
        _ => [vec![b'x'; usize::from(member % 7) * 40], member.to_be_bytes().to_vec()].concat(),
    }
}

fn apply(set: &mut SortedSet, model: &mut Model, limits: SortedSetLimits, op: &Op) {
    match *op {
        Op::Insert { member, score } => {
            set.insert(&name(member), score.into(), limits);
            model.insert(name(member), score.into());
        }
        Op::Nudge { member, by } => {
            set.update(&name(member), limits, |old| old.map(|old| old + by));
            model.entry(name(member)).and_modify(|score| *score += by);
        }
        Op::Remove { member } => {
            assert_eq!(set.remove(&name(member)), model.remove(&name(member)));
        }
        Op::RemoveRange { start, count } => {
            set.remove_range(start..start + count);
            for (member, _) in sorted(model).into_iter().skip(start).take(count) {
                model.remove(&member);
            }
        }
        Op::Fill { first, count, step } => {
            for index in 0..count {
                let member = name(first.wrapping_add(index) % 3000);
                let score = f64::from(index) * f64::from(step) / 8.0;
                set.insert(&member, score, limits);
                model.insert(member, score);
            }
        }
        Op::Clone => *set = set.clone(),
    }
}

fn check(set: &SortedSet, model: &Model, limits: SortedSetLimits) {
    let expected = sorted(model);
    assert_eq!(pairs_of(set), expected);
    let mut backwards: Vec<_> = set.iter().rev().map(owned).collect();
    backwards.reverse();
    assert_eq!(backwards, expected);
    assert_eq!((set.len(), set.is_empty()), (expected.len(), expected.is_empty()));
    for (rank, (member, score)) in expected.iter().enumerate().step_by(7) {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.score(member), Some(*score));
        assert_eq!(set.get(rank).map(owned), Some((member.clone(), *score)));
        let below = |other: f64, name: &[u8]| (other, name) < (*score, member.as_slice());
        assert_eq!(set.partition_point(below), rank);
        let run: Vec<_> = set.range(rank..rank + 5).map(owned).collect();
        assert_eq!(run, expected[rank..expected.len().min(rank + 5)]);
    }
    assert_eq!(set.score(b"nobody"), None);
    assert_eq!(set.get(expected.len()), None);
    let (mut position, mut seen) = (0, Model::new());
    loop {
        position = set.scan(position, |member, score| {
            let (member, score) = owned((member, score));
            assert_eq!(seen.insert(member, score), None, "shown twice");
        });
        if position == 0 {
            break;
        }
    }
    assert_eq!(&seen, model);
    if set.encoding() == Encoding::Listpack {
        assert!(set.len() <= limits.entries);
        assert!(expected.iter().all(|(member, _)| member.len() <= limits.value));
    }
    if let Form::Indexed(indexed) = set.word.form() {
        indexed.tree.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_sorted_set_is_a_map_in_order(ops in prop::collection::vec(op(), 1..60), small in any::<bool>()) {
        let limits = if small { LIMITS } else { NEVER };
        let (mut set, mut model) = (SortedSet::new(), Model::new());
        for op in &ops {
            apply(&mut set, &mut model, limits, op);
            assert_eq!(set.len(), model.len());
        }
        check(&set, &model, limits);
    }
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "what a caller may ask for")]
fn both_ends_of_a_run_meet_in_the_middle() {
    let mut set = SortedSet::for_members(1000, 4, LIMITS);
    (0..1000u32).for_each(|number| set.insert(&number.to_be_bytes(), number.into(), LIMITS));
    let mut run = set.range(100..900);
    for step in 0..400 {
        assert_eq!(run.len(), 800 - 2 * step);
        assert_eq!(run.next().unwrap().1, 100.0 + step as f64);
        assert_eq!(run.next_back().unwrap().1, 899.0 - step as f64);
    }
    assert!(run.next().is_none() && run.next_back().is_none());
    assert_eq!(set.range(5..2).len(), 0);
}

#[test]
fn what_grows_at_an_end_leaves_full_leaves() {
    for reversed in [false, true] {
        let mut set = SortedSet::for_members(1 << 16, 4, LIMITS);
        for number in 0..1u32 << 16 {
            let number = if reversed { u32::MAX - number } else { number };
            set.insert(&number.to_be_bytes(), number.into(), LIMITS);
        }
        let Form::Indexed(indexed) = set.word.form() else { panic!("a large set") };
        let nodes = indexed.tree.memory() - (32 << 16);
        assert!(nodes < 18 << 16, "{} bytes of nodes for a member", nodes >> 16);
        indexed.tree.check();
    }
}

#[test]
fn everything_removed_leaves_almost_nothing() {
    let mut set = SortedSet::for_members(10_000, 4, LIMITS);
    (0..10_000u32).for_each(|number| set.insert(&number.to_be_bytes(), (number % 7).into(), LIMITS));
    for number in 0..10_000u32 {
        assert_eq!(set.remove(&number.to_be_bytes()), Some((number % 7).into()));
    }
    assert!(set.is_empty() && set.memory() < 4096, "{} bytes", set.memory());
    (0..100u32).for_each(|number| set.insert(&number.to_be_bytes(), 0.0, LIMITS));
    set.remove_range(0..100);
    assert!(set.is_empty() && set.memory() <= 64, "{} bytes", set.memory());
}

#[test]
fn thresholds_decide_the_form() {
    let mut set = SortedSet::new();
    for number in 0..8u32 {
        set.insert(number.to_string().as_bytes(), 1.5, LIMITS);
    }
    set.insert(b"7", 2.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::Listpack);
    let mut long = set.clone();
    set.insert(b"8", 0.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::Skiplist);
    long.remove(b"7");
    long.insert(&[b'x'; 21], 0.0, LIMITS);
    assert_eq!(long.encoding(), Encoding::Skiplist);
    set.remove(b"3");
    assert_eq!(set.encoding(), Encoding::Skiplist, "a set that shrinks stays");
    assert_eq!(SortedSet::for_members(9, 1, LIMITS).encoding(), Encoding::Skiplist);
}

#[test]
fn scores_survive_the_listpack() {
    let scores = [
        f64::NEG_INFINITY,
        -1e300,
        -1234.5678,
        -1e-7,
        0.0,
        5e-324,
        0.1,
        1.0,
        3.0e10,
        4.7e18,
        9.3e18,
        1.7e308,
        f64::INFINITY,
    ];
    let limits = SortedSetLimits { entries: 128, value: 64 };
    let mut set = SortedSet::new();
    for (index, &score) in scores.iter().enumerate() {
        set.insert(format!("m{index}").as_bytes(), score, limits);
    }
    assert_eq!(set.iter().map(|(_, score)| score).collect::<Vec<_>>(), scores);
    let listpack = set.as_listpack().unwrap().clone();
    assert_eq!(pairs_of(&SortedSet::from_listpack(listpack).unwrap()), pairs_of(&set));
}

#[test]
fn an_unsound_listpack_is_refused() {
    let listpack = |elements: &[&str]| {
        let mut listpack = Listpack::new();
        elements.iter().for_each(|element| listpack.push_back(Value::encode(element.as_bytes())));
        listpack
    };
    for elements in [
        &["a"][..],
        &["a", "x"],
        &["a", "nan"],
        &["a", "2", "b", "1"],
        &["b", "1", "a", "1"],
        &["a", "1", "a", "1"],
        &["a", "1", "a", "2"],
    ] {
        assert!(SortedSet::from_listpack(listpack(elements)).is_none(), "{elements:?}");
    }
    assert!(SortedSet::from_listpack(listpack(&["a", "1", "b", "1", "0", "1.5"])).is_some());
    assert!(SortedSet::from_listpack(Listpack::new()).is_some());
}
