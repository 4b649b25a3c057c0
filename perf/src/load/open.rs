//! The open loop: requests are due at a fixed rate, whether the server keeps up or not.
//!
//! Latency counts from the moment a request was *due*, not from the moment it was sent, so a stall of the server is
//! charged to every request that came due during it, as its clients would feel it (what a closed loop leaves out is
//! known as coordinated omission). Requests come due in bursts of one or more: burst number `b` of a worker is due at
//! `origin + b x burst x interval` and belongs to connection `b mod connections`; so nothing has to be remembered of a request
//! but its number.

use super::LoadError;
use super::closed::Course;
use super::connection::{Arrived, Connection};
use super::script::Script;
use super::tally::Window;
use super::transport::Transport;
use super::worker::{Clients, Pacing, Worker, turn};

/// How long the requests that are due before the end are still sent and waited for after it. What is not answered
/// by then enters the histogram with the time that it has waited.
const DRAIN: u64 = 10_000_000_000;

/// When requests are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// When the first request is due, in nanoseconds of the run's clock.
    pub origin: u64,
    /// Nanoseconds from one request to the next of this worker, on average.
    pub interval: f64,
    /// Requests that come due together, on one connection; at least 1.
    pub burst: u64,
}

impl Schedule {
    #[inline]
    fn due(&self, number: u64) -> u64 {
        self.origin + ((number - number % self.burst) as f64 * self.interval) as u64
    }

    /// Which of `connections` request `number` belongs to.
    #[inline]
    fn connection(&self, number: u64, connections: u64) -> usize {
        (number / self.burst % connections) as usize
    }

    /// Number of a connection's request, of those that it has the one at position `at`.
    #[inline]
    fn number(&self, connection: usize, at: u64, connections: u64) -> u64 {
        (at / self.burst * connections + connection as u64) * self.burst + at % self.burst
    }

    /// Number of the first request that is due at `time` or later.
    fn first_from(&self, time: u64) -> u64 {
        let mut number = (time.saturating_sub(self.origin) as f64 / self.interval) as u64;
        while number > 0 && self.due(number - 1) >= time {
            number -= 1;
        }
        while self.due(number) < time {
            number += 1;
        }
        number
    }
}

/// Runs a worker's open loop.
pub(super) fn run(
    worker: &mut Worker<'_>,
    script: &mut Script,
    course: Course,
    schedule: Schedule,
    window: Window,
) -> Result<(), LoadError> {
    let Worker { transport, clients } = worker;
    let first_measured = schedule.first_from(course.measured_from);
    let by_time = if course.ends_at == u64::MAX { u64::MAX } else { schedule.first_from(course.ends_at) };
    let total = first_measured.saturating_add(course.quota).min(by_time);
    OpenLoop {
        clients,
        script,
        course,
        schedule,
        window,
        first_measured,
        total,
        next: 0,
        answered: 0,
        leaving: Vec::new(),
    }
    .run(transport)
}

/// How many requests may be sent on a connection now.
#[inline]
fn room(script: &Script, connection: &Connection) -> u64 {
    let inflight = u64::from(connection.inflight);
    if connection.sending || connection.renewing || (script.together && inflight > 0) {
        return 0;
    }
    (script.depth as u64).saturating_sub(inflight).min(connection.remaining)
}

struct OpenLoop<'l, 'a> {
    clients: &'l mut Clients<'a>,
    script: &'l mut Script,
    course: Course,
    schedule: Schedule,
    window: Window,
    /// Number of the first request that counts.
    first_measured: u64,
    /// Number of requests in all.
    total: u64,
    /// Number of the next request to come due.
    next: u64,
    answered: u64,
    /// When the requests were due that leave now and were held back by nobody but the generator.
    leaving: Vec<u64>,
}

impl OpenLoop<'_, '_> {
    fn run(mut self, transport: &mut Transport) -> Result<(), LoadError> {
        let mut now = self.clients.shared.now();
        while self.answered < self.total && !self.clients.shared.stopping() {
            self.window.advance(now);
            self.release(now);
            self.serve(transport)?;
            let due = if self.next < self.total { self.schedule.due(self.next) } else { u64::MAX };
            now = self.clients.shared.now();
            if transport.defers() {
                // The kernel gets what was sent now.
                self.leave(now);
            }
            let began = now;
            let idle = turn(transport, &mut self, now, due)?;
            now = self.clients.shared.now();
            if idle {
                self.window.idled(now - began);
            }
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
        self.abandon(end);
        Ok(())
    }

    /// Hands every request that has come due to its connection.
    fn release(&mut self, now: u64) {
        let connections = self.clients.connections.len() as u64;
        while self.next < self.total {
            let due = self.schedule.due(self.next);
            if due > now {
                break;
            }
            let index = self.schedule.connection(self.next, connections);
            let connection = &mut self.clients.connections[index];
            if connection.owed == 0 && room(self.script, connection) > 0 {
                connection.held_by_us = Some(due);
            }
            connection.owed += 1;
            self.clients.enqueue(index);
            self.next += 1;
        }
    }

    /// Sends what can be sent, for each connection in one write.
    fn serve(&mut self, transport: &mut Transport) -> Result<(), LoadError> {
        let ready = self.clients.take_ready();
        for &index in &ready {
            self.send_owed(index, transport)?;
        }
        self.clients.served(ready);
        Ok(())
    }

    /// Sends as many of the requests that a connection owes as its pipeline has room for.
    fn send_owed(&mut self, index: usize, transport: &mut Transport) -> Result<(), LoadError> {
        if self.clients.renew_if_spent(index, transport) {
            return Ok(());
        }
        let connection = &mut self.clients.connections[index];
        let count = connection.owed.min(room(self.script, connection));
        if count == 0 {
            return Ok(());
        }
        connection.owed -= count;
        self.leaving.extend(connection.held_by_us.take());
        let batch = self.clients.batch(index, count, self.script);
        if !transport.defers() {
            self.leave(self.clients.shared.now());
        }
        self.clients.send(index, batch, transport)
    }

    /// Notes how late what leaves now is.
    fn leave(&mut self, now: u64) {
        for due in self.leaving.drain(..) {
            self.clients.tally.lag.saturating_record(now.saturating_sub(due).max(1));
        }
    }

    /// Records the latency of the oldest unanswered request of a connection, as of `now`; `share` is its
    /// part of the mix, if a journal tells.
    fn record_oldest(&mut self, index: usize, now: u64, share: Option<u16>) {
        let connections = self.clients.connections.len() as u64;
        let connection = &mut self.clients.connections[index];
        let number = self.schedule.number(index, connection.answered, connections);
        connection.answered += 1;
        if number >= self.first_measured {
            let latency = now.saturating_sub(self.schedule.due(number));
            self.clients.tally.record_one(latency.max(1), share);
        }
    }

    /// Requests that were due and never answered count with the time that they have waited.
    fn abandon(&mut self, now: u64) {
        let measured_before = self.clients.tally.latency.len();
        for index in 0..self.clients.connections.len() {
            let connection = &self.clients.connections[index];
            let (inflight, owed) = (u64::from(connection.inflight), connection.owed);
            for _ in 0..inflight {
                let share = self.clients.connections[index].journal.pop_front().map(|asked| asked.share);
                self.record_oldest(index, now, share);
            }
            for _ in 0..owed {
                self.record_oldest(index, now, None);
            }
        }
        self.clients.tally.unanswered += self.clients.tally.latency.len() - measured_before;
    }
}

impl<'a> Pacing<'a> for OpenLoop<'_, 'a> {
    fn clients(&mut self) -> &mut Clients<'a> {
        self.clients
    }

    #[inline]
    fn arrived(&mut self, index: usize, now: u64, mut arrived: Arrived) {
        self.window.advance(now);
        if self.window.is_open() && now < self.course.ends_at {
            self.clients.tally.completed += u64::from(arrived.replies);
        }
        for reply in 0..arrived.replies as usize {
            let share = self.clients.answers.get(reply).map(|answer| answer.share);
            self.record_oldest(index, now, share);
        }
        self.answered += u64::from(arrived.replies);
        self.clients.tally.note(&mut arrived, &self.clients.answers);
        let connection = &self.clients.connections[index];
        if connection.owed > 0 || connection.remaining == 0 {
            self.clients.enqueue(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_finds_its_own_requests() {
        for interval in [1.0, 3.7, 1_000.0, 12_345.678] {
            let schedule = Schedule { origin: 1_000, interval, burst: 1 };
            assert_eq!(schedule.first_from(0), 0);
            for time in [1_000, 1_001, 5_000, 999_999] {
                let number = schedule.first_from(time);
                assert!(schedule.due(number) >= time, "{interval} {time}");
                assert!(number == 0 || schedule.due(number - 1) < time, "{interval} {time}");
            }
        }
    }

    #[test]
    fn bursts_are_due_together_on_one_connection_after_the_other() {
        let schedule = Schedule { origin: 500, interval: 10.0, burst: 16 };
        assert_eq!([0, 15, 16, 47, 48].map(|number| schedule.due(number)), [500, 500, 660, 820, 980]);
        assert_eq!([0, 15, 16, 47, 48].map(|number| schedule.connection(number, 3)), [0, 0, 1, 2, 0]);
        assert_eq!((schedule.first_from(501), schedule.first_from(660)), (16, 16));
        let mut seen = [0_u64; 3];
        for number in 0..1_000 {
            let connection = schedule.connection(number, 3);
            assert_eq!(schedule.number(connection, seen[connection], 3), number);
            seen[connection] += 1;
        }
    }
}
