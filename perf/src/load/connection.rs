//! One connection: what is in flight on it, what could not be written yet, and its reply stream.

use super::endpoint::HELLO;
use super::replies::{Replies, Reply, ReplyError, Shape, Sink};
use super::rows::{Access, Asked, Found, World};
use super::values::shown;
use boxcar_resp::client::{ReplyScanner, Value, decode};
use socket2::Socket;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// A connection and its pipeline.
#[derive(Debug)]
pub(super) struct Connection {
    pub socket: Socket,
    /// Its number over all threads.
    pub number: u64,
    replies: Replies,
    /// Requests sent and not answered.
    pub inflight: u32,
    /// Requests that may still be sent before the connection is closed and opened anew.
    pub remaining: u64,
    /// When the batch in flight was sent (closed loop), in nanoseconds of the run's clock.
    pub sent_at: u64,
    /// Requests that are due and not sent (open loop).
    pub owed: u64,
    /// Requests answered since the schedule began (open loop).
    pub answered: u64,
    /// Bytes that the socket did not take, from `unsent_from` on.
    unsent: Vec<u8>,
    unsent_from: usize,
    /// What was asked, oldest first; not filled by plain requests.
    pub journal: VecDeque<Asked>,
    greeting: Greeting,
    /// Received and not yet a whole reply; only filled when replies are verified.
    partial: Vec<u8>,
    scanner: ReplyScanner,
}

/// Where a connection that was opened during the run stands with asking for RESP3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// Nothing is to be asked, or it is done.
    Done,
    /// HELLO leaves before the next request.
    Due,
    /// The next reply is HELLO's.
    Awaited,
}

/// How closely replies are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading<'a> {
    /// Counted.
    Plain,
    /// Counted for what was asked.
    Journaled,
    /// Compared with what they must be.
    Verified(&'a World),
}

/// What became of a request in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub share: u16,
    pub outcome: Outcome,
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Something,
    Nothing,
    Error,
    Mismatch,
}

/// What one read brought.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub replies: u32,
    pub values: u32,
    pub nulls: u32,
    pub errors: u32,
    pub mismatches: u32,
    /// Text of the first error reply.
    pub error: Option<String>,
    /// Request and reply of the first mismatch.
    pub mismatch: Option<String>,
}

impl Connection {
    /// `shape`: see [`Replies::new`]; `remaining`: requests before the connection is to be opened anew.
    pub fn new(socket: Socket, number: u64, shape: Option<Shape>, remaining: u64) -> Connection {
        Connection {
            socket,
            number,
            replies: Replies::new(shape),
            inflight: 0,
            remaining,
            sent_at: 0,
            owed: 0,
            answered: 0,
            unsent: Vec::new(),
            unsent_from: 0,
            journal: VecDeque::new(),
            greeting: Greeting::Done,
            partial: Vec::new(),
            scanner: ReplyScanner::new(),
        }
    }

    /// Goes on with another socket, and `remaining` requests. Must not be called while something is under way.
    pub fn renew(&mut self, socket: Socket, remaining: u64, greet: bool) {
        assert!(self.inflight == 0 && !self.has_unsent(), "a connection is renewed between two batches");
        self.socket = socket;
        self.remaining = remaining;
        self.greeting = if greet { Greeting::Due } else { Greeting::Done };
    }

    /// Whether bytes wait for the socket to become writable.
    pub fn has_unsent(&self) -> bool {
        self.unsent_from < self.unsent.len()
    }

    /// Sends `bytes`; what the socket does not take is kept. Must not be called while something is kept.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!self.has_unsent(), "a batch is sent only after the one before it has left");
        if self.greeting == Greeting::Due {
            self.greeting = Greeting::Awaited;
            self.keep(HELLO);
            self.unsent.extend_from_slice(bytes);
            return self.flush();
        }
        let sent = write(&self.socket, bytes)?;
        if sent < bytes.len() {
            self.keep(&bytes[sent..]);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.unsent.clear();
        self.unsent_from = 0;
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends more of what was kept.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.has_unsent() {
            self.unsent_from += write(&self.socket, &self.unsent[self.unsent_from..])?;
        }
        Ok(())
    }

    /// Reads once into `buffer` and counts the replies; what the journal knows of them is added to `answers`. `None`:
    /// nothing was there. `Some(Err)`: not RESP.
    #[inline]
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        reading: Reading<'_>,
        answers: &mut Vec<Answer>,
    ) -> io::Result<Option<Result<Arrived, ReplyError>>> {
        let count = loop {
            match (&self.socket).read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let mut arrived = Arrived::default();
        let data = &buffer[..count];
        let outcome = match reading {
            Reading::Plain => {
                let mut counting = Counting { arrived: &mut arrived, greeting: &mut self.greeting };
                self.replies.feed(data, &mut counting)
            }
            Reading::Journaled => {
                let (journal, greeting) = (&mut self.journal, &mut self.greeting);
                let mut noting = Noting { arrived: &mut arrived, journal, greeting, answers };
                self.replies.feed(data, &mut noting)
            }
            Reading::Verified(world) => self.verify(data, world, &mut arrived, answers),
        };
        Ok(Some(outcome.map(|()| arrived)))
    }

    /// Checks every reply that `data` completes.
    fn verify(
        &mut self,
        data: &[u8],
        world: &World,
        arrived: &mut Arrived,
        answers: &mut Vec<Answer>,
    ) -> Result<(), ReplyError> {
        self.partial.extend_from_slice(data);
        let mut from = 0;
        while let Some(length) = self.scanner.scan(&self.partial[from..])? {
            let whole = &self.partial[from..from + length];
            from += length;
            let Some((value, _)) = decode(whole)? else {
                unreachable!("the scanner has found the end of the reply")
            };
            let value = match value {
                Value::Push(_) => continue,
                Value::Attributed { value, .. } => *value,
                value => value,
            };
            let error = if let Value::Error(text) = &value { Some(text.as_slice()) } else { None };
            if greeted(&mut self.greeting, arrived, error) {
                continue;
            }
            arrived.replies += 1;
            // A reply to nothing is found by the caller, who counts what is in flight.
            let Some(asked) = self.journal.pop_front() else { continue };
            let outcome = arrived.check(world, &asked, &value);
            arrived.note(&asked, outcome, answers);
        }
        self.partial.drain(..from);
        Ok(())
    }
}

fn write(mut socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Ok(sent) => return Ok(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether this reply is HELLO's and answers no request. A server that agreed before the run and refuses now is told
/// as an error.
fn greeted(greeting: &mut Greeting, arrived: &mut Arrived, error: Option<&[u8]>) -> bool {
    if *greeting != Greeting::Awaited {
        return false;
    }
    *greeting = Greeting::Done;
    if let Some(text) = error {
        arrived.failed(text);
    }
    true
}

fn error_of<'r>(reply: &Reply<'r>) -> Option<&'r [u8]> {
    if let Reply::Error(text) = reply { Some(text) } else { None }
}

impl Arrived {
    fn failed(&mut self, text: &[u8]) {
        self.errors += 1;
        if self.error.is_none() {
            self.error = Some(shown(text));
        }
    }

    fn check(&mut self, world: &World, asked: &Asked, value: &Value) -> Outcome {
        if let Value::Error(text) = value {
            self.failed(text);
            return Outcome::Error;
        }
        match (asked.row.check)(world, asked, value) {
            Ok(Found::Something) => Outcome::Something,
            Ok(Found::Nothing) => Outcome::Nothing,
            Err(what) => {
                self.mismatches += 1;
                if self.mismatch.is_none() {
                    let key = asked.key();
                    let infix = asked.row.family.infix();
                    self.mismatch =
                        Some(format!("{}{infix}{key:012}: {}: {what}", world.prefix, asked.row.name));
                }
                Outcome::Mismatch
            }
        }
    }

    fn note(&mut self, asked: &Asked, outcome: Outcome, answers: &mut Vec<Answer>) {
        if asked.row.access == Access::Reads {
            match outcome {
                Outcome::Something => self.values += 1,
                Outcome::Nothing => self.nulls += 1,
                Outcome::Error | Outcome::Mismatch => {}
            }
        }
        answers.push(Answer { share: asked.share, outcome });
    }
}

/// Counts, and looks no closer.
struct Counting<'a> {
    arrived: &'a mut Arrived,
    greeting: &'a mut Greeting,
}

impl Sink for Counting<'_> {
    #[inline]
    fn expected(&mut self, values: u32, statuses: u32) {
        self.arrived.values += values;
        self.arrived.replies += values + statuses;
    }

    fn piece(&mut self, _size: usize, _offset: usize, _piece: &[u8]) {}

    fn reply(&mut self, reply: Reply<'_>) {
        if greeted(self.greeting, self.arrived, error_of(&reply)) {
            return;
        }
        self.arrived.replies += 1;
        match reply {
            Reply::Bulk(_) => self.arrived.values += 1,
            Reply::Null => self.arrived.nulls += 1,
            Reply::Error(text) => self.arrived.failed(text),
            Reply::Status(_) | Reply::Other => {}
        }
    }
}

/// Counts, for each request in the journal.
struct Noting<'a> {
    arrived: &'a mut Arrived,
    journal: &'a mut VecDeque<Asked>,
    greeting: &'a mut Greeting,
    answers: &'a mut Vec<Answer>,
}

impl Sink for Noting<'_> {
    fn expected(&mut self, _values: u32, _statuses: u32) {
        unreachable!("replies that are noted are never stepped over");
    }

    fn piece(&mut self, _size: usize, _offset: usize, _piece: &[u8]) {}

    fn reply(&mut self, reply: Reply<'_>) {
        if greeted(self.greeting, self.arrived, error_of(&reply)) {
            return;
        }
        self.arrived.replies += 1;
        // A reply to nothing is found by the caller, who counts what is in flight.
        let Some(asked) = self.journal.pop_front() else { return };
        let outcome = match reply {
            Reply::Error(text) => {
                self.arrived.failed(text);
                Outcome::Error
            }
            Reply::Null => Outcome::Nothing,
            Reply::Bulk(_) | Reply::Status(_) | Reply::Other => Outcome::Something,
        };
        self.arrived.note(&asked, outcome, self.answers);
    }
}
