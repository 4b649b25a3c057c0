//! Nanoseconds of processor time per operation.

use boxcar_store::{Ahead, Keyspace, Place};
use smallvec::SmallVec;
use std::hint::black_box;

use crate::clock::least;
use crate::subject::{self, Key, Operation};

/// Operations of one measurement, at least.
const OPERATIONS: usize = 1 << 21;

/// Measurements, of which the least counts.
const ROUNDS: usize = 5;

/// Measures every operation at a number of keys.
pub fn run(count: usize) {
    println!("{count} keys, ns per operation           unstaged   batch 16   batch 32");
    let keys = subject::shuffled_keys(0, count);
    let absent = subject::shuffled_keys(count, count);
    let keyspace = subject::keyspace();
    subject::fill(&keyspace, &keys);
    row("get hit", &keyspace, &keys, subject::get);
    row("get miss", &keyspace, &absent, subject::get);
    row("lock and unlock alone", &keyspace, &keys, subject::lock);
    row("overwrite same size", &keyspace, &keys, subject::set);
    let rounds = (OPERATIONS / count).clamp(1, 64);
    alternating("overwrite other size", count, rounds, |batch| {
        pass(&keyspace, &keys, batch, subject::set_longer);
        pass(&keyspace, &keys, batch, subject::set);
    });
    alternating("insert, then delete", count, rounds, |batch| {
        pass(&keyspace, &absent, batch, subject::set);
        pass(&keyspace, &absent, batch, subject::delete);
    });
    drop(keyspace);
    grow(&keys);
    hashbrown(&keys, &absent);
    println!();
}

fn row(name: &str, keyspace: &Keyspace<()>, keys: &[Key], operation: Operation) {
    // Short measurements, as many as fit: some of them meet no disturbance.
    let repeat = (OPERATIONS / 32 / keys.len()).max(1);
    let rounds = (ROUNDS * OPERATIONS / (repeat * keys.len())).max(ROUNDS);
    let best = |batch| {
        least(rounds, || (0..repeat).for_each(|_| pass(keyspace, keys, batch, operation)))
            / (repeat * keys.len()) as f64
    };
    println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", best(0), best(16), best(32));
}

/// A pair of operations that undo each other; prints nanoseconds for one.
fn alternating(name: &str, count: usize, rounds: usize, pair: impl Fn(usize)) {
    let best = |batch| least(ROUNDS, || (0..rounds).for_each(|_| pair(batch))) / (2 * rounds * count) as f64;
    println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", best(0), best(16), best(32));
}

/// One pass over all keys. A batch of zero means one key after the other without prefetching.
fn pass(keyspace: &Keyspace<()>, keys: &[Key], batch: usize, operation: Operation) {
    black_box(if batch == 0 {
        unstaged(keyspace, keys, operation)
    } else {
        staged(keyspace, keys, batch, operation)
    });
}

fn unstaged(keyspace: &Keyspace<()>, keys: &[Key], operation: Operation) -> u64 {
    keys.iter().map(|key| operation(keyspace, keyspace.locate(key), key)).fold(0, u64::wrapping_add)
}

fn staged(keyspace: &Keyspace<()>, keys: &[Key], batch: usize, operation: Operation) -> u64 {
    let mut sum = 0u64;
    for keys in keys.chunks(batch) {
        let guard = keyspace.pin();
        let staged: SmallVec<[(Place, Ahead<'_>); 32]> = keys
            .iter()
            .map(|key| {
                let place = keyspace.locate(key);
                (place, keyspace.prefetch_bucket(0, place, &guard))
            })
            .collect();
        staged.iter().for_each(|(_, ahead)| ahead.prefetch_record());
        for ((place, _), key) in staged.iter().zip(keys) {
            sum = sum.wrapping_add(operation(keyspace, *place, key));
        }
    }
    sum
}

/// Inserts while growing from empty, and deletes until empty.
fn grow(keys: &[Key]) {
    let repeat = (OPERATIONS / 4 / keys.len()).max(1);
    let mut best = [[0.0; 3]; 2];
    for (column, batch) in [0, 16, 32].into_iter().enumerate() {
        let keyspaces = || -> Vec<_> { (0..repeat).map(|_| subject::keyspace()).collect() };
        let each = (repeat * keys.len()) as f64;
        let mut grown = keyspaces();
        best[0][column] = (0..3)
            .map(|_| {
                grown = keyspaces();
                least(1, || grown.iter().for_each(|keyspace| pass(keyspace, keys, batch, subject::set)))
                    / each
            })
            .min_by(f64::total_cmp)
            .expect("three rounds");
        best[1][column] =
            least(1, || grown.iter().for_each(|keyspace| pass(keyspace, keys, batch, subject::delete)))
                / each;
    }
    for (name, times) in ["insert, growing from empty", "delete until empty"].into_iter().zip(best) {
        println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", times[0], times[1], times[2]);
    }
}

/// The same with a plain map, without a lock and without an expiry: what a good table costs.
fn hashbrown(keys: &[Key], absent: &[Key]) {
    type Map = hashbrown::HashMap<Box<[u8]>, Box<[u8]>>;
    let repeat = (OPERATIONS / keys.len()).max(1);
    let print = |name: &str, nanoseconds: f64| println!("  hashbrown {name:<24}{nanoseconds:>10.1}");
    let row = |name: &str, pass: &mut dyn FnMut() -> u64| {
        let all = least(ROUNDS * 4, || {
            (0..repeat).for_each(|_| {
                black_box(pass());
            });
        });
        print(name, all / (repeat * keys.len()) as f64);
    };
    let mut map =
        keys.iter().map(|key| (key.as_slice().into(), [b'v'; 64].as_slice().into())).collect::<Map>();
    let look = |map: &Map, keys: &[Key]| {
        let touch = |value: &[u8]| u64::from(value[0]) + u64::from(value[value.len() - 1]);
        keys.iter().map(|key| map.get(key.as_slice()).map_or(0, |value| touch(value))).sum()
    };
    let (mut insert, mut delete) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        delete = delete.min(least(1, || keys.iter().for_each(|key| drop(map.remove(key.as_slice())))));
        map = Map::default();
        insert = insert.min(least(1, || {
            for key in keys {
                map.insert(key.as_slice().into(), [b'v'; 64].as_slice().into());
            }
        }));
    }
    row("get hit", &mut || look(&map, keys));
    row("get miss", &mut || look(&map, absent));
    row("overwrite same size", &mut || {
        for key in keys {
            map.get_mut(key.as_slice()).expect("all keys are there").copy_from_slice(&[b'v'; 64]);
        }
        0
    });
    print("insert, growing", insert / keys.len() as f64);
    print("delete until empty", delete / keys.len() as f64);
}

/// Runs one operation a hundred thousand times inside a function that callgrind can be told to collect.
pub fn count(operation: &str) {
    let keys = subject::shuffled_keys(0, 100_000);
    let absent = subject::shuffled_keys(100_000, 100_000);
    let keyspace = subject::keyspace();
    subject::fill(&keyspace, &keys);
    let (keys, run): (&[Key], Operation) = match operation.trim_end_matches("_staged") {
        "get_hit" => (&keys, subject::get),
        "get_miss" => (&absent, subject::get),
        "overwrite" => (&keys, subject::set),
        "insert" => (&absent, subject::set),
        "delete" => (&keys, subject::delete),
        "lock" => (&keys, subject::lock),
        other => panic!("unknown operation {other}"),
    };
    let batch = if operation.ends_with("_staged") { 16 } else { 0 };
    black_box(measured(&keyspace, keys, batch, run));
    println!("{operation}: {} operations", keys.len());
}

#[inline(never)]
fn measured(keyspace: &Keyspace<()>, keys: &[Key], batch: usize, operation: Operation) -> u64 {
    if batch == 0 { unstaged(keyspace, keys, operation) } else { staged(keyspace, keys, batch, operation) }
}
