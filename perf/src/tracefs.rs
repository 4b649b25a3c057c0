//! The kernel's tracepoints, without leaving a mount behind.
//!
//! Tracepoints are found under tracefs, which many machines do not mount. What needs them runs on a thread of its own
//! in a mount namespace of its own, where it is mounted; the namespace ends with the thread and with the processes that the
//! thread has started, and the machine's own mounts stay as they are.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io;
use std::path::Path;

/// Where tracefs belongs.
const TRACEFS: &str = "/sys/kernel/tracing";

/// Runs `action` where tracefs is mounted, and gives what it gives. Programs that it starts see the mount, too.
///
/// # Errors
/// tracefs is not mounted, and this user may not mount it (it takes `CAP_SYS_ADMIN`), or the kernel has none.
pub fn with<T: Send>(action: impl FnOnce() -> T + Send) -> io::Result<T> {
    if mounted() {
        return Ok(action());
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let nothing = None::<&str>;
            // Else the mount below would appear in the namespace this one was made from.
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
            mount(Some("tracefs"), TRACEFS, Some("tracefs"), MsFlags::empty(), nothing)?;
            Ok(action())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn mounted() -> bool {
    Path::new(TRACEFS).join("events").is_dir()
}

/// The number by which perf_event_open(2) knows a tracepoint, as `raw_syscalls/sys_enter`.
///
/// # Errors
/// Those of [`with`], and when there is no such tracepoint.
pub fn tracepoint(name: &str) -> io::Result<u64> {
    let file = Path::new(TRACEFS).join("events").join(name).join("id");
    let text = with(|| fs::read_to_string(file))??;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: id {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_seen_inside_only() {
        let before = fs::read_to_string("/proc/self/mounts").unwrap();
        match with(mounted) {
            Ok(inside) => assert!(inside),
            // Containers may not mount.
            Err(error) => assert_eq!(error.raw_os_error(), Some(nix::libc::EPERM), "{error}"),
        }
        assert_eq!(fs::read_to_string("/proc/self/mounts").unwrap(), before);
    }

    #[test]
    fn an_unknown_tracepoint_is_an_error() {
        assert!(tracepoint("no/such").is_err());
    }
}
