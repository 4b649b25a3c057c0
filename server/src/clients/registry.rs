//! The shared view of a connection and the registry of all of them (CLIENT LIST, KILL, INFO clients).

use super::inbox::{Inbox, Mail};
use super::pubsub::TopicKind;
use super::waiter::Waiter;
use crate::config::ClientClass;
use boxcar_sys::Token;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

bitflags::bitflags! {
    /// What `CLIENT LIST` shows in `flags`, and what other threads need to know of a client.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ClientFlags: u32 {
        /// Connected through a unix socket (`U`).
        const UNIX_SOCKET = 1;
        /// Inside MULTI (`x`).
        const MULTI = 1 << 1;
        /// A watched key was changed (`d`).
        const DIRTY = 1 << 2;
        /// Receives MONITOR output (`O`).
        const MONITOR = 1 << 3;
        /// Exempt from client eviction (`e`).
        const NO_EVICT = 1 << 4;
        /// Does not touch keys' access clocks (`T`).
        const NO_TOUCH = 1 << 5;
        /// Closes after its last reply (`c`).
        const CLOSE_AFTER_REPLY = 1 << 6;
        /// Closes as soon as possible (`A`).
        const CLOSE_ASAP = 1 << 7;
        /// Took one of the connections reserved for administration.
        const ADMIN = 1 << 8;
        /// Has subscriptions (`P`).
        const PUBSUB = 1 << 9;
        /// Client-side caching (`t`).
        const TRACKING = 1 << 10;
        /// The client that was to get its invalidations is gone (`R`).
        const BROKEN_REDIRECT = 1 << 11;
        /// Client-side caching in broadcast mode (`B`).
        const BROADCAST = 1 << 12;
        /// Waits in a blocking command (`b`).
        const BLOCKED = 1 << 13;
    }
}

impl ClientFlags {
    /// Receives messages that answer no command of its own, whose order to its replies matters.
    pub const LISTENS: Self = Self::MONITOR.union(Self::PUBSUB).union(Self::TRACKING);
}

/// What all threads may know of a connection. Written by the thread that serves it, read by any.
#[derive(Debug)]
pub struct Client {
    /// Unique, ever growing.
    pub id: u64,
    /// `ip:port` or `path:0` of the peer.
    pub address: String,
    /// `ip:port` or `path:0` on our side.
    pub local_address: String,
    /// File descriptor number, as CLIENT LIST shows it.
    pub fd: i32,
    /// Unix milliseconds of the connection's start.
    pub created_ms: i64,
    /// Unix milliseconds of the last command.
    pub active_ms: AtomicI64,
    /// Selected database.
    pub db: AtomicU32,
    /// [`ClientFlags`] bits.
    flags: AtomicU32,
    /// 2 or 3.
    pub protocol: AtomicU8,
    /// Commands queued by MULTI, or -1 outside of it.
    pub queued: AtomicI64,
    /// Watched keys.
    pub watched: AtomicUsize,
    /// Subscriptions, by [`super::pubsub::TopicKind`].
    pub subscriptions: [AtomicUsize; TopicKind::COUNT],
    /// Id of the client that gets its invalidations; 0 for itself.
    pub redirect: AtomicU64,
    /// Id of the last command, `u16::MAX` for none yet.
    pub last_command: AtomicU16,
    /// Bytes waiting in the query buffer.
    pub query_bytes: AtomicUsize,
    /// Bytes waiting to be sent, as last looked at by the owning thread.
    pub output_bytes: AtomicUsize,
    /// Pushed bytes that still lie in the inbox.
    pub pushed_bytes: AtomicUsize,
    /// Total bytes read and written.
    pub net_bytes: [AtomicU64; 2],
    /// Name, library name and version, user: set rarely, listed rarely.
    labels: Mutex<Labels>,
    /// Set while a blocking command waits.
    waiter: Mutex<Option<Arc<Waiter>>>,
    killed: AtomicBool,
    gone: AtomicBool,
    inbox: Arc<Inbox>,
    token: Token,
}

/// The texts a client may set for itself.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Vec<u8>,
}

/// Where a connection lives: what a new [`Client`] is made of.
#[derive(Debug)]
pub struct Origin {
    /// Peer address text.
    pub address: String,
    /// Local address text.
    pub local_address: String,
    /// File descriptor number.
    pub fd: i32,
    /// Flags from the start (unix socket, admin).
    pub flags: ClientFlags,
    /// Inbox of the I/O thread that owns the connection.
    pub inbox: Arc<Inbox>,
    /// The connection's token in that thread.
    pub token: Token,
}

impl Client {
    /// The flags set now.
    pub fn flags(&self) -> ClientFlags {
        ClientFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Sets or clears flags.
    pub fn set_flags(&self, flags: ClientFlags, on: bool) {
        if on {
            self.flags.fetch_or(flags.bits(), Relaxed);
        } else {
            self.flags.fetch_and(!flags.bits(), Relaxed);
        }
    }

    /// The client's own texts.
    pub fn labels(&self) -> MutexGuard<'_, Labels> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocking command that the client waits in, if it does.
    pub fn waiter(&self) -> Option<Arc<Waiter>> {
        self.waiter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client begins to wait, or waits no longer.
    pub fn set_waiter(&self, waiter: Option<Arc<Waiter>>) {
        self.set_flags(ClientFlags::BLOCKED, waiter.is_some());
        *self.waiter.lock().unwrap_or_else(PoisonError::into_inner) = waiter;
    }

    /// Asks the owning thread to close the connection; once is enough.
    pub fn kill(&self) {
        if !self.killed.swap(true, Ordering::AcqRel) {
            self.set_flags(ClientFlags::CLOSE_ASAP, true);
            self.inbox.post(Mail::Kill(self.token));
        }
    }

    /// The class whose `client-output-buffer-limit` holds for it.
    pub fn class(&self) -> ClientClass {
        if self.flags().contains(ClientFlags::PUBSUB) { ClientClass::Pubsub } else { ClientClass::Normal }
    }

    /// Whether [`Client::kill`] was called.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Whether the connection is closed, or is about to be because of [`Client::kill`].
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire) || self.is_killed()
    }

    /// Sends one whole message to the client from any thread, in RESP3; a push's mark is replaced where RESP2 is
    /// spoken, which has arrays instead. A client whose output would pass `hard_limit` bytes (0: no limit) is killed
    /// instead, as `client-output-buffer-limit` says.
    pub fn push(&self, bytes: &Arc<[u8]>, hard_limit: usize) {
        if self.is_killed() {
            return;
        }
        let pushed = self.pushed_bytes.fetch_add(bytes.len(), Relaxed) + bytes.len();
        let waiting = pushed + self.output_bytes.load(Relaxed);
        if hard_limit != 0 && waiting > hard_limit {
            self.kill();
        } else {
            self.inbox.post(Mail::Push(self.token, Arc::clone(bytes)));
        }
    }

    /// The thread's inbox and the connection's name in it: who is to be woken.
    pub fn wake_target(&self) -> (&Arc<Inbox>, Token) {
        (&self.inbox, self.token)
    }
}

/// All connected clients by id.
#[derive(Debug, Default)]
pub struct Clients {
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    /// Connections among the first `maxclients`.
    ordinary: AtomicUsize,
    /// Those in the places kept for administration.
    reserved: AtomicUsize,
}

impl Clients {
    fn map(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a new connection.
    pub fn register(&self, origin: Origin, now_ms: i64) -> Arc<Client> {
        let id = self.last_id.fetch_add(1, Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            address: origin.address,
            local_address: origin.local_address,
            fd: origin.fd,
            created_ms: now_ms,
            active_ms: AtomicI64::new(now_ms),
            db: AtomicU32::new(0),
            flags: AtomicU32::new(origin.flags.bits()),
            protocol: AtomicU8::new(2),
            queued: AtomicI64::new(-1),
            watched: AtomicUsize::new(0),
            subscriptions: Default::default(),
            redirect: AtomicU64::new(0),
            last_command: AtomicU16::new(u16::MAX),
            query_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            pushed_bytes: AtomicUsize::new(0),
            net_bytes: [AtomicU64::new(0), AtomicU64::new(0)],
            labels: Mutex::default(),
            waiter: Mutex::default(),
            killed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            inbox: origin.inbox,
            token: origin.token,
        });
        self.map().insert(id, Arc::clone(&client));
        client
    }

    /// Removes a closed connection.
    pub fn deregister(&self, client: &Client) {
        client.gone.store(true, Ordering::Release);
        self.map().remove(&client.id);
    }

    /// Reserves a place for a connection while fewer than `limit` are taken; with `reserved`, of those that are kept for
    /// administration. One kind takes nothing from the other.
    pub fn admit(&self, limit: usize, reserved: bool) -> bool {
        self.places(reserved).fetch_update(Relaxed, Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
    }

    /// Gives the place of a closed connection back, which was of this kind.
    pub fn leave(&self, reserved: bool) {
        let before = self.places(reserved).fetch_sub(1, Relaxed);
        assert!(before > 0, "a connection left that was never admitted");
    }

    fn places(&self, reserved: bool) -> &AtomicUsize {
        if reserved { &self.reserved } else { &self.ordinary }
    }

    /// Number of connections.
    pub fn connected(&self) -> usize {
        self.ordinary.load(Relaxed) + self.reserved.load(Relaxed)
    }

    /// All clients in the order of their ids.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.map().values().cloned().collect()
    }

    /// One client.
    pub fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.map().get(&id).cloned()
    }
}
