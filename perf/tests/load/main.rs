//! The load generator against small servers in this process that misbehave on purpose.

#![forbid(unsafe_code)]

mod servers;

use base64::prelude::{BASE64_STANDARD, Engine};
use boxcar_perf::load::{
    Endpoint, Extent, Kind, LoadError, LoadOptions, LoadReport, Mix, Network, Pace, SweepOptions, Values,
    Verdict, request_len, run, sweep,
};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use servers::{answer, server, store, value};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Every test is run over io_uring and over epoll.
macro_rules! over_each_network {
    ($($test:ident,)+) => {
        mod over_io_uring {
            $(#[test] fn $test() {
                match boxcar_sys::Driver::open(boxcar_sys::Backend::IoUring, &boxcar_sys::DriverOptions::default()) {
                    Ok(_) => super::$test(super::Network::IoUring),
                    Err(error) => eprintln!("not run, this machine has no io_uring: {error}"),
                }
            })+
        }
        mod over_epoll {
            $(#[test] fn $test() {
                super::$test(super::Network::Epoll);
            })+
        }
    };
}

over_each_network! {
    an_open_loop_shows_a_stall_that_a_closed_loop_hides,
    requests_that_are_never_answered_count_with_their_waiting_time,
    the_rate_is_kept,
    a_closed_loop_sends_exactly_what_it_is_told,
    errors_misses_and_strangers_are_told,
    values_are_verified,
    a_single_wrong_byte_is_found,
    unix_sockets_work_too,
    a_dead_server_process_is_named,
    an_open_loop_reports_a_stall_of_100_ms_a_second_in_p99_and_a_closed_loop_hides_it,
    what_comes_due_meanwhile_leaves_together,
    whole_pipelines_leave_in_one_write,
    connections_are_opened_anew,
    a_stale_value_is_found,
    a_log_of_histograms_holds_every_request,
    a_sweep_finds_where_a_server_ends,
    replies_may_come_in_pieces,
    a_server_that_closes_midway_is_named,
    batches_that_leave_in_parts_stay_whole,
    what_is_due_on_a_connection_leaves_in_one_write,
    hundreds_of_connections_at_once_are_served,
}

fn options(network: Network, endpoint: Endpoint) -> LoadOptions {
    LoadOptions { network, connections: 4, preload: false, keys: 1_000, ..LoadOptions::new(endpoint) }
}

fn go(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    let report = run(options, &AtomicBool::new(false), &mut |_| {})?;
    let wanted = if options.network == Network::Epoll { "epoll" } else { "io_uring" };
    assert_eq!((report.network.as_str(), &report.network_note), (wanted, &None));
    Ok(report)
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

fn an_open_loop_shows_a_stall_that_a_closed_loop_hides(network: Network) {
    let measured = Extent::Time(Duration::from_millis(1_500));
    let closed = go(&LoadOptions { extent: measured, ..options(network, stalling()) }).unwrap();
    let open = LoadOptions {
        extent: measured,
        pace: Pace::Open(2_000.0),
        pipeline: 64,
        ..options(network, stalling())
    };
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

fn requests_that_are_never_answered_count_with_their_waiting_time(network: Network) {
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
        ..options(network, endpoint)
    };
    let start = Instant::now();
    let report = run(&open, &stop, &mut |_| {
        // Well before the ten seconds that the generator would wait by itself.
        stop.store(start.elapsed() > Duration::from_millis(1_200), Ordering::Relaxed);
    });
    let report = report.unwrap();
    assert!(report.unanswered > 200 && report.interrupted, "{report}");
    assert!((499..=501).contains(&report.requests), "{report}");
    assert!(report.latency_us.p50 > 500_000.0, "{report}");
}

fn the_rate_is_kept(network: Network) {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let open = LoadOptions {
        extent: Extent::Requests(2_000),
        warmup: Duration::from_millis(100),
        pace: Pace::Open(4_000.0),
        threads: 2,
        ..options(network, endpoint)
    };
    let report = go(&open).unwrap();
    assert_eq!(report.requests, 2_000);
    assert!((0.45..1.5).contains(&report.seconds), "{report}");
    assert!(report.own_delay_us.is_some(), "{report}");
}

fn a_closed_loop_sends_exactly_what_it_is_told(network: Network) {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    for (requests, pipeline, threads) in [(1, 64, 1), (10_001, 16, 1), (9_999, 7, 3)] {
        let exact = LoadOptions {
            extent: Extent::Requests(requests),
            pipeline,
            threads,
            ..options(network, endpoint.clone())
        };
        let report = go(&exact).unwrap();
        assert_eq!((report.requests, report.completed, report.hits), (requests, requests, requests));
        assert!(report.generator.us_per_op > 0.0 && report.latency_us.min > 0.0);
    }
}

fn errors_misses_and_strangers_are_told(network: Network) {
    let count = Extent::Requests(100);
    let errors = server(|stream| answer(stream, b"-LOADING not yet\r\n", || {}));
    let report = go(&LoadOptions { extent: count, ..options(network, errors) }).unwrap();
    assert_eq!((report.errors, report.first_error.as_deref()), (100, Some("LOADING not yet")));
    assert!(!report.clean());

    let nulls = server(|stream| answer(stream, b"$-1\r\n", || {}));
    let report = go(&LoadOptions { extent: count, ..options(network, nulls) }).unwrap();
    assert_eq!((report.misses, report.hits), (100, 0));
    assert!(report.warnings.iter().any(|warning| warning.contains("found nothing")), "{report}");

    let web = server(|stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n", || {}));
    let error = go(&LoadOptions { extent: count, ..options(network, web) }).unwrap_err();
    assert!(matches!(error, LoadError::Reply { .. }), "{error}");

    let chatty = server(|stream| answer(stream, b"+OK\r\n+OK\r\n", || {}));
    let error = go(&LoadOptions { extent: count, ..options(network, chatty) }).unwrap_err();
    assert!(matches!(error, LoadError::Unasked { .. }), "{error}");

    let rude = server(drop);
    let error = go(&LoadOptions { extent: count, ..options(network, rude) }).unwrap_err();
    assert!(matches!(error, LoadError::Closed { .. } | LoadError::Connect { .. }), "{error}");
}

fn verified(network: Network, endpoint: Endpoint, values: Values) -> LoadReport {
    let options = LoadOptions {
        keys: 200,
        preload: true,
        verify: true,
        values,
        mix: Mix::get_set(3, 1),
        pipeline: 8,
        extent: Extent::Requests(4_000),
        ..options(network, endpoint)
    };
    go(&options).unwrap()
}

fn values_are_verified(network: Network) {
    for values in [Values::new(64, 64), Values::new(0, 300), Values::new(200_000, 200_000)] {
        let map = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::clone(&map);
        let report = verified(network, server(move |stream| store(stream, &shared, |_, _| {})), values);
        assert!(report.clean() && report.verified && report.misses == 0, "{report}");
        assert_eq!((report.requests, map.lock().unwrap().len()), (4_000, 200));
    }
}

fn a_single_wrong_byte_is_found(network: Network) {
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
        let report =
            verified(network, server(move |stream| store(stream, &map, damage)), Values::new(64, 64));
        // 3,000 GETs on 200 keys: about fifteen meet the bad one.
        assert!((1..60).contains(&report.mismatches) && !report.clean(), "{report}");
        assert!(report.first_mismatch.unwrap().starts_with("key:000000000017"));
    }
}

fn unix_sockets_work_too(network: Network) {
    let path = std::env::temp_dir().join(format!("boxcar-load-test-{}-{network:?}.sock", std::process::id()));
    let _none = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let map = Arc::new(Mutex::new(HashMap::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, map) = (stream.unwrap(), Arc::clone(&map));
            std::thread::spawn(move || store(stream, &map, |_, _| {}));
        }
    });
    let report = verified(network, Endpoint::Unix(path.clone()), Values::new(10, 20));
    std::fs::remove_file(&path).unwrap();
    assert!(report.clean() && report.requests == 4_000, "{report}");
}

fn a_dead_server_process_is_named(network: Network) {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let error = go(&LoadOptions { server_pid: Some(child.id()), ..options(network, endpoint) }).unwrap_err();
    assert!(matches!(error, LoadError::ServerClock { .. }), "{error}");
}

/// A server that stands still for 100 ms in every second.
fn stalling_every_second() -> Endpoint {
    let first = Arc::new(OnceLock::<Instant>::new());
    server(move |stream| {
        let first = Arc::clone(&first);
        answer(stream, &value(), move || {
            let since = first.get_or_init(Instant::now).elapsed();
            let into = Duration::from_nanos((since.as_nanos() % 1_000_000_000) as u64);
            // From half a second on, so that the first second of a run has its stall, too.
            let (stall, end) = (Duration::from_millis(500), Duration::from_millis(600));
            if (stall..end).contains(&into) {
                std::thread::sleep(end - into);
            }
        });
    })
}

/// One request in ten comes due while the server stands still. The open loop says so; the closed loop sends nothing
/// meanwhile, so that four slow requests a second are lost among thousands.
fn an_open_loop_reports_a_stall_of_100_ms_a_second_in_p99_and_a_closed_loop_hides_it(network: Network) {
    let measured = Extent::Time(Duration::from_secs(3));
    let endpoint = stalling_every_second();
    let open = LoadOptions {
        extent: measured,
        pace: Pace::Open(2_000.0),
        pipeline: 256,
        ..options(network, endpoint.clone())
    };
    let open = go(&open).unwrap();
    let closed = go(&LoadOptions { extent: measured, ..options(network, endpoint) }).unwrap();
    assert!(open.latency_us.p99 > 70_000.0, "{open}");
    assert!(closed.latency_us.p99 < 40_000.0, "{closed}");
    assert!(closed.latency_us.max > 60_000.0, "the closed loop met no stall at all: {closed}");
    // The curve shows where the stall begins: a tenth of all requests are slower than the others.
    let curve_at =
        |percent: f64| open.percentiles.iter().find(|point| point.percentile >= percent).unwrap().us;
    assert!(curve_at(99.0) > 70_000.0 && curve_at(99.0) > 2.0 * curve_at(50.0), "{open}");
    assert!((open.percentiles.last().unwrap().us - open.latency_us.max).abs() < 1.0);
}

fn what_comes_due_meanwhile_leaves_together(network: Network) {
    // Each batch takes a millisecond at least, in which two requests of each connection come due.
    let slow = || server(|stream| answer(stream, &value(), || std::thread::sleep(Duration::from_millis(1))));
    let paced = |endpoint, auto_batch, pipeline| LoadOptions {
        extent: Extent::Requests(4_000),
        pace: Pace::Open(8_000.0),
        pipeline,
        auto_batch,
        ..options(network, endpoint)
    };
    let together = go(&paced(slow(), true, 64)).unwrap();
    assert!(together.requests_per_write > 1.5, "{together}");
    assert_eq!((together.requests, together.unanswered), (4_000, 0));
    // The depth is a cap.
    let capped = go(&paced(slow(), true, 2)).unwrap();
    assert!(capped.requests_per_write <= 2.0, "{capped}");
    let closed =
        LoadOptions { extent: Extent::Requests(4_000), auto_batch: true, ..options(network, slow()) };
    assert!(matches!(go(&closed), Err(LoadError::Options(_))));
}

fn whole_pipelines_leave_in_one_write(network: Network) {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    // Few enough that each is answered before the next comes due on its connection.
    let bursts = LoadOptions {
        extent: Extent::Requests(4_000),
        pace: Pace::Open(40_000.0),
        pipeline: 8,
        burst: 8,
        poll: Duration::from_micros(100),
        ..options(network, endpoint.clone())
    };
    let report = go(&bursts).unwrap();
    assert_eq!((report.requests, report.completed, report.unanswered), (4_000, 4_000, 0), "{report}");
    assert!((7.5..=8.0).contains(&report.requests_per_write), "{report}");
    // The rate is that of requests, not of bursts.
    assert!((0.08..0.6).contains(&report.seconds), "{report}");
    for wrong in [
        LoadOptions { burst: 9, ..bursts.clone() },
        LoadOptions { burst: 0, ..bursts.clone() },
        LoadOptions { pace: Pace::Closed, ..bursts },
    ] {
        assert!(matches!(go(&wrong), Err(LoadError::Options(_))));
    }
}

fn connections_are_opened_anew(network: Network) {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    let endpoint = server(move |stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(stream, &value(), || {});
    });
    for pace in [Pace::Closed, Pace::Open(20_000.0)] {
        opened.store(0, Ordering::Relaxed);
        let churn = LoadOptions {
            extent: Extent::Requests(2_000),
            churn: Some(10),
            pipeline: 3,
            pace,
            ..options(network, endpoint.clone())
        };
        let report = go(&churn).unwrap();
        assert_eq!((report.requests, report.completed), (2_000, 2_000), "{report}");
        // 2,000 requests, ten each, from four connections at first; the last ones may not be opened again.
        assert!((190..=200).contains(&report.reconnects), "{report}");
        assert!(opened.load(Ordering::Relaxed) >= 190);
    }
}

fn a_stale_value_is_found(network: Network) {
    // A store that takes a write and keeps the old value, for one key in ten.
    let map = Arc::new(Mutex::new(HashMap::new()));
    let old = Mutex::new(HashMap::<String, Vec<u8>>::new());
    let endpoint = server(move |stream| {
        store(stream, &map, |key, value| {
            if key.ends_with('3') {
                let mut old = old.lock().unwrap();
                *value = old.entry(key.to_owned()).or_insert_with(|| value.clone()).clone();
            }
        });
    });
    let report = verified(network, endpoint, Values::new(64, 64));
    assert!(report.mismatches > 0, "{report}");
    let first = report.first_mismatch.unwrap();
    assert!(first.contains("3: get: version"), "{first}");
}

fn a_log_of_histograms_holds_every_request(network: Network) {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let path = std::env::temp_dir().join(format!("boxcar-load-test-{}-{network:?}.hlog", std::process::id()));
    let logged = LoadOptions {
        extent: Extent::Time(Duration::from_millis(2_300)),
        pace: Pace::Open(1_000.0),
        threads: 2,
        hlog: Some(path.clone()),
        ..options(network, endpoint)
    };
    let report = go(&logged).unwrap();
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (mut requests, mut starts, mut longest) = (0, Vec::new(), 0);
    for entry in IntervalLogIterator::new(&text) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let bytes = BASE64_STANDARD.decode(interval.encoded_histogram()).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(interval.tag().map(|tag| tag.as_str().to_owned()).as_deref(), Some("get"));
        requests += histogram.len();
        longest = longest.max(histogram.max());
        starts.push(interval.start_timestamp().as_secs());
    }
    assert_eq!(requests, report.requests, "{report}");
    assert!((longest as f64 / 1e3 - report.latency_us.max).abs() < 1.0, "{longest} {report}");
    assert!(starts.len() >= 3 && starts.windows(2).all(|pair| pair[0] < pair[1]), "{starts:?}");
}

fn a_sweep_finds_where_a_server_ends(network: Network) {
    // One connection, answered one request a turn, each turn a millisecond or more: below a thousand a second.
    let endpoint = server(|stream| answer(stream, &value(), || std::thread::sleep(Duration::from_millis(1))));
    let options = LoadOptions {
        connections: 1,
        extent: Extent::Time(Duration::from_millis(400)),
        ..options(network, endpoint)
    };
    let how = SweepOptions {
        first: Some(50.0),
        growth: 2.0,
        refinements: 2,
        p99_limit_us: Some(1e9),
        ..SweepOptions::default()
    };
    let mut said = 0;
    let report = sweep(&options, &how, &AtomicBool::new(false), &mut |_| said += 1, &mut |_, _| {}).unwrap();
    assert_eq!(said, report.points.len());
    assert!(report.points.windows(2).all(|pair| pair[0].rate <= pair[1].rate), "{report:?}");
    let knee = report.knee.expect("fifty a second are borne");
    assert!(knee.rate < 1_000.0 && knee.why == Some(Verdict::FellBehind), "{knee:?}");
    assert!(knee.first_bad_rate.unwrap() <= 1_600.0, "{knee:?}");
}

fn replies_may_come_in_pieces(network: Network) {
    let endpoint = server(|mut stream| {
        let (mut buffer, mut partial) = (vec![0; 64 * 1024], 0);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let whole = (partial + count) / request_len(Kind::Get, 64);
            partial = (partial + count) % request_len(Kind::Get, 64);
            // The pieces end anywhere in a reply, also within its length and its line ends.
            for piece in value().repeat(whole).chunks(17) {
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    });
    for pace in [Pace::Closed, Pace::Open(10_000.0)] {
        let pieces = LoadOptions {
            extent: Extent::Requests(2_000),
            pipeline: 5,
            pace,
            ..options(network, endpoint.clone())
        };
        let report = go(&pieces).unwrap();
        assert_eq!((report.completed, report.hits, report.errors), (2_000, 2_000, 0), "{report}");
    }
}

fn a_server_that_closes_midway_is_named(network: Network) {
    for pace in [Pace::Closed, Pace::Open(10_000.0)] {
        let endpoint = server(|mut stream| {
            let mut buffer = vec![0; request_len(Kind::Get, 64)];
            for _ in 0..50 {
                if stream.read_exact(&mut buffer).is_err() || stream.write_all(&value()).is_err() {
                    return;
                }
            }
        });
        let address = endpoint.to_string();
        let error = go(&LoadOptions { pace, ..options(network, endpoint) }).unwrap_err();
        assert!(matches!(error, LoadError::Closed { .. }) && error.to_string().contains(&address), "{error}");
    }
}

/// A server that reads slowly takes a batch in many pieces: the rest must follow, in order, and nothing else before it.
fn batches_that_leave_in_parts_stay_whole(network: Network) {
    let map = Arc::new(Mutex::new(HashMap::new()));
    let endpoint = server(move |stream| {
        std::thread::sleep(Duration::from_millis(20));
        store(stream, &map, |_, _| {});
    });
    for pace in [Pace::Closed, Pace::Open(2_000.0)] {
        let large = LoadOptions {
            keys: 50,
            preload: true,
            verify: true,
            values: Values::new(500_000, 1_000_000),
            mix: Mix::get_set(1, 3),
            pipeline: 16,
            extent: Extent::Requests(200),
            pace,
            ..options(network, endpoint.clone())
        };
        let report = go(&large).unwrap();
        assert!(report.clean() && report.requests == 200 && report.unanswered == 0, "{report}");
    }
}

/// Requests of one connection that are due at the same time share a write: a million a second cannot leave one by one.
fn what_is_due_on_a_connection_leaves_in_one_write(network: Network) {
    let endpoint = server(|stream| answer(stream, &value(), || {}));
    let hasty = LoadOptions {
        connections: 1,
        pipeline: 4_096,
        extent: Extent::Requests(50_000),
        pace: Pace::Open(1_000_000.0),
        ..options(network, endpoint)
    };
    let report = go(&hasty).unwrap();
    assert!(report.requests == 50_000 && report.requests_per_write > 1.5, "{report}");
}

fn hundreds_of_connections_at_once_are_served(network: Network) {
    let map = Arc::new(Mutex::new(HashMap::new()));
    let endpoint = server(move |stream| store(stream, &map, |_, _| {}));
    let many = LoadOptions {
        connections: 600,
        threads: 2,
        preload: true,
        verify: true,
        churn: Some(5),
        mix: Mix::get_set(1, 1),
        extent: Extent::Requests(12_000),
        ..options(network, endpoint)
    };
    let report = go(&many).unwrap();
    assert!(report.clean() && report.requests == 12_000 && report.reconnects > 1_000, "{report}");
}
