//! Publish/subscribe: who listens to what, and how a message gets there.
//!
//! A *topic* is a channel, a shard channel or a pattern that somebody listens to. Who listens is kept in two places:
//!
//! - the register, which all threads read without a lock: the topics by name, each with the number of its
//!   subscribers on every I/O thread. Subscriptions are rare and change it one at a time.
//! - for each I/O thread, the connections behind those numbers. Only the thread itself works on them.
//!
//! Whoever publishes reads the register, encodes the message once, and posts it to each I/O thread that has a
//! subscriber; that thread hands it to its connections. So the publisher's work does not grow with the subscribers,
//! and messages of one publisher arrive in their order.

mod local;
mod message;
mod subscriptions;
mod topic;

pub use local::Local;
pub use message::Message;
pub use subscriptions::Subscriptions;
pub use topic::{Topic, TopicKind};

use super::inbox::{Inboxes, Mail};
use super::registry::Client;
use crate::config::glob::{self, Case};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};

/// The topics of one kind by name.
type Topics = papaya::HashMap<Arc<[u8]>, Arc<Topic>>;

/// See the module's text.
#[derive(Debug)]
pub struct PubSub {
    topics: [Topics; TopicKind::COUNT],
    /// Held while subscriptions change; the id of the topic that was made last.
    last_id: Mutex<u64>,
    locals: Box<[Arc<Local>]>,
    inboxes: Arc<Inboxes>,
}

impl PubSub {
    /// Nobody listens. Messages go to these inboxes.
    pub fn new(inboxes: Arc<Inboxes>) -> Self {
        let locals = (0..inboxes.threads()).map(|_| Arc::default()).collect();
        Self { topics: std::array::from_fn(|_| Topics::new()), last_id: Mutex::new(0), locals, inboxes }
    }

    /// The subscribers among the connections of I/O thread `index`.
    pub fn local(&self, index: usize) -> &Arc<Local> {
        &self.locals[index]
    }

    /// Sends `payload` to everybody who listens to `channel`, a channel or shard channel; returns how many that are.
    /// A connection that listens to the channel and to patterns counts, and receives, more than once.
    pub fn publish(&self, kind: TopicKind, channel: &[u8], payload: &[u8]) -> usize {
        let topics = self.listened_to(kind, channel);
        if topics.is_empty() { 0 } else { self.send(&topics, &Message::published(&topics, channel, payload)) }
    }

    /// Sends `message`, which is for the subscribers of `topics`.
    fn send(&self, topics: &[Arc<Topic>], message: &Arc<Message>) -> usize {
        let mut all = 0;
        for inbox in self.inboxes.iter() {
            let here: usize = topics.iter().map(|topic| topic.subscribers_on(inbox.index())).sum();
            if here > 0 {
                inbox.post(Mail::Publish(Arc::clone(message), here));
                all += here;
            }
        }
        all
    }

    /// The topics whose subscribers a message to this channel goes to: first the channel itself, then patterns.
    fn listened_to(&self, kind: TopicKind, channel: &[u8]) -> SmallVec<[Arc<Topic>; 2]> {
        let mut found = SmallVec::new();
        found.extend(self.topics[kind as usize].pin().get(channel).cloned());
        let patterns = &self.topics[TopicKind::Pattern as usize];
        if kind == TopicKind::Channel && !patterns.is_empty() {
            for (pattern, topic) in &patterns.pin() {
                if glob::matches(pattern, channel, Case::Sensitive) {
                    found.push(Arc::clone(topic));
                }
            }
        }
        found
    }

    /// Adds a connection to a topic's subscribers; it must not be one already. Executed by the I/O thread that owns
    /// the connection.
    fn subscribe(&self, client: &Client, kind: TopicKind, name: &[u8]) -> Arc<Topic> {
        let (inbox, token) = client.wake_target();
        let mut last_id = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        let topics = self.topics[kind as usize].pin();
        let topic = match topics.get(name) {
            Some(topic) => Arc::clone(topic),
            None => {
                *last_id += 1;
                let topic = Arc::new(Topic::new(*last_id, kind, name, self.locals.len()));
                topics.insert(Arc::clone(topic.name()), Arc::clone(&topic));
                topic
            }
        };
        self.locals[inbox.index()].add(&topic, token);
        topic.count(inbox.index(), 1);
        topic
    }

    /// Takes a connection out again.
    fn unsubscribe(&self, client: &Client, topic: &Topic) {
        let (inbox, token) = client.wake_target();
        let _one_at_a_time = self.last_id.lock().unwrap_or_else(PoisonError::into_inner);
        topic.count(inbox.index(), -1);
        self.locals[inbox.index()].remove(topic, token);
        if topic.subscribers() == 0 {
            self.topics[topic.kind() as usize].pin().remove(topic.name());
        }
    }

    /// Number of topics of a kind.
    pub fn len(&self, kind: TopicKind) -> usize {
        self.topics[kind as usize].len()
    }

    /// Subscribers of one topic.
    pub fn subscribers(&self, kind: TopicKind, name: &[u8]) -> usize {
        self.topics[kind as usize].pin().get(name).map_or(0, |topic| topic.subscribers())
    }

    /// Names of the topics of a kind that match a pattern; all without one.
    pub fn names(&self, kind: TopicKind, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let topics = self.topics[kind as usize].pin();
        let matches =
            |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive));
        topics.keys().filter(|name| matches(name)).cloned().collect()
    }
}
