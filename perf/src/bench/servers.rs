//! The servers of a benchmark: how each is found, started with persistence off on one CPU, and stopped.

use super::{ServerError, memcached};
use boxcar_sys::affinity::CpuList;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take from its start to its first reply.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// How long it may take to end after SIGTERM, before SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A program and what always stands before its own arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
}

impl Program {
    /// `path`, and `first` arguments.
    pub fn new(path: &Path, first: &[&str]) -> Program {
        let mut words = vec![path.display().to_string()];
        words.extend(first.iter().map(|&word| word.to_owned()));
        Program { words }
    }

    /// What `--version` prints on its first line; "unknown" if that fails.
    pub fn version(&self) -> String {
        let output = Command::new(&self.words[0]).args(&self.words[1..]).arg("--version").output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().filter(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
    }
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RESP.
    Resp,
    /// The text protocol of memcached.
    Memcached,
}

/// A server that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name in the table.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// The program.
    pub program: Program,
    /// Arguments after the port's.
    pub arguments: Vec<String>,
    /// A null server: it is started for each shape, with the sizes of its requests and replies, and needs no keys.
    pub null: bool,
    /// What it speaks.
    pub dialect: Dialect,
    /// Boxcar itself, whose modules the table of parts names (`profile::parts`).
    pub own: bool,
    /// Environment variables, beside those that are there anyway.
    pub environment: Vec<(String, String)>,
}

impl Candidate {
    /// A store: `program --port P arguments...`.
    pub fn store(name: &str, program: Program, arguments: &[&str]) -> Candidate {
        let version = program.version();
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        Candidate {
            name: name.to_owned(),
            version,
            program,
            arguments,
            null: false,
            dialect: Dialect::Resp,
            own: false,
            environment: Vec::new(),
        }
    }

    /// A null server over this backend, run by this very program.
    pub fn null(network: &str) -> io::Result<Candidate> {
        let program = Program::new(&std::env::current_exe()?, &["null"]);
        Ok(Candidate {
            name: format!("null ({network})"),
            version: format!("boxcar-perf {}", env!("CARGO_PKG_VERSION")),
            program,
            arguments: vec!["--network".to_owned(), network.to_owned()],
            null: true,
            dialect: Dialect::Resp,
            own: false,
            environment: Vec::new(),
        })
    }

    /// The command that starts it on `cpus`, listening on `port`; `more` arguments come last.
    pub fn command(&self, cpus: &CpuList, port: &str, more: &[String]) -> Vec<String> {
        let pinned = ["taskset", "-c", &cpus.to_string()].map(str::to_owned);
        let set = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let environment: Vec<String> = if self.environment.is_empty() {
            Vec::new()
        } else {
            ["env".to_owned()].into_iter().chain(set).collect()
        };
        let port = ["--port", port].map(str::to_owned);
        [&pinned[..], &environment, &self.program.words, &port, &self.arguments, more].concat()
    }

    /// The same command with the program's name instead of its path, for results that leave this machine.
    pub fn named_command(&self, cpus: &CpuList, port: &str, more: &[String]) -> Vec<String> {
        let mut named = self.clone();
        if let Some(name) = Path::new(&self.program.words[0]).file_name() {
            named.program.words[0] = name.to_string_lossy().into_owned();
        }
        named.command(cpus, port, more)
    }

    /// Starts it in `directory`, and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not answer; what it said is part of the message.
    pub fn start(&self, cpus: &CpuList, directory: &Path, more: &[String]) -> Result<Server, ServerError> {
        fs::create_dir_all(directory)?;
        let address = free_address()?;
        let words = self.command(cpus, &address.port().to_string(), more);
        let log_path = directory.join("log");
        let log = fs::File::create(&log_path)?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .map_err(|source| ServerError::Start { program: words[0].clone(), source })?;
        let mut server = Server { child, address };
        server.wait_ready(self, &log_path)?;
        Ok(server)
    }
}

/// A port that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A server that runs; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_ready(&mut self, candidate: &Candidate, log: &Path) -> Result<(), ServerError> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if self.child.try_wait()?.is_some() {
                let text = fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(3).collect();
                let words: Vec<&str> = last.into_iter().rev().collect();
                return Err(ServerError::Ended(words.join(" / ")));
            }
            let ready = match candidate.dialect {
                // A null server answers bytes, not commands: that it accepts is enough.
                _ if candidate.null => TcpStream::connect(self.address).is_ok(),
                Dialect::Resp => answers_ping(self.address),
                Dialect::Memcached => memcached::answers(self.address),
            };
            if ready {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(ServerError::Silent(START_TIMEOUT.as_secs()))
    }

    fn ended_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return true,
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child is not reaped before it is known to have ended, so its id is its own until then. Errors mean that it
        // has ended by itself.
        if let Ok(None) = self.child.try_wait() {
            let _ended = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
            if !self.ended_within(STOP_TIMEOUT) {
                let _ended = self.child.kill();
                let _reaped = self.child.wait();
            }
        }
    }
}

fn answers_ping(address: SocketAddr) -> bool {
    let ping = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        Ok(&reply == b"+PONG\r\n")
    };
    ping().unwrap_or(false)
}

/// The first executable of this name in PATH.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_complete() {
        let candidate = Candidate {
            name: "x".to_owned(),
            version: String::new(),
            program: Program::new(Path::new("/peers/run"), &["redis-server"]),
            arguments: vec!["--save".to_owned(), String::new()],
            null: false,
            dialect: Dialect::Resp,
            own: false,
            environment: vec![("A".to_owned(), "1".to_owned())],
        };
        let command = candidate.command(&CpuList::from_iter([0]), "7000", &["--more".to_owned()]);
        assert_eq!(
            command,
            [
                "taskset",
                "-c",
                "0",
                "env",
                "A=1",
                "/peers/run",
                "redis-server",
                "--port",
                "7000",
                "--save",
                "",
                "--more"
            ]
        );
        let named = candidate.named_command(&CpuList::from_iter([0]), "7000", &[]);
        assert_eq!(named[5..7], ["run", "redis-server"]);
    }

    #[test]
    fn a_server_that_ends_is_told_with_its_words() {
        let directory = std::env::temp_dir().join(format!("boxcar-bench-test-{}", std::process::id()));
        let program = Program::new(Path::new("/bin/sh"), &["-c", "echo no memory; exit 1"]);
        let candidate = Candidate {
            name: "x".to_owned(),
            version: String::new(),
            program,
            arguments: Vec::new(),
            null: false,
            dialect: Dialect::Resp,
            own: false,
            environment: Vec::new(),
        };
        let error = candidate.start(&CpuList::from_iter([0]), &directory, &[]).unwrap_err().to_string();
        fs::remove_dir_all(&directory).unwrap();
        assert!(error.contains("no memory"), "{error}");
    }
}
