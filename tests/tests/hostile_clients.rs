//! Clients that do not read, stop half way, vanish, or do not speak the protocol: the others must not notice.
#![forbid(unsafe_code)]

use boxcar_tests::client::encode;
use boxcar_tests::matrix::MATRIX;
use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, Value, in_every_configuration};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

in_every_configuration!(
    a_slow_reader_holds_up_nobody,
    a_pipeline_may_be_written_first_and_read_later,
    who_never_reads_is_closed_at_the_limit,
    a_half_closed_client_gets_its_replies,
    who_vanishes_leaves_nothing_behind,
    garbage_harms_nobody,
);

/// The server's resident memory in bytes.
fn resident(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

fn repeated(command: &[&str], times: usize) -> Vec<u8> {
    let mut one = Vec::new();
    encode(&mut one, command);
    one.repeat(times)
}

/// Waits until no client but the one that asks is left.
fn wait_until_alone(client: &mut Client) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let clients = client.call(["INFO", "clients"]).to_text();
        if clients.contains("connected_clients:1\r\n") {
            return;
        }
        assert!(Instant::now() < deadline, "somebody is still there: {clients}");
        sleep(Duration::from_millis(10));
    }
}

fn a_slow_reader_holds_up_nobody(configuration: Configuration) {
    const SIZE: usize = 100_000;
    const TIMES: usize = 2000;
    let server = Server::start(configuration);
    let mut other = server.client();
    let value = "v".repeat(SIZE);
    assert_eq!(other.call(["SET", "big", &value]), Value::ok());
    let before = resident(&server);
    let mut slow = server.client();
    slow.send_raw(&repeated(&["GET", "big"], TIMES)).expect("the server reads requests");
    // 200 MB of replies wait for somebody who reads nothing yet.
    for _ in 0..200 {
        let start = Instant::now();
        assert_eq!(other.call(["PING"]), Value::Simple(b"PONG".to_vec()));
        assert!(start.elapsed() < Duration::from_secs(2), "another client waited {:?}", start.elapsed());
        sleep(Duration::from_millis(2));
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 64 << 20, "one client that does not read costs {grown} bytes");
    for number in 0..TIMES {
        let reply = slow.read().unwrap_or_else(|error| panic!("reply {number}: {error}"));
        assert!(matches!(&reply, Value::Bulk(text) if text.len() == SIZE), "reply {number}");
    }
}

/// Blocking clients with a deep pipeline write all of it before they read: the server must take the requests
/// although it cannot get rid of the replies.
fn a_pipeline_may_be_written_first_and_read_later(configuration: Configuration) {
    const TIMES: usize = 200_000;
    let server = Server::start(configuration);
    let mut client = server.client();
    let value = "v".repeat(500);
    assert_eq!(client.call(["SET", "key", &value]), Value::ok());
    client.send_raw(&repeated(&["GET", "key"], TIMES)).expect("the server takes the whole pipeline");
    client.send(["ECHO", "end"]);
    for number in 0..TIMES {
        let reply = client.read().unwrap_or_else(|error| panic!("reply {number}: {error}"));
        assert!(matches!(&reply, Value::Bulk(text) if text.len() == 500), "reply {number}: {reply}");
    }
    assert_eq!(client.read().expect("the last reply"), Value::bulk("end"));
}

fn who_never_reads_is_closed_at_the_limit(configuration: Configuration) {
    let flags = ["--client-output-buffer-limit", "normal 1mb 0 0"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut other = server.client();
    assert_eq!(other.call(["SET", "big", &"v".repeat(8 << 20)]), Value::ok());
    let mut deaf = server.client();
    deaf.send_raw(&repeated(&["GET", "big"], 20)).expect("requests are small");
    wait_until_alone(&mut other);
    assert!(deaf.wait_closed(Duration::from_secs(10)), "the connection is still open");
    // What others make it receive counts as well.
    let mut monitor = server.client();
    assert_eq!(monitor.call(["MONITOR"]), Value::ok());
    let long = "x".repeat(100_000);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !other.call(["INFO", "clients"]).to_text().contains("connected_clients:1\r\n") {
        assert!(Instant::now() < deadline, "a monitor that never reads is still there");
        for _ in 0..20 {
            other.call(["ECHO", &long]);
        }
    }
    assert!(monitor.wait_closed(Duration::from_secs(10)), "the connection is still open");
}

fn a_half_closed_client_gets_its_replies(configuration: Configuration) {
    const TIMES: usize = 2000;
    let server = Server::start(configuration);
    let mut client = server.client();
    client.send_raw(&repeated(&["INCR", "n"], TIMES)).expect("the server reads");
    client.shutdown_write().expect("an open socket");
    for number in 1..=TIMES {
        let reply = client.read().unwrap_or_else(|error| panic!("reply {number}: {error}"));
        assert_eq!(reply, Value::Integer(i64::try_from(number).expect("a small number")));
    }
    assert!(client.wait_closed(Duration::from_secs(10)), "the server keeps its half open");
    // A half command before the end is dropped in silence.
    let mut client = server.client();
    client.send_raw(b"*2\r\n$3\r\nGET\r\n$1").expect("the server reads");
    client.shutdown_write().expect("an open socket");
    assert!(client.wait_closed(Duration::from_secs(10)), "the server waits for the rest");
    wait_until_alone(&mut server.client());
}

fn who_vanishes_leaves_nothing_behind(configuration: Configuration) {
    let server = Server::start(configuration);
    let mut other = server.client();
    assert_eq!(other.call(["SET", "big", &"v".repeat(1 << 20)]), Value::ok());
    for number in 0..100 {
        let mut client = server.client();
        let request =
            if number % 2 == 0 { repeated(&["GET", "big"], 20) } else { repeated(&["INCR", "n"], 5000) };
        client.send_raw(&request).expect("the server reads");
        if number % 3 == 0 {
            // Some replies have come: with more unread, closing sends a reset.
            client.read().expect("a reply");
        }
    }
    wait_until_alone(&mut other);
    assert_eq!(other.call(["PING"]), Value::Simple(b"PONG".to_vec()));
}

fn garbage_harms_nobody(configuration: Configuration) {
    let mut server = Server::start(configuration);
    let mut other = server.client();
    assert_eq!(other.call(["SET", "k", "v"]), Value::ok());
    let mut random = StdRng::seed_from_u64(7);
    let greetings: [&[u8]; 6] = [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n",
        b"*1000000\r\n",
        b"*2\r\n$3\r\nGET\r\n$500000000\r\n",
        b"\r\n\0\r\n",
    ];
    for number in 0..300 {
        let mut bytes = vec![0; random.random_range(1..5000)];
        random.fill_bytes(&mut bytes);
        if number % 4 == 0 {
            // Only what the protocol is made of, in no order.
            bytes.iter_mut().for_each(|byte| *byte = b"*$\r\n0123456789-:+ \"'abc"[usize::from(*byte) % 23]);
        }
        let client = server.client();
        let greeting = greetings[number % greetings.len()];
        // It may be closed already, which is an answer too.
        let _ = client.stream().write_all(&[greeting, &bytes].concat());
        if number % 50 == 0 {
            assert_eq!(other.call(["GET", "k"]), Value::bulk("v"));
        }
    }
    wait_until_alone(&mut other);
    assert!(server.is_running());
    assert_eq!(other.call(["GET", "k"]), Value::bulk("v"));
}

#[test]
fn a_browser_is_turned_away() {
    for configuration in MATRIX {
        let server = Server::start(configuration);
        let mut browser = server.client();
        browser.send_raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n").expect("the server reads");
        assert!(browser.wait_closed(Duration::from_secs(10)), "a browser is listened to");
        let mut browser = server.client();
        browser.send_raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n").expect("the server reads");
        assert!(browser.wait_closed(Duration::from_secs(10)), "a browser is listened to");
        assert!(server.client().call(["GET", "k"]).is_null(), "a browser's body was executed");
    }
}
