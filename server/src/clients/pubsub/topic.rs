//! What can be listened to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The three name spaces of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// SUBSCRIBE.
    Channel = 0,
    /// PSUBSCRIBE.
    Pattern = 1,
    /// SSUBSCRIBE.
    ShardChannel = 2,
}

impl TopicKind {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Channel, Self::Pattern, Self::ShardChannel];
}

/// A channel, pattern or shard channel, from its first subscriber to its last.
#[derive(Debug)]
pub struct Topic {
    id: u64,
    kind: TopicKind,
    name: Arc<[u8]>,
    /// Subscribers on each I/O thread.
    subscribers: Box<[AtomicU32]>,
}

impl Topic {
    /// Without subscribers yet.
    pub(super) fn new(id: u64, kind: TopicKind, name: &[u8], threads: usize) -> Self {
        let subscribers = (0..threads).map(|_| AtomicU32::new(0)).collect();
        Self { id, kind, name: name.into(), subscribers }
    }

    /// Never given to another topic.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The name space.
    pub fn kind(&self) -> TopicKind {
        self.kind
    }

    /// The name or pattern.
    pub fn name(&self) -> &Arc<[u8]> {
        &self.name
    }

    /// Subscribers on one I/O thread.
    pub fn subscribers_on(&self, thread: usize) -> usize {
        self.subscribers[thread].load(Ordering::Acquire) as usize
    }

    /// All subscribers.
    pub fn subscribers(&self) -> usize {
        (0..self.subscribers.len()).map(|thread| self.subscribers_on(thread)).sum()
    }

    /// Counts a subscriber that comes or goes.
    pub(super) fn count(&self, thread: usize, change: i32) {
        self.subscribers[thread].fetch_add(change.cast_unsigned(), Ordering::Release);
    }
}
