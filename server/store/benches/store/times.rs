//! Nanoseconds per operation.

use std::hint::black_box;
use std::time::Instant;

use boxcar_store::{Keyspace, Place};

use crate::subject::{self, Key, Operation};

/// Operations of one measurement, at least.
const OPERATIONS: usize = 1 << 21;

/// Measurements, of which the fastest counts: the machine is noisy in one direction only.
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
    row("overwrite same size", &keyspace, &keys, subject::set);
    let rounds = (OPERATIONS / count).clamp(1, 64);
    alternating("overwrite other size", count, rounds, |batch| {
        timed(&keyspace, &keys, batch, subject::set_longer) + timed(&keyspace, &keys, batch, subject::set)
    });
    alternating("insert, then delete", count, rounds, |batch| {
        timed(&keyspace, &absent, batch, subject::set) + timed(&keyspace, &absent, batch, subject::delete)
    });
    drop(keyspace);
    grow(&keys);
    hashbrown(&keys, &absent);
    println!();
}

fn row(name: &str, keyspace: &Keyspace<()>, keys: &[Key], operation: Operation) {
    let repeat = (OPERATIONS / keys.len()).max(1);
    let best = |batch: usize| {
        let nanoseconds =
            (0..ROUNDS).map(|_| (0..repeat).map(|_| timed(keyspace, keys, batch, operation)).sum());
        nanoseconds.min_by(f64::total_cmp).unwrap_or(f64::NAN) / (repeat * keys.len()) as f64
    };
    println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", best(0), best(16), best(32));
}

/// A pair of operations that undo each other; prints nanoseconds for one.
fn alternating(name: &str, count: usize, rounds: usize, pair: impl Fn(usize) -> f64) {
    let mean = |batch| (0..rounds).map(|_| pair(batch)).sum::<f64>() / (2 * rounds * count) as f64;
    let best = |batch| (0..ROUNDS).map(|_| mean(batch)).min_by(f64::total_cmp).unwrap_or(f64::NAN);
    println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", best(0), best(16), best(32));
}

/// One pass over all keys, in nanoseconds. A batch of zero means one key after the other without prefetching.
fn timed(keyspace: &Keyspace<()>, keys: &[Key], batch: usize, operation: Operation) -> f64 {
    let start = Instant::now();
    black_box(if batch == 0 {
        unstaged(keyspace, keys, operation)
    } else {
        staged(keyspace, keys, batch, operation)
    });
    start.elapsed().as_nanos() as f64
}

fn unstaged(keyspace: &Keyspace<()>, keys: &[Key], operation: Operation) -> u64 {
    keys.iter().map(|key| operation(keyspace, keyspace.locate(key), key)).fold(0, u64::wrapping_add)
}

fn staged(keyspace: &Keyspace<()>, keys: &[Key], batch: usize, operation: Operation) -> u64 {
    let mut sum = 0u64;
    let mut places = [Place { hash: 0, shard: 0 }; 32];
    for keys in keys.chunks(batch) {
        let places = &mut places[..keys.len()];
        let guard = keyspace.pin();
        for (place, key) in places.iter_mut().zip(keys) {
            *place = keyspace.locate(key);
            keyspace.prefetch_bucket(0, *place, &guard);
        }
        for place in places.iter() {
            keyspace.prefetch_record(0, *place, &guard);
        }
        for (place, key) in places.iter().zip(keys) {
            sum = sum.wrapping_add(operation(keyspace, *place, key));
        }
    }
    sum
}

/// Inserts while growing from empty, and deletes until empty.
fn grow(keys: &[Key]) {
    let repeat = (OPERATIONS / 4 / keys.len()).max(1);
    let mut best = [[f64::INFINITY; 3]; 2];
    for (column, batch) in [0, 16, 32].into_iter().enumerate() {
        for _ in 0..ROUNDS.min(3) {
            let (mut insert, mut delete) = (0.0, 0.0);
            for _ in 0..repeat {
                let keyspace = subject::keyspace();
                insert += timed(&keyspace, keys, batch, subject::set);
                delete += timed(&keyspace, keys, batch, subject::delete);
            }
            let each = (repeat * keys.len()) as f64;
            best[0][column] = best[0][column].min(insert / each);
            best[1][column] = best[1][column].min(delete / each);
        }
    }
    for (name, times) in ["insert, growing from empty", "delete until empty"].into_iter().zip(best) {
        println!("  {name:<34}{:>10.1} {:>10.1} {:>10.1}", times[0], times[1], times[2]);
    }
}

/// The same with a plain map, without a lock and without an expiry: what a good table costs.
fn hashbrown(keys: &[Key], absent: &[Key]) {
    type Map = hashbrown::HashMap<Box<[u8]>, Box<[u8]>>;
    let repeat = (OPERATIONS / keys.len()).max(1);
    let best = |name: &str, pass: &mut dyn FnMut() -> u64| {
        let round = |pass: &mut dyn FnMut() -> u64| {
            let start = Instant::now();
            for _ in 0..repeat {
                black_box(pass());
            }
            start.elapsed().as_nanos() as f64 / (repeat * keys.len()) as f64
        };
        let nanoseconds = (0..ROUNDS).map(|_| round(pass)).min_by(f64::total_cmp).unwrap_or(f64::NAN);
        println!("  hashbrown {name:<24}{nanoseconds:>10.1}");
    };
    let insert_all = || {
        let mut map = Map::default();
        for key in keys {
            map.insert(key.as_slice().into(), [b'v'; 64].as_slice().into());
        }
        map
    };
    let mut map = insert_all();
    let look = |map: &Map, keys: &[Key]| {
        let touch = |value: &Box<[u8]>| u64::from(value[0]) + u64::from(value[value.len() - 1]);
        keys.iter().map(|key| map.get(key.as_slice()).map_or(0, touch)).sum()
    };
    best("get hit", &mut || look(&map, keys));
    best("get miss", &mut || look(&map, absent));
    best("overwrite same size", &mut || {
        keys.iter().for_each(|key| {
            if let Some(value) = map.get_mut(key.as_slice()) {
                value.copy_from_slice(&[b'v'; 64]);
            }
        });
        0
    });
    drop(map);
    let (mut insert, mut delete) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let start = Instant::now();
        let mut map = insert_all();
        insert = insert.min(start.elapsed().as_nanos() as f64 / keys.len() as f64);
        let start = Instant::now();
        keys.iter().for_each(|key| drop(map.remove(key.as_slice())));
        delete = delete.min(start.elapsed().as_nanos() as f64 / keys.len() as f64);
    }
    println!("  hashbrown {:<24}{insert:>10.1}", "insert, growing");
    println!("  hashbrown {:<24}{delete:>10.1}", "delete until empty");
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
