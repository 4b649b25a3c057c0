//! What a worker counts, and how the workers' counts are put together.

use super::connection::{Answer, Arrived, Outcome};
use super::hlog::Recorder;
use crate::cost::{ProcessClock, ThreadCost};
use hdrhistogram::Histogram;
use std::time::Duration;

/// Latencies are kept from 1 ns to one hour, with three significant digits; a longer one counts as an hour.
const LONGEST: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("constant bounds are valid")
}

/// The counts of one worker, or of all.
#[derive(Debug)]
pub(super) struct Tally {
    /// Latencies in nanoseconds of the measured requests.
    pub latency: Histogram<u64>,
    /// Open loop: how late the generator itself was, in nanoseconds, for requests that nothing else held back.
    pub lag: Histogram<u64>,
    /// Replies that arrived in the measured window.
    pub completed: u64,
    /// GETs that found something, in the whole run.
    pub values: u64,
    /// GETs that found nothing, in the whole run.
    pub nulls: u64,
    pub errors: u64,
    pub mismatches: u64,
    /// Measured requests that nobody answered before the run gave up waiting.
    pub unanswered: u64,
    pub error: Option<String>,
    pub mismatch: Option<String>,
    pub windows: Vec<Span>,
    /// For each part of the mix, if a journal is kept.
    pub rows: Vec<RowTally>,
    /// Requests sent in the whole run, and the writes that they left in.
    pub requests_sent: u64,
    pub writes: u64,
    /// Connections closed and opened anew.
    pub reconnects: u64,
    /// Latencies by interval, if a log of them is kept.
    pub log: Option<Recorder>,
}

/// The counts of a part of the mix.
#[derive(Debug, Clone)]
pub(super) struct RowTally {
    /// Latencies in nanoseconds of the measured requests.
    pub latency: Histogram<u64>,
    /// Replies that brought nothing, errors and wrong ones, in the whole run.
    pub nothing: u64,
    pub errors: u64,
    pub mismatches: u64,
}

impl RowTally {
    fn new() -> RowTally {
        RowTally { latency: histogram(), nothing: 0, errors: 0, mismatches: 0 }
    }
}

/// The measured part of a worker's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of the worker.
    pub own: ThreadCost,
    /// How much of it went into looking for what had not come yet.
    pub idle: Duration,
    /// CPU time of the server, if this worker watches it.
    pub server: Option<Duration>,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            latency: histogram(),
            lag: histogram(),
            completed: 0,
            values: 0,
            nulls: 0,
            errors: 0,
            mismatches: 0,
            unanswered: 0,
            error: None,
            mismatch: None,
            windows: Vec::new(),
            rows: Vec::new(),
            requests_sent: 0,
            writes: 0,
            reconnects: 0,
            log: None,
        }
    }

    /// Counts for `rows` parts of the mix, too.
    pub fn with_rows(rows: usize) -> Tally {
        Tally { rows: (0..rows).map(|_| RowTally::new()).collect(), ..Tally::new() }
    }

    /// Records the latency of `replies` requests at once; `answers` is what the journal knows of them.
    #[inline]
    pub fn record(&mut self, nanoseconds: u64, replies: u64, answers: &[Answer]) {
        if answers.is_empty() {
            self.latency.saturating_record_n(nanoseconds, replies);
            if let Some(log) = &mut self.log {
                log.record(nanoseconds, replies, None);
            }
        } else {
            for answer in answers {
                self.record_one(nanoseconds, Some(answer.share));
            }
        }
    }

    /// Records the latency of a request, of this part of the mix if that is known.
    #[inline]
    pub fn record_one(&mut self, nanoseconds: u64, share: Option<u16>) {
        self.latency.saturating_record(nanoseconds);
        if let Some(row) = share.and_then(|share| self.rows.get_mut(usize::from(share))) {
            row.latency.saturating_record(nanoseconds);
        }
        if let Some(log) = &mut self.log {
            log.record(nanoseconds, 1, share);
        }
    }

    /// Counts a write of `requests` requests.
    #[inline]
    pub fn sent(&mut self, requests: u64) {
        self.requests_sent += requests;
        self.writes += 1;
    }

    /// Sends off the intervals that have ended.
    #[inline]
    pub fn advance_log(&mut self, now: u64) {
        if let Some(log) = &mut self.log {
            log.advance(now);
        }
    }

    /// Counts what does not depend on the window.
    #[inline]
    pub fn note(&mut self, arrived: &mut Arrived, answers: &[Answer]) {
        self.values += u64::from(arrived.values);
        self.nulls += u64::from(arrived.nulls);
        if arrived.errors + arrived.mismatches > 0 || !answers.is_empty() {
            self.note_closely(arrived, answers);
        }
    }

    fn note_closely(&mut self, arrived: &mut Arrived, answers: &[Answer]) {
        self.errors += u64::from(arrived.errors);
        self.mismatches += u64::from(arrived.mismatches);
        if self.error.is_none() {
            self.error = arrived.error.take();
        }
        if self.mismatch.is_none() {
            self.mismatch = arrived.mismatch.take();
        }
        for answer in answers {
            let Some(row) = self.rows.get_mut(usize::from(answer.share)) else { continue };
            match answer.outcome {
                Outcome::Something => {}
                Outcome::Nothing => row.nothing += 1,
                Outcome::Error => row.errors += 1,
                Outcome::Mismatch => row.mismatches += 1,
            }
        }
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: Tally) {
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.lag.add(&other.lag).expect("all histograms have the same bounds");
        self.completed += other.completed;
        self.values += other.values;
        self.nulls += other.nulls;
        self.errors += other.errors;
        self.mismatches += other.mismatches;
        self.unanswered += other.unanswered;
        self.error = self.error.take().or(other.error);
        self.mismatch = self.mismatch.take().or(other.mismatch);
        self.windows.extend(other.windows);
        self.requests_sent += other.requests_sent;
        self.writes += other.writes;
        self.reconnects += other.reconnects;
        self.rows.resize_with(self.rows.len().max(other.rows.len()), RowTally::new);
        for (own, other) in self.rows.iter_mut().zip(other.rows) {
            own.latency.add(&other.latency).expect("all histograms have the same bounds");
            own.nothing += other.nothing;
            own.errors += other.errors;
            own.mismatches += other.mismatches;
        }
    }
}

/// Opens and closes the measured window of a worker, and reads the clocks at its edges.
#[derive(Debug)]
pub(super) struct Window {
    opens_at: u64,
    server: Option<ProcessClock>,
    opened: Option<Edge>,
    closed: bool,
    idle: u64,
}

#[derive(Debug)]
struct Edge {
    at: u64,
    own: ThreadCost,
    server: Option<Duration>,
}

impl Window {
    /// A window that opens at `opens_at` nanoseconds of the run's clock; `server` is whose CPU time is read.
    pub fn new(opens_at: u64, server: Option<ProcessClock>) -> Window {
        Window { opens_at, server, opened: None, closed: false, idle: 0 }
    }

    /// Whether what arrives now counts.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.opened.is_some() && !self.closed
    }

    /// Opens the window once its time has come.
    #[inline]
    pub fn advance(&mut self, now: u64) {
        if self.opened.is_none() && now >= self.opens_at {
            self.opened = Some(self.edge(now));
        }
    }

    /// So many nanoseconds went into polling for nothing.
    #[inline]
    pub fn idled(&mut self, nanos: u64) {
        if self.is_open() {
            self.idle += nanos;
        }
    }

    /// Closes the window, if it is open, and notes its span.
    pub fn close(&mut self, now: u64, tally: &mut Tally) {
        if self.closed {
            return;
        }
        self.closed = true;
        if let Some(opened) = &self.opened {
            let closed = self.edge(now);
            tally.windows.push(Span {
                wall: Duration::from_nanos(closed.at - opened.at),
                own: closed.own.since(opened.own),
                idle: Duration::from_nanos(self.idle),
                server: closed.server.zip(opened.server).map(|(after, before)| after.saturating_sub(before)),
            });
        }
    }

    fn edge(&self, at: u64) -> Edge {
        // The server may end during the run (that is what a crash test does): its time is then unknown, not an error
        // of the generator's, whose connections will tell.
        let server = self.server.and_then(|clock| clock.read().ok());
        Edge { at, own: ThreadCost::now(), server }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut tally = Tally::new();
        for microseconds in 1..=10_000_u64 {
            tally.latency.record(microseconds * 1_000).unwrap();
        }
        for (quantile, expected) in
            [(0.5, 5_000_000.0), (0.9, 9_000_000.0), (0.99, 9_900_000.0), (0.999, 9_990_000.0)]
        {
            let found = tally.latency.value_at_quantile(quantile) as f64;
            assert!((found / expected - 1.0).abs() < 0.001, "{quantile}: {found}");
        }
    }

    #[test]
    fn tallies_add_up() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        a.latency.record_n(1_000, 99).unwrap();
        b.latency.record_n(9_000_000, 1).unwrap();
        b.note(
            &mut Arrived {
                replies: 3,
                values: 1,
                nulls: 1,
                errors: 1,
                error: Some("ERR x".into()),
                ..Arrived::default()
            },
            &[],
        );
        b.completed = 5;
        a.add(b);
        assert_eq!((a.latency.len(), a.completed, a.values, a.nulls, a.errors), (100, 5, 1, 1, 1));
        assert_eq!(a.error.as_deref(), Some("ERR x"));
        assert!(a.latency.value_at_quantile(0.99) < 1_002 && a.latency.max() >= 8_990_000);
    }

    #[test]
    fn a_window_counts_only_while_open() {
        let (mut tally, mut window) =
            (Tally::new(), Window::new(100, ProcessClock::of(std::process::id()).ok()));
        window.advance(99);
        assert!(!window.is_open());
        window.advance(120);
        assert!(window.is_open());
        window.close(1_120, &mut tally);
        window.close(9_999, &mut tally);
        assert!(!window.is_open());
        assert_eq!(tally.windows.len(), 1);
        assert_eq!(tally.windows[0].wall, Duration::from_nanos(1_000));
        assert!(tally.windows[0].server.is_some());
    }
}
