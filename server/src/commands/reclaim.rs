//! Freeing large removals in the background, so that neither their command nor anybody behind it waits.

use boxcar_store::OwnedRecord;
use boxcar_sys::process::lower_thread_priority;
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Removals that may wait to be freed. Each may be a whole database, so a queue this long means that memory is given
/// back far more slowly than it is taken: then whoever removes frees, too, and thereby slows down.
const WAITING_MAX: usize = 64;

/// Bytes of memory beyond which a removal is left to the background whatever was asked for: in pieces of 64 bytes this
/// much takes a millisecond to free, in which the thread could serve nobody.
pub const FREED_AT_ONCE_MAX: usize = 1 << 20;

/// Priority of the thread that frees, on the scale of nice(2): a quarter of a processor that threads that serve clients
/// want, too, and it yields to them at once.
const NICE: u8 = 5;

/// What the thread waits before it frees what woke it: whoever handed that over is about to answer, perhaps by way of
/// another thread on the same processor.
const ANSWER_FIRST: Duration = Duration::from_millis(1);

/// Something to free, and how many keys it holds.
type Removal = (Box<dyn Any + Send>, usize);

/// See the module's text. The thread starts with the first removal and ends with the server.
#[derive(Default)]
pub struct Reclaimer {
    queue: OnceLock<Option<SyncSender<Removal>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    pending: AtomicUsize,
    freed: AtomicUsize,
}

impl Reclaimer {
    /// Has `removal`, which holds `keys` keys, freed in the background; here and now when too much waits already.
    pub fn free(&self, removal: impl Any + Send, keys: usize) {
        let queue = self.queue.get_or_init(|| start(Arc::clone(&self.counts)));
        let Some(queue) = queue else { return drop(removal) };
        self.counts.pending.fetch_add(keys, Relaxed);
        match queue.try_send((Box::new(removal), keys)) {
            Ok(()) => {}
            Err(TrySendError::Full(removal) | TrySendError::Disconnected(removal)) => {
                self.counts.free(removal);
            }
        }
    }

    /// Frees what was taken out of the keyspace: in the background if that pays and is wanted, or needed.
    pub fn free_record(&self, record: OwnedRecord, background: bool) {
        let known = record.record();
        if known.frees_slowly() && (background || known.memory_usage() > FREED_AT_ONCE_MAX) {
            self.free(record, 1);
        }
    }

    /// Keys that wait to be freed.
    pub fn pending(&self) -> usize {
        self.counts.pending.load(Relaxed)
    }

    /// Keys freed since start or [`Reclaimer::reset`].
    pub fn freed(&self) -> usize {
        self.counts.freed.load(Relaxed)
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&self) {
        self.counts.freed.store(0, Relaxed);
    }
}

impl Counts {
    fn free(&self, (removal, keys): Removal) {
        drop(removal);
        self.pending.fetch_sub(keys, Relaxed);
        self.freed.fetch_add(keys, Relaxed);
    }
}

/// Starts the thread; without one, removals are freed where they are made.
fn start(counts: Arc<Counts>) -> Option<SyncSender<Removal>> {
    let (sender, receiver): (_, Receiver<Removal>) = sync_channel(WAITING_MAX);
    let body = move || {
        if let Err(error) = lower_thread_priority(NICE) {
            tracing::debug!("the thread that frees keeps the priority of the others: {error}");
        }
        while let Ok(first) = receiver.recv() {
            thread::sleep(ANSWER_FIRST);
            counts.free(first);
            receiver.try_iter().for_each(|removal| counts.free(removal));
        }
    };
    match thread::Builder::new().name("boxcar-free".to_owned()).spawn(body) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!("large removals are freed by their commands: no thread for it: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Instant;

    /// Takes as long to be dropped as the test holds the lock.
    struct Slow(Arc<Mutex<()>>);

    impl Drop for Slow {
        fn drop(&mut self) {
            drop(self.0.lock().unwrap());
        }
    }

    fn wait_until(what: impl Fn() -> bool) {
        let start = Instant::now();
        while !what() {
            assert!(start.elapsed() < Duration::from_secs(10), "it never happens");
            thread::yield_now();
        }
    }

    #[test]
    fn frees_in_the_background_and_counts() {
        let reclaimer = Reclaimer::default();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        reclaimer.free(Slow(Arc::clone(&gate)), 3);
        reclaimer.free(Slow(Arc::clone(&gate)), 4);
        assert_eq!((reclaimer.pending(), reclaimer.freed()), (7, 0));
        drop(closed);
        wait_until(|| reclaimer.pending() == 0);
        assert_eq!(reclaimer.freed(), 7);
        reclaimer.reset();
        assert_eq!(reclaimer.freed(), 0);
    }

    #[test]
    fn a_full_queue_makes_the_caller_free() {
        let reclaimer = Reclaimer::default();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        reclaimer.free(Slow(Arc::clone(&gate)), 1);
        // One is being freed or about to be taken, WAITING_MAX wait: one more than fits is freed at once.
        for _ in 0..WAITING_MAX + 2 {
            reclaimer.free((), 1);
        }
        assert!(reclaimer.freed() >= 1);
        drop(closed);
        wait_until(|| reclaimer.pending() == 0);
    }
}
