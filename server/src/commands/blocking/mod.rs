//! Blocking commands: BLPOP and its kin wait until a key holds what they want.
//!
//! A blocking command has [`Flags::BLOCKING`](super::Flags) and an ordinary handler, which tries and, when there is
//! nothing to be had, ends with [`Cx::block`]:
//!
//! ```ignore
//! fn blpop(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
//!     let timeout = Timeout::seconds(args, args.len() - 1)?;
//!     let keys = 1..args.len() - 1;
//!     for key in keys.clone().map(|at| args.at(at)) {
//!         if cx.keys.holds(key) && pops(cx, key)? {
//!             return Ok(());
//!         }
//!     }
//!     cx.block(args, Wait::new(keys, Kind::List, timeout))
//! }
//! ```
//!
//! That is all a command has to do. When one of its keys holds a value of this kind, the handler is called again,
//! right after the command (or the whole EXEC) that has changed the key and before its locks are released, first come
//! first served. It may reply, fail, or call [`Cx::block`] again and so keep its place. Only the locks of the key that has
//! become ready, of what else the other command has locked, and of [`Wait::also`] are held then; that is why the
//! handler passes over the keys that are not held: none of them has anything, or the client would have been served.
//!
//! Inside a transaction nothing waits: [`Cx::block`] answers as when the time is up. What has to be done for the
//! reply, statistics and timeouts of a client that waits is done here and in the connection's I/O thread.

mod queues;
mod serve;
mod timeout;

pub use queues::{Figures, Queues};
pub use serve::{Ready, serve, settle, sweep};
pub use timeout::Timeout;

use super::{Args, CommandResult, Cx};
use crate::clients::session::Queued;
use crate::clients::waiter::{Waiter, Wish};
use boxcar_resp::{Reply, Span};
use boxcar_store::Kind;
use boxcar_sys::clock::monotonic_us;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a command waits for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Positions of the keys among the arguments. A key may be named more than once.
    pub keys: Range<usize>,
    /// The kind of value that makes a key worth another try.
    pub kind: Kind,
    /// Whether every change of a key is worth another try, even its removal or a value of another kind.
    pub even_missing: bool,
    /// Position of another key that the command needs when it is served: the destination of BLMOVE.
    pub also: Option<usize>,
    /// How long.
    pub timeout: Timeout,
    /// Writes the reply when the time is up.
    pub timed_out: fn(&mut Reply),
    /// Writes the reply where nothing may wait, inside a transaction.
    pub refused: fn(&mut Reply),
}

impl Wait {
    /// Waits for a value of this kind under one of these keys; answers a null array otherwise.
    pub fn new(keys: Range<usize>, kind: Kind, timeout: Timeout) -> Self {
        let null_array = |reply: &mut Reply| reply.null_array();
        Self {
            keys,
            kind,
            even_missing: false,
            also: None,
            timeout,
            timed_out: null_array,
            refused: null_array,
        }
    }
}

/// What the server knows of all who wait.
#[derive(Debug, Default)]
pub struct Blocking {
    /// For INFO and for housekeeping.
    pub figures: Figures,
    tickets: AtomicU64,
}

impl Cx<'_, '_> {
    /// Ends the handler of a blocking command that has found nothing: the client waits, without a reply; inside a
    /// transaction it is answered at once. See the module's text.
    ///
    /// # Errors
    /// None; the result is the handler's.
    #[expect(clippy::needless_pass_by_value, reason = "handlers describe the wait where they begin it")]
    pub fn block(&mut self, args: Args<'_>, wait: Wait) -> CommandResult {
        if self.in_transaction {
            (wait.refused)(self.reply);
            return Ok(());
        }
        self.blocked = true;
        if !self.serving {
            self.queue_up(args, &wait);
        }
        Ok(())
    }

    fn queue_up(&mut self, args: Args<'_>, wait: &Wait) {
        let blocking = &self.server.blocking;
        let place = |position: usize| self.keys.locate(args.at(position));
        let keys = wait.keys.clone().map(|position| (position as u32, place(position))).collect();
        let waiter = Waiter::new(
            &self.session.client,
            Wish {
                command: copy(self.command.id, args),
                protocol: self.session.protocol,
                db: self.keys.db,
                ticket: blocking.tickets.fetch_add(1, Relaxed),
                deadline_us: wait
                    .timeout
                    .millis()
                    .map(|millis| millis.saturating_mul(1000).saturating_add(monotonic_us())),
                kind: wait.kind,
                even_missing: wait.even_missing,
                keys,
                links: wait.also.into_iter().map(|position| place(position).shard).collect(),
                timed_out: wait.timed_out,
            },
        );
        for (key, place) in waiter.keys() {
            self.keys.shard(place.shard).ext().concern().waiting.add(key, &waiter, &blocking.figures);
        }
        blocking.figures.clients.fetch_add(1, Relaxed);
        blocking.figures.with_timeout.fetch_add(usize::from(waiter.deadline_us.is_some()), Relaxed);
        self.session.client.set_waiter(Some(waiter));
    }
}

/// A copy of a command: its buffer moves on while the client waits.
fn copy(command: u16, args: Args<'_>) -> Queued {
    let mut input = Vec::with_capacity(args.from(0).map(<[u8]>::len).sum());
    let spans = args.from(0).map(|arg| {
        let span = Span { start: input.len() as u32, len: arg.len() as u32 };
        input.extend_from_slice(arg);
        span
    });
    let args = spans.collect();
    Queued { command, input: input.into(), args }
}
