//! One sequence, played to both servers, reply by reply.

use super::digest;
use super::generate::{CLIENTS, Form, Sequence, Step};
use super::rows::Rows;
use super::tolerance::{Setting, same};
use crate::client::{Client, ReadError, encode};
use crate::matrix::Configuration;
use crate::server::{Options, Server};
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reply may take before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what expires in one millisecond is waited for.
const PAUSE: Duration = Duration::from_millis(4);
/// The client that reads what a sequence has left behind.
pub const READER: u8 = CLIENTS;

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
}

/// The two servers that are compared.
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
        let text = peer.server.info("redis_version");
        let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self { program: program.to_owned(), configuration, peer, boxcar, version }
    }

    /// Starts both anew, after one has crashed or hangs.
    pub fn restart(&mut self) {
        *self = Self::start(&self.program, self.configuration);
    }
}

/// What a client receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A reply, and its bytes.
    Reply(Value, Vec<u8>),
    /// The end of the connection.
    Closed,
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply(value, _) => value.fmt(f),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone)]
pub enum Problem {
    /// They answer differently.
    Different {
        /// The real server.
        peer: Came,
        /// The one under test.
        boxcar: Came,
    },
    /// One of them does not answer at all.
    Broken(String),
}

/// A sequence that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was played, up to the failed step.
    pub steps: Vec<Step>,
    /// The real server's replies, the failed step's included where there is one.
    pub replies: Vec<Came>,
    /// The full name of the command that failed.
    pub command: String,
    /// What happened there.
    pub problem: Problem,
}

impl Failure {
    /// Whether a server has crashed or hangs.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.problem, Problem::Broken(_))
    }

    /// Whether it is the same failure for somebody who makes a sequence shorter: at the same command, or again the end of a
    /// server.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.is_broken() == other.is_broken() && (self.is_broken() || self.command == other.command)
    }

    /// What tells one failure from another: the command and the kinds of the two replies.
    #[must_use]
    pub fn signature(&self) -> String {
        let kind = |came: &Came| match came {
            Came::Reply(Value::Error(text), _) => String::from_utf8_lossy(text).chars().take(24).collect(),
            Came::Reply(value, _) => format!("{:?}", std::mem::discriminant(value)),
            Came::Closed => "closed".to_owned(),
        };
        match &self.problem {
            Problem::Different { peer, boxcar } => {
                format!("{} {} {}", self.command, kind(peer), kind(boxcar))
            }
            Problem::Broken(what) => {
                let place = what.lines().find(|line| line.contains("panicked at"));
                place.or(what.lines().next()).unwrap_or_default().to_owned()
            }
        }
    }
}

/// How often each command has answered with something else than an error.
pub type Hits = BTreeMap<String, u64>;

/// Plays a sequence, and compares what it has left behind when `to_the_end`.
///
/// # Errors
/// The first step at which the two differ.
pub fn play(
    pair: &mut Pair,
    rows: &Rows,
    sequence: &Sequence,
    to_the_end: bool,
    hits: &mut Hits,
) -> Result<(), Box<Failure>> {
    let setting = Setting { version: pair.version, long: sequence.long };
    let mut player = Player {
        pair,
        rows,
        setting,
        protocol: sequence.protocol,
        clients: BTreeMap::new(),
        queued: BTreeMap::new(),
        steps: Vec::new(),
        replies: Vec::new(),
        hits,
    };
    player.flush()?;
    player.all(&sequence.steps)?;
    if to_the_end {
        let reads = digest::reads(player.pair).map_err(|what| player.broken(what))?;
        player.all(&reads)?;
    }
    Ok(())
}

struct Player<'a> {
    pair: &'a mut Pair,
    rows: &'a Rows,
    setting: Setting,
    protocol: u8,
    /// Each client's connections to the real server and to the one under test.
    clients: BTreeMap<u8, (Client, Client)>,
    /// The names of the commands that each client's transaction holds.
    queued: BTreeMap<u8, Vec<String>>,
    steps: Vec<Step>,
    replies: Vec<Came>,
    hits: &'a mut Hits,
}

impl Player<'_> {
    fn flush(&mut self) -> Result<(), Box<Failure>> {
        for (who, from_peer) in [("the real server", true), ("Boxcar", false)] {
            let side = if from_peer { &mut self.pair.peer } else { &mut self.pair.boxcar };
            if let Err(error) = side.control.try_call(["FLUSHALL"]) {
                return Err(self.broken(format!("{who}: FLUSHALL: {error}")));
            }
        }
        Ok(())
    }

    /// Plays steps, those that are joined together at once.
    fn all(&mut self, steps: &[Step]) -> Result<(), Box<Failure>> {
        let mut rest = steps;
        while let Some(first) = rest.first() {
            let together =
                rest[1..].iter().take_while(|step| step.joined && step.client == first.client).count();
            let (group, after) = rest.split_at(1 + together);
            self.group(group)?;
            rest = after;
        }
        Ok(())
    }

    fn group(&mut self, group: &[Step]) -> Result<(), Box<Failure>> {
        let client = group[0].client;
        if let Err(what) = self.connect(client).and_then(|()| self.send(client, group)) {
            self.steps.extend_from_slice(group);
            return Err(self.broken(what));
        }
        for (at, step) in group.iter().enumerate() {
            self.steps.push(step.clone());
            let both = self.receive(client, true).and_then(|peer| {
                self.replies.push(peer.clone());
                Ok((peer, self.receive(client, false)?))
            });
            let (peer, boxcar) = both.map_err(|what| {
                // Any of those sent together may be what broke it.
                self.steps.extend_from_slice(&group[at + 1..]);
                self.broken(what)
            })?;
            let command = self.name_of(step);
            if !self.compare(step, &command, &peer, &boxcar) {
                return Err(self.failure(command, Problem::Different { peer, boxcar }));
            }
            if peer == Came::Closed {
                self.clients.remove(&client);
                self.queued.remove(&client);
                // What else was sent to the closed connection is lost on both.
                return Ok(());
            }
        }
        if group.iter().any(|step| step.pause) {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn connect(&mut self, client: u8) -> Result<(), String> {
        if self.clients.contains_key(&client) {
            return Ok(());
        }
        let open = |side: &Side| -> Result<Client, String> {
            let mut client = side.server.try_client().map_err(|e| format!("cannot connect: {e}"))?;
            if self.protocol == 3 {
                client.try_call(["HELLO", "3"]).map_err(|e| format!("HELLO: {e}"))?;
            }
            Ok(client)
        };
        let peer = open(&self.pair.peer).map_err(|e| format!("the real server: {e}"))?;
        let boxcar = open(&self.pair.boxcar).map_err(|e| format!("Boxcar: {e}"))?;
        self.clients.insert(client, (peer, boxcar));
        Ok(())
    }

    fn send(&mut self, client: u8, group: &[Step]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for step in group {
            write(&mut bytes, step);
        }
        let Some((peer, boxcar)) = self.clients.get_mut(&client) else { return Ok(()) };
        peer.send_raw(&bytes).map_err(|e| format!("the real server does not read: {e}"))?;
        boxcar.send_raw(&bytes).map_err(|e| format!("Boxcar does not read: {e}"))
    }

    fn receive(&mut self, client: u8, from_peer: bool) -> Result<Came, String> {
        let Some((peer, boxcar)) = self.clients.get_mut(&client) else { return Ok(Came::Closed) };
        let (connection, who) = if from_peer { (peer, "the real server") } else { (boxcar, "Boxcar") };
        match connection.read_frame(PATIENCE) {
            Ok((value, frame)) => Ok(Came::Reply(value, frame)),
            Err(ReadError::Closed) => {
                let side = if from_peer { &mut self.pair.peer } else { &mut self.pair.boxcar };
                // A crash closes, too; the process may need a moment to be gone.
                std::thread::sleep(Duration::from_millis(20));
                match side.server.is_running() {
                    true => Ok(Came::Closed),
                    false => Err(format!("{who} has ended:\n{}", tail(&side.server.log()))),
                }
            }
            Err(error) => Err(format!("{who}: {error}")),
        }
    }

    fn name_of(&self, step: &Step) -> String {
        self.rows.called(&step.arguments).map_or_else(|| step.name(), |row| row.name.clone())
    }

    /// Whether the two are the same as far as the table of tolerances asks for it.
    fn compare(&mut self, step: &Step, command: &str, peer: &Came, boxcar: &Came) -> bool {
        let (Came::Reply(peer, peer_bytes), Came::Reply(boxcar, boxcar_bytes)) = (peer, boxcar) else {
            return peer == boxcar;
        };
        let queue = self.queued.entry(step.client).or_default();
        let is_queued = *peer == Value::Simple(b"QUEUED".to_vec());
        let executed = match command {
            "exec" | "discard" | "reset" => std::mem::take(queue),
            _ => Vec::new(),
        };
        if is_queued {
            queue.push(command.to_owned());
        }
        let (results, others) = match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) if command == "exec" && a.len() == b.len() => (a, b),
            _ => {
                if !is_queued && !peer.is_error() {
                    *self.hits.entry(command.to_owned()).or_default() += 1;
                }
                return peer_bytes == boxcar_bytes || same(&names(command), self.setting, peer, boxcar);
            }
        };
        *self.hits.entry(command.to_owned()).or_default() += 1;
        executed.len() == results.len()
            && executed.iter().zip(results.iter().zip(others)).all(|(command, (peer, boxcar))| {
                if !peer.is_error() {
                    *self.hits.entry(command.clone()).or_default() += 1;
                }
                same(&names(command), self.setting, peer, boxcar)
            })
    }

    fn broken(&self, what: String) -> Box<Failure> {
        let command = self.steps.last().map(|step| self.name_of(step)).unwrap_or_default();
        self.failure(command, Problem::Broken(what))
    }

    fn failure(&self, command: String, problem: Problem) -> Box<Failure> {
        Box::new(Failure { steps: self.steps.clone(), replies: self.replies.clone(), command, problem })
    }
}

/// The full name, and that of the container.
fn names(command: &str) -> Vec<&str> {
    std::iter::once(command).chain(command.split_once('|').map(|(container, _)| container)).collect()
}

/// A step's bytes.
fn write(out: &mut Vec<u8>, step: &Step) {
    match step.form {
        Form::Multibulk => encode(out, &step.arguments),
        Form::Inline => out.extend(line(&step.arguments)),
    }
}

/// The words as an inline command.
#[must_use]
pub fn line(arguments: &[Vec<u8>]) -> Vec<u8> {
    let words: Vec<String> = arguments.iter().map(|word| crate::value::quoted(word)).collect();
    format!("{}\r\n", words.join(" ")).into_bytes()
}

fn tail(log: &str) -> &str {
    let start = log.len().saturating_sub(2000);
    let start = (start..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
    &log[start..]
}
