//! `boxcar-null`: the null server, the kernel's own limit.

#![forbid(unsafe_code)]

use boxcar_perf::null::NullArguments;
use clap::Parser;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "boxcar-null", version, about)]
struct CommandLine {
    #[command(flatten)]
    null: NullArguments,
}

fn main() -> ExitCode {
    CommandLine::parse().null.execute()
}
