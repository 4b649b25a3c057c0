//! The subscribers among the connections of one I/O thread.

use super::topic::Topic;
use boxcar_sys::Token;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections by the id of what they listen to.
type Subscribers = HashMap<u64, HashSet<Token>>;

/// See the module's text. Subscriptions change on the thread itself, so that its lock is never waited for; it is there
/// because the compiler cannot know that.
#[derive(Debug, Default)]
pub struct Local(Mutex<Subscribers>);

impl Local {
    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `visit` with every connection that listens to a topic.
    pub fn visit(&self, topic: &Topic, visit: impl FnMut(Token)) {
        if let Some(tokens) = self.subscribers().get(&topic.id()) {
            tokens.iter().copied().for_each(visit);
        }
    }

    /// Adds a connection.
    pub(super) fn add(&self, topic: &Topic, token: Token) {
        self.subscribers().entry(topic.id()).or_default().insert(token);
    }

    /// Removes a connection.
    pub(super) fn remove(&self, topic: &Topic, token: Token) {
        let mut subscribers = self.subscribers();
        if let Some(tokens) = subscribers.get_mut(&topic.id()) {
            tokens.remove(&token);
            if tokens.is_empty() {
                subscribers.remove(&topic.id());
            }
        }
    }
}
