//! Serving those who wait for a key that has become ready, and what is answered when a wait ends otherwise.

use super::Figures;
use crate::clients::Session;
use crate::clients::waiter::{End, Settled, Waiter};
use crate::commands::call::{answer_error, call};
use crate::commands::keys::ServerKeyspace;
use crate::commands::{Args, Cx, Error, Keys, Server};
use crate::observability::stats::ThreadStats;
use boxcar_resp::Reply;
use boxcar_store::{Place, Record};
use boxcar_sys::clock::Ticks;
use std::sync::atomic::Ordering::Relaxed;

const UNBLOCKED: Error = Error::text("UNBLOCKED client unblocked via CLIENT UNBLOCK");

/// A key that clients wait for and that was changed.
#[derive(Debug)]
pub struct Ready {
    /// Its database.
    pub db: usize,
    /// Where it lives: in a shard that is still locked.
    pub place: Place,
    /// The key.
    pub key: Box<[u8]>,
}

/// Serves the clients that wait for what the last command has changed, while its locks are still held.
#[inline]
pub fn serve<'k>(server: &'k Server, stats: &'k ThreadStats, keys: &mut Keys<'k>) {
    // The arguments that were planned may be gone, and others lie where they were.
    keys.forget_plan();
    while let Some(ready) = keys.next_ready() {
        serve_key(server, stats, keys, &ready);
    }
}

#[cold]
fn serve_key<'k>(server: &'k Server, stats: &'k ThreadStats, keys: &mut Keys<'k>, ready: &Ready) {
    let Ready { db, place, key } = ready;
    let (selected, no_touch) = (keys.db, keys.no_touch);
    keys.db = *db;
    let concerned = keys.shard(place.shard).ext().concerned();
    if let Some(last) = concerned.and_then(|concerned| concerned.waiting.begin_round(*db, key)) {
        let mut from = 0;
        loop {
            let kind = keys.peek(key).map(Record::kind);
            let Some(concerned) = keys.shard(place.shard).ext().concerned() else { break };
            let next = concerned.waiting.next(*db, key, from, last, kind.is_none());
            let Some(waiter) = next else { break };
            from = waiter.ticket + 1;
            if waiter.even_missing || kind == Some(waiter.kind) {
                serve_waiter(server, stats, keys, &waiter);
            }
        }
    }
    (keys.db, keys.no_touch) = (selected, no_touch);
}

/// Executes the command of a client that waits, once more.
fn serve_waiter<'k>(server: &'k Server, stats: &'k ThreadStats, keys: &mut Keys<'k>, waiter: &Waiter) {
    let Some(mut session) = waiter.claim() else {
        leave_held(keys, waiter, &server.blocking.figures);
        return;
    };
    let mut reply = Reply::new(session.protocol);
    keys.no_touch = session.no_touch;
    let executing = keys.news.act_for(session.client.id);
    let mut cx = Cx {
        server,
        session: &mut session,
        keys,
        reply: &mut reply,
        stats,
        command: server.table.entry(waiter.command.command),
        in_transaction: false,
        tick: Ticks::now(),
        serving: true,
        blocked: false,
        again: None,
    };
    call(&mut cx, Args::new(&waiter.command.input, &waiter.command.args));
    let blocked = cx.blocked;
    keys.news.act_for(executing);
    if blocked {
        if !waiter.wait(session) {
            leave_held(keys, waiter, &server.blocking.figures);
        }
        return;
    }
    if session.leaves_reply_out() {
        reply.clear();
    }
    let left_all = leave_held(keys, waiter, &server.blocking.figures);
    waiter.served(session, reply.take(), left_all);
}

/// Takes a waiter out of the queues of the locked shards; true when there are no others.
fn leave_held(keys: &mut Keys<'_>, waiter: &Waiter, figures: &Figures) -> bool {
    let mut left_all = true;
    for (key, place) in waiter.keys() {
        if keys.holds_shard(place.shard) {
            if let Some(concerned) = keys.shard(place.shard).ext().concerned() {
                concerned.waiting.remove(key, waiter, figures);
            }
        } else {
            left_all = false;
        }
    }
    left_all
}

/// Takes a waiter out of all its queues. A shard that is held by a long command is left to housekeeping: the place in
/// its queue means nothing any more.
fn leave_all(keyspace: &ServerKeyspace, waiter: &Waiter, figures: &Figures) {
    for (key, place) in waiter.keys() {
        match keyspace.lock_bounded(place.shard) {
            Some(mut guard) => {
                if let Some(concerned) = guard.ext().concerned() {
                    concerned.waiting.remove(key, waiter, figures);
                }
            }
            None => _ = figures.left_behind.fetch_add(1, Relaxed),
        }
    }
}

/// The end of a wait, on the thread that owns the connection: the session, and the reply to the command.
pub fn settle(
    server: &Server,
    stats: &ThreadStats,
    waiter: &Waiter,
    settled: Settled,
) -> (Box<Session>, Vec<u8>) {
    let Settled { end, mut session, mut reply, left_all } = settled;
    let figures = &server.blocking.figures;
    figures.clients.fetch_sub(1, Relaxed);
    figures.with_timeout.fetch_sub(usize::from(waiter.deadline_us.is_some()), Relaxed);
    waiter.client.set_waiter(None);
    if !left_all {
        leave_all(&server.keyspace, waiter, figures);
    }
    if matches!(end, End::TimedOut | End::Unblocked) {
        let mut answer = Reply::with_buffer(session.protocol, reply);
        let counters = &stats.commands[usize::from(waiter.command.command)];
        counters.calls.add(1);
        stats.metrics.commands_processed.add(1);
        if end == End::TimedOut {
            (waiter.timed_out)(&mut answer);
        } else {
            counters.failed.add(1);
            answer_error(server, stats, &UNBLOCKED, &mut answer);
        }
        if session.leaves_reply_out() {
            answer.clear();
        }
        reply = answer.take();
    }
    (session, reply)
}

/// Forgets the places in queues that were left behind; called now and then by housekeeping.
pub fn sweep(keyspace: &ServerKeyspace, figures: &Figures) {
    if figures.left_behind.swap(0, Relaxed) == 0 {
        return;
    }
    for shard in 0..keyspace.shards() as u32 {
        match keyspace.try_lock(shard) {
            Some(mut guard) => {
                if let Some(concerned) = guard.ext().concerned() {
                    concerned.waiting.sweep(figures);
                }
            }
            None => _ = figures.left_behind.fetch_add(1, Relaxed),
        }
    }
}
