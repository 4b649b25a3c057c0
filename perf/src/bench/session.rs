//! What the command lines of all runs have in common: where it runs, how long, and where results go.

use super::BenchError;
use super::record::Record;
use crate::load::command_line::seconds;
use boxcar_sys::affinity::CpuList;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Where and how long.
#[derive(Debug, Clone, Args)]
pub struct SessionArguments {
    /// Seconds of each measurement.
    #[arg(long, value_parser = seconds, default_value = "0.8")]
    pub(super) duration: Duration,
    /// Seconds before each.
    #[arg(long, value_parser = seconds, default_value = "0.2")]
    pub(super) warmup: Duration,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    pub(super) server_cpu: usize,
    /// CPU of the generator.
    #[arg(long, default_value_t = 1)]
    pub(super) load_cpu: usize,
    /// Where results go; "none" writes nothing.
    #[arg(long, default_value = "perf/results")]
    pub(super) results: PathBuf,
}

impl SessionArguments {
    pub(super) fn server_cpus(&self) -> CpuList {
        CpuList::from_iter([self.server_cpu])
    }

    pub(super) fn load_cpus(&self) -> CpuList {
        CpuList::from_iter([self.load_cpu])
    }

    /// Prints what was found, and writes it.
    pub(super) fn publish(&self, record: &Record) -> Result<(), BenchError> {
        println!("{}", record.page().findings());
        if self.results.as_os_str() != "none" {
            let directory = record.write(&self.results)?;
            println!("written to {0}; the report is {0}/index.html", directory.display());
        }
        Ok(())
    }
}

/// A flag that signals raise: the run then ends without results.
pub(super) fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// The exit code of a run; what went wrong goes to standard error.
pub(super) fn exit_code(outcome: Result<(), BenchError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("boxcar-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command that repeats a run, by way of xtask: what this program was started with, without paths of this machine.
pub(super) fn own_command() -> String {
    // Binaries are built by xtask, which names them; where results went says nothing of how they were made.
    const HIDDEN: [&str; 6] = ["--server", "--build", "--install", "--base", "--head", "--results"];
    let mut shown = ["cargo", "xtask", "bench"].map(str::to_owned).to_vec();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if HIDDEN.contains(&word.as_str()) {
            words.next();
        } else if !word.split_once('=').is_some_and(|(option, _)| HIDDEN.contains(&option)) {
            shown.push(word);
        }
    }
    super::turns::shell_words(&shown)
}
