//! Publish/subscribe with many subscribers, with slow ones, and with ones that come and go.
#![forbid(unsafe_code)]

use boxcar_tests::client::{ReadError, encode};
use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Server, Value, in_every_configuration};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

in_every_configuration!(
    ten_thousand_subscribers,
    messages_of_one_publisher_keep_their_order,
    publishers_wait_for_threads_that_cannot_follow,
    slow_subscribers_share_what_waits_for_them,
    who_reads_too_slowly_is_closed_and_nobody_else_notices,
    who_stays_above_the_soft_limit_is_closed,
    a_message_published_before_the_end_comes_before_it,
    no_message_comes_outside_of_a_subscription,
);

/// Held by the test that takes ten thousand descriptors, so that only one of its kind runs at a time.
static MUCH: Mutex<()> = Mutex::new(());

/// Lets this process, and the servers it starts, open this many files.
fn allow_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if soft < count {
        // Only root may go beyond the hard limit.
        setrlimit(Resource::RLIMIT_NOFILE, count.max(soft), hard.max(count))
            .unwrap_or_else(|error| panic!("{count} open files are needed, {soft} are allowed: {error}"));
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, words);
    bytes
}

/// Reads exactly what is expected.
fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("everything comes");
    assert!(bytes == expected, "{} came instead of {}", bytes.escape_ascii(), expected.escape_ascii());
}

fn subscribe(server: &Server, protocol: u8) -> Client {
    let mut client = server.client();
    if protocol == 3 {
        client.hello(3);
    }
    client.send(["SUBSCRIBE", "c"]);
    assert_eq!(client.read().expect("a confirmation").elements()[0].to_text(), "subscribe");
    client
}

/// The payload of the message that comes next.
fn payload(client: &mut Client) -> String {
    let message = client.read().expect("a message");
    assert_eq!(message.elements()[0].to_text(), "message");
    message.elements()[2].to_text()
}

fn resident(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

fn ten_thousand_subscribers(configuration: Configuration) {
    const COUNT: usize = 10_000;
    let _alone = MUCH.lock().unwrap_or_else(PoisonError::into_inner);
    allow_files(12_000);
    let server =
        Options::boxcar(configuration).flags(["--maxclients", "10100", "--tcp-backlog", "4096"]).start();
    let mut publisher = server.client();
    let mut streams: Vec<TcpStream> = (0..COUNT).map(|_| connect(server.address())).collect();
    // Half of them speak RESP2, half RESP3.
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut greeting = if number % 2 == 0 { Vec::new() } else { command(&["HELLO", "3"]) };
        greeting.extend(command(&["SUBSCRIBE", "c"]));
        stream.write_all(&greeting).expect("the server reads");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while publisher.call(["PUBSUB", "NUMSUB", "c"]).elements()[1] != Value::Integer(COUNT as i64) {
        assert!(Instant::now() < deadline, "not everybody is subscribed");
    }
    for stream in &mut streams {
        let mut seen = Vec::new();
        while !seen.ends_with(b"subscribe\r\n$1\r\nc\r\n:1\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a confirmation");
            seen.push(byte[0]);
        }
    }
    for text in ["hello".to_owned(), "x".repeat(10_000), String::new()] {
        assert_eq!(publisher.call(["PUBLISH", "c", &text]), Value::Integer(COUNT as i64));
        let tail = format!("3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${}\r\n{text}\r\n", text.len());
        for (number, stream) in streams.iter_mut().enumerate() {
            let marker = if number % 2 == 0 { "*" } else { ">" };
            expect(stream, format!("{marker}{tail}").as_bytes());
        }
    }
    drop(streams);
    while publisher.call(["PUBLISH", "c", "m"]) != Value::Integer(0) {
        assert!(Instant::now() < deadline, "those who left are still counted");
    }
}

/// Two publishers at full speed, who have to wait for the subscribers' threads, and subscribers on all threads.
fn messages_of_one_publisher_keep_their_order(configuration: Configuration) {
    const MESSAGES: usize = 100_000;
    let server =
        Options::boxcar(configuration).flags(["--client-output-buffer-limit", "pubsub 0 0 0"]).start();
    let mut subscribers: Vec<Client> = (0..6).map(|number| subscribe(&server, 2 + number % 2)).collect();
    thread::scope(|scope| {
        for name in ["a", "b"] {
            let mut publisher = server.client();
            scope.spawn(move || {
                let mut pipeline = Vec::new();
                for number in 0..MESSAGES {
                    encode(&mut pipeline, ["PUBLISH", "c", &format!("{name} {number}")]);
                }
                publisher.send_raw(&pipeline).expect("the server takes the pipeline");
                for _ in 0..MESSAGES {
                    assert_eq!(publisher.read().expect("a reply"), Value::Integer(6));
                }
            });
        }
        for subscriber in &mut subscribers {
            scope.spawn(move || {
                let mut next = [0usize; 2];
                for _ in 0..2 * MESSAGES {
                    let text = payload(subscriber);
                    let (name, number) = text.split_once(' ').expect("a name and a number");
                    let next = &mut next[usize::from(name == "b")];
                    assert_eq!(number, next.to_string(), "of {name}");
                    *next += 1;
                }
            });
        }
    });
}

/// 300 deliveries for each message: publishers at full speed fill the inboxes, are parked, and go on; nothing is lost.
fn publishers_wait_for_threads_that_cannot_follow(configuration: Configuration) {
    const MESSAGES: usize = 4000;
    const SUBSCRIBERS: usize = 300;
    const ROUNDS: usize = 10;
    let server =
        Options::boxcar(configuration).flags(["--client-output-buffer-limit", "pubsub 0 0 0"]).start();
    let mut subscribers: Vec<TcpStream> = (0..SUBSCRIBERS).map(|_| connect(server.address())).collect();
    for stream in &mut subscribers {
        stream.write_all(&command(&["SUBSCRIBE", "c"])).expect("the server reads");
        expect(stream, b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    }
    let publish = command(&["PUBLISH", "c", "m"]).repeat(MESSAGES);
    let reply = format!(":{SUBSCRIBERS}\r\n").repeat(MESSAGES);
    let received = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n".repeat(4 * MESSAGES);
    let round = || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut publisher = connect(server.address());
                    publisher.write_all(&publish).expect("the server reads");
                    expect(&mut publisher, reply.as_bytes());
                });
            }
            for stream in &mut subscribers {
                expect(stream, &received);
            }
        });
        let parked: u64 = server.info("runs_parked").parse().expect("a number");
        parked > 0
    };
    // A quick machine may follow for a while.
    let waited = std::iter::repeat_with(round).take(ROUNDS).any(|waited| waited);
    assert!(waited, "no publisher had to wait");
}

/// 100 subscribers who read nothing, with 15 MB for each: 1.5 GB, were every one given a copy.
fn slow_subscribers_share_what_waits_for_them(configuration: Configuration) {
    const SIZE: usize = 100_000;
    const TIMES: usize = 150;
    let flags = ["--client-output-buffer-limit", "pubsub 32mb 0 0"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut slow: Vec<Client> = (0..100).map(|number| subscribe(&server, 2 + number % 2)).collect();
    let mut publisher = server.client();
    let before = resident(&server);
    let text = "v".repeat(SIZE);
    for _ in 0..TIMES {
        assert_eq!(publisher.call(["PUBLISH", "c", &text]), Value::Integer(100));
    }
    assert_eq!(publisher.call(["PING"]), Value::Simple(b"PONG".to_vec()));
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 150 << 20, "what waits takes {grown} bytes");
    for client in &mut slow {
        for _ in 0..TIMES {
            assert_eq!(payload(client).len(), SIZE);
        }
    }
}

/// The quick one may lag by less than the limit allows, however busy the machine is: the publisher waits for it.
fn who_reads_too_slowly_is_closed_and_nobody_else_notices(configuration: Configuration) {
    const MESSAGES: usize = 1000;
    const LAG: usize = 64;
    let flags = ["--client-output-buffer-limit", "pubsub 8mb 0 0"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut slow = subscribe(&server, 3);
    let mut quick = subscribe(&server, 2);
    let mut publisher = server.client();
    let text = &"v".repeat(50_000);
    let (published, to_read) = mpsc::sync_channel(LAG);
    let reader = &mut quick;
    thread::scope(|scope| {
        scope.spawn(move || {
            for (number, ()) in to_read.iter().enumerate() {
                assert_eq!(payload(reader).len(), text.len(), "message {number}");
            }
        });
        let published = published;
        for _ in 0..MESSAGES {
            let start = Instant::now();
            let receivers = publisher.call(["PUBLISH", "c", text]);
            assert!(receivers == Value::Integer(1) || receivers == Value::Integer(2));
            assert!(start.elapsed() < Duration::from_secs(2), "a publisher waited {:?}", start.elapsed());
            published.send(()).expect("the quick one goes on");
        }
    });
    assert_eq!(publisher.call(["PUBSUB", "NUMSUB", "c"]).elements()[1], Value::Integer(1));
    assert_eq!(server.info("client_output_buffer_limit_disconnections"), "1");
    let mut messages = 0;
    while slow.read().is_ok() {
        messages += 1;
    }
    assert!(messages < MESSAGES, "who was closed has received everything");
}

fn who_stays_above_the_soft_limit_is_closed(configuration: Configuration) {
    let flags = ["--client-output-buffer-limit", "pubsub 0 1mb 1"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut slow = subscribe(&server, 2);
    let mut publisher = server.client();
    let text = "v".repeat(1 << 20);
    let start = Instant::now();
    for _ in 0..20 {
        let receivers = publisher.call(["PUBLISH", "c", &text]);
        assert!(receivers == Value::Integer(1) || start.elapsed() > Duration::from_secs(1));
    }
    while publisher.call(["PUBSUB", "NUMSUB", "c"]).elements()[1] != Value::Integer(0) {
        assert!(start.elapsed() < Duration::from_secs(20), "the soft limit is not enforced");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() > Duration::from_millis(500), "closed after {:?}", start.elapsed());
    while slow.read().is_ok() {}
}

/// Whoever publishes, has the reply, and then lets the subscriber unsubscribe, knows that the message comes first.
fn a_message_published_before_the_end_comes_before_it(configuration: Configuration) {
    let server = Server::start(configuration);
    let mut publishers = [server.client(), server.client()];
    for number in 0..400usize {
        let mut subscriber = subscribe(&server, 2 + (number % 2) as u8);
        let text = number.to_string();
        assert_eq!(publishers[number / 2 % 2].call(["PUBLISH", "c", &text]), Value::Integer(1));
        subscriber.send(["UNSUBSCRIBE", "c"]);
        assert_eq!(payload(&mut subscriber), text);
        assert_eq!(subscriber.read().expect("the end").elements()[0].to_text(), "unsubscribe");
    }
}

/// A client subscribes and unsubscribes while others publish numbers: between the two confirmations it receives
/// numbers without a gap, outside of them none.
fn no_message_comes_outside_of_a_subscription(configuration: Configuration) {
    let server = Server::start(configuration);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut publisher = server.client();
        let over = &over;
        scope.spawn(move || {
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                publisher.call(["PUBLISH", "c", &number.to_string()]);
            }
        });
        for protocol in [2, 3] {
            let mut client = server.client();
            client.hello(protocol);
            check_subscriptions(&mut client);
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn check_subscriptions(client: &mut Client) {
    const ROUNDS: usize = 300;
    let mut received = 0;
    for round in 0..ROUNDS {
        client.send(["SUBSCRIBE", "c"]);
        if round % 3 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        client.send(["UNSUBSCRIBE", "c"]);
        let first = client.read().expect("a confirmation");
        assert_eq!(first.elements()[0].to_text(), "subscribe", "round {round}");
        let mut last: Option<u64> = None;
        loop {
            let message = client.read().unwrap_or_else(|error: ReadError| panic!("round {round}: {error}"));
            if message.elements()[0].to_text() == "unsubscribe" {
                break;
            }
            let number: u64 = message.elements()[2].to_text().parse().expect("a number");
            assert!(last.is_none_or(|last| last + 1 == number), "{number} after {last:?}");
            last = Some(number);
            received += 1;
        }
    }
    assert!(received > ROUNDS / 3, "hardly anything was published: {received}");
}
