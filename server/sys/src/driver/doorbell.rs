//! Doorbells: how another thread wakes a driver that sleeps, and why it mostly need not.
//!
//! A bell has three states. The driver says when it goes to sleep; whoever rings only pays for a system call when it
//! finds the driver asleep, because an awake driver looks at the bell before its next sleep.
//!
//! ```text
//!            ring: no system call
//!   Awake ─────────────────────────▶ Rung ──── the next turn does not sleep, calls doorbell() ───▶ Awake
//!     │ turn sleeps                   ▲
//!     ▼                               │ ring: eventfd write or MSG_RING
//!   Asleep ───────────────────────────┘
//! ```

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const RUNG: u32 = 2;

/// The part that both sides share, alone on its cache lines (two: x86 prefetches lines in pairs).
#[derive(Debug)]
#[repr(align(128))]
struct Bell {
    state: AtomicU32,
    eventfd: EventFd,
    /// Keeps the ring's descriptor number from being given to somebody else while a message to it may be under way.
    ring: Option<OwnedFd>,
}

/// Wakes the driver it belongs to, from any thread. Cheap to clone; [`Doorbell::ring`] is also safe in a signal handler.
///
/// Ringing is a release, [`super::Handler::doorbell`] an acquire: what was written before the one is seen by the other.
#[derive(Clone, Debug)]
pub struct Doorbell(Arc<Bell>);

/// What a driver has to do about a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knock {
    /// The driver is awake, or somebody has woken it already.
    NotNeeded,
    /// It sleeps: knock on its door.
    Needed,
}

impl Doorbell {
    /// A bell for a driver that is awake. `ring` is a duplicate of its io_uring descriptor, if it has one.
    pub(super) fn new(ring: Option<OwnedFd>) -> io::Result<Doorbell> {
        let eventfd = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Doorbell(Arc::new(Bell { state: AtomicU32::new(AWAKE), eventfd, ring })))
    }

    /// Makes the driver call [`super::Handler::doorbell`] soon, waking it if it sleeps. Rings that come before that
    /// call fall together. After the driver is gone, nothing happens.
    pub fn ring(&self) {
        if self.mark() == Knock::Needed {
            self.knock();
        }
    }

    /// The first half of ringing: leave a mark, and learn whether the driver has to be woken.
    pub(super) fn mark(&self) -> Knock {
        // A read-modify-write even when the mark is there already: it carries this thread's writes to the driver.
        match self.0.state.swap(RUNG, Ordering::AcqRel) {
            ASLEEP => Knock::Needed,
            _ => Knock::NotNeeded,
        }
    }

    /// The second half: wake the driver through its eventfd.
    pub(super) fn knock(&self) {
        // The only possible error is a counter at its maximum, and then the descriptor is readable anyway.
        let _ = self.0.eventfd.write(1);
    }

    /// The driver is about to sleep. False: somebody has rung, do not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.0.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The driver is awake. True: somebody has rung.
    pub(super) fn wake_up(&self) -> bool {
        self.0.state.swap(AWAKE, Ordering::AcqRel) == RUNG
    }

    /// What the driver watches. Edge-triggered, so it never has to be read: every write is an edge.
    pub(super) fn eventfd(&self) -> RawFd {
        self.0.eventfd.as_raw_fd()
    }

    /// The io_uring descriptor that messages can be sent to.
    pub(super) fn ring_fd(&self) -> Option<RawFd> {
        self.0.ring.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether both are the same driver's.
    pub(super) fn same(&self, other: &Doorbell) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sleeper_is_knocked_for() {
        let bell = Doorbell::new(None).unwrap();
        assert_eq!(bell.mark(), Knock::NotNeeded);
        assert!(!bell.fall_asleep(), "a rung bell keeps its driver awake");
        assert!(bell.wake_up());
        assert!(bell.fall_asleep());
        assert_eq!(bell.mark(), Knock::Needed);
        assert_eq!(bell.mark(), Knock::NotNeeded, "the second ring falls together with the first");
        assert!(bell.wake_up());
        assert!(!bell.wake_up());
        assert!(bell.same(&bell.clone()) && !bell.same(&Doorbell::new(None).unwrap()));
    }
}
