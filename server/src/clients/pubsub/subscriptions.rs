//! What one connection listens to.

use super::PubSub;
use super::topic::{Topic, TopicKind};
use crate::clients::{Client, ClientFlags};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A topic that is found by its name.
#[derive(Debug)]
struct Named(Arc<Topic>);

impl Borrow<[u8]> for Named {
    fn borrow(&self) -> &[u8] {
        self.0.name()
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for Named {}

/// The subscriptions of a connection, by kind.
#[derive(Debug, Default)]
pub struct Subscriptions {
    topics: [HashSet<Named>; TopicKind::COUNT],
}

impl Subscriptions {
    /// Adds one; false when the connection has it already.
    pub fn add(&mut self, pubsub: &PubSub, client: &Client, kind: TopicKind, name: &[u8]) -> bool {
        let topics = &mut self.topics[kind as usize];
        let new = !topics.contains(name);
        if new {
            topics.insert(Named(pubsub.subscribe(client, kind, name)));
            self.show(client, kind);
        }
        new
    }

    /// Ends one; false when there is none.
    pub fn remove(&mut self, pubsub: &PubSub, client: &Client, kind: TopicKind, name: &[u8]) -> bool {
        let Some(Named(topic)) = self.topics[kind as usize].take(name) else { return false };
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
        for (left, Named(topic)) in (0..topics.len()).rev().zip(topics) {
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
        self.topics.iter().all(HashSet::is_empty)
    }

    /// Lets other threads see it.
    fn show(&self, client: &Client, kind: TopicKind) {
        client.subscriptions[kind as usize].store(self.len(kind), Relaxed);
        client.set_flags(ClientFlags::PUBSUB, !self.is_empty());
    }
}
