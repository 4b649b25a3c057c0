//! What a driver's turn costs, one variant against another: epoll, io_uring, and io_uring with one toggle changed.
//!
//! All variants live in one process and take turns every few hundred microseconds, so that whatever disturbs the machine
//! disturbs them alike; each round's cost is divided by the first variant's in the same round, and the median of these
//! ratios is printed. One thread is client and server: it writes a request on every connection, lets the driver receive them
//! and send the replies, and reads the replies. Two costs are printed: the driver's part alone, and the whole round; the
//! whole counts where a variant moves work to somebody else's system call (as io_uring without `defer_taskrun` does). Name
//! few variants at a time: each one's turn evicts the others' from the caches.
//!
//! ```text
//! taskset -c 0 driver_costs [connections] [request bytes] [reply bytes] [rounds] [only,these,variants]
//! ```

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use boxcar_sys::clock::{self, Ticks};
use boxcar_sys::{
    Backend, Driver, DriverOptions, Handler, ListenerId, Reading, Sent, Toggles, Token, Wait, socket,
};

#[derive(Default)]
struct Server {
    accepted: Vec<OwnedFd>,
    ready: Vec<(Token, usize)>,
    buffers: Vec<Vec<u8>>,
    sent: usize,
}

impl Handler for Server {
    fn accepted(&mut self, _: ListenerId, socket: OwnedFd) {
        self.accepted.push(socket);
    }
    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading {
        self.ready.push((token, data.len()));
        Reading::Continue
    }
    fn read_closed(&mut self, _: Token, _: Option<io::Error>) {}
    fn sent(&mut self, _: Token, buffer: Vec<u8>, result: io::Result<()>) {
        result.expect("the client reads everything");
        self.sent += 1;
        self.buffers.push(buffer);
    }
    fn doorbell(&mut self) {}
    fn closed(&mut self, _: Token) {}
}

struct Variant {
    name: String,
    driver: Driver,
    server: Server,
    clients: Vec<TcpStream>,
    costs: [Vec<f64>; 2],
    ratios: [Vec<f64>; 2],
}

impl Variant {
    fn open(name: String, backend: Backend, options: &DriverOptions, connections: usize) -> Variant {
        let mut driver = Driver::open(backend, options).expect("the backend is there");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener =
            socket::tcp_listener(any, &socket::TcpListenerOptions::default()).expect("a free port");
        let address = socket::local_tcp_address(&listener).expect("bound").expect("TCP");
        driver.listen(ListenerId(0), listener);
        let mut server = Server::default();
        let mut clients = Vec::new();
        for index in 0..connections {
            let client = TcpStream::connect(address).expect("the listener listens");
            client.set_nodelay(true).expect("a TCP option");
            clients.push(client);
            while server.accepted.is_empty() {
                driver.turn(Wait::Poll, &mut server).expect("a turn");
            }
            driver.register(Token::new(index as u32, 0), server.accepted.remove(0));
        }
        Variant { name, driver, server, clients, costs: Default::default(), ratios: Default::default() }
    }

    /// One request and reply on every connection. Returns nanoseconds for each: of the driver's part, and in all.
    fn round(&mut self, request: &[u8], reply: &[u8], back: &mut [u8]) -> [f64; 2] {
        let start = Ticks::now();
        for client in &mut self.clients {
            client.write_all(request).expect("the server reads");
        }
        let connections = self.clients.len();
        let mut owed: VecDeque<usize> = std::iter::repeat_n(request.len(), connections).collect();
        self.server.sent = 0;
        let began = Ticks::now();
        while self.server.sent < connections {
            self.driver.turn(Wait::Poll, &mut self.server).expect("a turn");
            let mut ready = std::mem::take(&mut self.server.ready);
            for (token, len) in ready.drain(..) {
                owed[token.index()] -= len;
                if owed[token.index()] > 0 {
                    continue;
                }
                let mut buffer = self.server.buffers.pop().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(reply);
                match self.driver.send(token, buffer) {
                    Sent::Pending => {}
                    Sent::Done(buffer) => {
                        self.server.sent += 1;
                        self.server.buffers.push(buffer);
                    }
                    Sent::Failed(_, error) => panic!("{error}"),
                }
            }
            self.server.ready = ready;
        }
        let driver = Ticks::now().nanos_since(began);
        for client in &mut self.clients {
            client.read_exact(back).expect("the server replies");
        }
        [driver, Ticks::now().nanos_since(start)].map(|nanos| nanos as f64 / connections as f64)
    }
}

fn variants(connections: usize, only: Option<&str>) -> Vec<Variant> {
    let defaults = DriverOptions::default();
    let mut all = vec![
        ("io_uring".to_owned(), Backend::IoUring, defaults.clone()),
        ("epoll".to_owned(), Backend::Epoll, defaults.clone()),
    ];
    for name in Toggles::NAMES {
        let mut options = defaults.clone();
        let toggle = options.toggles.get_mut(name).expect("it is in the list of names");
        *toggle = !*toggle;
        let prefix = if *toggle { "with" } else { "without" };
        all.push((format!("{prefix}_{name}"), Backend::IoUring, options));
    }
    for count in [8, 16, 32, 64, 128] {
        let options = DriverOptions { receive_buffer_count: count, ..defaults.clone() };
        all.push((format!("{count}_buffers"), Backend::IoUring, options));
    }
    for size in [4096, 32_768, 65_536] {
        let options = DriverOptions { receive_buffer_size: size, ..defaults.clone() };
        all.push((format!("buffers_of_{size}"), Backend::IoUring, options));
    }
    for entries in [64, 1024] {
        let options = DriverOptions {
            submission_entries: entries,
            completion_entries: 4 * entries,
            ..defaults.clone()
        };
        all.push((format!("{entries}_entries"), Backend::IoUring, options));
    }
    all.retain(|(name, _, _)| {
        name == "io_uring" || only.is_none_or(|only| only.split(',').any(|part| part == name))
    });
    all.into_iter()
        .map(|(name, backend, options)| Variant::open(name, backend, &options, connections))
        .collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| {
        arguments.get(place).map_or(default, |text| text.parse().expect("a number"))
    };
    let (connections, rounds) = (number(0, 50), number(3, 1000));
    let (request, reply) = (vec![b'r'; number(1, 14)], vec![b'a'; number(2, 7)]);
    let mut back = vec![0; reply.len()];
    clock::prepare();
    // A server has several threads, and only then does every system call on a descriptor count a reference to the file.
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    let mut variants = variants(connections, arguments.get(4).map(String::as_str));
    for round in 0..rounds + 20 {
        // Another one begins each time: the first of a round would always meet the coldest caches.
        let count = variants.len();
        let mut costs = vec![[0.0; 2]; count];
        for place in (0..count).map(|place| (place + round) % count) {
            costs[place] = variants[place].round(&request, &reply, &mut back);
        }
        if round >= 20 {
            for (variant, cost) in variants.iter_mut().zip(&costs) {
                for part in 0..2 {
                    variant.costs[part].push(cost[part]);
                    variant.ratios[part].push(cost[part] / costs[0][part]);
                }
            }
        }
    }
    println!("{connections} connections, requests of {} bytes, replies of {}", request.len(), reply.len());
    for variant in &mut variants {
        let [driver, whole] = variant.costs.each_mut().map(|costs| median(costs));
        let [driver_ratio, whole_ratio] = variant.ratios.each_mut().map(|ratios| median(ratios));
        println!(
            "{:>30}  driver {driver:6.0} ns a request, ratio {driver_ratio:.3}  whole {whole:6.0} ns, ratio {whole_ratio:.3}",
            variant.name
        );
    }
}
