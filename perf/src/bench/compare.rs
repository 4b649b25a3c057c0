//! One server against others of its kind: the pages of `ab` and `matrix`.

use super::counted;
use super::figures::{cpu, cpu_bars, latency_curves, middle, page, range};
use super::noise::{Comparison, FEWEST_ROUNDS, SIGNIFICANT, adjust};
use super::record::{Record, RunKind};
use super::turns::Measurement;
use super::workload::Workload;
use crate::report::{Cell, Drawing, Figure, Heat, Page, Section, Table, Tile, Unit};
use std::collections::BTreeMap;

/// The role of what others are compared with.
pub(super) const BASE: &str = "base";

/// The role of the base's double.
pub(super) const CONTROL: &str = "control";

/// A figure that is compared. Less is better for all of them.
struct Metric {
    name: &'static str,
    text: &'static str,
    applies: fn(&Workload) -> bool,
    figure: fn(&Measurement) -> Option<f64>,
}

/// The table of metrics.
const METRICS: [Metric; 3] = [
    Metric {
        name: "CPU time per operation",
        text: "The server process's CPU time divided by its replies.",
        applies: |_| true,
        figure: cpu,
    },
    Metric {
        name: "Wall time per operation",
        text: "The measured window divided by the replies in it, in a closed loop: the inverse of throughput. Where the generator is the slower side, it \
               tells little of the server.",
        applies: |workload| !workload.paced(),
        figure: |found| (found.report.ops_per_second > 0.0).then(|| 1e6 / found.report.ops_per_second),
    },
    Metric {
        name: "99th percentile of latency",
        text: "In an open loop, from when a request was due to its reply.",
        applies: Workload::paced,
        figure: |found| Some(found.report.latency_us.p99),
    },
];

/// The page.
pub(super) fn comparison_page(record: &Record) -> Page {
    let base = role(record, BASE);
    let others = others(record);
    let (title, lead) = match record.kind {
        RunKind::Ab => (
            format!("{} against {base}", others.first().map_or("nothing", String::as_str)),
            "Two builds on one machine, measured in turns.".to_owned(),
        ),
        _ => (
            "The matrix: what each switch does".to_owned(),
            "One switch at a time from the default, and a few pairs, each against every scenario.".to_owned(),
        ),
    };
    let lead = format!(
        "{lead} A difference counts if three things hold: Wilcoxon's signed-rank test over the rounds gives it a probability of at most {SIGNIFICANT}; it is larger than \
         the difference between {base} and itself, which takes part twice; and Student's test does, corrected for the number of comparisons \
         on this page, so that of the differences found at most one in twenty is expected to be chance."
    );
    let mut page = page(record, &title, lead);
    let found = compare_all(record, &base, &others);
    page.sections.push(verdicts(record, &base, &others, &found, &mut page.tiles));
    for metric in &METRICS {
        page.sections.extend(section(record, metric, &base, &others, &found));
    }
    page.sections.extend(scenarios(record));
    page
}

fn role(record: &Record, role: &str) -> String {
    record.roles.get(role).cloned().unwrap_or_default()
}

/// Everybody but the base; the control last.
fn others(record: &Record) -> Vec<String> {
    let (base, control) = (role(record, BASE), role(record, CONTROL));
    let names =
        record.servers.iter().map(|row| row.name.clone()).filter(|name| *name != base && *name != control);
    names.chain(std::iter::once(control.clone()).filter(|name| !name.is_empty())).collect()
}

fn compare(record: &Record, metric: &Metric, workload: &str, base: &str, other: &str) -> Option<Comparison> {
    let control = role(record, CONTROL);
    let pairs = record.pairs(workload, (base, other), &metric.figure);
    // The control has nothing to be held against but the noise within its own rounds.
    let control =
        if other == control { Vec::new() } else { record.pairs(workload, (base, &control), &metric.figure) };
    Comparison::of(&pairs, &control)
}

/// All comparisons of a page, by metric, server and workload.
type Compared = BTreeMap<(&'static str, String, String), Comparison>;

fn compare_all(record: &Record, base: &str, others: &[String]) -> Compared {
    let control = role(record, CONTROL);
    let mut compared = Compared::new();
    for (metric, other) in METRICS.iter().flat_map(|metric| others.iter().map(move |other| (metric, other))) {
        for workload in workloads(record, metric) {
            if let Some(found) = compare(record, metric, &workload.name, base, other) {
                compared.insert((metric.name, other.clone(), workload.name.clone()), found);
            }
        }
    }
    // The control is no question that is asked.
    adjust(compared.iter_mut().filter(|((_, other, _), _)| *other != control).map(|(_, found)| found));
    compared
}

fn workloads<'r>(record: &'r Record, metric: &Metric) -> Vec<&'r Workload> {
    record.workloads.iter().filter(|workload| (metric.applies)(workload)).collect()
}

fn section(
    record: &Record,
    metric: &Metric,
    base: &str,
    others: &[String],
    compared: &Compared,
) -> Option<Section> {
    let workloads = workloads(record, metric);
    if workloads.is_empty() {
        return None;
    }
    let mut table = Table::new([
        "server".to_owned(),
        "scenario".to_owned(),
        base.to_owned(),
        "it".to_owned(),
        "difference (min to max)".to_owned(),
        "signed ranks".to_owned(),
        "Student, corrected".to_owned(),
        "verdict".to_owned(),
    ]);
    let mut rows = Vec::new();
    for other in others {
        let mut cells = Vec::new();
        for workload in &workloads {
            let found = compared.get(&(metric.name, other.clone(), workload.name.clone()));
            let of =
                |server: &str| middle(Unit::Micros, range(record.of(server, &workload.name), metric.figure));
            let Some(found) = found else {
                cells.push(None);
                continue;
            };
            let spread = found.text();
            let verdict = found.verdict("less", "more");
            table.row([
                other.clone(),
                workload.name.clone(),
                of(base),
                of(other),
                spread.clone(),
                format!("{:.3}", found.probability),
                format!("{:.3}", found.adjusted),
                verdict.clone(),
            ]);
            let note = format!(
                "{spread}, probability {:.3} and {:.3}: {verdict}",
                found.probability, found.adjusted
            );
            cells.push(Some(Cell { ratio: found.ratio, sure: found.sure(), note }));
        }
        rows.push((other.clone(), cells));
    }
    let columns = workloads.iter().map(|workload| workload.name.clone()).collect();
    Some(Section {
        title: metric.name.to_owned(),
        text: format!(
            "{} Differences from {base}, medians over the rounds; what is in brackets is within the noise; a dash was not measured, and why stands at the end. Less is better.",
            metric.text
        ),
        figures: vec![Figure {
            caption: format!("{}: difference from {base}", metric.name),
            drawing: Some(Drawing::Heat(Heat { columns, rows })),
            table,
        }],
    })
}

/// What can be said, in words.
fn verdicts(
    record: &Record,
    base: &str,
    others: &[String],
    compared: &Compared,
    tiles: &mut Vec<Tile>,
) -> Section {
    let control = role(record, CONTROL);
    let mut table = Table::new(["server", "scenario", "figure", "difference (min to max)", "verdict"]);
    let (mut total, mut widest) = (0, 0.0_f64);
    for (metric, other) in METRICS.iter().flat_map(|metric| others.iter().map(move |other| (metric, other))) {
        for workload in workloads(record, metric) {
            let Some(found) = compared.get(&(metric.name, other.clone(), workload.name.clone())) else {
                continue;
            };
            if *other == control {
                widest = widest.max(found.ratio.ln().abs());
                continue;
            }
            total += 1;
            if found.sure() || record.kind == RunKind::Ab {
                table.row([
                    other.clone(),
                    workload.name.clone(),
                    metric.name.to_owned(),
                    found.text(),
                    found.verdict("less: better", "more: worse"),
                ]);
            }
        }
    }
    let sure = table.rows.iter().filter(|row| row[4].contains(':')).count();
    tiles.push(Tile {
        value: format!("{sure} of {total}"),
        label: "differences are larger than the noise".to_owned(),
        note: format!("rounds: {}, at least {FEWEST_ROUNDS} are needed", record.rounds),
    });
    tiles.push(Tile {
        value: format!("±{:.1} %", (widest.exp() - 1.0) * 100.0),
        label: format!("{base} against itself, at most"),
        note: "median over the rounds".to_owned(),
    });
    Section {
        title: "What can be said".to_owned(),
        text: if sure == 0 {
            "No difference is larger than the noise of this machine in this run. That is no proof that there is none: more rounds see smaller ones.".to_owned()
        } else if record.kind == RunKind::Ab {
            "Every difference, and whether it is larger than the noise.".to_owned()
        } else {
            "The differences that are larger than the noise.".to_owned()
        },
        figures: Vec::from_iter((!table.rows.is_empty()).then(|| Figure {
            caption: "Differences in words".to_owned(),
            drawing: None,
            table,
        })),
    }
}

/// The absolute figures: bars and latency curves, for few servers.
fn scenarios(record: &Record) -> Option<Section> {
    let mut table = Table::new(["scenario", "what it stands for"]);
    for workload in &record.workloads {
        table.row([workload.name.as_str(), workload.about.as_str()]);
    }
    let mut figures = vec![Figure { caption: "Scenarios".to_owned(), drawing: None, table }];
    if record.servers.len() <= 4 {
        let closed: Vec<&Workload> = record.workloads.iter().filter(|workload| !workload.paced()).collect();
        if !closed.is_empty() {
            figures.push(cpu_bars(
                record,
                &closed,
                "Server CPU time per operation; each group has its own scale",
            ));
            figures.extend(counted::events(record, &closed));
        }
        let paced = record.workloads.iter().filter(|workload| workload.paced());
        figures.extend(
            paced.map(|workload| latency_curves(record, workload, format!("{}: latency", workload.name))),
        );
    }
    Some(Section {
        title: "Scenarios".to_owned(),
        text: "What was asked of the servers; the exact loads stand among the commands.".to_owned(),
        figures,
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    fn trial(head: f64, control: f64) -> Record {
        let costs = [("base", 1.0), ("head", head), ("base again", control)];
        let mut record = record(
            RunKind::Ab,
            &costs,
            &[Workload::plain(16, false), Workload { share: Some(0.5), ..Workload::plain(1, false) }],
        );
        // Three rounds are too few: give it eight, which differ a little.
        let first: Vec<Measurement> =
            record.measurements.iter().filter(|found| found.round == 0).cloned().collect();
        record.measurements.clear();
        for round in 0..8 {
            record.measurements.extend(first.iter().cloned().map(|mut found| {
                let drift = 1.0 + 0.01 * f64::from(round) * if found.server == "head" { 1.01 } else { 1.0 };
                found.round = round as usize;
                if let Some(server) = &mut found.report.server {
                    server.us_per_op *= drift;
                }
                found
            }));
        }
        record.rounds = 8;
        record.roles =
            [(BASE, "base"), (CONTROL, "base again")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        record
    }

    #[test]
    fn what_is_less_is_said_to_be_less() {
        let page = comparison_page(&trial(0.8, 1.001));
        let row = page.sections[0].figures[0]
            .table
            .rows
            .iter()
            .find(|row| row[2] == "CPU time per operation")
            .unwrap();
        assert_eq!((row[0].as_str(), row[4].as_str()), ("head", "less: better"), "{row:?}");
        assert!(page.title.starts_with("head against base") && page.html().contains("less3"));
    }

    #[test]
    fn what_a_control_shows_too_is_noise() {
        let page = comparison_page(&trial(0.99, 0.95));
        let rows = &page.sections[0].figures[0].table.rows;
        assert!(
            rows.iter()
                .filter(|row| row[2] == "CPU time per operation")
                .all(|row| row[4] == "within the noise"),
            "{rows:?}"
        );
    }
}
