//! LATENCY STAGES: the time of a sampled request is found in the stage where it was spent.
#![forbid(unsafe_code)]

use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Value, in_every_configuration};
use std::time::{Duration, Instant};

in_every_configuration!(
    a_slow_command_is_in_executed_and_all_stages_count_alike,
    nothing_is_sampled_unless_asked_for,
    what_is_not_answered_is_not_sampled
);

fn stage(client: &mut Client, name: &str, field: &str) -> i64 {
    let reply = client.call(["LATENCY", "STAGES"]);
    let after = |value: &Value, key: &str| {
        let elements = value.elements();
        let at = elements.iter().position(|element| element.to_text() == key);
        elements[at.unwrap_or_else(|| panic!("no {key} in {value}")) + 1].clone()
    };
    after(&after(&reply, name), field).integer()
}

const STAGES: [&str; 5] = ["parsed", "queued", "executed", "written", "sent"];

fn calls(client: &mut Client) -> [i64; 5] {
    STAGES.map(|name| stage(client, name, "calls"))
}

/// Waits until this many requests were sampled: a sample counts when its send is over, which its client may see first.
fn sampled(client: &mut Client, at_least: i64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while stage(client, "sent", "calls") < at_least {
        assert!(Instant::now() < deadline, "{:?}", calls(client));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_slow_command_is_in_executed_and_all_stages_count_alike(configuration: Configuration) {
    let flags = ["--latency-sample-rate", "1", "--enable-debug-command", "yes"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let (mut busy, mut operator) = (server.client(), server.client());
    for _ in 0..5 {
        assert_eq!(busy.call(["DEBUG", "SLEEP", "0.05"]), Value::ok());
    }
    sampled(&mut operator, 5);
    let slowest = stage(&mut operator, "executed", "p99.9_usec");
    assert!((50_000..1_000_000).contains(&slowest), "{slowest}");
    // No stage but the one that sleeps takes half as long as that, on the median of all.
    for name in ["parsed", "written", "sent"] {
        let median = stage(&mut operator, name, "p50_usec");
        assert!(median < 25_000, "{name}: {median}");
    }
    assert_eq!(operator.call(["LATENCY", "STAGES", "RESET"]), Value::ok());
    assert_eq!(operator.call(["CONFIG", "SET", "latency-sample-rate", "10"]), Value::ok());
    // The threads look at the directive once a turn.
    std::thread::sleep(Duration::from_millis(250));
    let before = calls(&mut operator);
    for i in 0..1000 {
        assert_eq!(busy.call(["SET", &i.to_string(), "v"]), Value::ok());
    }
    sampled(&mut operator, before[4] + 95);
    assert_eq!(operator.call(["CONFIG", "SET", "latency-sample-rate", "0"]), Value::ok());
    std::thread::sleep(Duration::from_millis(250));
    let after = calls(&mut operator);
    // All stages of a sample are recorded together.
    assert!(after.iter().all(|count| *count == after[0]), "{after:?}");
    assert!(operator.call(["INFO", "latencystats"]).to_text().contains("latency_stage_usec_executed:p50="));
}

fn nothing_is_sampled_unless_asked_for(configuration: Configuration) {
    let server = Options::boxcar(configuration).start();
    let mut client = server.client();
    for i in 0..100 {
        assert_eq!(client.call(["SET", &i.to_string(), "v"]), Value::ok());
    }
    assert_eq!(calls(&mut client), [0; 5]);
    assert!(!client.call(["INFO", "latencystats"]).to_text().contains("latency_stage"));
}

fn what_is_not_answered_is_not_sampled(configuration: Configuration) {
    let server = Options::boxcar(configuration).flags(["--latency-sample-rate", "1"]).start();
    let (mut quiet, mut waiting) = (server.client(), server.client());
    waiting.send(["BLPOP", "list", "0"]);
    quiet.send(["CLIENT", "REPLY", "OFF"]);
    for _ in 0..200 {
        quiet.send(["PING"]);
        std::thread::sleep(Duration::from_millis(1));
    }
    quiet.send(["CLIENT", "REPLY", "ON"]);
    assert_eq!(quiet.read().expect("a reply"), Value::ok());
    assert_eq!(quiet.call(["CONFIG", "SET", "latency-sample-rate", "0"]), Value::ok());
    // The wait of a client that is served by somebody else is nobody's stage.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(quiet.call(["RPUSH", "list", "x"]).integer(), 1);
    assert_eq!(waiting.read().expect("a reply").elements().len(), 2);
    let after = calls(&mut quiet);
    assert!(after[0] <= 4, "{after:?}");
    for name in STAGES {
        let slowest = stage(&mut quiet, name, "p99.9_usec");
        assert!(slowest < 150_000, "{name}: {slowest}");
    }
}

#[test]
fn a_held_worker_shows_in_queued() {
    let configuration = Configuration { dispatch: "rings", network: "epoll" };
    let flags = [
        "--latency-sample-rate",
        "1",
        "--worker-threads",
        "1",
        "--io-threads",
        "2",
        "--enable-debug-command",
        "yes",
    ];
    let server = Options::boxcar(configuration).flags(flags).start();
    let (mut holder, mut waiting) = (server.client(), server.client());
    assert_eq!(waiting.call(["PING"]).to_text(), "PONG");
    assert_eq!(holder.call(["LATENCY", "STAGES", "RESET"]), Value::ok());
    holder.send(["DEBUG", "SLEEP", "0.3"]);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(waiting.call(["PING"]).to_text(), "PONG");
    assert_eq!(holder.read().expect("a reply"), Value::ok());
    sampled(&mut holder, 2);
    let queued = stage(&mut holder, "queued", "p99.9_usec");
    assert!((150_000..2_000_000).contains(&queued), "{queued}");
    assert!(stage(&mut holder, "executed", "p99.9_usec") >= 300_000);
}
