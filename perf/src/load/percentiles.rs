//! Figures of a histogram of latencies.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Points of a percentile curve for each halving of what is left to 100 %: ten make a curve smooth.
const TICKS: u32 = 10;

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Shortest.
    pub min: f64,
    /// Average.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Longest.
    pub max: f64,
}

impl Latency {
    /// The figures of a histogram of nanoseconds; all zero if it is empty.
    pub(super) fn of(histogram: &Histogram<u64>) -> Latency {
        if histogram.is_empty() {
            return Latency::default();
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            min: histogram.min() as f64 / 1e3,
            mean: histogram.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e3,
        }
    }
}

/// A point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// 0 to 100.
    pub percentile: f64,
    /// So many per cent of the requests took at most this long, in microseconds.
    pub us: f64,
}

/// The percentile curve of a histogram of nanoseconds, from 0 to 100 (the longest), ten points for each halving of what
/// is left to 100; empty if the histogram is.
pub(super) fn curve(histogram: &Histogram<u64>) -> Vec<Percentile> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let mut points: Vec<Percentile> = histogram
        .iter_quantiles(TICKS)
        .map(|value| Percentile {
            percentile: value.quantile_iterated_to() * 100.0,
            us: value.value_iterated_to().min(histogram.max()) as f64 / 1e3,
        })
        .collect();
    // The iterator ends where the last recorded value is reached, which rounding may put a hair before the end.
    if points.last().is_none_or(|last| last.percentile < 100.0) {
        points.push(Percentile { percentile: 100.0, us: histogram.max() as f64 / 1e3 });
    }
    points
}

#[cfg(test)]
mod tests {
    use super::super::tally::histogram;
    use super::*;

    #[test]
    fn a_curve_rises_to_the_longest() {
        assert!(curve(&histogram()).is_empty());
        let mut latencies = histogram();
        for microseconds in 1..=10_000_u64 {
            latencies.record(microseconds * 1_000).unwrap();
        }
        let points = curve(&latencies);
        assert!(points.len() > 50, "{}", points.len());
        assert!(
            points
                .windows(2)
                .all(|pair| { pair[0].percentile <= pair[1].percentile && pair[0].us <= pair[1].us })
        );
        let last = points.last().unwrap();
        assert!(last.percentile == 100.0 && (last.us / 10_000.0 - 1.0).abs() < 0.001, "{last:?}");
        let half = points.iter().find(|point| point.percentile >= 50.0).unwrap();
        assert!((half.us / (half.percentile * 100.0) - 1.0).abs() < 0.01, "{half:?}");
    }
}
