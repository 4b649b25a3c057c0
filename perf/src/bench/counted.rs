//! What kernel and processor counted while the servers were measured, for pages.

use super::figures::{middle, range};
use super::record::Record;
use super::workload::Workload;
use crate::counters::{CPU_TIME, EVENTS};
use crate::report::{Figure, Table, Unit};
use std::collections::BTreeMap;

/// Operations for which the table shows events: some happen once in thousands.
const PER: f64 = 1000.0;

/// Events for [`PER`] operations, medians of the rounds; none when nothing was counted.
pub(super) fn events(record: &Record, workloads: &[&Workload]) -> Option<Figure> {
    let counted = |name: &str| {
        record.measurements.iter().any(|found| found.events.get(name).is_some_and(|&value| value > 0.0))
    };
    let shown: Vec<_> = EVENTS.iter().filter(|event| event.name != CPU_TIME && counted(event.name)).collect();
    let mut table =
        Table::new(["server", "workload"].into_iter().chain(shown.iter().map(|event| event.name)));
    for workload in workloads {
        for row in &record.servers {
            let found = || record.of(&row.name, &workload.name);
            if found().all(|found| found.events.is_empty()) {
                continue;
            }
            let figure = |name: &str| range(found(), |found| found.events.get(name).map(|value| value * PER));
            let cells = shown.iter().map(|event| middle(Unit::Count, figure(event.name)));
            table.row([row.name.clone(), workload.name.clone()].into_iter().chain(cells));
        }
    }
    (!table.rows.is_empty()).then(|| Figure { caption: caption(record), drawing: None, table })
}

/// What the table shows, and what it cannot.
fn caption(record: &Record) -> String {
    let mut caption = format!("Events of the server's threads for {PER} operations");
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for missing in &record.uncounted {
        reasons.entry(&missing.reason).or_default().push(&missing.name);
    }
    for (reason, names) in reasons {
        caption.push_str(&format!(". Not counted: {} ({reason})", names.join(", ")));
    }
    caption
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::record::RunKind;
    use crate::bench::record::tests::record;
    use crate::counters::Missing;

    #[test]
    fn what_was_counted_is_a_table_and_what_was_not_is_named() {
        let workload = Workload::plain(1, false);
        let mut record = record(RunKind::Peers, &[("boxcar", 1.0)], std::slice::from_ref(&workload));
        assert!(events(&record, &[&workload]).is_none(), "nothing was counted");
        for (found, switches) in record.measurements.iter_mut().zip([0.001, 0.003, 0.002]) {
            found.events.insert("context-switches".to_owned(), switches);
        }
        record.uncounted = ["cycles", "branches"]
            .map(|name| Missing { name: name.to_owned(), reason: "no such counter".to_owned() })
            .to_vec();
        let figure = events(&record, &[&workload]).expect("a table");
        assert_eq!(figure.table.head, ["server", "workload", "context-switches"]);
        assert_eq!(figure.table.rows[0][0], "boxcar");
        assert!(figure.table.rows[0][2].starts_with('2'), "{:?}", figure.table.rows);
        assert!(
            figure.caption.ends_with("Not counted: cycles, branches (no such counter)"),
            "{}",
            figure.caption
        );
    }
}
