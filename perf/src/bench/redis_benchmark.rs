//! redis-benchmark: where it is, and what it prints.

use super::BenchError;
use super::servers::{Server, in_path};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program.
pub(super) struct RedisBenchmark {
    words: Vec<String>,
    /// What it says of its version.
    pub version: String,
}

impl RedisBenchmark {
    /// Beside the peers, or in PATH.
    pub fn find(cpu: usize) -> Result<RedisBenchmark, BenchError> {
        let name = "redis-benchmark";
        let bundled = std::env::var_os("BOXCAR_PEERS").map(|directory| PathBuf::from(directory).join("run"));
        let found = match bundled {
            Some(run) if run.is_file() => vec![run.display().to_string(), name.to_owned()],
            Some(run) => {
                return Err(BenchError::Arguments(format!(
                    "{} does not exist ($BOXCAR_PEERS)",
                    run.display()
                )));
            }
            None => match in_path(name) {
                Some(path) => vec![path.display().to_string()],
                None => {
                    return Err(BenchError::Arguments(format!(
                        "no {name} in PATH, and $BOXCAR_PEERS is not set"
                    )));
                }
            },
        };
        let output = Command::new(&found[0]).args(&found[1..]).arg("--version").output()?;
        let version =
            String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or(name).trim().to_owned();
        let pinned = ["taskset", "-c", &cpu.to_string()].map(str::to_owned);
        Ok(RedisBenchmark { words: [&pinned[..], &found].concat(), version })
    }

    /// Runs it; the titles of what it ran, with requests per second.
    pub fn run(
        &self,
        server: &Server,
        count: u64,
        depth: u64,
        words: &[String],
    ) -> Result<Vec<(String, f64)>, BenchError> {
        let output = Command::new(&self.words[0])
            .args(&self.words[1..])
            .args(["-h", &server.address.ip().to_string(), "-p", &server.address.port().to_string()])
            .args(["-n", &count.to_string(), "-P", &depth.to_string(), "--csv"])
            .args(words)
            .stdin(Stdio::null())
            .output()?;
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let rows: Vec<(String, f64)> = text.lines().skip(1).filter_map(csv_row).collect();
        if !output.status.success()
            || rows.is_empty()
            || text.contains("Error from server")
            || errors.contains("Error from server")
        {
            let said = text.lines().chain(errors.lines()).next_back().unwrap_or_default();
            return Err(BenchError::Arguments(format!(
                "redis-benchmark {}: {}: {said}",
                words.join(" "),
                output.status
            )));
        }
        Ok(rows)
    }
}

/// Title and rate of a line such as `"SET","100000.00",...`.
fn csv_row(line: &str) -> Option<(String, f64)> {
    let mut fields = line.trim().strip_prefix('"')?.split("\",\"");
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_csv_are_read() {
        assert_eq!(csv_row("\"SET\",\"1250.50\",\"0.1\""), Some(("SET".to_owned(), 1250.5)));
        assert_eq!(csv_row("\"test\",\"rps\""), None);
    }
}
