//! MONITOR: who receives the feed of executed commands.

use super::registry::Client;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The clients in MONITOR mode.
#[derive(Debug, Default)]
pub struct Monitors {
    count: AtomicUsize,
    clients: Mutex<Vec<Arc<Client>>>,
}

impl Monitors {
    /// Whether there is anyone to feed: one relaxed load, asked for every command.
    pub fn any(&self) -> bool {
        self.count.load(Relaxed) != 0
    }

    /// Adds a client.
    pub fn add(&self, client: &Arc<Client>) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.push(Arc::clone(client));
        self.count.store(clients.len(), Relaxed);
    }

    /// Removes a client that left, if it was here.
    pub fn remove(&self, client: &Client) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|other| other.id != client.id);
        self.count.store(clients.len(), Relaxed);
    }

    /// Sends one line to all of them. `hard_limit` is that of normal clients' output buffers.
    pub fn feed(&self, line: &Arc<[u8]>, hard_limit: usize) {
        for client in self.clients.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            client.push(line, hard_limit);
        }
    }
}
