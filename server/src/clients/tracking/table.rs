//! The keys of one shard that clients have read and may keep in their caches.

use super::{Cause, Tracking};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// See the module's text. Keys are meant whatever their database, as with Redis.
#[derive(Debug)]
pub struct Table {
    /// Ids of the clients that have read each key since it was changed last; some may have left.
    readers: IndexMap<Box<[u8]>, BTreeSet<u64>>,
    tracking: Arc<Tracking>,
}

impl Table {
    /// An empty one, whose keys count for `tracking`.
    pub fn new(tracking: Arc<Tracking>) -> Self {
        Self { readers: IndexMap::new(), tracking }
    }

    /// Whether no key is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// A client has read a key.
    pub fn remember(&mut self, key: &[u8], client: u64) {
        let new = match self.readers.get_mut(key) {
            Some(readers) => readers.insert(client),
            None => {
                self.tracking.keys.fetch_add(1, Relaxed);
                self.readers.insert(key.into(), BTreeSet::from([client]));
                true
            }
        };
        if new {
            self.tracking.items.fetch_add(1, Relaxed);
        }
    }

    /// A key was changed: its readers are told, and forgotten. True when a message went to the client that executes.
    pub fn invalidate(&mut self, key: &[u8], cause: Cause) -> bool {
        let Some((key, readers)) = self.readers.swap_remove_entry(key) else { return false };
        self.count_out(1, readers.len());
        self.tracking.forget(&key, &readers, cause)
    }

    /// Forgets random keys until all tables together hold no more than `max` or this one is empty; their readers are
    /// told as if they had changed. True when a message went to the client that executes.
    pub fn evict(&mut self, max: usize, cause: Cause) -> bool {
        let mut told_self = false;
        while self.tracking.keys() > max && !self.readers.is_empty() {
            let at = rand::random_range(0..self.readers.len());
            let (key, readers) = self.readers.swap_remove_index(at).expect("the index is in range");
            self.count_out(1, readers.len());
            told_self |= self.tracking.forget(&key, &readers, cause);
        }
        told_self
    }

    /// Forgets all keys without a word.
    pub fn clear(&mut self) {
        let readers = std::mem::take(&mut self.readers);
        self.count_out(readers.len(), readers.values().map(BTreeSet::len).sum());
    }

    fn count_out(&self, keys: usize, items: usize) {
        self.tracking.keys.fetch_sub(keys, Relaxed);
        self.tracking.items.fetch_sub(items, Relaxed);
    }
}
