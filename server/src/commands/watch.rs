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
    /// The shard's size when it was counted last, for [`Budget`](super::budget::Budget).
    pub counted_bytes: usize,
    /// Nothing in most shards: so a command that changes a key looks at one word, beside the one above, to know that
    /// nobody is concerned.
    concerned: Option<Box<Concerned>>,
    /// What is remembered for client-side caching counts here.
    tracking: Arc<Tracking>,
}

/// Whom changes of a shard's keys concern.
#[derive(Debug)]
pub struct Concerned {
    /// Watched keys.
    watched: HashMap<Box<[u8]>, Watchers>,
    /// Clients in blocking commands.
    pub waiting: Queues,
    /// Keys in clients' caches.
    pub tracked: Table,
}

impl ShardExtension {
    /// Without anything yet; what is remembered for client-side caching counts for `tracking`.
    pub fn new(tracking: Arc<Tracking>) -> Self {
        Self { counted_bytes: 0, concerned: None, tracking }
    }

    /// Whether changes of some key may concern anybody.
    #[inline]
    pub fn is_observed(&self) -> bool {
        self.concerned.is_some()
    }

    /// Whom changes concern, if there is anybody.
    #[inline]
    pub fn concerned(&mut self) -> Option<&mut Concerned> {
        self.concerned.as_deref_mut()
    }

    /// The same for adding somebody.
    pub fn concern(&mut self) -> &mut Concerned {
        self.concerned.get_or_insert_with(|| {
            Box::new(Concerned {
                watched: HashMap::new(),
                waiting: Queues::default(),
                tracked: Table::new(Arc::clone(&self.tracking)),
            })
        })
    }

    /// Sets `flag` when this key changes from now on.
    pub fn watch(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let watchers = self.concern().watched.entry(key.into()).or_default();
        watchers.retain(|(_, other)| !other.is_abandoned());
        watchers.push((db, Arc::clone(flag)));
    }

    /// Whether clients wait for keys.
    pub fn has_waiters(&self) -> bool {
        self.concerned.as_ref().is_some_and(|concerned| !concerned.waiting.is_empty())
    }

    /// The shards that a command which may make a key ready here has to lock as well.
    #[inline]
    pub fn links(&self) -> impl Iterator<Item = u32> {
        self.concerned.iter().flat_map(|concerned| concerned.waiting.links())
    }

    /// A key was changed: true when clients wait for it, who are to be served after the command.
    #[inline]
    pub fn make_ready(&mut self, db: usize, key: &[u8]) -> bool {
        self.concerned().is_some_and(|concerned| concerned.waiting.make_ready(db, key))
    }

    /// A key was changed: its watchers' transactions will fail, and those who have it in their caches are told. True
    /// when a message went to the client that executes.
    #[cold]
    pub fn touched(&mut self, db: usize, key: &[u8], cause: Cause) -> bool {
        self.fail_watchers(db, key);
        self.concerned().is_some_and(|concerned| concerned.tracked.invalidate(key, cause))
    }

    /// A key was changed, in a way that the caches are told of elsewhere: its watchers' transactions will fail.
    pub fn fail_watchers(&mut self, db: usize, key: &[u8]) {
        let Some(Concerned { watched, .. }) = self.concerned() else { return };
        let Some(watchers) = watched.get_mut(key) else { return };
        for (_, flag) in watchers.iter().filter(|watcher| watcher.0 == db) {
            flag.mark_dirty();
        }
        watchers.retain(|(other, flag)| *other != db && !flag.is_abandoned());
        if watchers.is_empty() {
            watched.remove(key);
        }
    }

    /// Every key of a database that is watched or waited for: whoever empties or swaps databases decides which
    /// of them have changed and calls [`Self::fail_watchers`] for those.
    pub fn awaited_keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let Some(Concerned { watched, waiting, .. }) = self.concerned.as_deref() else { return Vec::new() };
        let here = watched.iter().filter(|(_, watchers)| watchers.iter().any(|watcher| watcher.0 == db));
        here.map(|(key, _)| key.clone()).chain(waiting.keys(db).map(Box::from)).collect()
    }

    /// Forgets what sessions have abandoned; called now and then by housekeeping.
    pub fn sweep(&mut self) {
        let Some(concerned) = self.concerned() else { return };
        concerned.watched.retain(|_, watchers| {
            watchers.retain(|(_, flag)| !flag.is_abandoned());
            !watchers.is_empty()
        });
        if concerned.watched.is_empty() && concerned.waiting.is_idle() && concerned.tracked.is_empty() {
            self.concerned = None;
        }
    }
}
