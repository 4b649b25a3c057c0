//! What the kernel and the processor count for a process: cycles, instructions, misses, switches, faults, system calls.
//!
//! Every event of [`EVENTS`] is asked for by perf_event_open(2) for each thread of the process, and for the threads that those
//! start later. What the machine does not offer is named with its reason; it is never shown as zero.
//! Virtual machines often have no hardware counters at all: the software ones are always there.

use crate::tracefs;
use nix::errno::Errno;
use perf_event::events::{Hardware, Software, Tracepoint};
use perf_event::{Builder, Counter};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// How an event is asked for.
#[derive(Debug, Clone, Copy)]
enum Source {
    Hardware(Hardware),
    Software(Software),
    /// A tracepoint, as `group/name`.
    Tracepoint(&'static str),
}

/// One event that may be counted.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its name in results, that of perf(1).
    pub name: &'static str,
    /// What one count is.
    pub unit: &'static str,
    source: Source,
}

const fn event(name: &'static str, unit: &'static str, source: Source) -> Event {
    Event { name, unit, source }
}

/// Everything that is asked for, in the order of the tables.
pub const EVENTS: &[Event] = &[
    event("cycles", "cycles", Source::Hardware(Hardware::CPU_CYCLES)),
    event("instructions", "instructions", Source::Hardware(Hardware::INSTRUCTIONS)),
    event(
        "cache-references",
        "accesses of the last-level cache",
        Source::Hardware(Hardware::CACHE_REFERENCES),
    ),
    event("cache-misses", "misses of the last-level cache", Source::Hardware(Hardware::CACHE_MISSES)),
    event("branches", "branches", Source::Hardware(Hardware::BRANCH_INSTRUCTIONS)),
    event("branch-misses", "mispredicted branches", Source::Hardware(Hardware::BRANCH_MISSES)),
    event(CPU_TIME, "ns on a CPU", Source::Software(Software::TASK_CLOCK)),
    event("context-switches", "switches", Source::Software(Software::CONTEXT_SWITCHES)),
    event("cpu-migrations", "moves to another CPU", Source::Software(Software::CPU_MIGRATIONS)),
    event("page-faults", "faults", Source::Software(Software::PAGE_FAULTS)),
    event("major-faults", "faults that read a disk", Source::Software(Software::PAGE_FAULTS_MAJ)),
    event(SYSCALLS, "system calls", Source::Tracepoint("raw_syscalls/sys_enter")),
];

/// The event that is time.
pub const CPU_TIME: &str = "task-clock";

/// The event that costs something: see [`Tracing`].
pub const SYSCALLS: &str = "syscalls";

/// Whether system calls are counted.
///
/// While anybody on the machine counts them, every system call of every process takes the kernel's slow way in and out, some
/// 100 ns longer; the other events cost next to nothing. So count them in a run of their own, not in one whose time matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracing {
    /// They are left out.
    Off,
    /// They are counted.
    Syscalls,
}

/// An event that is not counted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The event's name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Counters that run.
#[derive(Debug)]
pub struct Counters {
    counting: Vec<(Event, Vec<Counter>)>,
    missing: Vec<Missing>,
}

impl Counters {
    /// Starts counting for all threads of process `pid`, and those they start from now on.
    ///
    /// # Errors
    /// There is no such process. An event that cannot be had is no error: it is [`Counts::missing`].
    pub fn of_process(pid: u32, tracing: Tracing) -> io::Result<Counters> {
        let threads = threads_of(pid)?;
        let mut counters = Counters { counting: Vec::new(), missing: Vec::new() };
        for &event in EVENTS {
            if tracing == Tracing::Off && matches!(event.source, Source::Tracepoint(_)) {
                counters.miss(event, "not asked for in this run".to_owned());
                continue;
            }
            match open(event, &threads) {
                Ok(open) if !open.is_empty() => counters.counting.push((event, open)),
                Ok(_) => return Err(Errno::ESRCH.into()),
                Err(error) => counters.miss(event, reason(event, &error)),
            }
        }
        Ok(counters)
    }

    fn miss(&mut self, event: Event, reason: String) {
        self.missing.push(Missing { name: event.name.to_owned(), reason });
    }

    /// What has been counted so far. Ended threads keep what they had counted.
    ///
    /// # Errors
    /// The kernel refuses to read a counter, which it does not do for one that it has opened.
    pub fn read(&mut self) -> io::Result<Counts> {
        let mut counts = Counts { values: BTreeMap::new(), missing: self.missing.clone() };
        for (event, counters) in &mut self.counting {
            let mut sum = 0;
            for counter in counters {
                let data = counter.read_full()?;
                let (enabled, running) = (data.time_enabled(), data.time_running());
                sum +=
                    extrapolate(data.count(), enabled.map_or(0, nanoseconds), running.map_or(0, nanoseconds));
            }
            counts.values.insert(event.name.to_owned(), sum);
        }
        Ok(counts)
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A processor with fewer counters than events lets them take turns; what an event counted in its turns stands for all.
fn extrapolate(count: u64, enabled: u64, running: u64) -> u64 {
    if running == 0 || running >= enabled {
        return count;
    }
    (count as f64 * (enabled as f64 / running as f64)) as u64
}

/// The ids of a process's threads.
fn threads_of(pid: u32) -> io::Result<Vec<i32>> {
    let folder = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// A counter of `event` for each of `threads` that still runs.
fn open(event: Event, threads: &[i32]) -> io::Result<Vec<Counter>> {
    let mut builder = match event.source {
        Source::Hardware(hardware) => Builder::new(hardware),
        Source::Software(software) => Builder::new(software),
        Source::Tracepoint(name) => Builder::new(Tracepoint::with_id(tracefs::tracepoint(name)?)),
    };
    builder.inherit(true).include_kernel().enabled(true);
    let mut counters = Vec::new();
    for &thread in threads {
        match builder.observe_pid(thread).build() {
            Ok(counter) => counters.push(counter),
            // It has ended since.
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(counters)
}

fn reason(event: Event, error: &io::Error) -> String {
    let errno = error.raw_os_error().map(Errno::from_raw);
    let hardware = matches!(event.source, Source::Hardware(_));
    match errno {
        Some(Errno::ENOENT | Errno::EOPNOTSUPP | Errno::ENODEV) if hardware => {
            "this processor, or the virtual machine it belongs to, offers no such counter".to_owned()
        }
        Some(Errno::EACCES | Errno::EPERM) => {
            let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
            format!("not permitted: it takes CAP_PERFMON; kernel.perf_event_paranoid is {}", level.trim())
        }
        _ => error.to_string(),
    }
}

/// What was counted, by the events' names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Each event that was counted. Its unit stands in [`EVENTS`].
    pub values: BTreeMap<String, u64>,
    /// Each that was not.
    pub missing: Vec<Missing>,
}

impl Counts {
    /// What was counted since `earlier`, a reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        let values = self.values.iter().map(|(name, &value)| {
            // An extrapolated value may step back a little.
            let before = earlier.values.get(name).copied().unwrap_or_default();
            (name.clone(), value.saturating_sub(before))
        });
        Counts { values: values.collect(), missing: self.missing.clone() }
    }

    /// Each event for each of `operations`, in the order of [`EVENTS`]; nothing if there were none.
    pub fn per_operation(&self, operations: u64) -> Vec<(&'static Event, f64)> {
        if operations == 0 {
            return Vec::new();
        }
        let counted = EVENTS.iter().filter_map(|event| Some((event, *self.values.get(event.name)?)));
        counted.map(|(event, value)| (event, value as f64 / operations as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that makes system calls and takes CPU time until it is dropped.
    struct Busy(Child);

    impl Busy {
        fn start() -> Busy {
            let program = "while :; do read line < /proc/self/stat; done";
            let child = Command::new("sh").args(["-c", program]).stdin(Stdio::null()).spawn().unwrap();
            Busy(child)
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ended = self.0.kill();
            let _reaped = self.0.wait();
        }
    }

    /// Reads until `name` has moved; a loaded machine may take a while.
    fn moved(counters: &mut Counters, name: &str) -> u64 {
        let before = counters.read().unwrap();
        for _ in 0..1000 {
            let counted = counters.read().unwrap().since(&before);
            if counted.values[name] > 0 {
                return counted.values[name];
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{name} does not move: {before:?}");
    }

    #[test]
    fn every_event_is_counted_or_named_as_missing() {
        let busy = Busy::start();
        let mut counters = Counters::of_process(busy.0.id(), Tracing::Syscalls).unwrap();
        let counts = counters.read().unwrap();
        for event in EVENTS {
            let missing = counts.missing.iter().find(|missing| missing.name == event.name);
            assert!(
                counts.values.contains_key(event.name)
                    != missing.is_some_and(|missing| !missing.reason.is_empty()),
                "{}: {counts:?}",
                event.name
            );
        }
        let present: Vec<String> = counts.values.keys().cloned().collect();
        for name in ["task-clock", "syscalls", "instructions"] {
            if present.iter().any(|present| present == name) {
                moved(&mut counters, name);
            }
        }
        // Who may count anything may count this.
        if nix::unistd::geteuid().is_root() {
            assert!(present.contains(&"task-clock".to_owned()), "{counts:?}");
        }
    }

    #[test]
    fn system_calls_are_left_out_unless_asked_for() {
        let mut counters = Counters::of_process(std::process::id(), Tracing::Off).unwrap();
        let counts = counters.read().unwrap();
        assert!(counts.missing.iter().any(|missing| missing.name == SYSCALLS), "{counts:?}");
    }

    #[test]
    fn no_process_is_an_error() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(Counters::of_process(child.id(), Tracing::Off).is_err());
    }

    #[test]
    fn turns_are_extrapolated() {
        assert_eq!(extrapolate(100, 1000, 250), 400);
        assert_eq!(extrapolate(100, 1000, 1000), 100);
        assert_eq!(extrapolate(0, 1000, 0), 0);
    }

    #[test]
    fn counts_are_divided_by_operations() {
        let counts = Counts { values: [("task-clock".to_owned(), 3000)].into(), missing: Vec::new() };
        let rows = counts.per_operation(2);
        assert_eq!((rows[0].0.name, rows[0].1), ("task-clock", 1500.0));
        assert!(counts.per_operation(0).is_empty());
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
    }
}
