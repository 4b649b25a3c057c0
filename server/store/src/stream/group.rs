//! Consumer groups: who has been given which entry and has not acknowledged it.

use super::StreamId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose it is.
    pub consumer: ConsumerId,
    /// When it was delivered last, in Unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A consumer.
#[derive(Clone)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last asked for anything, in Unix milliseconds.
    pub seen_ms: i64,
    /// When it was last given anything; `None` when never.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The entries that are pending with it.
    #[must_use]
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

/// A consumer group.
#[derive(Clone)]
pub struct Group {
    /// The last entry that was delivered as new.
    pub last_id: StreamId,
    /// How many entries of the stream come up to that one; `None` when it is not known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// Consumers by their ID.
    consumers: Vec<Option<Consumer>>,
    /// The places of consumers that were removed, to be used again.
    free: Vec<ConsumerId>,
    /// Bytes of all names.
    names_len: usize,
}

const CONSUMER_EXISTS: &str = "an ID of a consumer is given away no longer than the consumer exists";

/// Bytes of memory of an entry in the trees of group and consumer, which are two thirds full as a rule.
const PENDING_MEMORY: usize = (2 * size_of::<StreamId>() + size_of::<Pending>()) * 3 / 2;

/// Bytes of memory of a consumer beside its name.
const CONSUMER_MEMORY: usize =
    size_of::<Option<Consumer>>() + (size_of::<Arc<[u8]>>() + size_of::<ConsumerId>()) * 3 / 2 + 16;

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Self {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            names: BTreeMap::new(),
            consumers: Vec::new(),
            free: Vec::new(),
            names_len: 0,
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.pending.len() * PENDING_MEMORY
            + self.names.len() * CONSUMER_MEMORY
            + self.names_len
    }

    /// All pending entries.
    #[must_use]
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// The consumer of this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer.
    ///
    /// # Panics
    /// When it was removed.
    #[must_use]
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers[id.0 as usize].as_ref().expect(CONSUMER_EXISTS)
    }

    /// A consumer, for changing.
    ///
    /// # Panics
    /// When it was removed.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect(CONSUMER_EXISTS)
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.names.values().map(|id| self.consumer(*id))
    }

    /// Makes a consumer, of whose name there is none.
    pub fn create(&mut self, name: &[u8], seen_ms: i64) -> ConsumerId {
        let name: Arc<[u8]> = name.into();
        self.names_len += name.len();
        let consumer =
            Consumer { name: Arc::clone(&name), seen_ms, active_ms: None, pending: BTreeSet::new() };
        let id = self.free.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            ConsumerId(u32::try_from(self.consumers.len() - 1).expect("fewer than 2^32 consumers"))
        });
        self.consumers[id.0 as usize] = Some(consumer);
        self.names.insert(name, id);
        id
    }

    /// Removes a consumer with everything that is pending with it, and returns how much that was.
    pub fn remove(&mut self, id: ConsumerId) -> usize {
        let consumer = self.consumers[id.0 as usize].take().expect(CONSUMER_EXISTS);
        self.free.push(id);
        self.names_len -= consumer.name.len();
        self.names.remove(&consumer.name);
        for entry in &consumer.pending {
            self.pending.remove(entry);
        }
        consumer.pending.len()
    }

    /// Makes an entry pending, or changes its owner and figures when it is.
    pub fn give(&mut self, entry: StreamId, pending: Pending) {
        if let Some(before) = self.pending.insert(entry, pending)
            && before.consumer != pending.consumer
        {
            self.consumer_mut(before.consumer).pending.remove(&entry);
        }
        self.consumer_mut(pending.consumer).pending.insert(entry);
    }

    /// Counts one more delivery of a pending entry.
    pub fn redeliver(&mut self, entry: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&entry) {
            pending.delivered_ms = now_ms;
            pending.deliveries += 1;
        }
    }

    /// An entry is pending no longer; false when it was not.
    pub fn acknowledge(&mut self, entry: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&entry) else { return false };
        self.consumer_mut(pending.consumer).pending.remove(&entry);
        true
    }
}
