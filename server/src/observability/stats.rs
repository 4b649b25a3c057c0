//! Counters: one block per thread, written by that thread alone and summed by readers.
//!
//! A shared counter would make every core fight for one cache line; a block per thread costs a plain add.

use super::defragmentation::DefragmentationFigures;
use super::expiry::ExpiryFigures;
use super::histogram::{Histogram, Snapshot};
use super::stages::{self, Sample, StageHistograms};
use boxcar_sys::Counters;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A counter with one writing thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning thread may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets it back. Only the owning thread may call this.
    pub fn take(&self) -> u64 {
        let value = self.get();
        self.reset();
        value
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// The plain counters of one thread, since start or the last `CONFIG RESETSTAT`.
        #[derive(Debug, Default)]
        pub struct Metrics { $($(#[$doc])* pub $field: Counter,)* }

        /// The sum of all threads' [`Metrics`] at one moment.
        #[derive(Debug, Default, Clone, Copy)]
        pub struct Totals { $($(#[$doc])* pub $field: u64,)* }

        impl Metrics {
            fn add_to(&self, totals: &mut Totals) { $(totals.$field += self.$field.get();)* }
            fn reset(&self) { $(self.$field.reset();)* }
        }
    };
}

metrics! {
    /// Accepted connections.
    connections_received,
    /// Connections refused because of `maxclients` or protected mode.
    connections_rejected,
    /// Commands executed.
    commands_processed,
    /// Bytes read from clients.
    net_input_bytes,
    /// Bytes written to clients.
    net_output_bytes,
    /// Lookups for reading that found their key.
    keyspace_hits,
    /// Lookups for reading that found nothing.
    keyspace_misses,
    /// Keys removed because their time had come.
    expired_keys,
    /// Fields of hashes removed because their time had come.
    expired_fields,
    /// Keys removed to make room.
    evicted_keys,
    /// Changes to the data set (`rdb_changes_since_last_save` counts from here).
    changes,
    /// Error replies sent.
    error_replies,
    /// Receives that brought at least one command.
    reads_processed,
    /// Sends of replies.
    writes_processed,
    /// Batches handed to worker threads.
    batches_dispatched,
    /// Requests executed together with those of other connections.
    requests_gathered,
    /// Runs that met a held shard lock, or an inbox without room for their messages, and were parked.
    runs_parked,
    /// Times a sleeping worker had to be woken.
    worker_wakeups,
    /// Failed authentications.
    auth_failures,
    /// Connections closed because a query buffer outgrew its limit.
    query_buffer_limit_disconnections,
    /// Connections closed because an output buffer outgrew its limit.
    output_buffer_limit_disconnections,
}

/// What one thread counted for one command.
#[derive(Debug, Default)]
pub struct CommandCounters {
    /// Executions.
    pub calls: Counter,
    /// Total execution time in nanoseconds.
    pub nanos: Counter,
    /// Refused before execution (arity, permissions, ...).
    pub rejected: Counter,
    /// Executed and answered with an error.
    pub failed: Counter,
    latencies: OnceLock<Histogram>,
}

impl CommandCounters {
    /// Adds one duration to the latency distribution.
    pub fn record_latency(&self, nanos: u64) {
        self.latencies.get_or_init(Histogram::default).record(nanos);
    }
}

/// The sum over all threads for one command.
#[derive(Debug, Default, Clone, Copy)]
pub struct CommandTotals {
    /// Executions.
    pub calls: u64,
    /// Total execution time in nanoseconds.
    pub nanos: u64,
    /// Refused before execution.
    pub rejected: u64,
    /// Executed and answered with an error.
    pub failed: u64,
}

/// The counters of one thread.
#[derive(Debug)]
pub struct ThreadStats {
    /// The thread's name, as INFO and tools show it.
    pub name: String,
    /// Plain counters.
    pub metrics: Metrics,
    /// Bytes, as a signed number, by which this thread changed the data set and which nobody else knows of yet.
    pub memory_debt: Counter,
    /// One entry per command row, indexed by command id.
    pub commands: Box<[CommandCounters]>,
    stages: OnceLock<StageHistograms>,
    /// The counters of the thread's driver, if it has one, as it last published them.
    driver: [AtomicU64; Counters::COUNT],
}

impl ThreadStats {
    /// Records where the time of a sampled request went. Only the owning thread may call this.
    pub fn record_stages(&self, sample: &Sample) {
        self.stages.get_or_init(StageHistograms::default).record(sample);
    }

    /// Shows the driver's counters to other threads.
    pub fn publish_driver(&self, counters: &Counters) {
        for (shown, (_, value)) in self.driver.iter().zip(counters.rows()) {
            shown.store(value, Relaxed);
        }
    }
}

/// All threads' counters, and the rarely written shared ones.
#[derive(Debug)]
pub struct Stats {
    commands: usize,
    threads: Mutex<Vec<Arc<ThreadStats>>>,
    /// Error replies by their code (the word before the first space), as `INFO errorstats` lists them.
    errors: Mutex<Vec<(String, u64)>>,
    sampler: Sampler,
    /// The active expiry cycle.
    pub expiry: ExpiryFigures,
    /// Active defragmentation.
    pub defragmentation: DefragmentationFigures,
}

/// Upper bound of distinct error codes kept; a script could invent them without end.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    /// Counters for `commands` command rows.
    pub fn new(commands: usize) -> Self {
        Self {
            commands,
            threads: Mutex::default(),
            errors: Mutex::default(),
            sampler: Sampler::default(),
            expiry: ExpiryFigures::default(),
            defragmentation: DefragmentationFigures::default(),
        }
    }

    /// The block of a new thread.
    pub fn register(&self, name: &str) -> Arc<ThreadStats> {
        let block = Arc::new(ThreadStats {
            name: name.to_owned(),
            metrics: Metrics::default(),
            memory_debt: Counter::default(),
            commands: (0..self.commands).map(|_| CommandCounters::default()).collect(),
            stages: OnceLock::new(),
            driver: [const { AtomicU64::new(0) }; Counters::COUNT],
        });
        self.threads().push(Arc::clone(&block));
        block
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Arc<ThreadStats>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sum over all threads.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for thread in self.threads().iter() {
            thread.metrics.add_to(&mut totals);
        }
        totals
    }

    /// The counters of all threads' drivers, each added up, by name.
    pub fn driver_totals(&self) -> [(&'static str, u64); Counters::COUNT] {
        let mut totals = Counters::default().rows();
        for thread in self.threads().iter() {
            for (total, shown) in totals.iter_mut().zip(&thread.driver) {
                total.1 += shown.load(Relaxed);
            }
        }
        totals
    }

    /// The sum over all threads for the command with this id.
    pub fn command(&self, id: usize) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for thread in self.threads().iter() {
            let counters = &thread.commands[id];
            totals.calls += counters.calls.get();
            totals.nanos += counters.nanos.get();
            totals.rejected += counters.rejected.get();
            totals.failed += counters.failed.get();
        }
        totals
    }

    /// The latency distribution of the command with this id.
    pub fn command_latency(&self, id: usize) -> Snapshot {
        let mut sum = Snapshot::default();
        for thread in self.threads().iter() {
            if let Some(histogram) = thread.commands[id].latencies.get() {
                histogram.add_to(&mut sum);
            }
        }
        sum
    }

    /// Clears the latency distributions of the command with this id.
    pub fn reset_command_latency(&self, id: usize) {
        for thread in self.threads().iter() {
            if let Some(histogram) = thread.commands[id].latencies.get() {
                histogram.reset();
            }
        }
    }

    /// The distribution of each stage's time over all sampled requests.
    pub fn stages(&self) -> [Snapshot; stages::COUNT] {
        let mut sums = Default::default();
        for histograms in self.threads().iter().filter_map(|thread| thread.stages.get()) {
            histograms.add_to(&mut sums);
        }
        sums
    }

    /// Forgets the sampled requests.
    pub fn reset_stages(&self) {
        for histograms in self.threads().iter().filter_map(|thread| thread.stages.get()) {
            histograms.reset();
        }
    }

    /// Counts an error reply by its code.
    pub fn count_error(&self, text: &str) {
        let code = text.split([' ', '\r', '\n']).next().unwrap_or_default();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = errors.iter_mut().find(|row| row.0 == code) {
            row.1 += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.push((code.to_owned(), 1));
        }
    }

    /// Error codes and how often each was sent.
    pub fn errors(&self) -> Vec<(String, u64)> {
        let mut rows = self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rows.sort();
        rows
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        for thread in self.threads().iter() {
            thread.metrics.reset();
            for counters in &thread.commands {
                counters.calls.reset();
                counters.nanos.reset();
                counters.rejected.reset();
                counters.failed.reset();
                if let Some(histogram) = counters.latencies.get() {
                    histogram.reset();
                }
            }
        }
        self.reset_stages();
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.sampler.reset();
        self.expiry.reset();
        self.defragmentation.reset();
    }

    /// Takes a sample for the instantaneous rates; to be called about ten times a second.
    pub fn sample(&self, now_us: u64) {
        self.sampler.take(now_us, &self.totals());
    }

    /// Commands per second, input bytes per second, output bytes per second over the last 16 samples.
    pub fn rates(&self) -> [u64; 3] {
        self.sampler.rates()
    }
}

/// Samples kept by [`Sampler`], as Redis's `STATS_METRIC_SAMPLES`.
const SAMPLES: usize = 16;

#[derive(Debug, Default)]
struct Sampler(Mutex<SamplerState>);

#[derive(Debug, Default)]
struct SamplerState {
    last_us: u64,
    last: [u64; 3],
    samples: [[u64; 3]; SAMPLES],
    next: usize,
}

impl Sampler {
    fn state(&self) -> std::sync::MutexGuard<'_, SamplerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now_us: u64, totals: &Totals) {
        let current = [totals.commands_processed, totals.net_input_bytes, totals.net_output_bytes];
        let mut state = self.state();
        let elapsed = now_us.saturating_sub(state.last_us);
        if elapsed > 0 && state.last_us > 0 {
            let next = state.next;
            for (metric, value) in current.iter().enumerate() {
                let delta = value.saturating_sub(state.last[metric]);
                state.samples[next][metric] = (u128::from(delta) * 1_000_000 / u128::from(elapsed)) as u64;
            }
            state.next = (next + 1) % SAMPLES;
        }
        state.last_us = now_us;
        state.last = current;
    }

    fn rates(&self) -> [u64; 3] {
        let state = self.state();
        std::array::from_fn(|metric| {
            state.samples.iter().map(|sample| sample[metric]).sum::<u64>() / SAMPLES as u64
        })
    }

    fn reset(&self) {
        *self.state() = SamplerState::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_threads_and_resets() {
        let stats = Stats::new(2);
        let (a, b) = (stats.register("a"), stats.register("b"));
        a.metrics.keyspace_hits.add(2);
        b.metrics.keyspace_hits.add(3);
        a.commands[1].calls.add(1);
        b.commands[1].record_latency(1500);
        assert_eq!(stats.totals().keyspace_hits, 5);
        assert_eq!(stats.command(1).calls, 1);
        assert_eq!(stats.command_latency(1).count(), 1);
        stats.count_error("WRONGTYPE Operation");
        stats.count_error("WRONGTYPE again");
        assert_eq!(stats.errors(), [("WRONGTYPE".to_owned(), 2)]);
        stats.reset();
        assert_eq!(stats.totals().keyspace_hits, 0);
        assert_eq!(stats.command_latency(1).count(), 0);
        assert!(stats.errors().is_empty());
    }

    #[test]
    fn rates_follow_the_samples() {
        let stats = Stats::new(0);
        let thread = stats.register("t");
        stats.sample(1_000_000);
        for second in 2..40u64 {
            thread.metrics.commands_processed.add(1000);
            stats.sample(second * 1_000_000);
        }
        assert_eq!(stats.rates()[0], 1000);
    }
}
