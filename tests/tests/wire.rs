//! What the probe measures on the wire agrees with what a client sees, whatever the network does.
#![forbid(unsafe_code)]

use boxcar_tests::network::{Capture, Network, ON, percentile};
use boxcar_tests::{Client, Value};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Requests a second: far below what anything here can serve, so that each finds everybody waiting.
const RATE: u32 = 2000;

/// Sends requests at a fixed rate, whatever the answers do, and gives the median time from a request to its answer.
fn at_fixed_rate(requests: u32, mut exchange: impl FnMut()) -> Duration {
    let start = Instant::now();
    let mut seen: Vec<Duration> = (0..requests)
        .map(|i| {
            let due = start + Duration::from_secs(1) / RATE * i;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let sent = Instant::now();
            exchange();
            sent.elapsed()
        })
        .collect();
    seen.sort_unstable();
    seen[seen.len() / 2]
}

/// What the wire itself costs: the median of the same exchange with a program that only sends back what it gets.
fn echo_median(network: &Network, requests: u32) -> Duration {
    let listener = network.as_server(|| TcpListener::bind("10.77.0.1:0").expect("a listener"));
    let address = listener.local_addr().expect("an address");
    let echo = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        peer.set_nodelay(true).expect("an option");
        let mut bytes = [0; 64];
        while let Ok(length @ 1..) = peer.read(&mut bytes) {
            peer.write_all(&bytes[..length]).expect("the peer reads");
        }
    });
    let median = network.as_client(|| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut bytes = [b'x'; 20];
        at_fixed_rate(requests, || {
            stream.write_all(&bytes).expect("it reads");
            stream.read_exact(&mut bytes).expect("it answers");
        })
    });
    echo.join().expect("the echo ends with its peer");
    median
}

/// `BOXCAR_WIRE_REQUESTS=100000` makes it the long run whose figures are committed (perf/results).
#[test]
fn medians_of_wire_and_client_agree() {
    let Some(network) = Network::new() else { return };
    let requests = std::env::var("BOXCAR_WIRE_REQUESTS").map_or(5000, |text| text.parse().expect("a number"));
    let server = network.start(ON);
    let mut client = server.client(0);
    client.call(["SET", "k", "v"]);
    let before = echo_median(&network, requests.min(5000));
    assert_eq!(client.call(["LATENCY", "WIRE", "RESET"]), Value::ok());
    let seen = network
        .as_client(|| at_fixed_rate(requests, || assert_eq!(client.call(["GET", "k"]).to_text(), "v")));
    let text = client.call(["LATENCY", "WIRE"]);
    let after = echo_median(&network, requests.min(5000));
    let wire = Duration::from_micros(percentile(&text, "up_to_64", "p50_usec"));
    assert!(percentile(&text, "up_to_64", "calls") >= u64::from(requests));
    let own = before.max(after);
    eprintln!(
        "{requests} requests: client {seen:?}, wire {wire:?}, an echo over the same wire {before:?} and {after:?}"
    );
    assert!(wire < seen, "the wire sees less of the way than the client: {wire:?} and {seen:?}");
    assert!(seen - wire < own, "{seen:?} less {wire:?} is more than the wire's own {own:?}");
}

#[test]
fn a_delay_is_in_its_bucket() {
    let Some(network) = Network::new() else { return };
    let server = network.start(ON);
    let mut client = server.client(0);
    for (seconds, least) in [("0.005", 5_000u64), ("0.05", 50_000), ("0.5", 500_000)] {
        assert_eq!(client.call(["LATENCY", "WIRE", "RESET"]), Value::ok());
        let seen = Instant::now();
        for _ in 0..3 {
            assert_eq!(client.call(["DEBUG", "SLEEP", seconds]), Value::ok());
        }
        let most = seen.elapsed().as_micros() as u64 - 2 * least;
        // Three of four measurements are the delays: the first is RESET's own reply.
        let median = percentile(&client.call(["LATENCY", "WIRE"]), "up_to_64", "p50_usec");
        // A bucket is 3 % wide.
        assert!(median >= least && median <= most + most / 16, "{seconds}: {median} of {least} to {most}");
    }
}

#[test]
fn a_request_seen_twice_is_counted_and_not_measured() {
    let Some(network) = Network::new() else { return };
    let server = network.start(ON);
    for family in 0..2 {
        let mut client = server.client(family);
        assert_eq!(client.call(["PING"]).to_text(), "PONG");
        let before = server.counter("probe_retransmitted");
        assert_eq!(client.call(["LATENCY", "WIRE", "RESET"]), Value::ok());
        network.as_client(|| {
            let capture = Capture::open();
            client.send(["DEBUG", "SLEEP", "1"]);
            let frame = capture.find(b"SLEEP");
            std::thread::sleep(Duration::from_millis(200));
            capture.send(&frame);
        });
        assert_eq!(client.read().expect("a reply"), Value::ok());
        let slowest = slowest(&mut client);
        // Neither the whole second nor what was left of it after the second copy.
        assert!(slowest < 600_000, "{slowest} us were measured");
        // The client's own kernel may have sent it twice as well, on a busy machine.
        assert!(server.counter("probe_retransmitted") > before);
        // The connection is measured again afterwards.
        let matched = server.counter("probe_matched");
        for _ in 0..20 {
            client.call(["PING"]);
        }
        assert!(server.counter("probe_matched") >= matched + 20);
    }
}

fn slowest(client: &mut Client) -> u64 {
    percentile(&client.call(["LATENCY", "WIRE"]), "up_to_64", "p99.9_usec")
}
