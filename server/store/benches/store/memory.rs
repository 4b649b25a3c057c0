//! Resident bytes per key.

use boxcar_store::Value;

use crate::subject;

/// Fills a keyspace and prints what it takes.
pub fn run(count: usize, value_bytes: usize, ttl: bool) {
    let before = resident();
    let keyspace = subject::keyspace();
    let value = vec![b'v'; value_bytes];
    for number in 0..count {
        let key = subject::key(number);
        let place = keyspace.locate(&key);
        let expire_at = ttl.then_some(4_000_000_000_000 + number as i64);
        keyspace.lock(place.shard).db(0).set(place.hash, &key, Value::Bytes(&value), expire_at, 0);
    }
    let per_key = |bytes: usize| bytes as f64 / count as f64;
    println!(
        "{count} keys of 16 bytes, values of {value_bytes}{}: {:.1} resident bytes per key, {:.1} by its own account",
        if ttl { " with a TTL" } else { "" },
        per_key(resident() - before),
        per_key(keyspace.used_memory()),
    );
}

/// Resident bytes of this process (proc(5), statm: the second field, in pages).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages: usize = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("statm has numbers");
    pages * 4096
}
