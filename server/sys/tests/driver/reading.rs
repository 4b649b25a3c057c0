//! Pausing, resuming, and the ways in which reading ends.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::harness::{Config, Rig, pattern};

pub fn half_close(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut client, token) = rig.connect();
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    rig.until("the end is seen", |rig| rig.seen(token).read_closed.is_some());
    assert_eq!(rig.seen(token).read_closed, Some(None));
    assert_eq!(rig.seen(token).received, b"last words");
    rig.send(token, b"the answer".to_vec());
    rig.until("the answer is out", |rig| !rig.seen(token).in_flight);
    assert_eq!(rig.seen(token).sent, [Ok(10)], "the other direction still works");
    rig.driver.shutdown_write(token);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"the answer");
    // Nothing comes of a socket that has ended, not even a busy loop.
    let before = rig.counters();
    rig.rest(Duration::from_millis(20));
    assert!(rig.counters().events - before.events < 5, "{:?}", rig.counters());
    rig.close(token);
    rig.until("it is closed", |rig| rig.seen.live.is_empty());
}

pub fn pause_holds_back_and_resume_brings_everything(config: &Config) {
    const LEN: usize = 8 << 20;
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut client, token) = rig.connect();
    let writer = thread::spawn(move || {
        client.write_all(&pattern(3, LEN)).unwrap();
        client
    });
    for round in 0..8 {
        let enough = LEN / 16 * (round + 1);
        rig.until("a part has come", |rig| rig.seen(token).received.len() >= enough);
        rig.pause(token);
        // A pause that ends before anything came, pauses in pauses: all the same.
        rig.resume(token);
        rig.pause(token);
        rig.pause(token);
        let there = rig.seen(token).received.len();
        rig.rest(Duration::from_millis(10));
        assert_eq!(rig.seen(token).received.len(), there);
        rig.resume(token);
        rig.resume(token);
    }
    rig.until("all has come", |rig| rig.seen(token).received.len() == LEN);
    assert!(rig.seen(token).received == pattern(3, LEN), "in order, nothing twice");
    drop(writer.join().unwrap());
    let bound = (config.1.receive_buffer_count * config.1.receive_buffer_size) as u64;
    assert!(rig.counters().held_bytes <= 8 * bound, "{:?}", rig.counters());
}

pub fn pausing_from_received_stops_at_each_piece(config: &Config) {
    let (backend, mut options) = config.clone();
    options.receive_buffer_size = 1000;
    let Some(mut rig) = Rig::open(&(backend, options)) else { return };
    rig.seen.pause_all = true;
    let (mut client, token) = rig.connect();
    client.write_all(&pattern(4, 20_000)).unwrap();
    drop(client);
    for piece in 1..=20 {
        rig.until("a piece has come", |rig| rig.seen(token).paused);
        rig.rest(Duration::from_millis(3));
        assert_eq!(rig.seen(token).received.len(), 1000 * piece);
        rig.resume(token);
    }
    rig.until("the end is seen", |rig| rig.seen(token).read_closed.is_some());
    assert!(rig.seen(token).received == pattern(4, 20_000));
}

pub fn the_end_waits_for_the_end_of_the_pause(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut client, token) = rig.connect();
    rig.pause(token);
    rig.rest(Duration::from_millis(5));
    client.write_all(b"bye").unwrap();
    drop(client);
    rig.rest(Duration::from_millis(20));
    assert!(rig.seen(token).received.is_empty() && rig.seen(token).read_closed.is_none());
    rig.resume(token);
    rig.until("the end is seen", |rig| rig.seen(token).read_closed.is_some());
    assert_eq!(rig.seen(token).received, b"bye");
}

pub fn a_reset_is_an_error(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (client, token) = rig.connect();
    // Unread data at close makes the client's kernel send a reset.
    rig.send(token, vec![1; 1000]);
    rig.until("it is out", |rig| !rig.seen(token).in_flight);
    client.peek(&mut [0]).unwrap();
    drop(client);
    rig.until("the end is seen", |rig| rig.seen(token).read_closed.is_some());
    assert_eq!(rig.seen(token).read_closed, Some(Some(ErrorKind::ConnectionReset)));
    rig.close(token);
    rig.until("it is closed", |rig| rig.seen.live.is_empty());
}
