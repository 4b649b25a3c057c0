//! Commands that look at every key: others have their turn meanwhile.
#![forbid(unsafe_code)]

use boxcar_tests::client::ReadError;
use boxcar_tests::server::Options;
use boxcar_tests::{Configuration, in_every_configuration};
use std::time::Duration;

in_every_configuration!(keys_lets_others_have_their_turn, a_walk_goes_on_where_a_held_shard_had_stopped_it);

const KEYS: usize = 1_000_000;

/// One thread of each kind, so that nobody else can serve the others.
const ALONE: [&str; 6] = ["--io-threads", "1", "--worker-threads", "1", "--enable-debug-command", "yes"];

fn keys_lets_others_have_their_turn(configuration: Configuration) {
    let server = Options::boxcar(configuration).flags(ALONE).start();
    let (mut walker, mut other) = (server.client(), server.client());
    assert_eq!(walker.call(["DEBUG", "POPULATE", &KEYS.to_string()]).to_text(), "OK");
    walker.send(["KEYS", "nothing*"]);
    // The first may come before the walk begins, and waiting for a moment takes some milliseconds.
    let mut answered = 0;
    let reply = loop {
        assert_eq!(other.call(["PING"]).to_text(), "PONG");
        match walker.read_within(Duration::from_micros(1)) {
            Ok(reply) => break reply,
            Err(ReadError::Timeout) => answered += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(reply.to_string(), "[]");
    assert!(answered >= 3, "{answered} replies while a million keys were looked at");
    // Nothing of it is left for the next one, and inside a transaction it is one step.
    assert_eq!(walker.call(["KEYS", "key:77777"]).to_string(), r#"["key:77777"]"#);
    walker.call(["MULTI"]);
    walker.call(["KEYS", "key:88888"]);
    assert!(walker.call(["EXEC"]).to_string().contains("key:88888"));
}

fn a_walk_goes_on_where_a_held_shard_had_stopped_it(configuration: Configuration) {
    let server = Options::boxcar(configuration).flags(["--enable-debug-command", "yes"]).start();
    let mut sleepers: Vec<_> = (0..8).map(|_| server.client()).collect();
    let mut walker = server.client();
    for i in 0..1000 {
        walker.call(["SET", &format!("key:{i}"), "value"]);
    }
    for _ in 0..5 {
        // Some of them on the other thread.
        sleepers.iter_mut().for_each(|sleeper| sleeper.send(["DEBUG", "SLEEP", "0.01"]));
        walker.send(["KEYS", "*"]);
        walker.send(["SCAN", "0", "COUNT", "100000"]);
        walker.send(["RANDOMKEY"]);
        let keys = walker.read().expect("a reply").to_string();
        assert_eq!(keys.matches("key:").count(), 1000);
        let scan = walker.read().expect("a reply").to_string();
        assert_eq!(scan.matches("key:").count(), 1000);
        assert!(walker.read().expect("a reply").to_text().starts_with("key:"));
        for sleeper in &mut sleepers {
            assert_eq!(sleeper.read().expect("a reply").to_text(), "OK");
        }
    }
}
