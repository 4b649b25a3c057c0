//! The load generator.
//!
//! Each thread owns an epoll instance, its share of the connections, one buffer to build requests in and one to read
//! replies into; nothing is shared while the run lasts but a stop flag and a counter for the progress line. Requests
//! are patched into templates, replies are stepped over without a copy, so that an operation in a deep pipeline
//! costs little more than the kernel's share of its batch. What the generator spends is measured and reported with
//! every run: a generator that needs as much as its server measures itself.

mod closed;
pub mod command_line;
mod connection;
mod endpoint;
mod keys;
mod open;
mod replies;
mod report;
mod requests;
mod run;
mod tally;
mod worker;

pub use endpoint::{Endpoint, Protocol};
pub use keys::{Distribution, MAX_KEYS};
pub use replies::ReplyError;
pub use report::{Latency, LoadReport, OwnCost, ServerCost};
pub use requests::{DEFAULT_PREFIX, KEY_DIGITS, Kind, Mix, Values, request_len};
pub use run::{Progress, run};

use boxcar_sys::affinity::CpuList;
use std::io;
use std::time::Duration;
use thiserror::Error;

/// Batches are built whole in memory, so a pipeline of values may be this long: a 512 MiB value, Redis's default
/// largest, at depth 2.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// Most requests in flight on one connection. Far beyond what helps, and small enough to be counted in 32 bits.
pub const MAX_PIPELINE: usize = 1 << 20;

/// Why a run did not come to its end.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The host's name has no address.
    #[error("cannot find the address of {host}: {source}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot connect to {endpoint}: {source}")]
    Connect {
        /// Where to.
        endpoint: Endpoint,
        /// What the kernel says.
        source: io::Error,
    },
    /// The server does not speak RESP3, or wants to be asked otherwise.
    #[error("the server refused HELLO 3: {reply}")]
    Greeting {
        /// Its reply.
        reply: String,
    },
    /// The server hung up.
    #[error("the server at {endpoint} closed a connection")]
    Closed {
        /// Which server.
        endpoint: Endpoint,
    },
    /// The server sent something that is not RESP.
    #[error("the server does not speak RESP: {source}")]
    Reply {
        /// What is wrong.
        #[from]
        source: ReplyError,
    },
    /// A reply came to a request that was never sent.
    #[error("the server at {endpoint} sent more replies than it got requests")]
    Unasked {
        /// Which server.
        endpoint: Endpoint,
    },
    /// Some keys could not be set before the run.
    #[error("cannot load the keys: {errors} of the SETs failed, the first with: {first}")]
    Preload {
        /// How many.
        errors: u64,
        /// The first one's text.
        first: String,
    },
    /// Options that make no sense together, or beyond their bounds.
    #[error("{0}")]
    Options(String),
    /// The process whose CPU time was to be watched is not there.
    #[error("cannot read the CPU time of process {pid}: {source}")]
    ServerClock {
        /// Its id.
        pid: u32,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How requests are paced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as replies come.
    Closed,
    /// This many requests a second in all, whatever the replies do.
    Open(f64),
}

/// How long a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So much time.
    Time(Duration),
    /// So many requests.
    Requests(u64),
}

/// A run.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The server.
    pub endpoint: Endpoint,
    /// Version of RESP.
    pub protocol: Protocol,
    /// Connections, at least one a thread.
    pub connections: usize,
    /// Requests in flight on each connection, at most: 1 to [`MAX_PIPELINE`].
    pub pipeline: usize,
    /// Threads.
    pub threads: usize,
    /// CPUs to bind the threads to, one after the other; none: the scheduler's choice.
    pub cpus: CpuList,
    /// Number of keys, 1 to [`MAX_KEYS`].
    pub keys: u64,
    /// What keys begin with, before their [`KEY_DIGITS`] digits.
    pub key_prefix: String,
    /// How keys are drawn.
    pub distribution: Distribution,
    /// Sizes of values.
    pub values: Values,
    /// Shares of GET and SET.
    pub mix: Mix,
    /// Seed of all that is random.
    pub seed: u64,
    /// Closed or open loop.
    pub pace: Pace,
    /// Time before the measured window opens.
    pub warmup: Duration,
    /// Length of the measured window.
    pub extent: Extent,
    /// Whether to SET every key first.
    pub preload: bool,
    /// Whether to compare every reply with what the key must hold.
    pub verify: bool,
    /// The server's process, to watch its CPU time.
    pub server_pid: Option<u32>,
}

impl LoadOptions {
    /// A second of GETs on 50 connections without pipelining, 100,000 keys loaded first, values of 64 bytes.
    pub fn new(endpoint: Endpoint) -> LoadOptions {
        LoadOptions {
            endpoint,
            protocol: Protocol::Resp2,
            connections: 50,
            pipeline: 1,
            threads: 1,
            cpus: CpuList::from_iter([]),
            keys: 100_000,
            key_prefix: DEFAULT_PREFIX.to_owned(),
            distribution: Distribution::Uniform,
            values: Values::new(64, 64),
            mix: Mix { get: 1, set: 0 },
            seed: 1,
            pace: Pace::Closed,
            warmup: Duration::ZERO,
            extent: Extent::Time(Duration::from_secs(1)),
            preload: true,
            verify: false,
            server_pid: None,
        }
    }

    /// Refuses what cannot be run, naming the option and its bounds.
    fn check(&self) -> Result<(), LoadError> {
        let rules = [
            (self.threads >= 1, "at least one thread is needed".to_owned()),
            (
                self.connections >= self.threads,
                format!("{} threads need at least as many connections", self.threads),
            ),
            (
                (1..=MAX_PIPELINE).contains(&self.pipeline),
                format!("the pipeline's depth is 1 to {MAX_PIPELINE}"),
            ),
            ((1..=MAX_KEYS).contains(&self.keys), format!("the number of keys is 1 to {MAX_KEYS}")),
            (self.mix.get > 0 || self.mix.set > 0, "the mix needs GETs or SETs".to_owned()),
            (
                self.pipeline.saturating_mul(self.values.max()) <= MAX_BATCH_BYTES,
                format!("a pipeline of values is at most {MAX_BATCH_BYTES} bytes"),
            ),
            (
                !matches!(self.distribution, Distribution::Zipf(exponent) if !(exponent > 0.0 && exponent <= 10.0)),
                "the Zipf exponent is above 0 and at most 10".to_owned(),
            ),
            (
                !matches!(self.pace, Pace::Open(rate) if !(rate > 0.0 && rate <= 1e9)),
                "the rate is above 0 and at most 1e9 requests a second".to_owned(),
            ),
            (self.extent != Extent::Requests(0), "the number of requests is at least 1".to_owned()),
            (self.extent != Extent::Time(Duration::ZERO), "the duration is above 0".to_owned()),
            (
                !self.key_prefix.contains(['\r', '\n']) && self.key_prefix.len() <= 1024,
                "a key's prefix is at most 1024 bytes, without line ends".to_owned(),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, broken)) => Err(LoadError::Options(broken)),
            None => Ok(()),
        }
    }
}
