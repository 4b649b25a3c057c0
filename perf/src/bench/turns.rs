//! Servers measured in turns.
//!
//! A round goes through the workloads; within a workload the servers take turns, in an order that is drawn anew each time, so
//! that a drift of the machine meets all of them, nobody always follows the same other, and the double of a base is as far
//! from it as anybody else. What is compared is what was measured within one round.

use super::client::Client;
use super::servers::{Candidate, Server};
use super::workload::Workload;
use super::{BenchError, ServerError, memcached};
use crate::counters::{CPU_TIME, Counters, Counts, Missing, Tracing};
use crate::load::{self, Extent, LoadOptions, LoadReport};
use crate::profile::parts::{self, Part};
use boxcar_sys::affinity::CpuList;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server that takes part, and the CPUs that it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// The server.
    pub candidate: Candidate,
    /// Its CPUs.
    pub cpus: CpuList,
    /// It gets so many times a workload's connections: as many for each thread, whatever the number of threads.
    pub times: usize,
}

impl Contestant {
    /// A server on these CPUs that gets what a workload says.
    pub fn new(candidate: Candidate, cpus: &CpuList) -> Contestant {
        Contestant { candidate, cpus: cpus.clone(), times: 1 }
    }
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who takes part, in the order of the tables.
    pub contestants: Vec<Contestant>,
    /// What is asked of them.
    pub workloads: Vec<Workload>,
    /// Rounds; each starts the servers afresh.
    pub rounds: usize,
    /// Time before each measurement.
    pub warmup: Duration,
    /// Time of one.
    pub measure: Duration,
    /// CPUs of the generator, one thread on each.
    pub load_cpus: CpuList,
    /// Each server runs only while it is measured, because some disturb others even when nobody talks to them.
    pub alone: bool,
    /// Fields of INFO whose growth during a measurement is noted, for servers that have them.
    pub counters: &'static [&'static str],
    /// Each measurement of Boxcar is followed by a window of the same load in which the server is sampled, to say which
    /// part of a command's way its CPU time belongs to. Sampling costs, so the measured window goes without.
    pub parts: bool,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The server's name.
    pub server: String,
    /// The workload's name.
    pub workload: String,
    /// In which round, from 0.
    pub round: usize,
    /// What was found.
    pub report: LoadReport,
    /// Share of the server's CPU time that was spent in user space, as the kernel's ticks sampled it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_share: Option<f64>,
    /// Samples by part, taken in a window of their own: see [`Plan::parts`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub parts: BTreeMap<Part, u64>,
    /// How much each of [`Plan::counters`] grew.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub counters: BTreeMap<String, f64>,
    /// What kernel and processor counted for each operation, by [`crate::counters::EVENTS`]. Known by CPU time: events in a second
    /// of the server's, times what an operation took.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub events: BTreeMap<String, f64>,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// All that was measured.
    pub measurements: Vec<Measurement>,
    /// Servers that failed, and why.
    pub failed: Vec<String>,
    /// Events that this machine does not count, and why.
    pub uncounted: Vec<Missing>,
    /// Why CPU time could not be split into parts, if it could not.
    pub unsampled: Option<String>,
}

/// The rate at which a server gets a workload; `None` for a closed loop.
pub type RateOf<'f> = &'f dyn Fn(&Workload, &Candidate) -> Option<f64>;

/// Measures everything; `say` gets a line for each measurement.
///
/// # Errors
/// The user stopped it. A server that fails is left out from there on and named in the outcome.
pub fn take_turns(
    plan: &Plan,
    rate_of: RateOf<'_>,
    stop: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<Outcome, BenchError> {
    let directory = std::env::temp_dir().join(format!("boxcar-bench-{}", std::process::id()));
    let total = plan.rounds * plan.workloads.len() * plan.contestants.len();
    let outcome = Outcome::default();
    let mut run = Run { plan, rate_of, stop, say, directory, outcome, began: Instant::now(), total, done: 0 };
    let mut contestants = plan.contestants.clone();
    let ended = (0..plan.rounds).try_for_each(|round| run.round(round, &mut contestants));
    // Servers are stopped by now; a directory that cannot be removed does not make the figures worse.
    let _left = fs::remove_dir_all(&run.directory);
    ended.map(|()| run.outcome)
}

struct Run<'r> {
    plan: &'r Plan,
    rate_of: RateOf<'r>,
    stop: &'r AtomicBool,
    say: &'r mut dyn FnMut(&str),
    directory: PathBuf,
    outcome: Outcome,
    began: Instant,
    total: usize,
    done: usize,
}

/// What is loaded into a server: number of keys, sizes of their values, and what will be asked.
type Keys = (u64, String, String);

fn keys(workload: &Workload) -> Keys {
    (workload.keys, workload.value_size.clone(), workload.mix.clone())
}

/// A contestant in a round, and its process while it runs.
struct Turn {
    contestant: Contestant,
    directory: PathBuf,
    running: Option<Server>,
    /// Which keys it holds.
    loaded: Option<Keys>,
}

impl Run<'_> {
    /// One round; a contestant that fails is taken off the list.
    fn round(&mut self, round: usize, contestants: &mut Vec<Contestant>) -> Result<(), BenchError> {
        let turn = |(index, contestant): (usize, &Contestant)| Turn {
            contestant: contestant.clone(),
            directory: self.directory.join(index.to_string()),
            running: None,
            loaded: None,
        };
        let mut turns: Vec<Turn> = contestants.iter().enumerate().map(turn).collect();
        for (number, workload) in self.plan.workloads.iter().enumerate() {
            // The same orders in each run.
            turns.shuffle(&mut StdRng::seed_from_u64((round * self.plan.workloads.len() + number) as u64));
            let mut kept = Vec::new();
            for mut turn in turns {
                self.check_stop()?;
                self.done += 1;
                match self.measure(&mut turn, workload, round) {
                    Ok(()) => kept.push(turn),
                    Err(error) => {
                        // What it would have been asked is not waited for.
                        let rounds = self.plan.rounds - round;
                        self.total -= rounds * self.plan.workloads.len() - (number + 1);
                        self.leave_out(&turn.contestant.candidate, &error);
                    }
                }
            }
            turns = kept;
        }
        self.check_stop()?;
        contestants.retain(|contestant| turns.iter().any(|turn| turn.contestant == *contestant));
        Ok(())
    }

    fn measure(&mut self, turn: &mut Turn, workload: &Workload, round: usize) -> Result<(), ServerError> {
        let candidate = &turn.contestant.candidate;
        let connections = workload.connections * turn.contestant.times;
        let workload = &Workload { connections, ..workload.clone() };
        if memcached::speaks(candidate) && !memcached::plays(workload) {
            return Ok(());
        }
        let mut more = Vec::new();
        if candidate.null {
            // What a null server cannot answer, it is not asked.
            let Some(arguments) = workload.null_arguments() else { return Ok(()) };
            more = arguments;
            turn.running = None;
        }
        let server = match turn.running.take() {
            Some(server) => server,
            None => {
                turn.loaded = None;
                candidate.start(&turn.contestant.cpus, &turn.directory, &more)?
            }
        };
        if memcached::speaks(candidate) {
            return self.measure_memcached(turn, server, workload, round);
        }
        let rate = (self.rate_of)(workload, candidate);
        let spans = (self.plan.warmup, self.plan.measure);
        let load = workload.load(&server, rate, &self.plan.load_cpus, spans)?;
        let keys = keys(workload);
        if !candidate.null && turn.loaded.as_ref() != Some(&keys) {
            self.load_keys(&load)?;
            turn.loaded = Some(keys);
        }
        let counters = if candidate.null { &[][..] } else { self.plan.counters };
        let before = (ticks(server.pid()), read_counters(&server, counters)?);
        let mut counting = Counters::of_process(server.pid(), Tracing::Off).ok();
        let report = load::run(&load, self.stop, &mut |_| {})?;
        let counted = counting.as_mut().and_then(|counting| counting.read().ok());
        let after = (ticks(server.pid()), read_counters(&server, counters)?);
        if report.errors > 0 {
            let first = report.first_error.unwrap_or_default();
            return Err(ServerError::Replies { errors: report.errors, first });
        }
        let parts = if self.plan.parts && candidate.own {
            self.sample(&server, &load, &turn.directory)?
        } else {
            BTreeMap::new()
        };
        if !self.plan.alone && !candidate.null {
            turn.running = Some(server);
        }
        let user_share = before.0.zip(after.0).and_then(user_share);
        let found = Measurement {
            server: candidate.name.clone(),
            workload: workload.name.clone(),
            round,
            user_share,
            parts,
            counters: grown(&before.1, &after.1),
            events: counted.as_ref().map(|counted| per_operation(counted, &report)).unwrap_or_default(),
            report,
        };
        if let Some(counted) = counted {
            self.outcome.uncounted = counted.missing;
        }
        self.keep(workload, found);
        Ok(())
    }

    fn measure_memcached(
        &mut self,
        turn: &mut Turn,
        server: Server,
        workload: &Workload,
        round: usize,
    ) -> Result<(), ServerError> {
        let keys = keys(workload);
        if turn.loaded.as_ref() != Some(&keys) {
            memcached::load_keys(server.address, workload)?;
            turn.loaded = Some(keys);
        }
        let before = ticks(server.pid());
        let spans = (self.plan.warmup, self.plan.measure);
        let report = memcached::run(server.address, server.pid(), workload, &self.plan.load_cpus, spans)?;
        let user_share = before.zip(ticks(server.pid())).and_then(user_share);
        if !self.plan.alone {
            turn.running = Some(server);
        }
        let found = Measurement {
            server: turn.contestant.candidate.name.clone(),
            workload: workload.name.clone(),
            round,
            report,
            user_share,
            parts: BTreeMap::new(),
            counters: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        self.keep(workload, found);
        Ok(())
    }

    /// Tells of a measurement and keeps it.
    fn keep(&mut self, workload: &Workload, found: Measurement) {
        self.tell(workload, &found);
        // A measurement in which the machine gave the server no time says nothing about it.
        if found.report.completed > 0 {
            self.outcome.measurements.push(found);
        }
    }

    /// Samples a server under the load that was just measured. What cannot be sampled is told once, and not tried again.
    fn sample(
        &mut self,
        server: &Server,
        load: &LoadOptions,
        folder: &Path,
    ) -> Result<BTreeMap<Part, u64>, ServerError> {
        if self.outcome.unsampled.is_some() {
            return Ok(BTreeMap::new());
        }
        let length = self.plan.measure;
        // perf takes a while to begin; the load must not end before it.
        let extent = Extent::Time(length + Duration::from_millis(500));
        let load = LoadOptions { extent, ..load.clone() };
        let (sampled, report) = std::thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                std::thread::sleep(load.warmup);
                parts::sample(server.pid(), length, folder)
            });
            let report = load::run(&load, self.stop, &mut |_| {});
            (sampler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), report)
        });
        report?;
        Ok(match sampled {
            Ok(seen) => seen.samples,
            Err(error) => {
                let reason = format!("user space split into parts: {error}");
                (self.say)(&reason);
                self.outcome.unsampled = Some(reason);
                BTreeMap::new()
            }
        })
    }

    /// SETs every key, outside of what is measured.
    fn load_keys(&self, load: &LoadOptions) -> Result<(), ServerError> {
        let keys = LoadOptions {
            preload: true,
            warmup: Duration::ZERO,
            extent: Extent::Requests(load.connections as u64),
            pace: load::Pace::Closed,
            pipeline: 1,
            ..load.clone()
        };
        load::run(&keys, self.stop, &mut |_| {}).map(|_| ()).map_err(ServerError::from)
    }

    fn check_stop(&self) -> Result<(), BenchError> {
        if self.stop.load(Ordering::Relaxed) { Err(BenchError::Interrupted) } else { Ok(()) }
    }

    fn leave_out(&mut self, candidate: &Candidate, error: &ServerError) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let line = format!("{}: left out: {error}", candidate.name);
        (self.say)(&line);
        self.outcome.failed.push(line);
    }

    fn tell(&mut self, workload: &Workload, Measurement { server, round, report, .. }: &Measurement) {
        let cpu = report.server.map_or(0.0, |server| server.us_per_op);
        let left = self.began.elapsed().as_secs_f64() / self.done as f64 * (self.total - self.done) as f64;
        (self.say)(&format!(
            "[{}/{}, {left:.0} s left] round {} {}: {:<18} {:>9.0} ops/s, server {cpu:.4} us/op, p99 {:.0} us{}",
            self.done,
            self.total,
            round + 1,
            workload.name,
            server,
            report.ops_per_second,
            report.latency_us.p99,
            report.target_ops_per_second.map_or(String::new(), |rate| format!(" ({rate:.0}/s due)")),
        ));
    }
}

/// What a process has run in user space and in the kernel, in ticks of the clock: the 14th and 15th fields of
/// /proc/PID/stat, threads that have ended included.
pub(super) fn ticks(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold anything, but ends with the last bracket.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn user_share((before, after): ((u64, u64), (u64, u64))) -> Option<f64> {
    let (user, system) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    // A handful of ticks is no sample.
    (user + system >= 10).then(|| user as f64 / (user + system) as f64)
}

/// Events for each operation; nothing when the server ran too little to say.
fn per_operation(counted: &Counts, report: &LoadReport) -> BTreeMap<String, f64> {
    let ran = counted.values.get(CPU_TIME).map_or(0.0, |&nanoseconds| nanoseconds as f64);
    let Some(cost) = report.server.filter(|_| ran > 0.0) else { return BTreeMap::new() };
    let others = counted.values.iter().filter(|(name, _)| name.as_str() != CPU_TIME);
    others.map(|(name, &value)| (name.clone(), value as f64 / ran * cost.us_per_op * 1000.0)).collect()
}

fn read_counters(server: &Server, names: &[&'static str]) -> Result<BTreeMap<String, f64>, ServerError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut client = Client::open(server)?;
    let mut found = BTreeMap::new();
    for &name in names {
        if let Ok(value) = client.info(name)?.parse() {
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}

fn grown(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let growth = |(name, value): (&String, &f64)| Some((name.clone(), value - before.get(name)?));
    after.iter().filter_map(growth).collect()
}

/// A command as one would type it.
pub(super) fn shell_words(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        if word.is_empty() || word.contains([' ', '\'', '"', '|']) {
            format!("'{word}'")
        } else {
            word.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ticks_are_read_and_grow() {
        let start = Instant::now();
        let before = ticks(std::process::id()).unwrap();
        while ticks(std::process::id()).unwrap() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "no tick in a minute of work");
        }
        assert_eq!(ticks(0), None);
    }

    #[test]
    fn shares_need_a_sample() {
        assert_eq!(user_share(((10, 10), (12, 13))), None);
        assert_eq!(user_share(((10, 10), (30, 70))), Some(0.25));
    }

    #[test]
    fn counters_grow_where_they_are() {
        let map =
            |pairs: &[(&str, f64)]| pairs.iter().map(|&(n, v)| (n.to_owned(), v)).collect::<BTreeMap<_, _>>();
        assert_eq!(grown(&map(&[("a", 2.0)]), &map(&[("a", 5.0), ("b", 1.0)])), map(&[("a", 3.0)]));
    }

    #[test]
    fn commands_can_be_typed() {
        let words = ["a", "", "b|c"].map(str::to_owned);
        assert_eq!(shell_words(&words), "a '' 'b|c'");
    }
}
