//! `cargo xtask`: builds, runs, tests and measures Boxcar.
//!
//! One file per subcommand, one row per subcommand in [`Subcommand`]. Everything a subcommand shares with the
//! others is in [`workspace`] (paths, cargo) and [`machine`] (what the machine must have).
#![forbid(unsafe_code)]

mod bench;
mod ebpf;
mod fuzz;
mod latency;
mod machine;
mod oracle;
mod profile;
mod reference;
mod run;
mod setup;
mod test;
mod tidy;
mod tokens;
mod tune;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

/// Builds, runs, tests and measures Boxcar.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    subcommand: Subcommand,
}

/// The table of subcommands: a name, what it takes, and (in [`Subcommand::execute`]) who does it.
#[derive(clap::Subcommand)]
enum Subcommand {
    /// Build a release of the server and run it with the given flags
    Run(run::Arguments),
    /// Run everything that must pass: unit, integration and transcript tests
    Test(test::Arguments),
    /// Measure: `bench peers` compares Boxcar with its peers, `ab` two commits, `matrix` the switches
    Bench(bench::Arguments),
    /// Record the server under load: flame graphs, time off the CPU, system calls, counts for each operation
    Profile(profile::Arguments),
    /// Compare this machine with the profiles of sysctl/, apply them, undo that
    Tune(tune::Arguments),
    /// Build the kernel-side programs, installing what that needs
    Ebpf,
    /// Draw the latency that a running server measures on the wire, live
    Latency(latency::Arguments),
    /// Check the rules of the code base that no compiler checks
    Tidy,
    /// Run the fuzz targets of tests/fuzz
    Fuzz(fuzz::Arguments),
    /// Play random command sequences to Boxcar and to a real server and compare the replies
    Oracle(oracle::Arguments),
    /// Write the reference page of the commands from the register
    Reference,
    /// Install what `run` and `test` need and this machine lacks
    Setup,
}

impl Subcommand {
    fn execute(self) -> anyhow::Result<()> {
        match self {
            Self::Run(arguments) => run::run(&arguments),
            Self::Test(arguments) => test::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Profile(arguments) => profile::run_subcommand(&arguments),
            Self::Tune(arguments) => tune::run(&arguments),
            Self::Ebpf => ebpf::run_subcommand(),
            Self::Latency(arguments) => latency::run(&arguments),
            Self::Tidy => tidy::run(),
            Self::Fuzz(arguments) => fuzz::run(&arguments),
            Self::Oracle(arguments) => oracle::run(&arguments),
            Self::Reference => reference::run(),
            Self::Setup => setup::run(),
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().subcommand.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
