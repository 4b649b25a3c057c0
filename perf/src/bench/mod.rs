//! Benchmark runs: several servers, measured in turns by the same generator on the same machine.
//!
//! The servers run on one CPU, the generator on another. A round starts every server afresh, loads the keys, and then goes
//! through the shapes (depth, GET or SET); within a shape the servers take turns, in an order that is drawn
//! anew each time, so that a drift of the machine meets all of them. What counts is the server's CPU time per
//! operation and its ratio to another server's *in the same round*; throughput is shown beside it.
//!
//! A run is a [`Record`]: every measurement with the machine it was taken on. Pages and the tables of perf/SPECIFICATION.md are
//! made from records, and can be made again.

mod ab;
mod agreement;
mod client;
mod command_line;
mod compare;
mod counted;
mod datasets;
mod expiry;
mod figures;
mod frees;
mod growth;
mod growth_cell;
mod growth_rows;
mod hits;
mod host;
mod matrix;
mod memcached;
mod memory;
mod noise;
mod peers;
mod peers_page;
mod promises;
mod quick;
mod record;
mod redis_benchmark;
mod republish;
mod results;
mod scaling;
mod scaling_model;
mod scaling_page;
mod servers;
mod session;
mod specification;
mod statistics;
mod stock;
mod tables;
mod toggles;
mod turns;
mod waits;
mod workload;

pub use ab::AbArguments;
pub use agreement::AgreementArguments;
pub use command_line::BenchArguments;
pub use expiry::ExpiryArguments;
pub use frees::FreeArguments;
pub use growth::GrowthArguments;
pub use hits::HitArguments;
pub use host::Host;
pub use matrix::MatrixArguments;
pub use memory::MemoryArguments;
pub use noise::Comparison;
pub use peers::{PeersArguments, PeersPart};
pub use quick::{QuickOptions, quick};
pub use record::{Record, RunKind};
pub use republish::RepublishArguments;
pub use results::{Results, ServerRow};
pub use scaling::ScalingArguments;
pub use servers::{Candidate, Dialect, Program};
pub use session::SessionArguments;
pub use specification::SpecificationArguments;
pub use statistics::{Range, Row, Sample, Shape, rows};
pub use stock::StockArguments;
pub use turns::{Contestant, Measurement, Outcome, Plan, RateOf, take_turns};
pub use waits::WaitsArguments;
pub use workload::Workload;

use crate::load::LoadError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a benchmark did not come to its end.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The user stopped it.
    #[error("stopped; no results were written")]
    Interrupted,
    /// Not one of the servers could be run.
    #[error("there is no server to measure")]
    NoServers,
    /// The generator failed for a reason that is not the server's.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A scenario, a switch or another argument does not hold.
    #[error("{0}")]
    Arguments(String),
    /// The kernel refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why one server is left out; the others go on.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// It ended before it answered.
    #[error("it ended at once: {0}")]
    Ended(String),
    /// It runs and does not answer.
    #[error("it does not answer after {0} seconds")]
    Silent(u64),
    /// It was measured and failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It answered with errors.
    #[error("{errors} of its replies were errors, the first: {first}")]
    Replies {
        /// How many.
        errors: u64,
        /// The first one's text.
        first: String,
    },
    /// Something that this machine has to provide is missing.
    #[error(transparent)]
    Io(#[from] io::Error),
}
