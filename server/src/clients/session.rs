//! The session: what a connection's commands change about the connection itself.
//!
//! It belongs to whoever executes the connection's commands at the moment: the I/O thread in `inline`
//! dispatch, or the worker that the run was handed to, together with which it travels and comes back.

use super::pubsub::{PubSub, Subscriptions, TopicKind};
use super::registry::{Client, ClientFlags};
use super::tracking::{Tracking, TrackingState};
use boxcar_resp::{Protocol, Reply, Span};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    On,
    /// No replies until ON.
    Off,
    /// The next command's reply is left out: set by CLIENT REPLY SKIP itself.
    SkipNext,
    /// The command that is executing gets no reply.
    Skip,
}

/// A command queued by MULTI: a copy of its bytes, since the receive buffer moves on.
#[derive(Debug)]
pub struct Queued {
    /// Id of the command row.
    pub command: u16,
    /// The command's raw bytes.
    pub input: Box<[u8]>,
    /// The arguments in `input`.
    pub args: Box<[Span]>,
}

/// The state between MULTI and EXEC or DISCARD.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Commands in order.
    pub queue: Vec<Queued>,
    /// All flags that one of the commands' rows has.
    pub flags: u32,
    /// A command could not be queued: EXEC will refuse (`EXECABORT`).
    pub aborted: bool,
}

/// A key given to WATCH.
#[derive(Debug, Clone)]
pub struct WatchedKey {
    /// Database.
    pub db: usize,
    /// Key.
    pub key: Box<[u8]>,
}

/// What a walk over all keys has come to, when it let others have their turn or met a held shard.
#[derive(Debug)]
pub struct Walk {
    /// Where it goes on, as SCAN's cursor says it.
    pub cursor: u64,
    /// Keys that it still wants to visit.
    pub wanted: usize,
    /// Keys found.
    pub count: usize,
    /// The keys found, as they go into the reply.
    pub found: Reply,
}

/// The flag that writers of watched keys set. A session leaves its old flag behind when it unwatches; shards
/// forget abandoned flags when they next look.
#[derive(Debug, Default)]
pub struct WatchFlag {
    dirty: AtomicBool,
    abandoned: AtomicBool,
}

impl WatchFlag {
    /// A watched key was changed.
    pub fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Whether a watched key was changed.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Whether nobody looks at this flag any more.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Session {
    /// The shared view of the connection.
    pub client: Arc<Client>,
    /// Selected database.
    pub db: usize,
    /// Chosen by HELLO.
    pub protocol: Protocol,
    /// Whether commands other than AUTH, HELLO, QUIT and RESET are allowed.
    pub authenticated: bool,
    /// Let in above `maxclients`: administration only.
    pub reserved: bool,
    /// Inside MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// Keys given to WATCH.
    pub watched: Vec<WatchedKey>,
    watch_flag: Option<Arc<WatchFlag>>,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// The connection is closed after the replies so far.
    pub close_after_reply: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// Receives the MONITOR feed.
    pub monitor: bool,
    /// What it listens to; none when that is nothing.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// Client-side caching, when it is on.
    pub tracking: Option<Box<TrackingState>>,
    /// The walk that the next command goes on with.
    pub walk: Option<Box<Walk>>,
}

impl Session {
    /// The session of a new connection.
    pub fn new(client: Arc<Client>, authenticated: bool) -> Self {
        let reserved = client.flags().contains(ClientFlags::ADMIN);
        Self {
            client,
            reserved,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            transaction: None,
            watched: Vec::new(),
            watch_flag: None,
            reply_mode: ReplyMode::On,
            close_after_reply: false,
            no_touch: false,
            monitor: false,
            subscriptions: None,
            tracking: None,
            walk: None,
        }
    }

    /// The flag that shards keep beside this session's watched keys.
    pub fn watch_flag(&mut self) -> &Arc<WatchFlag> {
        self.watch_flag.get_or_insert_default()
    }

    /// Whether a watched key was changed.
    pub fn watch_is_dirty(&self) -> bool {
        self.watch_flag.as_ref().is_some_and(|flag| flag.is_dirty())
    }

    /// Forgets all watched keys.
    pub fn unwatch(&mut self) {
        if let Some(flag) = self.watch_flag.take() {
            flag.abandoned.store(true, Ordering::Release);
        }
        if !self.watched.is_empty() {
            self.watched.clear();
            self.client.watched.store(0, Ordering::Relaxed);
        }
        self.client.set_flags(ClientFlags::DIRTY, false);
    }

    /// Ends all subscriptions without telling the client.
    pub fn unsubscribe(&mut self, pubsub: &PubSub) {
        if let Some(mut subscriptions) = self.subscriptions.take() {
            for kind in TopicKind::ALL {
                subscriptions.remove_all(pubsub, &self.client, kind, |_, _| {});
            }
        }
    }

    /// Turns client-side caching off.
    pub fn stop_tracking(&mut self, tracking: &Tracking) {
        if let Some(state) = self.tracking.take() {
            state.stop(tracking);
        }
    }

    /// Leaves MULTI and forgets its queue and the watched keys.
    pub fn discard_transaction(&mut self) {
        self.transaction = None;
        self.client.set_flags(ClientFlags::MULTI, false);
        self.client.queued.store(-1, Ordering::Relaxed);
        self.unwatch();
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.client.db.store(db as u32, Ordering::Relaxed);
    }

    /// Whether the reply of the command that was just executed is to be left out (CLIENT REPLY).
    pub fn leaves_reply_out(&mut self) -> bool {
        let left_out = matches!(self.reply_mode, ReplyMode::Off | ReplyMode::Skip);
        if self.reply_mode == ReplyMode::Skip {
            self.reply_mode = ReplyMode::On;
        }
        left_out
    }

    /// Whether the connection has subscriptions and speaks RESP2, in which a message looks like a reply: only the
    /// commands of [`Subscriptions`] and a few more are allowed.
    pub fn only_listens(&self) -> bool {
        self.subscriptions.is_some() && self.protocol == Protocol::Resp2
    }

    /// Whether the next command needs no more than the common checks: no transaction, no suppressed replies,
    /// no restriction.
    pub fn is_plain(&self) -> bool {
        self.authenticated
            && !self.reserved
            && self.transaction.is_none()
            && !self.only_listens()
            && self.reply_mode == ReplyMode::On
            && !self.close_after_reply
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.unwatch();
    }
}
