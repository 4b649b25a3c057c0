//! The io_uring driver: completions, one `io_uring_enter` a turn.
//!
//! Everything asked for between two turns is queued; the next turn's single entry into the kernel submits it, sleeps, and
//! works out what has completed.
//!
//! - [`ring`] opens the ring and enters it; [`probe`] tries the features that a kernel's word is not enough for.
//! - [`receive`]: multishot receives into the buffers of [`buffers`]; pausing; what arrives after a pause.
//! - [`send`]: sends that are finished during submission and say nothing when they succeed.
//! - [`accept`]: multishot accepts, and the rest after running out of descriptors.
//!
//! **Memory that the kernel uses** (receive buffers, buffers being sent) belongs to the driver until the completion has been
//! seen, also when the connection is closed meanwhile: close cancels and waits for the answer. A driver that is dropped does
//! the same for everything under way, and would sooner leak than free what the kernel may still write to.
//!
//! **Left out.** Registered files: measured with `examples/driver_costs.rs` (Linux 6.18, loopback TCP), within half a percent, for
//! two more system calls a connection. Incrementally consumed buffers (`IOU_PBUF_RING_INC`) and receive bundles: not tried; they
//! serve receives that are larger than a buffer, which pipelines of requests are not, and with them more memory passes
//! through the cache, not less.

mod accept;
mod buffers;
mod probe;
mod receive;
mod ring;
mod send;
mod teardown;

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};

use self::accept::Listener;
use self::buffers::BufferRing;
use self::receive::{Held, Receiving};
use self::ring::Ring;
use self::send::Sending;
use super::doorbell::Knock;
use super::table::{Named, Table};
use super::{Counters, Doorbell, DriverError, DriverOptions, Feature, Handler, ListenerId, Token, Wait};

/// What a completion is about: the byte of its `user_data` above the token's 56 bits.
mod op {
    pub(super) const RECEIVE: u8 = 0;
    pub(super) const SEND: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    /// The doorbell's eventfd was written to.
    pub(super) const WAKE: u8 = 3;
    /// A message from another driver's ring.
    pub(super) const MESSAGE: u8 = 4;
    /// A message to another driver's ring failed.
    pub(super) const MESSAGE_FAILED: u8 = 5;
    /// A cancel was carried out or came too late; the cancelled operation's own completion tells the rest.
    pub(super) const CANCEL: u8 = 6;
}

#[inline]
fn user_data(op: u8, rest: u64) -> u64 {
    u64::from(op) << 56 | rest
}

/// Rounds of fetching overflowed completions in one turn at most; the next turn goes on.
const OVERFLOW_ROUNDS: usize = 16;

/// Doorbells that messages are sent to, remembered so that a failed message can be replaced. One for each thread of the
/// process that was ever woken; beyond this many (no machine has as many cores), an eventfd does as well.
const MAX_PEERS: usize = 1024;

/// A connection, and what the kernel is doing for it.
#[derive(Debug)]
struct Connection {
    token: Token,
    socket: OwnedFd,
    receiving: Receiving,
    /// The caller wants to read.
    reading: bool,
    /// The end of reading was seen (delivered, or held back by a pause).
    ended: bool,
    /// `close` was called.
    closing: bool,
    sending: Sending,
    /// The buffer being sent, and how much of it is gone.
    outgoing: Vec<u8>,
    written: usize,
    /// The receive buffer, for want of a buffer ring.
    own_buffer: Option<Box<[u8]>>,
    /// What arrived after a pause.
    held: Option<Box<Held>>,
}

impl Named for Connection {
    #[inline]
    fn token(&self) -> Token {
        self.token
    }
}

impl Connection {
    /// Whether the kernel has nothing to do for it any more.
    fn is_idle(&self) -> bool {
        self.receiving == Receiving::Idle && self.sending == Sending::Idle
    }
}

/// Which ways of doing things this ring was found to support.
#[derive(Clone, Copy, Debug)]
struct Ways {
    multishot_accept: bool,
    multishot_receive: bool,
    ring_send: bool,
    skip_send_completions: bool,
    msg_ring: bool,
}

/// See the [module's words](super) on what a driver is.
#[derive(Debug)]
pub struct UringDriver {
    ring: Ring,
    buffers: Option<BufferRing>,
    receive_buffer_size: usize,
    connections: Table<Connection>,
    listeners: Vec<Listener>,
    /// Tells two users of one listener id apart.
    next_serial: u32,
    /// Sends that finish during submission, with their places in the order of operations.
    at_once: VecDeque<(Token, u64)>,
    /// Resumed connections with something held back.
    resumed: Vec<Token>,
    /// Closed connections that had nothing under way.
    finished: Vec<Token>,
    /// Completions of this turn; kept for its memory.
    completed: Vec<cqueue::Entry>,
    doorbell: Doorbell,
    peers: Vec<Doorbell>,
    ways: Ways,
    features: Vec<Feature>,
    counters: Counters,
    not_send: PhantomData<*const ()>,
}

impl UringDriver {
    pub(super) fn open(options: &DriverOptions) -> Result<UringDriver, DriverError> {
        let mut features = Vec::with_capacity(super::Toggles::NAMES.len());
        let mut ring = Ring::open(options, &mut features)?;
        let (ways, buffers) = probe::probe(&mut ring, options, &mut features)?;
        let duplicate = ring.duplicate_fd().map_err(DriverError::call("fcntl"))?;
        let doorbell = Doorbell::new(Some(duplicate)).map_err(DriverError::call("eventfd"))?;
        let mut driver = UringDriver {
            ring,
            buffers,
            receive_buffer_size: options.receive_buffer_size,
            connections: Table::new(options.max_connections),
            listeners: Vec::new(),
            next_serial: 0,
            at_once: VecDeque::new(),
            resumed: Vec::new(),
            finished: Vec::new(),
            completed: Vec::with_capacity(options.completion_entries),
            doorbell,
            peers: Vec::new(),
            ways,
            features,
            counters: Counters::default(),
            not_send: PhantomData,
        };
        driver.watch_doorbell();
        Ok(driver)
    }

    pub(super) fn turn<H: Handler>(&mut self, wait: Wait, handler: &mut H) -> io::Result<()> {
        self.counters.turns += 1;
        self.wake_listeners();
        let delivered = self.deliver_finished(handler) | self.deliver_held(handler);
        let sleepy = !delivered && wait != Wait::Poll && wait != Wait::For(Duration::ZERO);
        let asleep = sleepy && self.doorbell.fall_asleep();
        let timeout = if asleep { self.timeout(wait) } else { None };
        // Completions that submitting itself brings do not end the sleep: each send that cannot skip its own counts.
        let expected = if self.ways.skip_send_completions { 0 } else { self.at_once.len() as u32 };
        let want = if asleep { expected + 1 } else { 0 };
        self.counters.enters += 1;
        let result = self.ring.submit_and_wait(want, timeout);
        let rung = self.doorbell.wake_up();
        result?;
        self.process_completions(handler);
        let settled = self.fetch_overflowed(handler)?;
        if settled {
            self.settle_sends(handler);
        }
        if rung {
            self.counters.doorbells += 1;
            handler.doorbell();
        }
        Ok(())
    }

    /// How long to sleep, at most until a resting listener is due.
    fn timeout(&self, wait: Wait) -> Option<Duration> {
        let asked = if let Wait::For(time) = wait { Some(time) } else { None };
        match (asked, self.next_listener_due()) {
            (Some(asked), Some(due)) => Some(asked.min(due)),
            (asked, due) => asked.or(due),
        }
    }

    fn process_completions<H: Handler>(&mut self, handler: &mut H) {
        let mut completed = std::mem::take(&mut self.completed);
        self.ring.take_completions(&mut completed);
        self.counters.events += completed.len() as u64;
        for completion in &completed {
            self.dispatch(completion, handler);
        }
        completed.clear();
        self.completed = completed;
        if let Some(buffers) = &mut self.buffers {
            self.counters.buffer_growths += u64::from(buffers.end_turn());
        }
    }

    #[inline]
    fn dispatch<H: Handler>(&mut self, completion: &cqueue::Entry, handler: &mut H) {
        let (result, flags) = (completion.result(), completion.flags());
        let rest = completion.user_data() & Token::MASK;
        match (completion.user_data() >> 56) as u8 {
            op::RECEIVE => self.receive_completed(Token(rest), result, flags, handler),
            op::SEND => self.send_completed(Token(rest), result, handler),
            op::ACCEPT => self.accept_completed(rest as u32, result, flags, handler),
            op::WAKE => {
                self.counters.eventfd_wakeups += 1;
                if !cqueue::more(flags) {
                    self.watch_doorbell();
                }
            }
            op::MESSAGE => self.counters.msg_rings_received += 1,
            op::MESSAGE_FAILED => {
                self.counters.msg_rings_failed += 1;
                self.peers[rest as usize].knock();
            }
            op::CANCEL => {}
            other => unreachable!("a completion of operation {other}"),
        }
    }

    /// Fetches what did not fit the completion queue. False: there is still more.
    fn fetch_overflowed<H: Handler>(&mut self, handler: &mut H) -> io::Result<bool> {
        for _ in 0..OVERFLOW_ROUNDS {
            if !self.ring.overflowed() {
                return Ok(true);
            }
            self.counters.completion_flushes += 1;
            self.ring.submit_and_wait(0, None)?;
            self.process_completions(handler);
        }
        Ok(!self.ring.overflowed())
    }

    /// Delivers `closed` for connections that had nothing under way when they were closed.
    fn deliver_finished<H: Handler>(&mut self, handler: &mut H) -> bool {
        let delivered = !self.finished.is_empty();
        for token in std::mem::take(&mut self.finished) {
            self.finish_if_idle(token, handler);
        }
        delivered
    }

    /// Ends a closing connection once the kernel holds nothing of it.
    fn finish_if_idle<H: Handler>(&mut self, token: Token, handler: &mut H) {
        if self.connections.get(token).is_some_and(|connection| connection.closing && connection.is_idle()) {
            drop(self.connections.remove(token));
            self.counters.closed += 1;
            handler.closed(token);
        }
    }

    /// Watches the doorbell's eventfd: a completion for each write, without ever reading it.
    fn watch_doorbell(&mut self) {
        let entry =
            opcode::PollAdd::new(Fd(self.doorbell.eventfd()), libc::POLLIN as u32).multi(true).build();
        // SAFETY: the operation points to no memory.
        unsafe { self.ring.push(entry.user_data(user_data(op::WAKE, 0)), &mut self.counters) };
    }

    /// Asks the kernel to give an operation up. Its own completion follows in any case.
    fn cancel(&mut self, target: u64) {
        let mut entry = opcode::AsyncCancel::new(target).build().user_data(user_data(op::CANCEL, 0));
        // Its own completion says nothing, and where it can be spared it does not end a sleep either.
        if self.ways.skip_send_completions {
            entry = entry.flags(squeue::Flags::SKIP_SUCCESS);
        }
        // SAFETY: the operation points to no memory.
        unsafe { self.ring.push(entry, &mut self.counters) };
    }
}

/// What the caller asks for between two turns.
impl UringDriver {
    pub(super) fn register(&mut self, token: Token, socket: OwnedFd) {
        // With O_NONBLOCK the kernel would answer EAGAIN where the driver wants it to wait.
        set_blocking(&socket);
        self.connections.insert(Connection {
            token,
            socket,
            receiving: Receiving::Idle,
            reading: true,
            ended: false,
            closing: false,
            sending: Sending::Idle,
            outgoing: Vec::new(),
            written: 0,
            own_buffer: None,
            held: None,
        });
        self.counters.receive_arms += 1;
        self.arm_receive(token);
    }

    pub(super) fn shutdown_write(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token) {
            // SAFETY: no pointers are involved. An error means that the peer is gone, which reading tells as well.
            let _ = unsafe { libc::shutdown(connection.socket.as_raw_fd(), libc::SHUT_WR) };
        }
    }

    pub(super) fn close(&mut self, token: Token) {
        let connection = self.connections.get(token).unwrap_or_else(|| panic!("close of unknown {token:?}"));
        assert!(!connection.closing, "{token:?} is closed twice");
        connection.closing = true;
        connection.held = None;
        let receiving = connection.receiving;
        let sending = connection.sending;
        if receiving == Receiving::Armed {
            connection.receiving = Receiving::Cancelling;
            self.cancel(user_data(op::RECEIVE, token.0));
        }
        // A send that finishes during submission needs no cancel.
        if sending == Sending::Waiting {
            self.cancel(user_data(op::SEND, token.0));
        }
        if receiving == Receiving::Idle && sending == Sending::Idle {
            self.finished.push(token);
        }
    }

    pub(super) fn doorbell(&self) -> Doorbell {
        self.doorbell.clone()
    }

    pub(super) fn ring(&mut self, other: &Doorbell) {
        if other.mark() == Knock::NotNeeded {
            return;
        }
        match other.ring_fd().filter(|_| self.ways.msg_ring).and_then(|fd| Some((fd, self.peer(other)?))) {
            Some((fd, peer)) => self.send_message(fd, peer),
            None => other.knock(),
        }
    }

    /// The place of a doorbell among those that messages are sent to.
    fn peer(&mut self, other: &Doorbell) -> Option<usize> {
        let known = self.peers.iter().position(|peer| peer.same(other));
        if known.is_none() && self.peers.len() < MAX_PEERS {
            self.peers.push(other.clone());
            return Some(self.peers.len() - 1);
        }
        known
    }

    fn send_message(&mut self, ring_fd: i32, peer: usize) {
        self.counters.msg_rings_sent += 1;
        // Only a failure is heard of. The kernel has the message in the other ring's hands by then, so nothing is lost.
        let entry = opcode::MsgRingData::new(Fd(ring_fd), 0, user_data(op::MESSAGE, 0), None)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(user_data(op::MESSAGE_FAILED, peer as u64));
        // SAFETY: the operation points to no memory.
        unsafe { self.ring.push(entry, &mut self.counters) };
    }

    pub(super) fn listen(&mut self, id: ListenerId, socket: OwnedFd) {
        self.add_listener(id, socket);
    }

    pub(super) fn release_memory(&mut self) {
        // Only then does the kernel receive nowhere but inside of our entries into it.
        let deferred = self.features.iter().any(|feature| feature.name == "defer_taskrun" && feature.active);
        if deferred
            && self.ring.is_drained()
            && let Some(buffers) = &mut self.buffers
        {
            // SAFETY: a buffer holds something from the entry into the kernel that has filled it until its completion was
            // delivered, and all completions were; the next entry is the next turn's.
            unsafe { buffers.release() };
        }
    }

    pub(super) fn features(&self) -> &[Feature] {
        &self.features
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}

fn set_blocking(socket: &OwnedFd) {
    let fd = socket.as_raw_fd();
    // SAFETY: no pointers are involved.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags >= 0 && flags & libc::O_NONBLOCK != 0 {
        // SAFETY: no pointers are involved. On an open socket it cannot fail.
        let _ = unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) };
    }
}

/// The operating system's error in a completion's result.
fn error_of(result: i32) -> io::Error {
    io::Error::from_raw_os_error(-result)
}
