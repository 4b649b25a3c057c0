//! The expiry run: what other clients notice when millions of keys expire within one second.
//!
//! An open loop reads keys that stay while the others are still there, and again from the moment at which they begin
//! to expire.

use super::client::Client;
use super::command_line::{boxcar, peer};
use super::host::Host;
use super::servers::{Candidate, Server};
use super::tables::{Workplace, publish};
use super::{BenchError, ServerError};
use crate::load::command_line::seconds;
use crate::load::{self, Endpoint, Extent, LoadOptions, LoadReport, Mix, Pace, Values};
use boxcar_sys::affinity::CpuList;
use boxcar_sys::clock::wall_ms;
use clap::Args;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Keys written in one pipeline.
const PIPELINE: u64 = 200;

/// Measures the latency of reads while other keys expire.
///
/// Peers are found as for `quick`.
#[derive(Debug, Clone, Args)]
pub struct ExpiryArguments {
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// Servers.
    #[arg(long, value_delimiter = ',', default_values_t = ["boxcar".to_owned(), "redis".to_owned()])]
    servers: Vec<String>,
    /// Keys that expire.
    #[arg(long, default_value_t = 5_000_000)]
    keys: u64,
    /// Seconds that writing them may take.
    #[arg(long, value_parser = seconds, default_value = "25")]
    fill: Duration,
    /// Milliseconds within which they expire.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    within: u64,
    /// Keys that stay and are read.
    #[arg(long, default_value_t = 100_000)]
    read_keys: u64,
    /// Reads a second.
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// Connections.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Seconds of each of the two measurements.
    #[arg(long, value_parser = seconds, default_value = "4")]
    duration: Duration,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "expiry")]
    name: String,
    /// Where results go; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
}

impl ExpiryArguments {
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
        let work = Workplace::new("expiry");
        for name in &self.servers {
            let found = if name.starts_with("boxcar") { boxcar(&self.server, name, &[]) } else { peer(name) };
            let lines = found.and_then(|candidate| {
                self.one(&candidate, work.path()).map_err(|error| format!("{name}: {error}"))
            });
            match lines {
                Ok(lines) => {
                    eprint!("{lines}");
                    table.push_str(&lines);
                }
                Err(reason) => eprintln!("left out: {reason}"),
            }
        }
        publish(&self.results, &host, &self.name, &table)
    }

    fn head(&self, host: &Host) -> String {
        format!(
            "# {}, {}\n\nKernel {}; {}, {} CPUs online; load average at the start: {}.\n\n\
             {} keys expire within {} ms; {} other keys are read at {} a second over {} connections (open loop: \
             latency from the moment at which a request was due), for {} s before the first expires, and for {} s from \
             then on. Server and generator have one CPU each.\n\n\
             | server | when | p50 us | p99 us | p99.9 us | max us | keys expired by then |\n\
             | :--- | :--- | ---: | ---: | ---: | ---: | ---: |\n",
            self.name,
            host.date,
            host.kernel,
            host.cpu,
            host.cpus,
            host.load_average,
            self.keys,
            self.within,
            self.read_keys,
            self.rate,
            self.connections,
            self.duration.as_secs_f64(),
            self.duration.as_secs_f64(),
        )
    }

    fn one(&self, candidate: &Candidate, directory: &Path) -> Result<String, ServerError> {
        let server = candidate.start(&CpuList::from_iter([self.server_cpu]), directory, &[])?;
        let mut client = Client::open(&server)?;
        self.read(&server, true, Duration::from_millis(100))?;
        let margin = Duration::from_millis(500);
        let expire_ms = wall_ms() + (self.fill + self.duration + 2 * margin).as_millis() as i64;
        self.fill(&mut client, expire_ms)?;
        let until = |moment_ms: i64| {
            std::thread::sleep(Duration::from_millis(u64::try_from(moment_ms - wall_ms()).unwrap_or(0)));
        };
        until(expire_ms - (self.duration + margin).as_millis() as i64);
        if wall_ms() > expire_ms {
            let slow = format!("writing the keys took longer than {} s", self.fill.as_secs_f64());
            return Err(ServerError::Io(std::io::Error::other(slow)));
        }
        let before = self.read(&server, false, self.duration)?;
        let expired_before = client.info("expired_keys")?;
        until(expire_ms);
        let during = self.read(&server, false, self.duration)?;
        let expired = client.info("expired_keys")?;
        Ok(line(candidate, "before", &before, &expired_before)
            + &line(candidate, "while they expire", &during, &expired))
    }

    fn fill(&self, client: &mut Client, expire_ms: i64) -> Result<(), ServerError> {
        for first in (0..self.keys).step_by(PIPELINE as usize) {
            let numbers = first..self.keys.min(first + PIPELINE);
            for number in numbers.clone() {
                let at = expire_ms + (number * self.within / self.keys) as i64;
                write!(
                    client.requests,
                    "*5\r\n$3\r\nSET\r\n$16\r\nexp:{number:012}\r\n$16\r\nvalue:0123456789\r\n$4\r\nPXAT\r\n$13\r\n{at:013}\r\n"
                )?;
            }
            client.send()?;
            for _ in numbers {
                client.reply()?;
            }
        }
        client.verdict()
    }

    fn read(&self, server: &Server, preload: bool, duration: Duration) -> Result<LoadReport, ServerError> {
        let options = LoadOptions {
            connections: self.connections,
            pipeline: 1,
            cpus: CpuList::from_iter([self.load_cpu]),
            keys: self.read_keys,
            values: Values::new(64, 64),
            mix: Mix::get_set(1, 0),
            pace: Pace::Open(self.rate),
            warmup: Duration::ZERO,
            extent: Extent::Time(duration),
            preload,
            ..LoadOptions::new(Endpoint::Tcp(server.address))
        };
        Ok(load::run(&options, &AtomicBool::new(false), &mut |_| {})?)
    }
}

fn line(candidate: &Candidate, when: &str, report: &LoadReport, expired: &str) -> String {
    let mut line = String::new();
    let latency = &report.latency_us;
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {} ({}) | {when} | {:.0} | {:.0} | {:.0} | {:.0} | {expired} |",
        candidate.name,
        candidate.version.split(" sha=").next().unwrap_or_default(),
        latency.p50,
        latency.p99,
        latency.p999,
        latency.max,
    );
    line
}
