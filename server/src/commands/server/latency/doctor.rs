//! LATENCY DOCTOR: what the recorded events say, in plain words, and what may help.

use crate::commands::{Args, CommandResult, Cx};
use crate::config::rows;
use crate::observability::latency::Event;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// LATENCY DOCTOR.
pub fn doctor(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let threshold = cx.server.config.int(rows::LATENCY_MONITOR_THRESHOLD);
    let events = cx.server.latency.snapshot();
    let text = match (threshold, events.is_empty()) {
        (0, _) => "Latency monitoring is switched off. CONFIG SET latency-monitor-threshold <milliseconds> records \
                   every event that takes at least so long.\n"
            .to_owned(),
        (_, true) => format!("No event has taken {threshold} ms or longer: there is nothing to complain about.\n"),
        (_, false) => report(&events, threshold),
    };
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn report(events: &BTreeMap<&'static str, Event>, threshold: i64) -> String {
    let mut text = format!("Events that took {threshold} ms or longer:\n\n");
    for (i, (name, event)) in events.iter().enumerate() {
        let figures = Figures::of(event);
        let written = write!(
            text,
            "{}. {name}: {} spike(s), on average {:.0} ms (mean deviation {:.0} ms), one every {:.1} seconds. \
             Worst of all time {} ms.\n",
            i + 1,
            figures.count,
            figures.average,
            figures.deviation,
            figures.period,
            event.max,
        );
        written.expect("writing to a String does not fail");
    }
    text.push_str("\nWhat may help:\n\n");
    for advice in advice(events) {
        text.push_str("- ");
        text.push_str(advice);
        text.push('\n');
    }
    text
}

struct Figures {
    count: usize,
    /// Milliseconds.
    average: f64,
    /// Mean distance to the average in milliseconds.
    deviation: f64,
    /// Seconds between two spikes.
    period: f64,
}

impl Figures {
    fn of(event: &Event) -> Self {
        let count = event.samples.len();
        let divisor = count.max(1) as f64;
        let millis = || event.samples.iter().map(|sample| sample.1 as f64);
        let average = millis().sum::<f64>() / divisor;
        let deviation = millis().map(|value| (value - average).abs()).sum::<f64>() / divisor;
        let span = match (event.samples.front(), event.samples.back()) {
            (Some(first), Some(last)) => last.0 - first.0,
            _ => 0,
        };
        let period = span as f64 / count.saturating_sub(1).max(1) as f64;
        Self { count, average, deviation, period }
    }
}

fn advice(events: &BTreeMap<&'static str, Event>) -> Vec<&'static str> {
    let mut advice = Vec::new();
    let seen = |name| events.contains_key(name);
    if seen("command") || seen("fast-command") {
        advice.push("SLOWLOG GET shows the slow commands themselves, if slowlog-log-slower-than is low enough.");
        advice.push("Commands over many keys or large values hold up others on the same keys: split them up.");
    }
    if seen("fast-command") {
        advice.push(
            "Commands that should be quick were not: look for swapping, a busy neighbour on the same CPU, and \
             transparent huge pages.",
        );
    }
    if seen("expire-cycle") {
        advice.push("Many keys expire at the same moment: spread their times, or lower active-expire-effort.");
    }
    if advice.is_empty() {
        advice.push("These events depend on the machine: look at CPU steal, swapping and slow disks.");
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_an_event() {
        let event = Event { samples: [(10, 100), (20, 200), (40, 300)].into_iter().collect(), max: 300 };
        let figures = Figures::of(&event);
        assert_eq!((figures.count, figures.average, figures.period), (3, 200.0, 15.0));
        assert!((figures.deviation - 66.7).abs() < 0.1);
        assert_eq!(Figures::of(&Event::default()).average, 0.0);
    }

    #[test]
    fn every_event_gets_a_line_and_some_advice() {
        let event = Event { samples: [(10, 100)].into_iter().collect(), max: 100 };
        let text = report(&BTreeMap::from([("command", event.clone()), ("odd", event.clone())]), 50);
        assert!(text.contains("1. command: 1 spike(s), on average 100 ms"));
        assert!(text.contains("2. odd:"));
        assert!(text.contains("SLOWLOG GET"));
        assert!(report(&BTreeMap::from([("odd", event)]), 50).contains("\n- "));
    }
}
