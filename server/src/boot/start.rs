//! Starting and stopping the threads.

use super::{machine, process};
use crate::commands::server::allocator::{self, Tuning};
use crate::commands::server_state::{ActiveDispatch, Identity, NetworkFacts};
use crate::commands::{Server, Table};
use crate::config::choices::{Dispatch, Network};
use crate::config::{Config, rows};
use crate::net::listeners::{self, ListenError, Listener};
use crate::net::{IoThread, Opened, Spec};
use crate::observability::log;
use crate::shard::housekeeping::Housekeeper;
use crate::shard::worker::{Workers, one_of};
use crate::steering::{Plan, Steering, SteeringError};
use boxcar_store::KeyspaceOptions;
use boxcar_sys::affinity::{self, CpuList};
use boxcar_sys::clock::wall_ms;
use boxcar_sys::process::raise_open_files_limit;
use boxcar_sys::{Backend, Driver, DriverError, DriverOptions, Feature};
use nix::sys::signal::SigSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `dir` cannot be entered.
    #[error("Can't chdir to '{dir}': {source}")]
    Directory {
        /// The directory.
        dir: String,
        /// Why not.
        source: io::Error,
    },
    /// `logfile` cannot be written.
    #[error("Can't open the log file '{file}': {source}")]
    LogFile {
        /// The file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The process cannot go into the background.
    #[error("daemonize: {0}")]
    Daemonize(nix::Error),
    /// Signals cannot be set up.
    #[error("signals: {0}")]
    Signals(nix::Error),
    /// `xdp on` was asked for and is not to be had.
    #[error("xdp on: {0}")]
    Steering(#[from] SteeringError),
    /// A thread cannot be started.
    #[error("starting a thread: {0}")]
    Thread(io::Error),
    /// No address to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// `network io_uring` was asked for and is not to be had, or epoll failed.
    #[error("network {0}: {1}")]
    Driver(&'static str, DriverError),
    /// A CPU list is wrong.
    #[error("{0}: {1}")]
    CpuList(&'static str, affinity::CpuListError),
    /// The command table cannot be built as `rename-command` asks.
    #[error("rename-command: {0}")]
    Rename(String),
    /// The system gives no random numbers.
    #[error("random numbers: {0}")]
    Random(io::Error),
    /// The allocator cannot be set up as the directives say.
    #[error("{0}")]
    Allocator(String),
    /// A thread ended before it could serve.
    #[error("an I/O thread ended while starting")]
    ThreadEnded,
}

/// A running server.
pub struct Running {
    server: Arc<Server>,
    workers: Arc<Workers>,
    stopping: Arc<AtomicBool>,
    io_threads: Vec<JoinHandle<()>>,
    housekeeper: JoinHandle<()>,
    steering: Arc<Steering>,
    pid_file: Option<PathBuf>,
    unix_socket: Option<PathBuf>,
}

/// Threads, as the directives and the machine say.
struct Layout {
    io_threads: usize,
    io_cpus: Option<CpuList>,
    worker_threads: usize,
    worker_cpus: Option<CpuList>,
}

impl Layout {
    fn new(config: &Config) -> Result<Self, StartError> {
        let list = |name, text: &str| match text {
            "off" | "" => Ok(None),
            text => text.parse().map(Some).map_err(|error| StartError::CpuList(name, error)),
        };
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = |wanted: i64, automatic: usize| if wanted == 0 { automatic } else { wanted as usize };
        let io_threads = count(config.int(rows::IO_THREADS), cores);
        Ok(Self {
            io_threads,
            io_cpus: list("cpu-affinity", &config.text(rows::CPU_AFFINITY))?,
            worker_threads: count(config.int(rows::WORKER_THREADS), cores.saturating_sub(io_threads).max(1)),
            worker_cpus: list("worker-cpu-affinity", &config.text(rows::WORKER_CPU_AFFINITY))?,
        })
    }

    /// What the kernel-side programs have to know.
    fn plan<'a>(&self, config: &Config, listeners: &'a [Vec<Listener>]) -> Plan<'a> {
        let cpu_of = |list: &CpuList, thread| one_of(list, thread).cpus().first().copied();
        let thread_cpus = self.io_cpus.as_ref();
        let thread_cpus =
            thread_cpus.and_then(|list| (0..self.io_threads).map(|i| cpu_of(list, i)).collect());
        Plan { port: config.int(rows::PORT) as u16, thread_cpus, listeners }
    }

    /// Batches under way per I/O thread: each worker may be busy with one while the next is filled and one is
    /// on its way back.
    fn batches(&self) -> usize {
        self.worker_threads * 3
    }
}

/// Starts everything; returns when connections are accepted.
pub fn start(config: Config, signals: SigSet) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let layout = Layout::new(&config)?;
    adjust_open_files(&config);
    adjust_memory(&config)?;
    for warning in machine::warnings(Path::new("/"), &config) {
        tracing::warn!("{warning}");
    }
    let backend = choose_backend(&config)?;
    let listeners = listeners::open(&config, layout.io_threads)?;
    let steering = Steering::start(&config, &layout.plan(&config, &listeners))?;
    let server = Arc::new(new_server(&config, layout.io_threads)?);
    assert!(server.wire.set(Arc::clone(&steering) as _).is_ok(), "the server starts once");
    let capacity = layout.batches() * layout.io_threads;
    let workers = Arc::new(Workers::new(layout.worker_threads, capacity, layout.worker_cpus.clone()));
    follow_config(&server, &workers);
    apply_dispatch(&server, &workers).map_err(StartError::Thread)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let (io_threads, features) = start_io_threads(&server, &workers, &layout, backend, listeners, &stopping)?;
    let facts = NetworkFacts {
        backend: backend.name(),
        io_threads: layout.io_threads,
        worker_threads: layout.worker_threads,
        features,
    };
    report(&facts);
    assert!(server.network.set(facts).is_ok(), "the server starts once");
    let housekeeper = {
        let (house, stopping) =
            (Housekeeper::new(Arc::clone(&server), Arc::clone(&workers)), Arc::clone(&stopping));
        let body = move || house.run(&stopping);
        thread::Builder::new().name("boxcar-house".to_owned()).spawn(body).map_err(StartError::Thread)?
    };
    process::watch_signals(signals, Arc::clone(&server))?;
    let pid_file = process::write_pid_file(&config);
    let unix = config.text(rows::UNIXSOCKET);
    let unix_socket = (!unix.is_empty()).then(|| PathBuf::from(&*unix));
    tracing::info!("Ready to accept connections");
    Ok(Running { server, workers, stopping, io_threads, housekeeper, steering, pid_file, unix_socket })
}

impl Running {
    /// Waits for SHUTDOWN or a signal.
    pub fn wait(&self) {
        while !self.server.shutdown.wait(Duration::from_secs(3600)) {}
    }

    /// Stops everything in the reverse order of its start.
    pub fn stop(self) {
        tracing::warn!("User requested shutdown...");
        self.stopping.store(true, Ordering::SeqCst);
        self.server.notify_all();
        for thread in self.io_threads {
            if thread.join().is_err() {
                tracing::error!("an I/O thread panicked");
            }
        }
        self.workers.stop();
        self.steering.stop();
        if self.housekeeper.join().is_err() {
            tracing::error!("the housekeeping thread panicked");
        }
        if let Some(path) = &self.pid_file {
            tracing::info!("Removing the pid file.");
            process::remove_file(path);
        }
        if let Some(path) = &self.unix_socket {
            tracing::info!("Removing the unix socket file.");
            process::remove_file(path);
        }
        tracing::warn!("Boxcar is now ready to exit, bye bye...");
    }
}

fn new_server(config: &Arc<Config>, io_threads: usize) -> Result<Server, StartError> {
    let mut random = [0u8; 28];
    getrandom(&mut random).map_err(StartError::Random)?;
    let run_id = random[..20].iter().map(|byte| format!("{byte:02x}")).collect();
    let seed = u64::from_ne_bytes(random[20..].try_into().expect("eight bytes"));
    let options = KeyspaceOptions {
        shards: config.int(rows::SHARDS) as usize,
        databases: config.int(rows::DATABASES) as usize,
        seed,
        ..KeyspaceOptions::default()
    };
    let renames: Vec<(String, String)> = config
        .renamed_commands()
        .iter()
        .map(|rename| (rename.name.clone(), rename.new_name.clone()))
        .collect();
    let table = Table::new(&renames).map_err(StartError::Rename)?;
    let identity = Identity {
        run_id,
        started_ms: wall_ms(),
        executable: std::env::current_exe().unwrap_or_default(),
        config_file: config.file().map(PathBuf::from),
    };
    let sections = crate::commands::INFO_SECTIONS;
    let server = Server::new(Arc::clone(config), options, table, identity, sections, io_threads);
    server.access.set_password(config.text(rows::REQUIREPASS).as_bytes());
    server.notify_as_configured();
    Ok(server)
}

fn getrandom(bytes: &mut [u8]) -> io::Result<()> {
    use std::io::Read;
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

/// Registers what has to happen when directives change while running.
fn follow_config(server: &Arc<Server>, workers: &Arc<Workers>) {
    let config = &server.config;
    config.on_change(rows::LOGLEVEL, |config| {
        log::set_level(config.choice(rows::LOGLEVEL));
        Ok(())
    });
    let shared = Arc::downgrade(server);
    config.on_change(rows::REQUIREPASS, move |config| {
        if let Some(server) = shared.upgrade() {
            server.access.set_password(config.text(rows::REQUIREPASS).as_bytes());
        }
        Ok(())
    });
    let shared = Arc::downgrade(server);
    config.on_change(rows::MAXMEMORY, move |_| {
        if let Some(server) = shared.upgrade() {
            server.apply_maxmemory();
        }
        Ok(())
    });
    server.free_what_is_replaced();
    let shared = Arc::downgrade(server);
    config.on_change(rows::NOTIFY_KEYSPACE_EVENTS, move |_| {
        if let Some(server) = shared.upgrade() {
            server.notify_as_configured();
        }
        Ok(())
    });
    let shared = Arc::downgrade(server);
    config.on_change(rows::TRACKING_TABLE_MAX_KEYS, move |_| {
        if let Some(server) = shared.upgrade() {
            server.trim_tracking();
        }
        Ok(())
    });
    let (shared, workers) = (Arc::downgrade(server), Arc::clone(workers));
    config.on_change(rows::DISPATCH, move |_| {
        let Some(server) = shared.upgrade() else { return Ok(()) };
        apply_dispatch(&server, &workers).map_err(|error| format!("worker threads cannot start: {error}"))
    });
    let tuning = [
        rows::JEMALLOC_BG_THREAD.into(),
        rows::JEMALLOC_DIRTY_DECAY_MS.into(),
        rows::JEMALLOC_MUZZY_DECAY_MS.into(),
    ];
    config.on_any_change(&tuning, |config| allocator::tune(Tuning::of(config)));
    config.on_change(rows::DISABLE_THP, apply_huge_pages);
    config.on_change(rows::ACTIVEDEFRAG, check_defragmentation);
    config.on_change(rows::DIR, |config| {
        nix::unistd::chdir(&*config.text(rows::DIR)).map_err(|error| error.desc().to_owned())
    });
    config.on_change(rows::MAXCLIENTS, |config| {
        let wanted = wanted_files(config);
        match raise_open_files_limit(wanted) {
            Ok(limit) if limit >= wanted => Ok(()),
            _ => Err("The operating system is not able to handle the specified number of clients".to_owned()),
        }
    });
}

/// Puts `dispatch` into effect; `auto` begins inline.
fn apply_dispatch(server: &Arc<Server>, workers: &Workers) -> io::Result<()> {
    let rings = server.config.choice::<Dispatch>(rows::DISPATCH) == Dispatch::Rings;
    if rings {
        workers.start(server)?;
    }
    server.set_dispatch(if rings { ActiveDispatch::Rings } else { ActiveDispatch::Inline });
    Ok(())
}

/// Descriptors the process needs besides those of clients: listeners, rings, log, files.
const OTHER_FILES: u64 = 256;

fn wanted_files(config: &Config) -> u64 {
    (config.int(rows::MAXCLIENTS) + config.int(rows::ADMIN_CONNECTIONS)).unsigned_abs() + OTHER_FILES
}

fn adjust_open_files(config: &Config) {
    let wanted = wanted_files(config);
    match raise_open_files_limit(wanted) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!("{}", machine::few_open_files(config, wanted, limit)),
        Err(error) => tracing::warn!("the limit of open files cannot be raised to {wanted}: {error}"),
    }
}

/// Huge pages and the allocator, before there is any data.
fn adjust_memory(config: &Config) -> Result<(), StartError> {
    if config.bool(rows::DISABLE_THP)
        && let Err(error) = apply_huge_pages(config)
    {
        tracing::warn!("transparent huge pages stay as they are: {error}");
    }
    check_defragmentation(config).map_err(StartError::Allocator)?;
    allocator::tune(Tuning::of(config)).map_err(StartError::Allocator)
}

/// Lets the kernel back memory by huge pages, or not.
fn apply_huge_pages(config: &Config) -> Result<(), String> {
    nix::sys::prctl::set_thp_disable(config.bool(rows::DISABLE_THP))
        .map_err(|error| format!("disable-thp: {}", error.desc()))
}

fn check_defragmentation(config: &Config) -> Result<(), String> {
    if config.bool(rows::ACTIVEDEFRAG) && !cfg!(feature = "jemalloc") {
        return Err("Active defragmentation cannot be enabled: it requires a build with jemalloc".to_owned());
    }
    Ok(())
}

fn driver_options(config: &Config) -> DriverOptions {
    let mut options = DriverOptions {
        max_connections: MAX_CONNECTIONS,
        receive_buffer_size: config.bytes(rows::RECEIVE_BUFFER_SIZE) as usize,
        receive_buffer_count: config.int(rows::RECEIVE_BUFFERS) as usize,
        ..DriverOptions::default()
    };
    options.toggles.multishot_accept = config.bool(rows::URING_MULTISHOT_ACCEPT);
    options.toggles.multishot_receive = config.bool(rows::URING_MULTISHOT_RECV);
    options.toggles.buffer_ring = config.bool(rows::URING_BUFFER_RING);
    options.toggles.msg_ring = config.bool(rows::URING_MSG_RING);
    options.toggles.defer_taskrun = config.bool(rows::URING_DEFER_TASKRUN);
    options
}

/// Connections one I/O thread can hold: beyond any limit of open files that is in use. Tables grow as needed.
const MAX_CONNECTIONS: usize = 1 << 20;

fn choose_backend(config: &Config) -> Result<Backend, StartError> {
    let trial = |backend| Driver::open(backend, &driver_options(config)).map(drop);
    match config.choice(rows::NETWORK) {
        Network::Epoll => {
            trial(Backend::Epoll).map(|()| Backend::Epoll).map_err(|e| StartError::Driver("epoll", e))
        }
        Network::IoUring => {
            trial(Backend::IoUring).map(|()| Backend::IoUring).map_err(|e| StartError::Driver("io_uring", e))
        }
        Network::Auto => match trial(Backend::IoUring) {
            Ok(()) => Ok(Backend::IoUring),
            Err(error) => {
                tracing::warn!("network auto: epoll, because io_uring is not to be had: {error}");
                Ok(Backend::Epoll)
            }
        },
    }
}

fn start_io_threads(
    server: &Arc<Server>,
    workers: &Arc<Workers>,
    layout: &Layout,
    backend: Backend,
    listeners: Vec<Vec<Listener>>,
    stopping: &Arc<AtomicBool>,
) -> Result<(Vec<JoinHandle<()>>, Vec<Feature>), StartError> {
    let (opened, reports) = mpsc::channel::<Opened>();
    let mut threads = Vec::new();
    for (index, listeners) in listeners.into_iter().enumerate() {
        let spec = Spec {
            index,
            server: Arc::clone(server),
            workers: Arc::clone(workers),
            batches: layout.batches(),
            backend,
            driver: driver_options(&server.config),
            cpus: layout.io_cpus.as_ref().map(|list| one_of(list, index)),
            listeners,
            stopping: Arc::clone(stopping),
        };
        let opened = opened.clone();
        let body = move || IoThread::run(spec, &opened);
        let thread = thread::Builder::new().name(format!("boxcar-io-{index}")).spawn(body);
        threads.push(thread.map_err(StartError::Thread)?);
    }
    drop(opened);
    let mut features = Vec::new();
    for _ in 0..threads.len() {
        let report = reports.recv().map_err(|_| StartError::ThreadEnded)?;
        features = report.map_err(|error| StartError::Driver(backend.name(), error))?;
    }
    Ok((threads, features))
}

/// Tells the log what the kernel gave.
fn report(facts: &NetworkFacts) {
    tracing::info!(
        "Network {}: {} I/O thread(s), {} worker(s) for rings dispatch",
        facts.backend,
        facts.io_threads,
        facts.worker_threads
    );
    for feature in facts.features.iter().filter(|feature| feature.wanted && !feature.active) {
        tracing::info!("Network feature {} is not in use: {}", feature.name, feature.reason);
    }
}
