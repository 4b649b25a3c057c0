//! memcached takes part in the closed loop: a small client of its text protocol.
//!
//! The generator speaks RESP and nothing else, and should not learn a protocol for the sake of one peer. What a closed loop of
//! GETs or SETs of one size needs is little, and stands here. Open loops, mixes and sizes that vary are left to the generator,
//! so memcached has no place in the figures of latency.

use super::ServerError;
use super::command_line::Found;
use super::servers::{Candidate, Dialect, Program, in_path};
use super::workload::Workload;
use crate::cost::{ProcessClock, ThreadCost};
use crate::load::{DEFAULT_PREFIX, KEY_DIGITS, Kind, Latency, LoadReport, OwnCost, ServerCost};
use boxcar_sys::affinity::{CpuList, pin_current_thread};
use hdrhistogram::Histogram;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a reply may take.
const PATIENCE: u16 = 10_000;

/// Requests in one batch while keys are loaded.
const LOAD_DEPTH: u64 = 100;

/// Whether this is a memcached.
pub(super) fn speaks(candidate: &Candidate) -> bool {
    candidate.dialect == Dialect::Memcached
}

/// memcached of $BOXCAR_PEERS, or of PATH.
pub(super) fn find() -> Found {
    let bundled = std::env::var_os("BOXCAR_PEERS").map(|directory| PathBuf::from(directory).join("run"));
    let program = match bundled.filter(|run| run.is_file()) {
        Some(run) => Program::new(&run, &["memcached"]),
        None => match in_path("memcached") {
            Some(path) => Program::new(&path, &[]),
            None => {
                return Err(
                    "memcached: not in PATH; install Debian's package memcached, or set BOXCAR_PEERS"
                        .to_owned(),
                );
            }
        },
    };
    let arguments = ["-l", "127.0.0.1", "-t", "1", "-m", "1024", "-U", "0", "-u", "root"];
    let candidate = Candidate::store("memcached", program, &arguments);
    let version = candidate.version.trim_start_matches("memcached").trim();
    let name = format!("memcached {version}");
    Ok(Candidate { name, dialect: Dialect::Memcached, ..candidate })
}

/// Whether this client can play a workload.
pub(super) fn plays(workload: &Workload) -> bool {
    !workload.paced() && workload.simple().is_some() && workload.zipf.is_none()
}

/// Whether a server answers here.
pub(super) fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"version\r\n")?;
        let mut reply = [0; 8];
        stream.read_exact(&mut reply)?;
        Ok(&reply == b"VERSION ")
    };
    ask().unwrap_or(false)
}

/// SETs every key.
pub(super) fn load_keys(address: SocketAddr, workload: &Workload) -> Result<(), ServerError> {
    let set = Script::new(&Workload { mix: "set".to_owned(), ..workload.clone() });
    let mut connection = Connection::open(address)?;
    for first in (0..workload.keys).step_by(LOAD_DEPTH as usize) {
        connection.requests.clear();
        let keys = first..workload.keys.min(first + LOAD_DEPTH);
        let count = (keys.end - keys.start) as usize;
        keys.for_each(|key| set.request(key, &mut connection.requests));
        connection.send()?;
        let mut replies = 0;
        while replies < count {
            replies += connection.receive(&set)?;
        }
    }
    Ok(())
}

/// A closed loop: each connection sends `depth` requests at once, and the next ones when all of them are answered.
pub(super) fn run(
    address: SocketAddr,
    pid: u32,
    workload: &Workload,
    cpus: &CpuList,
    spans: (Duration, Duration),
) -> Result<LoadReport, ServerError> {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            pin_current_thread(cpus)?;
            measure(address, pid, workload, spans)
        });
        run.join().expect("the client does not panic")
    })
}

/// What is sent and what must come back.
struct Script {
    set: bool,
    value: Vec<u8>,
    reply_len: usize,
}

impl Script {
    fn new(workload: &Workload) -> Script {
        let (kind, size) = workload.simple().expect("`plays` was asked");
        let set = kind == Kind::Set;
        let key = DEFAULT_PREFIX.len() + KEY_DIGITS;
        let found = format!("VALUE  0 {size}\r\n").len() + key + size + "\r\nEND\r\n".len();
        Script { set, value: vec![b'v'; size], reply_len: if set { "STORED\r\n".len() } else { found } }
    }

    fn request(&self, key: u64, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = if self.set {
            write!(out, "set {DEFAULT_PREFIX}{key:0KEY_DIGITS$} 0 0 {}\r\n", self.value.len())
        } else {
            write!(out, "get {DEFAULT_PREFIX}{key:0KEY_DIGITS$}\r\n")
        };
        if self.set {
            out.extend_from_slice(&self.value);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn accepts(&self, reply: &[u8]) -> bool {
        if self.set {
            reply == b"STORED\r\n"
        } else {
            reply.starts_with(b"VALUE ") && reply.ends_with(b"\r\nEND\r\n")
        }
    }
}

struct Connection {
    stream: TcpStream,
    requests: Vec<u8>,
    received: Vec<u8>,
    under_way: usize,
    sent: Instant,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(u64::from(PATIENCE))))?;
        Ok(Connection {
            stream,
            requests: Vec::new(),
            received: Vec::new(),
            under_way: 0,
            sent: Instant::now(),
        })
    }

    fn send(&mut self) -> io::Result<()> {
        self.sent = Instant::now();
        self.stream.write_all(&self.requests)
    }

    /// Reads once; the number of whole replies, each of which is what it must be.
    fn receive(&mut self, script: &Script) -> Result<usize, ServerError> {
        let mut piece = [0; 64 << 10];
        let len = self.stream.read(&mut piece)?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.received.extend_from_slice(&piece[..len]);
        let replies = self.received.len() / script.reply_len;
        let whole = replies * script.reply_len;
        if let Some(wrong) =
            self.received[..whole].chunks(script.reply_len).find(|reply| !script.accepts(reply))
        {
            let first = String::from_utf8_lossy(&wrong[..wrong.len().min(60)]).into_owned();
            return Err(ServerError::Replies { errors: 1, first });
        }
        self.received.drain(..whole);
        Ok(replies)
    }
}

/// The clocks at an edge of the measured window.
struct Edge {
    at: Instant,
    own: ThreadCost,
    server: Option<Duration>,
}

impl Edge {
    fn now(server: Option<ProcessClock>) -> Edge {
        Edge {
            at: Instant::now(),
            own: ThreadCost::now(),
            server: server.and_then(|clock| clock.read().ok()),
        }
    }
}

fn measure(
    address: SocketAddr,
    pid: u32,
    workload: &Workload,
    (warmup, measure): (Duration, Duration),
) -> Result<LoadReport, ServerError> {
    let script = Script::new(workload);
    let clock = ProcessClock::of(pid).ok();
    let epoll = Epoll::new(EpollCreateFlags::empty()).map_err(io::Error::from)?;
    let mut connections = Vec::new();
    for index in 0..workload.connections {
        let connection = Connection::open(address)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        epoll.add(&connection.stream, event).map_err(io::Error::from)?;
        connections.push(connection);
    }
    let mut random = SmallRng::seed_from_u64(1);
    let mut next = |connection: &mut Connection| {
        connection.requests.clear();
        for _ in 0..workload.depth {
            script.request(random.random_range(0..workload.keys), &mut connection.requests);
        }
        connection.under_way = workload.depth;
        connection.send()
    };
    connections.iter_mut().try_for_each(&mut next)?;
    let began = Instant::now();
    let mut opened: Option<Edge> = None;
    let mut latency =
        Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).expect("constant bounds are valid");
    let mut completed = 0_u64;
    let mut events = vec![EpollEvent::empty(); workload.connections];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::from(PATIENCE)).map_err(io::Error::from)?;
        if ready == 0 {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let since = began.elapsed();
        if opened.is_none() && since >= warmup {
            opened = Some(Edge::now(clock));
        }
        if since >= warmup + measure {
            break;
        }
        for event in &events[..ready] {
            let connection = &mut connections[event.data() as usize];
            let replies = connection.receive(&script)?;
            if opened.is_some() {
                completed += replies as u64;
                latency.saturating_record_n(connection.sent.elapsed().as_nanos() as u64, replies as u64);
            }
            connection.under_way = connection.under_way.saturating_sub(replies);
            if connection.under_way == 0 {
                next(connection)?;
            }
        }
    }
    let opened = opened.unwrap_or_else(|| Edge::now(clock));
    Ok(report(&opened, &Edge::now(clock), completed, &latency))
}

fn report(opened: &Edge, closed: &Edge, completed: u64, latency: &Histogram<u64>) -> LoadReport {
    let seconds = (closed.at - opened.at).as_secs_f64();
    let per_op =
        |cost: Duration| if completed > 0 { cost.as_secs_f64() * 1e6 / completed as f64 } else { 0.0 };
    let own = closed.own.since(opened.own);
    let server = closed.server.zip(opened.server).map(|(after, before)| after.saturating_sub(before));
    let at = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1e3;
    LoadReport {
        requests: completed,
        completed,
        seconds,
        ops_per_second: if seconds > 0.0 { completed as f64 / seconds } else { 0.0 },
        latency_us: Latency {
            min: latency.min() as f64 / 1e3,
            mean: latency.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: latency.max() as f64 / 1e3,
        },
        hits: completed,
        generator: OwnCost {
            us_per_op: per_op(own.total()),
            user_seconds: own.user.as_secs_f64(),
            system_seconds: own.system.as_secs_f64(),
            busiest_thread: if seconds > 0.0 { own.total().as_secs_f64() / seconds } else { 0.0 },
        },
        server: server.filter(|_| completed > 0).map(|server| ServerCost {
            us_per_op: per_op(server),
            seconds: server.as_secs_f64(),
            cpus: server.as_secs_f64() / seconds,
        }),
        ..LoadReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers GETs with a value of `size` bytes, or with nothing found.
    fn answering(size: usize, found: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut line = Vec::new();
                    let mut byte = [0];
                    while stream.read(&mut byte).is_ok_and(|len| len == 1) {
                        line.push(byte[0]);
                        if byte[0] == b'\n' {
                            let key =
                                String::from_utf8_lossy(&line).trim_start_matches("get ").trim().to_owned();
                            let value = if found {
                                format!("VALUE {key} 0 {size}\r\n{}\r\nEND\r\n", "x".repeat(size))
                            } else {
                                "END\r\n".repeat(40)
                            };
                            if stream.write_all(value.as_bytes()).is_err() {
                                return;
                            }
                            line.clear();
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn replies_are_counted_and_checked() {
        let workload = Workload { connections: 2, keys: 10, ..Workload::plain(4, false) };
        let spans = (Duration::ZERO, Duration::from_millis(300));
        let cpus = boxcar_sys::affinity::available_cpus().unwrap();
        let report = run(answering(64, true), std::process::id(), &workload, &cpus, spans).unwrap();
        assert!(report.completed > 0 && report.latency_us.p50 > 0.0 && report.server.is_some(), "{report}");
        let missing = run(answering(64, false), std::process::id(), &workload, &cpus, spans);
        assert!(matches!(missing, Err(ServerError::Replies { .. })), "{missing:?}");
    }

    #[test]
    fn only_what_fits_is_played() {
        assert!(plays(&Workload::plain(16, true)));
        for workload in [
            Workload { rate: Some(1.0), ..Workload::plain(1, false) },
            Workload { mix: "get:1,set:1".to_owned(), ..Workload::plain(1, false) },
            Workload { value_size: "1-2".to_owned(), ..Workload::plain(1, false) },
        ] {
            assert!(!plays(&workload));
        }
    }
}
