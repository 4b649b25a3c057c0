//! Order: a million pipelined commands on 64 connections, each reply compared with what it must be, while the dispatch
//! mode is switched to and fro.
#![forbid(unsafe_code)]

use boxcar_tests::client::encode;
use boxcar_tests::matrix::MATRIX;
use boxcar_tests::{Configuration, Server};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const CONNECTIONS: usize = 64;
const COMMANDS: usize = 1_000_000;
/// Enough to span several receives and several batches.
const PIPELINE: usize = 500;
const KEYS: usize = 16;

#[test]
fn replies_come_in_the_order_of_commands_on_epoll() {
    replies_come_in_order(MATRIX[2]);
}

#[test]
fn replies_come_in_the_order_of_commands_on_io_uring() {
    replies_come_in_order(MATRIX[3]);
}

fn replies_come_in_order(configuration: Configuration) {
    assert_eq!(configuration.dispatch, "rings");
    let server = Server::start(configuration);
    let over = AtomicBool::new(false);
    let flips = thread::scope(|scope| {
        let flipper = scope.spawn(|| {
            let mut client = server.client();
            let mut flips = 0;
            while !over.load(Ordering::Relaxed) {
                for mode in ["inline", "rings", "auto", "rings"] {
                    assert_eq!(client.call(["CONFIG", "SET", "dispatch", mode]).to_text(), "OK");
                    thread::sleep(Duration::from_millis(3));
                    flips += 1;
                }
            }
            flips
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let address = server.address();
                scope.spawn(move || one_connection(number, address))
            })
            .collect();
        let results: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        let flips = flipper.join().expect("the one who flips");
        let total: usize = results.into_iter().map(|result| result.expect("a connection")).sum();
        assert!(total >= COMMANDS, "{total} commands");
        flips
    });
    assert!(flips >= 20, "the mode was switched only {flips} times");
}

fn one_connection(number: usize, address: std::net::SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut model = Model::new(number);
    let mut sent = 0;
    while sent < COMMANDS.div_ceil(CONNECTIONS) {
        let (mut requests, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..PIPELINE {
            sent += model.command(&mut requests, &mut expected);
        }
        stream.write_all(&requests).expect("the server reads");
        let mut replies = vec![0; expected.len()];
        stream.read_exact(&mut replies).unwrap_or_else(|error| panic!("connection {number}: {error}"));
        if replies != expected {
            let at = replies.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(0);
            let around = |bytes: &[u8]| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())])
                    .into_owned()
            };
            panic!(
                "connection {number}, byte {at}: {:?} instead of {:?}",
                around(&replies),
                around(&expected)
            );
        }
    }
    sent
}

/// What a connection's own keys hold, and so what each reply must be.
struct Model {
    number: usize,
    random: StdRng,
    values: Vec<Option<String>>,
    counter: i64,
    sequence: usize,
}

impl Model {
    fn new(number: usize) -> Self {
        let random = StdRng::seed_from_u64(number as u64);
        Self { number, random, values: vec![None; KEYS], counter: 0, sequence: 0 }
    }

    fn key(&self, at: usize) -> String {
        format!("connection:{}:key:{at}", self.number)
    }

    /// Appends one command, or a transaction, and the bytes of its replies; gives the number of commands.
    fn command(&mut self, requests: &mut Vec<u8>, expected: &mut Vec<u8>) -> usize {
        self.sequence += 1;
        let at = self.random.random_range(0..KEYS);
        let value = format!("value-{}", self.sequence);
        match self.random.random_range(0..10) {
            0 | 1 => {
                encode(requests, ["SET", &self.key(at), &value]);
                expected.extend(b"+OK\r\n");
                self.values[at] = Some(value);
            }
            2 | 3 => {
                encode(requests, ["GET", &self.key(at)]);
                bulk(expected, self.values[at].as_deref());
            }
            4 => {
                encode(requests, ["INCR", &self.key(KEYS)]);
                self.counter += 1;
                expected.extend(format!(":{}\r\n", self.counter).bytes());
            }
            5 => self.write_many(&value, requests, expected),
            6 => self.read_all(requests, expected),
            7 => {
                encode(requests, ["ECHO", &value]);
                bulk(expected, Some(&value));
            }
            8 => {
                let next = (at + 1) % KEYS;
                encode(requests, ["DEL", &self.key(at), &self.key(next)]);
                let existed = [at, next].iter().filter(|at| self.values[**at].take().is_some()).count();
                expected.extend(format!(":{existed}\r\n").bytes());
            }
            _ => return self.transaction(at, &value, requests, expected),
        }
        1
    }

    fn write_many(&mut self, value: &str, requests: &mut Vec<u8>, expected: &mut Vec<u8>) {
        let mut command = vec!["MSET".to_owned()];
        for at in (0..KEYS).step_by(3) {
            command.extend([self.key(at), value.to_owned()]);
            self.values[at] = Some(value.to_owned());
        }
        encode(requests, command);
        expected.extend(b"+OK\r\n");
    }

    fn read_all(&mut self, requests: &mut Vec<u8>, expected: &mut Vec<u8>) {
        encode(requests, std::iter::once("MGET".to_owned()).chain((0..KEYS).map(|at| self.key(at))));
        expected.extend(format!("*{KEYS}\r\n").bytes());
        self.values.iter().for_each(|value| bulk(expected, value.as_deref()));
    }

    fn transaction(
        &mut self,
        at: usize,
        value: &str,
        requests: &mut Vec<u8>,
        expected: &mut Vec<u8>,
    ) -> usize {
        let (key, counter) = (self.key(at), self.key(KEYS));
        let commands: [&[&str]; 5] =
            [&["MULTI"], &["GET", &key], &["SET", &key, value], &["INCR", &counter], &["EXEC"]];
        commands.iter().for_each(|command| encode(requests, *command));
        expected.extend(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
        bulk(expected, self.values[at].as_deref());
        self.counter += 1;
        expected.extend(format!("+OK\r\n:{}\r\n", self.counter).bytes());
        self.values[at] = Some(value.to_owned());
        commands.len()
    }
}

fn bulk(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(text) => out.extend(format!("${}\r\n{text}\r\n", text.len()).bytes()),
        None => out.extend(b"$-1\r\n"),
    }
}
