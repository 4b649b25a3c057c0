//! The loop of an I/O thread and its state.

use super::connection::Connection;
use super::gathering::Gathered;
use super::listeners::Listener;
use crate::clients::inbox::{self, Inbox, Mail};
use crate::clients::pubsub::Local;
use crate::commands::Server;
use crate::commands::server::allocator::purge;
use crate::config::rows;
use crate::observability::stages::Sampler;
use crate::observability::stats::ThreadStats;
use crate::shard::batch::{Batch, ReturnRing};
use crate::shard::executor::{Executor, Where};
use crate::shard::worker::Workers;
use boxcar_resp::Commands;
use boxcar_sys::affinity::{self, CpuList};
use boxcar_sys::clock::{monotonic_us, wall_ms};
use boxcar_sys::{Backend, Driver, DriverError, DriverOptions, Feature, ListenerId, Token, Wait};
use slab::Slab;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The longest sleep: so often time limits of connections are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What an I/O thread is started with.
pub struct Spec {
    /// Number of the thread.
    pub index: usize,
    /// The shared state.
    pub server: Arc<Server>,
    /// The workers for `rings` dispatch.
    pub workers: Arc<Workers>,
    /// Batches the thread may have under way.
    pub batches: usize,
    /// io_uring or epoll.
    pub backend: Backend,
    /// Options for the driver.
    pub driver: DriverOptions,
    /// Where it may run.
    pub cpus: Option<CpuList>,
    /// Its listening sockets.
    pub listeners: Vec<Listener>,
    /// Set when the thread has to end.
    pub stopping: Arc<AtomicBool>,
}

/// What a thread reports: what its driver can do, or why it has none.
pub type Opened = Result<Vec<Feature>, DriverError>;

/// An I/O thread.
pub struct IoThread {
    driver: Driver,
    state: State,
    stopping: Arc<AtomicBool>,
    spin_until_us: u64,
    last_tick_us: u64,
}

/// Everything but the driver, so that the driver can call it.
pub(super) struct State {
    pub server: Arc<Server>,
    pub executor: Executor,
    pub stats: Arc<ThreadStats>,
    pub inbox: Arc<Inbox>,
    /// Which of the connections listen to what.
    pub subscribers: Arc<Local>,
    pub connections: Slab<Connection>,
    pub generation: u32,
    pub listeners: Vec<Listener>,
    /// Parsed commands of the connection at hand, reused.
    pub commands: Commands,
    /// Short requests that are executed together.
    pub gathered: Gathered,
    /// Empty send buffers.
    pub buffers: Vec<Vec<u8>>,
    /// Accepted during the turn.
    pub accepted: Vec<(ListenerId, OwnedFd)>,
    /// Connections with replies to send or an end to consider.
    pub dirty: Vec<usize>,
    /// Connections whose waiting input may be executed again.
    pub ready: VecDeque<Token>,
    /// Connections that found no free batch.
    pub starved: VecDeque<Token>,
    /// Connections held back by CLIENT PAUSE.
    pub paused: Vec<Token>,
    /// When clients in blocking commands have waited long enough, in microseconds of the monotonic clock.
    pub deadlines: BTreeSet<(u64, u64)>,
    /// Connections whose sockets are to be read again.
    pub resume: Vec<Token>,
    /// Connections to close at once.
    pub kill: Vec<Token>,
    pub workers: Arc<Workers>,
    pub returns: Arc<ReturnRing>,
    pub free_batches: Vec<Batch>,
    /// The batch being filled for each worker.
    pub open_batches: Vec<Option<Batch>>,
    pub index: usize,
    /// Memory that is not in use is to be given back.
    pub release: bool,
    /// Which receives are observed on their way through the stages.
    pub sampler: Sampler,
    /// Something happened: spinning (`busy-poll-us`) starts anew.
    pub rang: bool,
    /// A send is awaited by something that no other event would set going: its success may be silent, so that the
    /// next turn must not sleep.
    pub awaits_send: bool,
}

impl IoThread {
    /// The body of the thread: opens the driver, reports to `opened`, and serves until told to stop.
    pub fn run(spec: Spec, opened: &Sender<Opened>) {
        if let Some(cpus) = &spec.cpus
            && let Err(error) = affinity::pin_current_thread(cpus)
        {
            tracing::warn!("cannot pin an I/O thread: {error}");
        }
        let driver = match Driver::open(spec.backend, &spec.driver) {
            Ok(driver) => driver,
            Err(error) => {
                // Nobody listening means that the start was given up already.
                let _given_up = opened.send(Err(error));
                return;
            }
        };
        let inbox = spec.server.inboxes.open(spec.index, driver.doorbell());
        if opened.send(Ok(driver.features().to_vec())).is_ok() {
            IoThread::new(spec, driver, inbox).serve();
        }
    }

    fn new(spec: Spec, mut driver: Driver, inbox: Arc<Inbox>) -> Self {
        let stats = spec.server.stats.register(&format!("boxcar-io-{}", spec.index));
        let returns = ReturnRing::new(spec.batches, Arc::clone(&inbox));
        let free_batches = (0..spec.batches).map(|_| Batch::new(Arc::clone(&returns))).collect();
        let mut listeners = spec.listeners;
        for listener in &mut listeners {
            driver.listen(listener.id, listener.socket.take().expect("a listener starts once"));
        }
        inbox::defer_rings();
        let state = State {
            executor: Executor::new(Arc::clone(&spec.server), Arc::clone(&stats), Where::Home),
            subscribers: Arc::clone(spec.server.pubsub.local(spec.index)),
            server: spec.server,
            stats,
            inbox,
            connections: Slab::new(),
            generation: 0,
            listeners,
            commands: Commands::new(),
            gathered: Gathered::default(),
            buffers: Vec::new(),
            accepted: Vec::new(),
            dirty: Vec::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            paused: Vec::new(),
            deadlines: BTreeSet::new(),
            resume: Vec::new(),
            kill: Vec::new(),
            open_batches: (0..spec.workers.count()).map(|_| None).collect(),
            workers: spec.workers,
            returns,
            free_batches,
            index: spec.index,
            release: false,
            sampler: Sampler::default(),
            rang: false,
            awaits_send: false,
        };
        Self { driver, state, stopping: spec.stopping, spin_until_us: 0, last_tick_us: 0 }
    }

    fn serve(mut self) {
        while !self.stopping.load(Ordering::Acquire) {
            if let Err(error) = self.turn() {
                tracing::error!("I/O thread {} ends: its driver failed: {error}", self.state.index);
                self.state.server.shutdown.request();
                break;
            }
        }
        self.drain();
    }

    /// One turn: events, messages, execution, replies.
    fn turn(&mut self) -> io::Result<()> {
        inbox::take_deferred(|doorbell| self.driver.ring(doorbell));
        let wait = self.wait();
        let rate = self.state.server.config.int(rows::LATENCY_SAMPLE_RATE).unsigned_abs();
        self.state.sampler.turn(rate);
        self.driver.turn(wait, &mut self.state)?;
        self.state.run_gathered();
        self.state.inbox.awake();
        self.state.end_waits();
        self.state.read_mail();
        self.accept();
        self.state.take_returns();
        // What is executed next must not overtake what was posted while its session was away.
        self.state.read_mail();
        self.state.run_ready();
        self.state.dispatch_open();
        self.carry_out();
        if std::mem::take(&mut self.state.release) {
            self.release_memory();
        }
        let now_us = monotonic_us();
        if now_us - self.last_tick_us >= TICK.as_micros() as u64 {
            self.last_tick_us = now_us;
            self.state.tick(wall_ms());
            self.state.stats.publish_driver(self.driver.counters());
            self.carry_out();
        }
        Ok(())
    }

    /// How long the next turn may sleep; announces the sleep to those who would have to wake us.
    fn wait(&mut self) -> Wait {
        if std::mem::take(&mut self.state.awaits_send) || self.state.has_work() {
            return Wait::Poll;
        }
        let spin_us = self.state.server.config.int(rows::BUSY_POLL_US).unsigned_abs();
        if spin_us > 0 {
            let now = monotonic_us();
            if self.state.rang {
                self.spin_until_us = now + spin_us;
                self.state.rang = false;
            }
            if now < self.spin_until_us {
                return Wait::Poll;
            }
        }
        self.state.inbox.fall_asleep();
        if self.state.inbox.is_empty() && self.state.returns.is_empty() {
            Wait::For(self.state.next_deadline().map_or(TICK, |left| left.min(TICK)))
        } else {
            Wait::Poll
        }
    }

    /// MEMORY PURGE: what this thread holds beside data and connections.
    #[cold]
    fn release_memory(&mut self) {
        self.state.buffers = Vec::new();
        self.driver.release_memory();
        purge();
        self.state.workers.release_memory();
    }

    /// Sends, resumes and closes what the turn has decided.
    fn carry_out(&mut self) {
        for token in std::mem::take(&mut self.state.kill) {
            self.close(token);
        }
        self.flush();
        let mut resume = std::mem::take(&mut self.state.resume);
        for token in resume.drain(..) {
            if self.state.connection(token).is_some_and(|connection| !connection.closed) {
                self.driver.resume_reading(token);
            }
        }
        self.state.resume = resume;
    }

    pub(super) fn parts(&mut self) -> (&mut Driver, &mut State) {
        (&mut self.driver, &mut self.state)
    }
}

impl State {
    /// The connection with this name, unless it is gone.
    pub fn connection(&mut self, token: Token) -> Option<&mut Connection> {
        self.connections.get_mut(token.index()).filter(|connection| connection.token == token)
    }

    /// Whether something is to be done before sleeping.
    fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty() || !self.kill.is_empty()
    }

    /// Takes the messages that are there now; those that come meanwhile wait for the next turn.
    pub fn read_mail(&mut self) {
        for _ in 0..self.inbox.len() {
            let Some(mail) = self.inbox.take() else { break };
            self.rang = true;
            match mail {
                Mail::Wake(token) => self.wake(token),
                Mail::Unblocked(token) => self.take_home(token),
                Mail::Kill(token) => self.kill.push(token),
                Mail::Push(token, bytes) => self.take_push(token, &bytes),
                Mail::Publish(message, _) => self.deliver(&message),
                Mail::Release => self.release = true,
                Mail::Look => self.unpause(wall_ms()),
            }
        }
        self.inbox.relieve();
    }

    /// A shard that the connection was parked on is free.
    fn wake(&mut self, token: Token) {
        let Some(connection) = self.connection(token) else { return };
        if connection.session.is_none() {
            connection.woken = true;
        } else if connection.held.parked {
            connection.held.parked = false;
            self.ready.push_back(token);
        }
    }

    /// Lets connections that CLIENT PAUSE held back go on when the pause is over.
    pub fn unpause(&mut self, now_ms: i64) {
        if self.server.pause.ends_at(now_ms).is_some() {
            return;
        }
        for token in std::mem::take(&mut self.paused) {
            if let Some(connection) = self.connection(token) {
                connection.held.paused = false;
                self.ready.push_back(token);
            }
        }
    }

    /// Puts a connection on the list of those with something to send or to decide.
    pub fn mark_dirty(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }
}
