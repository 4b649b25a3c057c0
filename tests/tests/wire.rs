//! What the probe measures on the wire agrees with what a client sees, whatever the network does.
#![forbid(unsafe_code)]

use boxcar_tests::network::{Capture, Network, ON, percentile};
use boxcar_tests::{Client, Value};
use socket2::{SockFilter, SockRef};
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

/// Lets a connection's socket throw away what carries payload, as if it were lost on its way, and take what only acknowledges.
fn lose_payload(socket: &SockRef<'_>) {
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_LENGTH: u16 = 0x80;
    // The filter sees a segment from its TCP header on: its length less that of the header, which byte 12 tells in words.
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, 12),
        SockFilter::new(0x74, 0, 0, 4), // A >>= 4
        SockFilter::new(0x64, 0, 0, 2), // A <<= 2
        SockFilter::new(0x07, 0, 0, 0), // X = A
        SockFilter::new(LOAD_LENGTH, 0, 0, 0),
        SockFilter::new(0x1c, 0, 0, 0),        // A -= X
        SockFilter::new(0x15, 0, 1, 0),        // A == 0?
        SockFilter::new(0x06, 0, 0, u32::MAX), // taken
        SockFilter::new(0x06, 0, 0, 0),        // lost
    ];
    socket.attach_filter(&program).expect("a filter of our own socket");
}

#[test]
fn a_lost_reply_is_sent_again_and_not_measured_again() {
    let Some(network) = Network::new() else { return };
    let server = network.start(ON);
    for family in 0..2 {
        let mut client = server.client(family);
        assert_eq!(client.call(["PING"]).to_text(), "PONG");
        let before = server.counter("probe_resent");
        let stream = client.stream().try_clone().expect("a second handle");
        let socket = SockRef::from(&stream);
        assert_eq!(client.call(["LATENCY", "WIRE", "RESET"]), Value::ok());
        // Long enough for the server's kernel to acknowledge the request before the reply, so that the client has no reason
        // to send it again.
        client.send(["DEBUG", "SLEEP", "0.1"]);
        network.as_client(|| {
            let capture = Capture::open();
            lose_payload(&socket);
            let _lost = capture.find(b"+OK");
            // The reply goes out again while this request is open, and acknowledges it.
            client.send(["DEBUG", "SLEEP", "1"]);
            let _again = capture.find(b"+OK");
        });
        socket.detach_filter().expect("the filter was there");
        assert_eq!(client.read().expect("the reply that was lost"), Value::ok());
        assert_eq!(client.read().expect("the reply to the second request"), Value::ok());
        let reply = client.call(["LATENCY", "WIRE"]);
        let figure = |name| percentile(&reply, "up_to_64", name);
        // RESET's own reply, the lost one at its first time, and the second; never the lost one's second time.
        assert_eq!(figure("calls"), 3, "{reply}");
        let (median, slowest) = (figure("p50_usec"), figure("p99.9_usec"));
        assert!((100_000..200_000).contains(&median), "{median} us for a request of 100 ms");
        assert!((1_000_000..1_500_000).contains(&slowest), "{slowest} us for a request of 1 s");
        assert!(server.counter("probe_resent") > before);
    }
}

fn slowest(client: &mut Client) -> u64 {
    percentile(&client.call(["LATENCY", "WIRE"]), "up_to_64", "p99.9_usec")
}
