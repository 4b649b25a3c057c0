//! What the server keeps in every shard beside the keys: who watches which of them, and who waits for which.

use super::blocking::Queues;
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
    /// Clients in blocking commands.
    pub waiting: Queues,
}

impl ShardExtension {
    /// Sets `flag` when this key changes from now on.
    pub fn watch(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let watchers = self.watched.entry(key.into()).or_default();
        watchers.retain(|(_, other)| !other.is_abandoned());
        watchers.push((db, Arc::clone(flag)));
    }

    /// A key was changed: its watchers' transactions will fail. True when clients wait for it and have to be served.
    #[inline]
    #[must_use]
    pub fn touched(&mut self, db: usize, key: &[u8]) -> bool {
        !self.is_indifferent() && self.notify(db, key)
    }

    /// Whether nobody watches or waits for anything here.
    #[inline]
    pub fn is_indifferent(&self) -> bool {
        self.watched.is_empty() & self.waiting.is_empty()
    }

    #[cold]
    fn notify(&mut self, db: usize, key: &[u8]) -> bool {
        self.fail_watchers(db, key);
        self.waiting.make_ready(db, key)
    }

    fn fail_watchers(&mut self, db: usize, key: &[u8]) {
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
    /// of them have changed and calls [`Self::touched`] for those.
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
