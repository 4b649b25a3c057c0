//! A published message: encoded once, shared by everybody it goes to.

use super::topic::{Topic, TopicKind};
use boxcar_resp::{Protocol, Reply};
use smallvec::SmallVec;
use std::sync::Arc;

/// What the message is to the subscribers of one topic: bytes as [`crate::clients::Client::push`] describes them.
type Encoded = (Arc<Topic>, Arc<[u8]>);

/// See the module's text. There is one encoding for each topic, since a pattern's subscribers are told the pattern.
#[derive(Debug)]
pub struct Message {
    copies: SmallVec<[Encoded; 2]>,
}

impl Message {
    /// `payload`, published to `channel`, for the subscribers of `topics`.
    pub(super) fn published(topics: &[Arc<Topic>], channel: &[u8], payload: &[u8]) -> Arc<Self> {
        let copy = |topic: &Arc<Topic>| (Arc::clone(topic), encode(topic, channel, payload));
        Arc::new(Self { copies: topics.iter().map(copy).collect() })
    }

    /// The copies, in the order in which a connection that listens to several topics receives them.
    pub fn copies(&self) -> &[Encoded] {
        &self.copies
    }

    /// Bytes of all encodings together.
    pub fn bytes(&self) -> usize {
        self.copies.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

fn encode(topic: &Topic, channel: &[u8], payload: &[u8]) -> Arc<[u8]> {
    let mut push = Reply::new(Protocol::Resp3);
    match topic.kind() {
        TopicKind::Channel => begin(&mut push, 3, b"message"),
        TopicKind::ShardChannel => begin(&mut push, 3, b"smessage"),
        TopicKind::Pattern => {
            begin(&mut push, 4, b"pmessage");
            push.bulk(topic.name());
        }
    }
    push.bulk(channel);
    push.bulk(payload);
    push.take().into()
}

fn begin(push: &mut Reply, parts: usize, kind: &[u8]) {
    push.push(parts);
    push.bulk(kind);
}
