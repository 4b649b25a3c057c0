//! `boxcar-profile`: records a server under load. See `boxcar_perf::profile`.

#![forbid(unsafe_code)]

use boxcar_perf::profile::command_line::ProfileArguments;
use clap::Parser;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "boxcar-profile", version, about)]
struct CommandLine {
    #[command(flatten)]
    arguments: ProfileArguments,
}

fn main() -> ExitCode {
    CommandLine::parse().arguments.execute()
}
