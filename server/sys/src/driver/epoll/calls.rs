//! The system calls of the epoll driver, made safe.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::driver::Feature;

/// The result of a system call that returns -1 on failure.
fn check(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// epoll_ctl(2).
pub(super) fn epoll_control(
    epoll: RawFd,
    operation: i32,
    fd: RawFd,
    events: u32,
    data: u64,
) -> io::Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: the event is valid for the call; the kernel checks both descriptors.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &raw mut event) } as libc::ssize_t).map(drop)
}

/// One recv(2) that does not wait.
pub(super) fn receive(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are of one live slice, which the kernel writes to only during the call.
    check(unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) })
}

/// One accept4(2); the peer's address is not wanted.
pub(super) fn accept(fd: RawFd) -> io::Result<OwnedFd> {
    let nobody = std::ptr::null_mut();
    // SAFETY: null pointers mean that the address is not wanted.
    let socket = check(
        unsafe { libc::accept4(fd, nobody, std::ptr::null_mut(), libc::SOCK_CLOEXEC) } as libc::ssize_t
    )?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(socket as RawFd) })
}

/// A new epoll instance.
pub(super) fn epoll_create() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) } as libc::ssize_t)?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Waits for events, in place of those that `events` holds, as many as it has room for. `fine`: with a time-out in
/// nanoseconds. A signal ends the wait early.
pub(super) fn epoll_wait(
    epoll: &OwnedFd,
    events: &mut Vec<libc::epoll_event>,
    timeout: Option<Duration>,
    fine: bool,
) -> io::Result<()> {
    events.clear();
    let (fd, start, room) = (epoll.as_raw_fd(), events.as_mut_ptr(), events.capacity() as i32);
    let result = if fine {
        let time = timeout.map(timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // SAFETY: `events` has room for `room` entries; the time is null or valid for the call; there is no signal mask.
        check(unsafe { libc::syscall(libc::SYS_epoll_pwait2, fd, start, room, time, no_mask, 0usize) }
            as libc::ssize_t)
    } else {
        // SAFETY: `events` has room for `room` entries.
        check(unsafe { libc::epoll_wait(fd, start, room, timeout.map_or(-1, round_up_to_millis)) }
            as libc::ssize_t)
    };
    match result {
        // SAFETY: the kernel has filled `count` entries, and `count` is at most the room.
        Ok(count) => unsafe { events.set_len(count) },
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// One send(2) that does not wait.
fn send_some(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        // SAFETY: pointer and length are of one live slice, which the kernel only reads, during the call.
        let result = check(unsafe {
            libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Sends from `written` on until all is gone (true) or the socket's buffer is full (false).
pub(super) fn send_rest(fd: RawFd, bytes: &[u8], written: &mut usize) -> io::Result<bool> {
    while *written < bytes.len() {
        match send_some(fd, &bytes[*written..]) {
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// accept4(2) has no flag of its own against waiting; connections do not need this, their calls say `MSG_DONTWAIT`.
pub(super) fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers are involved.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) } as libc::ssize_t)? as i32;
    // SAFETY: no pointers are involved.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) } as libc::ssize_t).map(drop)
}

/// Tries `epoll_pwait2` once: sandboxes that do not know it answer `ENOSYS` or `EPERM`.
pub(super) fn probe_fine_timeouts(epoll: &OwnedFd, wanted: bool) -> (bool, Feature) {
    let mut events = Vec::with_capacity(1);
    let result = wanted.then(|| epoll_wait(epoll, &mut events, Some(Duration::ZERO), true));
    let (active, reason) = match result {
        Some(Ok(_)) => (true, "time-outs in nanoseconds".to_owned()),
        Some(Err(error)) => (false, format!("{error}; time-outs in milliseconds")),
        None => (false, "switched off; time-outs in milliseconds".to_owned()),
    };
    (active, Feature { name: "epoll_pwait2", wanted, active, reason })
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
    }
}

/// For epoll_wait(2): never shorter than asked, or the caller would spin through the last millisecond.
fn round_up_to_millis(time: Duration) -> i32 {
    i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_up() {
        assert_eq!(round_up_to_millis(Duration::ZERO), 0);
        assert_eq!(round_up_to_millis(Duration::from_nanos(1)), 1);
        assert_eq!(round_up_to_millis(Duration::from_millis(7)), 7);
        assert_eq!(round_up_to_millis(Duration::MAX), i32::MAX);
    }
}
