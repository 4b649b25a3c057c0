//! What a run found, for people and for programs.

use super::percentiles::{Latency, Percentile, curve};
use super::tally::Tally;
use super::transport::Chosen;
use super::{LoadOptions, Pace};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A generator thread busier than this may be what limits the run.
const SATURATED: f64 = 0.9;

/// A server process busier than this is the limit itself, whatever the generator does (one thread's worth).
const SERVER_SATURATED: f64 = 0.95;

/// The generator's own lateness in an open loop, 99th percentile, that is worth a warning, in microseconds.
const LATE_US: f64 = 1_000.0;

/// An open loop that completes less than this share of its rate has outrun its server.
const KEPT_UP: f64 = 0.99;

/// CPU time that the generator itself spent in the measured window (getrusage(2) of its threads).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnCost {
    /// Microseconds per operation.
    pub us_per_op: f64,
    /// Seconds in user space.
    pub user_seconds: f64,
    /// Seconds in the kernel.
    pub system_seconds: f64,
    /// Share of its wall time that the busiest thread was running, without the time that it polled for nothing, 0 to 1.
    pub busiest_thread: f64,
}

/// CPU time that the server's process spent in the measured window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ServerCost {
    /// Microseconds per operation.
    pub us_per_op: f64,
    /// Seconds, user and kernel, all threads.
    pub seconds: f64,
    /// CPUs kept busy: seconds per second.
    pub cpus: f64,
}

/// A part of the mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowReport {
    /// The command, and the number of elements that it names if it has one, as in `mget/10`.
    pub name: String,
    /// Measured requests.
    pub requests: u64,
    /// Their latencies in microseconds.
    pub latency_us: Latency,
    /// Replies that brought nothing, in the whole run: nulls, and if verified also empty ones.
    pub nothing: u64,
    /// Error replies, in the whole run.
    pub errors: u64,
    /// Replies that were not what they must be, if verified, in the whole run.
    pub mismatches: u64,
}

/// The outcome of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Measured requests: those whose latency was recorded.
    pub requests: u64,
    /// Replies that arrived in the measured window.
    pub completed: u64,
    /// Length of the window.
    pub seconds: f64,
    /// Replies per second of the window.
    pub ops_per_second: f64,
    /// Requests per second that were due, in an open loop.
    pub target_ops_per_second: Option<f64>,
    /// Latencies in microseconds: from sending (closed loop) or from being due (open loop).
    pub latency_us: Latency,
    /// Percentile curve of the latencies, up to the longest.
    #[serde(default)]
    pub percentiles: Vec<Percentile>,
    /// What was asked, as in `get:80,set:20`.
    #[serde(default)]
    pub mix: String,
    /// The parts of the mix; empty for plain GETs and SETs, whose replies are not told apart.
    #[serde(default)]
    pub rows: Vec<RowReport>,
    /// Requests that left in one write, on average over the whole run.
    #[serde(default)]
    pub requests_per_write: f64,
    /// Connections that were closed and opened anew.
    #[serde(default)]
    pub reconnects: u64,
    /// Open loop: how late the generator itself sent what nothing else held back.
    pub own_delay_us: Option<Latency>,
    /// GETs that found their key; in a mix also GETEX, and MGET if all its keys were there.
    pub hits: u64,
    /// Those that did not.
    pub misses: u64,
    /// Error replies.
    pub errors: u64,
    /// Text of the first error reply.
    pub first_error: Option<String>,
    /// Whether replies were compared with what the keys must hold.
    pub verified: bool,
    /// Replies that were not what they must be.
    pub mismatches: u64,
    /// The first of them.
    pub first_mismatch: Option<String>,
    /// Measured requests without an answer when the run gave up waiting.
    pub unanswered: u64,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// The generator's cost.
    pub generator: OwnCost,
    /// Kernel interface that the generator used: `io_uring` or `epoll`.
    #[serde(default)]
    pub network: String,
    /// Why not the one that `auto` prefers, if it had to do without.
    #[serde(default)]
    pub network_note: Option<String>,
    /// The server's cost, if its process was watched.
    pub server: Option<ServerCost>,
    /// What makes the figures doubtful.
    pub warnings: Vec<String>,
}

impl LoadReport {
    pub(super) fn new(options: &LoadOptions, network: Chosen, tally: Tally, interrupted: bool) -> LoadReport {
        let seconds = tally.windows.iter().map(|span| span.wall.as_secs_f64()).fold(0.0, f64::max);
        let per = |total: f64, count: f64| if count > 0.0 { total / count } else { 0.0 };
        let completed = tally.completed as f64;
        let own: Duration = tally.windows.iter().map(|span| span.own.total()).sum();
        let busiest = tally.windows.iter().map(|span| {
            let busy = span.own.total().saturating_sub(span.idle);
            per(busy.as_secs_f64(), span.wall.as_secs_f64())
        });
        let generator = OwnCost {
            us_per_op: per(own.as_secs_f64() * 1e6, completed),
            user_seconds: tally.windows.iter().map(|span| span.own.user.as_secs_f64()).sum(),
            system_seconds: tally.windows.iter().map(|span| span.own.system.as_secs_f64()).sum(),
            busiest_thread: busiest.fold(0.0, f64::max),
        };
        let watched = tally.windows.iter().find_map(|span| span.server.map(|server| (server, span.wall)));
        // A window without replies has no cost per operation, least of all zero.
        let watched = watched.filter(|_| tally.completed > 0);
        let server = watched.map(|(server, wall)| ServerCost {
            us_per_op: per(server.as_secs_f64() * 1e6, completed),
            seconds: server.as_secs_f64(),
            cpus: per(server.as_secs_f64(), wall.as_secs_f64()),
        });
        let target = if let Pace::Open(rate) = options.pace { Some(rate) } else { None };
        let rows = options.mix.shares().iter().zip(&tally.rows).map(|(share, row)| RowReport {
            name: share.name(),
            requests: row.latency.len(),
            latency_us: Latency::of(&row.latency),
            nothing: row.nothing,
            errors: row.errors,
            mismatches: row.mismatches,
        });
        let mut report = LoadReport {
            requests: tally.latency.len(),
            completed: tally.completed,
            seconds,
            ops_per_second: per(completed, seconds),
            target_ops_per_second: target,
            latency_us: Latency::of(&tally.latency),
            percentiles: curve(&tally.latency),
            mix: options.mix.to_string(),
            rows: rows.collect(),
            requests_per_write: per(tally.requests_sent as f64, tally.writes as f64),
            reconnects: tally.reconnects,
            own_delay_us: target.map(|_| Latency::of(&tally.lag)),
            hits: tally.values,
            misses: tally.nulls,
            errors: tally.errors,
            first_error: tally.error,
            verified: options.verify,
            mismatches: tally.mismatches,
            first_mismatch: tally.mismatch,
            unanswered: tally.unanswered,
            interrupted,
            generator,
            network: network.backend.name().to_owned(),
            network_note: network.note,
            server,
            warnings: Vec::new(),
        };
        report.warnings = report.doubts();
        report
    }

    /// Whether every reply was as it must be.
    pub fn clean(&self) -> bool {
        self.errors == 0 && self.mismatches == 0
    }

    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let server_is_limit = self.server.is_some_and(|server| server.cpus >= SERVER_SATURATED);
        if self.generator.busiest_thread > SATURATED && !server_is_limit {
            doubts.push(format!(
                "a generator thread was busy {:.0} % of the time: the generator, not the server, may be the limit",
                self.generator.busiest_thread * 100.0
            ));
        }
        if let Some(delay) = self.own_delay_us.filter(|delay| delay.p99 > LATE_US) {
            doubts.push(format!("the generator itself was late: {:.0} us at the 99th percentile", delay.p99));
        }
        if let Some(target) = self.target_ops_per_second
            && self.ops_per_second < target * KEPT_UP
        {
            doubts.push(format!(
                "only {:.1} % of the rate was answered in the window: latencies grow with the length of the run",
                self.ops_per_second / target * 100.0
            ));
        }
        if self.misses > 0 {
            let misses = self.misses as f64 / (self.misses + self.hits) as f64;
            doubts.push(format!("{:.2} % of the GETs found nothing (are the keys loaded?)", misses * 100.0));
        }
        if self.unanswered > 0 {
            doubts.push(format!("{} requests were never answered", self.unanswered));
        }
        if self.interrupted {
            doubts.push("the run was stopped before its end".to_owned());
        }
        doubts
    }
}

/// A line of the table.
fn latencies(f: &mut fmt::Formatter<'_>, name: &str, requests: u64, latency: Latency) -> fmt::Result {
    let Latency { min, mean, p50, p90, p99, p999, max } = latency;
    writeln!(
        f,
        "{name:<20}{requests:>12}{min:>10.1}{mean:>10.1}{p50:>10.1}{p90:>10.1}{p99:>10.1}{p999:>10.1}{max:>10.1}"
    )
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} ops/s  ({} replies in {:.2} s", self.ops_per_second, self.completed, self.seconds)?;
        match self.target_ops_per_second {
            Some(target) => writeln!(f, ", {target:.0}/s due)")?,
            None => writeln!(f, ")")?,
        }
        writeln!(
            f,
            "{:<20}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "latency in us", "requests", "min", "mean", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for row in self.rows.iter().filter(|_| self.rows.len() > 1) {
            latencies(f, &row.name, row.requests, row.latency_us)?;
        }
        latencies(f, if self.rows.len() > 1 { "all" } else { &self.mix }, self.requests, self.latency_us)?;
        let own = &self.generator;
        write!(
            f,
            "CPU us per op: generator {:.4} ({:.2} CPUs, busiest thread {:.0} %, {})",
            own.us_per_op,
            if self.seconds > 0.0 { (own.user_seconds + own.system_seconds) / self.seconds } else { 0.0 },
            own.busiest_thread * 100.0,
            self.network
        )?;
        if let Some(server) = &self.server {
            write!(f, ", server {:.4} ({:.2} CPUs)", server.us_per_op, server.cpus)?;
        }
        writeln!(f)?;
        write!(f, "GET hits {}, misses {}; errors {}", self.hits, self.misses, self.errors)?;
        write!(f, "; {:.1} requests a write", self.requests_per_write)?;
        if self.reconnects > 0 {
            write!(f, "; {} connections opened anew", self.reconnects)?;
        }
        if self.verified {
            write!(f, "; verified, mismatches {}", self.mismatches)?;
        }
        writeln!(f)?;
        for (what, text) in [("first error", &self.first_error), ("first mismatch", &self.first_mismatch)] {
            if let Some(text) = text {
                writeln!(f, "{what}: {text}")?;
            }
        }
        if let Some(note) = &self.network_note {
            writeln!(f, "network auto: {note}")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Span;
    use super::super::{Endpoint, LoadOptions};
    use super::*;
    use crate::cost::ThreadCost;
    use boxcar_sys::Backend;

    fn report(own_ms: u64, server_ms: u64) -> LoadReport {
        report_of(own_ms, 0, server_ms)
    }

    fn report_of(own_ms: u64, idle_ms: u64, server_ms: u64) -> LoadReport {
        let options = LoadOptions::new(Endpoint::Unix("/nowhere".into()));
        let mut tally = Tally::new();
        tally.completed = 1_000_000;
        tally.latency.record_n(50_000, 990_000).unwrap();
        tally.latency.record_n(2_000_000, 10_000).unwrap();
        tally.windows.push(Span {
            wall: Duration::from_secs(1),
            own: ThreadCost { user: Duration::from_millis(own_ms), system: Duration::ZERO },
            idle: Duration::from_millis(idle_ms),
            server: Some(Duration::from_millis(server_ms)),
        });
        let network = Chosen { backend: Backend::Epoll, note: Some("no luck".to_owned()) };
        LoadReport::new(&options, network, tally, false)
    }

    #[test]
    fn figures_are_per_operation() {
        let report = report(80, 500);
        assert!((report.ops_per_second - 1e6).abs() < 1.0);
        assert!((report.generator.us_per_op - 0.08).abs() < 1e-9);
        assert!((report.server.unwrap().us_per_op - 0.5).abs() < 1e-9);
        assert!((report.latency_us.p50 / 50.0 - 1.0).abs() < 0.001);
        assert!((report.latency_us.p999 / 2_000.0 - 1.0).abs() < 0.001);
        assert!(report.warnings.is_empty() && report.clean(), "{report}");
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<LoadReport>(&text).unwrap().completed, report.completed);
    }

    #[test]
    fn polling_for_nothing_is_not_being_busy() {
        let report = report_of(1_000, 700, 100);
        assert!((report.generator.busiest_thread - 0.3).abs() < 1e-9);
        assert!(!report.warnings.iter().any(|doubt| doubt.contains("busy")), "{:?}", report.warnings);
    }

    #[test]
    fn the_interface_is_told() {
        let report = report(80, 500);
        assert_eq!(report.network, "epoll");
        let text = report.to_string();
        assert!(text.contains("8 %, epoll)") && text.contains("network auto: no luck\n"), "{text}");
    }

    #[test]
    fn a_saturated_generator_is_told_unless_the_server_is_the_limit() {
        assert!(report(950, 500).warnings[0].contains("the generator, not the server"));
        assert!(report(950, 999).warnings.is_empty());
    }
}
