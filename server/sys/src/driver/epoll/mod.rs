//! The epoll driver: readiness, one hot receive buffer, direct writes.
//!
//! Connections are watched edge-triggered. A receive that does not fill the buffer has emptied the socket (epoll(7),
//! question 9), so the usual request costs one recv(2) and no second look; one that fills it puts the connection on the ready list,
//! served with the next turn, after the others. Pausing costs no system call: an edge that comes meanwhile is remembered.
//! `EPOLLOUT` is asked for only after a send met a full socket buffer.

mod calls;

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use self::calls::{
    accept, epoll_control, epoll_create, epoll_wait, probe_fine_timeouts, receive, send_rest, set_nonblocking,
};
use super::listener::{BACKOFF, concerns_one_connection};
use super::table::{Named, Table};
use super::{
    Counters, Doorbell, DriverError, DriverOptions, Feature, Handler, ListenerId, Reading, Sent, Token, Wait,
};
use crate::memory::Region;

/// What an event is about, in the bits of `epoll_event.data` above the token's.
const KIND_CONNECTION: u64 = 0;
const KIND_LISTENER: u64 = 1 << 56;
const KIND_DOORBELL: u64 = 2 << 56;

/// Connections taken from one listener in one turn at most, so that a connection storm does not starve the others.
const ACCEPTS_PER_TURN: usize = 64;

/// Events that mean: look at what can be read, even if that is only an error or the end.
const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// Events after which a receive must go on until it sees the end or the error.
const ENDING: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

#[derive(Debug)]
struct Connection {
    token: Token,
    socket: OwnedFd,
    /// The caller wants to read.
    reading: bool,
    /// An edge was seen that has not been read to its end.
    readable: bool,
    /// The peer's end or an error was announced: a short receive does not mean that nothing is left to see.
    ending: bool,
    /// `read_closed` was delivered.
    read_closed: bool,
    /// On the ready list.
    queued: bool,
    /// The send that met a full socket buffer, and how much of it is gone.
    outgoing: Option<Vec<u8>>,
    written: usize,
}

impl Named for Connection {
    #[inline]
    fn token(&self) -> Token {
        self.token
    }
}

#[derive(Debug)]
struct Listener {
    id: ListenerId,
    socket: OwnedFd,
    /// Not watched until then.
    resting_until: Option<Instant>,
}

/// What is delivered by the next turn, because it came up between two turns.
#[derive(Debug)]
enum Deferred {
    /// A connection could not be watched.
    Unwatchable(Token, io::Error),
    /// A closed connection is gone, with the buffer of the send that was in flight.
    Closed(Token, Option<Vec<u8>>),
}

/// See the [module's words](super) on how it works.
#[derive(Debug)]
pub struct EpollDriver {
    epoll: OwnedFd,
    doorbell: Doorbell,
    connections: Table<Connection>,
    listeners: Vec<Listener>,
    /// Connections with more to read than one buffer held, or resumed ones. Each is on it at most once, so it is bounded by
    /// the table.
    ready: VecDeque<Token>,
    deferred: Vec<Deferred>,
    events: Vec<libc::epoll_event>,
    buffer: Region,
    buffer_size: usize,
    fine_timeouts: bool,
    features: Vec<Feature>,
    counters: Counters,
    not_send: PhantomData<*const ()>,
}

const WATCH: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
const WATCH_AND_WRITE: u32 = WATCH | libc::EPOLLOUT as u32;

impl EpollDriver {
    pub(super) fn open(options: &DriverOptions) -> Result<EpollDriver, DriverError> {
        let epoll = epoll_create().map_err(DriverError::call("epoll_create1"))?;
        let doorbell = Doorbell::new(None).map_err(DriverError::call("eventfd"))?;
        let edge = (libc::EPOLLIN | libc::EPOLLET) as u32;
        epoll_control(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, doorbell.eventfd(), edge, KIND_DOORBELL)
            .map_err(DriverError::call("epoll_ctl"))?;
        let (fine_timeouts, feature) = probe_fine_timeouts(&epoll, options.toggles.epoll_pwait2);
        Ok(EpollDriver {
            epoll,
            doorbell,
            connections: Table::new(options.max_connections),
            listeners: Vec::new(),
            ready: VecDeque::new(),
            deferred: Vec::new(),
            events: Vec::with_capacity(options.epoll_events),
            buffer: Region::new(options.receive_buffer_size).map_err(DriverError::call("mmap"))?,
            buffer_size: options.receive_buffer_size,
            fine_timeouts,
            features: vec![feature],
            counters: Counters::default(),
            not_send: PhantomData,
        })
    }

    pub(super) fn turn<H: Handler>(&mut self, wait: Wait, handler: &mut H) -> io::Result<()> {
        self.counters.turns += 1;
        let mut delivered = self.deliver_deferred(handler);
        // What was ready before this turn comes after the new events, and only once: the list may grow meanwhile.
        let backlog = self.ready.len();
        delivered |= backlog > 0;
        let timeout = self.timeout(wait, delivered);
        let asleep = timeout != Some(Duration::ZERO) && self.doorbell.fall_asleep();
        let result = self.fetch(if asleep { timeout } else { Some(Duration::ZERO) });
        let rung = self.doorbell.wake_up();
        result?;
        for place in 0..self.events.len() {
            let event = self.events[place];
            self.dispatch(event.u64, event.events, handler);
        }
        for _ in 0..backlog {
            if let Some(token) = self.ready.pop_front() {
                self.serve_ready(token, handler);
            }
        }
        self.wake_listeners();
        if rung {
            self.counters.doorbells += 1;
            handler.doorbell();
        }
        Ok(())
    }

    /// How long to sleep, at most until a resting listener is due.
    fn timeout(&self, wait: Wait, delivered: bool) -> Option<Duration> {
        let asked = match wait {
            _ if delivered => return Some(Duration::ZERO),
            Wait::Poll => return Some(Duration::ZERO),
            Wait::For(time) => Some(time),
            Wait::Forever => None,
        };
        let due = self.listeners.iter().filter_map(|listener| listener.resting_until).min();
        let due = due.map(|at| at.saturating_duration_since(Instant::now()));
        match (asked, due) {
            (Some(asked), Some(due)) => Some(asked.min(due)),
            (asked, due) => asked.or(due),
        }
    }

    /// Waits for events and leaves them in `self.events`.
    fn fetch(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.counters.enters += 1;
        epoll_wait(&self.epoll, &mut self.events, timeout, self.fine_timeouts)?;
        self.counters.events += self.events.len() as u64;
        Ok(())
    }

    fn dispatch<H: Handler>(&mut self, data: u64, events: u32, handler: &mut H) {
        match data & !Token::MASK {
            KIND_CONNECTION => self.connection_event(Token(data), events, handler),
            KIND_LISTENER => self.accept(ListenerId((data & Token::MASK) as u32), handler),
            _ => self.counters.eventfd_wakeups += 1,
        }
    }

    fn connection_event<H: Handler>(&mut self, token: Token, events: u32, handler: &mut H) {
        let Some(connection) = self.connections.get(token) else { return };
        if events & READABLE != 0 {
            connection.readable = true;
            connection.ending |= events & ENDING != 0;
        }
        if connection.outgoing.is_some() && events & (libc::EPOLLOUT as u32 | ENDING) != 0 {
            self.send_on(token, handler);
        }
        self.read(token, handler);
    }

    fn serve_ready<H: Handler>(&mut self, token: Token, handler: &mut H) {
        let Some(connection) = self.connections.get(token) else { return };
        connection.queued = false;
        self.read(token, handler);
    }

    /// One receive, if there is something to see and the caller wants to.
    fn read<H: Handler>(&mut self, token: Token, handler: &mut H) {
        let Some(connection) = self.connections.get(token) else { return };
        if !(connection.readable && connection.reading) || connection.read_closed {
            return;
        }
        let buffer = &mut self.buffer.as_mut_slice()[..self.buffer_size];
        match receive(connection.socket.as_raw_fd(), buffer) {
            Ok(0) => self.end_reading(token, None, handler),
            Ok(count) => {
                self.counters.receives += 1;
                self.counters.received_bytes += count as u64;
                if count < buffer.len() && !connection.ending {
                    connection.readable = false;
                }
                let verdict = handler.received(token, &mut buffer[..count]);
                connection.reading = verdict == Reading::Continue;
                if connection.readable {
                    self.enqueue(token);
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => connection.readable = false,
                io::ErrorKind::Interrupted => self.enqueue(token),
                _ => self.end_reading(token, Some(error), handler),
            },
        }
    }

    fn end_reading<H: Handler>(&mut self, token: Token, error: Option<io::Error>, handler: &mut H) {
        if let Some(connection) = self.connections.get(token) {
            connection.read_closed = true;
            handler.read_closed(token, error);
        }
    }

    fn enqueue(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token)
            && connection.reading
            && !connection.queued
        {
            connection.queued = true;
            self.ready.push_back(token);
        }
    }

    /// Goes on with a send that met a full socket buffer.
    fn send_on<H: Handler>(&mut self, token: Token, handler: &mut H) {
        let Some(connection) = self.connections.get(token) else { return };
        let Some(buffer) = connection.outgoing.take() else { return };
        let fd = connection.socket.as_raw_fd();
        let result = match send_rest(fd, &buffer, &mut connection.written) {
            Ok(false) => {
                connection.outgoing = Some(buffer);
                return;
            }
            Ok(true) => {
                self.counters.sent_bytes += buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.counters.send_errors += 1;
                Err(error)
            }
        };
        // Should this fail, the only harm is a needless wake-up now and then.
        let _ = epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_MOD, fd, WATCH, token.0);
        handler.sent(token, buffer, result);
    }

    fn accept<H: Handler>(&mut self, id: ListenerId, handler: &mut H) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id) else { return };
            let fd = listener.socket.as_raw_fd();
            self.counters.accept_arms += 1;
            match accept(fd) {
                Ok(socket) => {
                    self.counters.accepted += 1;
                    handler.accepted(id, socket);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.counters.accept_errors += 1;
                    if !concerns_one_connection(&error) {
                        self.counters.accept_backoffs += 1;
                        listener.resting_until = Some(Instant::now() + BACKOFF);
                        // It was watched, or there would have been no event.
                        let _ = epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, 0, 0);
                        handler.accept_failed(id, &error);
                        return;
                    }
                    handler.accept_failed(id, &error);
                }
            }
        }
    }

    /// Watches listeners again that have rested long enough.
    fn wake_listeners(&mut self) {
        if self.listeners.iter().all(|listener| listener.resting_until.is_none()) {
            return;
        }
        let now = Instant::now();
        for listener in &mut self.listeners {
            if listener.resting_until.is_some_and(|until| until <= now) {
                listener.resting_until = match watch_listener(&self.epoll, listener) {
                    Ok(()) => None,
                    Err(_) => Some(now + BACKOFF),
                };
            }
        }
    }

    fn deliver_deferred<H: Handler>(&mut self, handler: &mut H) -> bool {
        let delivered = !self.deferred.is_empty();
        for deferred in self.deferred.drain(..) {
            match deferred {
                Deferred::Unwatchable(token, error) => {
                    if let Some(connection) = self.connections.get(token) {
                        connection.read_closed = true;
                        handler.read_closed(token, Some(error));
                    }
                }
                Deferred::Closed(token, buffer) => {
                    if let Some(buffer) = buffer {
                        self.counters.send_errors += 1;
                        handler.sent(token, buffer, Err(io::Error::from_raw_os_error(libc::ECANCELED)));
                    }
                    self.counters.closed += 1;
                    handler.closed(token);
                }
            }
        }
        delivered
    }
}

fn watch_listener(epoll: &OwnedFd, listener: &Listener) -> io::Result<()> {
    let fd = listener.socket.as_raw_fd();
    // Exclusive: when threads share one listening socket, a connection wakes one of them.
    let events = (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32;
    set_nonblocking(fd)?;
    epoll_control(
        epoll.as_raw_fd(),
        libc::EPOLL_CTL_ADD,
        fd,
        events,
        KIND_LISTENER | u64::from(listener.id.0),
    )
}

/// What the caller asks for between two turns.
impl EpollDriver {
    pub(super) fn listen(&mut self, id: ListenerId, socket: OwnedFd) {
        assert!(self.listeners.iter().all(|listener| listener.id != id), "{id:?} is listening already");
        let mut listener = Listener { id, socket, resting_until: None };
        if watch_listener(&self.epoll, &listener).is_err() {
            listener.resting_until = Some(Instant::now() + BACKOFF);
        }
        self.listeners.push(listener);
    }

    pub(super) fn stop_listening(&mut self, id: ListenerId) {
        // The descriptor may have been duplicated for other threads: closing it would not end the watch.
        if let Some(place) = self.listeners.iter().position(|listener| listener.id == id) {
            let listener = self.listeners.swap_remove(place);
            let _ =
                epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, listener.socket.as_raw_fd(), 0, 0);
        }
    }

    pub(super) fn register(&mut self, token: Token, socket: OwnedFd) {
        let fd = socket.as_raw_fd();
        self.connections.insert(Connection {
            token,
            socket,
            reading: true,
            readable: false,
            ending: false,
            read_closed: false,
            queued: false,
            outgoing: None,
            written: 0,
        });
        self.counters.receive_arms += 1;
        if let Err(error) = epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, WATCH, token.0) {
            self.deferred.push(Deferred::Unwatchable(token, error));
        }
    }

    pub(super) fn send(&mut self, token: Token, buffer: Vec<u8>) -> Sent {
        let connection = self.connections.get(token).unwrap_or_else(|| panic!("send to unknown {token:?}"));
        assert!(connection.outgoing.is_none(), "{token:?} has a send in flight");
        if buffer.is_empty() {
            return Sent::Done(buffer);
        }
        self.counters.sends += 1;
        let fd = connection.socket.as_raw_fd();
        connection.written = 0;
        let result = match send_rest(fd, &buffer, &mut connection.written) {
            Ok(true) => {
                self.counters.sends_inline += 1;
                self.counters.sent_bytes += buffer.len() as u64;
                return Sent::Done(buffer);
            }
            Ok(false) => {
                self.counters.short_sends += 1;
                epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_MOD, fd, WATCH_AND_WRITE, token.0)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                connection.outgoing = Some(buffer);
                Sent::Pending
            }
            Err(error) => {
                self.counters.send_errors += 1;
                Sent::Failed(buffer, error)
            }
        }
    }

    pub(super) fn pause_reading(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token) {
            connection.reading = false;
        }
    }

    pub(super) fn resume_reading(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token) {
            connection.reading = true;
            if connection.readable && !connection.read_closed {
                self.enqueue(token);
            }
        }
    }

    pub(super) fn shutdown_write(&mut self, token: Token) {
        if let Some(connection) = self.connections.get(token) {
            // SAFETY: no pointers are involved. An error means that the peer is gone, which reading tells as well.
            let _ = unsafe { libc::shutdown(connection.socket.as_raw_fd(), libc::SHUT_WR) };
        }
    }

    pub(super) fn close(&mut self, token: Token) {
        // Without an entry, whatever is still on a list for this token finds nothing.
        let connection =
            self.connections.remove(token).unwrap_or_else(|| panic!("close of unknown {token:?}"));
        let fd = connection.socket.as_raw_fd();
        // The caller may hold a duplicate of the descriptor: closing ours would not end the watch. It fails when the
        // watch never began.
        let _ = epoll_control(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, 0, 0);
        self.deferred.push(Deferred::Closed(token, connection.outgoing));
    }

    pub(super) fn doorbell(&self) -> Doorbell {
        self.doorbell.clone()
    }

    pub(super) fn ring(&mut self, other: &Doorbell) {
        other.ring();
    }

    pub(super) fn release_memory(&mut self) {
        // Between two turns it holds nothing.
        self.buffer.release();
    }

    pub(super) fn features(&self) -> &[Feature] {
        &self.features
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}
