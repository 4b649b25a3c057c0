//! Connections whose command waits: their sessions are away until somebody serves them or the wait ends otherwise.

use super::io_thread::State;
use crate::clients::waiter::End;
use crate::commands::blocking;
use boxcar_sys::Token;
use boxcar_sys::clock::{monotonic_us, wall_ms};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl State {
    /// The connection's last command waits.
    pub fn await_session(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let waiter = connection.client.waiter().expect("a client that waits has a waiter");
        if let Some(deadline) = waiter.deadline_us {
            self.deadlines.insert((deadline, connection.token.0));
        }
        if connection.closed {
            waiter.end(End::Left);
        } else if connection.read_closed {
            self.kill.push(connection.token);
        }
        connection.waiter = Some(waiter);
        // It may be over already, and the message have come before the run was back from its worker.
        let token = connection.token;
        self.take_home(token);
    }

    /// The wait of a connection has ended: takes its session back, and the reply.
    pub fn take_home(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token.index()).filter(|c| c.token == token) else {
            return;
        };
        let Some(waiter) = connection.waiter.as_ref().map(Arc::clone) else { return };
        let Some(settled) = waiter.take_home() else { return };
        connection.waiter = None;
        if let Some(deadline) = waiter.deadline_us {
            self.deadlines.remove(&(deadline, token.0));
        }
        let (session, reply) = blocking::settle(&self.server, &self.stats, &waiter, settled);
        connection.client.active_ms.store(wall_ms(), Relaxed);
        // What was sent to it meanwhile came first.
        connection.session = Some(session);
        connection.take_pushes(usize::MAX);
        connection.out.raw(&reply);
        let index = token.index();
        if connection.gone {
            self.remove(index);
        } else {
            self.ready.push_back(token);
            self.mark_dirty(index);
        }
    }

    /// Ends the waits whose time is up.
    pub fn end_waits(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = monotonic_us();
        while let Some(&(deadline, token)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(waiter) =
                self.connection(Token(token)).and_then(|connection| connection.waiter.as_ref())
            {
                waiter.end(End::TimedOut);
            }
        }
    }

    /// How long until the first wait is to end.
    pub fn next_deadline(&self) -> Option<Duration> {
        let (deadline, _) = self.deadlines.first()?;
        Some(Duration::from_micros(deadline.saturating_sub(monotonic_us())))
    }
}
