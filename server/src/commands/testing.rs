//! A small server for the unit tests of handlers: no threads, no sockets, a clock that stands still.
//!
//! Locks are planned from the rows' key specs, so that a handler which touches a key that its row does not name
//! fails its test.

use super::access::AccessClock;
use super::call::{call, write_error};
use super::row::{Flags, Locks};
use super::server_state::Identity;
use super::table::Lookup;
use super::{Again, Args, Cx, Entry, Error, Keys, Server, Table};
use crate::clients::registry::Origin;
use crate::clients::session::Queued;
use crate::clients::{ClientFlags, Inbox, Session};
use crate::config::Config;
use crate::observability::stats::ThreadStats;
use boxcar_resp::{Protocol, Reply, Span, skip_reply};
use boxcar_store::KeyspaceOptions;
use boxcar_sys::clock::Ticks;
use boxcar_sys::{Backend, Driver, DriverOptions, Token};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a fixture's clock starts: 2023-11-14, in unix milliseconds.
pub const START_MS: i64 = 1_700_000_000_000;

/// Shards of a fixture: enough that neighbouring keys live in different ones, few enough that some share one.
const SHARDS: usize = 8;

/// See the module's text.
pub struct Fixture {
    /// The server.
    pub server: Arc<Server>,
    /// The client that [`Fixture::run`] speaks for.
    pub session: Session,
    /// The clock, in unix milliseconds.
    pub now_ms: i64,
    stats: Arc<ThreadStats>,
    /// Messages for its clients.
    pub inbox: Arc<Inbox>,
}

impl Fixture {
    /// An empty server and one client, in RESP2.
    pub fn new() -> Self {
        Self::with_shards(SHARDS)
    }

    /// The same with this many shards.
    pub fn with_shards(shards: usize) -> Self {
        Self::build(shards, Config::default())
    }

    /// The same with a configuration file of this content.
    pub fn with_config(file: &str) -> Self {
        Self::build(SHARDS, Config::from_text(file).expect("a sound configuration"))
    }

    fn build(shards: usize, config: Config) -> Self {
        let options = KeyspaceOptions { shards, databases: 16, seed: 7, ..KeyspaceOptions::default() };
        let identity = Identity {
            run_id: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            started_ms: START_MS,
            executable: PathBuf::from("/usr/bin/boxcar"),
            config_file: None,
        };
        let table = Table::new(&[]).expect("the register is sound");
        let server = Server::new(Arc::new(config), options, table, identity, super::INFO_SECTIONS, 1);
        let server = Arc::new(server);
        server.free_what_is_replaced();
        server.notify_as_configured();
        let stats = server.stats.register("test");
        let driver = Driver::open(Backend::Epoll, &DriverOptions::default()).expect("epoll is always there");
        let inbox = server.inboxes.open(0, driver.doorbell());
        let session = new_session(&server, &inbox);
        Self { server, session, now_ms: START_MS, stats, inbox }
    }

    /// Another client.
    pub fn connect(&self) -> Session {
        new_session(&self.server, &self.inbox)
    }

    /// Runs a command for the fixture's own client and returns the reply's bytes.
    #[track_caller]
    pub fn run<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let (input, spans) = encode(args);
        let args = Args::new(&input, &spans);
        run(&self.server, &self.stats, &mut self.session, self.now_ms, args)
    }

    /// Runs a command for another client.
    #[track_caller]
    pub fn run_for<A: AsRef<[u8]>>(&self, session: &mut Session, args: &[A]) -> Vec<u8> {
        let (input, spans) = encode(args);
        run(&self.server, &self.stats, session, self.now_ms, Args::new(&input, &spans))
    }

    /// Runs a command that writes something other than exactly one reply, and returns that.
    pub fn run_freely<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let (input, spans) = encode(args);
        execute(&self.server, &self.stats, &mut self.session, self.now_ms, Args::new(&input, &spans))
    }

    /// Runs the words of `line` (`''` is the empty word) and compares the reply, in which `|` stands for a line
    /// end and the last one is left out: `check("GET key", "$5|value")`.
    #[track_caller]
    pub fn check(&mut self, line: &str, reply: &str) {
        let words: Vec<&str> =
            line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect();
        assert_eq!(legible(&self.run(&words)), reply, "{line}");
    }

    /// Lets time pass.
    pub fn advance_ms(&mut self, millis: i64) {
        self.now_ms += millis;
    }

    /// Keys of a database, those that are expired but not yet removed included.
    pub fn stored_keys(&self, db: usize) -> usize {
        self.server.keyspace.len(db)
    }
}

/// A reply as [`Fixture::check`] compares it.
pub fn legible(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply).replace("\r\n", "|");
    text.strip_suffix('|').map(str::to_owned).expect("a reply ends its last line")
}

fn new_session(server: &Server, inbox: &Arc<Inbox>) -> Session {
    let origin = Origin {
        address: "127.0.0.1:50000".to_owned(),
        local_address: "127.0.0.1:6379".to_owned(),
        fd: 8,
        flags: ClientFlags::empty(),
        inbox: Arc::clone(inbox),
        token: Token(1),
    };
    Session::new(server.clients.register(origin, START_MS), true)
}

/// The arguments one after the other, and where each is.
fn encode<A: AsRef<[u8]>>(args: &[A]) -> (Vec<u8>, Vec<Span>) {
    let mut input = Vec::new();
    let mut spans = Vec::new();
    for arg in args.iter().map(AsRef::as_ref) {
        spans.push(Span { start: input.len() as u32, len: arg.len() as u32 });
        input.extend_from_slice(arg);
    }
    (input, spans)
}

#[track_caller]
fn run(server: &Server, stats: &ThreadStats, session: &mut Session, now_ms: i64, args: Args<'_>) -> Vec<u8> {
    let written = execute(server, stats, session, now_ms, args);
    let name = String::from_utf8_lossy(args.at(0));
    assert_eq!(skip_reply(&written), Ok(Some(written.len())), "{name} writes exactly one reply");
    written
}

#[track_caller]
fn execute(
    server: &Server,
    stats: &ThreadStats,
    session: &mut Session,
    now_ms: i64,
    args: Args<'_>,
) -> Vec<u8> {
    let mut keys = Keys::new(&server.keyspace, stats, now_ms);
    keys.access = AccessClock::of(&server.config);
    let mut reply = Reply::new(session.protocol);
    let entry = match server.table.lookup(args) {
        Lookup::Found(entry) => entry,
        Lookup::Unknown => panic!("no such command: {}", String::from_utf8_lossy(args.at(0))),
        Lookup::UnknownSubcommand(entry) => panic!("{} has no such subcommand", entry.name),
    };
    keys.db = session.db;
    keys.no_touch = session.no_touch;
    keys.news.attend(server, session.client.id);
    for shard in shards_of(server, entry, args) {
        keys.hold(server.keyspace.lock(shard));
    }
    let accepted = entry.accepts(args.len());
    if let Some(transaction) = &mut session.transaction
        && accepted
        && !entry.flags.contains(Flags::NOT_QUEUED)
    {
        let queued = Queued { command: entry.id, input: args.input().into(), args: args.spans().into() };
        transaction.queue.push(queued);
        return b"+QUEUED\r\n".to_vec();
    }
    let mut cx = Cx {
        server,
        session,
        keys: &mut keys,
        reply: &mut reply,
        stats,
        command: entry,
        in_transaction: false,
        tick: Ticks::now(),
        serving: false,
        blocked: false,
        again: None,
    };
    if accepted {
        call(&mut cx, args);
        while let Some(again) = cx.again.take() {
            assert!(again == Again::InTurn, "a fixture's shards are free");
            call(&mut cx, args);
        }
    } else {
        write_error(&mut cx, &Error::WrongArity(entry.name.clone()));
    }
    reply.take()
}

/// The shards that are locked for a command, ascending.
fn shards_of(server: &Server, entry: &Entry, args: Args<'_>) -> BTreeSet<u32> {
    match entry.locks {
        Locks::Nothing | Locks::Steps => BTreeSet::new(),
        Locks::Keyspace | Locks::Transaction => (0..server.keyspace.shards() as u32).collect(),
        Locks::Keys => {
            let mut shards = BTreeSet::new();
            for spec in entry.keys {
                spec.positions(args, &mut |i| {
                    shards.insert(server.keyspace.locate(args.at(i)).shard);
                });
            }
            let anywhere = (entry.command.derived)(args, &mut |i| {
                shards.insert(server.keyspace.locate(args.at(i)).shard);
            });
            if anywhere { (0..server.keyspace.shards() as u32).collect() } else { shards }
        }
    }
}

#[test]
fn a_server_runs_commands_in_and_out_of_transactions() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("GET key", "$5|value");
    server.check("GET", "-ERR wrong number of arguments for 'get' command");
    server.check("MULTI", "+OK");
    server.check("GET key", "+QUEUED");
    server.check("EXEC", "*1|$5|value");
    let mut other = server.connect();
    assert_eq!(server.run_for(&mut other, &["GET", "key"]), b"$5\r\nvalue\r\n");
    server.session.protocol = Protocol::Resp3;
    server.check("GET missing", "_");
    server.advance_ms(1);
    assert_eq!((server.now_ms, server.stored_keys(0)), (START_MS + 1, 1));
}
