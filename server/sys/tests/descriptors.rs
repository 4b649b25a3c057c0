//! Descriptors, in a process of its own because its limit is the process's: none is leaked, and running out of them neither spins
//! nor loses connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use std::{fs, io};

use boxcar_sys::socket::{self, TcpListenerOptions};
use boxcar_sys::{
    Backend, Driver, DriverError, DriverOptions, Handler, ListenerId, Reading, Token, Wait, process,
};

#[derive(Default)]
struct Seen {
    accepted: Vec<OwnedFd>,
    errors: Vec<io::ErrorKind>,
    received: usize,
}

impl Handler for Seen {
    fn accepted(&mut self, _: ListenerId, socket: OwnedFd) {
        self.accepted.push(socket);
    }
    fn accept_failed(&mut self, _: ListenerId, error: &io::Error) {
        self.errors.push(error.kind());
    }
    fn received(&mut self, _: Token, data: &mut [u8]) -> Reading {
        self.received += data.len();
        Reading::Continue
    }
    fn read_closed(&mut self, _: Token, _: Option<io::Error>) {}
    fn sent(&mut self, _: Token, _: Vec<u8>, _: io::Result<()>) {}
    fn doorbell(&mut self) {}
    fn closed(&mut self, _: Token) {}
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn listen(driver: &mut Driver) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::tcp_listener(any, &TcpListenerOptions::default()).unwrap();
    let address = socket::local_tcp_address(&listener).unwrap().unwrap();
    driver.listen(ListenerId(1), listener);
    address
}

fn limit_descriptors(soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = soft;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

fn running_out(driver: &mut Driver) {
    let mut seen = Seen::default();
    // No turn before the limit falls: io_uring reads it when an accept is armed, not when a connection comes.
    let address = listen(driver);
    let mut clients: Vec<_> = (0..6).map(|_| TcpStream::connect(address).unwrap()).collect();
    let normal = process::open_files_limit().unwrap();
    limit_descriptors(3);
    let (began, turns) = (Instant::now(), driver.counters().turns);
    while began.elapsed() < Duration::from_millis(450) {
        driver.turn(Wait::For(Duration::from_millis(450)), &mut seen).unwrap();
    }
    let counters = *driver.counters();
    limit_descriptors(normal);
    assert!(seen.accepted.is_empty());
    assert!((2..=6).contains(&counters.accept_backoffs), "{counters:?}");
    assert!(counters.turns - turns < 20, "running out of descriptors must not spin: {counters:?}");
    assert_eq!(seen.errors.len() as u64, counters.accept_errors);
    let deadline = Instant::now() + Duration::from_secs(20);
    while seen.accepted.len() < clients.len() {
        assert!(
            Instant::now() < deadline,
            "connections that waited are accepted later: {:?}",
            driver.counters()
        );
        driver.turn(Wait::For(Duration::from_millis(20)), &mut seen).unwrap();
    }
    for (index, socket) in seen.accepted.drain(..).enumerate() {
        driver.register(Token::new(index as u32, 0), socket);
    }
    clients.iter_mut().for_each(|client| client.write_all(b"ok").unwrap());
    while seen.received < 2 * clients.len() {
        assert!(Instant::now() < deadline);
        driver.turn(Wait::For(Duration::from_millis(20)), &mut seen).unwrap();
    }
    driver.close(Token::new(0, 0));
    let ends = |client: &mut TcpStream| client.read(&mut [0]).unwrap() == 0;
    while !{
        driver.turn(Wait::Poll, &mut seen).unwrap();
        clients.iter_mut().any(|client| {
            client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            client.peek(&mut [0]).is_ok_and(|read| read == 0) && ends(client)
        })
    } {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn descriptors_are_neither_leaked_nor_spun_for() {
    for backend in [Backend::Epoll, Backend::IoUring] {
        let before = open_descriptors();
        let mut driver = match Driver::open(backend, &DriverOptions::default()) {
            Ok(driver) => driver,
            Err(DriverError::Call { call: "io_uring_setup", source })
                if matches!(source.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) =>
            {
                eprintln!("skipped: io_uring is forbidden here: {source}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        running_out(&mut driver);
        drop(driver);
        let deadline = Instant::now() + Duration::from_secs(10);
        while open_descriptors() != before {
            assert!(Instant::now() < deadline, "{} descriptors before, {} after", before, open_descriptors());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
