//! Whether our figures are those that others find: the same load from `boxcar-load` and from redis-benchmark, and the server's CPU
//! time by three clocks.
//!
//! In a round, and at each depth, the same number of GETs of the same keys comes from `boxcar-load`, from redis-benchmark, and from
//! `boxcar-load` once more, whose difference from itself is the noise. Each time the server's CPU time is taken over the
//! whole run by the clock that all our runs use (clock_gettime of the process), by the kernel's accounts (/proc/PID/stat), and
//! by perf stat (task-clock); and the server's own counters say how much of the work came in each turn of its loop.

use super::client::Client;
use super::host::Host;
use super::noise::{Comparison, FEWEST_ROUNDS};
use super::redis_benchmark::RedisBenchmark;
use super::servers::{Candidate, Server};
use super::statistics::Range;
use super::tables::{TableArguments, Workplace, exit, head};
use super::turns::ticks;
use super::workload::Workload;
use super::{BenchError, ServerError};
use crate::cost::ProcessClock;
use crate::load::{self, Extent, LoadOptions};
use boxcar_sys::affinity::CpuList;
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Fields of INFO that say how the work came; servers that have none are not asked.
const COUNTERS: [&str; 3] = ["network_turns", "network_receives", "network_sends"];

/// Requests of the run that finds how many fill the wanted time.
const TRIAL: u64 = 20_000;

/// In which time the server's threads show their counters to others.
const PUBLISHED: Duration = Duration::from_millis(250);

/// How often perf stat prints what it has counted since it printed last, in milliseconds.
const PERF_INTERVAL: &str = "100";

/// A clock that differs from ours by no more than this, in the middle, says the same: the kernel's accounts count hundredths of a second.
const SAME: f64 = 0.01;

/// Compares boxcar-load with redis-benchmark, and our CPU clock with /proc/PID/stat and with perf stat, on the same load.
///
/// redis-benchmark and redis-server are found as for `stock`. Takes about three minutes.
#[derive(Debug, Clone, Args)]
pub struct AgreementArguments {
    #[command(flatten)]
    table: TableArguments,
    /// Peers that are asked the same; "none" for Boxcar alone.
    #[arg(long, value_delimiter = ',', default_value = "redis")]
    peers: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = FEWEST_ROUNDS, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Pipeline depths.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    depths: Vec<usize>,
    /// Seconds that redis-benchmark should take at Boxcar's speed.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Name of the results: they go to DATE-NAME.md.
    #[arg(long, default_value = "agreement")]
    name: String,
}

/// Who sends the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    Ours,
    Theirs,
    OursAgain,
}

use Sender::{Ours, OursAgain, Theirs};

/// In the order of the tables.
const SENDERS: [Sender; 3] = [Ours, Theirs, OursAgain];

impl Sender {
    fn name(self) -> &'static str {
        match self {
            Ours => "boxcar-load",
            Theirs => "redis-benchmark",
            OursAgain => "boxcar-load again",
        }
    }
}

/// One run of a generator. CPU time is in microseconds per request.
#[derive(Debug, Clone, Default)]
struct Found {
    ops_per_second: f64,
    clock: f64,
    accounts: f64,
    perf: Option<f64>,
    /// Context switches for each request, by perf stat too.
    switches: Option<f64>,
    /// What `boxcar-load` itself reports.
    reported: Option<f64>,
    /// What grew of [`COUNTERS`], for each request.
    counters: BTreeMap<&'static str, f64>,
}

/// By server, depth and sender, in the order of the rounds.
type Figures = BTreeMap<(usize, usize, Sender), Vec<Found>>;

impl AgreementArguments {
    /// Runs it, prints the tables, writes them.
    pub fn execute(&self) -> ExitCode {
        exit(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let host = Host::read(self.table.server_cpu);
        let peers: Vec<&str> = self.peers.iter().map(String::as_str).filter(|peer| *peer != "none").collect();
        let candidates = self.table.candidates(&peers)?;
        let program = RedisBenchmark::find(self.table.load_cpu)?;
        let work = Workplace::new("agreement");
        let mut figures = Figures::new();
        let mut counts = BTreeMap::new();
        let mut without_perf = None;
        for round in 0..usize::from(self.rounds) {
            for (who, candidate) in candidates.iter().enumerate() {
                let failed =
                    |error: ServerError| BenchError::Arguments(format!("{}: {error}", candidate.name));
                let cpus = CpuList::from_iter([self.table.server_cpu]);
                let server =
                    candidate.start(&cpus, &work.path().join(who.to_string()), &[]).map_err(failed)?;
                self.load(&server, 1, Extent::Requests(50), true).map_err(failed)?;
                for &depth in &self.depths {
                    let count = match counts.get(&(who, depth)) {
                        Some(&count) => count,
                        None => *counts.entry((who, depth)).or_insert(self.count(&program, &server, depth)?),
                    };
                    let mut senders = SENDERS;
                    // Nobody always follows the same other; the orders are the same in each run.
                    senders.shuffle(&mut StdRng::seed_from_u64((round * 1000 + depth) as u64));
                    for sender in senders {
                        let found = self
                            .take(sender, &program, &server, (depth, count), &mut without_perf)
                            .map_err(failed)?;
                        eprintln!(
                            "round {} {} depth {depth} {}: {:.0} ops/s, {:.4} us/op by our clock, {:.4} by /proc/PID/stat",
                            round + 1,
                            candidate.name,
                            sender.name(),
                            found.ops_per_second,
                            found.clock,
                            found.accounts,
                        );
                        figures.entry((who, depth, sender)).or_default().push(found);
                    }
                }
            }
        }
        let page = self.page(&host, &candidates, &program, &figures, without_perf.as_deref());
        self.table.publish(&host, &self.name, &page)
    }

    /// How many requests redis-benchmark sends in the wanted time.
    fn count(&self, program: &RedisBenchmark, server: &Server, depth: usize) -> Result<u64, BenchError> {
        let rows = program.run(server, TRIAL, depth as u64, &words())?;
        let rate = rows.first().map(|row| row.1).filter(|rate| rate.is_finite()).unwrap_or(100_000.0);
        // Whole pipelines of all connections, so that both generators send the same.
        let whole = (50 * depth) as u64;
        Ok(((rate * self.seconds) as u64).max(TRIAL).next_multiple_of(whole))
    }

    fn options(&self, server: &Server, depth: usize) -> Result<LoadOptions, ServerError> {
        let cpus = CpuList::from_iter([self.table.load_cpu]);
        let spans = (Duration::ZERO, Duration::ZERO);
        Ok(Workload::plain(depth, false).load(server, None, &cpus, spans)?)
    }

    fn load(
        &self,
        server: &Server,
        depth: usize,
        extent: Extent,
        preload: bool,
    ) -> Result<load::LoadReport, ServerError> {
        let options = LoadOptions { extent, preload, ..self.options(server, depth)? };
        let report = load::run(&options, &AtomicBool::new(false), &mut |_| {})?;
        if report.errors > 0 || (!preload && report.misses > 0) {
            let first =
                report.first_error.unwrap_or_else(|| format!("{} keys were not there", report.misses));
            return Err(ServerError::Replies { errors: report.errors.max(report.misses), first });
        }
        Ok(report)
    }

    fn take(
        &self,
        sender: Sender,
        program: &RedisBenchmark,
        server: &Server,
        (depth, count): (usize, u64),
        without_perf: &mut Option<String>,
    ) -> Result<Found, ServerError> {
        let counters = counters(server)?;
        let perf = match without_perf {
            None => {
                PerfStat::start(server.pid()).map_err(|error| *without_perf = Some(one_line(&error))).ok()
            }
            Some(_) => None,
        };
        let clock = ProcessClock::of(server.pid()).map_err(io::Error::from)?;
        let before = (clock.read().map_err(io::Error::from)?, ticks(server.pid()));
        let (ops_per_second, reported) = match sender {
            Theirs => {
                let rows = program.run(server, count, depth as u64, &words()).map_err(io::Error::other)?;
                (rows.first().map_or(0.0, |row| row.1), None)
            }
            Ours | OursAgain => {
                let report = self.load(server, depth, Extent::Requests(count), false)?;
                (report.ops_per_second, report.server.map(|server| server.us_per_op))
            }
        };
        let after = (clock.read().map_err(io::Error::from)?, ticks(server.pid()));
        let (perf, switches) = match perf.map(PerfStat::end) {
            Some(Ok((nanoseconds, switches))) => {
                (Some(nanoseconds / 1e3 / count as f64), switches.map(|switches| switches / count as f64))
            }
            Some(Err(error)) => {
                *without_perf = Some(one_line(&error));
                (None, None)
            }
            None => (None, None),
        };
        let gone = || io::Error::other("the server has no /proc/PID/stat");
        let (before_ticks, after_ticks) = before.1.zip(after.1).ok_or_else(gone)?;
        let spent_ticks = (after_ticks.0 + after_ticks.1) - (before_ticks.0 + before_ticks.1);
        std::thread::sleep(PUBLISHED);
        let per_request = |seconds: f64| seconds * 1e6 / count as f64;
        let grown = self::counters(server)?
            .into_iter()
            .filter_map(|(name, value)| Some((name, (value - counters.get(name)?) / count as f64)));
        Ok(Found {
            ops_per_second,
            clock: per_request((after.0 - before.0).as_secs_f64()),
            accounts: per_request(spent_ticks as f64 / ticks_per_second()),
            perf,
            switches,
            reported,
            counters: grown.collect(),
        })
    }

    fn page(
        &self,
        host: &Host,
        candidates: &[Candidate],
        program: &RedisBenchmark,
        figures: &Figures,
        without_perf: Option<&str>,
    ) -> String {
        let mut page = head("Do others find the same figures?", host, candidates);
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            page,
            "`cargo xtask bench agreement`. The same number of GETs of the same 100,000 keys with values of 64 bytes, on 50 connections, from boxcar-load and from \
             {}; server on CPU {}, generator on CPU {}; {} rounds in which they take turns. CPU time is the server process's, user space and kernel, in \
             microseconds per request, over the whole run from before the first connection; medians (least to most).\n\n",
            program.version, self.table.server_cpu, self.table.load_cpu, self.rounds,
        );
        if let Some(reason) = without_perf {
            let _ = write!(page, "Without perf stat: {reason}.\n\n");
        }
        self.clocks(&mut page, candidates, figures);
        self.generators(&mut page, candidates, figures);
        page
    }

    /// The same run by several clocks.
    fn clocks(&self, page: &mut String, candidates: &[Candidate], figures: &Figures) {
        page.push_str(
            "## The same run by three clocks\n\nOurs is clock_gettime(2) of the process; the kernel's accounts are utime and stime of /proc/PID/stat, which count \
             hundredths of a second; perf stat counts task-clock of the process from outside. Ratios are to ours, within a run; *yes*: the median is at most 1 % off, or 1 lies within \
             the spread. perf stat has been seen to count less than both others where a server sleeps and wakes often; where it lacks more than 1 %, the last column relates what it \
             lacks to the context switches, which does not prove that it is they.\n\n\
             | server | depth | load | our clock | boxcar-load's own report | /proc/PID/stat | ratio | same | perf stat | ratio | same | context switches for each request | µs lacking for each |\n\
             | :--- | ---: | :--- | ---: | ---: | ---: | ---: | :--- | ---: | ---: | :--- | ---: | ---: |\n",
        );
        for (who, depth, sender, found) in self.rows(figures) {
            let of = |figure: &dyn Fn(&Found) -> Option<f64>| Range::of(found.iter().filter_map(figure));
            let accounts = of(&|found| Some(found.accounts / found.clock));
            let perf = of(&|found| Some(found.perf? / found.clock));
            let verdict = |ratio: Option<Range>| match ratio {
                None => "–",
                Some(ratio) if same(ratio) => "yes",
                Some(_) => "**no**",
            };
            let lacking =
                of(&|found| Some((found.clock - found.perf?) / found.switches.filter(|each| *each > 0.0)?));
            let lacking = lacking.filter(|_| perf.is_some_and(|ratio| ratio.median < 1.0 - SAME));
            let _ = writeln!(
                page,
                "| {} | {depth} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                candidates[who].name,
                sender.name(),
                text(of(&|found| Some(found.clock)), 4),
                text(of(&|found| found.reported), 4),
                text(of(&|found| Some(found.accounts)), 4),
                text(accounts, 3),
                verdict(accounts),
                text(of(&|found| found.perf), 4),
                text(perf, 3),
                verdict(perf),
                text(of(&|found| found.switches), 4),
                text(lacking, 1),
            );
        }
    }

    /// The same load from two generators.
    fn generators(&self, page: &mut String, candidates: &[Candidate], figures: &Figures) {
        page.push_str(
            "\n## The same load from two generators\n\nCPU time by our clock. The difference is redis-benchmark's from boxcar-load's within a round; beside it that of boxcar-load from itself. *Within \
             the noise* and *less*, *more* are the verdicts of the same test as in `ab` and `matrix`. What a request costs depends on how many arrive together: a slower generator keeps the server less busy, which then goes around its loop for fewer requests and sleeps more \
             often. How many there were is counted by the server itself, where it does.\n\n\
             | server | depth | load | ops/s | CPU/op | difference | verdict | requests for each turn of the loop | for each receive | for each send |\n\
             | :--- | ---: | :--- | ---: | ---: | ---: | :--- | ---: | ---: | ---: |\n",
        );
        for (who, depth, sender, found) in self.rows(figures) {
            let of = |figure: &dyn Fn(&Found) -> Option<f64>| Range::of(found.iter().filter_map(figure));
            let pairs = |other: Sender| -> Vec<(f64, f64)> {
                let costs = |sender| figures.get(&(who, depth, sender)).map_or(&[][..], Vec::as_slice);
                costs(Ours).iter().zip(costs(other)).map(|(base, other)| (base.clock, other.clock)).collect()
            };
            let control = if sender == Theirs { pairs(OursAgain) } else { Vec::new() };
            let compared = (sender != Ours).then(|| Comparison::of(&pairs(sender), &control)).flatten();
            let difference = compared.map_or("–".to_owned(), |found| found.text());
            let verdict = compared.map_or("–".to_owned(), |found| found.verdict("less", "more"));
            let _ = write!(
                page,
                "| {} | {depth} | {} | {:.0} | {} | {difference} | {verdict} |",
                candidates[who].name,
                sender.name(),
                of(&|found| Some(found.ops_per_second)).map_or(0.0, |range| range.median),
                text(of(&|found| Some(found.clock)), 4),
            );
            for name in COUNTERS {
                let each = of(&|found| {
                    found.counters.get(name).filter(|share| **share > 0.0).map(|share| 1.0 / share)
                });
                let _ = write!(page, " {} |", text(each, 1));
            }
            page.push('\n');
        }
    }

    fn rows<'f>(&self, figures: &'f Figures) -> impl Iterator<Item = (usize, usize, Sender, &'f [Found])> {
        figures.iter().map(|((who, depth, sender), found)| (*who, *depth, *sender, found.as_slice()))
    }
}

/// What makes redis-benchmark ask for the keys that are there.
fn words() -> Vec<String> {
    let keys = Workload::default().keys.to_string();
    ["-t", "get", "-c", "50", "-r", &keys].map(str::to_owned).to_vec()
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}

fn same(ratio: Range) -> bool {
    (ratio.median - 1.0).abs() <= SAME || (ratio.min <= 1.0 && ratio.max >= 1.0)
}

fn text(range: Option<Range>, digits: usize) -> String {
    range.map_or_else(|| "–".to_owned(), |range| range.text(digits))
}

fn ticks_per_second() -> f64 {
    // Linux has no other; an error would be the C library's.
    sysconf(SysconfVar::CLK_TCK).ok().flatten().map_or(100.0, |ticks| ticks as f64)
}

/// [`COUNTERS`] as they are now; only Boxcar has them.
fn counters(server: &Server) -> Result<BTreeMap<&'static str, f64>, ServerError> {
    let mut client = Client::open(server)?;
    let mut found = BTreeMap::new();
    for name in COUNTERS {
        if let Ok(value) = client.info_of("everything", name)?.parse() {
            found.insert(name, value);
        }
    }
    Ok(found)
}

/// perf stat of a process, from its first line to its end.
struct PerfStat {
    child: Child,
    lines: BufReader<ChildStderr>,
    /// What it has printed up to its first count.
    first: String,
}

impl PerfStat {
    fn start(pid: u32) -> Result<PerfStat, String> {
        let mut command = Command::new("perf");
        command.args([
            "stat",
            "-e",
            "task-clock,context-switches",
            "-x",
            ",",
            "-I",
            PERF_INTERVAL,
            "-p",
            &pid.to_string(),
        ]);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start perf (Debian's package linux-perf): {error}"))?;
        let lines = BufReader::new(child.stderr.take().expect("its errors go through a pipe"));
        let mut perf = PerfStat { child, lines, first: String::new() };
        // It counts from before its first line; the server has nothing to do until then.
        while !perf.first.contains("task-clock") {
            match perf.lines.read_line(&mut perf.first) {
                Ok(0) | Err(_) => return Err(perf.said()),
                Ok(_) => {}
            }
        }
        Ok(perf)
    }

    /// Nanoseconds of CPU time, and context switches.
    fn end(mut self) -> Result<(f64, Option<f64>), String> {
        // It prints the rest of what it has counted when it is interrupted. It is not reaped yet, so its id is its own.
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).map_err(|error| error.to_string())?;
        let text = self.said();
        let clock = sum(&text, "task-clock").ok_or(text.as_str())?;
        Ok((clock, sum(&text, "context-switches")))
    }

    /// All that it prints until it ends.
    fn said(&mut self) -> String {
        let mut rest = Vec::new();
        // What cannot be read is not shown.
        let _ = self.lines.read_to_end(&mut rest);
        std::mem::take(&mut self.first) + &String::from_utf8_lossy(&rest)
    }
}

impl Drop for PerfStat {
    fn drop(&mut self) {
        // What it had to say was read; errors mean that it has ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The sum of an event's counts in lines such as `0.1001,12.34,msec,task-clock,...`, times in nanoseconds; none if there is no such line.
fn sum(text: &str, event: &str) -> Option<f64> {
    let count = |line: &str| {
        let mut fields = line.split(',').skip(1);
        let (value, unit, name) = (fields.next()?, fields.next()?, fields.next()?);
        let value: f64 = value.trim().parse().ok().filter(|_| name.starts_with(event))?;
        match unit {
            "msec" => Some(value * 1e6),
            "" | "ns" => Some(value),
            _ => None,
        }
    };
    text.lines().filter_map(count).reduce(|sum, count| sum + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_stat_prints_is_read() {
        let lines = "     0.100,0.25,msec,task-clock,250000,100.00,0.002,CPUs utilized\n     0.2,10.5,msec,task-clock,1,100.00,,\n";
        assert_eq!((sum(lines, "task-clock"), sum(lines, "context-switches")), (Some(10.75e6), None));
        assert_eq!(sum("# started\n\n  0.1,12345,,task-clock:u,1,100.00,,\n", "task-clock"), Some(12345.0));
        assert_eq!(sum("  0.1,<not counted>,msec,task-clock,0,100.00,,\n", "task-clock"), None);
    }

    #[test]
    fn clocks_agree_within_a_hundredth_or_their_spread() {
        let range = |median, min, max| Range { median, min, max };
        assert!(same(range(1.008, 1.005, 1.01)) && same(range(0.98, 0.95, 1.01)));
        assert!(!same(range(0.98, 0.97, 0.99)));
    }

    #[test]
    fn both_generators_name_the_same_keys() {
        assert_eq!(load::DEFAULT_PREFIX, "key:");
        assert!(words().join(" ").ends_with("-r 100000"));
    }
}
