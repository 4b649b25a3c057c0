//! The ring itself: opening it with as many features as the kernel has, queueing operations, entering the kernel.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter, cqueue, squeue};

use crate::driver::{Counters, DriverError, DriverOptions, Feature, Toggles};

/// `IORING_REGISTER_RING_FDS`, which the crate offers only bound to a borrow of the ring.
const REGISTER_RING_FDS: libc::c_uint = 20;

/// The argument of `IORING_REGISTER_RING_FDS`: `struct io_uring_rsrc_update`.
#[repr(C)]
struct RingFdUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// Setup flags that may be missing, newest kernel first: when the kernel refuses them, they are given up in this order.
const SETUP_LADDER: [SetupStep; 4] = [
    SetupStep { name: "no_sqarray", since: "6.6", toggle: |t| &mut t.no_sqarray },
    SetupStep { name: "defer_taskrun", since: "6.1", toggle: |t| &mut t.defer_taskrun },
    SetupStep { name: "single_issuer", since: "6.0", toggle: |t| &mut t.single_issuer },
    SetupStep { name: "coop_taskrun", since: "5.19", toggle: |t| &mut t.coop_taskrun },
];

struct SetupStep {
    name: &'static str,
    since: &'static str,
    toggle: fn(&mut Toggles) -> &mut bool,
}

/// An open ring with the operations that wait to be submitted.
pub(super) struct Ring {
    io: IoUring,
    /// What `io_uring_enter` takes: the descriptor, or its registered index.
    enter_fd: RawFd,
    enter_flags: EnterFlags,
    /// Operations that found the submission queue full and the kernel unwilling to take it. A connection has at most four
    /// operations under way (receive, send, and a cancel of each), which bounds it by the table of connections.
    backlog: VecDeque<squeue::Entry>,
    /// Operations queued since the ring was opened.
    queued: u64,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.io.as_raw_fd())
            .field("queued", &self.queued)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Opens a ring; what came of each setup feature is added to `features`.
    pub(super) fn open(options: &DriverOptions, features: &mut Vec<Feature>) -> Result<Ring, DriverError> {
        let io = build(options, features)?;
        let lacking = [
            (io.params().is_feature_nodrop(), "IORING_FEAT_NODROP (5.5)"),
            (io.params().is_feature_fast_poll(), "IORING_FEAT_FAST_POLL (5.7)"),
            (io.params().is_feature_ext_arg(), "IORING_FEAT_EXT_ARG (5.11)"),
        ];
        if let Some(&(_, missing)) = lacking.iter().find(|(there, _)| !there) {
            return Err(DriverError::Unsupported { missing });
        }
        let enter_fd = io.as_raw_fd();
        let mut ring =
            Ring { io, enter_fd, enter_flags: EnterFlags::EXT_ARG, backlog: VecDeque::new(), queued: 0 };
        ring.register_fd(options.toggles.registered_ring, features);
        ring.avoid_iowait(options.toggles.no_iowait, features);
        Ok(ring)
    }

    /// Lets `io_uring_enter` find the ring without looking up a descriptor.
    fn register_fd(&mut self, wanted: bool, features: &mut Vec<Feature>) {
        let result = wanted.then(|| register_ring_fd(self.io.as_raw_fd()));
        let (active, reason) = match result {
            Some(Ok(index)) => {
                self.enter_fd = index;
                self.enter_flags |= EnterFlags::REGISTERED_RING;
                (true, format!("index {index}"))
            }
            Some(Err(error)) => (false, format!("{error} (Linux 5.18)")),
            None => (false, "switched off".to_owned()),
        };
        features.push(Feature { name: "registered_ring", wanted, active, reason });
    }

    fn avoid_iowait(&mut self, wanted: bool, features: &mut Vec<Feature>) {
        let there = self.io.params().is_feature_no_iowait();
        let active = wanted && there;
        if active {
            self.enter_flags |= EnterFlags::NO_IOWAIT;
        }
        let reason = match (wanted, there) {
            (true, true) => "sleeping counts as idle",
            (true, false) => "needs Linux 6.15",
            (false, _) => "switched off",
        };
        features.push(Feature { name: "no_iowait", wanted, active, reason: reason.to_owned() });
    }

    /// For registrations.
    pub(super) fn submitter(&self) -> Submitter<'_> {
        self.io.submitter()
    }

    /// A second descriptor of this ring.
    pub(super) fn duplicate_fd(&self) -> io::Result<OwnedFd> {
        // SAFETY: no pointers are involved.
        let fd = unsafe { libc::fcntl(self.io.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Queues an operation for the next entry into the kernel, and returns its place in the order of all operations.
    ///
    /// # Safety
    /// Whatever the operation points to stays where it is until its completion has been seen.
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry, counters: &mut Counters) -> u64 {
        let place = self.queued;
        self.queued += 1;
        // SAFETY: passed on to the caller.
        if !self.backlog.is_empty() || unsafe { self.io.submission().push(&entry) }.is_err() {
            self.push_slowly(entry, counters);
        }
        place
    }

    #[cold]
    fn push_slowly(&mut self, entry: squeue::Entry, counters: &mut Counters) {
        self.backlog.push_back(entry);
        counters.submission_flushes += 1;
        // An error (a full completion queue, no memory) is the next turn's business; the backlog waits for it.
        let _ = self.enter(0, None, EnterFlags::empty());
        self.drain_backlog();
    }

    /// Moves operations from the backlog to the submission queue as far as there is room. True: all of them.
    fn drain_backlog(&mut self) -> bool {
        let mut queue = self.io.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: `push` had its caller promise that the operation's memory stays.
            if unsafe { queue.push(entry) }.is_err() {
                return false;
            }
            self.backlog.pop_front();
        }
        true
    }

    /// How many operations the kernel has taken so far: all those with a smaller place.
    #[inline]
    pub(super) fn taken(&mut self) -> u64 {
        let waiting = self.io.submission().len() + self.backlog.len();
        self.queued - waiting as u64
    }

    /// Submits what is queued, works out what has completed, and waits until `want` completions are there or the time is up.
    pub(super) fn submit_and_wait(&mut self, want: u32, timeout: Option<Duration>) -> io::Result<()> {
        let want = if self.backlog.is_empty() || self.drain_backlog() { want } else { 0 };
        match self.enter(want, timeout, EnterFlags::GETEVENTS) {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The time is up; a signal; completions must be taken off first; no memory just now. What was not
                // submitted is still queued.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn enter(&mut self, want: u32, timeout: Option<Duration>, flags: EnterFlags) -> io::Result<()> {
        let submit = self.io.submission().len();
        let time = timeout.map(Timespec::from);
        let mut arguments = SubmitArgs::new();
        if let Some(time) = &time {
            arguments = arguments.timespec(time);
        }
        // SAFETY: `SubmitArgs` is a transparent io_uring_getevents_arg; it and the time in it are valid for the call. The
        // operations' memory is promised by `push`.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                submit as libc::c_uint,
                want,
                (self.enter_flags | flags).bits(),
                &raw const arguments,
                size_of_val(&arguments),
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Moves the completions that are there now into `into`.
    #[inline]
    pub(super) fn take_completions(&mut self, into: &mut Vec<cqueue::Entry>) {
        into.extend(self.io.completion());
    }

    /// Whether every completion that there is was taken.
    pub(super) fn is_drained(&mut self) -> bool {
        !self.overflowed() && self.io.completion().is_empty()
    }

    /// Whether the kernel holds completions that did not fit the completion queue.
    #[inline]
    pub(super) fn overflowed(&mut self) -> bool {
        self.io.submission().cq_overflow()
    }
}

/// Tries the wanted setup flags; those that the kernel refuses are given up one by one.
fn build(options: &DriverOptions, features: &mut Vec<Feature>) -> Result<IoUring, DriverError> {
    let wanted = options.toggles;
    let mut using = wanted;
    using.defer_taskrun &= using.single_issuer;
    let mut refused = Vec::new();
    let io = loop {
        let error = match builder(&using, options).build(options.submission_entries as u32) {
            Ok(io) => break io,
            Err(error) => error,
        };
        let step = SETUP_LADDER.iter().find(|step| *(step.toggle)(&mut using));
        match step {
            Some(step) if error.raw_os_error() == Some(libc::EINVAL) => {
                *(step.toggle)(&mut using) = false;
                using.defer_taskrun &= using.single_issuer;
                refused.push(step.name);
            }
            _ => return Err(DriverError::Call { call: "io_uring_setup", source: error }),
        }
    };
    for step in &SETUP_LADDER {
        let (mut wanted, mut using) = (wanted, using);
        let (wanted, active) = (*(step.toggle)(&mut wanted), *(step.toggle)(&mut using));
        let (active, reason) = match step.name {
            "coop_taskrun" if using.defer_taskrun => (false, "defer_taskrun is better".to_owned()),
            _ if active => (true, String::new()),
            _ if !wanted => (false, "switched off".to_owned()),
            name if refused.contains(&name) => (false, format!("refused; needs Linux {}", step.since)),
            _ => (false, "needs single_issuer".to_owned()),
        };
        features.push(Feature { name: step.name, wanted, active, reason });
    }
    Ok(io)
}

fn builder(using: &Toggles, options: &DriverOptions) -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_cqsize(options.completion_entries as u32);
    if using.no_sqarray {
        builder.setup_no_sqarray();
    }
    if using.single_issuer {
        builder.setup_single_issuer();
    }
    if using.defer_taskrun {
        builder.setup_defer_taskrun();
    } else if using.coop_taskrun {
        builder.setup_coop_taskrun();
    }
    builder
}

fn register_ring_fd(fd: RawFd) -> io::Result<RawFd> {
    let mut update = RingFdUpdate { offset: u32::MAX, reserved: 0, data: fd as u64 };
    // SAFETY: the structure is the one this registration takes, and valid for the call.
    let result = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, &raw mut update, 1 as libc::c_uint)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(update.offset as RawFd)
}
