//! Active expiry: how long a step holds the lock, and what a key costs.

use std::time::Instant;

use crate::subject;
use boxcar_store::{Expired, Value};

/// Records of one step, as the server takes them.
const STEP: usize = 32;

/// Fills a keyspace with keys that have all expired and removes them step by step, shard after shard in turn.
pub fn run(count: usize) {
    let keyspace = subject::keyspace();
    for key in subject::shuffled_keys(0, count) {
        let place = keyspace.locate(&key);
        keyspace.lock(place.shard).db(0).set(place.hash, &key, Value::Bytes(&[b'v'; 64]), Some(1), 0);
    }
    let mut holds: Vec<u32> = Vec::with_capacity(2 * count / STEP);
    let mut gone = Vec::with_capacity(2 * STEP);
    let started = Instant::now();
    while keyspace.len(0) > 0 {
        for shard in 0..keyspace.shards() as u32 {
            let mut guard = keyspace.lock(shard);
            let locked = Instant::now();
            guard.db(0).expire_step(2, STEP, &mut |expired| {
                if let Expired::Key(record) = expired {
                    gone.push(record);
                }
            });
            drop(guard);
            holds.push(u32::try_from(locked.elapsed().as_nanos()).unwrap_or(u32::MAX));
            gone.clear();
        }
    }
    let each = started.elapsed().as_nanos() as f64 / count as f64;
    holds.sort_unstable();
    let share = |part: f64| holds[((holds.len() - 1) as f64 * part) as usize];
    println!(
        "{count} expired keys: {each:.0} ns each; a step of {STEP} holds the lock for {} ns (p50), {} (p99), {} (p99.9)",
        share(0.5),
        share(0.99),
        share(0.999)
    );
}
