//! Two builds of Boxcar against each other.

use super::BenchError;
use super::command_line::boxcar;
use super::compare::{BASE, CONTROL};
use super::matrix::{capacity_rates, pick};
use super::noise::FEWEST_ROUNDS;
use super::record::{Record, RunKind};
use super::servers::Candidate;
use super::session::{SessionArguments, exit_code, own_command, stop_flag};
use super::turns::{Contestant, Plan, take_turns};
use super::workload::Workload;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Measures two Boxcar binaries in turns, and says which differences are larger than the noise.
///
/// `cargo xtask bench ab BASE HEAD` builds two commits and calls this.
#[derive(Debug, Clone, Args)]
pub struct AbArguments {
    #[command(flatten)]
    session: SessionArguments,
    /// The base's name and binary.
    #[arg(long, value_name = "NAME=PATH", value_parser = named_binary)]
    base: (String, PathBuf),
    /// The head's name and binary.
    #[arg(long, value_name = "NAME=PATH", value_parser = named_binary)]
    head: (String, PathBuf),
    /// Directory of the scenarios.
    #[arg(long, default_value = "perf/scenarios")]
    scenarios: PathBuf,
    /// Only scenarios whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(i64::from(FEWEST_ROUNDS)..))]
    rounds: u16,
    /// Flags for both servers, as in '--network epoll'.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    flags: String,
    /// Name of the results: they go to DATE-NAME.
    #[arg(long, default_value = "ab")]
    name: String,
}

pub(super) fn named_binary(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH")?;
    Ok((name.to_owned(), path.into()))
}

impl AbArguments {
    /// Runs it, prints the tables, writes the results.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let began = Instant::now();
        let stop = stop_flag()?;
        // xtask's own command: the commits come first there.
        let command =
            own_command().replacen("bench ab", &format!("bench ab {} {}", self.base.0, self.head.0), 1);
        let mut record = Record::begin(RunKind::Ab, &self.name, command, self.session.server_cpu);
        let cpus = self.session.server_cpus();
        let flags: Vec<String> = self.flags.split_whitespace().map(str::to_owned).collect();
        let control = format!("{} again", self.base.0);
        let build = |name: &str, path: &PathBuf| -> Result<Contestant, BenchError> {
            let candidate: Candidate = boxcar(path, name, &flags).map_err(BenchError::Arguments)?;
            Ok(Contestant::new(candidate, &cpus))
        };
        let contestants = vec![
            build(&self.base.0, &self.base.1)?,
            build(&self.head.0, &self.head.1)?,
            build(&control, &self.base.1)?,
        ];
        record.roles.insert(BASE.to_owned(), self.base.0.clone());
        record.roles.insert(CONTROL.to_owned(), control);
        let workloads =
            pick(Workload::read_all(&self.scenarios).map_err(BenchError::Arguments)?, &self.only)?;
        let mut plan = Plan {
            contestants,
            workloads,
            rounds: usize::from(self.rounds),
            warmup: self.session.warmup,
            measure: self.session.duration,
            load_cpus: self.session.load_cpus(),
            alone: false,
            counters: &[],
            parts: false,
        };
        let mut say = |line: &str| eprintln!("{line}");
        capacity_rates(&mut plan, &mut record, &stop, &mut say)?;
        record.note(&plan);
        let outcome = take_turns(&plan, &|workload, _| workload.rate, &stop, &mut say)?;
        record.take(outcome);
        record.end(began);
        self.session.publish(&record)
    }
}
