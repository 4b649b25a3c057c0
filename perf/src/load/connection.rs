//! One connection: what is in flight on it, what could not be written yet, and its reply stream.

use super::replies::{Replies, Reply, ReplyError, Shape, Sink};
use super::requests::{Kind, Operation, Values};
use socket2::Socket;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// A connection and its pipeline.
#[derive(Debug)]
pub(super) struct Connection {
    pub socket: Socket,
    replies: Replies,
    /// Requests sent and not answered.
    pub inflight: u32,
    /// When the batch in flight was sent (closed loop), in nanoseconds of the run's clock.
    pub sent_at: u64,
    /// Requests that are due and not sent (open loop).
    pub owed: u64,
    /// Requests answered since the schedule began (open loop).
    pub answered: u64,
    /// Bytes that the socket did not take, from `unsent_from` on.
    unsent: Vec<u8>,
    unsent_from: usize,
    /// What was asked, oldest first; only filled when replies are verified.
    pub journal: VecDeque<Operation>,
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
    /// Key and reply of the first mismatch.
    pub mismatch: Option<(u64, String)>,
}

/// Longest part of a server's text that is kept for messages.
const MAX_SHOWN: usize = 200;

impl Connection {
    /// `shape`: see [`Replies::new`].
    pub fn new(socket: Socket, shape: Option<Shape>) -> Connection {
        Connection {
            socket,
            replies: Replies::new(shape),
            inflight: 0,
            sent_at: 0,
            owed: 0,
            answered: 0,
            unsent: Vec::new(),
            unsent_from: 0,
            journal: VecDeque::new(),
        }
    }

    /// Whether bytes wait for the socket to become writable.
    pub fn has_unsent(&self) -> bool {
        self.unsent_from < self.unsent.len()
    }

    /// Sends `bytes`; what the socket does not take is kept. Must not be called while something is kept.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!self.has_unsent(), "a batch is sent only after the one before it has left");
        let sent = write(&self.socket, bytes)?;
        if sent < bytes.len() {
            self.unsent.clear();
            self.unsent_from = 0;
            self.unsent.extend_from_slice(&bytes[sent..]);
        }
        Ok(())
    }

    /// Sends more of what was kept.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.has_unsent() {
            self.unsent_from += write(&self.socket, &self.unsent[self.unsent_from..])?;
        }
        Ok(())
    }

    /// Reads once into `buffer` and counts the replies. `None`: nothing was there. `Some(Err)`: not RESP.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        values: Option<&Values>,
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
        let outcome = match values {
            None => self.replies.feed(data, &mut Counting { arrived: &mut arrived }),
            Some(values) => {
                let mut verifying = Verifying { arrived: &mut arrived, journal: &mut self.journal, values };
                self.replies.feed(data, &mut verifying)
            }
        };
        Ok(Some(outcome.map(|()| arrived)))
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

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_SHOWN)]).into_owned()
}

impl Arrived {
    fn failed(&mut self, text: &[u8]) {
        self.errors += 1;
        if self.error.is_none() {
            self.error = Some(shown(text));
        }
    }
}

/// Counts, and looks no closer.
struct Counting<'a> {
    arrived: &'a mut Arrived,
}

impl Sink for Counting<'_> {
    #[inline]
    fn expected(&mut self, values: u32, statuses: u32) {
        self.arrived.values += values;
        self.arrived.replies += values + statuses;
    }

    fn piece(&mut self, _size: usize, _offset: usize, _piece: &[u8]) {}

    fn reply(&mut self, reply: Reply<'_>) {
        self.arrived.replies += 1;
        match reply {
            Reply::Bulk(_) => self.arrived.values += 1,
            Reply::Null => self.arrived.nulls += 1,
            Reply::Error(text) => self.arrived.failed(text),
            Reply::Status(_) | Reply::Other => {}
        }
    }
}

/// Checks each reply against the request that it answers.
struct Verifying<'a> {
    arrived: &'a mut Arrived,
    journal: &'a mut VecDeque<Operation>,
    values: &'a Values,
}

impl Verifying<'_> {
    fn mismatch(&mut self, key: u64, what: String) {
        self.arrived.mismatches += 1;
        if self.arrived.mismatch.is_none() {
            self.arrived.mismatch = Some((key, what));
        }
    }
}

impl Sink for Verifying<'_> {
    fn expected(&mut self, _values: u32, _statuses: u32) {
        unreachable!("replies that are verified are never stepped over");
    }

    fn piece(&mut self, size: usize, offset: usize, piece: &[u8]) {
        let Some(front) = self.journal.front_mut() else { return };
        if front.kind == Kind::Get && !front.wrong && !self.values.matches(front.key, size, offset, piece) {
            front.wrong = true;
            let key = front.key;
            self.mismatch(key, format!("{size} bytes, wrong at or after byte {offset}: {:?}", shown(piece)));
        }
    }

    fn reply(&mut self, reply: Reply<'_>) {
        self.arrived.replies += 1;
        // A reply to nothing is found by the caller, who counts what is in flight.
        let Some(Operation { kind, key, wrong }) = self.journal.pop_front() else { return };
        match (kind, reply) {
            (Kind::Get, Reply::Bulk(size)) => {
                self.arrived.values += 1;
                // An empty value comes without a piece.
                if !wrong && size != self.values.size(key) {
                    self.mismatch(key, format!("a value of {size} bytes"));
                }
            }
            (Kind::Get, Reply::Null) => self.arrived.nulls += 1,
            (Kind::Set, Reply::Status(b"OK")) => {}
            (_, Reply::Error(text)) => self.arrived.failed(text),
            (_, reply) => self.mismatch(key, format!("an unexpected kind of reply: {reply:?}")),
        }
    }
}
