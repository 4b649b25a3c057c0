//! The inbox of an I/O thread: messages from other threads for its connections, and the doorbell behind it.
//!
//! The queue is bounded by what may be in it: one `Wake`, `Unblocked` and `Kill` per connection, and pushed bytes
//! only while the receiving client is within its output-buffer limit (see [`super::Client::push`]).

use boxcar_store::Wake;
use boxcar_sys::{Doorbell, Token};
use crossbeam_queue::SegQueue;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A message for a connection of the thread that owns the inbox.
#[derive(Debug)]
pub enum Mail {
    /// The connection may go on executing: the lock it was parked on was released, or a pause ended.
    Wake(Token),
    /// The connection's wait in a blocking command has ended: its session is to be taken home.
    Unblocked(Token),
    /// Close the connection.
    Kill(Token),
    /// Append these bytes (a whole reply or push message) to the connection's output.
    Push(Token, Arc<[u8]>),
    /// Something global changed (pause ended, dispatch switched, shutdown): look at everything.
    Look,
}

/// See the module's text.
#[derive(Debug)]
pub struct Inbox {
    queue: SegQueue<Mail>,
    /// Whether the owner may be asleep, so that a sender has to ring.
    asleep: AtomicBool,
    doorbell: Doorbell,
}

impl Inbox {
    /// An inbox whose owner is woken by `doorbell`.
    pub fn new(doorbell: Doorbell) -> Self {
        Self { queue: SegQueue::new(), asleep: AtomicBool::new(false), doorbell }
    }

    /// Puts a message in and wakes the owner if it sleeps.
    pub fn post(&self, mail: Mail) {
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
        self.queue.pop()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
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
