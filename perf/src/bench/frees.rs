//! The frees run: what another client notices when a value of millions of elements goes.
//!
//! One client fills a key and has it removed; another reads a small key all the time, one request after the other, until
//! the server says that nothing waits to be freed. Each type and each way of removing it is a piece of its own, with a new
//! server.

use super::client::Client;
use super::command_line::{boxcar, peer};
use super::host::Host;
use super::servers::{Candidate, Server};
use super::tables::{Workplace, publish};
use super::{BenchError, ServerError};
use boxcar_sys::affinity::{CpuList, pin_current_thread};
use clap::Args;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Elements written with one pipeline, in commands of a hundred where the command takes so many.
const PIPELINE: u64 = 2000;
/// How long the reader reads before the removal, for comparison: about as long as ten million elements take to be freed.
const BEFORE: Duration = Duration::from_secs(2);
/// How long it reads behind the removal at least, in case the server does not say that it frees.
const QUIET: Duration = Duration::from_millis(500);
/// How long freeing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The types, the command that adds elements to each, and how many it takes at once.
const TYPES: [(&str, &str, u64); 5] = [
    ("set", "SADD", 100),
    ("hash", "HSET", 100),
    ("zset", "ZADD", 100),
    ("list", "RPUSH", 100),
    ("stream", "XADD", 1),
];

/// Ways to be rid of a key `big`, and what has to be configured for them. `set` alone goes all of these ways.
const WAYS: [(&str, &[&str]); 8] = [
    ("UNLINK", &["UNLINK big"]),
    ("DEL", &["DEL big"]),
    ("expiry", &["PEXPIRE big 50"]),
    ("FLUSHALL ASYNC", &["FLUSHALL ASYNC"]),
    ("DEL with lazyfree-lazy-user-del", &["CONFIG SET lazyfree-lazy-user-del yes", "DEL big"]),
    ("SET over it", &["SET big small"]),
    ("RENAME over it", &["SET other small", "RENAME other big"]),
    ("eviction", &["CONFIG SET maxmemory-policy allkeys-random", "CONFIG SET maxmemory 100000"]),
];
/// How many of the ways every type goes.
const COMMON_WAYS: usize = 4;

/// Measures the latency of reads while a value of many elements is freed.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct FreeArguments {
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// Servers.
    #[arg(long, value_delimiter = ',', default_values_t = ["boxcar".to_owned(), "boxcar-rings".to_owned()])]
    servers: Vec<String>,
    /// Elements of the value.
    #[arg(long, default_value_t = 10_000_000)]
    elements: u64,
    /// Types of the value.
    #[arg(long, value_delimiter = ',', default_values_t = TYPES.map(|(name, ..)| name.to_owned()))]
    types: Vec<String>,
    /// Ways of removing it; those other than the first four are for sets alone.
    #[arg(long, value_delimiter = ',', default_values_t = WAYS.map(|(name, _)| name.to_owned()))]
    ways: Vec<String>,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the reader.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "lazyfree")]
    name: String,
    /// Where results go; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
}

impl FreeArguments {
    /// Runs it, prints the table, writes it.
    pub fn execute(&self) -> ExitCode {
        match self.measure() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("boxcar-bench: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.server_cpu);
        let mut table = self.head(&host);
        let work = Workplace::new("frees");
        pin_current_thread(&CpuList::from_iter([self.load_cpu]))?;
        for name in &self.servers {
            let rings = ["--dispatch", "rings"].map(str::to_owned);
            let found = match name.as_str() {
                "boxcar" => boxcar(&self.server, name, &[]),
                "boxcar-rings" => boxcar(&self.server, name, &rings),
                peer_name => peer(peer_name),
            };
            for (kind, add, at_once) in TYPES.iter().filter(|(kind, ..)| self.types.iter().any(|t| t == kind))
            {
                let ways = if *kind == "set" { &WAYS[..] } else { &WAYS[..COMMON_WAYS] };
                for (way, commands) in ways.iter().filter(|(way, _)| self.ways.iter().any(|w| w == way)) {
                    let line = found.clone().and_then(|candidate| {
                        let server =
                            candidate.start(&CpuList::from_iter([self.server_cpu]), work.path(), &[]);
                        let seen = server.and_then(|server| self.one(&server, (add, *at_once), commands));
                        seen.map(|seen| seen.line(&candidate, kind, way))
                            .map_err(|error| format!("{name}: {error}"))
                    });
                    match line {
                        Ok(line) => {
                            eprint!("{line}");
                            table.push_str(&line);
                        }
                        Err(reason) => eprintln!("left out: {reason}"),
                    }
                }
            }
        }
        publish(&self.results, &host, &self.name, &table)
    }

    fn head(&self, host: &Host) -> String {
        format!(
            "# {}, {}\n\nKernel {}; {}, {} CPUs online; load average at the start: {}.\n\n\
             A value of {} elements goes, while another client sends GETs of a small key, one after the other. Server (one I/O \
             thread) and clients have one CPU each. Milliseconds; `took` is the time of the removing command, `freed after` the \
             time until the server has freed everything.\n\n\
             | server | type | goes by | GET max before | GET p99.9 | GET max | GETs | took | freed after |\n\
             | :--- | :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            self.name, host.date, host.kernel, host.cpu, host.cpus, host.load_average, self.elements,
        )
    }

    fn one(&self, server: &Server, add: (&str, u64), commands: &[&str]) -> Result<Seen, ServerError> {
        let mut client = Client::open(server)?;
        self.fill(&mut client, add)?;
        command(&mut client, "SET small value")?;
        client.verdict()?;
        let before = read_while(server, || {
            thread::sleep(BEFORE);
            Ok(())
        })?
        .0;
        let (during, (took, freed)) = read_while(server, || {
            let start = Instant::now();
            for line in commands {
                command(&mut client, line)?;
            }
            let took = start.elapsed();
            while start.elapsed() < QUIET || client.info("lazyfree_pending_objects")? != "0" {
                if start.elapsed() > PATIENCE {
                    return Err(std::io::Error::other("it is not freed in time"));
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok((took, start.elapsed()))
        })?;
        client.verdict()?;
        Ok(Seen { before, during, took, freed })
    }

    fn fill(&self, client: &mut Client, (add, at_once): (&str, u64)) -> Result<(), ServerError> {
        for first in (0..self.elements).step_by(PIPELINE as usize) {
            let end = self.elements.min(first + PIPELINE);
            for from in (first..end).step_by(at_once as usize) {
                let mut words = vec![add.to_owned(), "big".to_owned()];
                if add == "XADD" {
                    words.push("*".to_owned());
                }
                for number in from..end.min(from + at_once) {
                    let (name, number) = (format!("member:{number:07}"), format!("{number:08}"));
                    match add {
                        "ZADD" => words.extend([number, name]),
                        "HSET" => words.extend([name, number]),
                        "XADD" => words.extend(["field".to_owned(), name]),
                        _ => words.push(name),
                    }
                }
                client.push(&words);
            }
            client.send()?;
            for _ in 0..(end - first).div_ceil(at_once) {
                client.reply()?;
            }
        }
        client.verdict()
    }
}

/// What one removal came to.
struct Seen {
    before: Vec<Duration>,
    during: Vec<Duration>,
    took: Duration,
    freed: Duration,
}

impl Seen {
    fn line(&self, candidate: &Candidate, kind: &str, way: &str) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let last = |times: &[Duration]| times.last().copied().unwrap_or_default();
        let p999 = self.during.get(self.during.len() * 999 / 1000).copied().unwrap_or_default();
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            line,
            "| {} | {kind} | {way} | {:.2} | {:.2} | {:.2} | {} | {:.2} | {:.0} |",
            candidate.name,
            ms(last(&self.before)),
            ms(p999),
            ms(last(&self.during)),
            self.during.len(),
            ms(self.took),
            ms(self.freed),
        );
        line
    }
}

fn command(client: &mut Client, line: &str) -> std::io::Result<()> {
    write!(client.requests, "{line}\r\n")?;
    client.send()?;
    client.reply()?;
    Ok(())
}

/// The latencies, ascending, of reads that another client makes while `work` is done.
fn read_while<T>(
    server: &Server,
    work: impl FnOnce() -> std::io::Result<T>,
) -> Result<(Vec<Duration>, T), ServerError> {
    let mut reader = Client::open(server)?;
    let over = AtomicBool::new(false);
    let (times, done) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Relaxed) {
                let start = Instant::now();
                command(&mut reader, "GET small")?;
                times.push(start.elapsed());
            }
            times.sort_unstable();
            Ok::<_, std::io::Error>(times)
        });
        let done = work();
        over.store(true, Relaxed);
        (reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), done)
    });
    Ok((times?, done?))
}
