//! The open loop: requests are due at a fixed rate, whether the server keeps up or not.
//!
//! Latency counts from the moment a request was *due*, not from the moment it was sent, so a stall of the server is
//! charged to every request that came due during it, as its clients would feel it (what a closed loop leaves out is
//! known as coordinated omission). Request number `i` of a worker is due at `origin + i x interval` and belongs to
//! connection `i mod connections`; so nothing has to be remembered of a request but its number.

use super::LoadError;
use super::closed::Course;
use super::connection::Connection;
use super::script::Script;
use super::tally::Window;
use super::worker::{TIMER, Worker};
use nix::sys::epoll::EpollFlags;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::time::Duration;

/// How long the requests that are due before the end are still sent and waited for after it. What is not answered
/// by then enters the histogram with the time that it has waited.
const DRAIN: u64 = 10_000_000_000;

/// When requests are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// When the first request is due, in nanoseconds of the run's clock.
    pub origin: u64,
    /// Nanoseconds from one request to the next of this worker.
    pub interval: f64,
}

impl Schedule {
    #[inline]
    fn due(&self, number: u64) -> u64 {
        self.origin + (number as f64 * self.interval) as u64
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
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
        .map_err(io::Error::from)?;
    worker.watch_timer(&timer)?;
    let first_measured = schedule.first_from(course.measured_from);
    let by_time = if course.ends_at == u64::MAX { u64::MAX } else { schedule.first_from(course.ends_at) };
    let total = first_measured.saturating_add(course.quota).min(by_time);
    OpenLoop {
        worker,
        script,
        course,
        schedule,
        window,
        timer,
        first_measured,
        total,
        next: 0,
        answered: 0,
        waiting: Vec::new(),
    }
    .run()
}

/// How many requests may be sent on a connection now.
#[inline]
fn room(script: &Script, connection: &Connection) -> u64 {
    let inflight = u64::from(connection.inflight);
    if connection.has_unsent() || (script.together && inflight > 0) {
        return 0;
    }
    (script.depth as u64).saturating_sub(inflight).min(connection.remaining)
}

struct OpenLoop<'l, 'a> {
    worker: &'l mut Worker<'a>,
    script: &'l mut Script,
    course: Course,
    schedule: Schedule,
    window: Window,
    timer: TimerFd,
    /// Number of the first request that counts.
    first_measured: u64,
    /// Number of requests in all.
    total: u64,
    /// Number of the next request to come due.
    next: u64,
    answered: u64,
    /// Connections that have just come to owe something.
    waiting: Vec<usize>,
}

impl OpenLoop<'_, '_> {
    fn run(mut self) -> Result<(), LoadError> {
        let mut now = self.worker.shared.now();
        let mut armed_for = 0;
        while self.answered < self.total && !self.worker.shared.stopping() {
            self.window.advance(now);
            self.release(now)?;
            let due = if self.next < self.total { self.schedule.due(self.next) } else { u64::MAX };
            now = self.worker.shared.now();
            if due > now && due != u64::MAX && due != armed_for {
                self.arm(due - now)?;
                armed_for = due;
            }
            let count = self.worker.wait(now, due)?;
            now = self.worker.shared.now();
            for index in 0..count {
                let (token, flags) = self.worker.event(index);
                if token == TIMER {
                    self.timer.wait().or_else(nothing_expired)?;
                    continue;
                }
                let token = token as usize;
                if flags.contains(EpollFlags::EPOLLOUT) {
                    self.worker.flush(token)?;
                    self.send_owed(token)?;
                }
                if flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
                    now = self.readable(token, now)?;
                }
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
        self.abandon(end);
        Ok(())
    }

    /// The timer takes over where epoll's milliseconds are too coarse.
    fn arm(&self, nanoseconds: u64) -> Result<(), LoadError> {
        let after = Expiration::OneShot(TimeSpec::from(Duration::from_nanos(nanoseconds.max(1))));
        Ok(self.timer.set(after, TimerSetTimeFlags::empty()).map_err(io::Error::from)?)
    }

    /// Hands every request that has come due to its connection, and sends what can be sent.
    fn release(&mut self, now: u64) -> Result<(), LoadError> {
        let connections = self.worker.connections.len() as u64;
        while self.next < self.total {
            let due = self.schedule.due(self.next);
            if due > now {
                break;
            }
            let token = (self.next % connections) as usize;
            let connection = &mut self.worker.connections[token];
            if connection.owed == 0 {
                if room(self.script, connection) > 0 {
                    self.worker.tally.lag.saturating_record((now - due).max(1));
                }
                self.waiting.push(token);
            }
            connection.owed += 1;
            self.next += 1;
        }
        while let Some(token) = self.waiting.pop() {
            self.send_owed(token)?;
        }
        Ok(())
    }

    /// Sends as many of the requests that connection `token` owes as its pipeline has room for.
    fn send_owed(&mut self, token: usize) -> Result<(), LoadError> {
        let connection = &mut self.worker.connections[token];
        let count = connection.owed.min(room(self.script, connection));
        if count == 0 {
            return Ok(());
        }
        let bytes = self.script.encode(count as usize, connection.number, &mut connection.journal);
        let outcome = connection.send(bytes);
        connection.remaining -= count;
        connection.owed -= count;
        connection.inflight += count as u32;
        self.worker.tally.sent(count);
        self.worker.after_send(token, outcome)
    }

    fn readable(&mut self, token: usize, earlier: u64) -> Result<u64, LoadError> {
        let Some(mut arrived) = self.worker.receive(token)? else { return Ok(earlier) };
        let now = self.worker.shared.now();
        self.window.advance(now);
        if self.window.is_open() && now < self.course.ends_at {
            self.worker.tally.completed += u64::from(arrived.replies);
        }
        for index in 0..arrived.replies as usize {
            let share = self.worker.answers.get(index).map(|answer| answer.share);
            self.record_oldest(token, now, share);
        }
        self.answered += u64::from(arrived.replies);
        self.worker.tally.note(&mut arrived, &self.worker.answers);
        if self.worker.connections[token].inflight == 0 {
            self.worker.renew_if_spent(token)?;
        }
        self.send_owed(token)?;
        Ok(now)
    }

    /// Records the latency of the oldest unanswered request of a connection, as of `now`; `share` is its
    /// part of the mix, if a journal tells.
    fn record_oldest(&mut self, token: usize, now: u64, share: Option<u16>) {
        let connections = self.worker.connections.len() as u64;
        let connection = &mut self.worker.connections[token];
        let number = connection.answered * connections + token as u64;
        connection.answered += 1;
        if number >= self.first_measured {
            let latency = now.saturating_sub(self.schedule.due(number));
            self.worker.tally.record_one(latency.max(1), share);
        }
    }

    /// Requests that were due and never answered count with the time that they have waited.
    fn abandon(&mut self, now: u64) {
        let measured_before = self.worker.tally.latency.len();
        for token in 0..self.worker.connections.len() {
            let connection = &self.worker.connections[token];
            let (inflight, owed) = (u64::from(connection.inflight), connection.owed);
            for _ in 0..inflight {
                let share = self.worker.connections[token].journal.pop_front().map(|asked| asked.share);
                self.record_oldest(token, now, share);
            }
            for _ in 0..owed {
                self.record_oldest(token, now, None);
            }
        }
        self.worker.tally.unanswered += self.worker.tally.latency.len() - measured_before;
    }
}

/// A timer that was armed anew between its firing and its reading has nothing to read.
fn nothing_expired(error: nix::errno::Errno) -> Result<(), LoadError> {
    match error {
        nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR => Ok(()),
        error => Err(io::Error::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_finds_its_own_requests() {
        for interval in [1.0, 3.7, 1_000.0, 12_345.678] {
            let schedule = Schedule { origin: 1_000, interval };
            assert_eq!(schedule.first_from(0), 0);
            for time in [1_000, 1_001, 5_000, 999_999] {
                let number = schedule.first_from(time);
                assert!(schedule.due(number) >= time, "{interval} {time}");
                assert!(number == 0 || schedule.due(number - 1) < time, "{interval} {time}");
            }
        }
    }
}
