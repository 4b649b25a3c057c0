//! What both loops share: a thread's connections, what they count, and how what the transport tells reaches a loop.

use super::connection::{Answer, Arrived, Connection, Reading};
use super::endpoint::{Protocol, reconnect};
use super::rows::World;
use super::script::Script;
use super::tally::Tally;
use super::transport::Transport;
use super::{LoadError, LoadOptions};
use boxcar_sys::{Handler, ListenerId, Token};
use socket2::Socket;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub transport: Transport,
    pub clients: Clients<'a>,
}

/// A thread's connections.
#[derive(Debug)]
pub(super) struct Clients<'a> {
    pub index: usize,
    pub shared: &'a Shared<'a>,
    pub connections: Vec<Connection>,
    pub tally: Tally,
    replies: u64,
    look: Look,
    /// What the last receive answered, oldest first; empty for plain requests.
    pub answers: Vec<Answer>,
    /// Connections that may have something to send, each once.
    ready: Vec<usize>,
    /// Connections whose socket is gone and is to be replaced.
    gone: Vec<usize>,
    /// Buffers of batches that have left: as many as have ever been under way at once, at most one a connection.
    spare: Vec<Vec<u8>>,
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

/// What a loop does about what has arrived.
pub(super) trait Pacing<'a> {
    /// The connections that it paces.
    fn clients(&mut self) -> &mut Clients<'a>;

    /// Replies to a connection have arrived, at `now`; [`Clients::answers`] tells more about them. What the connection may send
    /// after that waits for the end of the turn: see [`Clients::enqueue`].
    fn arrived(&mut self, index: usize, now: u64, arrived: Arrived);
}

impl<'a> Worker<'a> {
    /// A worker over ready sockets, one for each connection.
    pub fn new(
        index: usize,
        shared: &'a Shared<'a>,
        mut transport: Transport,
        connections: Vec<(Connection, Socket)>,
        look: Look,
    ) -> Worker<'a> {
        let open = connections.into_iter().enumerate().map(|(index, (mut connection, socket))| {
            transport.register(index, &mut connection, socket);
            connection
        });
        let connections = open.collect();
        let clients = Clients {
            index,
            shared,
            connections,
            tally: Tally::new(),
            replies: 0,
            look,
            answers: Vec::new(),
            ready: Vec::new(),
            gone: Vec::new(),
            spare: Vec::new(),
        };
        Worker { transport, clients }
    }
}

/// One turn: hands over what was sent, waits until something happens or until `deadline`, and tells `pacing`. Returns whether it
/// polled, and nothing had happened.
pub(super) fn turn<'a>(
    transport: &mut Transport,
    pacing: &mut impl Pacing<'a>,
    now: u64,
    deadline: u64,
) -> Result<bool, LoadError> {
    let mut events = Events { pacing, failure: None, happened: false, lifetime: std::marker::PhantomData };
    let polled = transport.turn(Duration::from_nanos(deadline.saturating_sub(now)), &mut events)?;
    let happened = events.happened;
    events.failure.map_or(Ok(()), Err)?;
    pacing.clients().reopen(transport)?;
    Ok(polled && !happened)
}

impl Clients<'_> {
    /// Notes that a connection may have something to send, once.
    #[inline]
    pub fn enqueue(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.queued {
            connection.queued = true;
            self.ready.push(index);
        }
    }

    /// Takes the connections that may have something to send; [`Clients::served`] gives the list's memory back.
    pub fn take_ready(&mut self) -> Vec<usize> {
        for &index in &self.ready {
            self.connections[index].queued = false;
        }
        std::mem::take(&mut self.ready)
    }

    /// See [`Clients::take_ready`].
    pub fn served(&mut self, mut list: Vec<usize>) {
        if self.ready.is_empty() {
            list.clear();
            self.ready = list;
        }
    }

    /// The next `count` requests of a connection, with whatever must go before them.
    #[inline]
    pub fn batch(&mut self, index: usize, count: u64, script: &mut Script) -> Vec<u8> {
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.clear();
        let connection = &mut self.connections[index];
        connection.greet(&mut batch);
        script.encode(count as usize, connection.number, &mut connection.journal, &mut batch);
        connection.remaining -= count;
        connection.inflight += count as u32;
        self.tally.sent(count);
        batch
    }

    /// Gives a batch to the transport.
    #[inline]
    pub fn send(&mut self, index: usize, batch: Vec<u8>, transport: &mut Transport) -> Result<(), LoadError> {
        let outcome = transport.send(&mut self.connections[index], batch);
        self.spare.extend(outcome.map_err(|error| self.lost(error))?);
        Ok(())
    }

    /// Whether a connection has had all the requests that one gets. If so, and nothing is under way on it, it begins to be
    /// closed, and is enqueued once it is open anew.
    #[inline]
    pub fn renew_if_spent(&mut self, index: usize, transport: &mut Transport) -> bool {
        let connection = &mut self.connections[index];
        let spent = connection.remaining == 0;
        if spent && connection.is_idle() {
            connection.renewing = true;
            transport.close(connection);
        }
        spent
    }

    /// Opens the connections anew whose sockets are gone.
    fn reopen(&mut self, transport: &mut Transport) -> Result<(), LoadError> {
        let options = self.shared.options;
        while let Some(index) = self.gone.pop() {
            let socket = reconnect(&options.endpoint)?;
            let connection = &mut self.connections[index];
            connection.renew(options.requests_per_connection(), options.protocol == Protocol::Resp3);
            transport.register(index, connection, socket);
            self.tally.reconnects += 1;
            self.enqueue(index);
        }
        Ok(())
    }

    /// Takes what has arrived on a connection.
    #[inline]
    fn receive(&mut self, index: usize, data: &[u8]) -> Result<Arrived, LoadError> {
        let connection = &mut self.connections[index];
        let reading = match &self.look {
            Look::Plain => Reading::Plain,
            Look::Journaled => Reading::Journaled,
            Look::Verified(world) => Reading::Verified(world),
        };
        self.answers.clear();
        let arrived = connection.receive(data, reading, &mut self.answers)?;
        connection.inflight = connection
            .inflight
            .checked_sub(arrived.replies)
            .ok_or_else(|| LoadError::Unasked { endpoint: self.shared.options.endpoint.clone() })?;
        self.replies += u64::from(arrived.replies);
        Ok(arrived)
    }

    /// Publishes the number of replies for the progress line.
    pub fn publish(&self) {
        self.shared.completed[self.index].store(self.replies, Ordering::Relaxed);
    }

    fn lost(&self, error: io::Error) -> LoadError {
        let endpoint = self.shared.options.endpoint.clone();
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                LoadError::Closed { endpoint }
            }
            // Only what was begun in the middle of the run can still fail to connect.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut => {
                LoadError::Connect { endpoint, source: error }
            }
            _ => LoadError::Io(error),
        }
    }

    /// Requests sent and not answered, on all connections.
    pub fn inflight(&self) -> u64 {
        self.connections.iter().map(|connection| u64::from(connection.inflight)).sum()
    }
}

/// Passes a turn's events on, up to the first failure.
struct Events<'l, 'a, P> {
    pacing: &'l mut P,
    failure: Option<LoadError>,
    /// Whether anything was told.
    happened: bool,
    lifetime: std::marker::PhantomData<&'a ()>,
}

impl<'a, P: Pacing<'a>> Handler for Events<'_, 'a, P> {
    fn accepted(&mut self, _: ListenerId, _: OwnedFd) {
        unreachable!("the generator listens nowhere");
    }

    #[inline]
    fn received(&mut self, token: Token, data: &mut [u8]) -> boxcar_sys::Reading {
        self.happened = true;
        if self.failure.is_none() {
            let clients = self.pacing.clients();
            match clients.receive(token.index(), data) {
                Ok(arrived) => {
                    let now = clients.shared.now();
                    self.pacing.arrived(token.index(), now, arrived);
                }
                Err(error) => self.failure = Some(error),
            }
        }
        boxcar_sys::Reading::Continue
    }

    fn read_closed(&mut self, _: Token, error: Option<io::Error>) {
        let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        self.failure.get_or_insert(self.pacing.clients().lost(error));
    }

    #[inline]
    fn sent(&mut self, token: Token, buffer: Vec<u8>, result: io::Result<()>) {
        self.happened = true;
        let clients = self.pacing.clients();
        clients.spare.push(buffer);
        let connection = &mut clients.connections[token.index()];
        connection.sending = false;
        if let Err(error) = result {
            self.failure.get_or_insert(clients.lost(error));
        } else if connection.inflight == 0 || connection.owed > 0 {
            // The replies were here first, or more has come due: this alone was waited for.
            clients.enqueue(token.index());
        }
    }

    fn doorbell(&mut self) {}

    fn closed(&mut self, token: Token) {
        self.pacing.clients().gone.push(token.index());
    }
}
