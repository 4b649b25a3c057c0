//! The figures of a table, from the samples of its rounds.

use crate::load::LoadReport;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked of the servers in one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Requests in flight on each connection.
    pub depth: usize,
    /// SET, or else GET.
    pub set: bool,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "depth {} {}", self.depth, if self.set { "SET" } else { "GET" })
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The server's name.
    pub server: String,
    /// What was asked of it.
    pub shape: Shape,
    /// In which round, from 0.
    pub round: usize,
    /// What was found.
    pub report: LoadReport,
}

impl Sample {
    fn cpu(&self) -> Option<f64> {
        self.report.server.map(|server| server.us_per_op)
    }
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Range {
    /// `2.50 (1.25 to 3.75)` with so many digits.
    pub fn text(self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.min, self.max)
    }

    /// Of these figures; `None` if there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Range> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Range { median, min, max })
    }
}

/// Between which two of these figures the median of what they were drawn from lies, with a certainty of at least 95 %, whatever the
/// distribution; `None` for less than six, which cannot say.
pub fn median_interval(figures: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    // Probability that the `place` lowest are all below the median and no other is, summed up to the place that leaves 2.5 % on each side.
    let (mut one, mut below, mut place) = (0.5_f64.powi(i32::try_from(count).ok()?), 0.0, 0);
    while below + one <= 0.025 {
        below += one;
        place += 1;
        one *= (count + 1 - place) as f64 / place as f64;
    }
    (place > 0).then(|| (sorted[place - 1], sorted[count - place]))
}

/// A line of the table: one server, one shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was asked.
    pub shape: Shape,
    /// The server's name.
    pub server: String,
    /// Rounds measured.
    pub rounds: usize,
    /// Operations per second.
    pub ops_per_second: Range,
    /// Median latency in microseconds.
    pub p50_us: Range,
    /// 99th percentile.
    pub p99_us: Range,
    /// 99.9th percentile.
    pub p999_us: Range,
    /// The server's CPU time, in microseconds per operation.
    pub server_cpu_us: Range,
    /// The generator's.
    pub generator_cpu_us: Range,
    /// The server's CPU time per operation as a multiple of the null server's in the same round.
    pub to_null: Option<Range>,
    /// The same as a multiple of the reference server's.
    pub to_reference: Option<Range>,
}

/// The table. `nulls` are the null servers' names: for each shape the one with the lower median is what others are
/// compared with; `reference` is the name of the other yardstick.
pub fn rows(
    samples: &[Sample],
    servers: &[String],
    shapes: &[Shape],
    nulls: &[String],
    reference: &str,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for &shape in shapes {
        let null = cheapest(samples, shape, nulls);
        for server in servers {
            let own: Vec<&Sample> = select(samples, shape, server).collect();
            let range = |figure: fn(&Sample) -> f64| Range::of(own.iter().map(|sample| figure(sample)));
            let row = || {
                Some(Row {
                    shape,
                    server: server.clone(),
                    rounds: own.len(),
                    ops_per_second: range(|sample| sample.report.ops_per_second)?,
                    p50_us: range(|sample| sample.report.latency_us.p50)?,
                    p99_us: range(|sample| sample.report.latency_us.p99)?,
                    p999_us: range(|sample| sample.report.latency_us.p999)?,
                    server_cpu_us: Range::of(own.iter().filter_map(|sample| sample.cpu()))?,
                    generator_cpu_us: range(|sample| sample.report.generator.us_per_op)?,
                    to_null: null.and_then(|null| ratio(samples, shape, server, null)),
                    to_reference: ratio(samples, shape, server, reference),
                })
            };
            rows.extend(row());
        }
    }
    rows
}

fn select<'a>(samples: &'a [Sample], shape: Shape, server: &'a str) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |sample| sample.shape == shape && sample.server == server)
}

fn cheapest<'a>(samples: &[Sample], shape: Shape, names: &'a [String]) -> Option<&'a str> {
    let median = |name: &str| {
        Range::of(select(samples, shape, name).filter_map(Sample::cpu)).map(|range| range.median)
    };
    let known = names.iter().filter_map(|name| Some((median(name)?, name.as_str())));
    known.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The ratio of two servers' CPU time per operation over the rounds that have both.
fn ratio(samples: &[Sample], shape: Shape, server: &str, yardstick: &str) -> Option<Range> {
    let pairs = select(samples, shape, server).filter_map(|own| {
        let other = select(samples, shape, yardstick).find(|other| other.round == own.round)?;
        other.cpu().filter(|&cpu| cpu > 0.0).and_then(|cpu| Some(own.cpu()? / cpu))
    });
    Range::of(pairs)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::{Latency, OwnCost, ServerCost};

    pub fn sample(server: &str, shape: Shape, round: usize, cpu: f64) -> Sample {
        let report = LoadReport {
            requests: 100,
            completed: 100,
            seconds: 1.0,
            ops_per_second: 1e6 / cpu,
            target_ops_per_second: None,
            latency_us: Latency { p50: 10.0 * cpu, p99: 20.0, p999: 30.0, ..Latency::default() },
            own_delay_us: None,
            hits: 100,
            misses: 0,
            errors: 0,
            first_error: None,
            verified: false,
            mismatches: 0,
            first_mismatch: None,
            unanswered: 0,
            interrupted: false,
            generator: OwnCost {
                us_per_op: 0.05,
                user_seconds: 0.1,
                system_seconds: 0.2,
                busiest_thread: 0.3,
            },
            server: Some(ServerCost { us_per_op: cpu, seconds: 1.0, cpus: 1.0 }),
            ..LoadReport::default()
        };
        Sample { server: server.to_owned(), shape, round, report }
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(Range::of([]), None);
        assert_eq!(Range::of([3.0, 1.0, 2.0]), Some(Range { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Range::of([4.0, 1.0, 2.0, 8.0]), Some(Range { median: 3.0, min: 1.0, max: 8.0 }));
    }

    #[test]
    fn intervals_of_medians_are_those_of_the_tables() {
        let upto = |count: u32| (1..=count).map(f64::from);
        assert_eq!(median_interval(upto(5)), None);
        assert_eq!(median_interval(upto(6)), Some((1.0, 6.0)));
        assert_eq!(median_interval(upto(9)), Some((2.0, 8.0)));
        assert_eq!(median_interval(upto(15)), Some((4.0, 12.0)));
        assert_eq!(median_interval(upto(25)), Some((8.0, 18.0)));
    }

    #[test]
    fn ratios_compare_within_a_round() {
        let shape = Shape { depth: 16, set: true };
        let other = Shape { depth: 16, set: false };
        let names = ["null a", "null b", "kevy", "boxcar"].map(str::to_owned);
        // The machine is three times slower in the second round: ratios must not notice.
        let mut samples = Vec::new();
        for (round, slow) in [1.0, 3.0, 1.0].into_iter().enumerate() {
            samples.push(sample("null a", shape, round, 0.2 * slow));
            samples.push(sample("null b", shape, round, 0.1 * slow));
            samples.push(sample("kevy", shape, round, 0.4 * slow));
            samples.push(sample("boxcar", shape, round, 0.3 * slow));
            samples.push(sample("boxcar", other, round, 9.0));
        }
        let rows = rows(&samples, &names, &[shape], &names[..2], "kevy");
        assert_eq!(rows.len(), 4);
        let boxcar = &rows[3];
        assert_eq!((boxcar.server.as_str(), boxcar.rounds), ("boxcar", 3));
        let close = |range: Option<Range>, expected: f64| {
            let range = range.unwrap();
            [range.median, range.min, range.max].iter().all(|figure| (figure - expected).abs() < 1e-9)
        };
        assert!(close(boxcar.to_null, 3.0) && close(boxcar.to_reference, 0.75), "{boxcar:?}");
        assert!(
            (boxcar.server_cpu_us.median - 0.3).abs() < 1e-9 && (boxcar.server_cpu_us.max - 0.9).abs() < 1e-9
        );
    }

    #[test]
    fn a_missing_server_leaves_no_row_and_no_ratio() {
        let shape = Shape { depth: 1, set: false };
        let names = ["kevy", "boxcar"].map(str::to_owned);
        let rows = rows(&[sample("boxcar", shape, 0, 3.0)], &names, &[shape], &[], "kevy");
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].to_null, rows[0].to_reference), (None, None));
    }
}
