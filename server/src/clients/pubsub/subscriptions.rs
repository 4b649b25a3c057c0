//! What one connection listens to.

use super::PubSub;
use super::topic::{Topic, TopicKind};
use crate::clients::{Client, ClientFlags};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The subscriptions of a connection, by kind.
#[derive(Debug, Default)]
pub struct Subscriptions {
    topics: [HashMap<Arc<[u8]>, Arc<Topic>>; TopicKind::COUNT],
}

impl Subscriptions {
    /// Adds one; false when the connection has it already.
    pub fn add(&mut self, pubsub: &PubSub, client: &Client, kind: TopicKind, name: &[u8]) -> bool {
        let topics = &mut self.topics[kind as usize];
        let new = !topics.contains_key(name);
        if new {
            let topic = pubsub.subscribe(client, kind, name);
            topics.insert(Arc::clone(topic.name()), topic);
            self.show(client, kind);
        }
        new
    }

    /// Ends one; false when there is none.
    pub fn remove(&mut self, pubsub: &PubSub, client: &Client, kind: TopicKind, name: &[u8]) -> bool {
        let Some(topic) = self.topics[kind as usize].remove(name) else { return false };
        pubsub.unsubscribe(client, &topic);
        self.show(client, kind);
        true
    }

    /// Ends all of a kind, one after the other; `ended` is told each name and how many of the connection's
    /// subscriptions are left, counted as [`Self::counted_with`].
    pub fn remove_all(
        &mut self,
        pubsub: &PubSub,
        client: &Client,
        kind: TopicKind,
        mut ended: impl FnMut(&[u8], usize),
    ) {
        let topics = std::mem::take(&mut self.topics[kind as usize]);
        let others = self.counted_with(kind);
        for (left, topic) in (0..topics.len()).rev().zip(topics.into_values()) {
            pubsub.unsubscribe(client, &topic);
            ended(topic.name(), others + left);
        }
        self.show(client, kind);
    }

    /// Number of a kind.
    pub fn len(&self, kind: TopicKind) -> usize {
        self.topics[kind as usize].len()
    }

    /// The number that a reply about a kind names: channels and patterns are counted together, shard channels by
    /// themselves.
    pub fn counted_with(&self, kind: TopicKind) -> usize {
        match kind {
            TopicKind::Channel | TopicKind::Pattern => {
                self.len(TopicKind::Channel) + self.len(TopicKind::Pattern)
            }
            TopicKind::ShardChannel => self.len(kind),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.topics.iter().all(HashMap::is_empty)
    }

    /// Lets other threads see it.
    fn show(&self, client: &Client, kind: TopicKind) {
        client.subscriptions[kind as usize].store(self.len(kind), Relaxed);
        client.set_flags(ClientFlags::PUBSUB, !self.is_empty());
    }
}
