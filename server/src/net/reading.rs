//! From received bytes to executed commands.

use super::connection::{Connection, KEPT_BYTES};
use super::io_thread::State;
use crate::clients::ClientFlags;
use crate::commands::Server;
use crate::commands::server_state::ActiveDispatch;
use crate::config::rows;
use crate::observability::stages::Sample;
use crate::shard::executor::Stop;
use boxcar_resp::{Limits, Parser, Progress, Status, encode_command};
use boxcar_sys::{Handler, ListenerId, Reading, Token};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

impl Handler for State {
    fn accepted(&mut self, listener: ListenerId, socket: OwnedFd) {
        self.accepted.push((listener, socket));
    }

    fn accept_failed(&mut self, _: ListenerId, error: &io::Error) {
        tracing::warn!("Accepting client connection: {error}");
    }

    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading {
        self.rang = true;
        self.inbox.awake();
        self.stats.metrics.net_input_bytes.add(data.len() as u64);
        self.stats.metrics.reads_processed.add(1);
        let sampled = self.sampler.take();
        let Some(connection) = self.connection(token) else { return Reading::Pause };
        if let Some(woke) = sampled
            && connection.sample.is_none()
            && connection.input.is_empty()
            && connection.may_execute()
        {
            connection.sample = Some(Box::new(Sample::new(woke)));
        }
        let total = &connection.client.net_bytes[0];
        total.store(total.load(Relaxed) + data.len() as u64, Relaxed);
        if connection.closing || connection.closed {
            return Reading::Continue;
        }
        let index = token.index();
        if connection.gathered {
            connection.input.extend_from_slice(data);
        } else if connection.input.is_empty() && connection.may_execute() {
            if self.gather(index, data) {
                return Reading::Continue;
            }
            let consumed = self.run(index, data, None);
            let connection = &mut self.connections[index];
            // The rest of a command comes when the client likes: that is no time of ours.
            connection.sample.take_if(|sample| sample.reached().is_none());
            if !connection.closing {
                connection.input.extend_from_slice(&data[consumed..]);
            }
        } else {
            connection.input.extend_from_slice(data);
            if connection.may_execute() {
                self.run_input(index, None);
            }
        }
        self.check_input(index)
    }

    fn read_closed(&mut self, token: Token, error: Option<io::Error>) {
        let Some(connection) = self.connection(token) else { return };
        connection.read_closed = true;
        match error {
            Some(error) => {
                tracing::debug!("Reading from client {}: {error}", connection.client.id);
                self.kill.push(token);
            }
            // As Redis: who waits and sends nothing any more is taken to have left.
            None if connection.waiter.is_some() => self.kill.push(token),
            None => self.mark_dirty(token.index()),
        }
    }

    fn sent(&mut self, token: Token, buffer: Vec<u8>, result: io::Result<()>) {
        self.reply_sent(token, buffer, result);
    }

    fn doorbell(&mut self) {
        self.rang = true;
    }

    fn closed(&mut self, token: Token) {
        self.forget(token);
    }
}

impl State {
    /// Executes the waiting input of connections that may go on.
    pub fn run_ready(&mut self) {
        // Those that become ready meanwhile wait for the next turn: no connection keeps the thread.
        for _ in 0..self.ready.len() {
            let Some(token) = self.ready.pop_front() else { break };
            let Some(connection) = self.connection(token) else { continue };
            if connection.may_execute() && !connection.input.is_empty() {
                self.run_input(token.index(), None);
            }
            self.check_input(token.index());
            self.mark_dirty(token.index());
        }
    }

    /// Executes what waits in the connection's input buffer; see [`State::run`].
    pub(super) fn run_input(&mut self, index: usize, parsed: Option<Progress>) {
        let mut input = std::mem::take(&mut self.connections[index].input);
        let consumed = self.run(index, &input, parsed);
        let connection = &mut self.connections[index];
        if connection.closing || consumed == input.len() {
            input.clear();
            input.shrink_to(KEPT_BYTES);
        } else {
            input.drain(..consumed);
        }
        connection.input = input;
    }

    /// Enforces the bounds of the input buffer.
    pub(super) fn check_input(&mut self, index: usize) -> Reading {
        let limit = self.server.config.bytes(rows::CLIENT_QUERY_BUFFER_LIMIT) as usize;
        let connection = &mut self.connections[index];
        let waiting = connection.input.len();
        connection.client.query_bytes.store(waiting, Relaxed);
        if waiting > limit {
            tracing::warn!(
                "Closing client that reached max query buffer length: {} (qbuf={waiting})",
                connection.client.address
            );
            let token = connection.token;
            self.stats.metrics.query_buffer_limit_disconnections.add(1);
            self.kill.push(token);
            return Reading::Pause;
        }
        let pause = connection.wants_pause();
        if connection.reading_paused && !pause {
            self.resume.push(connection.token);
        }
        connection.reading_paused = pause;
        if pause { Reading::Pause } else { Reading::Continue }
    }

    /// Parses and executes `data`, which starts at the first unconsumed byte; returns how much is done with. The parser may
    /// have been asked once already: then `parsed` is its answer and `commands` has what it found.
    fn run(&mut self, index: usize, data: &[u8], mut parsed: Option<Progress>) -> usize {
        let mut position = 0;
        while self.connections[index].may_execute() {
            let progress = parsed.take().unwrap_or_else(|| {
                let connection = &mut self.connections[index];
                let (limits, max) = bounds(&self.server, connection);
                self.commands.clear();
                connection.parser.parse(&data[position..], &limits, max, &mut self.commands)
            });
            if !self.commands.is_empty() {
                let done = self.execute(index, &data[position..], progress.consumed);
                if done < progress.consumed {
                    return position + done;
                }
            }
            position += progress.consumed;
            let connection = &mut self.connections[index];
            match progress.status {
                Status::Full => {}
                Status::NeedMore { missing } => {
                    reserve(connection, data.len() - position, missing);
                    break;
                }
                _ if !connection.may_execute() => {
                    // What the parser found next waits until the commands before it are done.
                    connection.parser = Parser::new();
                    break;
                }
                Status::Quoted { line_len, argv } => {
                    if self.execute_inline(index, &argv) {
                        position += line_len;
                    }
                }
                Status::Error(error) => {
                    connection.take_pushes(usize::MAX);
                    connection.out.error(error.reply_text());
                    connection.closing = true;
                    self.stats.metrics.error_replies.add(1);
                    self.mark_dirty(index);
                    return data.len();
                }
            }
        }
        if parsed.is_some() {
            // Nothing of what it has seen was executed.
            self.connections[index].parser = Parser::new();
        }
        position
    }

    /// Executes the parsed commands, here or on a worker; returns how many of the `consumed` bytes are done with.
    fn execute(&mut self, index: usize, input: &[u8], consumed: usize) -> usize {
        self.keep_order(index);
        self.connections[index].sample_parsed();
        let at_home = std::mem::take(&mut self.connections[index].at_home);
        if self.server.dispatch() == ActiveDispatch::Rings && !at_home {
            return if self.dispatch(index, &input[..consumed]) { consumed } else { 0 };
        }
        let limit = self.server.output_bound();
        let connection = &mut self.connections[index];
        if let Some(sample) = &mut connection.sample {
            sample.begin();
        }
        let (session, out) = (&mut connection.session, &mut connection.out);
        let stop = self.executor.execute(session, input, &self.commands, out, limit);
        if let Some(sample) = &mut connection.sample {
            sample.executed(stop.unexecuted() == Some(0));
        }
        connection.settle_sample(stop);
        self.mark_dirty(index);
        let done = match stop.unexecuted() {
            None => consumed,
            Some(command) => self.commands.command(command).start as usize,
        };
        if done < consumed {
            self.connections[index].parser = Parser::new();
        }
        if matches!(stop, Stop::Mail { .. }) {
            self.ready.push_back(self.connections[index].token);
        }
        self.hold(index, stop);
        done
    }

    /// Remembers why a connection's commands stopped.
    pub fn hold(&mut self, index: usize, stop: Stop) {
        let connection = &mut self.connections[index];
        match stop {
            Stop::Finished => {}
            Stop::Closing => connection.closing = true,
            Stop::Parked { .. } => {
                if std::mem::take(&mut connection.woken) {
                    self.ready.push_back(connection.token);
                } else {
                    connection.held.parked = true;
                }
            }
            Stop::Paused { .. } => {
                connection.held.paused = true;
                self.paused.push(connection.token);
            }
            Stop::OutputFull { .. } => connection.held.output_full = true,
            Stop::Blocked { .. } => self.await_session(index),
            Stop::Home { .. } => connection.at_home = true,
            Stop::Mail { .. } => {}
            Stop::Yielded { .. } => self.ready.push_back(connection.token),
        }
    }

    /// Sees to it that what was sent to a connection before its next command is executed also comes before the reply.
    fn keep_order(&mut self, index: usize) {
        if self.connections[index].client.flags().intersects(ClientFlags::LISTENS) {
            self.read_mail();
        }
        self.connections[index].take_pushes(usize::MAX);
    }

    /// Executes an inline command that had to be unescaped, in its multibulk form. False when it was not executed
    /// and has to be parsed again later.
    fn execute_inline(&mut self, index: usize, argv: &[Vec<u8>]) -> bool {
        let mut encoded = Vec::new();
        encode_command(&mut encoded, argv);
        self.commands.clear();
        let progress = Parser::new().parse(&encoded, &Limits::default(), 1, &mut self.commands);
        assert!(self.commands.len() == 1, "an encoded command is one command");
        self.execute(index, &encoded, progress.consumed) == progress.consumed
    }
}

/// What the connection may send at present, and how many commands are to be parsed at once.
pub(super) fn bounds(server: &Server, connection: &Connection) -> (Limits, usize) {
    let authenticated = connection.session.as_ref().is_some_and(|session| session.authenticated);
    let max_bulk_len = server.config.bytes(rows::PROTO_MAX_BULK_LEN) as usize;
    // Before authentication one at a time: the next command may be the AUTH that lifts the limits.
    let max = if authenticated { server.config.int(rows::BATCH_COMMANDS) as usize } else { 1 };
    (Limits { max_bulk_len, authenticated, ..Limits::default() }, max)
}

/// Makes room for a large argument at once instead of growing towards it.
fn reserve(connection: &mut Connection, have: usize, missing: usize) {
    if missing > KEPT_BYTES {
        connection.input.reserve_exact(have + missing);
    }
}
