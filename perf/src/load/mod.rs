//! The load generator.
//!
//! Each thread owns an io_uring or epoll instance (a driver of `boxcar-sys`, behind `transport`), its share of the
//! connections, and its buffers; nothing is shared while the run lasts but a stop flag and a counter for the progress line (and the
//! register of versions, if replies are verified). Plain GETs and SETs are patched into templates, and their replies
//! are stepped over without a copy, so that an operation in a deep pipeline costs little more than the kernel's share
//! of its batch. Everything else is written by the rows of one table ([`rows()`]), and a journal remembers what was
//! asked. What the generator spends is measured and reported with every run: a generator that needs as much as its
//! server measures itself.

mod closed;
pub mod command_line;
mod connection;
mod endpoint;
mod hlog;
mod keys;
mod mix;
mod open;
mod percentiles;
mod progress;
mod replies;
mod report;
mod requests;
mod rows;
mod run;
mod script;
mod sizes;
mod sweep;
mod tally;
mod transport;
mod values;
mod worker;

pub use endpoint::{Endpoint, Protocol};
pub use keys::{Distribution, MAX_KEYS};
pub use mix::Mix;
pub use percentiles::{Latency, Percentile};
pub use replies::ReplyError;
pub use report::{LoadReport, OwnCost, RowReport, ServerCost};
pub use requests::{DEFAULT_PREFIX, Kind, request_len};
pub use rows::{Family, Row, rows};
pub use run::{Progress, run};
pub use sizes::Sizes;
pub use sweep::{Knee, SweepOptions, SweepPoint, SweepReport, Verdict, sweep};
pub use transport::Network;
pub use values::{KEY_DIGITS, Values};

use boxcar_sys::DriverError;
use boxcar_sys::affinity::CpuList;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Batches are built whole in memory, so a pipeline of values may be this long: a 512 MiB value, Redis's default
/// largest, at depth 2.
const MAX_BATCH_BYTES: usize = 1 << 30;

/// Most requests in flight on one connection. Far beyond what helps, and small enough to be counted in 32 bits.
pub const MAX_PIPELINE: usize = 1 << 20;

/// Verification keeps eight bytes for each key, so this many take 2 GiB.
const MAX_VERIFIED_KEYS: u64 = 1 << 28;

/// Members of a collection; their names have seven digits.
pub const MAX_MEMBERS: u64 = 10_000_000;

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
    #[error("cannot load the keys: {errors} of the writes failed, the first with: {first}")]
    Preload {
        /// How many.
        errors: u64,
        /// The first one's text.
        first: String,
    },
    /// The log of latencies cannot be written.
    #[error("cannot write {path}: {source}")]
    Log {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
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
    /// The kernel interface that was asked for is not to be had.
    #[error("cannot use {network}: {source}")]
    Driver {
        /// Its name.
        network: &'static str,
        /// What is missing.
        source: DriverError,
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
    /// Kernel interface to reach the server by.
    pub network: Network,
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
    /// What is asked.
    pub mix: Mix,
    /// Members of each hash, list, set, sorted set, ...: as many as are loaded, and between which requests choose; 1 to
    /// [`MAX_MEMBERS`].
    pub members: u64,
    /// Shortest and longest lifetime of what SET writes, in milliseconds; `None`: it stays.
    pub expire: Option<(u64, u64)>,
    /// Requests after which a connection is closed and opened anew; `None`: never.
    pub churn: Option<u64>,
    /// Open loop: what comes due on a connection while a reply is outstanding waits for it, and leaves together in one
    /// write of at most `pipeline` requests, as with a client that batches by itself.
    pub auto_batch: bool,
    /// Open loop: so many requests come due at once on a connection, and leave in one write if nothing is outstanding; 1 to `pipeline`.
    pub burst: usize,
    /// Open loop: a thread that has less than this until the next request is due polls instead of sleeping. For threads
    /// that have a CPU to themselves.
    pub poll: Duration,
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
    /// File for a log of latencies by interval (HdrHistogram's `.hlog`).
    pub hlog: Option<PathBuf>,
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
            network: Network::Epoll,
            cpus: CpuList::from_iter([]),
            keys: 100_000,
            key_prefix: DEFAULT_PREFIX.to_owned(),
            distribution: Distribution::Uniform,
            values: Values::new(64, 64),
            mix: Mix::only(Kind::Get),
            members: 16,
            expire: None,
            churn: None,
            auto_batch: false,
            burst: 1,
            poll: Duration::ZERO,
            seed: 1,
            pace: Pace::Closed,
            warmup: Duration::ZERO,
            extent: Extent::Time(Duration::from_secs(1)),
            preload: true,
            verify: false,
            server_pid: None,
            hlog: None,
        }
    }

    /// About the bytes of the largest request's values.
    fn largest_request(&self) -> usize {
        let elements = self.mix.shares().iter().map(|share| share.elements as usize).max().unwrap_or(1);
        elements.saturating_mul(self.values.max())
    }

    /// Requests that a connection gets before it is closed.
    fn requests_per_connection(&self) -> u64 {
        self.churn.unwrap_or(u64::MAX)
    }

    /// Weights of GET and SET, if the run can do with plain requests: nothing else is asked, nobody looks at what the
    /// replies hold, and nothing is added to a SET.
    fn plain(&self) -> Option<requests::Shares> {
        self.mix.plain().filter(|_| !self.verify && self.expire.is_none())
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
            (!self.mix.shares().is_empty(), "the mix needs a command with a weight above 0".to_owned()),
            (
                (1..=MAX_MEMBERS).contains(&self.members),
                format!("the number of members is 1 to {MAX_MEMBERS}"),
            ),
            (
                self.expire.is_none_or(|(shortest, longest)| (1..=longest).contains(&shortest)),
                "a lifetime is at least 1 ms, and the shortest not above the longest".to_owned(),
            ),
            (self.churn != Some(0), "a connection has at least 1 request".to_owned()),
            (
                !self.auto_batch || self.pace != Pace::Closed,
                "automatic batching is for the open loop: give a rate".to_owned(),
            ),
            (
                (1..=self.pipeline).contains(&self.burst),
                "a burst is at least one request, and at most the pipeline's depth".to_owned(),
            ),
            (
                self.burst == 1 || self.pace != Pace::Closed,
                "bursts are for the open loop: give a rate".to_owned(),
            ),
            (
                !self.verify || self.keys <= MAX_VERIFIED_KEYS,
                format!("verification holds at most {MAX_VERIFIED_KEYS} keys"),
            ),
            (
                !self.verify || self.keys >= self.connections as u64,
                "verification needs a key for each connection, which alone writes it".to_owned(),
            ),
            (
                self.pipeline.saturating_mul(self.largest_request()) <= MAX_BATCH_BYTES,
                format!("a pipeline of values is at most {MAX_BATCH_BYTES} bytes"),
            ),
            (
                !matches!(self.distribution, Distribution::Zipf(exponent) if !(exponent > 0.0 && exponent <= 10.0)),
                "the Zipf exponent is above 0 and at most 10".to_owned(),
            ),
            (
                !matches!(self.distribution, Distribution::Hot(share) if !(0.0..=1.0).contains(&share)),
                "the hot key's share is 0 to 1".to_owned(),
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
