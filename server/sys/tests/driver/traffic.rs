//! Bytes in, bytes out: many connections, large sends, small queues.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use boxcar_sys::socket::{UnixListenerOptions, unix_listener};
use boxcar_sys::{ListenerId, Wait, process};

use crate::harness::{Config, Rig, pattern};

/// Clients that each send messages of many sizes and check what comes back, one message at a time.
fn spawn_clients<S: Read + Write + Send + 'static>(
    clients: usize,
    messages: u64,
    connect: impl Fn() -> S + Send + Clone + 'static,
) -> Vec<thread::JoinHandle<()>> {
    const THREADS: usize = 4;
    let work = move |first: usize| {
        let mut streams: Vec<_> =
            (first..clients).step_by(THREADS).map(|seed| (seed as u64, connect())).collect();
        for message in 0..messages {
            let len = |seed: u64| 1 + (seed * 7919 + message * 104_729) as usize % 20_000;
            for (seed, stream) in &mut streams {
                stream.write_all(&pattern(*seed ^ message << 32, len(*seed))).unwrap();
            }
            for (seed, stream) in &mut streams {
                let mut back = vec![0; len(*seed)];
                stream.read_exact(&mut back).unwrap();
                assert!(
                    back == pattern(*seed ^ message << 32, len(*seed)),
                    "client {seed}, message {message}"
                );
            }
        }
    };
    (0..THREADS.min(clients))
        .map(|first| {
            thread::spawn({
                let work = work.clone();
                move || work(first)
            })
        })
        .collect()
}

/// Echoes until the clients have finished.
fn serve(rig: &mut Rig, clients: &[thread::JoinHandle<()>]) {
    rig.until("all clients have finished", |rig| {
        rig.register_accepted();
        rig.echo();
        clients.iter().all(thread::JoinHandle::is_finished)
    });
}

fn join(clients: Vec<thread::JoinHandle<()>>) {
    clients.into_iter().for_each(|client| client.join().unwrap());
}

pub fn echo_with_many_connections(config: &Config) {
    const CLIENTS: usize = 100;
    let Some(mut rig) = Rig::open(config) else { return };
    let address = rig.address;
    let clients = spawn_clients(CLIENTS, 10, move || TcpStream::connect(address).unwrap());
    serve(&mut rig, &clients);
    join(clients);
    let counters = rig.counters();
    assert_eq!(counters.accepted, CLIENTS as u64);
    assert_eq!(counters.received_bytes, counters.sent_bytes);
    assert!(rig.seen.largest_piece <= config.1.receive_buffer_size);
    assert_eq!(counters.send_errors + counters.accept_errors, 0);
    assert_eq!(counters.enters, counters.turns, "one system call a turn");
    if rig.is_uring() {
        assert_eq!(counters.singleshot_rearms > 0, !rig.active("multishot_receive"), "{counters:?}");
        assert_eq!(counters.accept_arms == 1, rig.active("multishot_accept"), "{counters:?}");
        assert_eq!(counters.receive_arms, CLIENTS as u64, "{counters:?}");
        let unforced = counters.multishot_rearms - counters.buffer_exhaustions.min(counters.multishot_rearms);
        assert!(unforced < counters.receives / 10, "a multishot receive stays armed: {counters:?}");
    }
    assert!(
        counters.sends_inline * 10 > counters.sends * 9,
        "replies that fit are sent at once: {counters:?}"
    );
}

pub fn echo_over_a_unix_socket(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let path =
        std::env::temp_dir().join(format!("boxcar-{}-{}.sock", std::process::id(), rig.address.port()));
    let socket =
        unix_listener(&path, &UnixListenerOptions { mode: Some(0o600), ..Default::default() }).unwrap();
    rig.driver.listen(ListenerId(8), socket);
    let clients = spawn_clients(10, 10, {
        let path = path.clone();
        move || UnixStream::connect(&path).unwrap()
    });
    serve(&mut rig, &clients);
    join(clients);
    std::fs::remove_file(path).unwrap();
    assert_eq!(rig.counters().accepted, 10);
}

/// Between any two turns all memory may be given back: nothing that has arrived is lost with it.
pub fn echo_without_keeping_memory(config: &Config) {
    let Some(mut rig) = Rig::open(config) else { return };
    let address = rig.address;
    let clients = spawn_clients(20, 20, move || TcpStream::connect(address).unwrap());
    rig.until("all clients have finished", |rig| {
        rig.register_accepted();
        rig.driver.release_memory();
        rig.echo();
        rig.driver.release_memory();
        clients.iter().all(thread::JoinHandle::is_finished)
    });
    join(clients);
    let counters = rig.counters();
    assert_eq!(counters.received_bytes, counters.sent_bytes);
}

/// 4,000 descriptors at a time are enough for one process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn two_thousand_connections(config: &Config) {
    const CLIENTS: usize = 2000;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    process::raise_open_files_limit(20_000).unwrap();
    let Some(mut rig) = Rig::open(config) else { return };
    let address = rig.address;
    let client = thread::spawn(move || {
        let mut streams: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        for round in 0..3 {
            streams
                .iter_mut()
                .enumerate()
                .for_each(|(i, s)| s.write_all(&pattern(i as u64 + round, 100)).unwrap());
            for (i, stream) in streams.iter_mut().enumerate() {
                let mut back = [0; 100];
                stream.read_exact(&mut back).unwrap();
                assert_eq!(back.as_slice(), pattern(i as u64 + round, 100));
            }
        }
    });
    serve(&mut rig, std::slice::from_ref(&client));
    client.join().unwrap();
    rig.until("all ends were seen", |rig| rig.seen.live.values().all(|seen| seen.read_closed == Some(None)));
    let tokens: Vec<_> = rig.seen.live.keys().copied().collect();
    assert_eq!(tokens.len(), CLIENTS);
    tokens.into_iter().for_each(|token| rig.close(token));
    rig.until("all are closed", |rig| rig.seen.live.is_empty());
    assert_eq!(rig.counters().closed, CLIENTS as u64);
}

pub fn large_send_to_a_slow_reader(config: &Config) {
    const LEN: usize = 64 << 20;
    let Some(mut rig) = Rig::open(config) else { return };
    let (mut slow, slow_token) = rig.connect();
    let (mut quick, quick_token) = rig.connect();
    rig.send(slow_token, pattern(1, LEN));
    rig.rest(Duration::from_millis(20));
    assert!(rig.seen(slow_token).in_flight, "64 MiB do not fit a socket");
    assert_eq!(rig.counters().short_sends, 1);
    // The slow one holds up nobody.
    quick.write_all(b"ping").unwrap();
    rig.until("the quick one is answered", |rig| {
        rig.echo();
        rig.seen(quick_token).sent == [Ok(4)]
    });
    quick.read_exact(&mut [0; 4]).unwrap();
    assert!(rig.seen(slow_token).in_flight);
    let reader = thread::spawn(move || {
        let mut back = vec![0; LEN];
        slow.read_exact(&mut back).unwrap();
        assert!(back == pattern(1, LEN), "64 MiB arrive as they were sent");
        slow
    });
    rig.until("the slow one is served", |rig| !rig.seen(slow_token).in_flight);
    assert_eq!(rig.seen(slow_token).sent, [Ok(LEN)]);
    drop(reader.join().unwrap());
    assert_eq!(rig.seen(quick_token).sent, [Ok(4)]);
    assert_eq!(rig.counters().sent_bytes, LEN as u64 + 4);
}

pub fn tiny_queues_lose_nothing(config: &Config) {
    const CLIENTS: usize = 200;
    let (backend, mut options) = config.clone();
    (options.submission_entries, options.completion_entries, options.epoll_events) = (2, 4, 3);
    let Some(mut rig) = Rig::open(&(backend, options)) else { return };
    let address = rig.address;
    let mut streams: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
    rig.until("all are accepted", |rig| rig.seen.accepted.len() == CLIENTS);
    rig.register_accepted();
    for round in 0..5 {
        streams.iter_mut().for_each(|stream| stream.write_all(&pattern(round, 300)).unwrap());
        let mut echoed = 0;
        // All answers are asked for at once, so that they meet in the queue.
        rig.until("all have come", |rig| {
            rig.seen.live.values().map(|seen| seen.received.len()).sum::<usize>() == 300 * CLIENTS
        });
        rig.until("all are answered", |rig| {
            echoed += rig.echo();
            echoed == 300 * CLIENTS
        });
        rig.until("all answers are out", |rig| rig.seen.live.values().all(|seen| !seen.in_flight));
        for stream in &mut streams {
            let mut back = [0; 300];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(back.as_slice(), pattern(round, 300));
        }
    }
    let counters = rig.counters();
    assert_eq!(counters.sends, 5 * CLIENTS as u64);
    assert!(!rig.is_uring() || counters.submission_flushes > 0, "{counters:?}");
}

pub fn a_tiny_buffer_ring_runs_out_and_goes_on(config: &Config) {
    const CLIENTS: usize = 20;
    const LEN: usize = 10_000;
    let (backend, mut options) = config.clone();
    (options.receive_buffer_count, options.receive_buffer_size) = (2, 64);
    let Some(mut rig) = Rig::open(&(backend, options)) else { return };
    let address: SocketAddr = rig.address;
    let mut streams: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
    rig.until("all are accepted", |rig| rig.seen.accepted.len() == CLIENTS);
    rig.register_accepted();
    for (seed, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&pattern(seed as u64, LEN)).unwrap();
    }
    rig.until("everything has come", |rig| rig.seen.live.values().all(|seen| seen.received.len() == LEN));
    let mut got: Vec<_> = rig.seen.live.values().map(|seen| seen.received.clone()).collect();
    let mut sent: Vec<_> = (0..CLIENTS).map(|seed| pattern(seed as u64, LEN)).collect();
    got.sort();
    sent.sort();
    assert!(got == sent);
    assert!(rig.seen.largest_piece <= 64);
    let counters = rig.counters();
    assert_eq!(counters.buffer_exhaustions > 0, rig.active("buffer_ring"), "{counters:?}");
    rig.turn(Wait::Poll);
}
