//! maxmemory under a crowd of writers: nobody is refused, and the data set stays small.
#![forbid(unsafe_code)]

use boxcar_tests::client::encode;
use boxcar_tests::server::Options;
use boxcar_tests::{Configuration, Server, in_every_configuration};
use std::thread;
use std::time::{Duration, Instant};

in_every_configuration!(
    writers_are_never_refused_while_something_can_go,
    without_eviction_reads_go_on,
    a_data_set_smaller_than_the_shards_tables_is_kept_within_its_limit
);

const LIMIT: u64 = 4 << 20;
const WRITERS: usize = 4;
const PIPELINES: usize = 60;
const PIPELINE: usize = 250;

/// What the data set may be above the limit: for each thread a quantum of 4 KiB and what its last command brought,
/// for which a table may have doubled a segment.
const SLACK: u64 = 6 * (4096 + 8192);

fn limited(configuration: Configuration, policy: &str) -> Server {
    let limit = LIMIT.to_string();
    let flags = ["--maxmemory", &limit, "--maxmemory-policy", policy, "--maxmemory-eviction-tenacity", "100"];
    Options::boxcar(configuration).flags(flags).start()
}

fn data_set(server: &Server) -> u64 {
    server.info("used_memory_dataset").parse().expect("a number")
}

fn write(server: &Server, writer: usize, value: &str) -> Vec<String> {
    let mut client = server.client();
    let mut refused = Vec::new();
    for pipeline in 0..PIPELINES {
        let mut bytes = Vec::new();
        for number in 0..PIPELINE {
            let key = format!("{writer}:{pipeline}:{number}");
            // Every tenth brings something large, every seventh several keys at once.
            match number {
                n if n % 10 == 0 => encode(&mut bytes, ["SET", &key, &value.repeat(20)]),
                n if n % 7 == 0 => encode(&mut bytes, ["MSET", &key, value, &format!("{key}b"), value]),
                _ => encode(&mut bytes, ["SET", &key, value, "EX", "1000"]),
            }
        }
        client.send_raw(&bytes).expect("the server reads");
        for _ in 0..PIPELINE {
            let reply = client.read().expect("a reply");
            if reply.is_error() {
                refused.push(reply.to_string());
            }
        }
        assert!(data_set(server) <= LIMIT + SLACK, "{} bytes", data_set(server));
    }
    refused
}

fn writers_are_never_refused_while_something_can_go(configuration: Configuration) {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let server = limited(configuration, policy);
        let value = "x".repeat(200);
        // With volatile-ttl, what cannot go must not fill the memory by itself.
        let writers = if policy == "volatile-ttl" { 1 } else { WRITERS };
        let refused: Vec<String> = thread::scope(|scope| {
            let (server, value) = (&server, &value);
            let writers: Vec<_> =
                (0..writers).map(|writer| scope.spawn(move || write(server, writer, value))).collect();
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
        });
        let evicted: u64 = server.info("evicted_keys").parse().expect("a number");
        assert!(evicted > 1000, "{policy}: {evicted}");
        if policy == "allkeys-lru" {
            assert!(refused.is_empty(), "{} refused, the first with {}", refused.len(), refused[0]);
        } else {
            // In the end all that is left is what may not go.
            assert!(refused.iter().all(|error| error.contains("OOM command not allowed")), "{refused:?}");
        }
    }
}

fn without_eviction_reads_go_on(configuration: Configuration) {
    let server = limited(configuration, "noeviction");
    let refused = write(&server, 0, &"x".repeat(400));
    assert!(!refused.is_empty() && refused.iter().all(|error| error.contains("OOM command not allowed")));
    let mut client = server.client();
    assert_eq!(client.call(["GET", "0:0:1"]).to_text(), "x".repeat(400));
    assert!(client.call(["SET", "new", "value"]).is_error());
    assert_eq!(server.info("evicted_keys"), "0");
    assert_eq!(client.call(["FLUSHALL", "ASYNC"]).to_text(), "OK");
    assert_eq!(client.call(["SET", "new", "value"]).to_text(), "OK");
}

/// Each shard's table takes at least a line: used-up ones must not take the room of keys.
fn a_data_set_smaller_than_the_shards_tables_is_kept_within_its_limit(configuration: Configuration) {
    let flags = ["--maxmemory", "8192", "--maxmemory-policy", "allkeys-random", "--shards", "1024"];
    let flags = flags.into_iter().chain(["--maxmemory-eviction-tenacity", "100"]);
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut client = server.client();
    for number in 0..5000 {
        let reply = client.call(["SET", &format!("key:{number}"), "value"]);
        assert!(!reply.is_error(), "number {number}: {reply}");
    }
    assert!(server.info("evicted_keys").parse::<u64>().expect("a number") > 4500);
    let kept: u64 = client.call(["DBSIZE"]).to_text().parse().expect("a number");
    assert!(kept > 20, "{kept} keys within 8 KiB");
    assert_eq!(client.call(["CONFIG", "SET", "maxmemory", "0"]).to_text(), "OK");
    for number in 0..5000 {
        client.call(["DEL", &format!("key:{number}")]);
    }
    let start = Instant::now();
    while data_set(&server) > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} bytes for no key", data_set(&server));
        thread::sleep(Duration::from_millis(20));
    }
}
