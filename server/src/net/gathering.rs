//! Short requests of several connections, executed one after the other when a turn has brought them all.
//!
//! A pipeline's lookups overlap their cache misses within the run. Clients that send one command at a time give a run of
//! one; but a busy thread receives from many of them in a turn. So what is short waits in its connection's input until
//! [`TOGETHER`] connections have something, or the turn has brought everything: then all of it is parsed while the buckets are
//! loaded, then the records are, and then each is executed. Nobody waits longer for that, as replies leave at the end of
//! the turn anyway.

use super::io_thread::State;
use crate::commands::server_state::ActiveDispatch;
use crate::config::rows;
use boxcar_resp::{Commands, Progress};
use boxcar_store::Ahead;
use boxcar_sys::Token;

/// Connections whose requests are executed together: as many as a core can have cache misses under way.
pub const TOGETHER: usize = 16;

/// Longest request that is gathered: it is copied once more for that.
const SHORT_BYTES: usize = 1024;

/// Whether the bytes look like one request only. A value with a star in it is taken for a pipeline, which does no harm.
fn is_probably_one(data: &[u8]) -> bool {
    data.get(1..).is_some_and(|rest| memchr::memchr(b'*', rest).is_none())
}

/// The requests gathered so far. Empty between turns.
#[derive(Default)]
pub struct Gathered {
    requests: Vec<Request>,
    /// Commands of requests before, to be used again.
    spare: Vec<Commands>,
}

/// A request that waits in its connection's input.
struct Request {
    token: Token,
    /// What the parser found, once it was asked.
    commands: Commands,
    progress: Option<Progress>,
}

impl State {
    /// Leaves a short request of a connection without others for later in the turn. False when it is to be executed
    /// at once.
    pub(super) fn gather(&mut self, index: usize, data: &[u8]) -> bool {
        let apt = data.len() <= SHORT_BYTES
            && is_probably_one(data)
            && self.server.config.bool(rows::PREFETCH)
            && self.server.dispatch() == ActiveDispatch::Inline;
        if apt {
            let connection = &mut self.connections[index];
            connection.input.extend_from_slice(data);
            connection.gathered = true;
            let commands = self.gathered.spare.pop().unwrap_or_default();
            self.gathered.requests.push(Request { token: connection.token, commands, progress: None });
            if self.gathered.requests.len() == TOGETHER {
                self.run_gathered();
            }
        }
        apt
    }

    /// Executes what was gathered.
    pub fn run_gathered(&mut self) {
        if self.gathered.requests.is_empty() {
            return;
        }
        self.stats.metrics.requests_gathered.add(self.gathered.requests.len() as u64);
        // What is executed may close connections and make others ready, but receives nothing.
        let mut requests = std::mem::take(&mut self.gathered.requests);
        self.look_ahead(&mut requests);
        for Request { token, mut commands, progress } in requests.drain(..) {
            self.run_request(token, &mut commands, progress);
            commands.clear();
            self.gathered.spare.push(commands);
        }
        self.gathered.requests = requests;
    }

    /// Parses the requests and loads what they will look up.
    fn look_ahead(&mut self, requests: &mut [Request]) {
        let epoch = self.server.keyspace.pin();
        let mut ahead = [Ahead::NOTHING; TOGETHER];
        for (request, ahead) in requests.iter_mut().zip(&mut ahead) {
            let index = request.token.index();
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if connection.token != request.token || !connection.may_execute() {
                continue;
            }
            let (limits, max) = super::reading::bounds(&self.server, connection);
            let progress = connection.parser.parse(&connection.input, &limits, max, &mut request.commands);
            request.progress = Some(progress);
            if let Some(session) = &connection.session {
                *ahead = self.executor.look_ahead(session.db, &connection.input, &request.commands, &epoch);
            }
        }
        ahead.iter().for_each(|ahead| ahead.prefetch_record());
    }

    /// Executes one of the requests, if it still may be.
    fn run_request(&mut self, token: Token, commands: &mut Commands, progress: Option<Progress>) {
        let Some(connection) = self.connection(token) else { return };
        connection.gathered = false;
        let Some(progress) = progress else { return };
        std::mem::swap(&mut self.commands, commands);
        self.run_input(token.index(), Some(progress));
        std::mem::swap(&mut self.commands, commands);
        let connection = &mut self.connections[token.index()];
        // The rest of a command comes when the client likes: that is no time of ours.
        connection.sample.take_if(|sample| sample.reached().is_none());
        self.check_input(token.index());
    }
}
