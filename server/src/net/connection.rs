//! One connection, as its I/O thread keeps it.

use crate::clients::{Client, Session, Waiter};
use boxcar_resp::{Parser, Protocol, Reply};
use boxcar_sys::Token;
use std::sync::Arc;

/// Input that may wait for execution before the thread stops reading from the socket. A connection whose
/// *output* is not read is exempt: it is read up to `client-query-buffer-limit`, since a client may well send
/// a large pipeline first and read the replies afterwards; and so is one that waits in a blocking command, since it
/// must be noticed when it leaves.
pub const READ_AHEAD_MAX: usize = 256 * 1024;
/// Buffers up to this size are kept for reuse; larger ones are given back as soon as they are empty.
pub const KEPT_BYTES: usize = 64 * 1024;

/// What keeps a connection's commands from being executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Parked on a shard's lock.
    pub parked: bool,
    /// By CLIENT PAUSE.
    pub paused: bool,
    /// Its replies are not read.
    pub output_full: bool,
    /// No batch was free.
    pub starved: bool,
}

/// See the module's text.
pub struct Connection {
    /// Its name in driver and slab.
    pub token: Token,
    /// The view that other threads share.
    pub client: Arc<Client>,
    /// The session; away while a worker executes the connection's commands, or while one of them waits.
    pub session: Option<Box<Session>>,
    /// Knows how far the command at the head of `input` has been seen.
    pub parser: Parser,
    /// Received and not yet executed.
    pub input: Vec<u8>,
    /// Replies not yet handed to the driver.
    pub out: Reply,
    /// Bytes of the send in flight; 0 when there is none.
    pub sending: usize,
    /// Why nothing is executed at present.
    pub held: Held,
    /// The command it waits in, and with which its session lies.
    pub waiter: Option<Arc<Waiter>>,
    /// A wake-up came while the session was away.
    pub woken: bool,
    /// The driver was told to stop reading.
    pub reading_paused: bool,
    /// The peer sends nothing any more.
    pub read_closed: bool,
    /// To be closed when everything is sent; nothing is executed any more.
    pub closing: bool,
    /// The driver was told to close it.
    pub closed: bool,
    /// The driver has let go of it; the entry only waits for the session to come back.
    pub gone: bool,
    /// In the list of connections with something to send.
    pub dirty: bool,
    /// Since when the output is above the soft limit, in unix milliseconds.
    pub above_soft_since: Option<i64>,
}

impl Connection {
    /// A new connection.
    pub fn new(token: Token, client: Arc<Client>, session: Box<Session>) -> Self {
        Self {
            token,
            client,
            session: Some(session),
            parser: Parser::new(),
            input: Vec::new(),
            out: Reply::new(Protocol::Resp2),
            sending: 0,
            held: Held::default(),
            waiter: None,
            woken: false,
            reading_paused: false,
            read_closed: false,
            closing: false,
            closed: false,
            gone: false,
            dirty: false,
            above_soft_since: None,
        }
    }

    /// Whether received commands may be executed now.
    pub fn may_execute(&self) -> bool {
        self.session.is_some() && self.held == Held::default() && !self.closing && !self.closed
    }

    /// Bytes of replies that the peer has not taken.
    pub fn output_bytes(&self) -> usize {
        self.out.len() + self.sending
    }

    /// Puts bytes back in front of the input: commands that were parsed but not executed.
    pub fn put_back(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.input.splice(0..0, rest.iter().copied());
            self.parser = Parser::new();
        }
    }

    /// Whether the socket should not be read for now.
    pub fn wants_pause(&self) -> bool {
        !self.may_execute() && !self.held.output_full && self.waiter.is_none() && self.input.len() > READ_AHEAD_MAX
    }
}
