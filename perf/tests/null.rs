//! The null server under the load generator, over both network backends.

#![forbid(unsafe_code)]

use boxcar_perf::load::{Endpoint, Extent, Kind, LoadOptions, LoadReport, Mix, request_len, run};
use boxcar_perf::null::{Listen, NullOptions, NullServer};
use boxcar_sys::affinity::CpuList;
use boxcar_sys::{Backend, Driver, DriverError, DriverOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const REPLY: &[u8] = b"$3\r\nabc\r\n";

fn options(backend: Backend, listen: Listen, request_bytes: usize, reply: &[u8]) -> NullOptions {
    NullOptions {
        listen,
        backend,
        driver: DriverOptions::default(),
        threads: NonZeroUsize::MIN,
        cpus: CpuList::from_iter([]),
        request_bytes: NonZeroUsize::new(request_bytes).unwrap(),
        reply: reply.to_vec(),
    }
}

fn tcp() -> Listen {
    Listen::Tcp(([127, 0, 0, 1], 0).into())
}

fn load(endpoint: Endpoint, set: bool, pipeline: usize) -> LoadReport {
    let options = LoadOptions {
        preload: false,
        pipeline,
        mix: if set { Mix::get_set(0, 1) } else { Mix::get_set(1, 0) },
        extent: Extent::Requests(40_000),
        ..LoadOptions::new(endpoint)
    };
    run(&options, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn every_request_gets_its_reply(backend: Backend) {
    for (set, reply) in [(false, REPLY), (true, b"+OK\r\n")] {
        let kind = if set { Kind::Set } else { Kind::Get };
        let server = NullServer::start(&options(backend, tcp(), request_len(kind, 64), reply)).unwrap();
        let endpoint = Endpoint::Tcp(server.tcp_address().unwrap());
        for pipeline in [1, 64] {
            let report = load(endpoint.clone(), set, pipeline);
            assert_eq!((report.requests, report.errors, report.unanswered), (40_000, 0, 0), "{report}");
            assert_eq!(report.hits, if set { 0 } else { 40_000 });
        }
    }
}

fn a_request_may_come_in_pieces(backend: Backend) {
    let server = NullServer::start(&options(backend, tcp(), 10, REPLY)).unwrap();
    let mut stream = TcpStream::connect(server.tcp_address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for piece in [&b"0123"[..], b"456", b"789abcdefghij", b"0123456789"] {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut replies = Vec::new();
    stream.read_to_end(&mut replies).unwrap();
    assert_eq!(replies, REPLY.repeat(3));
}

/// A peer that sends without reading is stopped by the server's bounds, and gets all its replies in the end.
fn a_peer_that_reads_late_gets_everything(backend: Backend) {
    let server = NullServer::start(&options(backend, tcp(), 1, REPLY)).unwrap();
    let mut stream = TcpStream::connect(server.tcp_address().unwrap()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let requests = 2_000_000;
    let writing = std::thread::spawn(move || {
        writer.write_all(&vec![b'x'; requests]).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    std::thread::sleep(Duration::from_millis(200));
    let mut replies = Vec::new();
    stream.read_to_end(&mut replies).unwrap();
    writing.join().unwrap();
    assert_eq!(replies.len(), requests * REPLY.len());
    assert!(replies.chunks(REPLY.len()).all(|reply| reply == REPLY));
}

fn unix_and_threads(backend: Backend) {
    let path =
        std::env::temp_dir().join(format!("boxcar-null-{}-{}.sock", backend.name(), std::process::id()));
    let wide = NullOptions {
        threads: NonZeroUsize::new(2).unwrap(),
        ..options(backend, Listen::Unix(path.clone()), request_len(Kind::Get, 64), REPLY)
    };
    let server = NullServer::start(&wide).unwrap();
    let report = load(Endpoint::Unix(path.clone()), false, 16);
    assert_eq!(report.requests, 40_000);
    drop(server);
    std::fs::remove_file(&path).unwrap();
    let wide = NullOptions { listen: tcp(), ..wide };
    let server = NullServer::start(&wide).unwrap();
    let report = load(Endpoint::Tcp(server.tcp_address().unwrap()), false, 16);
    assert_eq!(report.requests, 40_000);
}

/// Containers forbid io_uring as a whole (EPERM), and old kernels have none; every other failure is one.
fn io_uring_is_allowed() -> bool {
    match Driver::open(Backend::IoUring, &DriverOptions::default()) {
        Err(DriverError::Call { source, .. })
            if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) =>
        {
            eprintln!("not tested: {source}");
            false
        }
        Ok(_) | Err(_) => true,
    }
}

macro_rules! over_both_backends {
    ($($name:ident),+) => {
        mod epoll {
            $(#[test] fn $name() { super::$name(super::Backend::Epoll); })+
        }
        mod io_uring {
            $(#[test] fn $name() {
                if super::io_uring_is_allowed() {
                    super::$name(super::Backend::IoUring);
                }
            })+
        }
    };
}

over_both_backends!(
    every_request_gets_its_reply,
    a_request_may_come_in_pieces,
    a_peer_that_reads_late_gets_everything,
    unix_and_threads
);
