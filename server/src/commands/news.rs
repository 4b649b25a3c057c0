//! What a command has to tell to other connections about the keys it touches: keyspace events, and what invalidates
//! clients' caches. It is collected while the command executes and sent when it has, with its locks still held, so that
//! what happens to a key is told in the order in which it happens.

use super::Server;
use super::context::Cx;
use super::events::{EventClass, KeyEvent};
use super::row::{Flags, KeyFlags};
use super::watch::ShardExtension;
use super::{Args, Entry, Keys};
use crate::clients::Session;
use crate::clients::pubsub::{PubSub, TopicKind};
use crate::clients::tracking::Cause;
use std::collections::HashSet;

/// See the module's text. Nearly always there is nobody to tell anything, which costs a look at one flag.
#[derive(Debug, Default)]
pub struct News {
    /// Whether there is anything that changes of all keys may have to be held against.
    attentive: bool,
    /// The classes of events that somebody wants to know of.
    wanted: EventClass,
    /// Whether somebody follows all keys with a prefix.
    broadcasts: bool,
    /// Id of the client whose commands execute.
    client: u64,
    /// What happened, in order, as far as it is wanted.
    events: Vec<KeyEvent>,
    /// The keys that changed, when somebody follows them by prefixes.
    changed: Vec<Box<[u8]>>,
    /// Keys that were not there and may be made, when somebody wants to know of new ones.
    missing: HashSet<(usize, Box<[u8]>)>,
    /// A message to the client itself was posted.
    pub mailed_self: bool,
}

impl News {
    /// Learns who has to be told what while commands of this client execute.
    pub fn attend(&mut self, server: &Server, client: u64) {
        let notified = server.notified();
        let published = notified.intersects(EventClass::TO_KEY | EventClass::TO_EVENT);
        self.wanted = if published { notified } else { EventClass::empty() };
        self.broadcasts = server.tracking.broadcasts();
        self.attentive = published | self.broadcasts;
        self.client = client;
    }

    /// A command is executed for another client; returns the one before.
    pub fn act_for(&mut self, client: u64) -> u64 {
        std::mem::replace(&mut self.client, client)
    }

    /// The cause of what the client's commands come across, without having done it.
    pub fn came_across(&self) -> Cause {
        Cause { client: self.client, own: false }
    }

    /// Whether lookups and changes have to be looked at.
    #[inline]
    pub fn is_attentive(&self) -> bool {
        self.attentive
    }

    /// Whether somebody wants to know of events of this class.
    #[inline]
    pub fn wants(&self, class: EventClass) -> bool {
        self.wanted.contains(class)
    }

    /// Notes an event.
    #[cold]
    pub fn event(&mut self, class: EventClass, name: &'static str, db: usize, key: &[u8]) {
        self.events.push(KeyEvent { class, name, db, key: key.into() });
    }

    /// A key is removed because its time has come.
    #[cold]
    pub fn expired(&mut self, ext: &mut ShardExtension, db: usize, key: &[u8]) {
        self.mailed_self |= ext.touched(db, key, self.came_across());
        if self.broadcasts {
            self.changed.push(key.into());
        }
        if self.wants(EventClass::EXPIRED) {
            self.event(EventClass::EXPIRED, "expired", db, key);
        }
        self.missing(db, key);
    }

    /// A key was looked up and is not there.
    #[cold]
    pub fn missing(&mut self, db: usize, key: &[u8]) {
        if self.wants(EventClass::NEW) {
            self.missing.insert((db, key.into()));
        }
    }

    /// Whether a key was not there before the command; asked once.
    pub fn was_missing(&mut self, db: usize, key: &[u8]) -> bool {
        self.wants(EventClass::NEW) && self.missing.remove(&(db, key.into()))
    }

    /// A key was changed.
    #[cold]
    pub fn changed(&mut self, ext: &mut ShardExtension, db: usize, key: &[u8]) {
        self.mailed_self |= ext.touched(db, key, Cause { client: self.client, own: true });
        if self.broadcasts {
            self.changed.push(key.into());
        }
    }
}

/// Publishes a keyspace event as `notified` says; returns how many subscribers it went to.
pub fn publish(pubsub: &PubSub, notified: EventClass, event: &KeyEvent) -> usize {
    let KeyEvent { name, db, key, .. } = event;
    let mut receivers = 0;
    if notified.contains(EventClass::TO_KEY) {
        let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
        receivers += pubsub.publish(TopicKind::Channel, &channel, name.as_bytes());
    }
    if notified.contains(EventClass::TO_EVENT) {
        let channel = format!("__keyevent@{db}__:{name}");
        receivers += pubsub.publish(TopicKind::Channel, channel.as_bytes(), key);
    }
    receivers
}

/// Tells whom it concerns of keys of one shard that no command has removed: their time had come, or room was made.
pub fn removed<'k>(
    server: &Server,
    ext: &mut ShardExtension,
    db: usize,
    keys: impl Iterator<Item = &'k [u8]>,
    (class, name): (EventClass, &'static str),
) {
    let notified = server.notified();
    let (wanted, broadcasts) = (notified.contains(class), server.tracking.broadcasts());
    if !(ext.is_observed() | wanted | broadcasts) {
        return;
    }
    let mut changed = Vec::new();
    for key in keys {
        ext.touched(db, key, Cause::NOBODY);
        if wanted {
            publish(&server.pubsub, notified, &KeyEvent { class, name, db, key: key.into() });
        }
        if broadcasts {
            changed.push(key.into());
        }
    }
    if !changed.is_empty() {
        server.tracking.broadcast(&changed, Cause::NOBODY);
    }
}

/// Sends what the command that has just executed has to tell. Events of a transaction's commands go out one after the
/// other, the keys it has changed together.
#[cold]
pub fn send(cx: &mut Cx<'_, '_>) {
    let news = &mut cx.keys.news;
    let notified = cx.server.notified();
    let mut receivers = 0;
    for event in news.events.drain(..) {
        receivers += publish(&cx.server.pubsub, notified, &event);
    }
    news.mailed_self |= receivers > 0 && cx.session.subscriptions.is_some();
    news.missing.clear();
    if !cx.in_transaction && !news.changed.is_empty() {
        let cause = Cause { client: news.client, own: true };
        news.mailed_self |= cx.server.tracking.broadcast(&news.changed, cause);
        news.changed.clear();
    }
}

/// Remembers the keys that a client with client-side caching has just read.
#[cold]
pub fn remember_read(cx: &mut Cx<'_, '_>, args: Args<'_>) {
    let Some(state) = &cx.session.tracking else { return };
    let reads = cx.command.flags.contains(Flags::READONLY) && !cx.command.flags.contains(Flags::PUBSUB);
    if reads && state.remembers() {
        remember(cx.keys, cx.command, args, cx.session.client.id);
        let max = cx.server.tracked_keys_max();
        if cx.server.tracking.keys() > max {
            cx.keys.evict_tracked(max);
        }
    }
    if !cx.in_transaction {
        end_caching(cx.server, cx.session, Some(cx.command));
    }
}

/// CLIENT CACHING is for one command or transaction, even if that is refused or not known; other subcommands of CLIENT may come
/// between, but for SETINFO.
pub fn end_caching(server: &Server, session: &mut Session, command: Option<&Entry>) {
    let Some(state) = session.tracking.as_mut().filter(|_| session.transaction.is_none()) else { return };
    let parent =
        command.and_then(|command| command.parent).map(|parent| server.table.entry(parent).command.name);
    let is_setinfo = command.is_some_and(|command| command.command.name == "setinfo");
    if parent != Some("client") || is_setinfo {
        state.caching = false;
    }
}

fn remember(keys: &mut Keys<'_>, command: &Entry, args: Args<'_>, client: u64) {
    for spec in command.keys.iter().filter(|spec| !spec.flags.contains(KeyFlags::NOT_KEY)) {
        spec.positions(args, &mut |position| {
            let key = args.at(position);
            let place = keys.locate(key);
            keys.shard(place.shard).ext().concern().tracked.remember(key, client);
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::Session;
    use crate::clients::inbox::Mail;
    use crate::commands::testing::{Fixture, legible};
    use boxcar_resp::Protocol;
    use std::sync::atomic::Ordering::Relaxed;

    /// A client that speaks RESP3 and has executed these words.
    fn client(server: &Fixture, words: &[&str]) -> Session {
        let mut session = server.connect();
        session.protocol = Protocol::Resp3;
        session.client.protocol.store(3, Relaxed);
        server.run_for(&mut session, words);
        session
    }

    /// What waits in the inbox, each message as legible text.
    fn mail(server: &Fixture) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(mail) = server.inbox.take() {
            match mail {
                Mail::Push(_, bytes) => texts.push(legible(&bytes)),
                Mail::Publish(message, _) => {
                    texts.extend(message.copies().iter().map(|(_, bytes)| legible(bytes)));
                }
                other => panic!("no message: {other:?}"),
            }
        }
        texts
    }

    /// What happened, from messages of keyevent channels.
    fn events(server: &Fixture) -> Vec<String> {
        let part = |text: &String, at: usize| text.split('|').nth(at).expect("a part").to_owned();
        mail(server)
            .iter()
            .map(|text| format!("{} {}", part(text, 6).rsplit(':').next().expect("a name"), part(text, 8)))
            .collect()
    }

    #[test]
    fn nothing_is_noted_unless_somebody_wants_to_know() {
        let mut server = Fixture::new();
        let _listener = client(&server, &["PSUBSCRIBE", "*"]);
        server.check("SET key value", "+OK");
        assert!(mail(&server).is_empty());
        let mut server = Fixture::with_config("notify-keyspace-events A");
        let _listener = client(&server, &["PSUBSCRIBE", "*"]);
        server.check("SET key value", "+OK");
        assert!(mail(&server).is_empty(), "neither K nor E");
    }

    #[test]
    fn an_expired_key_is_told_before_what_takes_its_place() {
        let mut server = Fixture::with_config("notify-keyspace-events EAn");
        let _listener = client(&server, &["PSUBSCRIBE", "__keyevent*"]);
        server.check("SET key value PX 1", "+OK");
        assert_eq!(events(&server), ["new key", "set key", "expire key"]);
        server.advance_ms(2);
        server.check("SET key value", "+OK");
        assert_eq!(events(&server), ["expired key", "new key", "set key"]);
        server.check("SET key value PX 1", "+OK");
        events(&server);
        server.advance_ms(2);
        server.check("GET key", "$-1");
        assert_eq!(events(&server), ["expired key"]);
    }

    #[test]
    fn a_tracked_key_is_told_of_once() {
        let mut server = Fixture::new();
        let mut reader = client(&server, &["CLIENT", "TRACKING", "ON"]);
        server.run_for(&mut reader, &["MGET", "a", "b"]);
        assert_eq!((server.server.tracking.keys(), server.server.tracking.items()), (2, 2));
        server.check("SET a 1", "+OK");
        server.check("SET a 2", "+OK");
        assert_eq!(mail(&server), [">2|$10|invalidate|*1|$1|a"]);
        assert_eq!((server.server.tracking.keys(), server.server.tracking.items()), (1, 1));
        server.check("FLUSHALL", "+OK");
        assert_eq!(mail(&server), [">2|$10|invalidate|_"]);
        assert_eq!(server.server.tracking.keys(), 0);
    }

    #[test]
    fn who_has_left_is_not_told() {
        let mut server = Fixture::new();
        let mut reader = client(&server, &["CLIENT", "TRACKING", "ON"]);
        server.run_for(&mut reader, &["GET", "a"]);
        reader.stop_tracking(&server.server.tracking);
        server.check("SET a 1", "+OK");
        assert!(mail(&server).is_empty());
        assert_eq!((server.server.tracking.clients(), server.server.tracking.keys()), (0, 0));
    }

    #[test]
    fn the_table_keeps_to_its_limit() {
        let mut server = Fixture::with_config("tracking-table-max-keys 10");
        let mut reader = client(&server, &["CLIENT", "TRACKING", "ON"]);
        for number in 0..100 {
            server.run_for(&mut reader, &["GET", &format!("key:{number}")]);
            assert!(server.server.tracking.keys() <= 10);
        }
        assert_eq!((server.server.tracking.keys(), mail(&server).len()), (10, 90));
        server.check("CONFIG SET tracking-table-max-keys 3", "+OK");
        server.server.trim_tracking();
        assert_eq!((server.server.tracking.keys(), mail(&server).len()), (3, 7));
    }

    #[test]
    fn broadcasts_are_one_message_for_each_command_and_prefix() {
        let mut server = Fixture::new();
        let mut follower =
            client(&server, &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "u:", "PREFIX", "o:"]);
        server.check("MSET u:2 1 u:1 2 x 3 u:2 4", "+OK");
        assert_eq!(mail(&server), [">2|$10|invalidate|*2|$3|u:1|$3|u:2"]);
        server.check("MULTI", "+OK");
        server.check("SET o:1 1", "+QUEUED");
        server.check("SET o:2 1", "+QUEUED");
        server.check("EXEC", "*2|+OK|+OK");
        assert_eq!(mail(&server), [">2|$10|invalidate|*2|$3|o:1|$3|o:2"]);
        follower.stop_tracking(&server.server.tracking);
        assert_eq!(server.server.tracking.prefixes(), 0);
        server.check("SET u:1 1", "+OK");
        assert!(mail(&server).is_empty());
    }
}
