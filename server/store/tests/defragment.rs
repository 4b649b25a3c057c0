//! Defragmentation with jemalloc underneath: memory comes back, and nothing is lost.
#![cfg(feature = "jemalloc")]

use boxcar_store::{Keyspace, KeyspaceOptions, Value};
use std::ffi::CStr;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u32 = 200_000;

fn figure(name: &CStr) -> usize {
    let (mut epoch, mut value, mut len) = (1u64, 0usize, size_of::<usize>());
    // SAFETY: the epoch is a u64 that is read; the figure is a word that is written.
    let errors = unsafe {
        let write = (&raw mut epoch).cast();
        [
            tikv_jemalloc_sys::mallctl(
                c"epoch".as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                write,
                size_of::<u64>(),
            ),
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                (&raw mut value).cast(),
                &raw mut len,
                std::ptr::null_mut(),
                0,
            ),
        ]
    };
    assert_eq!(errors, [0, 0]);
    value
}

/// One pass; how many records were moved.
fn pass(keyspace: &Keyspace<()>) -> usize {
    let mut moved = 0;
    for shard in 0..keyspace.shards() as u32 {
        let mut position = 0;
        loop {
            let step = keyspace.lock(shard).db(0).defragment(position, 8);
            moved += step.moved;
            position = step.position;
            if position == 0 {
                break;
            }
        }
    }
    moved
}

fn stays(number: u32) -> bool {
    number.wrapping_mul(2_654_435_761) >> 24 < 48
}

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
