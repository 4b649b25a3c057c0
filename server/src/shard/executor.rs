//! Executes the parsed commands of one connection, in their order, in stages.
//!
//! A window of commands is walked three times: names are looked up and keys hashed while their buckets are
//! prefetched; then the records; then the commands execute. So the cache misses of a window overlap.

use super::admission::{check, exec_abort, flags_of, is_cross_protocol, is_paused};
use super::eviction::{self, Evictor, Outcome};
use super::locking::{self, Plan};
use crate::clients::pause::PauseMode;
use crate::clients::{ClientFlags, Queued, ReplyMode, Session};
use crate::commands::access::AccessClock;
use crate::commands::blocking;
use crate::commands::call::{call_here, write_error};
use crate::commands::news;
use crate::commands::row::Flags;
use crate::commands::{Again, Args, Cx, Entry, Keys, Locks, Server};
use crate::config::rows;
use crate::observability::stats::ThreadStats;
use boxcar_resp::{Commands, Reply};
use boxcar_store::{Ahead, Place, Wake};
use boxcar_sys::clock::{Ticks, wall_ms};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Commands walked together. Wide enough that the prefetches of the first are done when its turn comes, small
/// enough that what they bring stays in the first-level cache.
const WINDOW: usize = 16;

/// Why the executor stopped. `command` is the first command that was not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// Everything is executed.
    #[default]
    Finished,
    /// A shard is held by another thread, or messages have no room in an inbox; the connection will be woken when that
    /// is over.
    Parked {
        /// First command not executed.
        command: usize,
    },
    /// CLIENT PAUSE holds this command back.
    Paused {
        /// First command not executed.
        command: usize,
    },
    /// The replies outgrew the given bound: go on when they are sent.
    OutputFull {
        /// First command not executed.
        command: usize,
    },
    /// Only the connection's own I/O thread may execute this command.
    Home {
        /// First command not executed.
        command: usize,
    },
    /// The last executed command waits (see [`crate::commands::blocking`]); the connection's session lies with its
    /// waiter and comes home by mail.
    Blocked {
        /// First command not executed, if there is one.
        command: Option<usize>,
    },
    /// The last command sent a message to the connection itself, which comes before what follows.
    Mail {
        /// First command not executed.
        command: usize,
    },
    /// The command lets other connections have their turn before it goes on.
    Yielded {
        /// The command.
        command: usize,
    },
    /// The connection ends after these replies; what follows is not executed.
    Closing,
}

impl Stop {
    /// The first command that was not executed and has to be later.
    pub fn unexecuted(self) -> Option<usize> {
        match self {
            Self::Finished | Self::Closing => None,
            Self::Blocked { command } => command,
            Self::Parked { command }
            | Self::Paused { command }
            | Self::OutputFull { command }
            | Self::Home { command }
            | Self::Yielded { command }
            | Self::Mail { command } => Some(command),
        }
    }
}

/// How the execution of one command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Called {
    /// With a reply.
    Answered,
    /// It waits (see [`crate::commands::blocking`]).
    Blocked,
    /// It has to be executed again.
    Again(Again),
}

/// Where an executor's thread stands to the connections whose commands it executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// It is their own I/O thread.
    Home,
    /// It is a worker.
    Away,
}

/// One thread's executor.
pub struct Executor {
    server: Arc<Server>,
    stats: Arc<ThreadStats>,
    evictor: RefCell<Evictor>,
    place: Where,
}

/// A command after the first stage.
#[derive(Clone, Copy)]
struct Staged<'t> {
    /// The row, when the command has exactly one key at a fixed place and the right number of arguments.
    entry: Option<&'t Entry>,
    place: Place,
}

const UNSTAGED: Staged<'static> = Staged { entry: None, place: Place { hash: 0, shard: 0 } };

impl Executor {
    /// The executor of a thread that counts in `stats`.
    pub fn new(server: Arc<Server>, stats: Arc<ThreadStats>, place: Where) -> Self {
        Self { server, stats, evictor: RefCell::default(), place }
    }

    /// The shared state.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The thread's counters.
    pub fn stats(&self) -> &Arc<ThreadStats> {
        &self.stats
    }

    /// Starts loading the bucket that the only command of a connection will look at: a hint, as [`Executor::execute`] gives
    /// them itself when there are several.
    pub fn look_ahead<'e>(
        &self,
        db: usize,
        input: &[u8],
        commands: &Commands,
        epoch: &'e boxcar_store::Guard,
    ) -> Ahead<'e> {
        if commands.len() != 1 {
            return Ahead::NOTHING;
        }
        let placed = place_single(&self.server, Args::new(input, commands.argv(0)));
        placed.map_or(Ahead::NOTHING, |(_, place)| self.server.keyspace.prefetch_bucket(db, place, epoch))
    }

    /// Executes `commands`, whose bytes lie in `input`, for `session`; replies are appended to `reply`. Stops
    /// early when `reply` holds more than `output_limit` bytes. The session is there, and stays unless a command
    /// blocks.
    pub fn execute(
        &self,
        session: &mut Option<Box<Session>>,
        input: &[u8],
        commands: &Commands,
        reply: &mut Reply,
        output_limit: usize,
    ) -> Stop {
        let server: &Server = &self.server;
        let mut keys = Keys::new(&server.keyspace, &self.stats, wall_ms());
        keys.access = AccessClock::of(&server.config);
        let seated = seated(session);
        keys.news.attend(server, seated.client.id);
        let mut batch = Run {
            server,
            stats: &self.stats,
            evictor: &self.evictor,
            place: self.place,
            input,
            commands,
            tick: Ticks::now(),
            last: None,
        };
        seated.client.active_ms.store(keys.now_ms, Relaxed);
        reply.set_protocol(seated.protocol);
        let mut stop = Stop::Finished;
        let mut first = 0;
        while first < commands.len() {
            let end = commands.len().min(first + WINDOW);
            match batch.window(first..end, session, &mut keys, reply, output_limit) {
                Stop::Finished => first = end,
                early => {
                    stop = early;
                    break;
                }
            }
            // Let others have a hot shard between windows.
            keys.release();
        }
        if let Some(session) = session {
            batch.note_last(session);
        }
        stop
    }
}

/// The row of a command that has exactly one key at a fixed place, and the right number of arguments, and where that key lives.
#[inline(always)]
fn place_single<'k>(server: &'k Server, args: Args<'_>) -> Option<(&'k Entry, Place)> {
    let entry = server.table.find_called(args)?;
    (entry.single_key != 0 && entry.accepts(args.len()))
        .then(|| (entry, server.keyspace.locate(args.at(entry.single_key))))
}

/// The session of the connection whose commands are executed.
#[inline]
fn seated(session: &mut Option<Box<Session>>) -> &mut Session {
    session.as_deref_mut().expect("only a connection with its session executes")
}

/// The commands of one call of [`Executor::execute`].
struct Run<'k, 'b> {
    server: &'k Server,
    stats: &'k ThreadStats,
    evictor: &'k RefCell<Evictor>,
    place: Where,
    input: &'b [u8],
    commands: &'b Commands,
    tick: Ticks,
    last: Option<u16>,
}

impl<'k> Run<'k, '_> {
    fn args(&self, command: usize) -> Args<'_> {
        Args::new(self.input, self.commands.argv(command))
    }

    /// Tells other threads which command was the last.
    fn note_last(&self, session: &Session) {
        if let Some(last) = self.last {
            session.client.last_command.store(last, Relaxed);
        }
    }

    fn window(
        &mut self,
        range: std::ops::Range<usize>,
        session: &mut Option<Box<Session>>,
        keys: &mut Keys<'k>,
        reply: &mut Reply,
        output_limit: usize,
    ) -> Stop {
        let mut staged = [UNSTAGED; WINDOW];
        self.stage(range.clone(), seated(session).db, &mut staged);
        let mut plain = self.is_plain(seated(session), keys);
        for (command, staged) in range.zip(staged) {
            let room = !self.server.budget.is_exceeded() || self.make_room(keys);
            let stop = match staged.entry {
                Some(entry) if room && plain => {
                    self.execute_single(command, entry, staged.place, session, keys, reply)
                }
                _ => {
                    let stop = self.execute_checked(command, session, keys, reply);
                    // Only such a command changes what the next may do; what others do is seen with the next window.
                    plain = session.as_ref().is_some_and(|session| self.is_plain(session, keys));
                    stop
                }
            };
            if stop != Stop::Finished {
                return stop;
            }
            let next = command + 1;
            if next < self.commands.len() {
                if reply.len() > output_limit {
                    return Stop::OutputFull { command: next };
                }
                if std::mem::take(&mut keys.news.mailed_self) {
                    return Stop::Mail { command: next };
                }
            }
        }
        Stop::Finished
    }

    /// Looks up names, hashes keys and prefetches what the lookups will touch.
    fn stage(&self, range: std::ops::Range<usize>, db: usize, staged: &mut [Staged<'k>; WINDOW]) {
        let prefetch = range.len() > 1 && self.server.config.bool(rows::PREFETCH);
        let keyspace = &self.server.keyspace;
        let epoch = prefetch.then(|| keyspace.pin());
        let mut ahead = [Ahead::NOTHING; WINDOW];
        for (i, command) in range.clone().enumerate() {
            let Some((entry, place)) = place_single(self.server, self.args(command)) else { continue };
            staged[i] = Staged { entry: Some(entry), place };
            if let Some(epoch) = &epoch {
                ahead[i] = keyspace.prefetch_bucket(db, place, epoch);
            }
        }
        if prefetch {
            ahead[..range.len()].iter().for_each(|ahead| ahead.prefetch_record());
        }
    }

    fn is_plain(&self, session: &Session, keys: &Keys<'_>) -> bool {
        session.is_plain()
            && !self.server.inboxes.any_full()
            && self.server.pause.mode(keys.now_ms) == PauseMode::None
    }

    /// Evicts what `maxmemory` asks for; false when that is impossible.
    #[cold]
    fn make_room(&self, keys: &mut Keys<'k>) -> bool {
        keys.release();
        let patience = eviction::patience(self.server);
        let outcome = self.evictor.borrow_mut().make_room(self.server, self.stats, keys.now_ms, patience);
        outcome != Outcome::Exhausted
    }

    /// The short way: one key, nothing special about session or server.
    #[inline(always)]
    fn execute_single(
        &mut self,
        command: usize,
        entry: &'k Entry,
        place: Place,
        session: &mut Option<Box<Session>>,
        keys: &mut Keys<'k>,
        reply: &mut Reply,
    ) -> Stop {
        match locking::acquire_one(keys, place.shard) {
            Ok(()) if !locking::needs_more(keys, entry) => {}
            Err(shard) if self.park(shard, seated(session)) => return Stop::Parked { command },
            _ => return self.execute_checked(command, session, keys, reply),
        }
        let args = Args::new(self.input, self.commands.argv(command));
        keys.remember(args.at(entry.single_key), place);
        self.call_here(entry, args, seated(session), keys, reply);
        Stop::Finished
    }

    /// Executes a command whose locks are held, and whatever waited for what it has brought.
    fn call(
        &mut self,
        entry: &'k Entry,
        args: Args<'_>,
        session: &mut Session,
        keys: &mut Keys<'k>,
        reply: &mut Reply,
    ) -> Called {
        self.call_here(entry, args, session, keys, reply)
    }

    /// [`Run::call`] as a part of its caller.
    #[inline(always)]
    fn call_here(
        &mut self,
        entry: &'k Entry,
        args: Args<'_>,
        session: &mut Session,
        keys: &mut Keys<'k>,
        reply: &mut Reply,
    ) -> Called {
        self.last = Some(entry.id);
        keys.db = session.db;
        keys.no_touch = session.no_touch;
        let mut cx = self.context(entry, session, keys, reply);
        call_here(&mut cx, args);
        self.tick = cx.tick;
        let called = match cx.again {
            Some(again) => Called::Again(again),
            None if cx.blocked => Called::Blocked,
            None => Called::Answered,
        };
        if keys.has_ready() {
            blocking::serve(self.server, self.stats, keys);
            self.tick = Ticks::now();
            // Something may have been told to this client, too.
            keys.news.mailed_self |= session.client.flags().intersects(ClientFlags::LISTENS);
        }
        if !entry.flags.contains(Flags::READONLY) {
            keys.count_growth(&self.server.budget);
        }
        called
    }

    fn context<'c>(
        &self,
        entry: &'k Entry,
        session: &'c mut Session,
        keys: &'c mut Keys<'k>,
        reply: &'c mut Reply,
    ) -> Cx<'c, 'k> {
        Cx {
            server: self.server,
            session,
            keys,
            reply,
            stats: self.stats,
            command: entry,
            in_transaction: false,
            tick: self.tick,
            serving: false,
            blocked: false,
            again: None,
        }
    }

    /// Registers the connection with a held shard. False when the shard became free meanwhile.
    fn park(&self, shard: u32, session: &Session) -> bool {
        let (inbox, token) = session.client.wake_target();
        let parked = self.server.keyspace.park(shard, Arc::clone(inbox) as Arc<dyn Wake>, token.0);
        if parked {
            self.stats.metrics.runs_parked.add(1);
        }
        parked
    }

    /// The long way: every check that Redis makes before it executes a command, in its order.
    fn execute_checked(
        &mut self,
        command: usize,
        slot: &mut Option<Box<Session>>,
        keys: &mut Keys<'k>,
        reply: &mut Reply,
    ) -> Stop {
        let session = seated(slot);
        let args = Args::new(self.input, self.commands.argv(command));
        let before = reply.len();
        if session.reply_mode == ReplyMode::SkipNext {
            session.reply_mode = ReplyMode::Skip;
        }
        keys.release();
        let mut pushes = false;
        match check(self.server, args, session) {
            Err((None, _)) if is_cross_protocol(args.at(0)) => {
                tracing::warn!(
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands. \
                     Connection from {} aborted.",
                    session.client.address
                );
                session.close_after_reply = true;
            }
            Err((entry, mut error)) => {
                session.walk = None;
                if entry.is_some_and(|entry| entry.locks == Locks::Transaction) {
                    error = exec_abort(&error);
                    session.discard_transaction();
                } else if let Some(transaction) = &mut session.transaction {
                    transaction.aborted = true;
                }
                news::end_caching(self.server, session, entry);
                if let Some(entry) = entry {
                    self.stats.commands[usize::from(entry.id)].rejected.add(1);
                }
                let entry = entry.unwrap_or(self.server.table.entry(0));
                let mut cx = self.context(entry, session, keys, reply);
                write_error(&mut cx, &error);
            }
            Ok(entry) => {
                if is_paused(self.server, entry, session, keys.now_ms) {
                    return Stop::Paused { command };
                }
                if session.transaction.is_some() && !entry.flags.contains(Flags::NOT_QUEUED) {
                    queue(entry, args, self.commands.command(command), session);
                    reply.simple("QUEUED");
                } else if self.place == Where::Away && flags_of(entry, session).contains(Flags::HOME) {
                    return Stop::Home { command };
                } else if !self.awaits_room(entry, session) && self.lock(entry, args, session, keys) {
                    let called = self.call(entry, args, session, keys, reply);
                    if called == Called::Blocked {
                        self.leave_waiting(slot);
                        keys.release();
                        keys.forget_plan();
                        let next = command + 1;
                        return Stop::Blocked { command: (next < self.commands.len()).then_some(next) };
                    }
                    keys.release();
                    keys.forget_plan();
                    if let Called::Again(again) = called {
                        return self.put_off(command, again, session);
                    }
                    pushes = entry.flags.contains(Flags::PUSHES);
                } else {
                    return Stop::Parked { command };
                }
            }
        }
        let left_out = session.leaves_reply_out();
        if left_out && !pushes {
            reply.truncate(before);
        }
        if session.close_after_reply { Stop::Closing } else { Stop::Finished }
    }

    /// The command is executed again later.
    fn put_off(&self, command: usize, again: Again, session: &Session) -> Stop {
        match again {
            Again::WhenFree(shard) if self.park(shard, session) => Stop::Parked { command },
            // The shard has become free meanwhile, or it is only the others' turn.
            Again::WhenFree(_) | Again::InTurn => Stop::Yielded { command },
        }
    }

    /// Leaves the session with the waiter of its client, before anybody can find that in a queue.
    fn leave_waiting(&self, slot: &mut Option<Box<Session>>) {
        let session = slot.take().expect("the session of the command that waits");
        self.note_last(&session);
        let waiter = session.client.waiter().expect("a client that waits has a waiter");
        waiter.wait(session);
    }

    /// Whether the command may send messages while an inbox is full; then the connection is woken when there is room.
    fn awaits_room(&self, entry: &Entry, session: &Session) -> bool {
        let inboxes = &self.server.inboxes;
        let waits = inboxes.any_full()
            && (flags_of(entry, session).contains(Flags::PUBLISHES) || self.server.has_listeners())
            && inboxes.wait_for_room(session.client.wake_target());
        if waits {
            self.stats.metrics.runs_parked.add(1);
        }
        waits
    }

    /// Takes all locks the command needs; false when the connection was parked instead.
    fn lock(&self, entry: &Entry, args: Args<'_>, session: &Session, keys: &mut Keys<'k>) -> bool {
        let mut plan = locking::plan(keys, &self.server.table, entry, args, session);
        if plan == Plan::Some(Default::default()) {
            return true;
        }
        if entry.locks == Locks::Keys && self.server.config.bool(rows::PREFETCH) {
            keys.db = session.db;
            keys.prefetch_planned();
        }
        loop {
            match locking::acquire(keys, &plan) {
                Ok(()) if locking::widen(&mut plan, keys, entry) => {}
                Ok(()) => return true,
                Err(shard) if self.park(shard, session) => return false,
                Err(_) => {}
            }
        }
    }
}

/// Keeps a copy of the command for EXEC.
fn queue(entry: &Entry, args: Args<'_>, raw: boxcar_resp::Command, session: &mut Session) {
    let Some(transaction) = &mut session.transaction else { return };
    if transaction.aborted {
        // EXEC will refuse: nothing needs to be kept.
        return;
    }
    let bytes = &args.input()[raw.start as usize..raw.end as usize];
    let moved = |span: &boxcar_resp::Span| boxcar_resp::Span { start: span.start - raw.start, len: span.len };
    transaction.queue.push(Queued {
        command: entry.id,
        input: bytes.into(),
        args: args.spans().iter().map(moved).collect(),
    });
    transaction.flags |= entry.flags.bits();
    session.client.queued.store(transaction.queue.len() as i64, Relaxed);
}
