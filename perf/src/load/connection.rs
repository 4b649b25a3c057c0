//! One connection: what is in flight on it, and its reply stream.

use super::endpoint::HELLO;
use super::replies::{Replies, Reply, ReplyError, Shape, Sink};
use super::rows::{Access, Asked, Found, World};
use super::values::shown;
use boxcar_resp::client::{ReplyScanner, Value, decode};
use boxcar_sys::Token;
use std::collections::VecDeque;

/// A connection and its pipeline.
#[derive(Debug)]
pub(super) struct Connection {
    /// What the transport knows its socket by, once it has one.
    pub token: Option<Token>,
    /// Its number over all threads.
    pub number: u64,
    replies: Replies,
    /// Requests sent and not answered.
    pub inflight: u32,
    /// Requests that may still be sent before the connection is closed and opened anew.
    pub remaining: u64,
    /// When the batch in flight was sent (closed loop), in nanoseconds of the run's clock.
    pub sent_at: u64,
    /// Whether that batch counts (closed loop).
    pub measured: bool,
    /// Requests that are due and not sent (open loop).
    pub owed: u64,
    /// Requests answered since the schedule began (open loop).
    pub answered: u64,
    /// A batch has not left yet, or only in part: no other may be sent.
    pub sending: bool,
    /// Its socket is being closed, and another one is to be opened.
    pub renewing: bool,
    /// It is on the list of those that may have something to send.
    pub queued: bool,
    /// When the oldest request that is owed was due, if nothing but the generator holds it back (open loop).
    pub held_by_us: Option<u64>,
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

/// What one receive brought.
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
    pub fn new(number: u64, shape: Option<Shape>, remaining: u64) -> Connection {
        Connection {
            token: None,
            number,
            replies: Replies::new(shape),
            inflight: 0,
            remaining,
            sent_at: 0,
            measured: false,
            owed: 0,
            answered: 0,
            sending: false,
            renewing: false,
            queued: false,
            held_by_us: None,
            journal: VecDeque::new(),
            greeting: Greeting::Done,
            partial: Vec::new(),
            scanner: ReplyScanner::new(),
        }
    }

    /// Goes on with another socket, and `remaining` requests.
    pub fn renew(&mut self, remaining: u64, greet: bool) {
        assert!(self.inflight == 0 && !self.sending, "a connection is renewed between two batches");
        self.renewing = false;
        self.remaining = remaining;
        self.greeting = if greet { Greeting::Due } else { Greeting::Done };
    }

    /// Whether nothing at all is under way.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.inflight == 0 && !self.sending && !self.renewing
    }

    /// Begins a batch with HELLO, if the server has yet to be asked for RESP3.
    #[inline]
    pub fn greet(&mut self, batch: &mut Vec<u8>) {
        if self.greeting == Greeting::Due {
            self.greeting = Greeting::Awaited;
            batch.extend_from_slice(HELLO);
        }
    }

    /// Counts the replies in what has arrived; what the journal knows of them is added to `answers`.
    ///
    /// # Errors
    /// It is not RESP.
    #[inline]
    pub fn receive(
        &mut self,
        data: &[u8],
        reading: Reading<'_>,
        answers: &mut Vec<Answer>,
    ) -> Result<Arrived, ReplyError> {
        let mut arrived = Arrived::default();
        match reading {
            Reading::Plain => {
                let mut counting = Counting { arrived: &mut arrived, greeting: &mut self.greeting };
                self.replies.feed(data, &mut counting)?;
            }
            Reading::Journaled => {
                let (journal, greeting) = (&mut self.journal, &mut self.greeting);
                let mut noting = Noting { arrived: &mut arrived, journal, greeting, answers };
                self.replies.feed(data, &mut noting)?;
            }
            Reading::Verified(world) => self.verify(data, world, &mut arrived, answers)?,
        }
        Ok(arrived)
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
