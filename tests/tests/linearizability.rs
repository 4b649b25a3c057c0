//! Concurrent clients on a few keys: every history they see can be explained by commands that happen at one instant
//! each, MSET, MGET and transactions included.
#![forbid(unsafe_code)]

use boxcar_tests::history::{Call, KEYS, Operation, check};
use boxcar_tests::{Client, Configuration, Server, Value, in_every_configuration};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

in_every_configuration!(a_history_is_linearizable, optimistic_increments_add_up);

const CLIENTS: usize = 6;
const OPERATIONS: usize = 3000;

/// Names that live in different shards, except the last two, which share a tag.
const NAMES: [&str; KEYS] = ["a", "b", "{t}c", "{t}d"];

fn a_history_is_linearizable(configuration: Configuration) {
    let server = Server::start(configuration);
    let epoch = Instant::now();
    let histories: Vec<Vec<Operation>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let connection = server.client();
                scope.spawn(move || one_client(client, connection, epoch))
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let history = histories.concat();
    assert_eq!(history.len(), CLIENTS * OPERATIONS);
    check(&history).unwrap_or_else(|problem| panic!("not linearizable: {problem}"));
}

fn one_client(client: usize, mut connection: Client, epoch: Instant) -> Vec<Operation> {
    let mut random = StdRng::seed_from_u64(client as u64);
    let mut history = Vec::with_capacity(OPERATIONS);
    for number in 0..OPERATIONS {
        // Values are never written twice, so that a stale one cannot pass for a fresh one.
        let value = |at: usize| (number * CLIENTS + client) as i64 * 100 + at as i64 + 1_000_000;
        let (calls, requests) = request(&mut random, value);
        let start = epoch.elapsed().as_nanos() as u64;
        let mut bytes = Vec::new();
        for request in &requests {
            boxcar_tests::client::encode(&mut bytes, request);
        }
        connection.send_raw(&bytes).expect("the server reads");
        let replies: Vec<Value> = requests.iter().map(|_| connection.read().expect("a reply")).collect();
        let end = epoch.elapsed().as_nanos() as u64;
        let last = replies.last().expect("at least one reply");
        let replies = outcomes(&calls, last);
        history.push(Operation { client, start, end, calls, replies });
    }
    history
}

/// One operation: what it does, and the commands on the wire, the last of which has the replies.
fn request(random: &mut StdRng, value: impl Fn(usize) -> i64) -> (Vec<Call>, Vec<Vec<String>>) {
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let key = random.random_range(0..KEYS);
    let other = (key + random.random_range(1..KEYS)) % KEYS;
    let (k, o) = (NAMES[key], NAMES[other]);
    match random.random_range(0..8) {
        0 | 1 => (vec![Call::Get(key)], vec![words(format!("GET {k}"))]),
        2 => (vec![Call::Set(key, value(0))], vec![words(format!("SET {k} {}", value(0)))]),
        3 => (vec![Call::Incr(key)], vec![words(format!("INCR {k}"))]),
        4 => (vec![Call::Del(key)], vec![words(format!("DEL {k}"))]),
        5 => {
            let calls = vec![Call::Set(key, value(0)), Call::Set(other, value(1))];
            (calls, vec![words(format!("MSET {k} {} {o} {}", value(0), value(1)))])
        }
        6 => {
            let calls = (0..KEYS).map(Call::Get).collect();
            (calls, vec![words(format!("MGET {}", NAMES.join(" ")))])
        }
        _ => {
            let calls = vec![Call::Incr(key), Call::Get(other), Call::Set(other, value(0)), Call::Get(key)];
            let lines =
                ["MULTI", &format!("INCR {k}"), &format!("GET {o}"), &format!("SET {o} {}", value(0))];
            let mut requests: Vec<Vec<String>> = lines.iter().map(|line| words((*line).to_owned())).collect();
            requests.push(words(format!("GET {k}")));
            requests.push(words("EXEC".to_owned()));
            (calls, requests)
        }
    }
}

/// A reply as one outcome for each call.
fn outcomes(calls: &[Call], reply: &Value) -> Vec<i64> {
    let of = |value: &Value| match value {
        Value::Integer(n) => *n,
        Value::Simple(_) => 0,
        Value::Bulk(text) => String::from_utf8_lossy(text).parse().expect("a number was written"),
        null if null.is_null() => 0,
        other => panic!("{other} is no outcome"),
    };
    match reply {
        Value::Array(elements) => elements.iter().map(of).collect(),
        // MSET's one reply stands for all its keys.
        single => calls.iter().map(|_| of(single)).collect(),
    }
}

/// WATCH, GET, MULTI, SET, EXEC: of those that read the same value only one may write.
fn optimistic_increments_add_up(configuration: Configuration) {
    const ROUNDS: i64 = 300;
    let server = Server::start(configuration);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = server.client();
            let failed = &failed;
            scope.spawn(move || {
                let deadline = Instant::now() + Duration::from_secs(60);
                let mut done = 0;
                while done < ROUNDS && !failed.load(Ordering::Relaxed) {
                    if Instant::now() > deadline {
                        failed.store(true, Ordering::Relaxed);
                    }
                    client.call(["WATCH", "counter", "shadow"]);
                    let read = client.call(["GET", "counter"]).to_text().parse::<i64>().unwrap_or(0) + 1;
                    client.call(["MULTI"]);
                    client.call(["SET", "counter", &read.to_string()]);
                    client.call(["SET", "shadow", &read.to_string()]);
                    done += i64::from(!client.call(["EXEC"]).is_null());
                }
            });
        }
    });
    assert!(!failed.load(Ordering::Relaxed), "the clients keep failing each other");
    let mut client = server.client();
    assert_eq!(client.call(["GET", "counter"]).to_text(), (4 * ROUNDS).to_string());
    assert_eq!(client.call(["GET", "shadow"]).to_text(), (4 * ROUNDS).to_string());
}
