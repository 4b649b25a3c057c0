//! A shard's lock: one word to spin on for a moment, and a list on which whoever cannot wait is parked.
//!
//! A thread that serves many connections must not sleep because one of them wants a shard that a long command holds.
//! It parks that connection (a [`Wake`] and a token) and goes on; the holder wakes all the parked when it releases
//! the lock. The uncontended way is one atomic instruction to lock and a plain store to unlock, and nothing is counted
//! on it.
//!
//! The holder frees the lock and then looks for the parked; who parks says so and then looks whether the lock is
//! still held. Each needs a full barrier in between, or both may miss the other. The one who parks pays for both
//! (see [`barrier`]): it happens some thousand times more seldom.

use crate::barrier;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that is told when a lock it waited for was released.
pub trait Wake: Send + Sync {
    /// Called once for each successful [`Keyspace::park`](crate::Keyspace::park), from the thread that released the
    /// lock and without the lock being held. It may try the lock again and find it taken: then it parks again.
    fn wake(&self, token: u64);
}

/// How often locks were not free, summed over the shards since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockCounters {
    /// Acquisitions that had to spin.
    pub spun: u64,
    /// Waiters that were parked.
    pub parked: u64,
}

const FREE: u32 = 0;
const HELD: u32 = 1;

/// Tries before a bounded attempt gives up. A pause takes up to 140 cycles, so this is a few microseconds: longer
/// than a batch of ordinary commands holds a shard, shorter than a trip through another thread's mailbox.
const SPINS: u32 = 64;

/// The word that is locked; it shares a cache line with what it protects.
#[derive(Default)]
pub(crate) struct LockWord {
    state: AtomicU32,
    /// Somebody is in the list, or about to be. Changed only by who holds the list.
    parked: AtomicBool,
}

/// The part of a lock that only the slow path touches.
///
/// The list holds at most one entry for each connection, as a parked connection does nothing else.
pub(crate) struct WaitList {
    waiters: Mutex<Vec<Waiter>>,
    spun: AtomicU64,
    parked: AtomicU64,
}

type Waiter = (Arc<dyn Wake>, u64);

impl Default for WaitList {
    fn default() -> Self {
        // No lock is used before it has its list.
        barrier::prepare();
        Self { waiters: Mutex::default(), spun: AtomicU64::new(0), parked: AtomicU64::new(0) }
    }
}

impl LockWord {
    /// One attempt.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Attempts for a few microseconds.
    #[inline]
    pub(crate) fn lock_bounded(&self, list: &WaitList) -> bool {
        self.try_lock() || self.spin(list)
    }

    #[cold]
    fn spin(&self, list: &WaitList) -> bool {
        list.spun.fetch_add(1, Ordering::Relaxed);
        for _ in 0..SPINS {
            core::hint::spin_loop();
            // Reading first leaves the line shared, so that the holder's unlock does not have to fetch it back.
            if self.state.load(Ordering::Relaxed) == FREE && self.try_lock() {
                return true;
            }
        }
        false
    }

    /// Attempts until it succeeds, yielding the processor between rounds.
    pub(crate) fn lock(&self, list: &WaitList) {
        while !self.lock_bounded(list) {
            std::thread::yield_now();
        }
    }

    /// Releases the lock; then wakes everyone who was parked on it.
    #[inline]
    pub(crate) fn unlock(&self, list: &WaitList) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), HELD, "only a held lock is released");
        self.state.store(FREE, Ordering::Release);
        barrier::light();
        if self.parked.load(Ordering::Relaxed) {
            self.wake_all(list);
        }
    }

    #[cold]
    fn wake_all(&self, list: &WaitList) {
        let waiters = {
            let mut waiters = list.waiters();
            self.parked.store(false, Ordering::Relaxed);
            core::mem::take(&mut *waiters)
        };
        for (waiter, token) in waiters {
            waiter.wake(token);
        }
    }

    /// Leaves a waiter with the holder. False when the lock has become free meanwhile: nothing was left.
    pub(crate) fn park(&self, list: &WaitList, waiter: Arc<dyn Wake>, token: u64) -> bool {
        // Held until the waiter is in it, so that a holder who finds the flag set also finds the waiter.
        let mut waiters = list.waiters();
        if waiters.is_empty() {
            self.parked.store(true, Ordering::Relaxed);
            // Who released the lock and did not see the flag did so before this: the load below sees the lock free.
            // Whoever comes after sees the flag. Both stay true for as long as the flag is set.
            barrier::heavy();
        }
        if self.state.load(Ordering::Relaxed) == FREE {
            self.parked.store(!waiters.is_empty(), Ordering::Relaxed);
            return false;
        }
        waiters.push((waiter, token));
        list.parked.fetch_add(1, Ordering::Relaxed);
        true
    }
}

impl WaitList {
    fn waiters(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> LockCounters {
        LockCounters { spun: self.spun.load(Ordering::Relaxed), parked: self.parked.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Woken(AtomicU64);

    impl Wake for Woken {
        fn wake(&self, token: u64) {
            self.0.fetch_add(token, Ordering::SeqCst);
        }
    }

    #[test]
    fn parking_on_a_free_lock_is_refused() {
        let (word, list, woken) = (LockWord::default(), WaitList::default(), Arc::new(Woken::default()));
        assert!(!word.park(&list, woken.clone(), 1));
        assert!(word.try_lock());
        assert!(!word.try_lock());
        assert!(word.park(&list, woken.clone(), 1));
        assert!(word.park(&list, woken.clone(), 10));
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        word.unlock(&list);
        assert_eq!(woken.0.load(Ordering::SeqCst), 11);
        assert!(word.try_lock());
        word.unlock(&list);
        assert_eq!(woken.0.load(Ordering::SeqCst), 11, "a waiter is woken once");
        assert_eq!(list.counters(), LockCounters { spun: 0, parked: 2 });
    }

    #[test]
    fn a_bounded_attempt_gives_up_and_is_counted() {
        let (word, list) = (LockWord::default(), WaitList::default());
        assert!(word.lock_bounded(&list));
        assert!(!word.lock_bounded(&list));
        assert_eq!(list.counters(), LockCounters { spun: 1, parked: 0 });
    }

    /// Threads that take the lock or park until woken: nobody is lost, and the lock excludes.
    #[test]
    fn nobody_parked_is_forgotten() {
        struct Bell(std::thread::Thread, AtomicUsize);
        impl Wake for Bell {
            fn wake(&self, _: u64) {
                self.1.fetch_add(1, Ordering::SeqCst);
                self.0.unpark();
            }
        }
        struct Shared(LockWord, WaitList, core::cell::UnsafeCell<u64>);
        // SAFETY: the cell is only touched by the holder of the lock.
        unsafe impl Sync for Shared {}

        let rounds = if cfg!(miri) { 20 } else { 100_000 };
        let shared = Shared(LockWord::default(), WaitList::default(), core::cell::UnsafeCell::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let shared = &shared;
                    let bell = Arc::new(Bell(std::thread::current(), AtomicUsize::new(0)));
                    let mut parked = 0;
                    for round in 0..rounds {
                        while !shared.0.try_lock() {
                            if shared.0.park(&shared.1, bell.clone(), 0) {
                                parked += 1;
                                while bell.1.load(Ordering::SeqCst) < parked {
                                    std::thread::park();
                                }
                            }
                        }
                        // SAFETY: this thread holds the lock.
                        unsafe { *shared.2.get() += 1 };
                        // The others come while it is held: sometimes, and then shortly before it is released.
                        match round % 16 {
                            0 => std::thread::yield_now(),
                            8 => (0..60).for_each(|_| core::hint::spin_loop()),
                            _ => {}
                        }
                        shared.0.unlock(&shared.1);
                    }
                    assert_eq!(bell.1.load(Ordering::SeqCst), parked);
                });
            }
        });
        assert_eq!(shared.2.into_inner(), 4 * rounds);
    }
}
