//! What both loops share: a thread's connections, its epoll instance and its clock.

use super::connection::{Answer, Arrived, Connection, Reading};
use super::endpoint::{Protocol, reconnect};
use super::rows::World;
use super::tally::Tally;
use super::{LoadError, LoadOptions};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Bytes taken by one read: several pipelines' worth of replies, and still in the L2 cache.
const RECEIVE_BUFFER: usize = 128 * 1024;

/// Events taken by one epoll_wait.
const EVENTS: usize = 256;

/// No wait is longer than this, so that a stop is noticed soon although the server is silent.
const LONGEST_WAIT_MS: u64 = 50;

/// The token of the open loop's timer; connections have their index.
pub(super) const TIMER: u64 = u64::MAX;

/// What the threads of a run share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub options: &'a LoadOptions,
    /// Zero of the run's clock.
    pub epoch: Instant,
    /// The user wants to stop.
    pub stop: &'a AtomicBool,
    /// Another worker failed.
    pub halt: AtomicBool,
    /// Replies so far, by worker, for the progress line.
    pub completed: Vec<AtomicU64>,
}

impl Shared<'_> {
    /// Nanoseconds of the run's clock.
    #[inline]
    pub fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Whether the run is to end now.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.halt.load(Ordering::Relaxed)
    }
}

/// One thread of the generator.
pub(super) struct Worker<'a> {
    pub index: usize,
    pub shared: &'a Shared<'a>,
    pub connections: Vec<Connection>,
    pub tally: Tally,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    replies: u64,
    look: Look,
    /// What the last read answered, oldest first; empty for plain requests.
    pub answers: Vec<Answer>,
}

/// How closely a worker looks at replies.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// It counts them.
    Plain,
    /// It keeps a journal of what was asked.
    Journaled,
    /// It compares them with what they must be.
    Verified(Arc<World>),
}

impl<'a> Worker<'a> {
    /// A worker over ready connections.
    pub fn new(
        index: usize,
        shared: &'a Shared<'a>,
        connections: Vec<Connection>,
        look: Look,
    ) -> Result<Worker<'a>, LoadError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?;
        for (token, connection) in connections.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token as u64);
            epoll.add(&connection.socket, event).map_err(io::Error::from)?;
        }
        Ok(Worker {
            index,
            shared,
            connections,
            tally: Tally::new(),
            epoll,
            events: vec![EpollEvent::empty(); EVENTS],
            buffer: vec![0; RECEIVE_BUFFER],
            replies: 0,
            look,
            answers: Vec::new(),
        })
    }

    /// Adds a timer to what is waited for.
    pub fn watch_timer(&self, timer: &nix::sys::timerfd::TimerFd) -> Result<(), LoadError> {
        Ok(self.epoll.add(timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).map_err(io::Error::from)?)
    }

    /// Waits until something happens, until `deadline`, or for 50 ms, whichever is first. Returns the number of events.
    pub fn wait(&mut self, now: u64, deadline: u64) -> Result<usize, LoadError> {
        let left = deadline.saturating_sub(now);
        let milliseconds = if left == 0 { 0 } else { (left / 1_000_000 + 1).min(LONGEST_WAIT_MS) };
        let timeout = EpollTimeout::from(milliseconds as u16);
        match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => Ok(count),
            Err(nix::errno::Errno::EINTR) => Ok(0),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// Token and flags of event number `index` of the last wait.
    #[inline]
    pub fn event(&self, index: usize) -> (u64, EpollFlags) {
        let event = self.events[index];
        (event.data(), event.events())
    }

    /// Reads once from connection `token`.
    #[inline]
    pub fn receive(&mut self, token: usize) -> Result<Option<Arrived>, LoadError> {
        let connection = &mut self.connections[token];
        let reading = match &self.look {
            Look::Plain => Reading::Plain,
            Look::Journaled => Reading::Journaled,
            Look::Verified(world) => Reading::Verified(world),
        };
        self.answers.clear();
        let outcome = connection.receive(&mut self.buffer, reading, &mut self.answers);
        let arrived = match outcome {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(arrived))) => arrived,
            Ok(Some(Err(source))) => return Err(LoadError::Reply { source }),
            Err(error) => return Err(self.lost(error)),
        };
        connection.inflight = connection
            .inflight
            .checked_sub(arrived.replies)
            .ok_or_else(|| LoadError::Unasked { endpoint: self.shared.options.endpoint.clone() })?;
        self.replies += u64::from(arrived.replies);
        Ok(Some(arrived))
    }

    /// Publishes the number of replies for the progress line.
    pub fn publish(&self) {
        self.shared.completed[self.index].store(self.replies, Ordering::Relaxed);
    }

    /// Writes what the socket did not take before, once it takes more.
    pub fn flush(&mut self, token: usize) -> Result<(), LoadError> {
        let connection = &mut self.connections[token];
        let outcome = connection.flush();
        let done = !connection.has_unsent();
        outcome.map_err(|error| self.lost(error))?;
        if done { self.want_write(token, false) } else { Ok(()) }
    }

    /// Called after a send: asks for a sign when the socket takes more, if it did not take all.
    #[inline]
    pub fn after_send(&self, token: usize, outcome: io::Result<()>) -> Result<(), LoadError> {
        outcome.map_err(|error| self.lost(error))?;
        if self.connections[token].has_unsent() { self.want_write(token, true) } else { Ok(()) }
    }

    /// Closes connection `token` and opens it anew, if it has had all the requests that one connection gets. Called when
    /// nothing is under way on it.
    #[inline]
    pub fn renew_if_spent(&mut self, token: usize) -> Result<(), LoadError> {
        if self.connections[token].remaining > 0 { Ok(()) } else { self.renew(token) }
    }

    fn renew(&mut self, token: usize) -> Result<(), LoadError> {
        let options = self.shared.options;
        let socket = reconnect(&options.endpoint)?;
        self.epoll
            .add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token as u64))
            .map_err(io::Error::from)?;
        let greet = options.protocol == Protocol::Resp3;
        // The old socket is closed by this, which takes it out of epoll's sight, too.
        self.connections[token].renew(socket, options.requests_per_connection(), greet);
        self.tally.reconnects += 1;
        Ok(())
    }

    fn want_write(&self, token: usize, wanted: bool) -> Result<(), LoadError> {
        let flags = if wanted { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        let mut event = EpollEvent::new(flags, token as u64);
        Ok(self.epoll.modify(&self.connections[token].socket, &mut event).map_err(io::Error::from)?)
    }

    fn lost(&self, error: io::Error) -> LoadError {
        let endpoint = self.shared.options.endpoint.clone();
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                LoadError::Closed { endpoint }
            }
            _ => LoadError::Io(error),
        }
    }

    /// Requests sent and not answered, on all connections.
    pub fn inflight(&self) -> u64 {
        self.connections.iter().map(|connection| u64::from(connection.inflight)).sum()
    }
}
