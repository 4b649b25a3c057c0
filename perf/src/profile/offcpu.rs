//! Time that threads spend off the CPU, and where they were when they left it.

use super::script::{Kind, Record};
use super::stacks::Stacks;
use super::symbols::Symbols;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A thread's absences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// How often it waited for something.
    pub waits: u64,
    /// How long in all, in microseconds.
    pub waited_us: u64,
    /// How often the kernel took the CPU away while it had work to do.
    pub preemptions: u64,
    /// How long in all, in microseconds.
    pub preempted_us: u64,
}

/// What a recording of switches says.
#[derive(Debug, Default)]
pub struct OffCpu {
    /// Microseconds by call chain; below the thread's name stands `waiting` or `preempted`.
    pub stacks: Stacks,
    /// By thread.
    pub threads: BTreeMap<String, Absence>,
    /// Records that the buffer had no room for.
    pub lost: u64,
    left: HashMap<u32, Left>,
}

/// A thread that has been seen leaving.
#[derive(Debug, Default)]
struct Left {
    frames: Vec<String>,
    at: Option<(u64, bool)>,
}

impl OffCpu {
    /// Takes the next record.
    pub fn take(&mut self, record: Record, symbols: &mut Symbols) {
        match record.kind {
            Kind::Map { start, length, offset, path } => symbols.mapped(&path, start, length, offset),
            Kind::Lost(count) => self.lost += count,
            Kind::Sample { frames, .. } => {
                self.left.entry(record.tid).or_default().frames = symbols.names(&frames);
            }
            Kind::Out { preempted } => {
                self.left.entry(record.tid).or_default().at = Some((record.time, preempted));
            }
            Kind::In => self.back(&record),
        }
    }

    fn back(&mut self, record: &Record) {
        // Whoever left before the recording began is not counted.
        let Some(Left { frames, at: Some((since, preempted)) }) = self.left.remove(&record.tid) else {
            return;
        };
        let us = record.time.saturating_sub(since) / 1000;
        let mut frames = frames;
        frames.push(if preempted { "preempted" } else { "waiting" }.to_owned());
        self.stacks.add(&record.thread, &frames, us);
        let thread = self.threads.entry(record.thread.clone()).or_default();
        let (count, time) = if preempted {
            (&mut thread.preemptions, &mut thread.preempted_us)
        } else {
            (&mut thread.waits, &mut thread.waited_us)
        };
        *count += 1;
        *time += us;
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Frame;
    use super::*;

    #[test]
    fn an_absence_is_counted_where_it_began() {
        let mut symbols = Symbols::of(&std::env::current_exe().unwrap()).unwrap();
        let mut off = OffCpu::default();
        let mut take = |time, kind| {
            off.take(Record { thread: "io-0".to_owned(), tid: 5, time, kind }, &mut symbols);
        };
        let frame =
            Frame { address: 1, symbol: "schedule".to_owned(), object: "[kernel.kallsyms]".to_owned() };
        let sample = Kind::Sample {
            event: "sched:sched_switch".to_owned(),
            details: String::new(),
            frames: vec![frame],
        };
        take(500, Kind::In);
        take(1_000, sample.clone());
        take(2_000, Kind::Out { preempted: false });
        take(9_000, Kind::In);
        take(10_000, sample);
        take(10_000, Kind::Out { preempted: true });
        take(12_000, Kind::In);
        take(13_000, Kind::Out { preempted: false });
        assert_eq!(off.stacks.folded(), "io-0;preempted;schedule_[k] 2\nio-0;waiting;schedule_[k] 7\n");
        let expected = Absence { waits: 1, waited_us: 7, preemptions: 1, preempted_us: 2 };
        assert_eq!(off.threads["io-0"], expected);
    }
}
