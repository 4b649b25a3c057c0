//! A server process: started on a free port of the loopback address, watched until it is ready, stopped by its handle.

use crate::client::Client;
use crate::matrix::Configuration;
use crate::programs;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a start or an orderly stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a log says when clients are welcome; test suites made for Redis wait for the same words.
const READY: &str = "Ready to accept connections";

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    program: PathBuf,
    flags: Vec<String>,
}

impl Options {
    /// The server under test, in one of its configurations.
    #[must_use]
    pub fn boxcar(configuration: Configuration) -> Self {
        Self::program(programs::boxcar()).flags(configuration.flags())
    }

    /// Any server that takes redis-server's arguments.
    #[must_use]
    pub fn program(program: &Path) -> Self {
        Self { program: program.to_owned(), flags: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn flags<S: Into<String>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get there.
    #[must_use]
    pub fn start(self) -> Server {
        // Another process may take the port between our finding it free and the server's taking it.
        for _ in 0..5 {
            let server = Server::spawn(self.clone(), free_port());
            match server.wait_ready() {
                Start::Ready(server) => return server,
                Start::PortTaken => {}
            }
        }
        panic!("no port stayed free")
    }
}

/// A port that nobody listens on.
///
/// # Panics
/// When the loopback address has none left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// An empty folder of its own for each caller, below the system's folder for temporary files.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("boxcar-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("a folder for a test");
    folder
}

enum Start {
    Ready(Server),
    PortTaken,
}

/// A running server; killed when dropped.
pub struct Server {
    options: Options,
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts the server under test in one of its configurations.
    #[must_use]
    pub fn start(configuration: Configuration) -> Self {
        Options::boxcar(configuration).start()
    }

    fn spawn(options: Options, port: u16) -> Self {
        let folder = new_folder();
        let child = Self::process(&options, &folder, port);
        Self { options, folder, port, child }
    }

    fn process(options: &Options, folder: &Path, port: u16) -> Child {
        let log = File::create(folder.join("log")).expect("a log file");
        Command::new(&options.program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .args(&options.flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", options.program.display()))
    }

    fn wait_ready(mut self) -> Start {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.log().contains(READY) {
                return Start::Ready(self);
            }
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                let log = self.log();
                if log.to_lowercase().contains("address already in use") {
                    return Start::PortTaken;
                }
                panic!("{} ended with {status}:\n{log}", self.options.program.display());
            }
            assert!(Instant::now() < deadline, "not ready in time:\n{}", self.log());
            sleep(Duration::from_millis(2));
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The port alone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder it works in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard streams.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.folder.join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("cannot connect: {error}\n{}", self.log()))
    }

    /// A new connection.
    ///
    /// # Errors
    /// When it is refused.
    pub fn try_client(&self) -> io::Result<Client> {
        Client::open(self.address())
    }

    /// One field of INFO.
    ///
    /// # Panics
    /// When INFO has no such field.
    #[must_use]
    pub fn info(&self, field: &str) -> String {
        let text = self.client().call(["INFO", "everything"]).to_text();
        let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        found.unwrap_or_else(|| panic!("INFO has no {field}:\n{text}")).trim_end().to_owned()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).expect("a process id"));
        nix::sys::signal::kill(pid, signal).expect("a signal for a running server");
    }

    /// Waits for the process to end by itself; `None` when it does not in time.
    pub fn wait_end(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return Some(status);
            }
            sleep(Duration::from_millis(2));
        }
        None
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }

    /// Kills it (SIGKILL) and starts it again on the same port and in the same folder.
    ///
    /// # Panics
    /// When it does not come up again.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("a running server can be killed");
        self.child.wait().expect("a killed server ends");
        self.child = Self::process(&self.options, &self.folder, self.port);
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(READY) {
            assert!(self.is_running(), "it did not come up again:\n{}", self.log());
            assert!(Instant::now() < deadline, "not ready in time:\n{}", self.log());
            sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4096);
            eprintln!("the server's log ends with:\n{}", String::from_utf8_lossy(&log.as_bytes()[start..]));
        }
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
