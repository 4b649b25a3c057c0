//! Several threads at once: locks, parking, and prefetches that race with splits and merges.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use boxcar_store::{Entry, Keyspace, KeyspaceOptions, Record, Value, Wake};

const KEYS: u32 = if cfg!(miri) { 300 } else { 60_000 };
const ROUNDS: usize = if cfg!(miri) { 1 } else { 6 };

fn keyspace(shards: usize) -> Keyspace<u64> {
    Keyspace::new(KeyspaceOptions { shards, databases: 2, seed: 9, inline_limit: 64 }, |_| 0)
}

/// Readers without the lock walk over tables that grow, shrink, are swapped and are flushed under their eyes.
#[test]
fn prefetching_races_with_every_change_of_the_table() {
    let keyspace = keyspace(2);
    let done = AtomicBool::new(false);
    let prefetched = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) || prefetched.load(Ordering::Relaxed) == 0 {
                for first in (0..KEYS).step_by(16) {
                    let guard = keyspace.pin();
                    for key in first..first + 16 {
                        let place = keyspace.locate(&key.to_le_bytes());
                        for db in 0..2 {
                            keyspace.prefetch_bucket(db, place, &guard).prefetch_record();
                        }
                    }
                    prefetched.fetch_add(16, Ordering::Relaxed);
                }
            }
        });
        for round in 0..ROUNDS {
            for key in 0..KEYS {
                let place = keyspace.locate(&key.to_le_bytes());
                keyspace.lock(place.shard).db(0).set(
                    place.hash,
                    &key.to_le_bytes(),
                    Value::Integer(1),
                    None,
                    0,
                );
            }
            assert_eq!(keyspace.len(0), KEYS as usize);
            for shard in 0..2 {
                keyspace.lock(shard).swap_databases(0, 1);
            }
            if round % 2 == 0 {
                for key in 0..KEYS {
                    let place = keyspace.locate(&key.to_le_bytes());
                    assert!(keyspace.lock(place.shard).db(1).remove(place.hash, &key.to_le_bytes()));
                }
            }
            drop([0, 1].map(|shard| keyspace.lock(shard).take_database(1)));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(keyspace.len(0) + keyspace.len(1), 0);
    assert!(prefetched.into_inner() > 0);
}

/// Threads count in the same keys; whoever does not get a lock in time is parked and woken.
#[test]
fn no_increment_and_no_waiter_is_lost() {
    struct Bell {
        thread: std::thread::Thread,
        rung: AtomicU64,
    }
    impl Wake for Bell {
        fn wake(&self, token: u64) {
            self.rung.fetch_add(token, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
    let (threads, increments) = if cfg!(miri) { (2, 20) } else { (4, 30_000u64) };
    let keyspace = keyspace(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let bell = Arc::new(Bell { thread: std::thread::current(), rung: AtomicU64::new(0) });
                let mut parked = 0;
                for number in 0..increments {
                    let key = [b'k', (number % 3) as u8];
                    let place = keyspace.locate(&key);
                    let mut shard = loop {
                        match keyspace.try_lock(place.shard) {
                            Some(shard) => break shard,
                            None if keyspace.park(place.shard, bell.clone(), 1) => {
                                parked += 1;
                                while bell.rung.load(Ordering::SeqCst) < parked {
                                    std::thread::park();
                                }
                            }
                            None => {}
                        }
                    };
                    *shard.ext() += 1;
                    match shard.db(0).entry(place.hash, &key) {
                        Entry::Vacant(vacant) => drop(vacant.insert(Value::Integer(1), None, 0)),
                        Entry::Occupied(mut entry) => {
                            let Some(Value::Integer(count)) = entry.record().string() else {
                                panic!("counts are integers")
                            };
                            entry.set_value(Value::Integer(count + 1));
                        }
                    }
                    if number % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    let mut shard = keyspace.lock(0);
    assert_eq!(*shard.ext(), threads * increments);
    let mut sum = 0;
    shard.db(0).scan(0, 10, &mut |record| match record.string() {
        Some(Value::Integer(count)) => sum += count as u64,
        other => panic!("counts are integers, not {other:?}"),
    });
    assert_eq!(sum, threads * increments);
}

/// A value that a reply is sent from stays whole while its key is overwritten and deleted.
#[test]
fn a_shared_value_outlives_its_key() {
    let keyspace = keyspace(1);
    let place = keyspace.locate(b"big");
    for round in 0..50u8 {
        let value = vec![round; 1000];
        keyspace.lock(0).db(0).set(place.hash, b"big", Value::Bytes(&value), None, 0);
        let blob = keyspace.lock(0).db(0).get(place.hash, b"big").and_then(Record::blob).unwrap();
        let reader = std::thread::spawn(move || blob.iter().all(|&byte| byte == round));
        if let Entry::Occupied(mut entry) = keyspace.lock(0).db(0).entry(place.hash, b"big") {
            entry.resize_bytes(1100).fill(0xff);
            entry.remove();
        }
        assert!(reader.join().unwrap());
    }
}
