//! The kernel's floor: a server that answers every `*1\r\n$4\r\nPING\r\n` of 14 bytes with `+PONG\r\n` without parsing it,
//! through a [`Driver`] and nothing else. What it costs a request is what no server over the same driver can go below.
//!
//! ```text
//! taskset -c 0 echo_floor --port 7000 --backend io_uring --without msg_ring --set receive_buffer_count=32
//! taskset -c 1 redis-benchmark -p 7000 -t ping_mbulk -c 50 -n 1000000 -P 16
//! ```
//! When the last connection has gone it prints one line: requests, CPU time a request, counters that are not zero; and
//! with `--once` it ends.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::{env, io};

use boxcar_sys::{
    Backend, Driver, DriverOptions, Handler, ListenerId, Reading, Sent, Token, Wait, process, socket,
};

const REQUEST: usize = b"*1\r\n$4\r\nPING\r\n".len();
const REPLY: &[u8] = b"+PONG\r\n";

#[derive(Default)]
struct Connection {
    generation: u32,
    /// Bytes of a request that has come in part.
    partial: usize,
    /// Replies that wait for the end of the turn.
    owed: usize,
    queued: bool,
    buffer: Vec<u8>,
    sending: bool,
}

#[derive(Default)]
struct Server {
    connections: Vec<Connection>,
    free: Vec<u32>,
    arrived: Vec<OwnedFd>,
    ready: Vec<Token>,
    gone: Vec<Token>,
    open: usize,
    requests: u64,
}

impl Server {
    fn of(&mut self, token: Token) -> &mut Connection {
        &mut self.connections[token.index()]
    }
}

impl Handler for Server {
    fn accepted(&mut self, _: ListenerId, socket: OwnedFd) {
        self.arrived.push(socket);
    }

    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading {
        let connection = &mut self.connections[token.index()];
        let bytes = connection.partial + data.len();
        connection.owed += bytes / REQUEST;
        connection.partial = bytes % REQUEST;
        self.requests += (bytes / REQUEST) as u64;
        if !connection.queued {
            connection.queued = true;
            self.ready.push(token);
        }
        Reading::Continue
    }

    fn read_closed(&mut self, token: Token, _: Option<io::Error>) {
        self.gone.push(token);
    }

    fn sent(&mut self, token: Token, mut buffer: Vec<u8>, _: io::Result<()>) {
        buffer.clear();
        let connection = self.of(token);
        connection.buffer = buffer;
        connection.sending = false;
        if connection.owed > 0 && !connection.queued {
            connection.queued = true;
            self.ready.push(token);
        }
    }

    fn doorbell(&mut self) {}

    fn closed(&mut self, token: Token) {
        let connection = self.of(token);
        *connection = Connection { generation: connection.generation + 1, ..Connection::default() };
        self.free.push(token.index() as u32);
        self.open -= 1;
    }
}

impl Server {
    fn serve(&mut self, driver: &mut Driver) {
        for socket in std::mem::take(&mut self.arrived) {
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(Connection::default());
                self.connections.len() as u32 - 1
            });
            driver.register(Token::new(index, self.connections[index as usize].generation), socket);
            self.open += 1;
        }
        let mut ready = std::mem::take(&mut self.ready);
        for token in ready.drain(..) {
            let connection = self.of(token);
            connection.queued = false;
            if connection.sending || connection.owed == 0 {
                continue;
            }
            let mut buffer = std::mem::take(&mut connection.buffer);
            for _ in 0..std::mem::take(&mut connection.owed) {
                buffer.extend_from_slice(REPLY);
            }
            match driver.send(token, buffer) {
                Sent::Pending => connection.sending = true,
                Sent::Done(mut buffer) | Sent::Failed(mut buffer, _) => {
                    buffer.clear();
                    connection.buffer = buffer;
                }
            }
        }
        self.ready = ready;
        for token in std::mem::take(&mut self.gone) {
            driver.close(token);
        }
    }
}

struct Arguments {
    port: u16,
    backend: Backend,
    once: bool,
    options: DriverOptions,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed =
        Arguments { port: 7000, backend: Backend::IoUring, once: false, options: DriverOptions::default() };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--once" {
            parsed.once = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--port" => parsed.port = value.parse().map_err(|_| format!("no port: {value}"))?,
            "--backend" => {
                parsed.backend = match value.as_str() {
                    "io_uring" => Backend::IoUring,
                    "epoll" => Backend::Epoll,
                    _ => return Err(format!("no backend: {value}")),
                }
            }
            "--with" | "--without" => {
                let toggle = parsed.options.toggles.get_mut(&value);
                *toggle.ok_or_else(|| format!("no toggle: {value}"))? = word == "--with";
            }
            "--set" => set(&mut parsed.options, &value)?,
            _ => return Err(format!("no such option: {word}")),
        }
    }
    Ok(parsed)
}

fn set(options: &mut DriverOptions, assignment: &str) -> Result<(), String> {
    let (name, value) = assignment.split_once('=').ok_or("--set wants name=value")?;
    let field = match name {
        "receive_buffer_size" => &mut options.receive_buffer_size,
        "receive_buffer_count" => &mut options.receive_buffer_count,
        "submission_entries" => &mut options.submission_entries,
        "completion_entries" => &mut options.completion_entries,
        "epoll_events" => &mut options.epoll_events,
        _ => return Err(format!("no size of that name: {name}")),
    };
    *field = value.parse().map_err(|_| format!("no number: {value}"))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let mut driver = Driver::open(arguments.backend, &arguments.options)?;
    for feature in driver.features() {
        let state = if feature.active { "on" } else { "off" };
        eprintln!("{:>24} {state:>3}  {}", feature.name, feature.reason);
    }
    let address = SocketAddr::from(([127, 0, 0, 1], arguments.port));
    driver.listen(ListenerId(0), socket::tcp_listener(address, &socket::TcpListenerOptions::default())?);
    // A server has several threads, and only then does every system call on a descriptor count a reference to the file.
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    let mut server = Server::default();
    let (mut before, mut cpu_before) = (0, Duration::ZERO);
    loop {
        let had = server.open;
        driver.turn(Wait::Forever, &mut server)?;
        server.serve(&mut driver);
        if had == 0 && server.open > 0 {
            (before, cpu_before) = (server.requests, process::thread_cpu_time());
        }
        if had > 0 && server.open == 0 {
            let (requests, cpu) = (server.requests - before, process::thread_cpu_time() - cpu_before);
            let each = cpu.as_nanos() as f64 / requests.max(1) as f64;
            let rows = driver.counters().rows();
            let rows: Vec<_> = rows.iter().filter(|row| row.1 > 0).map(|(n, v)| format!("{n}={v}")).collect();
            println!("requests={requests} ns_per_request={each:.1} {}", rows.join(" "));
            if arguments.once && requests > 100 {
                return Ok(());
            }
        }
    }
}
