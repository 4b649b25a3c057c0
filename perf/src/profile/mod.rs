//! Profiles of a server under load.
//!
//! The server runs on one CPU, the generator on another, as in the benchmarks. While the load runs, perf(1) records three times:
//! where the threads are, when and from where they leave the CPU, and their system calls. Tracing slows what it traces, so each recording says only what it is for; the CPU time of an
//! operation comes from the [`counters`](crate::counters), over the first one.
//!
//! Call chains follow frame pointers, so the server must be built with them, and with line tables: `cargo xtask profile` does.

pub mod command_line;
pub mod flamegraph;
mod offcpu;
mod page;
pub mod parts;
mod recorder;
pub mod scenario;
mod script;
mod stacks;
mod symbols;
mod syscalls;
mod target;

pub use offcpu::Absence;
pub use scenario::{SCENARIOS, Scenario};
pub use stacks::{Function, Thread};
pub use syscalls::{CLASSES, Calls};

use crate::bench::{Host, ServerError};
use crate::counters::Counts;
use flamegraph::Weight;
use serde::{Deserialize, Serialize};
use stacks::Stacks;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use target::Target;
use thiserror::Error;

/// Functions shown for each thread.
const FUNCTIONS: usize = 25;

/// Why there is no profile.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The user stopped it.
    #[error("stopped; nothing was written")]
    Interrupted,
    /// perf cannot be started.
    #[error("cannot start perf (Debian's package linux-perf): {0}")]
    NoPerf(io::Error),
    /// perf failed.
    #[error("perf: {0}")]
    Perf(String),
    /// perf script printed something else than records.
    #[error("perf script printed a line that is no record: {0}")]
    Script(String),
    /// The server did nothing while it was recorded.
    #[error("{0}")]
    Nothing(String),
    /// The generator ended too early.
    #[error("the load ended: {0}")]
    Load(String),
    /// The server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server's figures could not be read.
    #[error("the server's INFO: {0}")]
    Info(String),
    /// The kernel refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A server that is profiled.
#[derive(Debug, Clone)]
pub struct Build {
    /// What it is called: a commit.
    pub name: String,
    /// The binary.
    pub server: PathBuf,
}

/// A profile to be made.
#[derive(Debug, Clone)]
pub struct ProfileOptions {
    /// The load.
    pub scenario: &'static Scenario,
    /// The server.
    pub head: Build,
    /// The server to compare with.
    pub base: Option<Build>,
    /// The generator's binary.
    pub generator: PathBuf,
    /// Length of each recording.
    pub length: Duration,
    /// Samples in a second of CPU time.
    pub frequency: u32,
    /// The server's CPU.
    pub server_cpu: usize,
    /// The generator's CPU.
    pub load_cpu: usize,
    /// More arguments of the server.
    pub server_flags: Vec<String>,
    /// More arguments of the generator.
    pub load_flags: Vec<String>,
    /// Where recordings go.
    pub recordings: PathBuf,
    /// Where everything else goes.
    pub output: PathBuf,
}

/// What a server spent for its operations while it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// The server's name.
    pub name: String,
    /// Commands that it processed.
    pub operations: u64,
    /// Events.
    pub counts: Counts,
}

impl Spent {
    /// CPU time of an operation in microseconds.
    pub fn cpu_us(&self) -> f64 {
        let clock = self.counts.values.get("task-clock").copied().unwrap_or_default();
        clock as f64 / 1000.0 / self.operations.max(1) as f64
    }
}

/// What a function took of an operation, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Nanoseconds of an operation in the base.
    pub before_ns: f64,
    /// The same in the head.
    pub after_ns: f64,
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The scenario's name.
    pub scenario: String,
    /// The machine.
    pub host: Host,
    /// The server's command line.
    pub server: String,
    /// The generator's.
    pub load: String,
    /// Seconds of each recording.
    pub seconds: f64,
    /// Samples in a second of CPU time.
    pub frequency: u32,
    /// What was spent while the CPU was recorded.
    pub head: Spent,
    /// By thread: where the CPU time went.
    pub threads: Vec<Thread>,
    /// By thread: time off the CPU.
    pub absences: BTreeMap<String, Absence>,
    /// Operations while system calls were recorded.
    pub syscall_operations: u64,
    /// System calls.
    pub syscalls: BTreeMap<String, Calls>,
    /// Records that perf's buffers had no room for, in all recordings.
    pub lost: u64,
    /// The server compared with.
    pub base: Option<Spent>,
    /// Functions whose own time has changed most, most first.
    pub changes: Vec<Change>,
}

/// Records, and writes `profile.md`, `profile.json`, the flame graphs and the folded stacks; `say` gets a line for each step.
///
/// # Errors
/// See [`ProfileError`].
pub fn profile(
    options: &ProfileOptions,
    stop: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<Profile, ProfileError> {
    let host = Host::read(options.server_cpu);
    if host.busy() {
        say(&format!("load average {}: somebody else is using this machine", host.load_average));
    }
    fs::create_dir_all(&options.recordings)?;
    fs::create_dir_all(&options.output)?;
    let base = match &options.base {
        Some(build) => {
            let mut target = Target::start(options, build, stop, say)?;
            Some(target.on_cpu(options)?)
        }
        None => None,
    };
    let mut target = Target::start(options, &options.head, stop, say)?;
    let (spent, stacks, lost) = target.on_cpu(options)?;
    let off = target.off_cpu(options)?;
    let (syscall_operations, syscalls) = target.syscalls(options)?;
    let (server, load) = target.commands(options);
    drop(target);

    let mut profile = Profile {
        scenario: options.scenario.name.to_owned(),
        host,
        server,
        load,
        seconds: options.length.as_secs_f64(),
        frequency: options.frequency,
        threads: stacks.threads(FUNCTIONS),
        head: spent,
        absences: off.threads,
        syscall_operations,
        syscalls: syscalls.calls,
        lost: lost + off.lost + syscalls.lost,
        base: None,
        changes: Vec::new(),
    };
    let title = format!("{}: {}", profile.scenario, profile.head.name);
    let subtitle = format!(
        "{} samples of CPU time, {:.2} us of CPU for each operation",
        stacks.total(),
        profile.head.cpu_us()
    );
    let file = |name: &str| options.output.join(name);
    flamegraph::draw(&stacks, Weight::Samples, &title, &subtitle, &file("cpu.svg"))?;
    fs::write(file("cpu.folded"), stacks.folded())?;
    // A server that was never off the CPU has nothing to draw.
    if off.stacks.total() > 0 {
        let subtitle = "microseconds off the CPU";
        flamegraph::draw(&off.stacks, Weight::Microseconds, &title, subtitle, &file("offcpu.svg"))?;
        fs::write(file("offcpu.folded"), off.stacks.folded())?;
    }
    if let Some((before, base_stacks, _)) = base {
        compare(options, &mut profile, before, &base_stacks, &stacks)?;
    }
    fs::write(file("profile.md"), page::page(&profile))?;
    let json = serde_json::to_string_pretty(&profile).map_err(io::Error::from)?;
    fs::write(file("profile.json"), json + "\n")?;
    Ok(profile)
}

/// Puts what has changed since the base into the profile, and draws it. Weights are compared for the same number of operations.
fn compare(
    options: &ProfileOptions,
    profile: &mut Profile,
    before: Spent,
    base: &Stacks,
    head: &Stacks,
) -> Result<(), ProfileError> {
    // A sample is worth what its recording's CPU time is worth: samples that were lost or came late change nothing.
    let ns = |spent: &Spent, stacks: &Stacks| spent.cpu_us() * 1000.0 / stacks.total().max(1) as f64;
    let (before_ns, after_ns) = (ns(&before, base), ns(&profile.head, head));
    let base_scaled = base.scaled(before_ns / after_ns);
    let title = format!("{}: {} against {}", profile.scenario, profile.head.name, before.name);
    let subtitle = format!(
        "red: more CPU time than before, blue: less; {:.2} us for each operation, was {:.2}",
        profile.head.cpu_us(),
        before.cpu_us()
    );
    let file = options.output.join("cpu-difference.svg");
    flamegraph::draw_difference(&base_scaled, head, &title, &subtitle, &file)?;
    fs::write(options.output.join("cpu-base.folded"), base.folded())?;
    let (own_before, own_after) = (base.own(), head.own());
    let names: std::collections::BTreeSet<&String> = own_before.keys().chain(own_after.keys()).collect();
    let weight =
        |own: &BTreeMap<String, u64>, name: &String| own.get(name).copied().unwrap_or_default() as f64;
    let mut changes: Vec<Change> = names
        .into_iter()
        .map(|name| Change {
            name: name.clone(),
            before_ns: weight(&own_before, name) * before_ns,
            after_ns: weight(&own_after, name) * after_ns,
        })
        .collect();
    let size = |change: &Change| (change.after_ns - change.before_ns).abs();
    changes.sort_by(|a, b| size(b).total_cmp(&size(a)));
    changes.truncate(FUNCTIONS);
    profile.changes = changes;
    profile.base = Some(before);
    Ok(())
}
