//! The scaling run: what an operation costs one thread, two, and as many as there are.

use super::BenchError;
use super::command_line::boxcar;
use super::record::{Record, RunKind};
use super::session::{SessionArguments, exit_code, own_command, stop_flag};
use super::turns::{Contestant, Plan, take_turns};
use super::workload::Workload;
use boxcar_sys::affinity::{CpuList, available_cpus};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Fields of INFO that count how often threads meet.
pub(super) const CONTENDED: &str = "shard_locks_spun";
pub(super) const PARKED: &str = "shard_locks_parked";

/// Share of its CPU time at which latency is measured.
pub(super) const SHARE: f64 = 0.7;

/// Measures what an operation costs 1, 2, ... I/O threads, and fits the model of perf/SPECIFICATION.md to it.
///
/// A server of N threads has the first N CPUs and N times the connections, so that each thread finds as much to do in a turn; the generator has those that no server uses, or all of them where none is left, and then
/// throughput says nothing, CPU time per operation still does. With CPUs to spare, latency at 70 % of the capacity is measured too.
#[derive(Debug, Clone, Args)]
pub struct ScalingArguments {
    #[command(flatten)]
    session: SessionArguments,
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// Numbers of I/O threads; 1 must be among them.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Pipeline depths.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 16, 64])]
    depths: Vec<usize>,
    /// Connections for each thread.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Rounds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Name of the results: they go to DATE-NAME.
    #[arg(long, default_value = "scaling")]
    name: String,
}

/// The name of a server of so many threads.
pub(super) fn server_name(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// The key among a record's figures that holds a server's number of threads.
pub(super) fn threads_figure(server: &str) -> String {
    format!("threads of {server}")
}

impl ScalingArguments {
    /// Runs it, prints the tables, writes the results.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let began = Instant::now();
        let stop = stop_flag()?;
        let available = available_cpus()?;
        let most = self.threads.iter().copied().max().unwrap_or(0);
        if !self.threads.contains(&1) || self.threads.contains(&0) || most > available.len() {
            return Err(BenchError::Arguments(format!(
                "threads: 1 must be among them, and at most the {} CPUs that are here",
                available.len()
            )));
        }
        let spare = available.cpus()[most..].iter().copied().collect::<CpuList>();
        let load_cpus = if spare.is_empty() { available.clone() } else { spare.clone() };
        let mut record = Record::begin(RunKind::Scaling, &self.name, own_command(), 0);
        let mut contestants = Vec::new();
        for &threads in &self.threads {
            let name = server_name(threads);
            let flags = ["--io-threads".to_owned(), threads.to_string()];
            let candidate = boxcar(&self.server, &name, &flags).map_err(BenchError::Arguments)?;
            let cpus = available.cpus()[..threads].iter().copied().collect();
            contestants.push(Contestant { candidate, cpus, times: threads });
            record.figures.insert(threads_figure(&name), threads as f64);
        }
        record.figures.insert("CPUs of the generator alone".to_owned(), spare.len() as f64);
        let mut plan = Plan {
            contestants,
            workloads: self.depths.iter().map(|&depth| self.workload(depth)).collect(),
            rounds: usize::from(self.rounds),
            warmup: self.session.warmup,
            measure: self.session.duration,
            load_cpus,
            alone: true,
            counters: &[CONTENDED, PARKED],
            parts: false,
        };
        let mut say = |line: &str| eprintln!("{line}");
        record.note(&plan);
        let outcome = take_turns(&plan, &|_, _| None, &stop, &mut say)?;
        record.take(outcome);
        if !spare.is_empty() {
            let paced = |workload: &Workload| Workload {
                name: format!("{} at {:.0} %", workload.name, SHARE * 100.0),
                share: Some(SHARE),
                burst: workload.depth,
                ..workload.clone()
            };
            plan.workloads = plan.workloads.iter().map(paced).collect();
            record.note(&plan);
            let closed = record.clone();
            let rate_of = |workload: &Workload, candidate: &super::Candidate| {
                let threads = closed.figures.get(&threads_figure(&candidate.name))?;
                let name = self.workload(workload.depth).name;
                let cost = super::figures::range(closed.of(&candidate.name, &name), super::figures::cpu)?;
                (cost.median > 0.0).then(|| SHARE * threads * 1e6 / cost.median)
            };
            let outcome = take_turns(&plan, &rate_of, &stop, &mut say)?;
            record.take(outcome);
        }
        record.end(began);
        self.session.publish(&record)
    }

    fn workload(&self, depth: usize) -> Workload {
        Workload {
            name: format!("depth {depth} GET/SET"),
            depth,
            connections: self.connections,
            mix: "get:1,set:1".to_owned(),
            ..Workload::default()
        }
    }
}
