//! A client with tracking on, as those see it who have to tell it something.

use super::Cause;
use super::invalidation::Invalidation;
use crate::clients::registry::{Client, ClientFlags};
use boxcar_resp::{Protocol, Reply};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a client is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The keys it reads.
    Default,
    /// The keys that the command after CLIENT CACHING YES reads.
    OptIn,
    /// The keys it reads, but for those that the command after CLIENT CACHING NO reads.
    OptOut,
    /// All keys with one of its prefixes.
    Broadcast,
}

/// See the module's text.
#[derive(Debug)]
pub struct Tracker {
    client: Arc<Client>,
    /// Who gets the messages instead.
    redirect: Option<Arc<Client>>,
    mode: Mode,
    /// Not about what the client changes itself.
    no_loop: bool,
}

impl Tracker {
    /// For this client; lets CLIENT LIST see it.
    pub fn new(client: Arc<Client>, redirect: Option<Arc<Client>>, mode: Mode, no_loop: bool) -> Self {
        client.redirect.store(redirect.as_ref().map_or(0, |redirect| redirect.id), Relaxed);
        client.set_flags(ClientFlags::BROKEN_REDIRECT, false);
        client.set_flags(ClientFlags::BROADCAST, mode == Mode::Broadcast);
        client.set_flags(ClientFlags::TRACKING, true);
        Self { client, redirect, mode, no_loop }
    }

    /// The client.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What it is told about.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it is in broadcast mode.
    pub fn broadcasts(&self) -> bool {
        self.mode == Mode::Broadcast
    }

    /// NOLOOP.
    pub fn no_loop(&self) -> bool {
        self.no_loop
    }

    /// Sends a message, unless the client is not to be told of its own changes. True when it went to the client that
    /// executes.
    pub(super) fn send(&self, message: &Invalidation<'_>, cause: Cause) -> bool {
        if self.no_loop && cause.own && self.client.id == cause.client {
            return false;
        }
        let target = match &self.redirect {
            Some(redirect) if redirect.is_gone() => {
                self.tell_broken(redirect.id);
                &self.client
            }
            redirect => {
                let target = redirect.as_ref().unwrap_or(&self.client);
                let listens = || redirect.is_some() && target.flags().contains(ClientFlags::PUBSUB);
                if target.protocol.load(Relaxed) == 3 {
                    target.push(message.pushed(), 0);
                } else if listens() {
                    target.push(message.published(), 0);
                }
                target
            }
        };
        target.id == cause.client
    }

    /// The client that was to get the messages is gone.
    #[cold]
    fn tell_broken(&self, redirect: u64) {
        self.client.set_flags(ClientFlags::BROKEN_REDIRECT, true);
        if self.client.protocol.load(Relaxed) == 3 {
            let mut push = Reply::new(Protocol::Resp3);
            push.push(2);
            push.bulk(b"tracking-redir-broken");
            push.integer(redirect as i64);
            self.client.push(&push.take().into(), 0);
        }
    }
}
