//! What the server keeps in every shard beside the keys: who watches, waits for, or has read which of them, and how
//! much was counted.

use super::blocking::Queues;
use crate::clients::session::WatchFlag;
use crate::clients::tracking::{Cause, Table, Tracking};
use std::collections::HashMap;
use std::sync::Arc;

/// Who watches a key: the database it is watched in, and the flag of the session.
type Watchers = Vec<(usize, Arc<WatchFlag>)>;

/// The server's part of a shard, under the shard's lock.
#[derive(Debug)]
pub struct ShardExtension {
    /// Watched keys.
    watched: HashMap<Box<[u8]>, Watchers>,
    /// The shard's size when it was counted last, for [`Budget`](super::budget::Budget).
    pub counted_bytes: usize,
    /// Clients in blocking commands.
    pub waiting: Queues,
    /// Keys in clients' caches.
    pub tracked: Table,
}

impl ShardExtension {
    /// Without anything yet; what is remembered for client-side caching counts for `tracking`.
    pub fn new(tracking: Arc<Tracking>) -> Self {
        Self {
            watched: HashMap::new(),
            counted_bytes: 0,
            waiting: Queues::default(),
            tracked: Table::new(tracking),
        }
    }

    /// Sets `flag` when this key changes from now on.
    pub fn watch(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let watchers = self.watched.entry(key.into()).or_default();
        watchers.retain(|(_, other)| !other.is_abandoned());
        watchers.push((db, Arc::clone(flag)));
    }

    /// Whether changes of some key concern anybody.
    #[inline]
    pub fn is_observed(&self) -> bool {
        !self.watched.is_empty() | !self.tracked.is_empty() | !self.waiting.is_empty()
    }

    /// A key was changed: its watchers' transactions will fail, and those who have it in their caches are told. True
    /// when a message went to the client that executes.
    #[cold]
    pub fn touched(&mut self, db: usize, key: &[u8], cause: Cause) -> bool {
        self.fail_watchers(db, key);
        self.tracked.invalidate(key, cause)
    }

    /// A key was changed, in a way that the caches are told of elsewhere: its watchers' transactions will fail.
    pub fn fail_watchers(&mut self, db: usize, key: &[u8]) {
        let Some(watchers) = self.watched.get_mut(key) else { return };
        for (_, flag) in watchers.iter().filter(|watcher| watcher.0 == db) {
            flag.mark_dirty();
        }
        watchers.retain(|(other, flag)| *other != db && !flag.is_abandoned());
        if watchers.is_empty() {
            self.watched.remove(key);
        }
    }

    /// Every key of a database that is watched or waited for: whoever empties or swaps databases decides which
    /// of them have changed and calls [`Self::fail_watchers`] for those.
    pub fn awaited_keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let here = self.watched.iter().filter(|(_, watchers)| watchers.iter().any(|watcher| watcher.0 == db));
        here.map(|(key, _)| key.clone()).chain(self.waiting.keys(db).map(Box::from)).collect()
    }

    /// Forgets what sessions have abandoned; called now and then by housekeeping.
    pub fn sweep(&mut self) {
        self.watched.retain(|_, watchers| {
            watchers.retain(|(_, flag)| !flag.is_abandoned());
            !watchers.is_empty()
        });
    }
}
