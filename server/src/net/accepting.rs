//! New connections: who is let in.

use super::connection::Connection;
use super::io_thread::{IoThread, State};
use super::listeners::ListenerKind;
use crate::clients::registry::Origin;
use crate::clients::{ClientFlags, Session};
use crate::config::rows;
use boxcar_sys::clock::wall_ms;
use boxcar_sys::{Token, socket};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// What a client is told that the protected mode keeps out.
const PROTECTED: &[u8] = b"-DENIED Boxcar is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the loopback interface. \
    If you want to connect from external computers, set a password with requirepass, or disable protected mode \
    with CONFIG SET protected-mode no from a loopback connection, or start the server with --protected-mode no.\r\n";
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

impl IoThread {
    /// Takes in what was accepted during the turn.
    pub(super) fn accept(&mut self) {
        let (driver, state) = self.parts();
        for (listener, socket) in std::mem::take(&mut state.accepted) {
            let kind = state.listeners.iter().find(|known| known.id == listener).map(|known| known.kind);
            let Some(kind) = kind else { continue };
            if let Some((token, socket)) = state.admit(kind, socket) {
                driver.register(token, socket);
            }
        }
    }
}

impl State {
    fn admit(&mut self, kind: ListenerKind, socket: OwnedFd) -> Option<(Token, OwnedFd)> {
        let peer = socket::peer_address(&socket).unwrap_or_default();
        let local_address = socket::local_address(&socket).unwrap_or_default();
        let unix = kind == ListenerKind::Unix;
        let near = unix || peer.parse().is_ok_and(|peer: SocketAddr| peer.ip().to_canonical().is_loopback());
        let config = &self.server.config;
        if !near && config.bool(rows::PROTECTED_MODE) && !self.server.access.password_required() {
            return self.refuse(&socket, PROTECTED);
        }
        let mut flags = ClientFlags::empty();
        flags.set(ClientFlags::UNIX_SOCKET, unix);
        let limit = config.int(rows::MAXCLIENTS) as usize;
        if !self.server.clients.admit(limit, false) {
            let reserved = config.int(rows::ADMIN_CONNECTIONS) as usize;
            if !near || !self.server.clients.admit(reserved, true) {
                return self.refuse(&socket, TOO_MANY);
            }
            flags |= ClientFlags::ADMIN;
        }
        self.stats.metrics.connections_received.add(1);
        self.generation = self.generation.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let token = Token::new(u32::try_from(entry.key()).expect("bounded by maxclients"), self.generation);
        let address = if unix { local_address.clone() } else { peer };
        let inbox = Arc::clone(&self.inbox);
        let origin = Origin { address, local_address, fd: socket.as_raw_fd(), flags, inbox, token };
        let client = self.server.clients.register(origin, wall_ms());
        let authenticated = !self.server.access.password_required();
        let session = Box::new(Session::new(Arc::clone(&client), authenticated));
        entry.insert(Connection::new(token, client, session));
        Some((token, socket))
    }

    /// Tells the client why it is not let in; a new socket's buffer has room for the one line.
    fn refuse<T>(&self, socket: &OwnedFd, line: &[u8]) -> Option<T> {
        self.stats.metrics.connections_rejected.add(1);
        if let Err(error) = nix::unistd::write(socket, line) {
            tracing::debug!("a refused client was not told why: {error}");
        }
        None
    }
}
