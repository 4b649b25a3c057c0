//! A sweep: open loops at rising rates, until the server no longer keeps up or its latency explodes.
//!
//! The highest rate that was still borne is the *knee*. A rate that fails is tried twice more before it counts, since
//! something else on the machine may have been in the way; then the gap between the last good rate and the first bad
//! one is halved a few times.

use super::percentiles::Latency;
use super::report::{LoadReport, OwnCost, ServerCost};
use super::run::{Progress, run};
use super::{Extent, LoadError, LoadOptions, Pace};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A point at which fewer of the due requests are answered in the window has not kept up.
const KEPT_UP: f64 = 0.99;

/// A p99 below this is no explosion, however low the others are, in microseconds: schedulers do that.
const LOWEST_LIMIT_US: f64 = 1_000.0;

/// A rate that fails so often is not borne.
const ATTEMPTS: usize = 3;

/// Length of the closed loop that finds where to begin.
const PROBE: Duration = Duration::from_secs(1);

/// A sweep begins with this share of what a closed loop reaches.
const FIRST_SHARE: f64 = 0.1;

/// How to sweep; what each point asks stands in its [`LoadOptions`].
#[derive(Debug, Clone, PartialEq)]
pub struct SweepOptions {
    /// First rate in requests a second; `None`: a tenth of what a closed loop of a second reaches.
    pub first: Option<f64>,
    /// Each rate is the one before times this; above 1.
    pub growth: f64,
    /// Most points while rates rise.
    pub points: usize,
    /// Points between the last good rate and the first bad one.
    pub refinements: usize,
    /// A p99 above so many times the lowest p99 so far (and above 1 ms) has exploded.
    pub p99_factor: f64,
    /// A p99 above this has exploded, in microseconds; instead of the factor.
    pub p99_limit_us: Option<f64>,
}

impl Default for SweepOptions {
    fn default() -> SweepOptions {
        SweepOptions {
            first: None,
            growth: 1.25,
            points: 40,
            refinements: 3,
            p99_factor: 10.0,
            p99_limit_us: None,
        }
    }
}

/// How a rate was borne, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Well.
    Kept,
    /// The 99th percentile is above its limit.
    P99Exploded,
    /// Fewer than 99 % of the due requests were answered in the window.
    FellBehind,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Kept => "kept up",
            Verdict::FellBehind => "fell behind",
            Verdict::P99Exploded => "p99 exploded",
        })
    }
}

/// A rate and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// Requests per second that were due.
    pub rate: f64,
    /// Replies that arrived in the measured window.
    pub completed: u64,
    /// Length of the window.
    pub seconds: f64,
    /// Replies per second of the window.
    pub ops_per_second: f64,
    /// Latencies in microseconds from being due.
    pub latency_us: Latency,
    /// How late the generator itself was.
    pub own_delay_us: Option<Latency>,
    /// Error replies.
    pub errors: u64,
    /// Wrong replies, if verified.
    pub mismatches: u64,
    /// Requests that left in one write, on average.
    pub requests_per_write: f64,
    /// The generator's cost.
    pub generator: OwnCost,
    /// The server's cost, if its process was watched.
    pub server: Option<ServerCost>,
    /// How the rate was borne.
    pub verdict: Verdict,
    /// What makes the figures doubtful.
    pub warnings: Vec<String>,
}

/// Where a server stops to keep up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Knee {
    /// The highest rate that was borne well.
    pub rate: f64,
    /// The 99th percentile there, in microseconds.
    pub p99_us: f64,
    /// CPUs that the server kept busy there, if its process was watched.
    pub server_cpus: Option<f64>,
    /// The lowest rate above it that was not borne; `None`: the sweep ended before.
    pub first_bad_rate: Option<f64>,
    /// What happened at that rate.
    pub why: Option<Verdict>,
}

/// The outcome of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// What was asked, as in `get:80,set:20`.
    pub mix: String,
    /// All points by rate.
    pub points: Vec<SweepPoint>,
    /// The knee; `None`: not even the first rate was borne.
    pub knee: Option<Knee>,
    /// Whether the sweep was stopped before its end.
    pub interrupted: bool,
}

/// Sweeps. `say` hears of each point as it is measured, `progress` a few times a second (of the run at this rate).
///
/// # Errors
/// Those of [`run`], and options that make no sense.
pub fn sweep(
    options: &LoadOptions,
    how: &SweepOptions,
    stop: &AtomicBool,
    say: &mut dyn FnMut(&SweepPoint),
    progress: &mut dyn FnMut(f64, Progress),
) -> Result<SweepReport, LoadError> {
    how.check()?;
    let mut sweep = Sweep {
        options: options.clone(),
        how,
        stop,
        say,
        progress,
        points: Vec::new(),
        lowest_p99: f64::INFINITY,
    };
    sweep.climb()?;
    let mut points = sweep.points;
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let knee = knee(&points);
    Ok(SweepReport { mix: options.mix.to_string(), points, knee, interrupted: stop.load(Ordering::Relaxed) })
}

impl SweepOptions {
    fn check(&self) -> Result<(), LoadError> {
        let wrong = if !(self.growth > 1.0 && self.growth <= 10.0) {
            "a sweep's growth is above 1 and at most 10"
        } else if self.points == 0 || self.points > 1_000 || self.refinements > 20 {
            "a sweep has 1 to 1000 points and at most 20 refinements"
        } else if self.p99_factor <= 1.0 || self.p99_limit_us.is_some_and(|limit| limit <= 0.0) {
            "the p99's factor is above 1, its limit above 0"
        } else {
            return Ok(());
        };
        Err(LoadError::Options(wrong.to_owned()))
    }
}

struct Sweep<'a> {
    options: LoadOptions,
    how: &'a SweepOptions,
    stop: &'a AtomicBool,
    say: &'a mut dyn FnMut(&SweepPoint),
    progress: &'a mut dyn FnMut(f64, Progress),
    points: Vec<SweepPoint>,
    lowest_p99: f64,
}

impl Sweep<'_> {
    fn climb(&mut self) -> Result<(), LoadError> {
        let first = match self.how.first {
            Some(rate) => rate,
            None => (self.capacity()? * FIRST_SHARE).max(1.0),
        };
        let (mut rate, mut good, mut bad) = (first, None, None);
        for _ in 0..self.how.points {
            if self.bears(rate)? {
                good = Some(rate);
                rate *= self.how.growth;
            } else {
                bad = Some(rate);
                break;
            }
            if self.stopped() {
                return Ok(());
            }
        }
        for _ in 0..self.how.refinements {
            let (Some(low), Some(high)) = (good, bad) else { break };
            if self.stopped() {
                break;
            }
            let middle = (low * high).sqrt();
            *(if self.bears(middle)? { &mut good } else { &mut bad }) = Some(middle);
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What a closed loop reaches.
    fn capacity(&mut self) -> Result<f64, LoadError> {
        let probe = LoadOptions {
            pace: Pace::Closed,
            auto_batch: false,
            extent: Extent::Time(PROBE),
            hlog: None,
            ..self.options.clone()
        };
        let report = run(&probe, self.stop, &mut |progress| (self.progress)(0.0, progress))?;
        self.options.preload = false;
        Ok(report.ops_per_second)
    }

    /// Whether a rate is borne, at one of a few attempts.
    fn bears(&mut self, rate: f64) -> Result<bool, LoadError> {
        let mut point = self.measure(rate)?;
        for _ in 1..ATTEMPTS {
            if point.verdict == Verdict::Kept || self.stopped() {
                break;
            }
            let again = self.measure(rate)?;
            if again.verdict <= point.verdict {
                point = again;
            }
        }
        if self.stopped() && point.verdict != Verdict::Kept {
            // A run cut short has fallen behind by our own doing.
            return Ok(false);
        }
        self.lowest_p99 = self.lowest_p99.min(point.latency_us.p99);
        (self.say)(&point);
        let kept = point.verdict == Verdict::Kept;
        self.points.push(point);
        Ok(kept)
    }

    fn measure(&mut self, rate: f64) -> Result<SweepPoint, LoadError> {
        self.options.pace = Pace::Open(rate);
        let report = run(&self.options, self.stop, &mut |progress| (self.progress)(rate, progress))?;
        self.options.preload = false;
        let limit = self.how.p99_limit_us.unwrap_or_else(|| {
            let limit = self.how.p99_factor * self.lowest_p99;
            limit.max(LOWEST_LIMIT_US)
        });
        Ok(SweepPoint::new(rate, report, limit))
    }
}

impl SweepPoint {
    fn new(rate: f64, report: LoadReport, p99_limit_us: f64) -> SweepPoint {
        let verdict = if report.ops_per_second < rate * KEPT_UP {
            Verdict::FellBehind
        } else if report.latency_us.p99 > p99_limit_us {
            Verdict::P99Exploded
        } else {
            Verdict::Kept
        };
        SweepPoint {
            rate,
            completed: report.completed,
            seconds: report.seconds,
            ops_per_second: report.ops_per_second,
            latency_us: report.latency_us,
            own_delay_us: report.own_delay_us,
            errors: report.errors,
            mismatches: report.mismatches,
            requests_per_write: report.requests_per_write,
            generator: report.generator,
            server: report.server,
            verdict,
            warnings: report.warnings,
        }
    }

    /// The head of a table of points.
    pub fn head() -> String {
        format!(
            "{:>12}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}  {}",
            "rate", "ops/s", "p50 us", "p90", "p99", "p99.9", "max", "CPUs", "verdict"
        )
    }
}

impl fmt::Display for SweepPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, p999, max, .. } = self.latency_us;
        let cpus = self.server.map_or("-".to_owned(), |server| format!("{:.2}", server.cpus));
        write!(
            f,
            "{:>12.0}{:>12.0}{p50:>10.1}{p90:>10.1}{p99:>10.1}{p999:>10.1}{max:>10.1}{cpus:>8}  {}",
            self.rate, self.ops_per_second, self.verdict
        )
    }
}

/// The knee of points that are sorted by rate: the highest rate below the first that was not borne.
fn knee(points: &[SweepPoint]) -> Option<Knee> {
    let bad = points.iter().position(|point| point.verdict != Verdict::Kept);
    let good = points[..bad.unwrap_or(points.len())].last()?;
    let bad = bad.map(|index| &points[index]);
    Some(Knee {
        rate: good.rate,
        p99_us: good.latency_us.p99,
        server_cpus: good.server.map(|server| server.cpus),
        first_bad_rate: bad.map(|point| point.rate),
        why: bad.map(|point| point.verdict),
    })
}

impl SweepReport {
    /// Whether every reply was as it must be.
    pub fn clean(&self) -> bool {
        self.points.iter().all(|point| point.errors == 0 && point.mismatches == 0)
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.knee {
            None => writeln!(f, "no knee: not even the first rate was borne")?,
            Some(Knee { rate, p99_us, first_bad_rate: Some(bad), why: Some(why), .. }) => writeln!(
                f,
                "knee: {rate:.0} ops/s with a p99 of {p99_us:.0} us; at {bad:.0} the server {}",
                match why {
                    Verdict::FellBehind => "fell behind",
                    Verdict::P99Exploded | Verdict::Kept => "kept up, and its p99 exploded",
                }
            )?,
            Some(Knee { rate, p99_us, .. }) => {
                writeln!(f, "no knee up to {rate:.0} ops/s (p99 {p99_us:.0} us): sweep on")?;
            }
        }
        let at_the_end = self.points.iter().rev().find(|point| point.verdict != Verdict::Kept);
        at_the_end.or(self.points.last()).map_or(Ok(()), |point| {
            point.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rate: f64, ops_per_second: f64, p99: f64) -> SweepPoint {
        let latency_us = Latency { p99, ..Latency::default() };
        let report = LoadReport { ops_per_second, latency_us, ..LoadReport::default() };
        SweepPoint::new(rate, report, 1_000.0)
    }

    #[test]
    fn the_knee_is_the_last_rate_that_was_borne() {
        let points = [
            point(1_000.0, 1_000.0, 50.0),
            point(2_000.0, 1_999.0, 80.0),
            point(3_000.0, 2_999.0, 5_000.0),
            point(4_000.0, 3_000.0, 90_000.0),
        ];
        let found = knee(&points).unwrap();
        assert_eq!((found.rate, found.first_bad_rate), (2_000.0, Some(3_000.0)));
        assert_eq!((found.why, points[3].verdict), (Some(Verdict::P99Exploded), Verdict::FellBehind));
        assert_eq!(knee(&points[..2]).unwrap().first_bad_rate, None);
        assert_eq!(knee(&points[2..]), None);
    }
}
