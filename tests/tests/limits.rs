//! The limits of one server: very many connections, very large values, and what happens beyond a limit.
#![forbid(unsafe_code)]

use boxcar_tests::client::ReadError;
use boxcar_tests::server::Options;
use boxcar_tests::{Client, Configuration, Value, in_every_configuration};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

in_every_configuration!(
    ten_thousand_connections,
    a_value_of_512_megabytes,
    maxclients_keeps_a_door_for_the_operator,
    what_is_too_large_is_refused,
);

/// Held by the tests that take much of the machine, so that only one of them runs at a time.
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

fn ten_thousand_connections(configuration: Configuration) {
    const COUNT: usize = 10_000;
    let _alone = MUCH.lock().unwrap_or_else(PoisonError::into_inner);
    allow_files(12_000);
    let server =
        Options::boxcar(configuration).flags(["--maxclients", "10100", "--tcp-backlog", "4096"]).start();
    let mut streams: Vec<TcpStream> = (0..COUNT).map(|number| connect(number, server.address())).collect();
    for round in 0..2 {
        let ping = format!("*2\r\n$4\r\nPING\r\n$5\r\n{:05}\r\n", round * COUNT);
        for stream in &mut streams {
            stream.write_all(ping.as_bytes()).expect("the server reads");
        }
        let expected = format!("$5\r\n{:05}\r\n", round * COUNT);
        for (number, stream) in streams.iter_mut().enumerate() {
            let mut reply = vec![0; expected.len()];
            stream.read_exact(&mut reply).unwrap_or_else(|error| panic!("connection {number}: {error}"));
            assert_eq!(String::from_utf8_lossy(&reply), expected);
        }
    }
    assert_eq!(server.info("connected_clients"), (COUNT + 1).to_string());
    drop(streams);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.info("connected_clients") != "1" {
        assert!(Instant::now() < deadline, "{} are left", server.info("connected_clients"));
    }
}

fn connect(number: usize, address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connection {number}: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

fn a_value_of_512_megabytes(configuration: Configuration) {
    const SIZE: usize = 512 << 20;
    let _alone = MUCH.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Options::boxcar(configuration).start();
    let mut client = server.client();
    let block: Vec<u8> = (0..1 << 20).map(|at: usize| (at % 251) as u8).collect();
    client
        .send_raw(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${SIZE}\r\n").as_bytes())
        .expect("the server reads");
    for _ in 0..SIZE / block.len() {
        client.send_raw(&block).expect("the server reads");
    }
    client.send_raw(b"\r\n").expect("the server reads");
    assert_eq!(client.read().expect("a reply"), Value::ok());
    assert_eq!(client.call(["STRLEN", "big"]), Value::Integer(SIZE as i64));
    let Value::Bulk(value) = client.call(["GET", "big"]) else { panic!("no bulk string") };
    assert_eq!(value.len(), SIZE);
    assert!(value.chunks(block.len()).all(|chunk| chunk == block), "the value has changed");
    drop(value);
    let too_long = client.call(["APPEND", "big", "x"]);
    assert_eq!(too_long.to_text(), "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    assert_eq!(client.call(["DEL", "big"]), Value::Integer(1));
    assert_eq!(client.call(["PING"]), Value::Simple(b"PONG".to_vec()));
}

/// Beyond `maxclients`, `admin-connections` more local clients are let in, to administrate and for nothing else.
fn maxclients_keeps_a_door_for_the_operator(configuration: Configuration) {
    const REFUSAL: &str = "ERR max number of clients reached";
    let flags = ["--maxclients", "5", "--admin-connections", "2"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let pong = Value::Simple(b"PONG".to_vec());
    let mut clients: Vec<Client> = (0..5).map(|_| server.client()).collect();
    assert!(clients.iter_mut().all(|client| client.call(["PING"]) == pong));
    let mut operators = [server.client(), server.client()];
    for operator in &mut operators {
        assert_eq!(operator.call(["GET", "k"]).to_text(), REFUSAL);
        assert_eq!(operator.call(["CONFIG", "GET", "maxclients"]).elements()[1].to_text(), "5");
        assert!(operator.call(["CLIENT", "LIST"]).to_text().lines().count() >= 6);
    }
    let mut refused = server.client();
    assert_eq!(refused.read().expect("a reason").to_text(), REFUSAL);
    assert!(refused.wait_closed(Duration::from_secs(10)));
    assert!(clients.iter_mut().all(|client| client.call(["PING"]) == pong), "somebody who was there suffers");
    // The operator makes room.
    assert_eq!(operators[0].call(["CONFIG", "SET", "maxclients", "8"]), Value::ok());
    assert_eq!(server.client().call(["GET", "k"]), Value::NullBulk);
    assert!(server.info("rejected_connections").parse::<u64>().expect("a number") >= 1);
    // So does one who leaves.
    assert_eq!(operators[0].call(["CONFIG", "SET", "maxclients", "5"]), Value::ok());
    drop((clients, operators));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !matches!(server.client().try_call(["PING"]), Ok(reply) if reply == pong) {
        assert!(Instant::now() < deadline, "no room after everybody has left");
    }
}

fn what_is_too_large_is_refused(configuration: Configuration) {
    let flags = ["--proto-max-bulk-len", "8mb", "--client-query-buffer-limit", "2mb"];
    let server = Options::boxcar(configuration).flags(flags).start();
    let mut client = server.client();
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388609\r\n").expect("the server reads");
    assert_eq!(client.read().expect("an error").to_text(), "ERR Protocol error: invalid bulk length");
    assert!(client.wait_closed(Duration::from_secs(10)));
    // A request may not pile up beyond the limit of the query buffer, although its value is allowed to be so long.
    let mut client = server.client();
    let request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{}\r\n", 4 << 20, "x".repeat(4 << 20));
    // The server may close while we are still writing.
    let _ = client.send_raw(request.as_bytes());
    assert!(matches!(client.read(), Err(ReadError::Closed | ReadError::Io(_))), "4 MB of a request are kept");
    let mut client = server.client();
    assert!(client.call(["GET", "k"]).is_null());
    assert_eq!(client.call(["SET", "k", &"v".repeat(1 << 20)]), Value::ok());
}
