//! A full life of a keyspace gives back every byte it took.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use boxcar_store::{Entry, Keyspace, KeyspaceOptions, Value};

/// Bytes allocated and not freed, by the whole process: this file has one test.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: u32 = if cfg!(miri) { 200 } else { 50_000 };

fn key(number: u32) -> [u8; 4] {
    number.to_le_bytes()
}

fn life(keyspace: &Keyspace<Vec<u8>>) {
    let small = [7u8; 40];
    let large = [7u8; 400];
    for number in 0..KEYS {
        let place = keyspace.locate(&key(number));
        let db = (number % 3) as usize;
        let value = if number % 10 == 0 { Value::Bytes(&large) } else { Value::Bytes(&small) };
        let expire_at = (number % 4 == 0).then_some(i64::from(number));
        let mut shard = keyspace.lock(place.shard);
        shard.db(db).set(place.hash, &key(number), value, expire_at, 0);
        if let Entry::Occupied(mut entry) = shard.db(db).entry(place.hash, &key(number)) {
            match number % 7 {
                0 => entry.set_expire(Some(5)),
                1 => entry.set_expire(None),
                2 => entry.set_value(Value::Integer(3)),
                3 => drop(entry.resize_bytes(number as usize % 900)),
                4 => entry.set(Value::Bytes(&large), Some(9), 1),
                5 => entry.remove(),
                _ => drop(entry.take()),
            }
        }
    }
    for shard in 0..keyspace.shards() as u32 {
        let mut guard = keyspace.lock(shard);
        while !guard.db(0).expire_step(i64::from(KEYS / 2), 1000, &mut |_, _| ()).wrapped {}
        guard.swap_databases(0, 1);
        drop(guard.take_database(2));
    }
}

/// Memory whose release waits for readers that may still look at it.
fn collect_garbage() {
    for _ in 0..64 {
        crossbeam_epoch::pin().flush();
    }
}

#[test]
fn everything_is_given_back() {
    let options = KeyspaceOptions { shards: 4, databases: 3, seed: 1, inline_limit: 100 };
    let mut live = [0; 6];
    for live in &mut live {
        let keyspace = Keyspace::new(options, |_| vec![1u8; 10]);
        life(&keyspace);
        assert!(keyspace.len(0) > 0 && keyspace.used_memory() > 0);
        drop(keyspace);
        collect_garbage();
        *live = LIVE.load(Ordering::Relaxed);
    }
    // The first lives pay for what the process keeps, and the collector keeps an empty bag now and then.
    let (early, late) = (live[1], live[5]);
    assert!(late - early < 4096, "bytes live after each of six lives: {live:?}");
}
