//! Results on paper: a table to read, and everything behind it as JSON.

use super::BenchError;
use super::host::Host;
use super::statistics::{Range, Row, Sample};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A server as it took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Its name in the table.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// The command that started it.
    pub command: String,
}

/// A benchmark's results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The machine.
    pub host: Host,
    /// Who took part.
    pub servers: Vec<ServerRow>,
    /// Who did not, and why.
    pub missing: Vec<String>,
    /// The load, as a command.
    pub load: String,
    /// Rounds.
    pub rounds: usize,
    /// The server that the last column compares with.
    pub reference: String,
    /// The table.
    pub rows: Vec<Row>,
    /// Every measurement.
    pub samples: Vec<Sample>,
}

impl Results {
    /// The tables, one for each shape, in Markdown that is readable as it stands.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let head = [
            "server",
            "ops/s",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "server CPU us/op (min-max)",
            "x null",
            "x ",
            "generator CPU us/op",
        ];
        let mut shape = None;
        for row in &self.rows {
            if shape != Some(row.shape) {
                shape = Some(row.shape);
                // Writing to a String cannot fail.
                let _ = writeln!(out, "\n### {}\n", row.shape);
                let titles =
                    head.map(
                        |title| {
                            if title == "x " { format!("x {}", self.reference) } else { title.to_owned() }
                        },
                    );
                line(&mut out, &titles);
                line(
                    &mut out,
                    &[":---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]
                        .map(str::to_owned),
                );
            }
            let ratio =
                |range: Option<Range>| range.map_or("-".to_owned(), |range| format!("{:.2}", range.median));
            let cpu = row.server_cpu_us;
            line(
                &mut out,
                &[
                    row.server.clone(),
                    format!("{:.0}", row.ops_per_second.median),
                    format!("{:.0}", row.p50_us.median),
                    format!("{:.0}", row.p99_us.median),
                    format!("{:.0}", row.p999_us.median),
                    format!("{:.3} ({:.3}-{:.3})", cpu.median, cpu.min, cpu.max),
                    ratio(row.to_null),
                    ratio(row.to_reference),
                    format!("{:.3}", row.generator_cpu_us.median),
                ],
            );
        }
        out
    }

    /// The whole page.
    pub fn page(&self, title: &str) -> String {
        let host = &self.host;
        let mut out = format!("# {title}, {}\n\n", host.date);
        let machine = if host.virtual_machine { "virtual machine" } else { "bare metal" };
        let _ = writeln!(
            out,
            "Kernel {}; {}, {} CPUs online, {machine}; frequency governor: {}; load average at the start: {}.\n",
            host.kernel, host.cpu, host.cpus, host.governor, host.load_average
        );
        if host.busy() {
            out.push_str("**The machine was not idle at the start: absolute figures are doubtful.**\n\n");
        }
        let _ = writeln!(
            out,
            "Medians of {} rounds. In each round every server is started afresh and the servers take turns within each \
             shape. CPU time is the server process's own clock over the measured window, user and kernel, divided by the \
             replies that arrived in it; ratios are of CPU time per operation within the same round. Latency is the closed \
             loop's: from the sending of a pipeline to a reply's arrival.\n",
            self.rounds
        );
        let _ = writeln!(out, "Load: `{}`\n", self.load);
        out.push_str("| server | version | command |\n| :--- | :--- | :--- |\n");
        for server in &self.servers {
            // A bar would end the cell.
            let command = server.command.replace('|', "\\|");
            let _ = writeln!(out, "| {} | {} | `{command}` |", server.name, server.version);
        }
        for missing in &self.missing {
            let _ = writeln!(out, "\nMissing: {missing}");
        }
        out.push_str(&self.tables());
        out
    }

    /// Writes `results.md` and `results.json` into `DIRECTORY/DATE-NAME/`, and returns that directory.
    ///
    /// # Errors
    /// A file or directory cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> Result<PathBuf, BenchError> {
        let directory = directory.join(format!("{}-{name}", self.host.date));
        let named = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        fs::create_dir_all(&directory).map_err(named(&directory))?;
        let json = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        for (file, text) in [("results.md", self.page(name)), ("results.json", json)] {
            let path = directory.join(file);
            fs::write(&path, text).map_err(named(&path))?;
        }
        Ok(directory)
    }
}

const WIDTHS: [usize; 9] = [18, 10, 8, 8, 9, 27, 7, 7, 20];

fn line(out: &mut String, cells: &[String; 9]) {
    for (index, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let _ = if index == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
    }
    out.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::super::statistics::tests::sample;
    use super::super::statistics::{Shape, rows};
    use super::*;

    fn results() -> Results {
        let shape = Shape { depth: 64, set: false };
        let names = ["null (epoll)", "kevy", "boxcar"].map(str::to_owned);
        let samples: Vec<Sample> = [0.06, 0.24, 0.15]
            .into_iter()
            .zip(&names)
            .flat_map(|(cpu, name)| (0..3).map(move |round| sample(name, shape, round, cpu)))
            .collect();
        Results {
            host: Host::read(0),
            servers: Vec::new(),
            missing: vec!["valkey: not found".to_owned()],
            load: "boxcar-load".to_owned(),
            rounds: 3,
            reference: "kevy".to_owned(),
            rows: rows(&samples, &names, &[shape], &names[..1], "kevy"),
            samples,
        }
    }

    #[test]
    fn the_table_has_the_ratios() {
        let tables = results().tables();
        let boxcar = tables.lines().find(|line| line.starts_with("| boxcar")).unwrap();
        let cells: Vec<&str> = boxcar.split('|').map(str::trim).collect();
        assert_eq!(cells[6], "0.150 (0.150-0.150)");
        assert_eq!((cells[7], cells[8]), ("2.50", "0.62"));
        assert!(tables.contains("### depth 64 GET") && tables.contains("x kevy"), "{tables}");
    }

    #[test]
    fn files_are_written_and_read_back() {
        let directory = std::env::temp_dir().join(format!("boxcar-results-test-{}", std::process::id()));
        let results = results();
        let written = results.write(&directory, "trial").unwrap();
        let json = fs::read_to_string(written.join("results.json")).unwrap();
        let page = fs::read_to_string(written.join("results.md")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&json).unwrap().rows.len(), 3);
        assert!(page.contains("Missing: valkey: not found"), "{page}");
    }
}
