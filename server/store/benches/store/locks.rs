//! The shard lock beside other locks, for one thread that finds it free, and for two that fight.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::clock::least;
use crate::subject;

const OPERATIONS: usize = 200_000;
const ROUNDS: usize = 50;

/// Prints nanoseconds for a lock and an unlock around a small change.
pub fn run() {
    println!("lock, change a number, unlock: ns per operation     alone   two threads, one lock");
    let keyspace = subject::keyspace();
    both("shard lock (word, swap on release, park list)", || {
        black_box(&mut keyspace.lock(black_box(5)).shard());
    });

    let word = AtomicU32::new(0);
    both("bare word: compare-exchange, plain store", || {
        while word.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::hint::spin_loop();
        }
        black_box(&word);
        word.store(0, Ordering::Release);
    });

    let word = AtomicU32::new(0);
    both("word: compare-exchange on release too (as parking_lot)", || {
        while word.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::hint::spin_loop();
        }
        black_box(&word);
        assert!(word.compare_exchange(1, 0, Ordering::Release, Ordering::Relaxed).is_ok());
    });

    let (next, serving) = (AtomicU32::new(0), AtomicU32::new(0));
    both("ticket lock", || {
        let ticket = next.fetch_add(1, Ordering::Relaxed);
        while serving.load(Ordering::Acquire) != ticket {
            std::hint::spin_loop();
        }
        serving.store(ticket.wrapping_add(1), Ordering::Release);
    });

    let mutex = Mutex::new(0u64);
    both("std::sync::Mutex (futex)", || *mutex.lock().expect("nobody panics") += 1);
}

fn both(name: &str, operation: impl Fn() + Sync) {
    let run = || (0..OPERATIONS).for_each(|_| operation());
    let alone = least(ROUNDS, run) / OPERATIONS as f64;
    let stop = AtomicBool::new(false);
    let contended = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                operation();
            }
        });
        let time = least(ROUNDS, run) / OPERATIONS as f64;
        stop.store(true, Ordering::Relaxed);
        time
    });
    println!("  {name:<55}{alone:>6.2} {contended:>8.1}");
}
