//! The slowest single inserts.
//!
//! The same keys are inserted into an empty keyspace several times. The table does the same at each insert, so that
//! the least of an insert's times is its own work, and what is above it was the machine's.

use std::time::Instant;

use crate::subject::{self, Key};

const ROUNDS: usize = 4;

/// Grows to a number of keys and prints the distribution of the single inserts' times.
pub fn run(count: usize) {
    let keys = subject::shuffled_keys(0, count);
    let mut least = vec![u32::MAX; count];
    for _ in 0..ROUNDS {
        grow(&keys, &mut least);
    }
    least.sort_unstable();
    println!("single inserts while growing from empty to {count} keys, nanoseconds (with the clock's ~25)");
    for (name, share) in [
        ("p50", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("p99.99", 0.9999),
        ("p99.999", 0.99999),
    ] {
        println!("  {name:<8} {:>8}", least[((count - 1) as f64 * share) as usize]);
    }
    println!("  worst    {:>8}", least[count - 1]);
    for limit in [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000] {
        println!("  above {limit:>6}: {}", least.iter().filter(|&&time| time > limit).count());
    }
}

fn grow(keys: &[Key], least: &mut [u32]) {
    let keyspace = subject::keyspace();
    for (key, least) in keys.iter().zip(least) {
        let start = Instant::now();
        subject::set(&keyspace, keyspace.locate(key), key);
        let elapsed = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
        *least = elapsed.min(*least);
    }
}
