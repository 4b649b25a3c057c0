//! Consumer groups: who has been given which entry and has not acknowledged it.

use super::StreamId;
use super::map::{IdMap, IdSet};
#[cfg(feature = "jemalloc")]
use crate::defrag::Mover;
use crate::record::layout::size_class;

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
    name: Box<[u8]>,
    /// When it last asked for anything, in Unix milliseconds.
    pub seen_ms: i64,
    /// When it was last given anything; `None` when never.
    pub active_ms: Option<i64>,
    pending: IdSet,
}

impl Consumer {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The entries that are pending with it.
    #[must_use]
    pub fn pending(&self) -> &IdSet {
        &self.pending
    }
}

/// A consumer group.
pub struct Group {
    /// The last entry that was delivered as new.
    pub last_id: StreamId,
    /// How many entries of the stream come up to that one; `None` when it is not known.
    pub entries_read: Option<i64>,
    pending: IdMap<Pending>,
    /// Consumers by their ID.
    consumers: Vec<Option<Consumer>>,
    /// The consumers in the order of their names.
    names: Vec<ConsumerId>,
    /// The places of consumers that were removed, to be used again.
    free: Vec<ConsumerId>,
    /// Bytes of all names, and of what is pending with the consumers.
    consumer_memory: usize,
}

const CONSUMER_EXISTS: &str = "an ID of a consumer is given away no longer than the consumer exists";

impl Consumer {
    /// Bytes of memory of its name and of what is pending with it.
    fn memory(&self) -> usize {
        size_class(self.name.len()) + self.pending.memory()
    }
}

impl Clone for Group {
    fn clone(&self) -> Self {
        let consumers = self.consumers.clone();
        Self {
            pending: self.pending.clone(),
            names: self.names.clone(),
            free: self.free.clone(),
            consumer_memory: consumers.iter().flatten().map(Consumer::memory).sum(),
            consumers,
            ..*self
        }
    }
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Self {
            last_id,
            entries_read,
            pending: IdMap::new(),
            consumers: Vec::new(),
            names: Vec::new(),
            free: Vec::new(),
            consumer_memory: 0,
        }
    }

    pub(super) fn memory(&self) -> usize {
        let ids = self.names.capacity() + self.free.capacity();
        size_of::<Self>()
            + self.pending.memory()
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + ids * size_of::<ConsumerId>()
            + self.consumer_memory
    }

    /// All pending entries.
    #[must_use]
    pub fn pending(&self) -> &IdMap<Pending> {
        &self.pending
    }

    /// The consumer of this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.name_place(name).ok().map(|at| self.names[at])
    }

    /// Where a name is, or belongs, among the names.
    fn name_place(&self, name: &[u8]) -> Result<usize, usize> {
        self.names.binary_search_by(|id| self.consumer(*id).name().cmp(name))
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
        self.names.iter().map(|id| self.consumer(*id))
    }

    /// Makes a consumer, of whose name there is none.
    pub fn create(&mut self, name: &[u8], seen_ms: i64) -> ConsumerId {
        let (Ok(place) | Err(place)) = self.name_place(name);
        let consumer = Consumer { name: name.into(), seen_ms, active_ms: None, pending: IdSet::default() };
        self.consumer_memory += consumer.memory();
        let id = self.free.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            ConsumerId(u32::try_from(self.consumers.len() - 1).expect("fewer than 2^32 consumers"))
        });
        self.consumers[id.0 as usize] = Some(consumer);
        self.names.insert(place, id);
        id
    }

    /// Removes a consumer with everything that is pending with it, and returns how much that was.
    pub fn remove(&mut self, id: ConsumerId) -> usize {
        let (Ok(place) | Err(place)) = self.name_place(self.consumer(id).name());
        self.names.remove(place);
        let consumer = self.consumers[id.0 as usize].take().expect(CONSUMER_EXISTS);
        self.free.push(id);
        self.consumer_memory -= consumer.memory();
        for entry in consumer.pending.iter() {
            self.pending.remove(*entry);
        }
        consumer.pending.len()
    }

    /// Makes an entry pending, or changes its owner and figures when it is.
    pub fn give(&mut self, entry: StreamId, pending: Pending) {
        let before = self.pending.insert(entry, pending).map(|before| before.consumer);
        if before == Some(pending.consumer) {
            return;
        }
        if let Some(before) = before {
            self.change_pending(before, |ids| ids.remove(entry));
        }
        self.change_pending(pending.consumer, |ids| ids.insert(entry, ()));
    }

    /// Counts one more delivery of a pending entry.
    pub fn redeliver(&mut self, entry: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(entry) {
            pending.delivered_ms = now_ms;
            pending.deliveries += 1;
        }
    }

    /// An entry is pending no longer; false when it was not.
    pub fn acknowledge(&mut self, entry: StreamId) -> bool {
        let Some(pending) = self.pending.remove(entry) else { return false };
        self.change_pending(pending.consumer, |ids| ids.remove(entry));
        true
    }

    /// Changes what is pending with a consumer, and keeps the figure.
    fn change_pending<R>(&mut self, id: ConsumerId, change: impl FnOnce(&mut IdMap<()>) -> R) {
        let consumer = self.consumers[id.0 as usize].as_mut().expect(CONSUMER_EXISTS);
        let before = consumer.pending.memory();
        change(consumer.pending.as_map());
        self.consumer_memory = self.consumer_memory - before + consumer.pending.memory();
    }
}

#[cfg(feature = "jemalloc")]
impl Group {
    /// Number of parts in which it is moved: its own, and one for each place of a consumer.
    pub(super) fn parts(&self) -> usize {
        1 + self.consumers.len()
    }

    /// One step of moving a part's allocations, from an ID on, until `budget` of them were looked at. Returns where to go
    /// on in that part.
    pub(super) fn defragment(
        &mut self,
        part: usize,
        first: StreamId,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<StreamId> {
        let Some(place) = part.checked_sub(1) else {
            if first == StreamId::MIN {
                mover.vec(&mut self.consumers);
                mover.vec(&mut self.names);
                mover.vec(&mut self.free);
            }
            return self.pending.defragment(first, budget, mover, &mut |_, _| {});
        };
        let consumer = self.consumers.get_mut(place)?.as_mut()?;
        if first == StreamId::MIN {
            mover.bytes(&mut consumer.name);
        }
        consumer.pending.as_map().defragment(first, budget, mover, &mut |(), _| {})
    }
}
