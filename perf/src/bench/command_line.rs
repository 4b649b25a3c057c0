//! The command line of `boxcar-bench quick`: which servers take part, and where they are found.

use super::BenchError;
use super::quick::{QuickOptions, quick};
use super::servers::{Candidate, Program, in_path};
use crate::load::command_line::seconds;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Version of kevy that is installed when none is found.
const KEVY: &str = "7.0.0";

/// Measures Boxcar, the null servers and the peers in turns: server CPU time per operation, throughput, latency.
///
/// Peers are taken from $BOXCAR_PEERS (a directory with a program `run` that runs `redis-server` and `valkey-server`), or
/// from PATH; kevy from $BOXCAR_KEVY, PATH, or installed by cargo. One that is not there is named and left out.
#[derive(Debug, Clone, Args)]
pub struct BenchArguments {
    /// The Boxcar binary.
    #[arg(long, default_value = "target/release/boxcar")]
    server: PathBuf,
    /// One more Boxcar with other flags, as in 'epoll=--network epoll'; may be repeated.
    #[arg(long, value_name = "NAME=FLAGS", value_parser = variant)]
    variant: Vec<(String, Vec<String>)>,
    /// Measure only the servers whose name contains one of these, as in boxcar,null.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Pipeline depths.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    depths: Vec<usize>,
    /// Seconds of each measurement.
    #[arg(long, value_parser = seconds, default_value = "1")]
    duration: Duration,
    /// Seconds before each.
    #[arg(long, value_parser = seconds, default_value = "0.3")]
    warmup: Duration,
    /// Connections.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Keys.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 64)]
    value_size: usize,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Name of the results: they go to DATE-NAME.
    #[arg(long, default_value = "quick")]
    name: String,
    /// Where results go; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    results: PathBuf,
    /// Where kevy is installed if it is not found; "none" installs nothing.
    #[arg(long, default_value = "target/peers/kevy")]
    install: PathBuf,
}

fn variant(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, flags) = text.split_once('=').ok_or("expected NAME=FLAGS")?;
    Ok((format!("boxcar {name}"), flags.split_whitespace().map(str::to_owned).collect()))
}

/// Where a server comes from, or why it does not.
pub(super) type Found = Result<Candidate, String>;

impl BenchArguments {
    /// Runs the benchmark, prints the tables, writes the results.
    pub fn execute(&self) -> ExitCode {
        match self.measure() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("boxcar-bench: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure(&self) -> Result<(), BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let options = self.options()?;
        for missing in &options.missing {
            eprintln!("{missing}");
        }
        let results = quick(&options, &stop, &mut |line| eprintln!("{line}"))?;
        println!("{}", results.tables());
        if self.results.as_os_str() != "none" {
            println!("written to {}", results.write(&self.results, &self.name)?.display());
        }
        Ok(())
    }

    fn options(&self) -> Result<QuickOptions, BenchError> {
        let (mut candidates, mut missing) = (Vec::new(), Vec::new());
        for found in self.wanted()? {
            match found {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => missing.push(reason),
            }
        }
        if candidates.is_empty() {
            return Err(BenchError::NoServers);
        }
        Ok(QuickOptions {
            candidates,
            missing,
            rounds: usize::from(self.rounds),
            depths: self.depths.clone(),
            measure: self.duration,
            warmup: self.warmup,
            connections: self.connections,
            keys: self.keys,
            value_size: self.value_size,
            server_cpu: self.server_cpu,
            load_cpu: self.load_cpu,
        })
    }

    fn wanted(&self) -> Result<Vec<Found>, BenchError> {
        let wanted =
            |name: &str| self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()));
        let mut found: Vec<Found> = Vec::new();
        for network in ["io_uring", "epoll"] {
            let candidate = Candidate::null(network)?;
            if wanted(&candidate.name) {
                found.push(Ok(candidate));
            }
        }
        if wanted("boxcar") {
            found.push(boxcar(&self.server, "boxcar", &[]));
        }
        for (name, flags) in self.variant.iter().filter(|(name, _)| wanted(name)) {
            found.push(boxcar(&self.server, name, flags));
        }
        for name in ["redis", "valkey"].into_iter().filter(|name| wanted(name)) {
            found.push(peer(name));
        }
        if wanted("kevy") {
            found.push(install_kevy_or_find(&self.install));
        }
        Ok(found)
    }
}

/// kevy of $BOXCAR_KEVY, PATH or `install`, or installed there.
pub(super) fn install_kevy_or_find(install: &Path) -> Found {
    let named = std::env::var_os("BOXCAR_KEVY").map(PathBuf::from);
    let installed = install.join("bin/kevy");
    let found = named.or_else(|| in_path("kevy")).or_else(|| installed.is_file().then(|| installed.clone()));
    let path = match found {
        Some(path) => path,
        None => install_kevy(install).map(|()| installed)?,
    };
    let path = path.canonicalize().map_err(|error| format!("kevy: {}: {error}", path.display()))?;
    let arguments = ["--bind", "127.0.0.1", "--threads", "1", "--no-aof", "--dir", "."];
    Ok(Candidate::store("kevy", Program::new(&path, &[]), &arguments))
}

/// Boxcar as it is compared with its peers: one thread, nothing on disk.
pub(super) fn boxcar(server: &Path, name: &str, flags: &[String]) -> Found {
    if !server.is_file() {
        return Err(format!("{name}: {} does not exist (cargo build --release)", server.display()));
    }
    // Relative to where this was started; the server runs elsewhere.
    let path = server.canonicalize().map_err(|error| format!("{name}: {error}"))?;
    let fixed = [
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--io-threads",
        "1",
        "--dispatch",
        "inline",
    ];
    let arguments: Vec<&str> = fixed.into_iter().chain(flags.iter().map(String::as_str)).collect();
    Ok(Candidate { own: true, ..Candidate::store(name, Program::new(&path, &[]), &arguments) })
}

fn install_kevy(root: &Path) -> Result<(), String> {
    if root.as_os_str() == "none" {
        return Err("kevy: not in PATH, nor in $BOXCAR_KEVY".to_owned());
    }
    eprintln!("kevy is not here: installing it into {}", root.display());
    let status = Command::new("cargo")
        .args(["install", "kevy", "--version", KEVY, "--ignore-rust-version", "--root"])
        .arg(root)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kevy: cargo install failed: {status}")),
        Err(error) => Err(format!("kevy: cargo could not be run: {error}")),
    }
}

/// redis-server or valkey-server.
pub(super) fn peer(name: &str) -> Found {
    let server = format!("{name}-server");
    let bundled = std::env::var_os("BOXCAR_PEERS").map(|directory| PathBuf::from(directory).join("run"));
    let program = match bundled {
        Some(run) if run.is_file() => Program::new(&run, &[&server]),
        Some(run) => return Err(format!("{name}: {} does not exist ($BOXCAR_PEERS)", run.display())),
        None => match in_path(&server) {
            Some(path) => Program::new(&path, &[]),
            None => return Err(format!("{name}: no {server} in PATH, and $BOXCAR_PEERS is not set")),
        },
    };
    let arguments = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "1"];
    Ok(Candidate::store(name, program, &arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: BenchArguments,
    }

    #[test]
    fn a_missing_server_is_named_and_the_others_go_on() {
        let line =
            ["boxcar-bench", "--server", "/nowhere/boxcar", "--only", "boxcar,epoll", "--variant", "x=--a b"];
        let options = Line::parse_from(line).arguments.options().unwrap();
        let names: Vec<&str> = options.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!(names, ["null (epoll)"]);
        assert_eq!(options.missing.len(), 2);
        assert!(options.missing.iter().all(|line| line.contains("/nowhere/boxcar")), "{:?}", options.missing);
    }
}
