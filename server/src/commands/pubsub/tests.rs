//! The handlers of the family, against the answers of a real server.

use crate::clients::ClientFlags;
use crate::clients::inbox::Mail;
use crate::commands::testing::{Fixture, legible};
use boxcar_resp::Protocol;

/// What waits in the fixture's inbox: for how many subscribers each message is, and its copies' texts.
fn mail(server: &Fixture) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    while let Some(mail) = server.inbox.take() {
        let Mail::Publish(message, receivers) = mail else { panic!("not a message: {mail:?}") };
        let texts = message.copies().iter().map(|(_, bytes)| legible(bytes)).collect();
        found.push((receivers, texts));
    }
    found
}

#[test]
fn one_message_goes_to_a_thread_however_many_listen() {
    let mut server = Fixture::new();
    let mut others: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for other in &mut others {
        server.run_for(other, &["SUBSCRIBE", "c"]);
    }
    server.check("PUBLISH c hello", ":100");
    server.check("PUBLISH d hello", ":0");
    server.run_for(&mut others[0], &["PSUBSCRIBE", "?"]);
    server.check("PUBLISH c hello", ":101");
    let plain = ">3|$7|message|$1|c|$5|hello".to_owned();
    let matched = ">4|$8|pmessage|$1|?|$1|c|$5|hello".to_owned();
    assert_eq!(mail(&server), [(100, vec![plain.clone()]), (101, vec![plain, matched])]);
}

#[test]
fn messages_to_oneself_are_noticed() {
    let mut server = Fixture::new();
    server.session.protocol = Protocol::Resp3;
    server.check("PUBLISH c m", ":0");
    server.check("SUBSCRIBE c", ">3|$9|subscribe|$1|c|:1");
    server.check("PUBLISH c m", ":1");
    assert_eq!(mail(&server).len(), 1);
}

#[test]
fn numbers_follow_each_kind() {
    let mut server = Fixture::new();
    server.check("SUBSCRIBE a", "*3|$9|subscribe|$1|a|:1");
    server.check("PSUBSCRIBE a", "*3|$10|psubscribe|$1|a|:2");
    server.check("SSUBSCRIBE a", "*3|$10|ssubscribe|$1|a|:1");
    assert!(server.session.client.flags().contains(ClientFlags::PUBSUB));
    assert!(server.session.only_listens() && !server.session.is_plain());
    server.check("SUNSUBSCRIBE", "*3|$12|sunsubscribe|$1|a|:0");
    server.check("UNSUBSCRIBE b", "*3|$11|unsubscribe|$1|b|:2");
    server.check("UNSUBSCRIBE", "*3|$11|unsubscribe|$1|a|:1");
    server.check("PUNSUBSCRIBE a", "*3|$12|punsubscribe|$1|a|:0");
    server.check("UNSUBSCRIBE", "*3|$11|unsubscribe|$-1|:0");
    assert!(!server.session.client.flags().contains(ClientFlags::PUBSUB));
    assert!(server.session.subscriptions.is_none() && server.session.is_plain());
}

#[test]
fn what_nobody_listens_to_is_forgotten() {
    let mut server = Fixture::new();
    let mut other = server.connect();
    server.run_for(&mut other, &["SSUBSCRIBE", "s"]);
    server.run_for(&mut other, &["SUBSCRIBE", "c"]);
    server.check("PUBSUB SHARDCHANNELS", "*1|$1|s");
    server.check("PUBSUB SHARDNUMSUB s t", "*4|$1|s|:1|$1|t|:0");
    server.check("PUBSUB CHANNELS", "*1|$1|c");
    server.check("PUBSUB CHANNELS [d-f]", "*0");
    server.check("PUBSUB NUMSUB c", "*2|$1|c|:1");
    server.check("PUBSUB NUMPAT", ":0");
    other.unsubscribe(&server.server.pubsub);
    server.check("PUBSUB SHARDCHANNELS", "*0");
    server.check("PUBSUB CHANNELS", "*0");
    server.check("PUBLISH c m", ":0");
}

#[test]
fn ping_while_listening() {
    let mut server = Fixture::new();
    server.run(&["SUBSCRIBE", "c"]);
    server.check("PING", "*2|$4|pong|$0|");
    server.check("PING x", "*2|$4|pong|$1|x");
    server.session.protocol = Protocol::Resp3;
    server.check("PING", "+PONG");
    server.check("RESET", "+RESET");
    server.check("PUBSUB NUMSUB c", "*2|$1|c|:0");
}
