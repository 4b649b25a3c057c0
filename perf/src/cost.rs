//! CPU time: of another process, and of the calling thread.

use boxcar_sys::process::thread_usage;
use nix::time::ClockId;
use nix::unistd::Pid;
use std::time::Duration;

/// The CPU clock of another process: all its threads, also those that have ended, in nanoseconds.
///
/// The clock of clock_getcpuclockid(3) is exact at the moment it is read, where /proc/PID/schedstat may lag by a
/// scheduler tick and /proc/PID/stat counts in hundredths of a second.
#[derive(Debug, Clone, Copy)]
pub struct ProcessClock {
    clock: ClockId,
}

impl ProcessClock {
    /// The clock of process `pid`. Fails with `ESRCH` if there is no such process.
    pub fn of(pid: u32) -> nix::Result<ProcessClock> {
        let pid = i32::try_from(pid).map_err(|_| nix::errno::Errno::ESRCH)?;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
        Ok(ProcessClock { clock })
    }

    /// CPU time spent since the process began. Fails once the process is gone.
    pub fn read(self) -> nix::Result<Duration> {
        self.clock.now().map(Duration::from)
    }
}

/// What the calling thread has spent of the CPU since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadCost {
    /// Time in user space.
    pub user: Duration,
    /// Time in the kernel on the thread's behalf.
    pub system: Duration,
}

impl ThreadCost {
    /// Reads getrusage(2) for the calling thread.
    pub fn now() -> ThreadCost {
        let usage = thread_usage();
        ThreadCost { user: usage.user, system: usage.system }
    }

    /// Cost since `earlier`. The kernel splits exact total time between user and system by sampling, so one part may
    /// seem to step back a little; it is then counted as zero.
    pub fn since(self, earlier: ThreadCost) -> ThreadCost {
        ThreadCost {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// User and system time together.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn burn(duration: Duration) {
        let start = Instant::now();
        while start.elapsed() < duration {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_busy_thread_shows_in_both_clocks() {
        let process = ProcessClock::of(std::process::id()).unwrap();
        let (process_before, thread_before) = (process.read().unwrap(), ThreadCost::now());
        burn(Duration::from_millis(60));
        let thread = ThreadCost::now().since(thread_before).total();
        let process = process.read().unwrap() - process_before;
        // A loaded machine may give the thread only a part of the wall time, never more than all of it.
        assert!(thread > Duration::from_millis(5) && thread < Duration::from_millis(2000), "{thread:?}");
        assert!(process + Duration::from_millis(1) >= thread, "{process:?} {thread:?}");
    }

    #[test]
    fn a_dead_process_has_no_clock() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(ProcessClock::of(pid).and_then(ProcessClock::read).is_err());
    }
}
