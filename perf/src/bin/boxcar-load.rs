//! `boxcar-load`: a load generator for servers that speak RESP.

#![forbid(unsafe_code)]

use boxcar_perf::load::command_line::LoadArguments;
use clap::Parser;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "boxcar-load", version, about)]
struct CommandLine {
    #[command(flatten)]
    load: LoadArguments,
}

fn main() -> ExitCode {
    CommandLine::parse().load.execute()
}
