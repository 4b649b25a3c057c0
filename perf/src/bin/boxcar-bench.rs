//! `boxcar-bench`: benchmark runs. `quick` measures Boxcar, the null servers and the peers, `hits` their caches, `expiry` mass expiry, `frees` the freeing of huge values; `null` and `load` are
//! `boxcar-null` and `boxcar-load` once more, so that one binary is enough for a run.

#![forbid(unsafe_code)]

use boxcar_perf::bench::{BenchArguments, ExpiryArguments, FreeArguments, HitArguments};
use boxcar_perf::load::command_line::LoadArguments;
use boxcar_perf::null::NullArguments;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "boxcar-bench", version, about)]
struct CommandLine {
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Boxcar, the null servers and the peers in turns: a table of server CPU time, throughput and latency.
    Quick(BenchArguments),
    /// Latency of reads while millions of other keys expire.
    Expiry(ExpiryArguments),
    /// Latency of reads while a value of millions of elements is freed.
    Frees(FreeArguments),
    /// Hit rates of a cache at maxmemory, Boxcar's and its peers'.
    Hits(HitArguments),
    /// The same as boxcar-load.
    Load(Box<LoadArguments>),
    /// The same as boxcar-null.
    Null(NullArguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().run {
        Run::Quick(arguments) => arguments.execute(),
        Run::Expiry(arguments) => arguments.execute(),
        Run::Frees(arguments) => arguments.execute(),
        Run::Hits(arguments) => arguments.execute(),
        Run::Load(arguments) => arguments.execute(),
        Run::Null(arguments) => arguments.execute(),
    }
}
