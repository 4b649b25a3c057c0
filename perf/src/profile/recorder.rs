//! Recording with perf(1).

use super::ProfileError;
use super::script::{self, Record};
use crate::tracefs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Where the threads are, so many times in each second of CPU time.
    OnCpu {
        /// Samples a second.
        frequency: u32,
        /// How call chains are found.
        chains: Chains,
    },
    /// When the threads leave the CPU, from where, and when they come back.
    OffCpu,
    /// When they enter and leave the kernel.
    Syscalls,
}

/// How call chains are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chains {
    /// By frame pointers, which the server must be built with.
    FramePointers,
    /// By the tables that every binary has for unwinding, from a copy of the stack in each sample: dearer, and it needs no
    /// special build.
    Unwinding,
}

/// Bytes of the stack that are copied with each sample to be unwound: more than the server's innermost functions need.
const STACK: &str = "dwarf,4096";

impl Subject {
    /// The options of perf record.
    fn options(self) -> Vec<String> {
        let words: &[&str] = match self {
            // Virtual machines seldom have a cycle counter; this clock is everywhere, and runs only while the thread does.
            Subject::OnCpu { chains: Chains::FramePointers, .. } => {
                &["-e", "cpu-clock", "--call-graph", "fp"]
            }
            Subject::OnCpu { chains: Chains::Unwinding, .. } => {
                &["-e", "cpu-clock", "--call-graph", STACK, "-m", "4M"]
            }
            Subject::OffCpu => {
                &["-e", "sched:sched_switch", "--switch-events", "--call-graph", "fp", "-m", "4M"]
            }
            Subject::Syscalls => {
                &["-e", "raw_syscalls:sys_enter", "-e", "raw_syscalls:sys_exit", "-m", "16M"]
            }
        };
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        if let Subject::OnCpu { frequency, .. } = self {
            words.extend(["-F".to_owned(), frequency.to_string()]);
        }
        words
    }

    fn file(self) -> &'static str {
        match self {
            Subject::OnCpu { .. } => "cpu.data",
            Subject::OffCpu => "offcpu.data",
            Subject::Syscalls => "syscalls.data",
        }
    }

    /// What perf script prints of each record.
    fn fields(self) -> &'static str {
        match self {
            Subject::OnCpu { .. } | Subject::OffCpu => "comm,tid,time,event,ip,sym,dso",
            Subject::Syscalls => "comm,tid,time,event,trace",
        }
    }
}

/// Records process `pid` for `length` into a file of `folder`.
///
/// # Errors
/// perf is not there, is not allowed to, or says that something is wrong.
pub fn record(
    subject: Subject,
    pid: u32,
    length: Duration,
    folder: &Path,
) -> Result<Recording, ProfileError> {
    let file = folder.join(subject.file());
    let mut command = Command::new("perf");
    command
        .args(["record", "--quiet"])
        .args(subject.options())
        .args(["-p", &pid.to_string(), "-o"])
        .arg(&file);
    command.args(["--", "sleep", &length.as_secs_f64().to_string()]).stdin(Stdio::null());
    let output = tracefs::with(|| command.output())?.map_err(ProfileError::NoPerf)?;
    if !output.status.success() {
        return Err(ProfileError::Perf(last_lines(&output.stderr)));
    }
    Ok(Recording { subject, file })
}

/// A recording on disk.
#[derive(Debug)]
pub struct Recording {
    subject: Subject,
    file: PathBuf,
}

impl Recording {
    /// Hands every record to `take`, in the order of their times.
    ///
    /// # Errors
    /// perf cannot read it, or prints what is not understood.
    pub fn replay(&self, take: impl FnMut(Record)) -> Result<(), ProfileError> {
        let mut command = Command::new("perf");
        command.args(["script", "--ns", "--no-inline", "--show-mmap-events", "--show-switch-events"]);
        command.args(["--show-lost-events", "-F", self.subject.fields(), "-i"]).arg(&self.file);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Events are printed by the formats that tracefs has; the child keeps the mount that its parent had.
        let mut child = tracefs::with(|| command.spawn())?.map_err(ProfileError::NoPerf)?;
        let mut errors = child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is not shown.
            let _ = errors.as_mut().map(|errors| errors.read_to_end(&mut text));
            text
        });
        let read = child.stdout.take().map_or(Ok(()), |text| script::read(BufReader::new(text), take));
        if read.is_err() {
            // It may wait for us to read on; an error means that it has ended.
            let _ended = child.kill();
        }
        let status = child.wait()?;
        let errors = reader.join().unwrap_or_default();
        read?;
        if status.success() { Ok(()) } else { Err(ProfileError::Perf(last_lines(&errors))) }
    }
}

fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}
