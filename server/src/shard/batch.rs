//! What travels between an I/O thread and a worker: runs of commands, each with its connection's session, and
//! the replies on the way back. All buffers are recycled.

use super::executor::{Executor, Stop};
use crate::clients::{Inbox, Session};
use crate::observability::stages::Sample;
use boxcar_resp::{Commands, Protocol, Reply};
use boxcar_sys::Token;
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// The commands that one connection brought in one turn.
pub struct Run {
    /// The connection.
    pub token: Token,
    /// Its session, which is the worker's until the batch returns, unless the connection's command waits then.
    pub session: Option<Box<Session>>,
    /// The raw bytes of the commands.
    pub input: Vec<u8>,
    /// The commands, relative to `input`.
    pub commands: Commands,
    /// Their replies.
    pub reply: Reply,
    /// Where execution stopped.
    pub stop: Stop,
    /// Set when this is observed.
    pub sample: Option<Box<Sample>>,
}

impl Run {
    fn new() -> Self {
        Self {
            token: Token(0),
            session: None,
            input: Vec::new(),
            commands: Commands::default(),
            reply: Reply::new(Protocol::Resp2),
            stop: Stop::Finished,
            sample: None,
        }
    }

    /// The bytes of the commands that were not executed.
    pub fn rest(&self) -> &[u8] {
        match self.stop.unexecuted() {
            None => &[],
            Some(command) => &self.input[self.commands.command(command).start as usize..],
        }
    }
}

/// Runs per batch: enough to make the ring's cost per command vanish, few enough that the first connection's
/// reply does not wait for many others.
pub const RUNS_MAX: usize = 64;
/// Input bytes after which a batch is full.
pub const BYTES_MAX: usize = 256 * 1024;
/// A recycled run keeps buffers up to this size.
const KEPT_BYTES: usize = 64 * 1024;

/// A group of runs for one worker.
pub struct Batch {
    runs: Vec<Run>,
    used: usize,
    bytes: usize,
    home: Arc<ReturnRing>,
}

impl Batch {
    /// An empty batch that returns to `home`.
    pub fn new(home: Arc<ReturnRing>) -> Self {
        Self { runs: Vec::new(), used: 0, bytes: 0, home }
    }

    /// Whether it has no runs.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.used == RUNS_MAX || self.bytes >= BYTES_MAX
    }

    /// The next free run, to be filled in. `bytes` is what its input will hold.
    pub fn add(&mut self, bytes: usize) -> &mut Run {
        assert!(!self.is_full(), "a full batch takes no more");
        if self.used == self.runs.len() {
            self.runs.push(Run::new());
        }
        self.used += 1;
        self.bytes += bytes;
        &mut self.runs[self.used - 1]
    }

    /// The runs in use.
    pub fn runs(&mut self) -> &mut [Run] {
        &mut self.runs[..self.used]
    }

    /// Makes it empty again; large buffers are given back.
    pub fn recycle(&mut self) {
        for run in &mut self.runs[..self.used] {
            assert!(run.session.is_none(), "a session was left in a batch");
            run.input.clear();
            run.input.shrink_to(KEPT_BYTES);
            run.commands.clear();
            run.reply.clear();
            run.reply.buffer_mut().shrink_to(KEPT_BYTES);
            run.stop = Stop::Finished;
            run.sample = None;
        }
        self.used = 0;
        self.bytes = 0;
    }

    /// Executes all runs and sends the batch home.
    pub fn execute(mut self, executor: &Executor, output_limit: usize) {
        for run in self.runs() {
            if let Some(sample) = &mut run.sample {
                sample.begin();
            }
            run.stop =
                executor.execute(&mut run.session, &run.input, &run.commands, &mut run.reply, output_limit);
            if let Some(sample) = &mut run.sample {
                sample.executed(run.stop.unexecuted() == Some(0));
            }
        }
        let home = Arc::clone(&self.home);
        home.push(self);
    }
}

/// The ring on which batches come back to their I/O thread. It has room for every batch of that thread.
pub struct ReturnRing {
    ring: ArrayQueue<Batch>,
    inbox: Arc<Inbox>,
}

impl ReturnRing {
    /// For an I/O thread that owns `batches` batches and is woken through `inbox`.
    pub fn new(batches: usize, inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self { ring: ArrayQueue::new(batches), inbox })
    }

    fn push(&self, batch: Batch) {
        assert!(self.ring.push(batch).is_ok(), "the return ring has room for every batch");
        self.inbox.ring();
    }

    /// The next executed batch.
    pub fn pop(&self) -> Option<Batch> {
        self.ring.pop()
    }

    /// Whether nothing came back.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}
