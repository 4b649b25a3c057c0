//! `boxcar-bench`: benchmark runs, a row each in the table of subcommands; `null` and `load` are `boxcar-null` and `boxcar-load` once more, so
//! that one binary is enough for a run.

#![forbid(unsafe_code)]

use boxcar_perf::bench::{
    AbArguments, AgreementArguments, BenchArguments, ExpiryArguments, FreeArguments, GrowthArguments,
    HitArguments, MatrixArguments, MemoryArguments, PeersArguments, RepublishArguments, ScalingArguments,
    SpecificationArguments, StockArguments, WaitsArguments,
};
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
    /// Boxcar beside the null server and all peers: CPU time, latency at fixed rates, latency against throughput; a report.
    Peers(PeersArguments),
    /// Two builds of Boxcar: which differences are larger than the noise; a report.
    Ab(AbArguments),
    /// Each switch against each scenario: which differences are larger than the noise; a report.
    Matrix(MatrixArguments),
    /// One I/O thread, two, and more, and a model of what more cores would give; a report.
    Scaling(ScalingArguments),
    /// The report of a run again, with the flame graphs and counters that lie beside it.
    Report(RepublishArguments),
    /// The tables of perf/SPECIFICATION.md again, from the latest runs.
    Specification(SpecificationArguments),
    /// Latency of reads while millions of other keys expire.
    Expiry(ExpiryArguments),
    /// Latency of reads while a value of millions of elements is freed.
    Frees(FreeArguments),
    /// Hit rates of a cache at maxmemory, Boxcar's and its peers'.
    Hits(HitArguments),
    /// redis-benchmark's whole default list: server CPU time per operation, Boxcar's and its peers'.
    Stock(StockArguments),
    /// Whether our figures are redis-benchmark's, and those of perf stat and of the kernel's accounts.
    Agreement(AgreementArguments),
    /// Bytes per element of every data type, Boxcar's and its peers'.
    Memory(MemoryArguments),
    /// What each data type's commands cost at growing sizes, beside redis-server.
    Growth(GrowthArguments),
    /// How long GETs on other connections wait while one command takes long.
    Waits(WaitsArguments),
    /// The same as boxcar-load.
    Load(Box<LoadArguments>),
    /// The same as boxcar-null.
    Null(NullArguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().run {
        Run::Quick(arguments) => arguments.execute(),
        Run::Peers(arguments) => arguments.execute(),
        Run::Ab(arguments) => arguments.execute(),
        Run::Matrix(arguments) => arguments.execute(),
        Run::Scaling(arguments) => arguments.execute(),
        Run::Report(arguments) => arguments.execute(),
        Run::Specification(arguments) => arguments.execute(),
        Run::Expiry(arguments) => arguments.execute(),
        Run::Frees(arguments) => arguments.execute(),
        Run::Hits(arguments) => arguments.execute(),
        Run::Stock(arguments) => arguments.execute(),
        Run::Agreement(arguments) => arguments.execute(),
        Run::Memory(arguments) => arguments.execute(),
        Run::Growth(arguments) => arguments.execute(),
        Run::Waits(arguments) => arguments.execute(),
        Run::Load(arguments) => arguments.execute(),
        Run::Null(arguments) => arguments.execute(),
    }
}
