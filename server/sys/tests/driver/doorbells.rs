//! Doorbells: none is lost, sleepers wake, and between two io_uring drivers the messages go from ring to ring.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use boxcar_sys::{Doorbell, Wait};

use crate::harness::{Config, PATIENCE, Recorder, Rig, open};

pub fn rung_by_other_threads(config: &Config) {
    const THREADS: usize = 4;
    const RINGS: usize = 500;
    let Some(mut rig) = Rig::open(config) else { return };
    rig.turn(Wait::Poll);
    let written = Arc::new(AtomicUsize::new(0));
    let ringers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (bell, written): (Doorbell, _) = (rig.driver.doorbell(), Arc::clone(&written));
            thread::spawn(move || {
                for ring in 0..RINGS {
                    written.fetch_add(1, Ordering::Relaxed);
                    bell.ring();
                    if ring % 50 == 0 {
                        thread::sleep(Duration::from_millis(2));
                    }
                }
            })
        })
        .collect();
    // Only doorbells can end these sleeps; a lost one would hang the test.
    let mut read = 0;
    while read < THREADS * RINGS {
        let bells = rig.seen.doorbells;
        rig.turn(Wait::Forever);
        if rig.seen.doorbells > bells {
            read = written.load(Ordering::Relaxed);
        }
    }
    ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    let counters = rig.counters();
    assert_eq!(counters.doorbells as usize, rig.seen.doorbells);
    assert!(counters.eventfd_wakeups > 0, "{counters:?}");
    assert!(counters.doorbells <= (THREADS * RINGS) as u64);
    rig.turn(Wait::Poll);
    rig.turn(Wait::Poll);
    let quiet = rig.seen.doorbells;
    rig.rest(Duration::from_millis(10));
    assert_eq!(rig.seen.doorbells, quiet, "a doorbell without a ring");
}

/// One of two drivers that wake each other in turn. Returns its counters.
fn partner(
    config: &Config,
    first: bool,
    give: &mpsc::Sender<Doorbell>,
    take: &mpsc::Receiver<Doorbell>,
    ball: &AtomicUsize,
) -> Option<boxcar_sys::Counters> {
    const PASSES: usize = 1000;
    let mut driver = open(config)?;
    let mut seen = Recorder::default();
    give.send(driver.doorbell()).unwrap();
    let other = take.recv().unwrap();
    let parity = usize::from(!first);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = ball.load(Ordering::Relaxed);
        if now >= PASSES {
            driver.ring(&other);
            driver.turn(Wait::Poll, &mut seen).unwrap();
            return Some(*driver.counters());
        }
        if now % 2 == parity {
            ball.store(now + 1, Ordering::Relaxed);
            driver.ring(&other);
            driver.turn(Wait::Poll, &mut seen).unwrap();
        } else {
            driver.turn(Wait::For(Duration::from_secs(20)), &mut seen).unwrap();
        }
        assert!(Instant::now() < deadline, "{:?}", driver.counters());
    }
}

pub fn between_two_drivers(config: &Config) {
    let (to_second, from_first) = mpsc::channel();
    let (to_first, from_second) = mpsc::channel();
    let ball = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let second = thread::spawn({
        let (config, ball) = (config.clone(), Arc::clone(&ball));
        move || partner(&config, false, &to_first, &from_first, &ball)
    });
    let first = partner(config, true, &to_second, &from_second, &ball);
    let (Some(first), Some(second)) = (first, second.join().unwrap()) else { return };
    assert!(began.elapsed() < Duration::from_secs(15), "no sleep ended by its time-out");
    let mut both = first;
    both.add(&second);
    if Rig::open(config).unwrap().active("msg_ring") {
        assert!(both.msg_rings_received > 0, "{both:?}");
        assert!(both.msg_rings_sent >= both.msg_rings_received, "{both:?}");
        assert_eq!((both.eventfd_wakeups, both.msg_rings_failed), (0, 0), "{both:?}");
    } else {
        assert!(both.eventfd_wakeups > 0, "{both:?}");
        assert_eq!(both.msg_rings_sent + both.msg_rings_received, 0, "{both:?}");
    }
}

pub fn outliving_the_driver(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let Some(mut other) = Rig::open(config) else { return };
    let bell = rig.driver.doorbell();
    rig.turn(Wait::Poll);
    drop(rig);
    bell.ring();
    other.driver.ring(&bell);
    other.turn(Wait::Poll);
    thread::spawn(move || bell.ring()).join().unwrap();
    // One's own doorbell keeps one awake for one turn.
    let own = other.driver.doorbell();
    other.driver.ring(&own);
    other.turn(Wait::Forever);
    assert_eq!(other.seen.doorbells, 1);
}
