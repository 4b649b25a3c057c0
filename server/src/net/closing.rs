//! Ends of connections: kills, time limits, and letting go of everything.

use super::io_thread::{IoThread, State};
use crate::clients::ClientFlags;
use crate::clients::waiter::End;
use crate::config::rows;
use boxcar_sys::{Token, Wait};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a stopping server waits for the kernel to let go of its connections.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

impl IoThread {
    /// Closes a connection now; replies not yet sent are lost.
    pub(super) fn close(&mut self, token: Token) {
        let (driver, state) = self.parts();
        let Some(connection) = state.connection(token).filter(|connection| !connection.closed) else {
            return;
        };
        connection.closed = true;
        if let Some(waiter) = &connection.waiter {
            waiter.end(End::Left);
        }
        driver.close(token);
    }

    /// The end of the thread: stops listening, sends what is ready, closes everything.
    pub(super) fn drain(mut self) {
        let ids: Vec<_> = self.parts().1.listeners.iter().map(|listener| listener.id).collect();
        for id in ids {
            self.parts().0.stop_listening(id);
        }
        self.flush();
        let tokens: Vec<Token> =
            self.parts().1.connections.iter().map(|(_, connection)| connection.token).collect();
        for token in tokens {
            self.close(token);
        }
        let deadline = Instant::now() + DRAIN_LIMIT;
        while !self.parts().1.connections.is_empty() && Instant::now() < deadline {
            let (driver, state) = self.parts();
            if driver.turn(Wait::For(Duration::from_millis(10)), state).is_err() {
                break;
            }
            state.take_returns();
            state.read_mail();
        }
    }
}

impl State {
    /// The kernel has let go of a connection.
    pub fn forget(&mut self, token: Token) {
        let Some(connection) = self.connection(token) else { return };
        if connection.session.is_some() {
            self.remove(token.index());
        } else {
            // A worker or a waiter still has the session; the entry goes when it comes back.
            connection.gone = true;
        }
    }

    /// Removes the entry of a connection that is completely over.
    pub fn remove(&mut self, index: usize) {
        let mut connection = self.connections.remove(index);
        if let Some(session) = &mut connection.session {
            session.unsubscribe(&self.server.pubsub);
            session.stop_tracking(&self.server.tracking);
            if session.monitor {
                self.server.monitors.remove(&connection.client);
            }
        }
        self.server.clients.deregister(&connection.client);
        self.server.clients.leave(connection.client.flags().contains(ClientFlags::ADMIN));
    }

    /// What is due about ten times a second: idle connections, soft output limits, ended pauses.
    pub fn tick(&mut self, now_ms: i64) {
        self.unpause(now_ms);
        let idle_limit_ms = self.server.config.int(rows::TIMEOUT) * 1000;
        let indices: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        for index in indices {
            self.check_output(index, now_ms);
            let connection = &self.connections[index];
            let idle_ms = now_ms - connection.client.active_ms.load(Relaxed);
            let exempt = connection
                .session
                .as_ref()
                .is_none_or(|session| session.monitor || session.subscriptions.is_some());
            if idle_limit_ms > 0 && idle_ms > idle_limit_ms && !exempt {
                tracing::debug!("Closing idle client");
                self.kill.push(connection.token);
            }
        }
    }
}
