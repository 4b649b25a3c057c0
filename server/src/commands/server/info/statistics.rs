//! INFO commandstats, errorstats, latencystats: what was executed, and how long it took.

use crate::commands::{Entry, Server};
use crate::config::rows;
use crate::observability::histogram::Snapshot;
use crate::observability::stages::NAMES;
use std::fmt::Write as _;

/// Entries with their totals; containers with subcommands never execute themselves.
fn executed(server: &Server) -> impl Iterator<Item = (&Entry, crate::observability::stats::CommandTotals)> {
    let entries = server.table.entries().iter();
    entries.map(|entry| (entry, server.stats.command(usize::from(entry.id))))
}

/// Calls and times of every command that was called.
pub fn commandstats(server: &Server, text: &mut String) {
    for (entry, totals) in executed(server) {
        if totals.calls + totals.rejected + totals.failed == 0 {
            continue;
        }
        let micros = totals.nanos / 1000;
        let per_call =
            if totals.calls == 0 { 0.0 } else { totals.nanos as f64 / 1000.0 / totals.calls as f64 };
        let written = write!(
            text,
            "cmdstat_{}:calls={},usec={micros},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}\r\n",
            entry.name, totals.calls, totals.rejected, totals.failed
        );
        written.expect("writing to a String does not fail");
    }
}

/// How often each error code was sent.
pub fn errorstats(server: &Server, text: &mut String) {
    for (code, count) in server.stats.errors() {
        write!(text, "errorstat_{code}:count={count}\r\n").expect("writing to a String does not fail");
    }
}

/// Percentiles of every command's execution time, in microseconds.
pub fn latencystats(server: &Server, text: &mut String) {
    let percentiles = server.config.list(rows::LATENCY_TRACKING_INFO_PERCENTILES);
    if percentiles.is_empty() {
        return;
    }
    let shown = |latencies: &Snapshot| {
        let values = percentiles.iter().filter_map(|percent| Some((percent, percent.parse::<f64>().ok()?)));
        let values = values.map(|(name, percent)| {
            let micros = latencies.percentile(percent) as f64 / 1000.0;
            format!("p{name}={micros:.3}")
        });
        values.collect::<Vec<_>>().join(",")
    };
    for (entry, totals) in executed(server) {
        if totals.calls == 0 {
            continue;
        }
        let latencies = server.stats.command_latency(usize::from(entry.id));
        if latencies.count() == 0 {
            continue;
        }
        write!(text, "latency_percentiles_usec_{}:{}\r\n", entry.name, shown(&latencies))
            .expect("writing to a String does not fail");
    }
    for (name, stage) in NAMES.iter().zip(&server.stats.stages()) {
        if stage.count() > 0 {
            write!(text, "latency_stage_usec_{name}:{}\r\n", shown(stage))
                .expect("writing to a String does not fail");
        }
    }
}
