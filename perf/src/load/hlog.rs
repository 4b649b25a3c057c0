//! A log of latencies by interval, in HdrHistogram's format (`.hlog`): one compressed histogram a line, with the time
//! it began, its length, and a tag that names the part of the mix.
//!
//! Each worker records into histograms of its own and sends them off when an interval has ended. Here they are put
//! together, and a line is written once every worker is past its interval; so the log grows while the run lasts, and
//! no more than a few intervals are in memory.

use super::tally::histogram;
use super::{LoadError, LoadOptions};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, Tag};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Length of an interval.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// What one worker recorded in one interval: a part of the mix (`None`: unknown) and its latencies in nanoseconds.
#[derive(Debug)]
pub(super) struct Interval {
    pub worker: usize,
    pub number: u64,
    pub recorded: Vec<(Option<u16>, Histogram<u64>)>,
}

/// A worker's side: what it has recorded in the interval under way.
pub(super) struct Recorder {
    worker: usize,
    /// When the interval under way ends, in nanoseconds of the run's clock.
    ends_at: u64,
    number: u64,
    /// One for each part of the mix, and one for what belongs to none.
    current: Vec<Histogram<u64>>,
    deliver: Box<dyn FnMut(Interval) + Send>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder(worker {}, interval {})", self.worker, self.number)
    }
}

impl Recorder {
    /// A recorder for `rows` parts of a mix whose first interval begins at `start` nanoseconds of the run's clock.
    pub fn new(
        worker: usize,
        rows: usize,
        start: u64,
        deliver: impl FnMut(Interval) + Send + 'static,
    ) -> Recorder {
        Recorder {
            worker,
            ends_at: start + INTERVAL.as_nanos() as u64,
            number: 0,
            current: (0..=rows).map(|_| histogram()).collect(),
            deliver: Box::new(deliver),
        }
    }

    /// Records `count` latencies.
    pub fn record(&mut self, nanoseconds: u64, count: u64, share: Option<u16>) {
        let last = self.current.len() - 1;
        let index = share.map_or(last, |share| usize::from(share).min(last));
        self.current[index].saturating_record_n(nanoseconds, count);
    }

    /// Sends off the interval under way if it has ended.
    #[inline]
    pub fn advance(&mut self, now: u64) {
        if now >= self.ends_at {
            self.deliver();
            let passed = (now - self.ends_at) / INTERVAL.as_nanos() as u64;
            self.number += passed;
            self.ends_at += (1 + passed) * INTERVAL.as_nanos() as u64;
        }
    }

    /// Sends off what is left.
    pub fn finish(mut self) {
        self.deliver();
    }

    fn deliver(&mut self) {
        let last = self.current.len() - 1;
        let mut recorded = Vec::new();
        for (index, histogram) in self.current.iter_mut().enumerate() {
            if !histogram.is_empty() {
                recorded.push(((index < last).then_some(index as u16), histogram.clone()));
                histogram.reset();
            }
        }
        (self.deliver)(Interval { worker: self.worker, number: self.number, recorded });
        self.number += 1;
    }
}

/// The log's file and what is not written yet.
pub(super) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    serializer: V2DeflateSerializer,
    /// Tags of the parts of the mix; a run without a journal has one for all.
    tags: Vec<String>,
    whole: Option<String>,
}

impl Log {
    /// Creates the file that the options name, if they do.
    pub fn create(options: &LoadOptions) -> Result<Option<Log>, LoadError> {
        let Some(path) = &options.hlog else { return Ok(None) };
        let file = File::create(path).map_err(|source| LoadError::Log { path: path.clone(), source })?;
        let tags: Vec<String> = options.mix.shares().iter().map(super::mix::Share::name).collect();
        // Replies to a mix without a journal are not told apart.
        let whole = if tags.len() == 1 { tags.first().cloned() } else { None };
        let file = BufWriter::new(file);
        Ok(Some(Log { path: path.clone(), file, serializer: V2DeflateSerializer::new(), tags, whole }))
    }

    /// Writes the header; lines follow by [`Lines::take`]. The first interval begins at `start`.
    pub fn begin(&mut self, start: SystemTime, workers: usize) -> Result<Lines<'_>, LoadError> {
        let failed = |source| LoadError::Log { path: self.path.clone(), source };
        let writer = IntervalLogWriterBuilder::new()
            .add_comment("[Logged with boxcar-load; latencies in nanoseconds, Interval_Max in milliseconds]")
            .with_start_time(start)
            .with_base_time(start)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut self.file, &mut self.serializer)
            .map_err(failed)?;
        Ok(Lines {
            path: &self.path,
            writer,
            tags: &self.tags,
            whole: self.whole.as_deref(),
            pending: BTreeMap::new(),
            reached: vec![0; workers],
        })
    }

    /// Writes what is buffered.
    pub fn close(mut self) -> Result<(), LoadError> {
        self.file.flush().map_err(|source| LoadError::Log { path: self.path.clone(), source })
    }
}

/// The lines of a log.
pub(super) struct Lines<'l> {
    path: &'l PathBuf,
    writer: IntervalLogWriter<'l, 'l, BufWriter<File>, V2DeflateSerializer>,
    tags: &'l [String],
    whole: Option<&'l str>,
    pending: BTreeMap<u64, BTreeMap<Option<u16>, Histogram<u64>>>,
    /// The interval that each worker is in, or past.
    reached: Vec<u64>,
}

impl Lines<'_> {
    /// Takes what a worker recorded, and writes the intervals that all workers are past.
    pub fn take(&mut self, interval: Interval) -> Result<(), LoadError> {
        let sums = self.pending.entry(interval.number).or_default();
        for (share, recorded) in interval.recorded {
            let sum = sums.entry(share).or_insert_with(histogram);
            sum.add(&recorded).expect("all histograms have the same bounds");
        }
        self.reached[interval.worker] = interval.number + 1;
        let past = self.reached.iter().copied().min().unwrap_or(0);
        self.write_before(past)
    }

    /// Writes all that is left.
    pub fn finish(&mut self) -> Result<(), LoadError> {
        self.write_before(u64::MAX)
    }

    fn write_before(&mut self, past: u64) -> Result<(), LoadError> {
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() < past) {
            let (number, sums) = entry.remove_entry();
            for (share, sum) in sums {
                let name = share.map_or(self.whole, |share| Some(self.tags[usize::from(share)].as_str()));
                let tag = name.and_then(Tag::new);
                let start = INTERVAL * u32::try_from(number).unwrap_or(u32::MAX);
                self.writer.write_histogram(&sum, start, INTERVAL, tag).map_err(|error| {
                    let source = io::Error::other(format!("{error:?}"));
                    LoadError::Log { path: self.path.clone(), source }
                })?;
            }
        }
        Ok(())
    }
}
