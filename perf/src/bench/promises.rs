//! What Boxcar promises to cost, and whether the latest runs keep it.

use super::figures::{KEPT_UP, cpu, range};
use super::record::{Record, RunKind};
use super::scaling_page::cores_for_goal;
use super::statistics::{Range, median_interval};
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
    /// 99th percentile of latency at 70 % of valkey's core, as a multiple of another server's at the same rate. A stall of the machine hits
    /// one server's window and not another's, so it is decided only when the rounds agree.
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

/// A promised figure as a run has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    /// The figure: a median over the rounds, where there are rounds.
    pub value: f64,
    /// Between what its true value lies, if the rounds can say so; `None` for figures that are decided by their value.
    pub interval: Option<Interval>,
}

/// What the rounds say of a median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interval {
    /// It lies between these, with a certainty of 95 %.
    Between(f64, f64),
    /// They are too few.
    TooFew,
}

impl From<f64> for Figure {
    fn from(value: f64) -> Figure {
        Figure { value, interval: None }
    }
}

impl Figure {
    /// Whether the figure is at most `bound`; `None`: the rounds do not tell.
    pub fn keeps(&self, bound: f64) -> Option<bool> {
        match self.interval {
            None => Some(self.value <= bound),
            Some(Interval::Between(_, high)) if high <= bound => Some(true),
            Some(Interval::Between(low, _)) if low > bound => Some(false),
            Some(_) => None,
        }
    }
}

impl PromisedFigure {
    /// The figure in this run; `None` if it was not measured.
    pub fn in_run(self, record: &Record) -> Option<Figure> {
        match self {
            Cost { depth, set, to } if record.kind == RunKind::Peers => {
                let other = server(record, to)?;
                let workload = Workload::plain(depth, set).name;
                let pairs = record.pairs(&workload, (&other, "boxcar"), &cpu);
                Range::of(pairs.iter().map(|(other, own)| own / other)).map(|range| range.median.into())
            }
            Tail { depth, to } if record.kind == RunKind::Peers => {
                let other = server(record, to)?;
                let of_valkey = |workload: &&Workload| workload.depth == depth && rates(&workload.name);
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
                let ratios = || pairs.iter().map(|(other, own)| own / other);
                let interval = median_interval(ratios())
                    .map_or(Interval::TooFew, |(low, high)| Interval::Between(low, high));
                Range::of(ratios()).map(|range| Figure { value: range.median, interval: Some(interval) })
            }
            Cores { depth } if record.kind == RunKind::Scaling => {
                cores_for_goal(record, depth).map(Figure::from)
            }
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

/// Whether the workload of this name is one that promises are about.
pub(super) fn rates(name: &str) -> bool {
    name.ends_with("70 % of valkey's core")
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
    fn a_figure_is_decided_by_the_whole_interval() {
        let figure = Figure { value: 1.0, interval: Some(Interval::Between(0.7, 1.4)) };
        assert_eq!([0.6, 1.0, 1.4].map(|bound| figure.keeps(bound)), [Some(false), None, Some(true)]);
        assert_eq!([0.9, 1.0].map(|bound| Figure::from(1.0).keeps(bound)), [Some(false), Some(true)]);
    }

    #[test]
    fn figures_are_found_where_they_were_measured() {
        let rated = Workload {
            name: "depth 16 GET at 70 % of valkey's core".to_owned(),
            rate: Some(5e5),
            ..Workload::plain(16, false)
        };
        let costs = [("boxcar", 0.5), ("kevy 7.0.0", 1.0), ("valkey 9.1.2", 3.0)];
        let record = record(RunKind::Peers, &costs, &[Workload::plain(16, false), rated]);
        assert_eq!(Cost { depth: 16, set: false, to: "kevy" }.in_run(&record), Some(0.5.into()));
        assert_eq!(Cost { depth: 16, set: true, to: "kevy" }.in_run(&record), None);
        let tail = Tail { depth: 16, to: "kevy" }.in_run(&record).unwrap();
        assert_eq!((tail.value, tail.keeps(2.0)), (1.0, None), "three rounds decide nothing");
        // It answers 333,000 of 500,000 a second.
        assert_eq!(Tail { depth: 16, to: "valkey" }.in_run(&record), None);
        assert_eq!(Cores { depth: 16 }.in_run(&record), None);
    }
}
