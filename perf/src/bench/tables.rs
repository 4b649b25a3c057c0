//! What the runs that print one table have in common: who takes part, and where the table goes.

use super::BenchError;
use super::command_line::{Found, boxcar, peer};
use super::host::Host;
use super::servers::Candidate;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of every such run.
#[derive(Debug, Clone, Args)]
pub(super) struct TableArguments {
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    pub server: PathBuf,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    pub server_cpu: usize,
    /// CPU of what talks to them.
    #[arg(long, default_value_t = 1)]
    pub load_cpu: usize,
    /// Where the table goes, as DATE-NAME.md; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
}

impl TableArguments {
    /// Boxcar, which must be there and comes first, and these peers, which are named and left out if they are not there.
    pub fn candidates(&self, peers: &[&str]) -> Result<Vec<Candidate>, BenchError> {
        let own = boxcar(&self.server, "boxcar", &[]).map_err(BenchError::Arguments)?;
        present(std::iter::once(Ok(own)).chain(peers.iter().map(|name| peer(name))))
    }

    /// Prints the page, and writes it to the results as DATE-`name`.md.
    pub fn publish(&self, host: &Host, name: &str, page: &str) -> Result<(), BenchError> {
        publish(&self.results, host, name, page)
    }
}

/// Prints the page, and writes it to `results` as DATE-`name`.md unless that is "none".
pub(super) fn publish(results: &Path, host: &Host, name: &str, page: &str) -> Result<(), BenchError> {
    println!("{page}");
    if results.as_os_str() != "none" {
        let path = results.join(format!("{}-{name}.md", host.date));
        fs::write(&path, page).map_err(|source| BenchError::File { path: path.clone(), source })?;
        println!("written to {}", path.display());
    }
    Ok(())
}

/// Those that were found; the others are named.
pub(super) fn present(found: impl IntoIterator<Item = Found>) -> Result<Vec<Candidate>, BenchError> {
    let mut candidates = Vec::new();
    for found in found {
        match found {
            Ok(candidate) => candidates.push(candidate),
            Err(reason) => eprintln!("left out: {reason}"),
        }
    }
    if candidates.is_empty() { Err(BenchError::NoServers) } else { Ok(candidates) }
}

/// The page's first lines: the machine, and who takes part.
pub(super) fn head(title: &str, host: &Host, candidates: &[Candidate]) -> String {
    let versions: Vec<String> = candidates
        .iter()
        .map(|candidate| {
            let version = candidate.version.split(" sha=").next().unwrap_or_default();
            format!("{}: {version}", candidate.name)
        })
        .collect();
    format!(
        "# {title}, {}\n\nKernel {}; {}, {} CPUs online{}; load average at the start: {}.\n\n{}.\n\n",
        host.date,
        host.kernel,
        host.cpu,
        host.cpus,
        if host.virtual_machine { ", virtual machine" } else { "" },
        host.load_average,
        versions.join("; "),
    )
}

/// A directory for the servers' files, removed at the end.
pub(super) struct Workplace(PathBuf);

impl Workplace {
    /// Named after the run and this process.
    pub fn new(run: &str) -> Workplace {
        Workplace(std::env::temp_dir().join(format!("boxcar-{run}-{}", std::process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // A directory that cannot be removed does not make the figures worse.
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// The exit code, with the error told.
pub(super) fn exit(outcome: Result<(), BenchError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("boxcar-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
