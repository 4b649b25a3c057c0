//! The command line of `boxcar-load`.

use super::{
    DEFAULT_PREFIX, Distribution, Endpoint, Extent, LoadError, LoadOptions, LoadReport, MAX_KEYS,
    MAX_PIPELINE, Mix, Pace, Progress, Protocol, Values, run,
};
use boxcar_sys::affinity::CpuList;
use clap::{Args, ValueEnum};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Drives a RESP server and measures it: a closed loop by default, an open one with --rate.
#[derive(Debug, Clone, Args)]
pub struct LoadArguments {
    /// Host name or address of the server.
    #[arg(long, short = 'H', default_value = "127.0.0.1")]
    host: String,
    /// TCP port of the server.
    #[arg(long, short, default_value_t = 6379)]
    port: u16,
    /// Path of the server's unix socket, instead of host and port.
    #[arg(long, short, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    socket: Option<PathBuf>,
    /// Version of the protocol: 2, or 3 (asked for by HELLO 3).
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3), default_value_t = 2)]
    resp: u8,
    /// Connections over all threads.
    #[arg(long, short, default_value_t = 50)]
    connections: usize,
    /// Requests in flight on each connection: the closed loop sends that many at once and waits for all their
    /// replies; the open loop never has more under way (what is due beyond waits, and its waiting is counted).
    #[arg(long, short = 'P', default_value_t = 1, value_parser = pipeline_depth)]
    pipeline: usize,
    /// Threads.
    #[arg(long, short, default_value_t = 1)]
    threads: usize,
    /// CPUs to bind the threads to, one each, as in 0,2-3.
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuList>,
    /// Number of different keys.
    #[arg(long, short, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MAX_KEYS))]
    keys: u64,
    /// What keys begin with; twelve digits follow.
    #[arg(long, default_value = DEFAULT_PREFIX)]
    key_prefix: String,
    /// How keys are drawn.
    #[arg(long, value_enum, default_value_t = KeyOrder::Uniform)]
    distribution: KeyOrder,
    /// Exponent of the Zipf distribution.
    #[arg(long, default_value_t = 0.99)]
    zipf_exponent: f64,
    /// Bytes of a value: one size, or a range as in 16-1024, spread evenly over the keys.
    #[arg(long, short = 'v', default_value = "64", value_parser = sizes)]
    value_size: (usize, usize),
    /// Shares of GET and SET, as in 9:1.
    #[arg(long, default_value = "1:0", value_parser = mix)]
    ratio: Mix,
    /// Open loop: send this many requests a second over all connections, and count latency from when each was due.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds to measure.
    #[arg(long, short, value_parser = seconds, default_value = "10", conflicts_with = "requests")]
    duration: Duration,
    /// Measure this many requests instead of a time.
    #[arg(long, short = 'n')]
    requests: Option<u64>,
    /// Seconds to run before measuring.
    #[arg(long, value_parser = seconds, default_value = "0")]
    warmup: Duration,
    /// SET every key before the run.
    #[arg(long)]
    preload: bool,
    /// Compare every reply with what its key must hold (values are derived from keys).
    #[arg(long)]
    verify: bool,
    /// Process id of the server: report its CPU time per operation.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Seed of the random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the report as JSON to this file, or to standard output (then instead of the table) if it is `-`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// No progress line.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyOrder {
    Uniform,
    Zipf,
    Sequential,
}

fn pipeline_depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1..=MAX_PIPELINE).contains(&depth) { Ok(depth) } else { Err(format!("not in 1 to {MAX_PIPELINE}")) }
}

fn sizes(text: &str) -> Result<(usize, usize), String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("{text:?} is not a size in bytes"));
    let (min, max) = (number(min)?, number(max)?);
    if min <= max { Ok((min, max)) } else { Err(format!("{min} is larger than {max}")) }
}

fn mix(text: &str) -> Result<Mix, String> {
    let wrong = || "expected GETs:SETs, as in 9:1".to_owned();
    let (get, set) = text.split_once(':').ok_or_else(wrong)?;
    let mix = Mix { get: get.parse().map_err(|_| wrong())?, set: set.parse().map_err(|_| wrong())? };
    if mix.get == 0 && mix.set == 0 { Err("both shares are 0".to_owned()) } else { Ok(mix) }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl LoadArguments {
    /// The run that these arguments ask for.
    pub fn options(&self) -> Result<LoadOptions, LoadError> {
        let endpoint = match &self.socket {
            Some(path) => Endpoint::Unix(path.clone()),
            None => Endpoint::resolve(&self.host, self.port)?,
        };
        Ok(LoadOptions {
            protocol: if self.resp == 3 { Protocol::Resp3 } else { Protocol::Resp2 },
            connections: self.connections,
            pipeline: self.pipeline,
            threads: self.threads,
            cpus: self.cpus.clone().unwrap_or_else(|| CpuList::from_iter([])),
            keys: self.keys,
            key_prefix: self.key_prefix.clone(),
            distribution: match self.distribution {
                KeyOrder::Uniform => Distribution::Uniform,
                KeyOrder::Zipf => Distribution::Zipf(self.zipf_exponent),
                KeyOrder::Sequential => Distribution::Sequential,
            },
            values: Values::new(self.value_size.0, self.value_size.1),
            mix: self.ratio,
            seed: self.seed,
            pace: self.rate.map_or(Pace::Closed, Pace::Open),
            warmup: self.warmup,
            extent: self.requests.map_or(Extent::Time(self.duration), Extent::Requests),
            preload: self.preload,
            verify: self.verify,
            server_pid: self.server_pid,
            ..LoadOptions::new(endpoint)
        })
    }

    /// Runs the load and prints its report. Exit code 1: the run failed; 2: it ran, and some replies were errors or
    /// not what they must be.
    pub fn execute(&self) -> ExitCode {
        match self.measure() {
            Ok(report) if report.clean() => ExitCode::SUCCESS,
            Ok(_) => ExitCode::from(2),
            Err(error) => {
                eprintln!("boxcar-load: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure(&self) -> Result<LoadReport, LoadError> {
        let options = self.options()?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let mut line = ProgressLine::new(!self.quiet, &options);
        let outcome = run(&options, &stop, &mut |progress| line.show(progress));
        line.clear();
        let report = outcome?;
        match &self.json {
            None => print!("{report}"),
            Some(path) => {
                let mut text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
                text.push('\n');
                if path.as_os_str() == "-" {
                    print!("{text}");
                } else {
                    let named = |error: io::Error| {
                        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                    };
                    fs::write(path, text).map_err(named)?;
                    print!("{report}");
                }
            }
        }
        Ok(report)
    }
}

/// One line on standard error that is written over and over, if that is a terminal.
struct ProgressLine {
    shown: bool,
    whole: Option<Duration>,
    earlier: Progress,
}

impl ProgressLine {
    fn new(wanted: bool, options: &LoadOptions) -> ProgressLine {
        let whole = match options.extent {
            Extent::Time(time) => Some(options.warmup + time),
            Extent::Requests(_) => None,
        };
        let shown = wanted && io::stderr().is_terminal();
        ProgressLine { shown, whole, earlier: Progress { elapsed: Duration::ZERO, replies: 0 } }
    }

    fn show(&mut self, progress: Progress) {
        let since = (progress.elapsed.saturating_sub(self.earlier.elapsed)).as_secs_f64();
        if !self.shown || since <= 0.0 {
            return;
        }
        let rate = (progress.replies - self.earlier.replies) as f64 / since;
        let whole = self.whole.map_or(String::new(), |whole| format!(" of {:.1}", whole.as_secs_f64()));
        let text = format!("{:.1}{whole} s, {rate:.0} ops/s", progress.elapsed.as_secs_f64());
        // A terminal that went away is no reason to stop measuring.
        let _ignored = write!(io::stderr(), "\r\x1b[K{text}");
        self.earlier = progress;
    }

    fn clear(&self) {
        if self.shown {
            let _ignored = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: LoadArguments,
    }

    fn options(line: &[&str]) -> LoadOptions {
        let line = Line::parse_from(["boxcar-load"].iter().chain(line));
        line.arguments.options().unwrap()
    }

    #[test]
    fn arguments_become_options() {
        let options =
            options(&["-p", "7000", "-P", "16", "-v", "10-20", "--ratio", "9:1", "--rate", "5e4", "-n", "7"]);
        assert_eq!(options.endpoint.to_string(), "127.0.0.1:7000");
        assert_eq!((options.pipeline, options.values.max(), options.values.fixed()), (16, 20, None));
        assert_eq!(options.mix, Mix { get: 9, set: 1 });
        assert_eq!((options.pace, options.extent), (Pace::Open(50_000.0), Extent::Requests(7)));
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            &["-P", "0"][..],
            &["--ratio", "0:0"],
            &["--ratio", "1"],
            &["-v", "9-3"],
            &["--resp", "4"],
            &["-d", "-1"],
            &["-d", "1", "-n", "1"],
            &["-s", "/x", "-p", "1"],
            &["-k", "0"],
        ] {
            assert!(Line::try_parse_from(["boxcar-load"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
