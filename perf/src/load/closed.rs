//! The closed loop: each connection sends a pipeline of requests, waits for all the replies, and sends the next.
//!
//! Its latency is the time from a batch's sending to a reply's arrival. A server that stalls is asked less in the
//! meantime, so a closed loop shows what a server can do and hides what its clients would suffer: see the open loop.

use super::LoadError;
use super::script::Script;
use super::tally::Window;
use super::worker::Worker;
use nix::sys::epoll::EpollFlags;

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
    ClosedLoop { worker, script, course, window, quota: course.quota, busy: 0 }.run()
}

struct ClosedLoop<'l, 'a> {
    worker: &'l mut Worker<'a>,
    script: &'l mut Script,
    course: Course,
    window: Window,
    /// Measured requests still to be sent.
    quota: u64,
    /// Connections with a batch in flight.
    busy: usize,
}

impl ClosedLoop<'_, '_> {
    fn run(mut self) -> Result<(), LoadError> {
        let mut now = self.worker.shared.now();
        self.window.advance(now);
        for token in 0..self.worker.connections.len() {
            now = self.worker.shared.now();
            self.send_batch(token, now)?;
        }
        while self.busy > 0 && !self.worker.shared.stopping() {
            let next_edge =
                if self.window.is_open() { self.course.ends_at } else { self.course.measured_from };
            let count = self.worker.wait(now, next_edge.max(now + 1))?;
            for index in 0..count {
                let (token, flags) = self.worker.event(index);
                let token = token as usize;
                if flags.contains(EpollFlags::EPOLLOUT) {
                    self.worker.flush(token)?;
                }
                if flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
                    now = self.readable(token, now)?;
                }
            }
            if count == 0 {
                now = self.worker.shared.now();
                self.window.advance(now);
            }
            self.worker.publish();
            self.worker.tally.advance_log(now);
            if now >= self.course.ends_at {
                self.window.close(now, &mut self.worker.tally);
                if now - self.course.ends_at > DRAIN {
                    break;
                }
            }
        }
        let end = self.worker.shared.now();
        self.window.close(end, &mut self.worker.tally);
        self.worker.tally.unanswered += self.worker.inflight();
        Ok(())
    }

    /// Takes what arrived on `token`, and sends the next batch when the last one is complete. Returns the time.
    #[inline]
    fn readable(&mut self, token: usize, earlier: u64) -> Result<u64, LoadError> {
        let Some(mut arrived) = self.worker.receive(token)? else { return Ok(earlier) };
        let now = self.worker.shared.now();
        self.window.advance(now);
        let connection = &self.worker.connections[token];
        let (sent_at, complete) = (connection.sent_at, connection.inflight == 0);
        if now < self.course.ends_at && self.window.is_open() {
            let replies = u64::from(arrived.replies);
            self.worker.tally.completed += replies;
            if sent_at >= self.course.measured_from {
                self.worker.tally.record((now - sent_at).max(1), replies, &self.worker.answers);
            }
        }
        self.worker.tally.note(&mut arrived, &self.worker.answers);
        if complete {
            self.busy -= 1;
            self.worker.renew_if_spent(token)?;
            self.send_batch(token, now)?;
        }
        Ok(now)
    }

    fn send_batch(&mut self, token: usize, now: u64) -> Result<(), LoadError> {
        if now >= self.course.ends_at {
            return Ok(());
        }
        let measured = now >= self.course.measured_from;
        let connection = &mut self.worker.connections[token];
        let depth = (self.script.depth as u64).min(connection.remaining);
        let count = if measured { depth.min(self.quota) } else { depth };
        if count == 0 {
            return Ok(());
        }
        if measured {
            self.quota -= count;
        }
        let bytes = self.script.encode(count as usize, connection.number, &mut connection.journal);
        let outcome = connection.send(bytes);
        connection.remaining -= count;
        connection.sent_at = now;
        connection.inflight = count as u32;
        self.busy += 1;
        self.worker.tally.sent(count);
        self.worker.after_send(token, outcome)
    }
}
