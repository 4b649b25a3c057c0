//! One measurement of growth: a row's call at one size on one server.

use super::ServerError;
use super::client::Client;
use super::datasets::Dataset;
use super::growth_rows::{Effect, Row};
use std::io;
use std::time::{Duration, Instant};

/// The key that holds the data, one that holds the same, and the copy that calls may change.
const DATA: &str = "data";
const OTHER: &str = "other";
const WORK: &str = "work";

/// A sample consists of so many calls in one pipeline that it lasts about this long.
const SAMPLE: Duration = Duration::from_micros(400);

/// Calls in one pipeline; the largest of these that the sample's time allows.
const PIPELINES: [usize; 4] = [1, 4, 16, 64];

/// Samples of a cell: at most so many, and at least two, within this time.
const SAMPLES: usize = 7;
const BUDGET: Duration = Duration::from_millis(500);

/// What a call costs, in microseconds over what a PING costs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// It was answered.
    Time {
        /// The quickest sample: what is the least disturbed by anything else.
        best: f64,
        /// The one in the middle.
        median: f64,
    },
    /// The server answered with this error.
    Refused(String),
}

impl Cell {
    /// The quickest sample.
    pub fn best(&self) -> Option<f64> {
        match self {
            Cell::Time { best, .. } => Some(*best),
            Cell::Refused(_) => None,
        }
    }
}

/// Empties the server and gives it the data, and the same once more.
pub(super) fn fill(client: &mut Client, data: Dataset, n: usize) -> Result<(), ServerError> {
    expect(client, &["FLUSHALL", "SYNC"])?;
    data.fill(client, DATA, n)?;
    if data != Dataset::Keys {
        expect(client, &["COPY", DATA, OTHER])?;
    }
    Ok(())
}

/// Makes the row's call possible, and says what to send.
pub(super) fn prepare(client: &mut Client, row: &Row, n: usize) -> Result<Vec<String>, ServerError> {
    let key = match (row.effect, row.data) {
        (Effect::Consumes, Dataset::Keys) => {
            row.data.fill(client, DATA, n)?;
            DATA
        }
        (Effect::Reads, _) | (_, Dataset::Keys) => DATA,
        _ => {
            expect(client, &["COPY", DATA, WORK, "REPLACE"])?;
            WORK
        }
    };
    Ok(row.words(key, OTHER, n))
}

fn expect(client: &mut Client, words: &[&str]) -> Result<(), ServerError> {
    let refused = |first| ServerError::Replies { errors: 1, first };
    client.call(words)?.map_err(refused)
}

/// Measures the row's call on data of `n` elements, which [`fill`] has put there.
pub(super) fn measure(client: &mut Client, row: &Row, n: usize) -> Result<Cell, ServerError> {
    let mut words = prepare(client, row, n)?;
    // The first call is not counted: it pays for what is touched for the first time.
    let started = Instant::now();
    if let Err(error) = client.call(&words)? {
        return Ok(Cell::Refused(error));
    }
    let first = started.elapsed();
    let calls = if row.effect == Effect::Consumes {
        1
    } else {
        let wanted = SAMPLE.as_nanos() / first.as_nanos().max(1);
        PIPELINES.into_iter().rev().find(|&calls| calls as u128 <= wanted).unwrap_or(1)
    };
    let ping = least_ping(client, calls)?;
    let (mut samples, begun) = (Vec::new(), Instant::now());
    while samples.len() < 2 || (samples.len() < SAMPLES && begun.elapsed() < BUDGET) {
        if row.effect == Effect::Consumes {
            words = prepare(client, row, n)?;
        }
        let took = pipeline(client, &words, calls)?;
        samples.push(took.saturating_sub(ping).as_secs_f64() * 1e6 / calls as f64);
    }
    client.verdict()?;
    samples.sort_by(f64::total_cmp);
    Ok(Cell::Time { best: samples[0], median: samples[samples.len() / 2] })
}

fn least_ping(client: &mut Client, calls: usize) -> io::Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..20 {
        least = least.min(pipeline(client, &["PING"], calls)?);
    }
    Ok(least)
}

fn pipeline<W: AsRef<[u8]>>(client: &mut Client, words: &[W], calls: usize) -> io::Result<Duration> {
    for _ in 0..calls {
        client.push(words);
    }
    let started = Instant::now();
    client.send()?;
    for _ in 0..calls {
        client.reply()?;
    }
    Ok(started.elapsed())
}
