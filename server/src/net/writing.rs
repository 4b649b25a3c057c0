//! From replies to sent bytes: one send per connection and turn, and the bounds of the output.

use super::connection::KEPT_BYTES;
use super::io_thread::{IoThread, State};
use crate::clients::pubsub::Message;
use crate::observability::stages::Stage;
use boxcar_sys::{Sent, Token};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Empty send buffers a thread keeps: as many as a turn can have in flight at most times.
const BUFFERS_MAX: usize = 1024;
/// Messages are copied into one send until it has so many bytes.
const PUSHED_AT_ONCE: usize = KEPT_BYTES;
/// Unread bytes at which a connection gets no more messages but is closed, where `client-output-buffer-limit` sets no
/// limit: with so many behind, nobody reads any more.
const UNREAD_MAX: usize = 1 << 30;

impl IoThread {
    /// Sends what the turn has produced and closes what has come to its end.
    pub(super) fn flush(&mut self) {
        let (driver, state) = self.parts();
        let mut dirty = std::mem::take(&mut state.dirty);
        let mut ended = Vec::new();
        for index in dirty.drain(..) {
            let Some(connection) = state.connections.get_mut(index) else { continue };
            connection.dirty = false;
            if connection.closed {
                continue;
            }
            let hard = state.server.output_limit(connection.client.class()).hard;
            if hard != 0 && connection.output_bytes() as u64 > hard {
                // As Redis: what is too much is not sent either.
                state.over_output_limit(index);
                continue;
            }
            if connection.sending == 0 {
                connection.take_pushes(PUSHED_AT_ONCE);
            }
            if connection.sending == 0 && !connection.out.is_empty() {
                let empty = state.buffers.pop().unwrap_or_default();
                let buffer = std::mem::replace(connection.out.buffer_mut(), empty);
                let bytes = buffer.len();
                connection.sending = bytes;
                state.stats.metrics.writes_processed.add(1);
                state.stats.metrics.net_output_bytes.add(bytes as u64);
                let total = &connection.client.net_bytes[1];
                total.store(total.load(Relaxed) + bytes as u64, Relaxed);
                let token = connection.token;
                if let Some(sample) = &mut connection.sample
                    && sample.reached() == Some(Stage::Executed)
                {
                    sample.reach(Stage::Written);
                    // Its end is to be seen when it happens, not when something else does.
                    state.awaits_send = true;
                }
                match driver.send(token, buffer) {
                    Sent::Pending => {
                        state.awaits_send |= connection.closing
                            || connection.read_closed
                            || connection.held.output_full
                            || !connection.pushes.is_empty();
                    }
                    Sent::Done(buffer) => state.reply_sent(token, buffer, Ok(())),
                    Sent::Failed(buffer, error) => state.reply_sent(token, buffer, Err(error)),
                }
            }
            if state.is_at_end(index) {
                ended.push(state.connections[index].token);
            }
        }
        // Sends that were done at once may have marked connections again.
        dirty.append(&mut state.dirty);
        state.dirty = dirty;
        for token in ended {
            self.close(token);
        }
        for token in std::mem::take(&mut self.parts().1.kill) {
            self.close(token);
        }
    }
}

impl State {
    /// A send is over.
    pub fn reply_sent(&mut self, token: Token, mut buffer: Vec<u8>, result: io::Result<()>) {
        if buffer.capacity() <= KEPT_BYTES && self.buffers.len() < BUFFERS_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
        let Some(connection) = self.connection(token) else { return };
        connection.sending = 0;
        if let Err(error) = result {
            tracing::debug!("Error writing to client {}: {error}", connection.client.id);
            if !connection.closed {
                self.kill.push(token);
            }
            return;
        }
        if let Some(mut sample) = connection.sample.take_if(|sample| sample.reached() == Some(Stage::Written))
        {
            sample.reach(Stage::Sent);
            self.stats.record_stages(&sample);
        }
        let Some(connection) = self.connection(token) else { return };
        let resumes = std::mem::take(&mut connection.held.output_full);
        let more = !connection.out.is_empty()
            || !connection.pushes.is_empty()
            || connection.closing
            || connection.read_closed;
        if resumes {
            self.ready.push_back(token);
        }
        if more {
            self.mark_dirty(token.index());
        }
    }

    /// Whether nothing is left to do for a connection: it wants to close, or its peer sends nothing any more and
    /// everything is answered.
    fn is_at_end(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        let answered = || connection.may_execute() && !self.ready.contains(&connection.token);
        connection.output_bytes() == 0
            && connection.session.is_some()
            && (connection.closing || (connection.read_closed && answered()))
    }

    /// Takes a message that another thread has for one connection.
    pub fn take_push(&mut self, token: Token, bytes: &Arc<[u8]>) {
        if let Some(connection) = self.connection(token) {
            connection.client.pushed_bytes.fetch_sub(bytes.len(), Relaxed);
            self.push(token, bytes);
        }
    }

    /// Takes a published message for those connections that listen.
    pub fn deliver(&mut self, message: &Message) {
        let subscribers = Arc::clone(&self.subscribers);
        for (topic, bytes) in message.copies() {
            subscribers.visit(topic, |token| self.push(token, bytes));
        }
    }

    /// Appends a message to a connection's output, or closes the connection when it has too much already.
    fn push(&mut self, token: Token, bytes: &Arc<[u8]>) {
        let Some(connection) = self.connection(token).filter(|connection| connection.takes_pushes()) else {
            return;
        };
        connection.push(bytes);
        let (waiting, class) = (connection.output_bytes(), connection.client.class());
        connection.client.output_bytes.store(waiting, Relaxed);
        let hard = match self.server.output_limit(class).hard as usize {
            0 => UNREAD_MAX,
            hard => hard,
        };
        if waiting > hard {
            self.over_output_limit(token.index());
        } else {
            self.mark_dirty(token.index());
        }
    }

    /// Looks at the output limits of a connection; called where output has grown and now and then.
    pub fn check_output(&mut self, index: usize, now_ms: i64) {
        let connection = &mut self.connections[index];
        let limit = self.server.output_limit(connection.client.class());
        let waiting = connection.output_bytes();
        connection.client.output_bytes.store(waiting, Relaxed);
        let above = |bound: u64| bound != 0 && waiting as u64 > bound;
        if above(limit.hard) {
            self.over_output_limit(index);
        } else if above(limit.soft) {
            let since = *connection.above_soft_since.get_or_insert(now_ms);
            if now_ms - since > limit.soft_seconds as i64 * 1000 {
                self.over_output_limit(index);
            }
        } else {
            connection.above_soft_since = None;
        }
    }

    pub fn over_output_limit(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.closing = true;
        tracing::warn!(
            "Client id={} addr={} scheduled to be closed ASAP for overcoming of output buffer limits.",
            connection.client.id,
            connection.client.address
        );
        self.stats.metrics.output_buffer_limit_disconnections.add(1);
        self.kill.push(connection.token);
    }
}
