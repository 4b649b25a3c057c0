//! The two servers that are compared.

use super::rows::version_of;
use crate::client::Client;
use crate::matrix::Configuration;
use crate::server::{Options, Server};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server that has panicked may take to be gone.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A running server and a connection of the harness's own.
pub struct Side {
    /// The server.
    pub server: Server,
    /// For what is no part of a sequence.
    pub control: Client,
}

impl Side {
    /// Connects to a server, and stops what would make it change by itself.
    ///
    /// # Panics
    /// When it is not there, or has DEBUG disabled.
    #[must_use]
    pub fn new(server: Server) -> Self {
        let mut control = server.client();
        let reply = control.call(["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        assert!(!reply.is_error(), "{reply}");
        Self { server, control }
    }

    /// Whether it still answers. One that does not may need a moment to say why in its log and be gone.
    pub fn is_alive(&mut self) -> bool {
        let alive = self.control.try_call(["PING"]).is_ok();
        let deadline = Instant::now() + LAST_WORDS;
        while !alive && self.server.is_running() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        alive
    }

    /// How many of its clients wait in a blocking command.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn blocked(&mut self) -> Result<usize, String> {
        let text = self.control.try_call(["INFO", "clients"]).map_err(|e| e.to_string())?.to_text();
        let count = text.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
        count
            .and_then(|count| count.trim().parse().ok())
            .ok_or_else(|| format!("no blocked_clients in {text}"))
    }
}

/// Both servers.
pub struct Pair {
    program: PathBuf,
    configuration: Configuration,
    /// The real one.
    pub peer: Side,
    /// The one under test.
    pub boxcar: Side,
    /// The real one's major and minor version.
    pub version: (u32, u32),
}

impl Pair {
    /// Starts both.
    ///
    /// # Panics
    /// When one of them does not start.
    #[must_use]
    pub fn start(program: &Path, configuration: Configuration) -> Self {
        const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
        let peer = Side::new(Options::program(program).flags(DEBUG).start());
        let boxcar = Side::new(Options::boxcar(configuration).flags(DEBUG).start());
        let version = version_of(&peer.server.info("redis_version"));
        Self { program: program.to_owned(), configuration, peer, boxcar, version }
    }

    /// Starts both anew, after one has crashed or hangs.
    pub fn restart(&mut self) {
        *self = Self::start(&self.program, self.configuration);
    }

    /// One of the two, and what to call it.
    pub fn side(&mut self, is_peer: bool) -> (&mut Side, &'static str) {
        if is_peer { (&mut self.peer, "the real server") } else { (&mut self.boxcar, "Boxcar") }
    }
}
