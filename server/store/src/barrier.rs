//! A full memory barrier that only one of two sides pays for.
//!
//! Where a store of one thread and its next load must not change places, and another thread does the same the other way
//! round, both need a full barrier between the two. When one of them does it a million times a second and the other
//! almost never, the rare one can pay for both: membarrier(2) makes every running thread of the process pass a
//! barrier (private expedited: Linux 4.14). [`light`] then only keeps the compiler from reordering. Where the
//! kernel has no such call, or forbids it, both are ordinary barriers.

use core::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
use std::sync::Once;

static PREPARED: Once = Once::new();

/// Whether [`heavy`] pays for both. It never changes after [`prepare`] returned for the first time.
static HEAVY_PAYS: AtomicBool = AtomicBool::new(false);

/// Finds out what the kernel offers. Must have returned before anybody calls the other two.
pub(crate) fn prepare() {
    PREPARED.call_once(|| {
        let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        HEAVY_PAYS.store(registered, Ordering::Relaxed);
    });
}

/// The frequent side's barrier.
#[inline(always)]
pub(crate) fn light() {
    if HEAVY_PAYS.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The rare side's barrier: some microseconds where it pays for both.
///
/// # Panics
/// When the kernel refuses what [`prepare`] was promised.
pub(crate) fn heavy() {
    if HEAVY_PAYS.load(Ordering::Relaxed) {
        // A full barrier of this thread, too.
        assert!(membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED), "membarrier was registered");
    } else {
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(miri))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes three integers and touches no memory of the caller.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(miri)]
fn membarrier(_: libc::c_int) -> bool {
    false
}
