//! What the process uses: CPU time, memory, descriptors.

use std::fs;
use std::io;
use std::time::Duration;

use crate::memory::page_size;

/// CPU time of the calling thread, user and kernel together, in the kernel's full resolution.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of all threads of the process, user and kernel together.
#[must_use]
pub fn cpu_time() -> Duration {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is valid for the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "the clocks of one's own process always exist");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What getrusage(2) counts for one thread or for the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time spent in user space.
    pub user: Duration,
    /// CPU time spent in the kernel.
    pub system: Duration,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
    /// Context switches because there was nothing to do.
    pub voluntary_switches: u64,
    /// Context switches because somebody else's turn had come.
    pub involuntary_switches: u64,
    /// The most memory that was resident at one time, in bytes (of the process, for threads too).
    pub peak_rss: u64,
}

/// Usage of the calling thread.
#[must_use]
pub fn thread_usage() -> Usage {
    usage(libc::RUSAGE_THREAD)
}

/// Usage of the process, including threads that have ended.
#[must_use]
pub fn usage_of_process() -> Usage {
    usage(libc::RUSAGE_SELF)
}

/// Usage of the child processes that have been waited for.
#[must_use]
pub fn usage_of_children() -> Usage {
    usage(libc::RUSAGE_CHILDREN)
}

fn usage(who: i32) -> Usage {
    // SAFETY: an all-zero rusage is valid, and getrusage fills it.
    let mut raw: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid for the call.
    let result = unsafe { libc::getrusage(who, &raw mut raw) };
    assert_eq!(result, 0, "getrusage knows every `who` used here");
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    Usage {
        user: time(raw.ru_utime),
        system: time(raw.ru_stime),
        minor_faults: raw.ru_minflt as u64,
        major_faults: raw.ru_majflt as u64,
        voluntary_switches: raw.ru_nvcsw as u64,
        involuntary_switches: raw.ru_nivcsw as u64,
        peak_rss: raw.ru_maxrss as u64 * 1024,
    }
}

/// The longest slice that sched_setattr(2) takes, in nanoseconds.
const LONGEST_SLICE: u64 = 100_000_000;

/// Gives the calling thread a lower priority: `nice` from 0, as all have it, to 19, the lowest. Each step is about a
/// tenth of a processor that others want, too.
///
/// It also asks for the longest slices, which Linux knows from 6.12 on: a thread with shorter ones that wakes then runs at
/// once, not when the clock ticks next, up to 4 ms later.
///
/// # Errors
/// What setpriority(2) or sched_setattr(2) says.
pub fn lower_thread_priority(nice: u8) -> io::Result<()> {
    // SAFETY: plain integers; in Linux, process 0 is the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: nice.into(),
        sched_priority: 0,
        sched_runtime: LONGEST_SLICE,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the attributes are valid for the call, and say how long they are; thread 0 is the calling one.
    if unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Bytes of the process that are in memory now.
///
/// # Errors
/// When `/proc` is not mounted or says what it never says.
pub fn resident_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = text.split_ascii_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/statm"))?;
    Ok(pages * page_size() as u64)
}

/// The limit of open files that is in force (the soft one).
///
/// # Errors
/// What getrlimit(2) says.
pub fn open_files_limit() -> io::Result<u64> {
    Ok(open_files()?.rlim_cur)
}

/// Raises the limit of open files to `wanted`, or as far as it goes, and returns what is then in force. Never lowers
/// it. The hard limit is raised too where privileges allow. To be called before the first listener: io_uring reads the limit
/// when an accept is armed.
///
/// # Errors
/// What getrlimit(2) says; a limit that cannot be raised is no error but a small result.
pub fn raise_open_files_limit(wanted: u64) -> io::Result<u64> {
    let now = open_files()?;
    if now.rlim_cur >= wanted {
        return Ok(now.rlim_cur);
    }
    // First all of it, which above the hard limit only a privileged process may have; then what the hard limit gives.
    for limit in [
        libc::rlimit { rlim_cur: wanted, rlim_max: now.rlim_max.max(wanted) },
        libc::rlimit { rlim_cur: wanted.min(now.rlim_max), rlim_max: now.rlim_max },
    ] {
        // SAFETY: the structure is valid for the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
            break;
        }
    }
    open_files_limit()
}

fn open_files() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_cpu_time() {
        let (thread, process) = (thread_cpu_time(), cpu_time());
        let mut sum = 0u64;
        while thread_cpu_time() - thread < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time() - process >= Duration::from_millis(4));
        assert!(usage_of_process().user + usage_of_process().system >= Duration::from_millis(4));
        assert!(thread_usage().peak_rss >= resident_bytes().unwrap() / 2);
        assert_eq!(usage_of_children(), usage_of_children());
    }

    #[test]
    fn a_thread_lowers_its_own_priority() {
        let nice = || {
            // SAFETY: plain integers; process 0 is the calling thread.
            unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
        };
        let lowered = std::thread::spawn(move || {
            lower_thread_priority(7).unwrap();
            let mut attributes = std::mem::MaybeUninit::<libc::sched_attr>::zeroed();
            let size = size_of::<libc::sched_attr>();
            // SAFETY: the attributes are written, as many bytes as there are; thread 0 is the calling one.
            let result =
                unsafe { libc::syscall(libc::SYS_sched_getattr, 0, attributes.as_mut_ptr(), size, 0) };
            assert_eq!(result, 0);
            // SAFETY: any bytes are attributes.
            (nice(), unsafe { attributes.assume_init() }.sched_policy)
        });
        assert_eq!(lowered.join().unwrap(), (7, libc::SCHED_OTHER as u32));
        assert!(nice() < 7, "the others keep theirs");
    }

    #[test]
    fn touched_memory_is_resident() {
        let before = resident_bytes().unwrap();
        let mut region = crate::memory::Region::new(64 << 20).unwrap();
        assert!(resident_bytes().unwrap() < before + (32 << 20), "untouched memory is not");
        region.populate();
        assert!(resident_bytes().unwrap() >= before + (48 << 20));
        drop(region);
    }

    #[test]
    fn the_limit_of_open_files_is_never_lowered() {
        let now = open_files_limit().unwrap();
        assert_eq!(raise_open_files_limit(1).unwrap(), now);
        assert!(raise_open_files_limit(now + 1).unwrap() >= now);
    }
}
