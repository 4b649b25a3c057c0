//! The inbox of an I/O thread: messages from other threads for its connections, and the doorbell behind it.
//!
//! The queue is bounded by what may be in it: one `Wake`, `Unblocked` and `Kill` per connection, and messages for
//! clients up to [`FULL`]. Whoever produces messages asks first and waits while an inbox is full ([`Inboxes::wait_for_room`]); what a
//! single command produces may go beyond.

use super::pubsub::Message;
use boxcar_store::Wake;
use boxcar_sys::{Doorbell, Token};
use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Work that may wait in an inbox: bytes, with 64 for each connection that a message goes to. It bounds
/// memory, and the time until a message that was posted last is handed on: some 250,000 deliveries, about 20 ms.
pub const FULL: usize = 16 << 20;
/// What handing a message to one connection counts for beside the message's own bytes.
const DELIVERY_COST: usize = 64;

/// A message for connections of the thread that owns the inbox.
#[derive(Debug)]
pub enum Mail {
    /// The connection may go on executing: what it was parked on is free, or a pause ended.
    Wake(Token),
    /// The connection's wait in a blocking command has ended: its session is to be taken home.
    Unblocked(Token),
    /// Close the connection.
    Kill(Token),
    /// Send these bytes (one whole message, as [`super::Client::push`] takes it) to the connection.
    Push(Token, Arc<[u8]>),
    /// Send a published message to its subscribers among the thread's connections: so many, when it was published.
    Publish(Arc<Message>, usize),
    /// Give back memory that is not in use (MEMORY PURGE).
    Release,
    /// Something global changed (pause ended, dispatch switched, shutdown): look at everything.
    Look,
}

impl Mail {
    /// What it adds to the work that waits.
    fn cost(&self) -> usize {
        match self {
            Self::Wake(_) | Self::Unblocked(_) | Self::Kill(_) | Self::Release | Self::Look => 0,
            Self::Push(_, bytes) => DELIVERY_COST + bytes.len(),
            Self::Publish(message, receivers) => receivers * DELIVERY_COST + message.bytes(),
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Inbox {
    index: usize,
    queue: SegQueue<Mail>,
    /// Whether the owner may be asleep, so that a sender has to ring.
    asleep: AtomicBool,
    doorbell: Doorbell,
    /// Cost of the messages in the queue.
    waiting: AtomicUsize,
    is_full: AtomicBool,
    /// Connections that wait until the inbox is no longer full: at most one entry each.
    waiters: Mutex<Vec<(Arc<Inbox>, Token)>>,
    full_inboxes: Arc<CachePadded<AtomicUsize>>,
}

impl Inbox {
    /// Puts a message in and wakes the owner if it sleeps.
    pub fn post(&self, mail: Mail) {
        let cost = mail.cost();
        if cost > 0 && self.waiting.fetch_add(cost, Ordering::SeqCst) + cost > FULL {
            self.fill();
        }
        self.queue.push(mail);
        self.ring();
    }

    /// Wakes the owner if it sleeps. Whoever leaves something for the owner elsewhere calls this afterwards.
    pub fn ring(&self) {
        // Pairs with the exchange in `fall_asleep`: either the owner sees the message or we see it asleep.
        if self.asleep.swap(false, Ordering::SeqCst) {
            DEFERRED.with_borrow_mut(|deferred| match deferred {
                Some(doorbells) => doorbells.push(self.doorbell.clone()),
                None => self.doorbell.ring(),
            });
        }
    }

    /// The owner announces that it is about to sleep. Afterwards it must look once more for messages and
    /// for whatever else it waits for, and must call [`Inbox::awake`] when it goes on.
    pub fn fall_asleep(&self) {
        self.asleep.swap(true, Ordering::SeqCst);
    }

    /// The owner is awake: senders need not ring.
    pub fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Takes the oldest message.
    pub fn take(&self) -> Option<Mail> {
        let mail = self.queue.pop()?;
        let cost = mail.cost();
        if cost > 0 {
            self.waiting.fetch_sub(cost, Ordering::SeqCst);
        }
        Some(mail)
    }

    /// The owner has taken what was there: wakes those who wait for room when there is enough.
    pub fn relieve(&self) {
        if self.is_full.load(Ordering::SeqCst) && self.has_room() {
            let mut waiters = self.waiters();
            if self.is_full.swap(false, Ordering::SeqCst) {
                self.full_inboxes.fetch_sub(1, Ordering::Relaxed);
            }
            for (inbox, token) in std::mem::take(&mut *waiters) {
                inbox.post(Mail::Wake(token));
            }
        }
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of messages to take.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Number of the I/O thread that owns it.
    pub fn index(&self) -> usize {
        self.index
    }

    fn has_room(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) <= FULL / 2
    }

    #[cold]
    fn fill(&self) {
        let _one_at_a_time = self.waiters();
        if self.is_full.swap(true, Ordering::SeqCst) {
            return;
        }
        // The owner may have emptied it meanwhile, without a reason to relieve anybody: either it sees the mark, or
        // this sees the room.
        if self.has_room() {
            self.is_full.store(false, Ordering::SeqCst);
        } else {
            self.full_inboxes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Vec<(Arc<Inbox>, Token)>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inboxes of all I/O threads.
#[derive(Debug)]
pub struct Inboxes {
    by_thread: Box<[OnceLock<Arc<Inbox>>]>,
    /// How many are full; alone on its line, since every command may look at it.
    full: Arc<CachePadded<AtomicUsize>>,
}

impl Inboxes {
    /// For this many I/O threads, which open their inboxes as they start.
    pub fn new(threads: usize) -> Self {
        Self { by_thread: (0..threads).map(|_| OnceLock::new()).collect(), full: Arc::default() }
    }

    /// Opens the inbox of I/O thread `index`, which is woken by `doorbell`.
    ///
    /// # Panics
    /// When there is no such thread or it has one already.
    pub fn open(&self, index: usize, doorbell: Doorbell) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox {
            index,
            queue: SegQueue::new(),
            asleep: AtomicBool::new(false),
            doorbell,
            waiting: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            waiters: Mutex::default(),
            full_inboxes: Arc::clone(&self.full),
        });
        assert!(self.by_thread[index].set(Arc::clone(&inbox)).is_ok(), "an I/O thread has one inbox");
        inbox
    }

    /// Number of I/O threads.
    pub fn threads(&self) -> usize {
        self.by_thread.len()
    }

    /// The inboxes that are open.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.by_thread.iter().filter_map(OnceLock::get)
    }

    /// Whether one is full: one relaxed load, asked for every command.
    #[inline]
    pub fn any_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) != 0
    }

    /// Has a connection, which is to be executed no further, woken when an inbox that is full has room again. False
    /// when none is full any more.
    pub fn wait_for_room(&self, (inbox, token): (&Arc<Inbox>, Token)) -> bool {
        self.iter().any(|full| {
            let mut waiters = full.waiters();
            let waits = full.is_full.load(Ordering::SeqCst);
            if waits {
                waiters.push((Arc::clone(inbox), token));
            }
            waits
        })
    }
}

thread_local! {
    /// Doorbells that this thread will ring with its next turn; `None` on threads without a driver, which ring at
    /// once.
    static DEFERRED: RefCell<Option<Vec<Doorbell>>> = const { RefCell::new(None) };
}

/// From now on this thread collects the doorbells it has to ring, for [`take_deferred`].
pub fn defer_rings() {
    DEFERRED.set(Some(Vec::new()));
}

/// Hands the collected doorbells to `ring`, which sends them through the thread's own driver: between two io_urings
/// that is a message that costs no system call of its own.
pub fn take_deferred(mut ring: impl FnMut(&Doorbell)) {
    DEFERRED.with_borrow_mut(|deferred| {
        for doorbell in deferred.iter_mut().flat_map(|doorbells| doorbells.drain(..)) {
            ring(&doorbell);
        }
    });
}

impl Wake for Inbox {
    fn wake(&self, token: u64) {
        self.post(Mail::Wake(Token(token)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_sys::{Backend, Driver, DriverOptions};

    #[test]
    fn a_full_inbox_makes_others_wait_until_half_of_it_is_taken() {
        let driver = Driver::open(Backend::Epoll, &DriverOptions::default()).expect("epoll is always there");
        let inboxes = Inboxes::new(2);
        let (slow, own) = (inboxes.open(0, driver.doorbell()), inboxes.open(1, driver.doorbell()));
        let waiter = (&own, Token(7));
        let message: Arc<[u8]> = vec![0; FULL / 4].into();
        for _ in 0..4 {
            assert!(!inboxes.any_full() && !inboxes.wait_for_room(waiter));
            slow.post(Mail::Push(Token(1), Arc::clone(&message)));
        }
        assert!(inboxes.any_full() && inboxes.wait_for_room(waiter));
        for left in [3, 2] {
            slow.take();
            slow.relieve();
            assert!(inboxes.any_full() && own.is_empty(), "{left} quarters are left");
        }
        slow.take();
        slow.relieve();
        assert!(!inboxes.any_full() && !inboxes.wait_for_room(waiter));
        assert!(matches!(own.take(), Some(Mail::Wake(Token(7)))));
        assert!(own.is_empty(), "woken once");
    }
}
