//! The peers' run: Boxcar beside the null server and everybody else, in one run on one machine.
//!
//! First what an operation costs in a closed loop, at three depths; then latency at fixed rates, the same for all; then
//! each server from a tenth of its own capacity to all of it.

use super::command_line::{Found, boxcar, install_kevy_or_find, peer};
use super::figures::{cpu, range};
use super::record::{Record, RunKind};
use super::servers::{Candidate, Program, in_path};
use super::session::{SessionArguments, exit_code, own_command, stop_flag};
use super::turns::{Contestant, Plan, take_turns};
use super::workload::Workload;
use super::{BenchError, memcached, promises};
use crate::load::Kind;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Shares of one core's capacity at which all servers get the same rate.
const SHARES: [f64; 3] = [0.3, 0.5, 0.7];

/// Shares of each server's own capacity.
const SWEEP: [f64; 8] = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Depths at which latency is measured.
const PACED_DEPTHS: [usize; 2] = [1, 16];

/// Measures Boxcar, the null server and all peers: CPU time per operation, latency at fixed rates, latency against throughput.
///
/// Peers: redis-server, valkey-server and memcached of $BOXCAR_PEERS (a directory with a program `run` that runs them) and
/// those in PATH; $BOXCAR_ORACLE may name one more redis-server; kevy from $BOXCAR_KEVY, PATH, or installed by cargo.
#[derive(Debug, Clone, Args)]
pub struct PeersArguments {
    #[command(flatten)]
    session: SessionArguments,
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// Measure only the servers whose name contains one of these, as in boxcar,null.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Measure only these parts.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [PeersPart::Cpu, PeersPart::Latency, PeersPart::Sweep])]
    parts: Vec<PeersPart>,
    /// Rounds; the sweep has one.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Rounds at the rates that are promised (perf/SPECIFICATION.md): a 99th percentile needs more of them to say anything.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    tail_rounds: u16,
    /// Pipeline depths of the closed loop.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    depths: Vec<usize>,
    /// Name of the results: they go to DATE-NAME.
    #[arg(long, default_value = "peers")]
    name: String,
    /// Where kevy is installed if it is not found; "none" installs nothing.
    #[arg(long, default_value = "target/peers/kevy")]
    install: PathBuf,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeersPart {
    /// CPU time per operation in a closed loop.
    Cpu,
    /// Latency at the same rates for all.
    Latency,
    /// Latency against throughput, up to each server's own capacity.
    Sweep,
}

/// What one core can do: operations a second by server and depth.
type Capacities = BTreeMap<(String, usize), f64>;

impl PeersArguments {
    /// Runs it, prints the tables, writes the results.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let began = Instant::now();
        let stop = stop_flag()?;
        let mut record = Record::begin(RunKind::Peers, &self.name, own_command(), self.session.server_cpu);
        let mut candidates = Vec::new();
        for found in self.wanted()? {
            match found {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => {
                    eprintln!("{reason}");
                    record.missing.push(reason);
                }
            }
        }
        if candidates.is_empty() {
            return Err(BenchError::NoServers);
        }
        self.run(&candidates, &mut record, &stop)?;
        record.end(began);
        self.session.publish(&record)
    }

    fn run(
        &self,
        candidates: &[Candidate],
        record: &mut Record,
        stop: &AtomicBool,
    ) -> Result<(), BenchError> {
        let wants = |part: PeersPart| self.parts.contains(&part);
        let rounds = if wants(PeersPart::Cpu) { usize::from(self.rounds) } else { 1 };
        let mut depths = if wants(PeersPart::Cpu) { self.depths.clone() } else { Vec::new() };
        if wants(PeersPart::Latency) || wants(PeersPart::Sweep) {
            // Rates are shares of what this finds.
            let needed: Vec<usize> =
                PACED_DEPTHS.into_iter().filter(|depth| !depths.contains(depth)).collect();
            depths.extend(needed);
        }
        let closed: Vec<Workload> =
            depths.iter().flat_map(|&depth| [true, false].map(|set| Workload::plain(depth, set))).collect();
        let closed: Vec<Workload> =
            closed.into_iter().filter(|workload| wants(PeersPart::Cpu) || reads(workload)).collect();
        self.part(candidates, record, stop, (rounds, closed), &BTreeMap::new())?;
        if wants(PeersPart::Cpu) && candidates.iter().any(memcached::speaks) {
            eprintln!("memcached takes part in the closed loop only: see the report");
        }
        let capacities = capacities(record);
        for ((server, depth), capacity) in &capacities {
            record.figures.insert(format!("capacity of {server} at depth {depth}"), *capacity);
        }
        if wants(PeersPart::Latency) {
            let (promised, others): (Vec<Workload>, Vec<Workload>) =
                fixed_rates(&capacities).into_iter().partition(|workload| promises::rates(&workload.name));
            self.part(candidates, record, stop, (usize::from(self.rounds), others), &capacities)?;
            self.part(candidates, record, stop, (usize::from(self.tail_rounds), promised), &capacities)?;
            // The page names the rounds of each rate.
            record.rounds = usize::from(self.rounds);
        }
        if wants(PeersPart::Sweep) {
            let workloads =
                PACED_DEPTHS.iter().flat_map(|&depth| SWEEP.map(|share| sweep(depth, share))).collect();
            self.part(candidates, record, stop, (1, workloads), &capacities)?;
        }
        Ok(())
    }

    fn part(
        &self,
        candidates: &[Candidate],
        record: &mut Record,
        stop: &AtomicBool,
        (rounds, workloads): (usize, Vec<Workload>),
        capacities: &Capacities,
    ) -> Result<(), BenchError> {
        // Parts are shown where CPU time is.
        let parts =
            self.parts.contains(&PeersPart::Cpu) && workloads.iter().all(|workload| !workload.paced());
        let cpus = self.session.server_cpus();
        let contestant = |candidate: &Candidate| Contestant::new(candidate.clone(), &cpus);
        let plan = Plan {
            contestants: candidates.iter().map(contestant).collect(),
            workloads,
            rounds,
            warmup: self.session.warmup,
            measure: self.session.duration,
            load_cpus: self.session.load_cpus(),
            alone: false,
            counters: &[],
            parts,
        };
        record.note(&plan);
        let rate_of = |workload: &Workload, candidate: &Candidate| {
            let own = capacities.get(&(candidate.name.clone(), workload.depth));
            workload.rate.or_else(|| Some(workload.share? * own?))
        };
        let outcome = take_turns(&plan, &rate_of, stop, &mut |line| eprintln!("{line}"))?;
        record.take(outcome);
        Ok(())
    }

    fn wanted(&self) -> Result<Vec<Found>, BenchError> {
        let mut found = vec![
            boxcar(&self.server, "boxcar", &[]),
            Candidate::null("io_uring").map_err(|error| format!("null: {error}")),
        ];
        found.extend(newest_and_distribution("valkey", None));
        let oracle = std::env::var_os("BOXCAR_ORACLE").map(PathBuf::from);
        found.extend(newest_and_distribution("redis", oracle));
        found.push(memcached::find());
        if self.is_wanted("kevy") {
            found.push(install_kevy_or_find(&self.install).map(|kevy| with_version("kevy", kevy)));
        }
        found.retain(|found| match found {
            Ok(candidate) => self.is_wanted(&candidate.name),
            Err(reason) => self.is_wanted(reason.split(':').next().unwrap_or(reason)),
        });
        if found.is_empty() {
            return Err(BenchError::NoServers);
        }
        Ok(found)
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

/// The newest one (of $BOXCAR_PEERS), and the one that this machine has itself, if that is another version.
fn newest_and_distribution(name: &str, another: Option<PathBuf>) -> Vec<Found> {
    let newest = peer(name).map(|candidate| with_version(name, candidate)).map_err(|reason| {
        format!("{reason}; `perf/peers.sh DIRECTORY` fetches it from Debian, then set BOXCAR_PEERS=DIRECTORY")
    });
    let own = in_path(&format!("{name}-server")).or_else(|| another.filter(|path| path.is_file()));
    let own = own.map(|path| {
        let like = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"];
        with_version(name, Candidate::store(name, Program::new(&path, &[]), &like))
    });
    let mut found = vec![newest];
    match own {
        Some(own) if found[0].as_ref().is_ok_and(|newest| newest.name == own.name) => {}
        Some(own) => found.push(Ok(own)),
        None => found.push(Err(format!("{name} of this distribution: no {name}-server in PATH"))),
    }
    found
}

/// Puts the version into the name, as in "valkey 9.1.2".
fn with_version(name: &str, candidate: Candidate) -> Candidate {
    Candidate { name: format!("{name} {}", version_number(&candidate.version)), ..candidate }
}

/// The first word of a version line that begins with a digit, or has one behind `v=`.
fn version_number(line: &str) -> &str {
    let words = line.split_ascii_whitespace().map(|word| word.strip_prefix("v=").unwrap_or(word));
    words
        .into_iter()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("(unknown version)")
}

fn reads(workload: &Workload) -> bool {
    workload.simple().is_some_and(|(kind, _)| kind == Kind::Get)
}

/// What one core of CPU time is worth, from the cost of a GET: the generator may be slower than the server.
fn capacities(record: &Record) -> Capacities {
    let mut capacities = Capacities::new();
    for workload in record.workloads.iter().filter(|workload| !workload.paced() && reads(workload)) {
        for server in &record.servers {
            if let Some(cost) =
                range(record.of(&server.name, &workload.name), cpu).filter(|cost| cost.median > 0.0)
            {
                capacities.insert((server.name.clone(), workload.depth), 1e6 / cost.median);
            }
        }
    }
    capacities
}

/// Rates that all servers get: shares of Boxcar's capacity, and the highest share of valkey's, at which others have a chance.
fn fixed_rates(capacities: &Capacities) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for depth in PACED_DEPTHS {
        let of = |begin: &str| {
            capacities
                .iter()
                .find(|((name, at), _)| name.starts_with(begin) && *at == depth)
                .map(|(_, rate)| *rate)
        };
        let own = SHARES.map(|share| (share, "boxcar", of("boxcar")));
        let others = [(SHARES[2], "valkey", of("valkey"))];
        for (share, whose, capacity) in own.into_iter().chain(others) {
            let Some(capacity) = capacity else { continue };
            workloads.push(Workload {
                name: format!("depth {depth} GET at {:.0} % of {whose}'s core", share * 100.0),
                rate: Some((share * capacity).round()),
                burst: depth,
                ..Workload::plain(depth, false)
            });
        }
    }
    workloads
}

fn sweep(depth: usize, share: f64) -> Workload {
    Workload {
        name: format!("depth {depth} GET, {:.0} % of its own core", share * 100.0),
        share: Some(share),
        burst: depth,
        ..Workload::plain(depth, false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn versions_are_found_in_what_servers_say() {
        for (line, expected) in [
            ("Redis server v=8.0.6 sha=00000000:0 malloc=jemalloc-5.3.1 bits=64", "8.0.6"),
            ("kevy 7.0.0", "7.0.0"),
            ("memcached 1.6.45", "1.6.45"),
            ("unknown", "(unknown version)"),
        ] {
            assert_eq!(version_number(line), expected);
        }
    }

    #[test]
    fn rates_are_shares_of_what_was_measured() {
        let workloads = [Workload::plain(1, false), Workload::plain(16, false), Workload::plain(16, true)];
        let record = record(RunKind::Peers, &[("boxcar", 0.5), ("valkey 9.1.2", 1.0)], &workloads);
        let capacities = capacities(&record);
        assert_eq!(capacities.len(), 4);
        let rates = fixed_rates(&capacities);
        assert_eq!(rates.len(), 8);
        let rate =
            |name: &str| rates.iter().find(|workload| workload.name == name).and_then(|found| found.rate);
        assert_eq!(rate("depth 16 GET at 70 % of boxcar's core"), Some(1_400_000.0));
        assert_eq!(rate("depth 16 GET at 70 % of valkey's core"), Some(700_000.0));
    }
}
