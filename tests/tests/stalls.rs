//! A value of very many elements goes, and nobody else waits for its freeing.
#![forbid(unsafe_code)]

use boxcar_tests::client::encode;
use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, in_every_configuration};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

in_every_configuration!(freeing_a_huge_value_stalls_nobody);

const MEMBERS: usize = 400_000;
const MEMBERS_A_COMMAND: usize = 1000;
/// On a loaded machine a reader may lose its processor for as long as the freeing takes, but not again and again.
const ATTEMPTS: usize = 6;

fn fill(client: &mut Client) {
    client.call(["DEL", "huge"]);
    let mut bytes = Vec::new();
    for first in (0..MEMBERS).step_by(MEMBERS_A_COMMAND) {
        let members = (first..first + MEMBERS_A_COMMAND).map(|number| format!("member:{number:07}"));
        encode(&mut bytes, ["SADD".to_owned(), "huge".to_owned()].into_iter().chain(members));
    }
    client.send_raw(&bytes).expect("the server reads");
    for _ in (0..MEMBERS).step_by(MEMBERS_A_COMMAND) {
        assert!(!client.read().expect("a reply").is_error());
    }
}

/// The longest wait of a reader of another key while the huge one goes, and how long freeing it took.
fn removal(server: &Server, commands: &[&str]) -> (Duration, Duration) {
    let mut client = server.client();
    fill(&mut client);
    client.call(["SET", "small", "value"]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = server.client();
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                client.call(["GET", "small"]);
                longest = longest.max(start.elapsed());
            }
            longest
        });
        // The reader is under way.
        thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        for command in commands {
            let reply = client.call(command.split(' '));
            assert!(!reply.is_error(), "{command}: {reply}");
        }
        while server.info("lazyfree_pending_objects") != "0" {
            assert!(start.elapsed() < Duration::from_secs(30), "{commands:?}: it is never freed");
            thread::sleep(Duration::from_millis(1));
        }
        let freed = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (reader.join().expect("the reader"), freed)
    })
}

/// Were it freed in the command, or under the lock, every attempt's reader would wait for all of it: there is one I/O
/// thread, and one shard.
fn freeing_a_huge_value_stalls_nobody(configuration: Configuration) {
    let flags = ["--io-threads", "1", "--worker-threads", "1", "--shards", "1"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let ways: [&[&str]; 4] =
        [&["DEL huge"], &["UNLINK huge"], &["FLUSHALL"], &["SET other value", "RENAME other huge"]];
    for commands in ways {
        let mut seen = Vec::new();
        let passed = (0..ATTEMPTS).any(|_| {
            let (longest, freed) = removal(&server, commands);
            seen.push((longest, freed));
            longest < freed / 2
        });
        assert!(passed, "{commands:?}: longest wait and time of freeing {seen:?}");
    }
}
