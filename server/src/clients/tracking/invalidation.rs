//! The message that keys have changed, encoded once for each form that somebody needs.

use boxcar_resp::{Protocol, Reply};
use std::cell::OnceCell;
use std::sync::Arc;

/// The channel on which clients that speak RESP2 receive invalidations of another connection.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// See the module's text.
#[derive(Debug)]
pub struct Invalidation<'k> {
    /// `None` for all there are.
    keys: Option<Vec<&'k [u8]>>,
    pushed: OnceCell<Arc<[u8]>>,
    published: OnceCell<Arc<[u8]>>,
}

impl<'k> Invalidation<'k> {
    /// That these keys have changed.
    pub fn of(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        Self { keys: Some(keys.collect()), pushed: OnceCell::new(), published: OnceCell::new() }
    }

    /// That all keys are gone.
    pub fn of_everything() -> Self {
        Self { keys: None, pushed: OnceCell::new(), published: OnceCell::new() }
    }

    /// As a push of RESP3.
    pub fn pushed(&self) -> &Arc<[u8]> {
        self.pushed.get_or_init(|| {
            let mut push = Reply::new(Protocol::Resp3);
            push.push(2);
            push.bulk(b"invalidate");
            self.write_keys(&mut push);
            push.take().into()
        })
    }

    /// As a published message for RESP2.
    pub fn published(&self) -> &Arc<[u8]> {
        self.published.get_or_init(|| {
            let mut message = Reply::new(Protocol::Resp2);
            message.push(3);
            message.bulk(b"message");
            message.bulk(CHANNEL);
            self.write_keys(&mut message);
            message.take().into()
        })
    }

    fn write_keys(&self, reply: &mut Reply) {
        match &self.keys {
            Some(keys) => {
                reply.array(keys.len());
                keys.iter().for_each(|key| reply.bulk(key));
            }
            None => reply.null(),
        }
    }
}
