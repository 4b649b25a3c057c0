//! What all threads share: tables, registers, counters, and the handles that higher rooms fill in at start.

use super::blocking::Blocking;
use super::budget::{self, Budget};
use super::events::EventClass;
use super::keys::ServerKeyspace;
use super::reclaim::Reclaimer;
use super::server::allocator;
use super::table::Table;
use super::watch::ShardExtension;
use super::wire::Wire;
use crate::acl::Access;
use crate::clients::monitors::Monitors;
use crate::clients::pause::Pause;
use crate::clients::pubsub::PubSub;
use crate::clients::tracking::{Cause, Tracking};
use crate::clients::{Clients, Inboxes, Mail};
use crate::config::{ClientClass, Config, OutputLimit, rows};
use crate::observability::latency::LatencyMonitor;
use crate::observability::slowlog::SlowLog;
use crate::observability::stats::Stats;
use boxcar_store::KeyspaceOptions;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

/// A section of INFO: a row in the room that knows the figures, collected by `boot`.
#[derive(Debug, Clone, Copy)]
pub struct InfoSection {
    /// Name as given to INFO, in lower case.
    pub name: &'static str,
    /// Title as printed after `# `.
    pub title: &'static str,
    /// Whether plain `INFO` shows it.
    pub default: bool,
    /// Writes the section's `field:value\r\n` lines.
    pub write: fn(&Server, &mut String),
}

/// How the shards are reached, as in effect now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ActiveDispatch {
    /// I/O threads execute.
    Inline = 0,
    /// Worker threads execute.
    Rings = 1,
}

/// What the network turned out to be, filled in when the I/O threads run.
#[derive(Debug, Clone)]
pub struct NetworkFacts {
    /// `io_uring` or `epoll`.
    pub backend: &'static str,
    /// Number of I/O threads.
    pub io_threads: usize,
    /// Number of worker threads that `rings` dispatch uses.
    pub worker_threads: usize,
    /// Kernel features: wanted, in use, and why not.
    pub features: Vec<boxcar_sys::Feature>,
}

/// See the module's text.
pub struct Server {
    /// All directives.
    pub config: Arc<Config>,
    /// All data.
    pub keyspace: ServerKeyspace,
    /// All commands.
    pub table: Table,
    /// Who may come in.
    pub access: Access,
    /// All connections.
    pub clients: Clients,
    /// Who watches commands.
    pub monitors: Monitors,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Who waits in blocking commands.
    pub blocking: Blocking,
    /// Frees large removals in the background.
    pub reclaimer: Reclaimer,
    /// All counters.
    pub stats: Stats,
    /// Slow commands.
    pub slowlog: SlowLog,
    /// Latency spikes.
    pub latency: LatencyMonitor,
    /// What the network turned out to be.
    pub network: OnceLock<NetworkFacts>,
    /// The kernel-side programs; unset in tests.
    pub wire: OnceLock<Arc<dyn Wire>>,
    /// How to stop.
    pub shutdown: Shutdown,
    /// Facts fixed at start.
    pub identity: Identity,
    /// INFO's sections in order.
    pub info: Vec<InfoSection>,
    /// What the data set takes, and `maxmemory`.
    pub budget: Budget,
    /// Whether expired keys are looked for actively (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// Whether housekeeping stands still (DEBUG PAUSE-CRON).
    pub housekeeping_paused: AtomicBool,
    /// Bytes from which on an element of a list has a node of its own; 0 when `list-max-listpack-size` decides (DEBUG
    /// QUICKLIST-PACKED-THRESHOLD).
    pub plain_threshold: AtomicU32,
    /// Unix seconds of the last change to nothing: what LASTSAVE answers before anything was saved.
    pub last_save: AtomicI64,
    /// Bytes allocated when the server was ready, before any data.
    pub memory_at_start: u64,
    /// Most bytes allocated whenever somebody looked.
    pub memory_peak: AtomicU64,
    /// [`ActiveDispatch`] in effect.
    dispatch: AtomicU8,
    /// The inboxes of all I/O threads.
    pub inboxes: Arc<Inboxes>,
    /// Who listens to what.
    pub pubsub: PubSub,
    /// Who keeps keys in a cache.
    pub tracking: Arc<Tracking>,
    /// [`EventClass`]es of `notify-keyspace-events`.
    notified: AtomicU16,
}

/// Facts about this process that never change.
#[derive(Debug, Clone)]
pub struct Identity {
    /// 40 hexadecimal digits, new at every start.
    pub run_id: String,
    /// Unix milliseconds of the start.
    pub started_ms: i64,
    /// The executable.
    pub executable: PathBuf,
    /// The configuration file, if one was given.
    pub config_file: Option<PathBuf>,
}

impl Server {
    /// The shared state for so many I/O threads; `boot` fills the rest in.
    pub fn new(
        config: Arc<Config>,
        keyspace: KeyspaceOptions,
        table: Table,
        identity: Identity,
        info: impl Into<Vec<InfoSection>>,
        io_threads: usize,
    ) -> Self {
        let tracking = Arc::new(Tracking::default());
        let keyspace = ServerKeyspace::new(keyspace, |_| ShardExtension::new(Arc::clone(&tracking)));
        let inboxes = Arc::new(Inboxes::new(io_threads));
        let stats = Stats::new(table.entries().len());
        let memory_at_start = allocator::allocated();
        let budget = Budget::default();
        budget.set_limit(config.bytes(rows::MAXMEMORY));
        let last_save = AtomicI64::new(identity.started_ms / 1000);
        Self {
            config,
            keyspace,
            table,
            access: Access::default(),
            clients: Clients::default(),
            monitors: Monitors::default(),
            pause: Pause::default(),
            blocking: Blocking::default(),
            reclaimer: Reclaimer::default(),
            stats,
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            network: OnceLock::new(),
            wire: OnceLock::new(),
            shutdown: Shutdown::default(),
            identity,
            info: info.into(),
            budget,
            active_expire: AtomicBool::new(true),
            housekeeping_paused: AtomicBool::new(false),
            plain_threshold: AtomicU32::new(0),
            last_save,
            memory_at_start,
            memory_peak: AtomicU64::new(memory_at_start),
            dispatch: AtomicU8::new(ActiveDispatch::Inline as u8),
            pubsub: PubSub::new(Arc::clone(&inboxes)),
            tracking,
            notified: AtomicU16::new(0),
            inboxes,
        }
    }

    /// How commands reach the shards now.
    pub fn dispatch(&self) -> ActiveDispatch {
        if self.dispatch.load(Ordering::Relaxed) == ActiveDispatch::Rings as u8 {
            ActiveDispatch::Rings
        } else {
            ActiveDispatch::Inline
        }
    }

    /// Follows `maxmemory`. What had changed while there was no limit is counted now.
    pub fn apply_maxmemory(&self) {
        self.budget.set_limit(self.config.bytes(rows::MAXMEMORY));
        if self.budget.is_limited() {
            self.count_memory();
        }
    }

    /// Counts every shard anew that is not held: whoever holds one counts it afterwards.
    pub fn count_memory(&self) {
        let shards = 0..self.keyspace.shards() as u32;
        let free = shards.filter_map(|shard| self.keyspace.try_lock(shard));
        self.budget.pay(free.map(|mut guard| budget::growth(&mut guard)).sum());
    }

    /// Has values that commands replace or remove, without being asked to, freed as `lazyfree-lazy-server-del` says.
    /// Called once.
    pub fn free_what_is_replaced(self: &Arc<Self>) {
        let shared = Arc::downgrade(self);
        self.keyspace.on_replaced(move |record| {
            if let Some(server) = shared.upgrade() {
                let lazily = server.config.bool(rows::LAZYFREE_LAZY_SERVER_DEL);
                server.reclaimer.free_record(record, lazily);
            }
        });
    }

    /// Has the tables of empty databases give their memory back, in every shard that is not held.
    pub fn release_empty_tables(&self) {
        let shards = 0..self.keyspace.shards() as u32;
        shards.filter_map(|shard| self.keyspace.try_lock(shard)).for_each(|mut guard| guard.release_empty());
    }

    /// The classes of `notify-keyspace-events`, [`EventClass::TO_KEY`] and [`EventClass::TO_EVENT`] among them.
    #[inline]
    pub fn notified(&self) -> EventClass {
        EventClass::from_bits_retain(self.notified.load(Ordering::Relaxed))
    }

    /// Follows `notify-keyspace-events`.
    pub fn notify_as_configured(&self) {
        let letters = self.config.list(rows::NOTIFY_KEYSPACE_EVENTS);
        let classes = letters.iter().flat_map(|word| word.chars()).map(EventClass::of_letter);
        self.notified
            .store(classes.fold(EventClass::empty(), |all, class| all | class).bits(), Ordering::Relaxed);
    }

    /// `tracking-table-max-keys`.
    pub fn tracked_keys_max(&self) -> usize {
        match self.config.int(rows::TRACKING_TABLE_MAX_KEYS) {
            0 => usize::MAX,
            max => max as usize,
        }
    }

    /// Forgets keys that clients have in their caches until there are no more than allowed; held shards are passed
    /// over.
    pub fn trim_tracking(&self) {
        let max = self.tracked_keys_max();
        for shard in 0..self.keyspace.shards() as u32 {
            if self.tracking.keys() <= max {
                return;
            }
            if let Some(mut shard) = self.keyspace.try_lock(shard)
                && let Some(concerned) = shard.ext().concerned()
            {
                concerned.tracked.evict(max, Cause::NOBODY);
            }
        }
    }

    /// Whether any command may have something to tell to other connections.
    pub fn has_listeners(&self) -> bool {
        self.monitors.any() || self.tracking.is_on() || !self.notified().is_empty()
    }

    /// Switches the dispatch; I/O threads follow with their next turn.
    pub fn set_dispatch(&self, dispatch: ActiveDispatch) {
        self.dispatch.store(dispatch as u8, Ordering::Relaxed);
    }

    /// Makes every I/O thread look at its state (a pause ended, a limit changed, shutdown).
    pub fn notify_all(&self) {
        for inbox in self.inboxes.iter() {
            inbox.post(Mail::Look);
        }
    }

    /// `client-output-buffer-limit` of a class of clients.
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        self.config.output_limit(class)
    }

    /// Bytes of unsent replies above which a connection's commands are not executed until it has read some: at
    /// least 1 MiB, so that this never slows an ordinary pipeline, and above the configured limits, so that those
    /// are reached and enforced.
    pub fn output_bound(&self) -> usize {
        let limit = self.output_limit(ClientClass::Normal);
        (1 << 20).max(limit.hard as usize + 1).max(limit.soft as usize + 1)
    }
}

/// The way from a SHUTDOWN command or a signal to the main thread, which stops the others.
#[derive(Debug, Default)]
pub struct Shutdown {
    requested: Mutex<bool>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Shutdown {
    /// Asks the main thread to stop the server.
    pub fn request(&self) {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits at most `timeout` for a request; true when there is one.
    pub fn wait(&self, timeout: std::time::Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        if *requested {
            return true;
        }
        let (requested, _) =
            self.changed.wait_timeout(requested, timeout).unwrap_or_else(PoisonError::into_inner);
        *requested
    }
}
