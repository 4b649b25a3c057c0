//! The null server's connections: bytes received, replies owed.

use super::NullOptions;
use boxcar_sys::{Driver, Handler, ListenerId, Reading, Sent, Token, Wait};
use std::io;
use std::os::fd::OwnedFd;

/// One send carries at most this much, unless a single reply is larger: enough for hundreds of deep pipelines, and
/// what is owed beyond it follows when it has left. So a peer that never reads costs this much memory, and no more.
const MAX_SEND: usize = 256 * 1024;

/// Send buffers kept for reuse: more are in use only while many peers are slow at once.
const MAX_SPARE: usize = 256;

/// What a peer may be owed before it is not read from any more, in replies.
const MAX_OWED: u64 = 1 << 16;

#[derive(Debug)]
struct Peer {
    token: Token,
    /// Bytes of a request that has not arrived whole.
    partial: usize,
    owed: u64,
    sending: bool,
    paused: bool,
    /// The peer sends nothing more: close it when it has its replies.
    ended: bool,
    /// Closed on our side, and not yet given back by the driver.
    closing: bool,
    /// It is in the list of peers that something happened to.
    listed: bool,
}

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Peers {
    request_bytes: usize,
    reply_bytes: usize,
    /// Replies to copy from, as many as one send may carry.
    replies: Vec<u8>,
    peers: Vec<Option<Peer>>,
    free: Vec<u32>,
    generations: Vec<u32>,
    accepted: Vec<OwnedFd>,
    /// Peers that something happened to in this turn.
    touched: Vec<u32>,
    spare: Vec<Vec<u8>>,
    max_connections: usize,
    /// A send was begun whose end somebody waits for.
    awaited: bool,
}

impl Peers {
    pub fn new(options: &NullOptions) -> Peers {
        let reply = &options.reply;
        let count = (MAX_SEND / reply.len()).max(1);
        Peers {
            request_bytes: options.request_bytes.get(),
            reply_bytes: reply.len(),
            replies: reply.repeat(count),
            peers: Vec::new(),
            free: Vec::new(),
            generations: Vec::new(),
            accepted: Vec::new(),
            touched: Vec::new(),
            spare: Vec::new(),
            max_connections: options.driver.max_connections,
            awaited: false,
        }
    }

    /// Does what the last turn's events ask for, and returns how the next turn may wait.
    ///
    /// A driver may report the end of a send only when something else ends its sleep: most sends need no report. Where more
    /// replies, a resumption or the connection's end hang on it, the next turn must not sleep.
    pub fn act(&mut self, driver: &mut Driver) -> Wait {
        for socket in std::mem::take(&mut self.accepted) {
            if let Some(token) = self.admit() {
                driver.register(token, socket);
            }
        }
        while let Some(index) = self.touched.pop() {
            self.serve(driver, index as usize);
        }
        if std::mem::take(&mut self.awaited) { Wait::Poll } else { Wait::Forever }
    }

    /// A token for a new connection; `None` when all are taken (the socket is then closed by being dropped).
    fn admit(&mut self) -> Option<Token> {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None if self.peers.len() < self.max_connections => {
                self.peers.push(None);
                self.generations.push(0);
                self.peers.len() - 1
            }
            None => return None,
        };
        self.generations[index] = self.generations[index].wrapping_add(1);
        let token = Token::new(index as u32, self.generations[index]);
        self.peers[index] = Some(Peer {
            token,
            partial: 0,
            owed: 0,
            sending: false,
            paused: false,
            ended: false,
            closing: false,
            listed: false,
        });
        Some(token)
    }

    fn serve(&mut self, driver: &mut Driver, index: usize) {
        let Some(peer) = self.peers[index].as_mut() else { return };
        peer.listed = false;
        while peer.owed > 0 && !peer.sending && !peer.closing {
            let most = (self.replies.len() / self.reply_bytes) as u64;
            let count = peer.owed.min(most);
            let mut buffer = self.spare.pop().unwrap_or_default();
            buffer.extend_from_slice(&self.replies[..count as usize * self.reply_bytes]);
            peer.owed -= count;
            match driver.send(peer.token, buffer) {
                Sent::Done(buffer) => recycle(&mut self.spare, buffer),
                Sent::Pending => {
                    peer.sending = true;
                    self.awaited |= peer.owed > 0 || peer.paused || peer.ended;
                }
                Sent::Failed(buffer, _) => {
                    recycle(&mut self.spare, buffer);
                    peer.owed = 0;
                    peer.ended = true;
                }
            }
        }
        if peer.closing {
            return;
        }
        if peer.ended && peer.owed == 0 && !peer.sending {
            peer.closing = true;
            driver.close(peer.token);
        } else if peer.paused && peer.owed < MAX_OWED / 2 {
            peer.paused = false;
            driver.resume_reading(peer.token);
        }
    }

    fn touch(&mut self, token: Token) -> Option<&mut Peer> {
        let index = token.index();
        let peer = self.peers.get_mut(index)?.as_mut().filter(|peer| peer.token == token)?;
        if !peer.listed {
            peer.listed = true;
            self.touched.push(index as u32);
        }
        Some(peer)
    }
}

fn recycle(spare: &mut Vec<Vec<u8>>, mut buffer: Vec<u8>) {
    if spare.len() < MAX_SPARE {
        buffer.clear();
        spare.push(buffer);
    }
}

impl Handler for Peers {
    fn accepted(&mut self, _listener: ListenerId, socket: OwnedFd) {
        self.accepted.push(socket);
    }

    #[inline]
    fn received(&mut self, token: Token, data: &mut [u8]) -> Reading {
        let request_bytes = self.request_bytes;
        let Some(peer) = self.touch(token) else { return Reading::Pause };
        let bytes = peer.partial + data.len();
        peer.owed += (bytes / request_bytes) as u64;
        peer.partial = bytes % request_bytes;
        if peer.owed < MAX_OWED {
            return Reading::Continue;
        }
        peer.paused = true;
        Reading::Pause
    }

    fn read_closed(&mut self, token: Token, error: Option<io::Error>) {
        if let Some(peer) = self.touch(token) {
            peer.ended = true;
            if error.is_some() {
                peer.owed = 0;
            }
        }
    }

    fn sent(&mut self, token: Token, buffer: Vec<u8>, result: io::Result<()>) {
        recycle(&mut self.spare, buffer);
        if let Some(peer) = self.touch(token) {
            peer.sending = false;
            if result.is_err() {
                peer.owed = 0;
                peer.ended = true;
            }
        }
    }

    fn doorbell(&mut self) {}

    fn closed(&mut self, token: Token) {
        let index = token.index();
        if self.peers.get(index).is_some_and(|peer| peer.as_ref().is_some_and(|peer| peer.token == token)) {
            self.peers[index] = None;
            self.free.push(index as u32);
        }
    }
}
