//! Pieces of pages that several kinds of runs have in common.

use super::compare::{BASE, CONTROL};
use super::host::Host;
use super::record::{Record, RunKind};
use super::statistics::Range;
use super::turns::Measurement;
use super::workload::Workload;
use crate::load::LoadReport;
use crate::profile::parts::Part;
use crate::report::{
    self, Axis, Bar, BarGroup, Bars, Drawing, Figure, Ink, Lines, Page, Scale, Series, Table, Unit,
};
use boxcar_sys::affinity::CpuList;
use std::collections::BTreeMap;
use std::time::Duration;

/// The server's CPU time per operation, in microseconds.
pub(super) fn cpu(found: &Measurement) -> Option<f64> {
    found.report.server.map(|server| server.us_per_op)
}

/// Medians over the rounds.
pub(super) fn range<'r>(
    found: impl Iterator<Item = &'r Measurement>,
    figure: impl Fn(&Measurement) -> Option<f64>,
) -> Option<Range> {
    Range::of(found.filter_map(figure))
}

/// A range as text: median, and what it lies between.
pub(super) fn spread(unit: Unit, range: Option<Range>) -> String {
    range.map_or("–".to_owned(), |range| {
        format!("{} ({} – {})", unit.show(range.median), unit.show(range.min), unit.show(range.max))
    })
}

/// A median as text.
pub(super) fn middle(unit: Unit, range: Option<Range>) -> String {
    range.map_or("–".to_owned(), |range| unit.show(range.median))
}

/// The colours of servers: Boxcar's own, or that of the build which a comparison is about; null servers' and controls' as
/// yardsticks; the others' in turn.
pub(super) fn ink(record: &Record, server: &str) -> Ink {
    let compared = record.roles.contains_key(BASE);
    let role =
        |name: &str| record.roles.iter().find(|(_, server)| *server == name).map(|(role, _)| role.as_str());
    let own = |name: &str| if compared { role(name).is_none() } else { name == "boxcar" };
    let yardstick = |name: &str| name.starts_with("null") || role(name) == Some(CONTROL);
    if own(server) {
        return Ink::OWN;
    }
    if yardstick(server) {
        return Ink::YARDSTICK;
    }
    let names = record.servers.iter().map(|row| row.name.as_str());
    let place = names.filter(|name| !own(name) && !yardstick(name)).position(|name| name == server);
    Ink::other(place.unwrap_or(0))
}

/// Bars of CPU time in the kernel and in user space, the latter by part where the server was sampled; one group for each workload,
/// and the table of it.
pub(super) fn cpu_bars(record: &Record, workloads: &[&Workload], caption: &str) -> Figure {
    let group = |workload: &&Workload| BarGroup {
        title: workload.name.clone(),
        bars: record.servers.iter().filter_map(|row| bar(record, &row.name, &workload.name)).collect(),
    };
    let groups: Vec<BarGroup> = workloads.iter().map(group).filter(|group| !group.bars.is_empty()).collect();
    let mut table = Table::new([
        "server",
        "workload",
        "CPU/op (min – max)",
        "kernel",
        "user",
        "ops/s",
        "generator CPU/op",
    ]);
    for workload in workloads {
        for row in &record.servers {
            let found = || record.of(&row.name, &workload.name);
            let Some(total) = range(found(), cpu) else { continue };
            let share = range(found(), |found| found.user_share).map(|range| range.median);
            let part = |part: Option<f64>| {
                part.map_or("–".to_owned(), |part| Unit::Micros.show(total.median * part))
            };
            table.row([
                row.name.clone(),
                workload.name.clone(),
                spread(Unit::Micros, Some(total)),
                part(share.map(|share| 1.0 - share)),
                part(share),
                middle(Unit::PerSecond, range(found(), |found| Some(found.report.ops_per_second))),
                middle(Unit::Micros, range(found(), |found| Some(found.report.generator.us_per_op))),
            ]);
        }
    }
    let parts = Part::ALL.iter().map(|part| part.name()).chain(["user space, not split", "not split"]);
    let parts = parts.map(|name| report::Part { name: name.to_owned() }).collect();
    Figure {
        caption: caption.to_owned(),
        drawing: Some(Drawing::Bars(Bars { unit: Unit::Micros, parts, groups })),
        table,
    }
}

/// Values of a bar: one for each of [`Part::ALL`], user space that was not split, and time of which nothing is known.
fn bar(record: &Record, server: &str, workload: &str) -> Option<Bar> {
    let total = range(record.of(server, workload), cpu)?;
    let mut values = vec![0.0; Part::ALL.len() + 2];
    let (of_user, of_nothing) = (Part::ALL.len(), Part::ALL.len() + 1);
    let samples = samples(record, server, workload);
    let in_user: u64 =
        samples.iter().filter(|(part, _)| **part != Part::Kernel).map(|(_, count)| count).sum();
    match range(record.of(server, workload), |found| found.user_share) {
        Some(share) => {
            let user = total.median * share.median;
            values[0] = total.median - user;
            if in_user > 0 {
                for (value, part) in values.iter_mut().zip(Part::ALL).skip(1) {
                    *value = user * samples.get(&part).copied().unwrap_or_default() as f64 / in_user as f64;
                }
            } else {
                values[of_user] = user;
            }
        }
        None => values[of_nothing] = total.median,
    }
    Some(Bar { name: server.to_owned(), own: server == "boxcar", values, range: (total.min, total.max) })
}

/// Samples by part over all rounds.
fn samples(record: &Record, server: &str, workload: &str) -> BTreeMap<Part, u64> {
    let mut sum = BTreeMap::new();
    for (part, count) in record.of(server, workload).flat_map(|found| &found.parts) {
        *sum.entry(*part).or_default() += count;
    }
    sum
}

/// What the samples say: shares of each part, for the servers that were sampled; none if there was none.
pub(super) fn parts_table(record: &Record, workloads: &[&Workload]) -> Option<Figure> {
    let names = Part::ALL.iter().map(|part| part.name());
    let mut table = Table::new(["server", "workload", "samples"].into_iter().chain(names));
    for (workload, row) in
        workloads.iter().flat_map(|workload| record.servers.iter().map(move |row| (workload, row)))
    {
        let samples = samples(record, &row.name, &workload.name);
        let all: u64 = samples.values().sum();
        if all > 0 {
            let share = |part: &Part| samples.get(part).copied().unwrap_or_default() as f64 / all as f64;
            let shares = Part::ALL.iter().map(|part| Unit::Share.show(share(part)));
            table.row([row.name.clone(), workload.name.clone(), all.to_string()].into_iter().chain(shares));
        }
    }
    (!table.rows.is_empty()).then(|| Figure {
        caption: "Shares of the samples by part, all rounds together, from windows of their own".to_owned(),
        drawing: None,
        table,
    })
}

/// A report's latencies as (percentile, microseconds).
fn curve(report: &LoadReport) -> Vec<(f64, f64)> {
    // The hundredth percentile's place is infinitely far, and the shortest latencies would stretch the axis for nothing.
    let points = report.percentiles.iter().filter(|point| (10.0..100.0).contains(&point.percentile));
    points.map(|point| (point.percentile, point.us)).collect()
}

/// The median curve over the rounds: at each percentile of the shortest curve, the median of what all of them have there.
fn median_curve<'r>(found: impl Iterator<Item = &'r Measurement>) -> Vec<(f64, f64)> {
    let curves: Vec<Vec<(f64, f64)>> =
        found.map(|found| curve(&found.report)).filter(|curve| !curve.is_empty()).collect();
    let Some(shortest) = curves.iter().min_by_key(|curve| curve.len()) else { return Vec::new() };
    let at = |curve: &[(f64, f64)], percentile: f64| {
        curve.iter().find(|point| point.0 >= percentile).or(curve.last()).map_or(0.0, |point| point.1)
    };
    let median = |percentile: f64| Range::of(curves.iter().map(|curve| at(curve, percentile)));
    shortest.iter().filter_map(|&(percentile, _)| Some((percentile, median(percentile)?.median))).collect()
}

/// Latency percentiles of all servers under one workload, and the table of it.
pub(super) fn latency_curves(record: &Record, workload: &Workload, caption: String) -> Figure {
    let mut table = Table::new([
        "server",
        "p50",
        "p90",
        "p99 (min – max)",
        "p99.9",
        "longest",
        "of the rate",
        "CPUs busy",
    ]);
    let mut series = Vec::new();
    for row in &record.servers {
        let found = || record.of(&row.name, &workload.name);
        let Some(p99) = range(found(), |found| Some(found.report.latency_us.p99)) else { continue };
        let kept =
            range(found(), |found| Some(found.report.ops_per_second / found.report.target_ops_per_second?));
        // A server that cannot keep up has no latency at this rate: it grows with the length of the run.
        let behind = kept.is_some_and(|kept| kept.median < KEPT_UP);
        let name = if behind { format!("{} (cannot keep up)", row.name) } else { row.name.clone() };
        let latency = |figure: fn(&LoadReport) -> f64| {
            middle(Unit::Micros, range(found(), |found| Some(figure(&found.report))))
        };
        table.row([
            name.clone(),
            latency(|report| report.latency_us.p50),
            latency(|report| report.latency_us.p90),
            spread(Unit::Micros, Some(p99)),
            latency(|report| report.latency_us.p999),
            latency(|report| report.latency_us.max),
            middle(Unit::Share, kept),
            middle(Unit::Count, range(found(), |found| Some(found.report.server?.cpus))),
        ]);
        if !behind {
            series.push(Series {
                name,
                ink: ink(record, &row.name),
                dashed: false,
                points: median_curve(found()),
            });
        }
    }
    let drawing = Lines {
        x: Axis::new("percentile of requests", Scale::Tail, Unit::Percentile),
        y: Axis::new("latency", Scale::Log, Unit::Micros),
        series,
    };
    Figure { caption, drawing: Some(Drawing::Lines(drawing)), table }
}

/// An open loop that completes less than this share of its rate has outrun its server.
pub(super) const KEPT_UP: f64 = 0.985;

/// A page with what all kinds of runs say alike; `servers` are the machine's CPUs.
pub(super) fn page(record: &Record, title: &str, lead: String) -> Page {
    let host = &record.host;
    let mut commands = Table::new(["what", "version", "command"]);
    commands.row(["this run", record.commit.as_str(), record.command.as_str()]);
    for server in &record.servers {
        commands.row([server.name.as_str(), server.version.as_str(), server.command.as_str()]);
    }
    let cpus: CpuList = record.load_cpus.parse().unwrap_or_else(|_| CpuList::from_iter([]));
    for workload in &record.workloads {
        let (warmup, measure) =
            (Duration::from_secs_f64(record.warmup), Duration::from_secs_f64(record.measure));
        commands.row([workload.name.as_str(), "load", &workload.command(&cpus, warmup, measure)]);
    }
    Page {
        title: title.to_owned(),
        lead,
        facts: facts(record),
        commands,
        missing: record.missing.clone(),
        limits: limits(record, host),
        ..Page::default()
    }
}

fn facts(record: &Record) -> Vec<(String, String)> {
    let host = &record.host;
    let machine = if host.virtual_machine { "virtual machine" } else { "bare metal" };
    [
        ("Date", host.date.clone()),
        ("Commit", record.commit.clone()),
        ("Processor", format!("{}, {} CPUs online, {machine}", host.cpu, host.cpus)),
        ("Kernel", host.kernel.clone()),
        ("Frequency governor", host.governor.clone()),
        ("Load average at the start", host.load_average.clone()),
        ("Rounds", record.rounds.to_string()),
        ("Each measurement", format!("{} s after {} s", record.measure, record.warmup)),
        ("CPUs of the generator", record.load_cpus.clone()),
        ("The run took", format!("{:.0} s", record.seconds)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What this machine cannot tell.
fn limits(record: &Record, host: &Host) -> Vec<String> {
    let mut limits = Vec::new();
    if host.busy() {
        limits.push("The machine was not idle when the run began: absolute figures are doubtful, ratios within a round less so.".to_owned());
    }
    if !host.counters {
        limits.push("No hardware counters are offered here, so there are no cycles, instructions or cache misses per operation.".to_owned());
    }
    if host.virtual_machine {
        limits.push("In a virtual machine, neighbours take time that nobody sees: figures move from hour to hour. Compare within a run.".to_owned());
    }
    limits.push(format!(
        "Server and generator talk over the loopback interface of one machine with {} CPUs: no network card, no interrupts, and each side does a part of the other's work in the kernel.",
        host.cpus
    ));
    if record.kind != RunKind::Scaling {
        limits.push("Servers had one CPU: nothing here says how they scale.".to_owned());
    }
    let late = record
        .measurements
        .iter()
        .filter(|found| found.report.warnings.iter().any(|w| w.contains("generator")));
    let late = late.count();
    if late > 0 {
        limits.push(format!(
            "In {late} of {} measurements the generator itself was near its limit or late; the measurements say so.",
            record.measurements.len()
        ));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn bars_split_what_is_known() {
        let workload = Workload::plain(16, false);
        let mut record =
            record(RunKind::Peers, &[("boxcar", 0.4), ("valkey", 0.8)], std::slice::from_ref(&workload));
        let figure = cpu_bars(&record, &[&workload], "x");
        let values = |figure: Figure| {
            let Some(Drawing::Bars(bars)) = figure.drawing else { panic!("bars") };
            bars.groups[0].bars.iter().map(|bar| bar.values.clone()).collect::<Vec<_>>()
        };
        let close = |values: &[f64], expected: [f64; 8]| {
            assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{values:?}");
        };
        assert_eq!(figure.table.rows.len(), 2);
        close(&values(figure)[0], [0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0]);
        assert!(parts_table(&record, &[&workload]).is_none());
        // Samples say how user space is split, the server's own clocks how much of it there is.
        for found in record.measurements.iter_mut().filter(|found| found.server == "boxcar") {
            found.parts =
                [(Part::Kernel, 7), (Part::Parse, 1), (Part::Execute, 2), (Part::Unclassified, 1)].into();
        }
        let split = values(cpu_bars(&record, &[&workload], "x"));
        close(&split[0], [0.3, 0.025, 0.05, 0.0, 0.0, 0.025, 0.0, 0.0]);
        close(&split[1], [0.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0]);
        let row = &parts_table(&record, &[&workload]).unwrap().table.rows[0];
        assert_eq!(row[2..5], ["33", "63.6 %", "9.09 %"], "{row:?}");
        record.measurements.iter_mut().for_each(|found| found.user_share = None);
        close(&values(cpu_bars(&record, &[&workload], "x"))[0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4]);
    }

    #[test]
    fn who_cannot_keep_up_has_no_curve() {
        let workload = Workload { rate: Some(1.5e6), ..Workload::plain(16, false) };
        // The first answers 1e6 / 0.5 = 2 M/s, the second 1 M/s.
        let record =
            record(RunKind::Peers, &[("boxcar", 0.5), ("valkey", 1.0)], std::slice::from_ref(&workload));
        let figure = latency_curves(&record, &workload, "x".to_owned());
        let Some(Drawing::Lines(lines)) = figure.drawing else { panic!("lines") };
        assert_eq!(lines.series.len(), 1);
        assert!(figure.table.rows[1][0].contains("cannot keep up"));
    }
}
