//! The closed loop: each connection sends a pipeline of requests, waits for all the replies, and sends the next.
//!
//! Its latency is the time from a batch's sending to a reply's arrival. A server that stalls is asked less in the
//! meantime, so a closed loop shows what a server can do and hides what its clients would suffer: see the open loop.

use super::LoadError;
use super::connection::Arrived;
use super::script::Script;
use super::tally::Window;
use super::transport::Transport;
use super::worker::{Clients, Pacing, Worker, turn};

/// How long the replies to what is in flight are waited for after the end.
const DRAIN: u64 = 2_000_000_000;

/// How far a loop goes; times in nanoseconds of the run's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// Requests sent before this are warm-up.
    pub measured_from: u64,
    /// No request is sent from then on.
    pub ends_at: u64,
    /// Nor are more than this many sent that count.
    pub quota: u64,
}

/// Runs a worker's closed loop.
pub(super) fn run(
    worker: &mut Worker<'_>,
    script: &mut Script,
    course: Course,
    window: Window,
) -> Result<(), LoadError> {
    let Worker { transport, clients } = worker;
    let active = clients.connections.len();
    ClosedLoop { clients, script, course, window, quota: course.quota, active }.run(transport)
}

struct ClosedLoop<'l, 'a> {
    clients: &'l mut Clients<'a>,
    script: &'l mut Script,
    course: Course,
    window: Window,
    /// Measured requests still to be sent.
    quota: u64,
    /// Connections that are not at their end: with a batch in flight, about to send one, or being opened anew.
    active: usize,
}

impl ClosedLoop<'_, '_> {
    fn run(mut self, transport: &mut Transport) -> Result<(), LoadError> {
        let mut now = self.clients.shared.now();
        self.window.advance(now);
        for index in 0..self.clients.connections.len() {
            self.clients.enqueue(index);
        }
        loop {
            self.serve(transport, now)?;
            if self.active == 0 || self.clients.shared.stopping() {
                break;
            }
            let next_edge =
                if self.window.is_open() { self.course.ends_at } else { self.course.measured_from };
            now = self.clients.shared.now();
            turn(transport, &mut self, now, next_edge.max(now + 1))?;
            now = self.clients.shared.now();
            self.window.advance(now);
            self.clients.publish();
            self.clients.tally.advance_log(now);
            if now >= self.course.ends_at {
                self.window.close(now, &mut self.clients.tally);
                if now - self.course.ends_at > DRAIN {
                    break;
                }
            }
        }
        let end = self.clients.shared.now();
        self.window.close(end, &mut self.clients.tally);
        self.clients.tally.unanswered += self.clients.inflight();
        Ok(())
    }

    /// Sends the next batches.
    fn serve(&mut self, transport: &mut Transport, now: u64) -> Result<(), LoadError> {
        let ready = self.clients.take_ready();
        for &index in &ready {
            self.send_batch(index, transport, now)?;
        }
        if transport.defers() {
            // The kernel gets all of them now.
            let now = self.clients.shared.now();
            for &index in &ready {
                self.clients.connections[index].sent_at = now;
            }
        }
        self.clients.served(ready);
        Ok(())
    }

    fn send_batch(&mut self, index: usize, transport: &mut Transport, now: u64) -> Result<(), LoadError> {
        if !self.clients.connections[index].is_idle() {
            return Ok(());
        }
        let measured = now >= self.course.measured_from;
        if now >= self.course.ends_at || (measured && self.quota == 0) {
            self.active -= 1;
            return Ok(());
        }
        if self.clients.renew_if_spent(index, transport) {
            return Ok(());
        }
        let depth = (self.script.depth as u64).min(self.clients.connections[index].remaining);
        let count = if measured { depth.min(self.quota) } else { depth };
        if measured {
            self.quota -= count;
        }
        let batch = self.clients.batch(index, count, self.script);
        let connection = &mut self.clients.connections[index];
        connection.measured = measured;
        connection.sent_at = self.clients.shared.now();
        self.clients.send(index, batch, transport)
    }
}

impl<'a> Pacing<'a> for ClosedLoop<'_, 'a> {
    fn clients(&mut self) -> &mut Clients<'a> {
        self.clients
    }

    #[inline]
    fn arrived(&mut self, index: usize, now: u64, mut arrived: Arrived) {
        self.window.advance(now);
        let connection = &self.clients.connections[index];
        let (sent_at, measured) = (connection.sent_at, connection.measured);
        let complete = connection.inflight == 0;
        if now < self.course.ends_at && self.window.is_open() {
            let replies = u64::from(arrived.replies);
            self.clients.tally.completed += replies;
            if measured {
                self.clients.tally.record((now - sent_at).max(1), replies, &self.clients.answers);
            }
        }
        self.clients.tally.note(&mut arrived, &self.clients.answers);
        if complete {
            self.clients.enqueue(index);
        }
    }
}
