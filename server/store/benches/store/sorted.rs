//! Sorted sets beside what the standard library offers for the same: a `BTreeSet` of scores and members for the order,
//! and a `HashMap` for the scores.

use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;

use boxcar_store::{Composite, SortedSet, SortedSetLimits};

use crate::clock::least;
use crate::subject::{Key, shuffled_keys};

const LIMITS: SortedSetLimits = SortedSetLimits { entries: 128, value: 64 };

/// A score for the member at this place: different ones, in no order.
fn score(index: usize) -> u64 {
    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

/// Prints nanoseconds per operation and bytes per member.
pub fn run(members: usize) {
    let keys = shuffled_keys(0, members);
    let each = |run: &mut dyn FnMut()| least(1, run) / members as f64;
    let mut set = SortedSet::for_members(members, 16, LIMITS);
    let insert = each(&mut || measured_insert(&mut set, &keys));
    let score = each(&mut || measured_scores(&set, &keys));
    let rank = each(&mut || measured_ranks(&set, &keys));
    let walk = each(&mut || measured_walk(&set));
    let bytes = set.memory() as f64 / members as f64;
    println!("{members} members, {bytes:.1} bytes each");
    println!("  insert {insert:.0} ns, score {score:.0} ns, rank {rank:.0} ns, walk {walk:.1} ns");
    let mut standard = Standard::default();
    let insert = each(&mut || measured_insert_std(&mut standard, &keys));
    println!("  BTreeSet and HashMap: insert {insert:.0} ns");
}

/// Runs one operation for callgrind; false when there is none of this name.
pub fn count(operation: &str, members: usize) -> bool {
    let keys = shuffled_keys(0, members);
    let mut set = SortedSet::for_members(members, 16, LIMITS);
    match operation {
        "sorted_insert" => measured_insert(&mut set, &keys),
        "sorted_insert_std" => measured_insert_std(&mut Standard::default(), &keys),
        "sorted_rank" => {
            fill(&mut set, &keys);
            measured_ranks(&set, &keys);
        }
        "sorted_score" => {
            fill(&mut set, &keys);
            measured_scores(&set, &keys);
        }
        _ => return false,
    }
    true
}

/// The order and the scores, each with the members in it.
type Standard = (BTreeSet<(u64, Box<[u8]>)>, HashMap<Box<[u8]>, u64>);

fn fill(set: &mut SortedSet, keys: &[Key]) {
    for (index, key) in keys.iter().enumerate() {
        set.insert(key, score(index) as f64, LIMITS);
    }
}

#[inline(never)]
fn measured_insert(set: &mut SortedSet, keys: &[Key]) {
    fill(set, keys);
}

#[inline(never)]
fn measured_insert_std((order, scores): &mut Standard, keys: &[Key]) {
    for (index, key) in keys.iter().enumerate() {
        let member: Box<[u8]> = Box::from(key.as_slice());
        if scores.insert(member.clone(), score(index)).is_none() {
            order.insert((score(index), member));
        }
    }
}

#[inline(never)]
fn measured_ranks(set: &SortedSet, keys: &[Key]) {
    black_box(keys.iter().map(|key| set.rank(key).expect("it was inserted").0).sum::<usize>());
}

#[inline(never)]
fn measured_scores(set: &SortedSet, keys: &[Key]) {
    black_box(keys.iter().map(|key| set.score(key).expect("it was inserted")).sum::<f64>());
}

#[inline(never)]
fn measured_walk(set: &SortedSet) {
    black_box(set.iter().map(|(member, score)| member.len() + score as usize).sum::<usize>());
}
