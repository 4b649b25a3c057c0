//! The quick run: Boxcar, the null servers and the peers, at three depths, GET and SET.

use super::host::Host;
use super::results::{Results, ServerRow};
use super::servers::{Candidate, Server};
use super::statistics::{Sample, Shape, rows};
use super::{BenchError, ServerError};
use crate::load::{self, Endpoint, Extent, LoadOptions, LoadReport, Mix, Values};
use boxcar_sys::affinity::CpuList;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
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
    fn load(&self, shape: Shape, server: &Server, preload: bool) -> LoadOptions {
        LoadOptions {
            connections: self.connections,
            pipeline: shape.depth,
            cpus: CpuList::from_iter([self.load_cpu]),
            keys: self.keys,
            values: Values::new(self.value_size, self.value_size),
            mix: if shape.set { Mix::get_set(0, 1) } else { Mix::get_set(1, 0) },
            warmup: self.warmup,
            extent: Extent::Time(self.measure),
            preload,
            server_pid: Some(server.pid()),
            ..LoadOptions::new(Endpoint::Tcp(server.address))
        }
    }

    /// The same load as a command line.
    fn load_command(&self) -> String {
        format!(
            "boxcar-load --port PORT --cpus {} --connections {} --pipeline DEPTH --keys {} --value-size {} \
             --ratio 1:0|0:1 --warmup {} --duration {} --server-pid PID [--preload once a round]",
            self.load_cpu,
            self.connections,
            self.keys,
            self.value_size,
            self.warmup.as_secs_f64(),
            self.measure.as_secs_f64(),
        )
    }

    fn null_arguments(&self, shape: Shape) -> Vec<String> {
        let kind = if shape.set { load::Kind::Set } else { load::Kind::Get };
        let request = load::request_len(kind, self.value_size);
        let reply = if shape.set { "ok".to_owned() } else { format!("get{}", self.value_size) };
        vec!["--request-bytes".to_owned(), request.to_string(), "--reply".to_owned(), reply]
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
    let directory = std::env::temp_dir().join(format!("boxcar-bench-{}", std::process::id()));
    let mut run = Run { options, stop, say, directory, samples: Vec::new(), failed: options.missing.clone() };
    let mut candidates = options.candidates.clone();
    let outcome = (0..options.rounds).try_for_each(|round| run.round(round, &shapes, &mut candidates));
    // Servers are stopped by now; a directory that cannot be removed does not make the figures worse.
    let _left = std::fs::remove_dir_all(&run.directory);
    outcome?;
    let Run { samples, failed, .. } = run;
    if samples.is_empty() {
        return Err(BenchError::NoServers);
    }
    let names: Vec<String> = options.candidates.iter().map(|candidate| candidate.name.clone()).collect();
    let nulls: Vec<String> =
        options.candidates.iter().filter(|candidate| candidate.null).map(|null| null.name.clone()).collect();
    let servers = options.candidates.iter().map(|candidate| ServerRow {
        name: candidate.name.clone(),
        version: candidate.version.clone(),
        command: shell_words(&candidate.named_command(options.server_cpu, "PORT", &null_note(candidate))),
    });
    Ok(Results {
        host,
        servers: servers.collect(),
        missing: failed,
        load: options.load_command(),
        rounds: options.rounds,
        reference: REFERENCE.to_owned(),
        rows: rows(&samples, &names, &shapes, &nulls, REFERENCE),
        samples,
    })
}

fn null_note(candidate: &Candidate) -> Vec<String> {
    let words: &[&str] = if candidate.null { &["--request-bytes", "N", "--reply", "ok|getN"] } else { &[] };
    words.iter().map(|&word| word.to_owned()).collect()
}

fn shell_words(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        if word.is_empty() || word.contains([' ', '\'', '"', '|']) {
            format!("'{word}'")
        } else {
            word.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

struct Run<'r> {
    options: &'r QuickOptions,
    stop: &'r AtomicBool,
    say: &'r mut dyn FnMut(&str),
    directory: PathBuf,
    samples: Vec<Sample>,
    failed: Vec<String>,
}

impl Run<'_> {
    /// One round; a candidate that fails is taken off the list.
    fn round(
        &mut self,
        round: usize,
        shapes: &[Shape],
        candidates: &mut Vec<Candidate>,
    ) -> Result<(), BenchError> {
        let mut turns: Vec<Turn> = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            self.check_stop()?;
            let started = if candidate.null {
                Ok(None)
            } else {
                candidate
                    .start(self.options.server_cpu, &self.directory.join(index.to_string()), &[])
                    .map(Some)
            };
            match started {
                Ok(server) => turns.push(Turn { candidate: candidate.clone(), server, loaded: false }),
                Err(error) => self.leave_out(candidate, &error),
            }
        }
        // Another one is first in each round.
        let first = round % turns.len().max(1);
        turns.rotate_left(first);
        for &shape in shapes {
            let mut kept = Vec::new();
            for mut turn in turns {
                self.check_stop()?;
                match self.measure(&mut turn, shape) {
                    // A measurement in which the machine gave the server no time says nothing about it.
                    Ok(report) if report.completed == 0 => {
                        (self.say)(&format!("{shape}: {}: no reply in the window", turn.candidate.name));
                        kept.push(turn);
                    }
                    Ok(report) => {
                        self.tell(round, shape, &turn.candidate, &report);
                        let server = turn.candidate.name.clone();
                        self.samples.push(Sample { server, shape, round, report });
                        kept.push(turn);
                    }
                    Err(error) => self.leave_out(&turn.candidate, &error),
                }
            }
            turns = kept;
        }
        self.check_stop()?;
        candidates.retain(|candidate| turns.iter().any(|turn| turn.candidate == *candidate));
        Ok(())
    }

    fn measure(&mut self, turn: &mut Turn, shape: Shape) -> Result<LoadReport, ServerError> {
        let started;
        let (server, preload) = match &turn.server {
            Some(server) => (server, !std::mem::replace(&mut turn.loaded, true)),
            None => {
                let arguments = self.options.null_arguments(shape);
                let directory = self.directory.join("null");
                started = turn.candidate.start(self.options.server_cpu, &directory, &arguments)?;
                (&started, false)
            }
        };
        let report = load::run(&self.options.load(shape, server, preload), self.stop, &mut |_| {})?;
        match &report.first_error {
            Some(first) => Err(ServerError::Replies { errors: report.errors, first: first.clone() }),
            None => Ok(report),
        }
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
        self.failed.push(line);
    }

    fn tell(&mut self, round: usize, shape: Shape, candidate: &Candidate, report: &LoadReport) {
        let cpu = report.server.map_or(0.0, |server| server.us_per_op);
        (self.say)(&format!(
            "round {} {shape}: {:<16} {:>10.0} ops/s, server {cpu:.4} us/op, generator {:.4} us/op",
            round + 1,
            candidate.name,
            report.ops_per_second,
            report.generator.us_per_op
        ));
    }
}

/// A candidate in a round, and its process if it lasts for the whole round.
struct Turn {
    candidate: Candidate,
    server: Option<Server>,
    loaded: bool,
}
