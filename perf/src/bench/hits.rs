//! The hit rate run: a cache in front of something slow, larger than its memory.
//!
//! One connection reads keys of a Zipf distribution and writes those it does not find, with `maxmemory` a fraction of
//! what all keys would take. Every server sees the same keys in the same order.

use super::client::Client;
use super::command_line::{boxcar, peer};
use super::host::Host;
use super::servers::Candidate;
use super::tables::{Workplace, publish};
use super::{BenchError, ServerError};
use boxcar_sys::affinity::CpuList;
use clap::Args;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bytes of a key: `key:` and twelve digits.
const KEY_BYTES: u64 = 16;

/// Measures hit rates at maxmemory, of Boxcar and its peers.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct HitArguments {
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// Policies.
    #[arg(long, value_delimiter = ',', default_values_t = ["allkeys-lru".to_owned(), "allkeys-lfu".to_owned()])]
    policies: Vec<String>,
    /// Servers.
    #[arg(long, value_delimiter = ',', default_values_t = ["boxcar".to_owned(), "redis".to_owned()])]
    servers: Vec<String>,
    /// maxmemory in MiB.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..100_000))]
    megabytes: u64,
    /// Bytes of all keys and values together, as a multiple of maxmemory.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..1000))]
    times: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..100_000))]
    value_size: u64,
    /// Exponent of the distribution.
    #[arg(long, default_value_t = 0.99)]
    exponent: f64,
    /// Reads; the first half of them fills the cache and is not counted.
    #[arg(long, default_value_t = 10_000_000)]
    reads: u64,
    /// Reads in flight.
    #[arg(long, default_value_t = 64)]
    depth: usize,
    /// Reads a second, so that the servers' clocks see the same trace; 0 = as fast as they go.
    #[arg(long, default_value_t = 200_000)]
    rate: u64,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// Seed of the trace.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "hits")]
    name: String,
    /// Where results go; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
}

/// What one server did with one policy.
struct Outcome {
    hits: u64,
    reads: u64,
    /// Fields of INFO at the end.
    keys: String,
    evicted: String,
    used_memory: String,
    seconds: f64,
}

impl HitArguments {
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

    /// Number of different keys.
    fn keys(&self) -> u64 {
        (self.megabytes << 20) * self.times / (KEY_BYTES + self.value_size)
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.server_cpu);
        let mut table = self.head(&host);
        let work = Workplace::new("hits");
        for policy in &self.policies {
            for name in &self.servers {
                let found =
                    if name.starts_with("boxcar") { boxcar(&self.server, name, &[]) } else { peer(name) };
                let outcome = found.and_then(|candidate| {
                    let outcome =
                        self.one(&candidate, policy, work.path()).map_err(|error| format!("{name}: {error}"));
                    Ok((candidate, outcome?))
                });
                match outcome {
                    Ok((candidate, outcome)) => {
                        let line = row(policy, &candidate, &outcome);
                        eprint!("{line}");
                        table.push_str(&line);
                    }
                    Err(reason) => eprintln!("left out: {reason}"),
                }
            }
        }
        publish(&self.results, &host, &self.name, &table)
    }

    fn head(&self, host: &Host) -> String {
        format!(
            "# {}, {}\n\nKernel {}; {}, {} CPUs online.\n\n\
             Zipf({}) over {} keys of {KEY_BYTES} bytes with values of {} bytes, {} times maxmemory ({} MiB); {} reads \
             at {} a second and depth {}, what is missing is written; hits are counted over the second half. Same \
             trace for all (seed {}).\n\n\
             | policy | server | hit rate | keys kept | evicted | used_memory at the end | seconds |\n\
             | :--- | :--- | ---: | ---: | ---: | ---: | ---: |\n",
            self.name,
            host.date,
            host.kernel,
            host.cpu,
            host.cpus,
            self.exponent,
            self.keys(),
            self.value_size,
            self.times,
            self.megabytes,
            self.reads,
            self.rate,
            self.depth,
            self.seed,
        )
    }

    fn one(&self, candidate: &Candidate, policy: &str, directory: &Path) -> Result<Outcome, ServerError> {
        let limits = ["--maxmemory", &format!("{}mb", self.megabytes), "--maxmemory-policy", policy];
        let server =
            candidate.start(&CpuList::from_iter([self.server_cpu]), directory, &limits.map(str::to_owned))?;
        let mut client = Client::open(&server)?;
        let started = Instant::now();
        let (hits, reads) = self.play(&mut client)?;
        let seconds = started.elapsed().as_secs_f64();
        client.verdict()?;
        let keys = client.info("db0")?;
        Ok(Outcome {
            hits,
            reads,
            keys: keys.trim_start_matches("keys=").split(',').next().unwrap_or_default().to_owned(),
            evicted: client.info("evicted_keys")?,
            used_memory: client.info("used_memory")?,
            seconds,
        })
    }

    /// Plays the trace; hits and reads of its second half.
    fn play(&self, client: &mut Client) -> io::Result<(u64, u64)> {
        let zipf = Zipf::new(self.keys() as f64, self.exponent)
            .map_err(|error| io::Error::other(format!("exponent {}: {error}", self.exponent)))?;
        let mut random = SmallRng::seed_from_u64(self.seed);
        let started = Instant::now();
        let (mut done, mut hits, mut counted) = (0, 0, 0);
        let mut keys = Vec::new();
        while done < self.reads {
            keys.clear();
            keys.extend((0..self.depth).map(|_| zipf.sample(&mut random) as u64));
            let found = self.read_through(client, &keys)?;
            if done >= self.reads / 2 {
                hits += found;
                counted += keys.len() as u64;
            }
            done += keys.len() as u64;
            if self.rate > 0 {
                let due = Duration::from_secs_f64(done as f64 / self.rate as f64);
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
        Ok((hits, counted))
    }

    /// Reads these keys, writes those that are missing, and says how many were there.
    fn read_through(&self, client: &mut Client, keys: &[u64]) -> io::Result<u64> {
        for key in keys {
            write!(client.requests, "*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n")?;
        }
        client.send()?;
        let mut missing = 0;
        for key in keys {
            if !client.reply()? {
                missing += 1;
                let len = self.value_size;
                write!(client.requests, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${len}\r\n")?;
                client.requests.resize(client.requests.len() + len as usize, b'v');
                client.requests.extend_from_slice(b"\r\n");
            }
        }
        client.send()?;
        for _ in 0..missing {
            client.reply()?;
        }
        Ok(keys.len() as u64 - missing)
    }
}

fn row(policy: &str, candidate: &Candidate, outcome: &Outcome) -> String {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {policy} | {} ({}) | {:.2} % | {} | {} | {} | {:.1} |",
        candidate.name,
        candidate.version.split(" sha=").next().unwrap_or_default(),
        outcome.hits as f64 * 100.0 / outcome.reads.max(1) as f64,
        outcome.keys,
        outcome.evicted,
        outcome.used_memory,
        outcome.seconds,
    );
    line
}
