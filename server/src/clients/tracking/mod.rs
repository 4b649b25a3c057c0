//! Client-side caching: which clients are told when keys change.
//!
//! A client in the default mode is told about the keys it has read; those are remembered in a [`Table`] in each shard,
//! under the shard's lock. A client in broadcast mode is told about all keys with one of its prefixes, which are kept
//! here. What concerns nobody costs one look at whether there is anybody.

mod invalidation;
mod state;
mod table;
mod tracker;

pub use state::TrackingState;
pub use table::Table;
pub use tracker::{Mode, Tracker};

use super::registry::ClientFlags;
use invalidation::Invalidation;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why clients are told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Id of the client whose command executes; 0, which no client has, when that is none.
    pub client: u64,
    /// Whether it has made the change, rather than only having come across it (expiry, eviction).
    pub own: bool,
}

impl Cause {
    /// No client.
    pub const NOBODY: Self = Self { client: 0, own: false };
}

/// Ids of the clients in broadcast mode that have a prefix.
type Broadcast = Arc<Mutex<BTreeSet<u64>>>;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Tracking {
    /// The clients with tracking on, by id.
    trackers: papaya::HashMap<u64, Arc<Tracker>>,
    prefixes: papaya::HashMap<Box<[u8]>, Broadcast>,
    /// Held while prefixes come and go.
    writer: Mutex<()>,
    /// How many clients have it on.
    clients: AtomicUsize,
    /// How many prefixes there are.
    broadcasts: AtomicUsize,
    /// Keys in all tables.
    keys: AtomicUsize,
    /// Pairs of a key and a client in all tables.
    items: AtomicUsize,
}

fn ids(broadcast: &Broadcast) -> MutexGuard<'_, BTreeSet<u64>> {
    broadcast.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracking {
    /// Whether anybody tracks anything: one relaxed load.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.clients() != 0
    }

    /// Whether anybody is in broadcast mode: one relaxed load.
    #[inline]
    pub fn broadcasts(&self) -> bool {
        self.broadcasts.load(Relaxed) != 0
    }

    /// Clients with tracking on.
    pub fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    /// Keys in all tables.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }

    /// Pairs of a key and a client in all tables.
    pub fn items(&self) -> usize {
        self.items.load(Relaxed)
    }

    /// Prefixes of clients in broadcast mode.
    pub fn prefixes(&self) -> usize {
        self.broadcasts.load(Relaxed)
    }

    /// Turns it on for a client, or changes how; `prefixes` are new ones.
    pub fn start<'p>(&self, tracker: &Arc<Tracker>, prefixes: impl Iterator<Item = &'p [u8]>) {
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let id = tracker.client().id;
        if self.trackers.pin().insert(id, Arc::clone(tracker)).is_none() {
            self.clients.fetch_add(1, Relaxed);
        }
        let known = self.prefixes.pin();
        for prefix in prefixes {
            ids(known.get_or_insert_with(prefix.into(), Broadcast::default)).insert(id);
        }
        self.broadcasts.store(known.len(), Relaxed);
    }

    /// Turns it off for a client that has these prefixes. What the tables hold of it goes with the keys.
    pub fn stop<'p>(&self, tracker: &Tracker, prefixes: impl Iterator<Item = &'p [u8]>) {
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let id = tracker.client().id;
        if self.trackers.pin().remove(&id).is_some() {
            self.clients.fetch_sub(1, Relaxed);
        }
        let known = self.prefixes.pin();
        for prefix in prefixes {
            let Some(broadcast) = known.get(prefix) else { continue };
            let is_empty = {
                let mut ids = ids(broadcast);
                ids.remove(&id);
                ids.is_empty()
            };
            if is_empty {
                known.remove(prefix);
            }
        }
        self.broadcasts.store(known.len(), Relaxed);
        let client = tracker.client();
        client
            .set_flags(ClientFlags::TRACKING | ClientFlags::BROADCAST | ClientFlags::BROKEN_REDIRECT, false);
    }

    /// Tells the clients that have read a key to forget it. True when a message went to the client that executes.
    fn forget(&self, key: &[u8], readers: &BTreeSet<u64>, cause: Cause) -> bool {
        let message = Invalidation::of(std::iter::once(key));
        let trackers = self.trackers.pin();
        // Who has stopped, or has changed to broadcast mode, is left out.
        let readers =
            readers.iter().filter_map(|id| trackers.get(id)).filter(|tracker| !tracker.broadcasts());
        readers.fold(false, |told_self, tracker| told_self | tracker.send(&message, cause))
    }

    /// Tells clients in broadcast mode which keys were changed together, one message for each prefix. True when one went to the
    /// client that executes.
    pub fn broadcast(&self, keys: &[Box<[u8]>], cause: Cause) -> bool {
        let trackers = self.trackers.pin();
        let known = self.prefixes.pin();
        let mut prefixes: Vec<(&Box<[u8]>, &Broadcast)> = known.iter().collect();
        prefixes.sort_unstable_by_key(|(prefix, _)| *prefix);
        let mut told_self = false;
        for (prefix, broadcast) in prefixes {
            let matching: BTreeSet<&[u8]> =
                keys.iter().map(|key| &**key).filter(|key| key.starts_with(prefix)).collect();
            if matching.is_empty() {
                continue;
            }
            let message = Invalidation::of(matching.into_iter());
            for id in ids(broadcast).iter() {
                if let Some(tracker) = trackers.get(id) {
                    told_self |= tracker.send(&message, cause);
                }
            }
        }
        told_self
    }

    /// Tells all clients that all keys are gone, while `client` executes. True when a message went to it.
    pub fn flush(&self, client: u64) -> bool {
        let cause = Cause { client, own: false };
        let message = Invalidation::of_everything();
        let mut told_self = false;
        for tracker in self.trackers.pin().values() {
            told_self |= tracker.send(&message, cause);
        }
        told_self
    }
}
