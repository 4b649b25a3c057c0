//! One connection, as its I/O thread keeps it.

use crate::clients::{Client, Session, Waiter};
use crate::observability::stages::{Sample, Stage};
use crate::shard::executor::Stop;
use boxcar_resp::{Parser, Protocol, Reply};
use boxcar_sys::Token;
use std::collections::VecDeque;
use std::sync::Arc;

/// Input that may wait for execution before the thread stops reading from the socket. A connection whose
/// *output* is not read is exempt: it is read up to `client-query-buffer-limit`, since a client may well send
/// a large pipeline first and read the replies afterwards; and so is one that waits in a blocking command, since it
/// must be noticed when it leaves.
pub const READ_AHEAD_MAX: usize = 256 * 1024;
/// Buffers up to this size are kept for reuse; larger ones are given back as soon as they are empty.
pub const KEPT_BYTES: usize = 64 * 1024;

/// A connection's list of messages keeps room for so many.
const KEPT_PUSHES: usize = 64;

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
    /// `input` is executed before the turn ends, together with that of other connections.
    pub gathered: bool,
    /// Replies not yet handed to the driver.
    pub out: Reply,
    /// Messages that answer no command, to be sent after `out`; shared with the other connections they go to, so that
    /// those who do not read cost little more than the list. They wait here while a worker has the session, since
    /// the replies that come back with it are older.
    pub pushes: VecDeque<Arc<[u8]>>,
    /// Bytes of the first of `pushes` that are in `out` already.
    pub pushes_begun: usize,
    /// Bytes of `pushes` that are not.
    pub pushes_len: usize,
    /// Bytes of the send in flight; 0 when there is none.
    pub sending: usize,
    /// Why nothing is executed at present.
    pub held: Held,
    /// The command it waits in, and with which its session lies.
    pub waiter: Option<Arc<Waiter>>,
    /// The next command is to be executed by this thread, whatever the dispatch.
    pub at_home: bool,
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
    /// The request under observation, if one is.
    pub sample: Option<Box<Sample>>,
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
            gathered: false,
            out: Reply::new(Protocol::Resp2),
            pushes: VecDeque::new(),
            pushes_begun: 0,
            pushes_len: 0,
            at_home: false,
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
            sample: None,
            above_soft_since: None,
        }
    }

    /// Whether received commands may be executed now.
    pub fn may_execute(&self) -> bool {
        self.session.is_some() && self.held == Held::default() && !self.closing && !self.closed
    }

    /// Its commands are parsed.
    pub fn sample_parsed(&mut self) {
        if let Some(sample) = &mut self.sample
            && sample.reached().is_none()
        {
            sample.reach(Stage::Parsed);
        }
    }

    /// What was executed came to this end. A command that waits is answered by somebody else, and one without a reply is not
    /// answered: both are not observed any further.
    pub fn settle_sample(&mut self, stop: Stop) {
        let Some(sample) = &self.sample else { return };
        let is_executed = sample.reached() == Some(Stage::Executed);
        if matches!(stop, Stop::Blocked { .. }) || is_executed && self.out.is_empty() {
            self.sample = None;
        }
    }

    /// Bytes of replies that the peer has not taken.
    pub fn output_bytes(&self) -> usize {
        self.out.len() + self.sending + self.pushes_len
    }

    /// Whether messages may be added to its output.
    pub fn takes_pushes(&self) -> bool {
        !self.closing && !self.closed
    }

    /// Adds a message behind everything there is to be sent.
    pub fn push(&mut self, bytes: &Arc<[u8]>) {
        self.pushes_len += bytes.len();
        self.pushes.push_back(Arc::clone(bytes));
    }

    /// The protocol of what is sent next; not known while a worker has the session.
    fn protocol(&self) -> Option<Protocol> {
        match (&self.session, &self.waiter) {
            (Some(session), _) => Some(session.protocol),
            (None, Some(waiter)) => Some(waiter.protocol),
            (None, None) => None,
        }
    }

    /// Moves messages into `out`, until it has `limit` bytes; none while a worker has the session.
    pub fn take_pushes(&mut self, limit: usize) {
        if self.pushes.is_empty() {
            return;
        }
        let Some(protocol) = self.protocol() else { return };
        while let Some(bytes) = self.pushes.front()
            && self.out.len() < limit
        {
            let begun = self.pushes_begun;
            let end = bytes.len().min(begun.saturating_add(limit - self.out.len()));
            let first = self.out.len();
            self.out.raw(&bytes[begun..end]);
            if begun == 0 && bytes[0] == b'>' && protocol == Protocol::Resp2 {
                self.out.buffer_mut()[first] = b'*';
            }
            self.pushes_len -= end - begun;
            if end == bytes.len() {
                self.pushes.pop_front();
                self.pushes_begun = 0;
            } else {
                self.pushes_begun = end;
            }
        }
        if self.pushes.is_empty() {
            self.pushes.shrink_to(KEPT_PUSHES);
        }
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
        !self.may_execute()
            && !self.held.output_full
            && self.waiter.is_none()
            && self.input.len() > READ_AHEAD_MAX
    }
}
