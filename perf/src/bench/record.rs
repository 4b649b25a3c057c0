//! A run on disk: everything that was measured, with the machine it was measured on. Written once, never edited; pages
//! are made from it, and can be made again.

use super::BenchError;
use super::host::Host;
use super::results::ServerRow;
use super::turns::{Measurement, Outcome, Plan};
use super::workload::Workload;
use crate::counters::Missing;
use crate::report::Page;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What kind of run it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Boxcar beside the null server and its peers.
    Peers,
    /// Two commits.
    Ab,
    /// Switches against scenarios.
    Matrix,
    /// One thread, two, and more.
    Scaling,
}

/// A run. The measurements stand last: files are written in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its kind.
    pub kind: RunKind,
    /// Its name, which is part of the directory's.
    pub name: String,
    /// The machine.
    pub host: Host,
    /// The commit of the working tree, with "-dirty" behind it if there were changes.
    pub commit: String,
    /// The command that repeats it.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
    /// Rounds.
    pub rounds: usize,
    /// Seconds before each measurement.
    pub warmup: f64,
    /// Seconds of each.
    pub measure: f64,
    /// CPUs of the generator.
    pub load_cpus: String,
    /// Who took part.
    pub servers: Vec<ServerRow>,
    /// Who was wanted and did not, and why.
    pub missing: Vec<String>,
    /// What is special about some of the servers: `base`, `control`, and others that a kind of run defines.
    pub roles: BTreeMap<String, String>,
    /// Figures that the run was planned by, such as capacities.
    pub figures: BTreeMap<String, f64>,
    /// What was asked of them.
    pub workloads: Vec<Workload>,
    /// Events that the machine does not count, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub uncounted: Vec<Missing>,
    /// All that was measured.
    pub measurements: Vec<Measurement>,
}

impl Record {
    /// A run that begins now, without measurements.
    pub(super) fn begin(kind: RunKind, name: &str, command: String, cpu: usize) -> Record {
        Record {
            kind,
            name: name.to_owned(),
            host: Host::read(cpu),
            commit: commit(),
            command,
            seconds: 0.0,
            rounds: 0,
            warmup: 0.0,
            measure: 0.0,
            load_cpus: String::new(),
            servers: Vec::new(),
            missing: Vec::new(),
            roles: BTreeMap::new(),
            figures: BTreeMap::new(),
            workloads: Vec::new(),
            uncounted: Vec::new(),
            measurements: Vec::new(),
        }
    }

    /// Adds what came of a plan.
    pub(super) fn take(&mut self, outcome: Outcome) {
        self.measurements.extend(outcome.measurements);
        self.missing.extend(outcome.failed);
        self.uncounted = outcome.uncounted;
        self.missing.extend(outcome.unsampled.filter(|reason| !self.missing.contains(reason)));
    }

    /// Notes how a plan measures, and who takes part.
    pub(super) fn note(&mut self, plan: &Plan) {
        self.rounds = self.rounds.max(plan.rounds);
        self.warmup = plan.warmup.as_secs_f64();
        self.measure = plan.measure.as_secs_f64();
        self.load_cpus = plan.load_cpus.to_string();
        for contestant in &plan.contestants {
            let row = ServerRow::of(&contestant.candidate, &contestant.cpus);
            if !self.servers.contains(&row) {
                self.servers.push(row);
            }
        }
        for workload in &plan.workloads {
            if self.workloads.iter().all(|known| known.name != workload.name) {
                self.workloads.push(workload.clone());
            }
        }
    }

    /// Notes how long it took since `began`.
    pub(super) fn end(&mut self, began: Instant) {
        self.seconds = began.elapsed().as_secs_f64();
    }

    /// Measurements of this server and workload, in the order of the rounds.
    pub fn of<'r>(
        &'r self,
        server: &'r str,
        workload: &'r str,
    ) -> impl Iterator<Item = &'r Measurement> + Clone {
        self.measurements.iter().filter(move |found| found.server == server && found.workload == workload)
    }

    /// Pairs of a figure from the rounds that have it of both servers.
    pub fn pairs(
        &self,
        workload: &str,
        (base, other): (&str, &str),
        figure: &dyn Fn(&Measurement) -> Option<f64>,
    ) -> Vec<(f64, f64)> {
        let pair = |first: &Measurement| {
            let second = self.of(other, workload).find(|second| second.round == first.round)?;
            Some((figure(first)?, figure(second)?))
        };
        self.of(base, workload).filter_map(pair).collect()
    }

    /// Reads a run.
    ///
    /// # Errors
    /// There is none, or it is of another kind of file.
    pub fn read(directory: &Path) -> Result<Record, BenchError> {
        let path = directory.join("results.json");
        let named = |source| BenchError::File { path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(named)?;
        serde_json::from_str(&text).map_err(|error| named(std::io::Error::from(error)))
    }

    /// Writes the run and its page into a new directory `DIRECTORY/DATE-NAME`, and returns that.
    ///
    /// # Errors
    /// A file or directory cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, BenchError> {
        let named = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        fs::create_dir_all(directory).map_err(named(directory))?;
        let directory = new_directory(directory, &format!("{}-{}", self.host.date, self.name))?;
        let path = directory.join("results.json");
        fs::write(&path, self.json()?).map_err(named(&path))?;
        write_page(&self.page(), &directory)?;
        Ok(directory)
    }

    /// As JSON, one measurement a line.
    fn json(&self) -> std::io::Result<String> {
        let head = Record { measurements: Vec::new(), ..self.clone() };
        let head = serde_json::to_string_pretty(&head)?;
        let lines: Result<Vec<String>, _> = self.measurements.iter().map(serde_json::to_string).collect();
        let end = "[]\n}";
        let head = head.strip_suffix(end).expect("the measurements stand last");
        Ok(format!("{head}[\n{}\n]}}\n", lines?.join(",\n")))
    }
}

/// Writes `index.html` and `results.md`.
pub(super) fn write_page(page: &Page, directory: &Path) -> Result<(), BenchError> {
    for (file, text) in [("index.html", page.html()), ("results.md", page.text())] {
        let path = directory.join(file);
        fs::write(&path, text).map_err(|source| BenchError::File { path, source })?;
    }
    Ok(())
}

/// A directory of this name, or with a number behind it: what is there is never written again.
fn new_directory(parent: &Path, name: &str) -> Result<PathBuf, BenchError> {
    let names = std::iter::once(name.to_owned()).chain((2..1000).map(|number| format!("{name}-{number}")));
    for name in names {
        let path = parent.join(name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(BenchError::File { path, source }),
        }
    }
    let source = std::io::ErrorKind::AlreadyExists.into();
    Err(BenchError::File { path: parent.join(name), source })
}

/// The commit of the working tree; "unknown" outside of one.
fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let text = output.ok().filter(|output| output.status.success());
    text.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::statistics::{Shape, tests::sample};
    use super::*;
    use crate::bench::workload::Workload;

    /// A run of three rounds of servers with these costs per operation.
    pub fn record(kind: RunKind, costs: &[(&str, f64)], workloads: &[Workload]) -> Record {
        let mut record = Record::begin(kind, "trial", "cargo xtask bench".to_owned(), 0);
        record.rounds = 3;
        record.load_cpus = "1".to_owned();
        record.workloads = workloads.to_vec();
        for (name, _) in costs {
            let row =
                ServerRow { name: (*name).to_owned(), version: "1".to_owned(), command: "x".to_owned() };
            record.servers.push(row);
        }
        for (workload, round) in
            workloads.iter().flat_map(|workload| (0..3).map(move |round| (workload, round)))
        {
            for &(name, cost) in costs {
                let shape = Shape { depth: workload.depth, set: workload.mix == "set:1" };
                let mut report = sample(name, shape, round, cost).report;
                report.target_ops_per_second = workload.rate;
                record.measurements.push(Measurement {
                    server: name.to_owned(),
                    workload: workload.name.clone(),
                    round,
                    report,
                    user_share: Some(0.25),
                    parts: BTreeMap::new(),
                    counters: BTreeMap::new(),
                    events: BTreeMap::new(),
                });
            }
        }
        record
    }

    #[test]
    fn a_run_is_written_once_and_read_back() {
        let parent = std::env::temp_dir().join(format!("boxcar-record-test-{}", std::process::id()));
        let record = record(RunKind::Peers, &[("boxcar", 1.0)], &[Workload::plain(1, false)]);
        let first = record.write(&parent).unwrap();
        let second = record.write(&parent).unwrap();
        let back = Record::read(&first).unwrap();
        let files: Vec<bool> =
            ["index.html", "results.md"].iter().map(|name| first.join(name).is_file()).collect();
        fs::remove_dir_all(&parent).unwrap();
        assert!(first != second && second.to_string_lossy().ends_with("-trial-2"), "{second:?}");
        assert_eq!(back, record);
        assert_eq!(files, [true, true]);
    }

    #[test]
    fn pairs_are_of_one_round() {
        let mut record = record(RunKind::Ab, &[("a", 1.0), ("b", 2.0)], &[Workload::plain(1, false)]);
        record.measurements.retain(|found| !(found.server == "b" && found.round == 1));
        let cost = |found: &Measurement| found.report.server.map(|server| server.us_per_op);
        assert_eq!(record.pairs("depth 1 GET", ("a", "b"), &cost), [(1.0, 2.0), (1.0, 2.0)]);
    }
}
