//! What the server keeps in every shard beside the keys: who watches which of them, and how much was counted.

use crate::clients::session::WatchFlag;
use std::collections::HashMap;
use std::sync::Arc;

/// Who watches a key: the database it is watched in, and the flag of the session.
type Watchers = Vec<(usize, Arc<WatchFlag>)>;

/// The server's part of a shard, under the shard's lock.
#[derive(Debug, Default)]
pub struct ShardExtension {
    /// Watched keys.
    watched: HashMap<Box<[u8]>, Watchers>,
    /// The shard's size when it was counted last, for [`Budget`](super::budget::Budget).
    pub counted_bytes: usize,
}

impl ShardExtension {
    /// Sets `flag` when this key changes from now on.
    pub fn watch(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let watchers = self.watched.entry(key.into()).or_default();
        watchers.retain(|(_, other)| !other.is_abandoned());
        watchers.push((db, Arc::clone(flag)));
    }

    /// A key was changed: its watchers' transactions will fail.
    #[inline]
    pub fn touched(&mut self, db: usize, key: &[u8]) {
        if !self.watched.is_empty() {
            self.notify(db, key);
        }
    }

    /// Whether anyone watches anything here.
    pub fn has_watchers(&self) -> bool {
        !self.watched.is_empty()
    }

    #[cold]
    fn notify(&mut self, db: usize, key: &[u8]) {
        let Some(watchers) = self.watched.get_mut(key) else { return };
        for (_, flag) in watchers.iter().filter(|watcher| watcher.0 == db) {
            flag.mark_dirty();
        }
        watchers.retain(|(other, flag)| *other != db && !flag.is_abandoned());
        if watchers.is_empty() {
            self.watched.remove(key);
        }
    }

    /// Calls `visit` with every watched key of a database: whoever empties or swaps databases decides which
    /// of them have changed and calls [`Self::touched`] for those.
    pub fn watched_keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let here = self.watched.iter().filter(|(_, watchers)| watchers.iter().any(|watcher| watcher.0 == db));
        here.map(|(key, _)| key.clone()).collect()
    }

    /// Forgets what sessions have abandoned; called now and then by housekeeping.
    pub fn sweep(&mut self) {
        self.watched.retain(|_, watchers| {
            watchers.retain(|(_, flag)| !flag.is_abandoned());
            !watchers.is_empty()
        });
    }
}
