//! A driver on the test's own thread, and a handler that holds the driver to its contract: every event is checked against what the
//! connection's life allows at that moment.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use boxcar_sys::socket::{self, TcpListenerOptions};
use boxcar_sys::{
    Backend, Counters, Driver, DriverError, DriverOptions, Handler, ListenerId, Reading, Sent, Token, Wait,
};

/// Nothing here takes longer, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What is under test: a backend and its options.
pub type Config = (Backend, DriverOptions);

/// Opens a driver, or says why this machine cannot: a sandbox may forbid io_uring altogether.
pub fn open(config: &Config) -> Option<Driver> {
    match Driver::open(config.0, &config.1) {
        Ok(driver) => Some(driver),
        Err(DriverError::Call { call: "io_uring_setup", source })
            if matches!(source.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) =>
        {
            eprintln!("skipped: io_uring is forbidden here: {source}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// One connection as the handler sees it.
#[derive(Default)]
pub struct Seen {
    pub received: Vec<u8>,
    pub read_closed: Option<Option<io::ErrorKind>>,
    pub sent: Vec<Result<usize, io::ErrorKind>>,
    pub paused: bool,
    pub closing: bool,
    pub in_flight: bool,
}

/// The handler.
#[derive(Default)]
pub struct Recorder {
    pub accepted: Vec<(ListenerId, OwnedFd)>,
    pub accept_errors: usize,
    pub live: HashMap<Token, Seen>,
    pub closed: Vec<Token>,
    /// Connections with received bytes, in order of arrival.
    pub ready: Vec<Token>,
    pub doorbells: usize,
    /// Answer `Pause` to everything.
    pub pause_all: bool,
    pub largest_piece: usize,
}

impl Recorder {
    fn of(&mut self, token: Token) -> &mut Seen {
        self.live.get_mut(&token).unwrap_or_else(|| panic!("an event for {token:?}, which does not live"))
    }
}

impl Handler for Recorder {
    fn accepted(&mut self, listener: ListenerId, socket: OwnedFd) {
        self.accepted.push((listener, socket));
    }

    fn accept_failed(&mut self, _: ListenerId, _: &io::Error) {
        self.accept_errors += 1;
    }

    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading {
        let pause = self.pause_all;
        self.largest_piece = self.largest_piece.max(data.len());
        let seen = self.of(token);
        assert!(!data.is_empty(), "empty piece");
        assert!(!seen.paused, "bytes during a pause");
        assert!(!seen.closing, "bytes after close");
        assert!(seen.read_closed.is_none(), "bytes after the end");
        seen.received.extend_from_slice(data);
        data.fill(0xee);
        seen.paused = pause;
        self.ready.push(token);
        if pause { Reading::Pause } else { Reading::Continue }
    }

    fn read_closed(&mut self, token: Token, error: Option<io::Error>) {
        let seen = self.of(token);
        assert!(!seen.paused, "the end during a pause");
        assert!(!seen.closing, "the end after close");
        assert!(seen.read_closed.is_none(), "the end comes once");
        seen.read_closed = Some(error.map(|error| error.kind()));
    }

    fn sent(&mut self, token: Token, buffer: Vec<u8>, result: io::Result<()>) {
        let seen = self.of(token);
        assert!(std::mem::take(&mut seen.in_flight), "an answer to no send");
        seen.sent.push(result.map(|()| buffer.len()).map_err(|error| error.kind()));
    }

    fn doorbell(&mut self) {
        self.doorbells += 1;
    }

    fn closed(&mut self, token: Token) {
        let seen = self.live.remove(&token).expect("closed comes once");
        assert!(seen.closing, "closed without close");
        assert!(!seen.in_flight, "closed before the answer to its send");
        self.closed.push(token);
    }
}

/// A driver with its handler.
pub struct Rig {
    pub driver: Driver,
    pub seen: Recorder,
    pub address: SocketAddr,
    next: u32,
}

pub const LISTENER: ListenerId = ListenerId(7);

impl Rig {
    /// Opens a driver listening on a free loopback port.
    pub fn open(config: &Config) -> Option<Rig> {
        let mut driver = open(config)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = TcpListenerOptions { backlog: 4096, ..TcpListenerOptions::default() };
        let listener = socket::tcp_listener(any, &options).unwrap();
        let address = socket::local_tcp_address(&listener).unwrap().unwrap();
        driver.listen(LISTENER, listener);
        Some(Rig { driver, seen: Recorder::default(), address, next: 0 })
    }

    pub fn turn(&mut self, wait: Wait) {
        self.driver.turn(wait, &mut self.seen).unwrap();
    }

    /// Turns until something holds.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Rig) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}; {:?}", self.driver.counters());
            self.turn(Wait::For(Duration::from_millis(20)));
        }
    }

    /// Turns for a while.
    pub fn rest(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.turn(Wait::For(Duration::from_millis(2)));
        }
    }

    /// A connected pair: the client's end, and the token of the driver's.
    pub fn connect(&mut self) -> (TcpStream, Token) {
        let client = TcpStream::connect(self.address).unwrap();
        self.until("a connection is accepted", |rig| !rig.seen.accepted.is_empty());
        let (_, socket) = self.seen.accepted.pop().unwrap();
        (client, self.register(socket))
    }

    /// Registers an accepted socket under a fresh token.
    pub fn register(&mut self, socket: OwnedFd) -> Token {
        let token = Token::new(self.next, 1);
        self.next += 1;
        self.register_as(token, socket);
        token
    }

    pub fn register_as(&mut self, token: Token, socket: OwnedFd) {
        assert!(self.seen.live.insert(token, Seen::default()).is_none());
        self.driver.register(token, socket);
    }

    /// Registers everything accepted.
    pub fn register_accepted(&mut self) {
        for (_, socket) in std::mem::take(&mut self.seen.accepted) {
            self.register(socket);
        }
    }

    pub fn send(&mut self, token: Token, bytes: Vec<u8>) {
        let (len, seen) = (bytes.len(), self.seen.of(token));
        match self.driver.send(token, bytes) {
            Sent::Pending => seen.in_flight = true,
            Sent::Done(buffer) => {
                assert_eq!(buffer.len(), len);
                seen.sent.push(Ok(len));
            }
            Sent::Failed(_, error) => seen.sent.push(Err(error.kind())),
        }
    }

    pub fn pause(&mut self, token: Token) {
        self.seen.of(token).paused = true;
        self.driver.pause_reading(token);
    }

    pub fn resume(&mut self, token: Token) {
        self.seen.of(token).paused = false;
        self.driver.resume_reading(token);
    }

    pub fn close(&mut self, token: Token) {
        self.seen.of(token).closing = true;
        self.driver.close(token);
    }

    /// Sends back everything received on connections that have no send in flight. Returns how many bytes.
    pub fn echo(&mut self) -> usize {
        let mut bytes = 0;
        let ready = std::mem::take(&mut self.seen.ready);
        for token in ready {
            let Some(seen) = self.seen.live.get_mut(&token) else { continue };
            if seen.in_flight {
                self.seen.ready.push(token);
                continue;
            }
            let data = std::mem::take(&mut seen.received);
            if !data.is_empty() {
                bytes += data.len();
                self.send(token, data);
            }
        }
        bytes
    }

    pub fn seen(&self, token: Token) -> &Seen {
        &self.seen.live[&token]
    }

    pub fn counters(&self) -> Counters {
        *self.driver.counters()
    }

    /// Whether a feature is in use.
    pub fn active(&self, name: &str) -> bool {
        self.driver.features().iter().any(|feature| feature.name == name && feature.active)
    }

    pub fn is_uring(&self) -> bool {
        self.driver.backend() == Backend::IoUring
    }
}

/// Bytes that are different everywhere, so that a lost, doubled or swapped piece shows.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
