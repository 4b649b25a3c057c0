//! The quick run: Boxcar, the null servers and the peers, at three depths, GET and SET.

use super::BenchError;
use super::host::Host;
use super::results::{Results, ServerRow};
use super::servers::Candidate;
use super::statistics::{Sample, Shape, rows};
use super::turns::{Contestant, Measurement, Plan, shell_words, take_turns};
use super::workload::Workload;
use boxcar_sys::affinity::CpuList;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The peer that ratios are given to.
pub const REFERENCE: &str = "kevy";

/// A quick run.
#[derive(Debug, Clone)]
pub struct QuickOptions {
    /// Who takes part, in the order of the table.
    pub candidates: Vec<Candidate>,
    /// Who was wanted and is not there, and why.
    pub missing: Vec<String>,
    /// Rounds; each starts the servers afresh.
    pub rounds: usize,
    /// Pipeline depths.
    pub depths: Vec<usize>,
    /// Time of one measurement.
    pub measure: Duration,
    /// Time before each.
    pub warmup: Duration,
    /// Connections.
    pub connections: usize,
    /// Keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_size: usize,
    /// CPU of the servers.
    pub server_cpu: usize,
    /// CPU of the generator.
    pub load_cpu: usize,
}

impl QuickOptions {
    fn workload(&self, shape: Shape) -> Workload {
        Workload {
            name: shape.to_string(),
            connections: self.connections,
            keys: self.keys,
            value_size: self.value_size.to_string(),
            ..Workload::plain(shape.depth, shape.set)
        }
    }

    fn plan(&self, shapes: &[Shape]) -> Plan {
        let cpus = CpuList::from_iter([self.server_cpu]);
        let contestant = |candidate: &Candidate| Contestant::new(candidate.clone(), &cpus);
        Plan {
            contestants: self.candidates.iter().map(contestant).collect(),
            workloads: shapes.iter().map(|&shape| self.workload(shape)).collect(),
            rounds: self.rounds,
            warmup: self.warmup,
            measure: self.measure,
            load_cpus: CpuList::from_iter([self.load_cpu]),
            alone: false,
            counters: &[],
            parts: false,
        }
    }

    /// The load as a command line.
    fn load_command(&self) -> String {
        let any = self.workload(Shape { depth: 1, set: false });
        let command = any.command(&CpuList::from_iter([self.load_cpu]), self.warmup, self.measure);
        command.replace("--pipeline 1 ", "--pipeline DEPTH ").replace("--mix get:1", "--mix get|set")
            + " [--preload once a round]"
    }
}

/// Runs everything; `say` gets a line for each measurement.
///
/// # Errors
/// The user stopped it, or nothing could be measured. A server that fails is left out and named in the results.
pub fn quick(
    options: &QuickOptions,
    stop: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<Results, BenchError> {
    let host = Host::read(options.server_cpu);
    if host.busy() {
        say(&format!("load average {}: somebody else is using this machine", host.load_average));
    }
    let shapes: Vec<Shape> =
        options.depths.iter().flat_map(|&depth| [true, false].map(|set| Shape { depth, set })).collect();
    let outcome = take_turns(&options.plan(&shapes), &|_, _| None, stop, say)?;
    if outcome.measurements.is_empty() {
        return Err(BenchError::NoServers);
    }
    let sample = |found: Measurement| {
        let shape = shapes.iter().copied().find(|shape| shape.to_string() == found.workload)?;
        Some(Sample { server: found.server, shape, round: found.round, report: found.report })
    };
    let samples: Vec<Sample> = outcome.measurements.into_iter().filter_map(sample).collect();
    let names: Vec<String> = options.candidates.iter().map(|candidate| candidate.name.clone()).collect();
    let nulls: Vec<String> =
        options.candidates.iter().filter(|candidate| candidate.null).map(|null| null.name.clone()).collect();
    let cpus = CpuList::from_iter([options.server_cpu]);
    let servers = options.candidates.iter().map(|candidate| ServerRow::of(candidate, &cpus));
    Ok(Results {
        host,
        servers: servers.collect(),
        missing: options.missing.iter().cloned().chain(outcome.failed).collect(),
        load: options.load_command(),
        rounds: options.rounds,
        reference: REFERENCE.to_owned(),
        rows: rows(&samples, &names, &shapes, &nulls, REFERENCE),
        samples,
    })
}

impl ServerRow {
    /// A server as it takes part.
    pub(super) fn of(candidate: &Candidate, cpus: &CpuList) -> ServerRow {
        let words: &[&str] =
            if candidate.null { &["--request-bytes", "N", "--reply", "ok|getN"] } else { &[] };
        let more: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        ServerRow {
            name: candidate.name.clone(),
            version: candidate.version.clone(),
            command: shell_words(&candidate.named_command(cpus, "PORT", &more)),
        }
    }
}
