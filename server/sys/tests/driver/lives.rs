//! Beginnings and ends: closing at bad moments, tokens used again, listeners, dropped drivers, time-outs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use boxcar_sys::socket::{TcpListenerOptions, tcp_listener};
use boxcar_sys::{Token, Wait};

use crate::harness::{Config, LISTENER, Rig, pattern};

pub fn close_with_a_send_in_flight(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut client, token) = rig.connect();
    rig.send(token, pattern(5, 32 << 20));
    rig.rest(Duration::from_millis(10));
    assert!(rig.seen(token).in_flight);
    rig.close(token);
    // The recorder checks the order: the answer to the send, then `closed`.
    rig.until("it is closed", |rig| rig.seen.live.is_empty());
    assert_eq!(rig.counters().send_errors, 1);
    let mut part = Vec::new();
    // What was in the socket still arrives, then the end (or a reset, should the kernel have met late bytes).
    let _ = client.read_to_end(&mut part);
    assert!(part.len() < 32 << 20 && part == pattern(5, 32 << 20)[..part.len()]);
    // A send that has just been asked for is no different.
    let (mut client, token) = rig.connect();
    rig.send(token, b"farewell".to_vec());
    rig.close(token);
    rig.until("it is closed", |rig| rig.seen.live.is_empty());
    let mut farewell = Vec::new();
    client.read_to_end(&mut farewell).unwrap();
    assert_eq!(farewell, b"farewell");
}

pub fn close_while_reading_is_paused(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    for rest in [0, 5] {
        let (mut client, token) = rig.connect();
        rig.pause(token);
        client.write_all(&pattern(6, 200_000)).unwrap();
        rig.rest(Duration::from_millis(rest));
        rig.close(token);
        rig.until("it is closed", |rig| rig.seen.live.is_empty());
        let (mut client, token) = rig.connect();
        client.write_all(b"x").unwrap();
        rig.until("it has come", |rig| !rig.seen(token).received.is_empty());
        rig.pause(token);
        client.write_all(&pattern(7, 1000)).unwrap();
        rig.rest(Duration::from_millis(rest));
        rig.resume(token);
        rig.close(token);
        rig.until("it is closed", |rig| rig.seen.live.is_empty());
    }
}

pub fn an_index_is_used_again(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    for generation in 0..50 {
        let mut client = TcpStream::connect(rig.address).unwrap();
        rig.until("it is accepted", |rig| !rig.seen.accepted.is_empty());
        let (_, socket) = rig.seen.accepted.pop().unwrap();
        let token = Token::new(3, generation);
        rig.register_as(token, socket);
        client.write_all(&pattern(u64::from(generation), 100)).unwrap();
        // Every other connection is closed with bytes still on their way: they must not reach its successor.
        if generation % 2 == 0 {
            rig.until("it has come", |rig| rig.seen(token).received.len() == 100);
            assert_eq!(rig.seen(token).received, pattern(u64::from(generation), 100));
            rig.echo();
        }
        rig.close(token);
        rig.until("it is closed", |rig| rig.seen.live.is_empty());
        rig.seen.ready.clear();
    }
    assert_eq!(rig.seen.closed.len(), 50);
}

pub fn sending_to_a_dead_peer_fails(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (client, token) = rig.connect();
    drop(client);
    rig.until("the end is seen", |rig| rig.seen(token).read_closed.is_some());
    // The first is answered with a reset, a later one meets it.
    rig.until("a send fails", |rig| {
        if !rig.seen(token).in_flight {
            rig.send(token, b"anybody there?".to_vec());
        }
        rig.seen(token).sent.iter().any(Result::is_err)
    });
    let error = rig.seen(token).sent.iter().find_map(|sent| sent.err()).unwrap();
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    rig.close(token);
    rig.until("it is closed", |rig| rig.seen.live.is_empty());
}

pub fn listeners_stop(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (_client, _token) = rig.connect();
    rig.driver.stop_listening(LISTENER);
    rig.turn(Wait::Poll);
    rig.turn(Wait::Poll);
    rig.rest(Duration::from_millis(5));
    assert_eq!(TcpStream::connect(rig.address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The id and the port are free again; stopping an unknown one is nothing.
    let again =
        tcp_listener(rig.address, &TcpListenerOptions { reuse_port: false, ..Default::default() }).unwrap();
    rig.driver.listen(LISTENER, again);
    rig.driver.stop_listening(boxcar_sys::ListenerId(99));
    let (mut client, token) = rig.connect();
    client.write_all(b"x").unwrap();
    rig.until("it has come", |rig| rig.seen(token).received == b"x");
    // Stopped and started within one turn.
    rig.driver.stop_listening(LISTENER);
    rig.driver.listen(LISTENER, tcp_listener("127.0.0.1:0".parse().unwrap(), &Default::default()).unwrap());
    rig.driver.stop_listening(LISTENER);
    rig.rest(Duration::from_millis(5));
    assert!(TcpStream::connect(rig.address).is_err());
}

pub fn dropped_with_everything_under_way(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut slow, slow_token) = rig.connect();
    rig.send(slow_token, pattern(8, 32 << 20));
    let (mut reading, _) = rig.connect();
    let (mut paused, paused_token) = rig.connect();
    rig.pause(paused_token);
    paused.write_all(&pattern(9, 50_000)).unwrap();
    let (mut closing, closing_token) = rig.connect();
    rig.rest(Duration::from_millis(5));
    rig.close(closing_token);
    let (mut fresh, fresh_token) = rig.connect();
    rig.send(fresh_token, b"never submitted, or just".to_vec());
    let address = rig.address;
    let began = Instant::now();
    drop(rig);
    assert!(began.elapsed() < Duration::from_secs(4), "the kernel lets go at once");
    for client in [&mut slow, &mut reading, &mut paused, &mut closing, &mut fresh] {
        // The end or a reset; either means that the driver's side is closed.
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        let end = client.read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    }
    assert!(TcpStream::connect(address).is_err());
}

pub fn waits_as_long_as_asked(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    rig.rest(Duration::from_millis(5));
    for asked in [Duration::from_micros(300), Duration::from_millis(30)] {
        let began = Instant::now();
        rig.turn(Wait::For(asked));
        assert!(began.elapsed() >= asked, "{:?} instead of {asked:?}", began.elapsed());
        assert!(began.elapsed() < asked + Duration::from_secs(5));
    }
    let (turns, began) = (rig.counters().turns, Instant::now());
    rig.turn(Wait::Poll);
    rig.turn(Wait::For(Duration::ZERO));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(rig.counters().turns, turns + 2);
}
