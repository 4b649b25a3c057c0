//! The page of a scaling run, and the model's tables for perf/SPECIFICATION.md.

use super::figures::{cpu, cpu_bars, latency_curves, page, range, spread};
use super::record::Record;
use super::scaling::{CONTENDED, SHARE, threads_figure};
use super::scaling_model::{Coefficients, Model, Observation};
use super::turns::Measurement;
use super::workload::Workload;
use crate::report::{Axis, Drawing, Figure, Ink, Lines, Page, Scale, Section, Series, Table, Tile, Unit};

/// The goal: so many operations a second.
pub(super) const GOAL: f64 = 3e6;

/// Cores of the machine that the goal speaks of.
pub(super) const CORES: f64 = 16.0;

/// The page.
pub(super) fn scaling_page(record: &Record) -> Page {
    let alone = record.figures.get("CPUs of the generator alone").copied().unwrap_or(0.0) > 0.0;
    let lead = "What an operation costs one I/O thread, two, and more, half GETs and half SETs, and what that says of machines with more cores.";
    let mut page = page(record, "Scaling", lead.to_owned());
    if !alone {
        page.limits.push("No CPU was left for the generator: throughput with several threads says nothing here. The model uses CPU time per operation, which a neighbour on the same CPU raises a little too.".to_owned());
    }
    let workloads = closed(record);
    for (depth, model) in
        workloads.iter().filter_map(|workload| Some((workload.depth, model(record, workload)?)))
    {
        if let Some(threads) = model.threads_for(GOAL, SHARE, model.worst).filter(|_| depth > 1) {
            page.tiles.push(Tile {
                value: format!("{threads} cores"),
                label: format!("for 3 M/s at 70 %, depth {depth}"),
                note: "the model's worse bound".to_owned(),
            });
        }
    }
    page.sections.push(Section {
        title: "CPU time per operation".to_owned(),
        text: "Closed loop, medians of the rounds, all threads of the server together; each thread has the same number of connections.".to_owned(),
        figures: vec![
            cpu_bars(record, &workloads, "Server CPU time per operation; each group has its own scale"),
            Figure { caption: "What one core does".to_owned(), drawing: None, table: cost_table(record) },
        ],
    });
    page.sections.push(Section {
        title: "What more cores would give".to_owned(),
        text: "The universal scalability law in terms of cost, between its most and its least hopeful coefficients (perf/SPECIFICATION.md says how they are found). \
               Dashed is computed, marks are measured."
            .to_owned(),
        figures: std::iter::once(Figure { caption: "The model".to_owned(), drawing: None, table: model_table(record) })
            .chain(workloads.iter().filter_map(|workload| drawn(record, workload, alone)))
            .collect(),
    });
    let paced: Vec<&Workload> = record.workloads.iter().filter(|workload| workload.paced()).collect();
    if !paced.is_empty() {
        page.sections.push(Section {
            title: "Latency at 70 %".to_owned(),
            text: "Open loop at 70 % of what each server's threads can do.".to_owned(),
            figures: paced
                .into_iter()
                .map(|workload| latency_curves(record, workload, format!("{}: latency", workload.name)))
                .collect(),
        });
    }
    page
}

fn closed(record: &Record) -> Vec<&Workload> {
    record.workloads.iter().filter(|workload| !workload.paced()).collect()
}

fn contended(found: &Measurement) -> Option<f64> {
    let count = found.counters.get(CONTENDED)?;
    (found.report.completed > 0).then(|| count / found.report.completed as f64)
}

fn observations(record: &Record, workload: &Workload) -> Vec<Observation> {
    let observe = |server: &str| {
        let found = || record.of(server, &workload.name);
        Some(Observation {
            threads: *record.figures.get(&threads_figure(server))?,
            cost: range(found(), cpu)?.median,
            contended: range(found(), contended).map_or(0.0, |range| range.median),
        })
    };
    record.servers.iter().filter_map(|row| observe(&row.name)).collect()
}

fn model(record: &Record, workload: &Workload) -> Option<Model> {
    Model::fit(&observations(record, workload))
}

/// What one core does, by depth.
pub(super) fn cost_table(record: &Record) -> Table {
    let mut table = Table::new([
        "depth",
        "threads",
        "CPU/op (min – max)",
        "one core does",
        "locks found taken, per 1000 operations",
    ]);
    for workload in closed(record) {
        for row in &record.servers {
            let found = || record.of(&row.name, &workload.name);
            let Some(cost) = range(found(), cpu) else { continue };
            let contended = range(found(), contended);
            table.row([
                workload.depth.to_string(),
                row.name.clone(),
                spread(Unit::Micros, Some(cost)),
                Unit::PerSecond.show(1e6 / cost.median.max(1e-9)),
                contended.map_or("–".to_owned(), |range| format!("{:.3}", range.median * 1e3)),
            ]);
        }
    }
    table
}

/// The coefficients, and what they say of [`CORES`] cores.
pub(super) fn model_table(record: &Record) -> Table {
    let mut table = Table::new([
        "depth",
        "sigma, kappa at best",
        "at worst",
        "16 cores at 100 %",
        "16 cores at 70 %",
        "cores for 3 M/s at 70 %",
    ]);
    let pair = |c: Coefficients| format!("{:.4}, {:.5}", c.sigma, c.kappa);
    for workload in closed(record) {
        let Some(model) = model(record, workload) else { continue };
        let at = |share: f64| {
            let of = |c| Unit::PerSecond.show(model.capacity(CORES, c) * share);
            format!("{} to {}", of(model.worst), of(model.best))
        };
        let cores =
            |c| model.threads_for(GOAL, SHARE, c).map_or("none".to_owned(), |cores| cores.to_string());
        table.row([
            workload.depth.to_string(),
            pair(model.best),
            pair(model.worst),
            at(1.0),
            at(SHARE),
            format!("{} to {}", cores(model.best), cores(model.worst)),
        ]);
    }
    table
}

/// Cores that the goal needs at a depth, by the less hopeful coefficients.
pub(super) fn cores_for_goal(record: &Record, depth: usize) -> Option<f64> {
    let workload = closed(record).into_iter().find(|workload| workload.depth == depth)?;
    let model = model(record, workload)?;
    model.threads_for(GOAL, SHARE, model.worst).map(f64::from)
}

fn drawn(record: &Record, workload: &Workload, alone: bool) -> Option<Figure> {
    let model = model(record, workload)?;
    let seen = observations(record, workload);
    let most = seen.iter().map(|found| found.threads).fold(CORES, f64::max);
    let curve = |name: &str, ink: Ink, coefficients: Coefficients| Series {
        name: name.to_owned(),
        ink,
        dashed: true,
        points: (1..=most as u32)
            .map(|n| (f64::from(n), model.capacity(f64::from(n), coefficients)))
            .collect(),
    };
    let mut series = vec![Series {
        name: "measured: threads over CPU time per operation".to_owned(),
        ink: Ink::OWN,
        dashed: false,
        points: seen.iter().map(|found| (found.threads, found.threads * 1e6 / found.cost)).collect(),
    }];
    if alone {
        let throughput = record.servers.iter().filter_map(|row| {
            let rate =
                range(record.of(&row.name, &workload.name), |found| Some(found.report.ops_per_second))?;
            Some((*record.figures.get(&threads_figure(&row.name))?, rate.median))
        });
        let points = throughput.collect();
        series.push(Series {
            name: "measured: throughput".to_owned(),
            ink: Ink::other(0),
            dashed: false,
            points,
        });
    }
    series.push(curve("at best", Ink::other(2), model.best));
    series.push(curve("at worst", Ink::other(1), model.worst));
    let mut table = Table::new(["threads", "at worst", "at best"]);
    for threads in [1.0, 2.0, 4.0, 8.0, 12.0, 16.0] {
        let of = |c| Unit::PerSecond.show(model.capacity(threads, c));
        table.row([threads.to_string(), of(model.worst), of(model.best)]);
    }
    let drawing = Lines {
        x: Axis::new("I/O threads, one to a core", Scale::Linear, Unit::Count),
        y: Axis::new("operations a second", Scale::Linear, Unit::PerSecond),
        series,
    };
    Some(Figure {
        caption: format!("Depth {}: operations a second by the model", workload.depth),
        drawing: Some(Drawing::Lines(drawing)),
        table,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::record::{RunKind, tests::record};
    use super::*;

    /// A run whose second thread makes operations a tenth dearer.
    pub fn scaling_record() -> Record {
        let workload = Workload {
            name: "depth 16 GET/SET".to_owned(),
            mix: "get:1,set:1".to_owned(),
            ..Workload::plain(16, false)
        };
        let mut record = record(RunKind::Scaling, &[("1 thread", 0.5), ("2 threads", 0.55)], &[workload]);
        for (name, threads) in [("1 thread", 1.0), ("2 threads", 2.0)] {
            record.figures.insert(threads_figure(name), threads);
        }
        for found in record.measurements.iter_mut().filter(|found| found.server == "2 threads") {
            found.counters.insert(CONTENDED.to_owned(), 2.0);
        }
        record
    }

    #[test]
    fn the_model_uses_what_was_counted() {
        let record = scaling_record();
        // 2 contended locks in 100 operations.
        let model = model(&record, &record.workloads[0]).unwrap();
        assert!(
            (model.worst.sigma - 0.02).abs() < 1e-9 && (model.worst.kappa - 0.04).abs() < 1e-9,
            "{model:?}"
        );
        // 3 threads do 4.69 M/s by it, and 70 % of that are 3.28 M/s.
        assert_eq!(cores_for_goal(&record, 16), Some(3.0));
        assert_eq!(cost_table(&record).rows[1][4], "20.000");
        let page = scaling_page(&record);
        assert!(
            page.text().contains("none") && page.limits.iter().any(|limit| limit.contains("No CPU was left"))
        );
    }
}
