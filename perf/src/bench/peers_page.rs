//! The page of a peers' run.

use super::counted;
use super::figures::{KEPT_UP, cpu, cpu_bars, ink, latency_curves, middle, page, parts_table, range};
use super::record::Record;
use super::workload::Workload;
use crate::report::{Axis, Drawing, Figure, Lines, Page, Scale, Section, Series, Table, Tile, Unit};

/// The page.
pub(super) fn peers_page(record: &Record) -> Page {
    let lead = "Boxcar beside other servers and the null server, which answers without reading or storing anything: what it costs is the kernel's own part. \
         One CPU for the server, another for the generator, 50 connections, 100,000 keys, values of 64 bytes, nothing on disk. Less is better everywhere.";
    let mut page = page(record, "Boxcar and its peers", lead.to_owned());
    page.tiles = tiles(record);
    page.sections =
        [cost(record), ratios(record), latency(record), sweep(record)].into_iter().flatten().collect();
    page
}

fn closed(record: &Record) -> Vec<&Workload> {
    record.workloads.iter().filter(|workload| !workload.paced()).collect()
}

fn cost(record: &Record) -> Option<Section> {
    let workloads = closed(record);
    if workloads.is_empty() {
        return None;
    }
    let parts = parts_table(record, &workloads);
    let split = if parts.is_some() {
        "Boxcar's user space is split by what it was found doing in samples of its call chains, taken in windows of their own, so that sampling costs no \
         figure; other servers' stands as a whole, most of their programs having no symbols that could tell."
    } else {
        "User space is not split into parts: this run has no samples of Boxcar's call chains."
    };
    let text = format!(
        "Closed loop: each connection sends as many requests as the depth says, and the next when they are answered. The bars are the server \
         process's own CPU clock over the measured window divided by the replies in it; the kernel's ticks say how much of it was spent in the kernel and \
         how much in user space. Medians of the rounds. {split}"
    );
    let bars = cpu_bars(record, &workloads, "Server CPU time per operation; each group has its own scale");
    Some(Section {
        title: "CPU time per operation".to_owned(),
        text,
        figures: std::iter::once(bars).chain(parts).chain(counted::events(record, &workloads)).collect(),
    })
}

/// Boxcar's cost as a multiple of the others', within rounds.
fn ratios(record: &Record) -> Option<Section> {
    let workloads = closed(record);
    let others: Vec<&str> =
        record.servers.iter().map(|row| row.name.as_str()).filter(|name| *name != "boxcar").collect();
    let mut table = Table::new(
        std::iter::once("workload".to_owned()).chain(others.iter().map(|name| format!("to {name}"))),
    );
    for workload in workloads {
        let cells = others.iter().map(|other| {
            let pairs = record.pairs(&workload.name, (other, "boxcar"), &cpu);
            let ratios = super::statistics::Range::of(pairs.iter().map(|(other, own)| own / other));
            ratios.map_or("–".to_owned(), |ratio| format!("{:.2}", ratio.median))
        });
        table.row(std::iter::once(workload.name.clone()).chain(cells));
    }
    (!table.rows.is_empty() && !others.is_empty()).then(|| Section {
        title: "Boxcar's share".to_owned(),
        text: "Boxcar's CPU time per operation as a multiple of each other server's, taken within a round and then the median: what this machine does \
               to all of them alike is not in it. 0.5 means half the CPU time for the same work."
            .to_owned(),
        figures: vec![Figure { caption: "CPU time per operation, Boxcar's over the other's".to_owned(), drawing: None, table }],
    })
}

fn latency(record: &Record) -> Option<Section> {
    let rated = record.workloads.iter().filter(|workload| workload.rate.is_some());
    let figures: Vec<Figure> = rated
        .map(|workload| {
            let rate = Unit::PerSecond.show(workload.rate.unwrap_or_default());
            let rounds = record.of("boxcar", &workload.name).count();
            let caption = format!("{}: {rate}, the same for all; rounds: {rounds}", workload.name);
            latency_curves(record, workload, caption)
        })
        .collect();
    (!figures.is_empty()).then(|| Section {
        title: "Latency at the same rate".to_owned(),
        text: "Open loop: requests are due at fixed times whatever the replies do, and latency counts from when a request was due, so that a stall \
               is felt by all who would have come meanwhile. At depth 16, sixteen requests come due at once on a connection and leave in one \
               write, as whole pipelines do. The axis is stretched towards its end: from p90 to p99 is as far as from p99 to p99.9. \
               A server that answered less than the rate has no latency at it, only a queue, and is left out of the drawing."
            .to_owned(),
        figures,
    })
}

fn sweep(record: &Record) -> Option<Section> {
    let mut depths: Vec<usize> = record
        .workloads
        .iter()
        .filter(|workload| workload.share.is_some())
        .map(|workload| workload.depth)
        .collect();
    depths.dedup();
    let figures: Vec<Figure> = depths.into_iter().map(|depth| sweep_figure(record, depth)).collect();
    (!figures.is_empty()).then(|| Section {
        title: "Latency against throughput".to_owned(),
        text: "Open loop again, each server at shares of its own capacity (what a whole core of its CPU time per operation would give). The further to the right a \
               curve stays low, the more can be asked of the server before its clients wait."
            .to_owned(),
        figures,
    })
}

fn sweep_figure(record: &Record, depth: usize) -> Figure {
    let workloads: Vec<&Workload> = record
        .workloads
        .iter()
        .filter(|workload| workload.share.is_some() && workload.depth == depth)
        .collect();
    let mut table =
        Table::new(["server", "share of its core", "asked", "answered", "p50", "p99", "p99.9", "CPUs busy"]);
    let mut series = Vec::new();
    for row in &record.servers {
        let mut points = Vec::new();
        for workload in &workloads {
            let found = || record.of(&row.name, &workload.name);
            let Some(answered) = range(found(), |found| Some(found.report.ops_per_second)) else { continue };
            let asked = range(found(), |found| found.report.target_ops_per_second);
            let p99 = range(found(), |found| Some(found.report.latency_us.p99));
            table.row([
                row.name.clone(),
                Unit::Share.show(workload.share.unwrap_or_default()),
                middle(Unit::PerSecond, asked),
                Unit::PerSecond.show(answered.median),
                middle(Unit::Micros, range(found(), |found| Some(found.report.latency_us.p50))),
                middle(Unit::Micros, p99),
                middle(Unit::Micros, range(found(), |found| Some(found.report.latency_us.p999))),
                middle(Unit::Count, range(found(), |found| Some(found.report.server?.cpus))),
            ]);
            let keeps_up = asked.is_some_and(|asked| answered.median >= asked.median * KEPT_UP);
            if let Some(p99) = p99.filter(|_| keeps_up) {
                points.push((answered.median, p99.median));
            }
        }
        if !points.is_empty() {
            series.push(Series {
                name: row.name.clone(),
                ink: ink(record, &row.name),
                dashed: false,
                points,
            });
        }
    }
    let drawing = Lines {
        x: Axis::new("operations a second", Scale::Linear, Unit::PerSecond),
        y: Axis::new("99th percentile of latency", Scale::Log, Unit::Micros),
        series,
    };
    Figure {
        caption: format!("Depth {depth}: latency as the load grows"),
        drawing: Some(Drawing::Lines(drawing)),
        table,
    }
}

fn tiles(record: &Record) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for depth in [1, 16, 64] {
        let workload = Workload::plain(depth, false).name;
        let Some(own) = range(record.of("boxcar", &workload), cpu) else { continue };
        let null = record.servers.iter().find(|row| row.name.starts_with("null"));
        let to_null = null.and_then(|null| {
            let pairs = record.pairs(&workload, (&null.name, "boxcar"), &cpu);
            super::statistics::Range::of(pairs.iter().map(|(null, own)| own / null))
        });
        tiles.push(Tile {
            value: Unit::Micros.show(own.median),
            label: format!("CPU time for a GET at depth {depth}"),
            note: to_null
                .map_or(String::new(), |ratio| format!("{:.2} × the kernel's own part", ratio.median)),
        });
    }
    let seventy = |workload: &&Workload| workload.rate.is_some() && workload.name.contains("70 % of boxcar");
    for workload in record.workloads.iter().filter(seventy) {
        let found = || record.of("boxcar", &workload.name);
        let kept =
            range(found(), |found| Some(found.report.ops_per_second / found.report.target_ops_per_second?));
        let p99 = range(found(), |found| Some(found.report.latency_us.p99));
        if let Some(p99) = p99.filter(|_| kept.is_some_and(|kept| kept.median >= KEPT_UP)) {
            tiles.push(Tile {
                value: Unit::Micros.show(p99.median),
                label: format!("p99 at 70 % of a core, depth {}", workload.depth),
                note: format!("at {}", Unit::PerSecond.show(workload.rate.unwrap_or_default())),
            });
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::super::record::{RunKind, tests::record};
    use super::*;

    #[test]
    fn all_parts_of_a_run_are_on_the_page() {
        let rated = Workload {
            rate: Some(9e5),
            name: "depth 16 GET at 70 % of boxcar's core".to_owned(),
            ..Workload::plain(16, false)
        };
        let share = Workload { share: Some(0.5), name: "half".to_owned(), ..Workload::plain(16, false) };
        let costs = [("boxcar", 0.5), ("null (io_uring)", 0.25), ("valkey 9.1.2", 1.0)];
        let page = peers_page(&record(RunKind::Peers, &costs, &[Workload::plain(16, false), rated, share]));
        let titles: Vec<&str> = page.sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(titles.len(), 4, "{titles:?}");
        assert_eq!(page.sections[1].figures[0].table.rows[0], ["depth 16 GET", "2.00", "0.50"]);
        assert_eq!(page.tiles[0].note, "2.00 × the kernel's own part");
        assert!(page.text().contains("valkey 9.1.2") && page.html().contains("<svg"));
    }
}
