//! Latency events for `LATENCY LATEST`, `HISTORY`, `GRAPH` and `DOCTOR`: spikes above
//! `latency-monitor-threshold`, by event name.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Samples kept per event (Redis's `LATENCY_TS_LEN`).
const SAMPLES_MAX: usize = 160;

/// The spikes of one event.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// `(unix seconds, milliseconds)`, oldest first; one sample a second at most, the largest of that second.
    pub samples: VecDeque<(i64, u64)>,
    /// Largest latency ever seen, in milliseconds.
    pub max: u64,
}

/// All events.
#[derive(Debug, Default)]
pub struct LatencyMonitor(Mutex<BTreeMap<&'static str, Event>>);

impl LatencyMonitor {
    fn events(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a spike of `millis` at unix second `time` when a threshold is set (not 0) and reached.
    pub fn add(&self, event: &'static str, threshold: u64, time: i64, millis: u64) {
        if threshold == 0 || millis < threshold {
            return;
        }
        let mut events = self.events();
        let entry = events.entry(event).or_default();
        entry.max = entry.max.max(millis);
        match entry.samples.back_mut() {
            Some(last) if last.0 == time => last.1 = last.1.max(millis),
            _ => {
                if entry.samples.len() == SAMPLES_MAX {
                    entry.samples.pop_front();
                }
                entry.samples.push_back((time, millis));
            }
        }
    }

    /// A copy of all events, by name.
    pub fn snapshot(&self) -> BTreeMap<&'static str, Event> {
        self.events().clone()
    }

    /// Removes the named events, or all; returns how many there were.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.events();
        let before = events.len();
        events.retain(|name, _| {
            !names.is_empty() && !names.iter().any(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        });
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second_and_bounded() {
        let monitor = LatencyMonitor::default();
        monitor.add("command", 0, 1, 50);
        assert!(monitor.snapshot().is_empty());
        monitor.add("command", 10, 1, 50);
        monitor.add("command", 10, 1, 70);
        for second in 2..400 {
            monitor.add("command", 10, second, 20);
        }
        let event = &monitor.snapshot()["command"];
        assert_eq!((event.max, event.samples.len()), (70, SAMPLES_MAX));
        assert_eq!(monitor.reset(&[b"other"]), 0);
        assert_eq!(monitor.reset(&[]), 1);
    }
}
