//! The load generator against small servers in this process that misbehave on purpose.

#![forbid(unsafe_code)]

use boxcar_perf::load::{
    Endpoint, Extent, Kind, LoadError, LoadOptions, LoadReport, Mix, Pace, Values, request_len, run,
};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Starts a server that gives each connection to `serve`, in a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || serve(stream));
        }
    });
    endpoint
}

/// Answers every GET with `reply`, after `pause` has had its say.
fn answer(mut stream: TcpStream, reply: &[u8], pause: impl Fn()) {
    let request = request_len(Kind::Get, 64);
    let (mut buffer, mut partial) = (vec![0; 64 * 1024], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let whole = (partial + count) / request;
        partial = (partial + count) % request;
        pause();
        if stream.write_all(&reply.repeat(whole)).is_err() {
            return;
        }
    }
}

fn value() -> Vec<u8> {
    let mut reply = b"$64\r\n".to_vec();
    reply.extend_from_slice(&[b'v'; 64]);
    reply.extend_from_slice(b"\r\n");
    reply
}

fn options(endpoint: Endpoint) -> LoadOptions {
    LoadOptions { connections: 4, preload: false, keys: 1_000, ..LoadOptions::new(endpoint) }
}

fn go(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run(options, &AtomicBool::new(false), &mut |_| {})
}

/// A server that stands still for 400 ms, half a second after its first request.
fn stalling() -> Endpoint {
    let first = Arc::new(OnceLock::<Instant>::new());
    server(move |stream| {
        let first = Arc::clone(&first);
        answer(stream, &value(), move || {
            let stall = *first.get_or_init(Instant::now) + Duration::from_millis(500);
            let end = stall + Duration::from_millis(400);
            let now = Instant::now();
            if (stall..end).contains(&now) {
                std::thread::sleep(end - now);
            }
        });
    })
}

#[test]
fn an_open_loop_shows_a_stall_that_a_closed_loop_hides() {
    let measured = Extent::Time(Duration::from_millis(1_500));
    let closed = go(&LoadOptions { extent: measured, ..options(stalling()) }).unwrap();
    let open =
        LoadOptions { extent: measured, pace: Pace::Open(2_000.0), pipeline: 64, ..options(stalling()) };
    let open = go(&open).unwrap();
    // In the closed loop four requests of many thousands wait; in the open loop, 800 of 3,000 come due in the stall.
    assert!(closed.latency_us.max > 300_000.0, "{closed}");
    assert!(closed.latency_us.p99 < 100_000.0, "{closed}");
    assert!(open.latency_us.p90 > 150_000.0, "{open}");
    assert!(open.latency_us.p99 > 300_000.0 && open.latency_us.max > 350_000.0, "{open}");
    assert!(open.latency_us.min < 50_000.0, "{open}");
    // Every request that came due is accounted for, the stalled ones too.
    assert!((2_999..=3_001).contains(&open.requests), "{open}");
    assert_eq!(open.unanswered, 0, "{open}");
}

#[test]
fn requests_that_are_never_answered_count_with_their_waiting_time() {
    let first = Arc::new(OnceLock::<Instant>::new());
    let endpoint = server(move |stream| {
        let first = Arc::clone(&first);
        answer(stream, &value(), move || {
            if first.get_or_init(Instant::now).elapsed() > Duration::from_millis(200) {
                std::thread::sleep(Duration::from_secs(60));
            }
        });
    });
    let stop = AtomicBool::new(false);
    let open = LoadOptions {
        extent: Extent::Time(Duration::from_millis(500)),
        pace: Pace::Open(1_000.0),
        ..options(endpoint)
    };
    let start = Instant::now();
    let report = run(&open, &stop, &mut |_| {
        // Well before the ten seconds that the generator would wait by itself.
        stop.store(start.elapsed() > Duration::from_millis(1_200), std::sync::atomic::Ordering::Relaxed);
    });
    let report = report.unwrap();
    assert!(report.unanswered > 200 && report.interrupted, "{report}");
    assert!((499..=501).contains(&report.requests), "{report}");
    assert!(report.latency_us.p50 > 500_000.0, "{report}");
}

#[test]
fn the_rate_is_kept() {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let open = LoadOptions {
        extent: Extent::Requests(2_000),
        warmup: Duration::from_millis(100),
        pace: Pace::Open(4_000.0),
        threads: 2,
        ..options(endpoint)
    };
    let report = go(&open).unwrap();
    assert_eq!(report.requests, 2_000);
    assert!((0.45..1.5).contains(&report.seconds), "{report}");
    assert!(report.own_delay_us.is_some(), "{report}");
}

#[test]
fn a_closed_loop_sends_exactly_what_it_is_told() {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    for (requests, pipeline, threads) in [(1, 64, 1), (10_001, 16, 1), (9_999, 7, 3)] {
        let exact = LoadOptions {
            extent: Extent::Requests(requests),
            pipeline,
            threads,
            ..options(endpoint.clone())
        };
        let report = go(&exact).unwrap();
        assert_eq!((report.requests, report.completed, report.hits), (requests, requests, requests));
        assert!(report.generator.us_per_op > 0.0 && report.latency_us.min > 0.0);
    }
}

#[test]
fn errors_misses_and_strangers_are_told() {
    let count = Extent::Requests(100);
    let errors = server(|stream| answer(stream, b"-LOADING not yet\r\n", || {}));
    let report = go(&LoadOptions { extent: count, ..options(errors) }).unwrap();
    assert_eq!((report.errors, report.first_error.as_deref()), (100, Some("LOADING not yet")));
    assert!(!report.clean());

    let nulls = server(|stream| answer(stream, b"$-1\r\n", || {}));
    let report = go(&LoadOptions { extent: count, ..options(nulls) }).unwrap();
    assert_eq!((report.misses, report.hits), (100, 0));
    assert!(report.warnings.iter().any(|warning| warning.contains("found nothing")), "{report}");

    let web = server(|stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n", || {}));
    let error = go(&LoadOptions { extent: count, ..options(web) }).unwrap_err();
    assert!(matches!(error, LoadError::Reply { .. }), "{error}");

    let chatty = server(|stream| answer(stream, b"+OK\r\n+OK\r\n", || {}));
    let error = go(&LoadOptions { extent: count, ..options(chatty) }).unwrap_err();
    assert!(matches!(error, LoadError::Unasked { .. }), "{error}");

    let rude = server(drop);
    let error = go(&LoadOptions { extent: count, ..options(rude) }).unwrap_err();
    assert!(matches!(error, LoadError::Closed { .. } | LoadError::Connect { .. }), "{error}");
}

/// A store of strings: GET and SET as the generator sends them. `damage` may change a value before it is sent.
fn store(
    stream: impl Read + Write,
    map: &Mutex<HashMap<String, Vec<u8>>>,
    damage: impl Fn(&str, &mut Vec<u8>),
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut arguments = Vec::new();
        let Some(count) = number(&mut stream) else { return };
        for _ in 0..count {
            let Some(size) = number(&mut stream) else { return };
            let mut argument = vec![0; size + 2];
            stream.read_exact(&mut argument).unwrap();
            argument.truncate(size);
            arguments.push(argument);
        }
        let key = String::from_utf8(arguments[1].clone()).unwrap();
        let reply = if arguments[0] == b"SET" {
            map.lock().unwrap().insert(key, arguments.remove(2));
            b"+OK\r\n".to_vec()
        } else {
            match map.lock().unwrap().get(&key) {
                None => b"$-1\r\n".to_vec(),
                Some(value) => {
                    let mut value = value.clone();
                    damage(&key, &mut value);
                    [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
                }
            }
        };
        if stream.get_mut().write_all(&reply).is_err() {
            return;
        }
    }
}

fn number(stream: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return None;
    }
    Some(line[1..].trim_end().parse().unwrap())
}

fn verified(endpoint: Endpoint, values: Values) -> LoadReport {
    let options = LoadOptions {
        keys: 200,
        preload: true,
        verify: true,
        values,
        mix: Mix::get_set(3, 1),
        pipeline: 8,
        extent: Extent::Requests(4_000),
        ..options(endpoint)
    };
    go(&options).unwrap()
}

#[test]
fn values_are_verified() {
    for values in [Values::new(64, 64), Values::new(0, 300), Values::new(200_000, 200_000)] {
        let map = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::clone(&map);
        let report = verified(server(move |stream| store(stream, &shared, |_, _| {})), values);
        assert!(report.clean() && report.verified && report.misses == 0, "{report}");
        assert_eq!((report.requests, map.lock().unwrap().len()), (4_000, 200));
    }
}

#[test]
fn a_single_wrong_byte_is_found() {
    type Damage = fn(&str, &mut Vec<u8>);
    let wrong_byte: Damage = |key, value| {
        if key == "key:000000000017" {
            value[63] ^= 1;
        }
    };
    let neighbours_value: Damage = |key, value| {
        if key == "key:000000000017" {
            value[11] = b'8';
        }
    };
    let too_short: Damage = |key, value| {
        if key == "key:000000000017" {
            value.clear();
        }
    };
    for damage in [wrong_byte, neighbours_value, too_short] {
        let map = Arc::new(Mutex::new(HashMap::new()));
        let report = verified(server(move |stream| store(stream, &map, damage)), Values::new(64, 64));
        // 3,000 GETs on 200 keys: about fifteen meet the bad one.
        assert!((1..60).contains(&report.mismatches) && !report.clean(), "{report}");
        assert!(report.first_mismatch.unwrap().starts_with("key:000000000017"));
    }
}

#[test]
fn unix_sockets_work_too() {
    let path = std::env::temp_dir().join(format!("boxcar-load-test-{}.sock", std::process::id()));
    let _none = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let map = Arc::new(Mutex::new(HashMap::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, map) = (stream.unwrap(), Arc::clone(&map));
            std::thread::spawn(move || store(stream, &map, |_, _| {}));
        }
    });
    let report = verified(Endpoint::Unix(path.clone()), Values::new(10, 20));
    std::fs::remove_file(&path).unwrap();
    assert!(report.clean() && report.requests == 4_000, "{report}");
}

#[test]
fn a_dead_server_process_is_named() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let error = go(&LoadOptions { server_pid: Some(child.id()), ..options(endpoint) }).unwrap_err();
    assert!(matches!(error, LoadError::ServerClock { .. }), "{error}");
}
