//! What Boxcar promises to cost, and whether the latest runs keep it.

use super::figures::{KEPT_UP, cpu, range};
use super::record::{Record, RunKind};
use super::scaling_page::cores_for_goal;
use super::statistics::Range;
use super::workload::Workload;

/// A promised figure; the measured one must not be larger.
pub(super) struct Promise {
    /// What is promised.
    pub text: &'static str,
    /// The largest figure that keeps it.
    pub bound: f64,
    /// What the figure counts.
    pub unit: &'static str,
    /// How it is found.
    pub figure: PromisedFigure,
}

/// How a promised figure is found in a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum PromisedFigure {
    /// CPU time per operation as a multiple of another server's, within rounds.
    Cost { depth: usize, set: bool, to: &'static str },
    /// 99th percentile of latency at 70 % of valkey's core, as a multiple of another server's at the same rate.
    Tail { depth: usize, to: &'static str },
    /// Cores that the scaling model needs for 3 M operations a second at 70 %.
    Cores { depth: usize },
}

use PromisedFigure::{Cores, Cost, Tail};

/// The table of promises.
pub(super) const PROMISES: &[Promise] = &[
    promise(
        "GET, depth 1: CPU time per operation",
        1.06,
        "× null",
        Cost { depth: 1, set: false, to: "null" },
    ),
    promise("SET, depth 1: CPU time per operation", 1.06, "× null", Cost { depth: 1, set: true, to: "null" }),
    promise(
        "GET, depth 16: CPU time per operation",
        0.80,
        "× kevy",
        Cost { depth: 16, set: false, to: "kevy" },
    ),
    promise(
        "SET, depth 16: CPU time per operation",
        0.65,
        "× kevy",
        Cost { depth: 16, set: true, to: "kevy" },
    ),
    promise(
        "GET, depth 64: CPU time per operation",
        0.63,
        "× kevy",
        Cost { depth: 64, set: false, to: "kevy" },
    ),
    promise(
        "SET, depth 64: CPU time per operation",
        0.56,
        "× kevy",
        Cost { depth: 64, set: true, to: "kevy" },
    ),
    promise("p99 at 70 % of valkey's core, depth 1", 0.8, "× valkey", Tail { depth: 1, to: "valkey" }),
    promise("p99 at 70 % of valkey's core, depth 1", 0.8, "× kevy", Tail { depth: 1, to: "kevy" }),
    promise("p99 at 70 % of valkey's core, depth 1", 1.3, "× null", Tail { depth: 1, to: "null" }),
    promise("p99 at 70 % of valkey's core, depth 16", 0.8, "× valkey", Tail { depth: 16, to: "valkey" }),
    promise("p99 at 70 % of valkey's core, depth 16", 0.8, "× kevy", Tail { depth: 16, to: "kevy" }),
    promise("p99 at 70 % of valkey's core, depth 16", 1.3, "× null", Tail { depth: 16, to: "null" }),
    promise(
        "3 M operations a second at 70 % CPU, depth 16, by the model",
        16.0,
        "cores",
        Cores { depth: 16 },
    ),
];

const fn promise(text: &'static str, bound: f64, unit: &'static str, figure: PromisedFigure) -> Promise {
    Promise { text, bound, unit, figure }
}

impl PromisedFigure {
    /// The figure in this run; `None` if it was not measured.
    pub fn in_run(self, record: &Record) -> Option<f64> {
        match self {
            Cost { depth, set, to } if record.kind == RunKind::Peers => {
                let other = server(record, to)?;
                let workload = Workload::plain(depth, set).name;
                let pairs = record.pairs(&workload, (&other, "boxcar"), &cpu);
                Range::of(pairs.iter().map(|(other, own)| own / other)).map(|range| range.median)
            }
            Tail { depth, to } if record.kind == RunKind::Peers => {
                let other = server(record, to)?;
                let of_valkey = |workload: &&Workload| {
                    workload.depth == depth && workload.name.ends_with("70 % of valkey's core")
                };
                let workload = &record.workloads.iter().find(of_valkey)?.name;
                // A server that falls behind has no percentile that others could be a share of.
                let kept = range(record.of(&other, workload), |found| {
                    Some(found.report.ops_per_second / found.report.target_ops_per_second?)
                });
                if kept.is_none_or(|kept| kept.median < KEPT_UP) {
                    return None;
                }
                let pairs =
                    record.pairs(workload, (&other, "boxcar"), &|found| Some(found.report.latency_us.p99));
                Range::of(pairs.iter().map(|(other, own)| own / other)).map(|range| range.median)
            }
            Cores { depth } if record.kind == RunKind::Scaling => cores_for_goal(record, depth),
            _ => None,
        }
    }

    /// The command that measures it.
    pub fn command(self) -> &'static str {
        match self {
            Cost { .. } => "cargo xtask bench peers --parts cpu",
            Tail { .. } => "cargo xtask bench peers --parts latency",
            Cores { .. } => "cargo xtask bench scaling",
        }
    }
}

/// The first server whose name begins so: of several versions, the newest stands first.
fn server(record: &Record, begin: &str) -> Option<String> {
    record.servers.iter().map(|row| row.name.clone()).find(|name| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn figures_are_found_where_they_were_measured() {
        let rated = Workload {
            name: "depth 16 GET at 70 % of valkey's core".to_owned(),
            rate: Some(5e5),
            ..Workload::plain(16, false)
        };
        let costs = [("boxcar", 0.5), ("kevy 7.0.0", 1.0), ("valkey 9.1.2", 3.0)];
        let record = record(RunKind::Peers, &costs, &[Workload::plain(16, false), rated]);
        assert_eq!(Cost { depth: 16, set: false, to: "kevy" }.in_run(&record), Some(0.5));
        assert_eq!(Cost { depth: 16, set: true, to: "kevy" }.in_run(&record), None);
        assert_eq!(Tail { depth: 16, to: "kevy" }.in_run(&record), Some(1.0));
        // It answers 333,000 of 500,000 a second.
        assert_eq!(Tail { depth: 16, to: "valkey" }.in_run(&record), None);
        assert_eq!(Cores { depth: 16 }.in_run(&record), None);
    }
}
