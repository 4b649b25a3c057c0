//! The matrix: each switch against each scenario.

use super::BenchError;
use super::ab::named_binary;
use super::command_line::{Found, boxcar};
use super::compare::{BASE, CONTROL};
use super::figures::{cpu, range};
use super::noise::FEWEST_ROUNDS;
use super::record::{Record, RunKind};
use super::session::{SessionArguments, exit_code, own_command, stop_flag};
use super::toggles::{ABSENT, PAIRS, TOGGLES, Toggle};
use super::turns::{Contestant, Plan, take_turns};
use super::workload::Workload;
use boxcar_sys::affinity::available_cpus;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Measures what each switch of the server does to each scenario, and says which differences are larger than the noise.
///
/// The default runs one I/O thread with inline dispatch on one CPU; each switch differs from it in one thing, and a few
/// pairs in two. Each measurement has its server to itself. All switches and scenarios take about 18 minutes after the builds;
/// --toggles and --only pick some of them.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("duration", |argument| argument.default_value("0.4")))]
#[command(mut_arg("warmup", |argument| argument.default_value("0.1")))]
pub struct MatrixArguments {
    #[command(flatten)]
    session: SessionArguments,
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// A build with other features; `mimalloc` and `system` are looked for. May be repeated.
    #[arg(long, value_name = "NAME=PATH", value_parser = named_binary)]
    build: Vec<(String, PathBuf)>,
    /// Directory of the scenarios.
    #[arg(long, default_value = "perf/scenarios")]
    scenarios: PathBuf,
    /// Only scenarios whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only switches whose name, or whose factor, contains one of these, as in network,busy.
    #[arg(long, value_delimiter = ',')]
    toggles: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = FEWEST_ROUNDS, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Name of the results: they go to DATE-NAME.
    #[arg(long, default_value = "matrix")]
    name: String,
}

impl MatrixArguments {
    /// Runs it, prints the tables, writes the results.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.measure())
    }

    fn measure(&self) -> Result<(), BenchError> {
        let began = Instant::now();
        let stop = stop_flag()?;
        let mut record = Record::begin(RunKind::Matrix, &self.name, own_command(), self.session.server_cpu);
        let (base, control) = ("default", "default again");
        record.roles.insert(BASE.to_owned(), base.to_owned());
        record.roles.insert(CONTROL.to_owned(), control.to_owned());
        record.missing.extend(ABSENT.iter().map(|&absent| absent.to_owned()));
        let cpus = self.session.server_cpus();
        let mut contestants = Vec::new();
        for name in [base, control] {
            let candidate = boxcar(&self.server, name, &[]).map_err(BenchError::Arguments)?;
            contestants.push(Contestant::new(candidate, &cpus));
        }
        for toggle in self.wanted()? {
            match self.candidate(toggle) {
                Ok(candidate) => {
                    let cpus = if toggle.unconfined { available_cpus()? } else { cpus.clone() };
                    contestants.push(Contestant::new(candidate, &cpus));
                }
                Err(reason) => record.missing.push(reason),
            }
        }
        let workloads =
            pick(Workload::read_all(&self.scenarios).map_err(BenchError::Arguments)?, &self.only)?;
        let mut plan = Plan {
            contestants,
            workloads,
            rounds: usize::from(self.rounds),
            warmup: self.session.warmup,
            measure: self.session.duration,
            load_cpus: self.session.load_cpus(),
            alone: true,
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

    fn wanted(&self) -> Result<Vec<&'static Toggle>, BenchError> {
        let named = |toggle: &&Toggle| {
            let holds =
                |part: &String| toggle.name.contains(part.as_str()) || toggle.factor.contains(part.as_str());
            self.toggles.is_empty() || self.toggles.iter().any(holds)
        };
        let wanted: Vec<&Toggle> = TOGGLES.iter().chain(PAIRS).filter(named).collect();
        if wanted.is_empty() {
            return Err(BenchError::Arguments(format!("no switch is called {}", self.toggles.join(" or "))));
        }
        Ok(wanted)
    }

    fn candidate(&self, toggle: &Toggle) -> Found {
        let flags: Vec<String> = toggle.flags.split_whitespace().map(str::to_owned).collect();
        let binary = match toggle.build {
            None => &self.server,
            Some(build) => match self.build.iter().find(|(name, _)| name == build) {
                Some((_, path)) => path,
                None => return Err(format!("{}: no build {build} (--build {build}=PATH)", toggle.name)),
            },
        };
        let mut candidate = boxcar(binary, toggle.name, &flags)?;
        let environment = toggle.environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        candidate.environment = environment.collect();
        Ok(candidate)
    }
}

/// The scenarios whose name contains one of `only`; all of them if there is none.
pub(super) fn pick(workloads: Vec<Workload>, only: &[String]) -> Result<Vec<Workload>, BenchError> {
    let named = |workload: &Workload| {
        only.is_empty() || only.iter().any(|part| workload.name.contains(part.as_str()))
    };
    let picked: Vec<Workload> = workloads.into_iter().filter(named).collect();
    if picked.is_empty() {
        return Err(BenchError::Arguments(format!("no scenario is called {}", only.join(" or "))));
    }
    Ok(picked)
}

/// Turns shares into rates: shares of what one core of the first contestant can do, which is measured first.
pub(super) fn capacity_rates(
    plan: &mut Plan,
    record: &mut Record,
    stop: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<(), BenchError> {
    let shared = |workload: &&Workload| workload.share.is_some();
    let closed =
        plan.workloads.iter().filter(shared).map(|workload| Workload { share: None, ..workload.clone() });
    let first = Plan {
        contestants: plan.contestants[..1].to_vec(),
        workloads: closed.collect(),
        rounds: 1,
        ..plan.clone()
    };
    let found = take_turns(&first, &|_, _| None, stop, say)?;
    for workload in &mut plan.workloads {
        let Some(share) = workload.share else { continue };
        let measured = found.measurements.iter().filter(|found| found.workload == workload.name);
        let cost = range(measured, cpu).filter(|cost| cost.median > 0.0);
        let Some(cost) = cost else {
            let failed = found.failed.join("; ");
            return Err(BenchError::Arguments(format!(
                "{}: no capacity was measured: {failed}",
                workload.name
            )));
        };
        let capacity = 1e6 / cost.median;
        record.figures.insert(format!("capacity under {}", workload.name), capacity);
        workload.share = None;
        workload.rate = Some((share * capacity).round());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        matrix: MatrixArguments,
    }

    #[test]
    fn switches_are_picked_by_factor_and_name() {
        let line = |toggles| Line::parse_from(["matrix", "--toggles", toggles]).matrix;
        let names: Vec<&str> =
            line("allocator,rings").wanted().unwrap().iter().map(|toggle| toggle.name).collect();
        assert!(
            names.contains(&"mimalloc") && names.contains(&"rings") && names.contains(&"epoll and rings")
        );
        assert!(!names.contains(&"epoll"));
        assert!(line("nothing-like-it").wanted().is_err());
    }

    #[test]
    fn a_build_that_is_not_there_is_named() {
        let matrix = Line::parse_from(["matrix", "--server", "/nowhere"]).matrix;
        let mimalloc = TOGGLES.iter().find(|toggle| toggle.name == "mimalloc").unwrap();
        assert!(matrix.candidate(mimalloc).unwrap_err().contains("--build mimalloc=PATH"));
    }
}
