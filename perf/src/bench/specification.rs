//! The tables of perf/SPECIFICATION.md, from the latest runs.

use super::BenchError;
use super::promises::{Interval, PROMISES};
use super::record::{Record, RunKind};
use super::scaling_page::{cost_table, model_table};
use super::session::exit_code;
use crate::report::Table;
use clap::Args;
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes the tables of perf/SPECIFICATION.md again, from the latest runs in perf/results.
#[derive(Debug, Clone, Args)]
pub struct SpecificationArguments {
    /// The file.
    #[arg(long, default_value = "perf/SPECIFICATION.md")]
    file: PathBuf,
    /// Where the runs are.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
}

/// A run and the name of its directory.
struct Run {
    name: String,
    record: Record,
}

impl SpecificationArguments {
    /// Writes the file if something has changed.
    pub fn execute(&self) -> ExitCode {
        exit_code(self.write())
    }

    fn write(&self) -> Result<(), BenchError> {
        let named = |source| BenchError::File { path: self.file.clone(), source };
        let old = fs::read_to_string(&self.file).map_err(named)?;
        let new = filled(&old, &runs(&self.results)?)?;
        if new == old {
            println!("{} is up to date", self.file.display());
            return Ok(());
        }
        fs::write(&self.file, new).map_err(named)?;
        println!("{} has the latest figures", self.file.display());
        Ok(())
    }
}

/// All runs of a directory, the latest first. Directories that hold other kinds of results are passed over.
fn runs(directory: &Path) -> Result<Vec<Run>, BenchError> {
    let named = |source| BenchError::File { path: directory.to_owned(), source };
    let mut runs = Vec::new();
    for entry in fs::read_dir(directory).map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Ok(record) = Record::read(&entry.path()) {
            runs.push(Run { name, record });
        }
    }
    runs.sort_by_key(|run| Reverse((run.record.host.date.clone(), number(&run.name), run.name.clone())));
    Ok(runs)
}

/// The number behind a directory's name, which tells the runs of one day and name apart.
fn number(name: &str) -> u32 {
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// The text with its tables filled in. A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
fn filled(text: &str, runs: &[Run]) -> Result<String, BenchError> {
    const BEGIN: &str = "<!-- table: ";
    const END: &str = "<!-- end -->";
    let broken = |what: &str| BenchError::Arguments(format!("the specification: {what}"));
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(start);
        let head_end = from.find("-->").ok_or_else(|| broken("a mark is not closed"))? + "-->".len();
        let name = from[BEGIN.len()..head_end - "-->".len()].trim();
        let end = from.find(END).ok_or_else(|| broken(&format!("table {name} has no end")))?;
        let table = table(name, runs).ok_or_else(|| broken(&format!("there is no table {name}")))?;
        out.push_str(before);
        out.push_str(&from[..head_end]);
        out.push_str(&format!("\n{table}{END}"));
        rest = &from[end + END.len()..];
    }
    Ok(out + rest)
}

fn table(name: &str, runs: &[Run]) -> Option<String> {
    match name {
        "promises" => Some(promises(runs).text()),
        "cost" => Some(of_scaling(runs, cost_table)),
        "model" => Some(of_scaling(runs, model_table)),
        _ => None,
    }
}

/// A table of the latest scaling run, with where it comes from.
fn of_scaling(runs: &[Run], table: fn(&Record) -> Table) -> String {
    match runs.iter().find(|run| run.record.kind == RunKind::Scaling) {
        Some(run) => {
            format!("{}\nFrom [{1}](results/{1}/results.md).\n", table(&run.record).text(), run.name)
        }
        None => "Not measured yet.\n".to_owned(),
    }
}

fn promises(runs: &[Run]) -> Table {
    let mut table = Table::new(["promise", "at most", "latest", "kept", "measured by", "run"]);
    for promise in PROMISES {
        let found = runs.iter().find_map(|run| Some((promise.figure.in_run(&run.record)?, run)));
        let bound = format!("{} {}", promise.bound, promise.unit);
        let command = format!("`{}`", promise.figure.command());
        match found {
            Some((figure, run)) => {
                let kept = match figure.keeps(promise.bound) {
                    Some(true) => "yes",
                    Some(false) => "**no**",
                    None => "undecided",
                };
                let digits = if promise.unit == "cores" { 0 } else { 2 };
                let link = format!("[{0}](results/{0}/results.md)", run.name);
                let mut latest = format!("{:.digits$}", figure.value);
                match figure.interval {
                    Some(Interval::Between(low, high)) => latest += &format!(" ({low:.2} to {high:.2})"),
                    Some(Interval::TooFew) => latest += " (too few rounds)",
                    None => {}
                }
                table.row([promise.text, &bound, &latest, kept, &command, &link]);
            }
            None => table.row([promise.text, &bound, "not measured", "–", &command, "–"]),
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::super::scaling_page::tests::scaling_record;
    use super::super::workload::Workload;
    use super::*;

    #[test]
    fn tables_are_filled_from_the_latest_run_that_has_the_figure() {
        let run = |name: &str, cost: f64| {
            let costs = [("boxcar", cost), ("kevy 7.0.0", 1.0)];
            Run {
                name: name.to_owned(),
                record: record(RunKind::Peers, &costs, &[Workload::plain(16, false)]),
            }
        };
        let scaling = Run { name: "s".to_owned(), record: scaling_record() };
        let text = "a\n<!-- table: promises -->\nold\n<!-- end -->\nb <!-- table: model -->x<!-- end -->";
        let new = filled(text, &[scaling, run("new", 0.9), run("old", 0.5)]).unwrap();
        assert!(new.starts_with("a\n<!-- table: promises -->\n| promise") && !new.contains("old"), "{new}");
        let line = new.lines().find(|line| line.contains("GET, depth 16")).unwrap();
        assert!(line.contains("0.90") && line.contains("**no**") && line.contains("results/new/"), "{line}");
        assert!(new.contains("From [s]") && new.ends_with("<!-- end -->"));
        assert_eq!(filled(&new, &[]).unwrap().matches("not measured").count(), PROMISES.len());
        assert!(filled("<!-- table: nothing --><!-- end -->", &[]).is_err());
    }

    #[test]
    fn the_number_behind_a_name_decides() {
        assert!(number("2026-11-28-peers-10") > number("2026-11-28-peers-2"));
        assert_eq!(number("2026-11-28-peers"), 1);
    }

    /// `cargo xtask bench specification` was run since the last results.
    #[test]
    fn the_specification_has_the_latest_figures() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(folder.join("SPECIFICATION.md")).unwrap();
        assert!(
            filled(&text, &runs(&folder.join("results")).unwrap()).unwrap() == text,
            "run `cargo xtask bench specification`"
        );
    }
}
