//! System calls: how many, how long, how often they fail.

use super::script::{Kind, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use syscalls::Sysno;

/// Classes of duration: below 1 us, below 2 us, and so on to below 2^19 us; the last has the rest.
pub const CLASSES: usize = 21;

/// One system call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// How many have returned.
    pub calls: u64,
    /// How many of those returned an error; EAGAIN is one.
    pub errors: u64,
    /// Time between entry and return, waiting included, in nanoseconds.
    pub time_ns: u64,
    /// How many took so long: class `n` is below 2^n microseconds and not in the class before, the last has the rest.
    pub histogram: Vec<u64>,
}

impl Calls {
    fn add(&mut self, time_ns: u64, failed: bool) {
        self.calls += 1;
        self.errors += u64::from(failed);
        self.time_ns += time_ns;
        self.histogram.resize(CLASSES, 0);
        let class = (64 - (time_ns / 1000).leading_zeros()) as usize;
        self.histogram[class.min(CLASSES - 1)] += 1;
    }

    /// The bound, in microseconds, below which at least this share of the calls stayed; `None` for the open class.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (self.calls as f64 * share).ceil() as u64;
        let mut seen = 0;
        let class = self.histogram.iter().position(|&count| {
            seen += count;
            seen >= wanted
        })?;
        (class < CLASSES - 1).then_some(1 << class)
    }
}

/// What a recording of entries and exits says.
#[derive(Debug, Default)]
pub struct Syscalls {
    /// By name.
    pub calls: BTreeMap<String, Calls>,
    /// Records that the buffer had no room for.
    pub lost: u64,
    entered: HashMap<u32, (i64, u64)>,
}

impl Syscalls {
    /// Takes the next record.
    pub fn take(&mut self, record: &Record) {
        let Kind::Sample { event, details, .. } = &record.kind else {
            if let Kind::Lost(count) = record.kind {
                self.lost += count;
            }
            return;
        };
        let Some(number) = number(details) else { return };
        if event.ends_with("sys_enter") {
            self.entered.insert(record.tid, (number, record.time));
        } else if event.ends_with("sys_exit") {
            // A call that was entered before the recording began, or whose entry was lost, is not counted.
            let Some((entered, since)) = self.entered.remove(&record.tid) else { return };
            if entered == number {
                let result =
                    details.rsplit_once("= ").and_then(|(_, result)| result.trim().parse::<i64>().ok());
                let failed = result.is_some_and(|result| (-4095..0).contains(&result));
                self.calls.entry(name(number)).or_default().add(record.time.saturating_sub(since), failed);
            }
        }
    }
}

/// `NR 232 (1, 2, ...)` and `NR 232 = 1`.
fn number(details: &str) -> Option<i64> {
    details.strip_prefix("NR ")?.split_whitespace().next()?.parse().ok()
}

fn name(number: i64) -> String {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    known.map_or_else(|| format!("syscall {number}"), |call| call.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(time: u64, event: &str, details: &str) -> Record {
        let kind = Kind::Sample { event: event.to_owned(), details: details.to_owned(), frames: Vec::new() };
        Record { thread: "io-0".to_owned(), tid: 5, time, kind }
    }

    #[test]
    fn calls_are_timed_from_entry_to_exit() {
        let read = Sysno::read.id();
        let mut syscalls = Syscalls::default();
        let mut take = |time, event: &str, details: String| syscalls.take(&record(time, event, &details));
        take(0, "raw_syscalls:sys_exit", format!("NR {read} = 1"));
        take(1_000, "raw_syscalls:sys_enter", format!("NR {read} (1, 2, 3, 4, 5, 6)"));
        take(1_700, "raw_syscalls:sys_exit", format!("NR {read} = 12"));
        take(2_000, "raw_syscalls:sys_enter", format!("NR {read} (1, 2, 3, 4, 5, 6)"));
        take(7_000, "raw_syscalls:sys_exit", format!("NR {read} = -11"));
        take(8_000, "raw_syscalls:sys_enter", "NR 99999 (0)".to_owned());
        take(9_000, "raw_syscalls:sys_exit", "NR 99999 = 0".to_owned());
        let calls = &syscalls.calls["read"];
        assert_eq!((calls.calls, calls.errors, calls.time_ns), (2, 1, 5_700));
        assert_eq!((calls.histogram[0], calls.histogram[3]), (1, 1));
        assert_eq!((calls.quantile_us(0.5), calls.quantile_us(0.99)), (Some(1), Some(8)));
        assert_eq!(syscalls.calls["syscall 99999"].calls, 1);
    }
}
