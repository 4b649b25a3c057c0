//! `oracle`: plays random command sequences to Boxcar and to a real server and compares the replies.
//! `cargo xtask oracle` builds what it needs and starts it.
#![forbid(unsafe_code)]

use boxcar_tests::oracle::campaign::{Plan, run};
use boxcar_tests::programs;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Plays random command sequences to Boxcar and to a real server and compares the replies.
#[derive(Parser)]
struct Arguments {
    /// A family of commands, as COMMAND DOCS names it; may be given again. All without it
    #[arg(long)]
    family: Vec<String>,
    /// How many commands are played
    #[arg(long, default_value_t = 100_000)]
    commands: u64,
    /// Where the seeds of the sequences begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The real server's program; what BOXCAR_ORACLE names without it
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Stop after so many different failures
    #[arg(long, default_value_t = 20)]
    failures: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(peer) = arguments.peer.or_else(programs::oracle) else {
        eprintln!("there is no server to compare with: --peer PATH, or BOXCAR_ORACLE");
        return ExitCode::FAILURE;
    };
    let report = run(&Plan {
        peer,
        families: arguments.family,
        commands: arguments.commands,
        seed: arguments.seed,
        most_failures: arguments.failures,
        tell: true,
    });
    println!("{}", report.text());
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
