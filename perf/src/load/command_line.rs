//! The command line of `boxcar-load`.

use super::mix::table;
use super::progress::Bar;
use super::{
    DEFAULT_PREFIX, Distribution, Endpoint, Extent, LoadError, LoadOptions, MAX_KEYS, MAX_MEMBERS,
    MAX_PIPELINE, Mix, Network, Pace, Protocol, Sizes, SweepOptions, SweepPoint, SweepReport, Values, run,
    sweep,
};
use boxcar_sys::affinity::CpuList;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Drives a RESP server and measures it: a closed loop by default, an open one with --rate, rising rates with --sweep.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = table())]
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
    /// Kernel interface for sockets, one instance a thread: io_uring, epoll, or auto = io_uring where the kernel allows it.
    #[arg(long, value_enum, default_value_t = Network::Epoll)]
    network: Network,
    /// CPUs to bind the threads to, one each, as in 0,2-3.
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuList>,
    /// Number of different keys.
    #[arg(long, short, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MAX_KEYS))]
    keys: u64,
    /// What keys begin with; twelve digits follow.
    #[arg(long, default_value = DEFAULT_PREFIX)]
    key_prefix: String,
    /// How keys are drawn: evenly, by Zipf's law, with one hot key, or one after the other.
    #[arg(long, value_enum, default_value_t = KeyOrder::Uniform)]
    distribution: KeyOrder,
    /// Exponent of the Zipf distribution (YCSB's theta).
    #[arg(long, visible_alias = "zipf-theta", default_value_t = 0.99)]
    zipf_exponent: f64,
    /// Share of the requests that go to the one hot key (0 to 1), with --distribution hot.
    #[arg(long, default_value_t = 0.5)]
    hot_share: f64,
    /// Bytes of a value, the same whenever a key is written: one size (64, 16kb, 1mb), a range spread evenly over the
    /// keys (16-1024), sizes with weights (64:99,1mb:1), or lognormal:MEDIAN:SIGMA[:MAX] (lognormal:300:1.5:64kb).
    #[arg(long, short = 'v', default_value = "64")]
    value_size: Sizes,
    /// Shares of GET and SET, as in 9:1.
    #[arg(long, default_value = "1:0", value_parser = ratio)]
    ratio: Mix,
    /// What is asked, by weights, as in get:80,set:20 or hset/4:1,hget:3,zadd:1; the commands are listed below (--help).
    #[arg(long, conflicts_with = "ratio")]
    mix: Option<Mix>,
    /// Members of each hash, list, set, sorted set, bitmap, ...: so many are loaded, and requests choose between them.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=MAX_MEMBERS))]
    members: u64,
    /// SET writes keys that expire after so many milliseconds, or after a time from a range, as in 500-2000.
    #[arg(long, value_name = "MS", value_parser = lifetimes)]
    expire: Option<(u64, u64)>,
    /// Close each connection after so many requests, and open it anew; its first request waits for that.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests_per_connection: Option<u64>,
    /// Open loop: send this many requests a second over all connections, and count latency from when each was due.
    #[arg(long)]
    rate: Option<f64>,
    /// Open loop: what comes due on a connection while a reply is outstanding waits for it, and leaves together in one
    /// write of at most --pipeline requests, as with a client that batches by itself.
    #[arg(long)]
    auto_batch: bool,
    /// Open loop: so many requests come due at once on a connection, at most --pipeline, as with a client that sends whole
    /// pipelines.
    #[arg(long, value_name = "N", default_value_t = 1)]
    burst: usize,
    /// Open loop: poll instead of sleeping when the next request is due in less than this many microseconds. For threads that have a
    /// CPU to themselves: waking up may take longer than a request.
    #[arg(long, value_name = "US", default_value_t = 0)]
    poll_us: u64,
    /// Measure open loops at rising rates until the server does not keep up (answers less than 99 % in time) or its p99
    /// explodes, and say where the knee is. --duration is that of each rate; --rate is the first one, without it a tenth
    /// of what a closed loop reaches.
    #[arg(long, conflicts_with_all = ["requests", "hlog"])]
    sweep: bool,
    /// Sweep: each rate is the one before times this.
    #[arg(long, default_value_t = 1.25, requires = "sweep")]
    sweep_growth: f64,
    /// Sweep: most rates before the first that fails.
    #[arg(long, default_value_t = 40, requires = "sweep")]
    sweep_points: usize,
    /// Sweep: how often the gap between the last good rate and the first bad one is halved.
    #[arg(long, default_value_t = 3, requires = "sweep")]
    sweep_refinements: usize,
    /// Sweep: a p99 above this many times the lowest one so far (and above 1 ms) has exploded.
    #[arg(long, default_value_t = 10.0, requires = "sweep")]
    sweep_p99_factor: f64,
    /// Sweep: a p99 above this has exploded, in microseconds; instead of the factor.
    #[arg(long, value_name = "US", requires = "sweep")]
    sweep_p99_limit: Option<f64>,
    /// Seconds to measure.
    #[arg(long, short, value_parser = seconds, default_value = "10", conflicts_with = "requests")]
    duration: Duration,
    /// Measure this many requests instead of a time.
    #[arg(long, short = 'n')]
    requests: Option<u64>,
    /// Seconds to run before measuring.
    #[arg(long, value_parser = seconds, default_value = "0")]
    warmup: Duration,
    /// Load every key before the run, for each data type of the mix.
    #[arg(long)]
    preload: bool,
    /// Compare every reply with what it must be: values are derived from key and version, so that damaged, exchanged,
    /// stale and lost ones are found. Each key is then written by one connection only. Costs the generator several times
    /// the CPU. For a server that is not written to, emptied or evicting by itself meanwhile.
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
    /// Write latencies by interval of a second to this file, in HdrHistogram's log format (.hlog): V2, compressed, in
    /// nanoseconds, tagged with the commands of the mix where they are told apart.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyOrder {
    Uniform,
    Zipf,
    Hot,
    Sequential,
}

fn pipeline_depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1..=MAX_PIPELINE).contains(&depth) { Ok(depth) } else { Err(format!("not in 1 to {MAX_PIPELINE}")) }
}

fn ratio(text: &str) -> Result<Mix, String> {
    let wrong = || "expected GETs:SETs, as in 9:1".to_owned();
    let (get, set) = text.split_once(':').ok_or_else(wrong)?;
    let (get, set) = (get.parse().map_err(|_| wrong())?, set.parse().map_err(|_| wrong())?);
    if get == 0 && set == 0 { Err("both shares are 0".to_owned()) } else { Ok(Mix::get_set(get, set)) }
}

fn lifetimes(text: &str) -> Result<(u64, u64), String> {
    let (shortest, longest) = text.split_once('-').unwrap_or((text, text));
    let number =
        |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a time in milliseconds"));
    let (shortest, longest) = (number(shortest)?, number(longest)?);
    if (1..=longest).contains(&shortest) {
        Ok((shortest, longest))
    } else {
        Err("a lifetime is at least 1 ms, and the shortest not above the longest".to_owned())
    }
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
            network: self.network,
            cpus: self.cpus.clone().unwrap_or_else(|| CpuList::from_iter([])),
            keys: self.keys,
            key_prefix: self.key_prefix.clone(),
            distribution: match self.distribution {
                KeyOrder::Uniform => Distribution::Uniform,
                KeyOrder::Zipf => Distribution::Zipf(self.zipf_exponent),
                KeyOrder::Hot => Distribution::Hot(self.hot_share),
                KeyOrder::Sequential => Distribution::Sequential,
            },
            values: Values::of(self.value_size.clone()),
            mix: self.mix.clone().unwrap_or_else(|| self.ratio.clone()),
            members: self.members,
            expire: self.expire,
            churn: self.requests_per_connection,
            auto_batch: self.auto_batch,
            burst: self.burst,
            poll: Duration::from_micros(self.poll_us),
            seed: self.seed,
            pace: self.rate.map_or(Pace::Closed, Pace::Open),
            warmup: self.warmup,
            extent: self.requests.map_or(Extent::Time(self.duration), Extent::Requests),
            preload: self.preload,
            verify: self.verify,
            server_pid: self.server_pid,
            hlog: self.hlog.clone(),
            ..LoadOptions::new(endpoint)
        })
    }

    fn sweep_options(&self) -> SweepOptions {
        SweepOptions {
            first: self.rate,
            growth: self.sweep_growth,
            points: self.sweep_points,
            refinements: self.sweep_refinements,
            p99_factor: self.sweep_p99_factor,
            p99_limit_us: self.sweep_p99_limit,
        }
    }

    /// Runs the load and prints its report. Exit code 1: the run failed; 2: it ran, and some replies were errors or
    /// not what they must be.
    pub fn execute(&self) -> ExitCode {
        match self.measure() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(2),
            Err(error) => {
                eprintln!("boxcar-load: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Returns whether every reply was as it must be.
    fn measure(&self) -> Result<bool, LoadError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        if self.sweep {
            let report = self.sweep(&stop)?;
            self.publish(&report)?;
            return Ok(report.clean());
        }
        let options = self.options()?;
        let mut bar = Bar::new(!self.quiet, &options, String::new());
        let outcome = run(&options, &stop, &mut |progress| bar.show(progress));
        bar.clear();
        let report = outcome?;
        self.publish(&report)?;
        Ok(report.clean())
    }

    fn sweep(&self, stop: &AtomicBool) -> Result<SweepReport, LoadError> {
        // The first rate's options; the sweep sets the others.
        let options = LoadOptions { pace: Pace::Open(self.rate.unwrap_or(1.0)), ..self.options()? };
        let silent = self.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if !silent {
            println!("{}", SweepPoint::head());
        }
        let mut bar: Option<(f64, Bar)> = None;
        let outcome = sweep(
            &options,
            &self.sweep_options(),
            stop,
            &mut |point| {
                if !silent {
                    println!("{point}");
                }
            },
            &mut |rate, progress| {
                if bar.as_ref().is_none_or(|(shown, _)| *shown != rate) {
                    if let Some((_, bar)) = &bar {
                        bar.clear();
                    }
                    let label = if rate > 0.0 { format!("{rate:.0}/s ") } else { "looking ".to_owned() };
                    bar = Some((rate, Bar::new(!self.quiet, &options, label)));
                }
                if let Some((_, bar)) = &mut bar {
                    bar.show(progress);
                }
            },
        );
        if let Some((_, bar)) = &bar {
            bar.clear();
        }
        outcome
    }

    /// Prints a report, and writes it where it is wanted.
    fn publish(&self, report: &(impl Display + Serialize)) -> Result<(), LoadError> {
        let Some(path) = &self.json else {
            print!("{report}");
            return Ok(());
        };
        let mut text = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
        text.push('\n');
        if path.as_os_str() == "-" {
            print!("{text}");
            return Ok(());
        }
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::write(path, text).map_err(named)?;
        print!("{report}");
        Ok(())
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
        assert_eq!(options.mix, Mix::get_set(9, 1));
        assert_eq!((options.pace, options.extent), (Pace::Open(50_000.0), Extent::Requests(7)));
    }

    #[test]
    fn a_mix_and_its_surroundings_become_options() {
        let options = options(&[
            "--mix",
            "hset/4:1,mget:3",
            "--members",
            "100",
            "--expire",
            "5-9",
            "-v",
            "64:99,1mb:1",
            "--requests-per-connection",
            "7",
            "--rate",
            "10",
            "--auto-batch",
            "--distribution",
            "hot",
            "--network",
            "io_uring",
        ]);
        assert_eq!(options.network, Network::IoUring);
        assert_eq!(options.mix.to_string(), "hset/4:1,mget/10:3");
        assert_eq!((options.members, options.expire, options.churn), (100, Some((5, 9)), Some(7)));
        assert!(options.auto_batch && options.values.max() == 1 << 20);
        assert_eq!(options.distribution, Distribution::Hot(0.5));
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
            &["--mix", "get"][..1],
            &["--mix", "nonsense:1"],
            &["--mix", "get:1", "--ratio", "1:1"],
            &["--expire", "0"],
            &["--expire", "9-3"],
            &["--sweep-growth", "2"],
            &["--sweep", "-n", "1"],
            &["--network", "select"],
            &["--requests-per-connection", "0"],
        ] {
            assert!(Line::try_parse_from(["boxcar-load"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
