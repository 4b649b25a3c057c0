//! The null server: the kernel's own limit, made visible.
//!
//! It has the same sockets and the same [`Driver`] as the real server, and does nothing else: no parsing, no store.
//! Requests are taken to be all of one size, so the number of bytes received says how many replies are owed, and all
//! replies are the same. What it costs per operation is what any server over this driver pays at least.

mod command_line;
mod peers;

pub use command_line::NullArguments;

use boxcar_sys::affinity::{CpuList, pin_current_thread};
use boxcar_sys::socket::{
    SocketError, TcpListenerOptions, UnixListenerOptions, local_address, local_tcp_address, tcp_listener,
    unix_listener,
};
use boxcar_sys::{Backend, Doorbell, Driver, DriverError, DriverOptions, Feature, ListenerId, Wait};
use peers::Peers;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use thiserror::Error;

/// The only listener of a thread.
const LISTENER: ListenerId = ListenerId(0);

/// Why the null server does not run.
#[derive(Debug, Error)]
pub enum NullError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] SocketError),
    /// The network backend cannot be had.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The kernel refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where to listen.
#[derive(Debug, Clone)]
pub enum Listen {
    /// An IP address and port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// A null server.
#[derive(Debug, Clone)]
pub struct NullOptions {
    /// Where it listens.
    pub listen: Listen,
    /// io_uring or epoll.
    pub backend: Backend,
    /// How the driver is opened.
    pub driver: DriverOptions,
    /// Threads, each with a driver of its own.
    pub threads: NonZeroUsize,
    /// CPUs to bind the threads to, one each; none: the scheduler's choice.
    pub cpus: CpuList,
    /// Bytes of a request.
    pub request_bytes: NonZeroUsize,
    /// The reply to every request; not empty.
    pub reply: Vec<u8>,
}

/// A null server that runs.
#[derive(Debug)]
pub struct NullServer {
    address: String,
    tcp: Option<SocketAddr>,
    features: Vec<Feature>,
    stop: Arc<AtomicBool>,
    threads: Vec<(Doorbell, JoinHandle<io::Result<()>>)>,
}

impl NullServer {
    /// Starts the threads; when this returns, connections are accepted.
    ///
    /// # Errors
    /// No socket, no driver, or a CPU that does not exist.
    pub fn start(options: &NullOptions) -> Result<NullServer, NullError> {
        assert!(!options.reply.is_empty(), "a reply has at least one byte");
        let sockets = listeners(options)?;
        let address = local_address(&sockets[0])?;
        let tcp = local_tcp_address(&sockets[0])?;
        let mut server =
            NullServer { address, tcp, features: Vec::new(), stop: Arc::default(), threads: Vec::new() };
        for (index, socket) in sockets.into_iter().enumerate() {
            let (options, stop) = (options.clone(), Arc::clone(&server.stop));
            let (ready, opened) = channel();
            let thread = std::thread::Builder::new()
                .name(format!("null-{index}"))
                .spawn(move || serve(index, socket, &options, &stop, &ready))?;
            match opened.recv() {
                Ok(Ok((doorbell, features))) => {
                    server.features = features;
                    server.threads.push((doorbell, thread));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => unreachable!("a thread reports before it ends"),
            }
        }
        Ok(server)
    }

    /// Where it listens, as text: `127.0.0.1:6379`, or a path and `:0`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens, if on TCP.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// The kernel features of its drivers.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Waits for the threads, which end only if a driver breaks.
    ///
    /// # Errors
    /// What broke the first driver that did.
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        self.threads
            .drain(..)
            .try_for_each(|(_, thread)| thread.join().expect("the null server does not panic"))
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for (doorbell, _) in &self.threads {
            doorbell.ring();
        }
        // A driver that broke on the way down leaves nothing to do.
        let _broken = self.join();
    }
}

/// A listening socket for each thread: of its own on TCP, one shared by all on a unix path.
fn listeners(options: &NullOptions) -> Result<Vec<OwnedFd>, NullError> {
    let threads = options.threads.get();
    match &options.listen {
        Listen::Tcp(address) => {
            let tcp = TcpListenerOptions { reuse_port: threads > 1, ..TcpListenerOptions::default() };
            let first = tcp_listener(*address, &tcp)?;
            let bound = local_tcp_address(&first)?.unwrap_or(*address);
            let mut sockets = vec![first];
            for _ in 1..threads {
                sockets.push(tcp_listener(bound, &tcp)?);
            }
            Ok(sockets)
        }
        Listen::Unix(path) => {
            let mut sockets = vec![unix_listener(path, &UnixListenerOptions::default())?];
            for _ in 1..threads {
                sockets.push(sockets[0].try_clone()?);
            }
            Ok(sockets)
        }
    }
}

type Opened = Result<(Doorbell, Vec<Feature>), NullError>;

/// A thread's life.
fn serve(
    index: usize,
    socket: OwnedFd,
    options: &NullOptions,
    stop: &AtomicBool,
    ready: &Sender<Opened>,
) -> io::Result<()> {
    let opened = || -> Result<Driver, NullError> {
        if let Some(&cpu) = options.cpus.cpus().get(index % options.cpus.len().max(1)) {
            pin_current_thread(&CpuList::from_iter([cpu]))?;
        }
        let mut driver = Driver::open(options.backend, &options.driver)?;
        driver.listen(LISTENER, socket);
        Ok(driver)
    };
    let (report, driver) = match opened() {
        Ok(driver) => (Ok((driver.doorbell(), driver.features().to_vec())), Some(driver)),
        Err(error) => (Err(error), None),
    };
    // The starter waits for this; if it is gone, so is the reason to serve.
    let _gone = ready.send(report);
    let Some(mut driver) = driver else { return Ok(()) };
    let mut peers = Peers::new(options);
    let mut wait = Wait::Forever;
    while !stop.load(Ordering::Acquire) {
        driver.turn(wait, &mut peers)?;
        wait = peers.act(&mut driver);
    }
    Ok(())
}
