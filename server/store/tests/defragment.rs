//! Defragmentation with jemalloc underneath: memory comes back, and nothing is lost.
#![cfg(feature = "jemalloc")]

mod jemalloc;

use boxcar_store::{Keyspace, KeyspaceOptions, Value};
use jemalloc::{figure, pass, stays};

const KEYS: u32 = 200_000;

#[test]
fn what_is_left_moves_together() {
    let keyspace = Keyspace::new(KeyspaceOptions { shards: 16, ..KeyspaceOptions::default() }, |_| ());
    let large = vec![b'l'; 20_000];
    for number in 0..KEYS {
        let key = number.to_le_bytes();
        let place = keyspace.locate(&key);
        let text = format!("{number:064}");
        let value = if number % 10_000 == 0 { &large } else { text.as_bytes() };
        let expire_at = number.is_multiple_of(3).then_some(i64::from(number));
        keyspace.lock(place.shard).db(0).set(place.hash, &key, Value::Bytes(value), expire_at, number);
    }
    for number in (0..KEYS).filter(|&number| !stays(number)) {
        let place = keyspace.locate(&number.to_le_bytes());
        assert!(keyspace.lock(place.shard).db(0).remove(place.hash, &number.to_le_bytes()));
    }
    let (used, before) = (keyspace.used_memory(), figure(c"stats.active"));
    let first = pass(&keyspace);
    let later = pass(&keyspace);
    let after = figure(c"stats.active");
    assert!(first > keyspace.len(0) / 3, "{first} of {} moved", keyspace.len(0));
    assert!(later < first / 2, "{first}, then {later} moved");
    assert!(after < before - before / 3, "{before} bytes of pages before, {after} after");
    assert_eq!(keyspace.used_memory(), used);
    for number in 0..KEYS {
        let key = number.to_le_bytes();
        let place = keyspace.locate(&key);
        let mut guard = keyspace.lock(place.shard);
        let db = guard.db(0);
        let record = db.get(place.hash, &key);
        assert_eq!(record.is_some(), stays(number));
        if let Some(record) = record {
            let text = format!("{number:064}");
            let value = if number % 10_000 == 0 { &large } else { text.as_bytes() };
            assert_eq!(record.string(), Some(Value::Bytes(value)));
            assert_eq!(record.expire_at(), number.is_multiple_of(3).then_some(i64::from(number)));
            assert_eq!(record.access(), number & 0x00ff_ffff);
        }
    }
}
