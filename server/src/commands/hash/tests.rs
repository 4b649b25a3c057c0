//! Each command's effects beyond its reply, and time. Replies are in the transcripts.

use crate::commands::testing::{Fixture, START_MS};
use boxcar_resp::Protocol;

#[test]
fn fields_come_and_go_with_their_key() {
    let mut server = Fixture::new();
    server.check("HSET h a 1 b 2", ":2");
    server.check("HGETALL h", "*4|$1|a|$1|1|$1|b|$1|2");
    server.session.protocol = Protocol::Resp3;
    server.check("HGETALL h", "%2|$1|a|$1|1|$1|b|$1|2");
    server.check("HRANDFIELD h 2 WITHVALUES", "*2|*2|$1|a|$1|1|*2|$1|b|$1|2");
    server.session.protocol = Protocol::Resp2;
    server.check("HDEL h a b", ":2");
    server.check("EXISTS h", ":0");
    // An error does not leave an empty hash behind.
    server.check("HINCRBY h n x", "-ERR value is not an integer or out of range");
    server.check("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn watchers_learn_of_changes_only() {
    let mut server = Fixture::new();
    server.check("HSET h a 1", ":1");
    for (command, changes) in [
        ("HSETNX h a 2", false),
        ("HDEL h missing", false),
        ("HGETEX h FIELDS 1 a", false),
        ("HPERSIST h FIELDS 1 a", false),
        ("HSETEX h FNX FIELDS 1 a 1", false),
        ("HSET h a 1", true),
        ("HGETEX h EX 10 FIELDS 1 a", true),
        ("HPERSIST h FIELDS 1 a", true),
        ("HINCRBY h a 1", true),
        ("HGETDEL h FIELDS 1 a", true),
    ] {
        server.check("WATCH h", "+OK");
        let mut other = server.connect();
        let words: Vec<&str> = command.split(' ').collect();
        server.run_for(&mut other, &words);
        server.check("MULTI", "+OK");
        server.check("EXEC", if changes { "*-1" } else { "*0" });
    }
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn a_field_lives_through_its_last_millisecond() {
    for filler in [0, 600] {
        let mut server = Fixture::new();
        for index in 0..filler {
            server.run(&["HSET", "h", &format!("filler{index}"), "v"]);
        }
        server.check("HSET h a 1 b 2 c 3", ":3");
        server.check("HPEXPIRE h 10 FIELDS 2 a b", "*2|:1|:1");
        server.check("HPEXPIRETIME h FIELDS 1 a", &format!("*1|:{}", START_MS + 10));
        server.advance_ms(10);
        server.check("HGET h a", "$1|1");
        server.check("HPTTL h FIELDS 1 a", "*1|:0");
        server.advance_ms(1);
        server.check("HLEN h", &format!(":{}", filler + 3));
        server.check("HMGET h a c", "*2|$-1|$1|3");
        server.check("HLEN h", &format!(":{}", filler + 2));
        server.check("HPTTL h FIELDS 1 b", "*1|:-2");
        server.check("HPERSIST h FIELDS 1 b", "*1|:-2");
        server.check("HSTRLEN h b", ":0");
        server.check("HLEN h", &format!(":{}", filler + 1));
        assert_eq!(server.server.stats.totals().expired_fields, 2);
    }
}

#[test]
fn picking_at_random_removes_expired_fields() {
    let mut server = Fixture::new();
    server.check("HSET h a 1 b 2", ":2");
    server.check("HPEXPIRE h 5 FIELDS 1 a", "*1|:1");
    server.advance_ms(6);
    server.check("HLEN h", ":2");
    server.check("HRANDFIELD h", "$1|b");
    server.check("HLEN h", ":1");
    server.check("HPEXPIRE h 5 FIELDS 1 b", "*1|:1");
    server.advance_ms(6);
    server.check("HRANDFIELD h 0", "*0");
    server.check("EXISTS h", ":0");
}

#[test]
fn the_last_field_takes_its_hash_along() {
    let mut server = Fixture::new();
    server.check("HSET h a 1", ":1");
    server.check("HPEXPIRE h 5 FIELDS 1 a", "*1|:1");
    server.advance_ms(6);
    server.check("HGETALL h", "*0");
    server.check("HSCAN h 0", "*2|$1|0|*0");
    server.check("EXISTS h", ":1");
    server.check("HGET h a", "$-1");
    server.check("EXISTS h", ":0");
    server.check("HSET h a 1", ":1");
    server.check("HPEXPIRE h 5 FIELDS 1 a", "*1|:1");
    server.advance_ms(6);
    server.check("HSETNX h a 2", ":1");
    server.check("HTTL h FIELDS 1 a", "*1|:-1");
    server.check("HPEXPIRE h 5 FIELDS 1 a", "*1|:1");
    server.advance_ms(6);
    server.check("HINCRBY h a 1", ":1");
}

#[test]
fn expiries_follow_their_hash() {
    let mut server = Fixture::new();
    server.check("HSET h a 1 b 2", ":2");
    server.check("HPEXPIRE h 5 FIELDS 1 a", "*1|:1");
    server.check("COPY h copy", ":1");
    server.check("RENAME h renamed", "+OK");
    let expires = server.server.keyspace.expires(0);
    assert_eq!((expires.count, expires.objects), (0, 2));
    server.check("DEL copy", ":1");
    server.check("HPERSIST renamed FIELDS 1 a", "*1|:1");
    assert!(!server.server.keyspace.expires(0).any());
    server.check("HPEXPIRE renamed 5 FIELDS 1 a", "*1|:1");
    assert!(server.server.keyspace.expires(0).any());
    server.check("SET renamed x", "+OK");
    assert!(!server.server.keyspace.expires(0).any());
}

#[test]
fn the_expiry_cycle_removes_fields_that_nobody_asks_for() {
    for count in [3, 2000] {
        let mut server = Fixture::new();
        for index in 0..count {
            server.run(&["HSET", "h", &format!("{index}"), "v"]);
            server.run(&["HPEXPIRE", "h", "5", "FIELDS", "1", &format!("{index}")]);
        }
        server.check("HSET other a 1", ":1");
        server.check("HPEXPIRE other 50 FIELDS 1 a", "*1|:1");
        let now_ms = START_MS + 6;
        let mut fields = 0;
        for shard in 0..server.server.keyspace.shards() as u32 {
            let mut guard = server.server.keyspace.lock(shard);
            loop {
                let step = guard.db(0).expire_step(now_ms, 64, &mut |_| ());
                fields += step.expired_fields;
                if step.wrapped && !step.fields_left {
                    break;
                }
            }
        }
        assert_eq!((fields, server.stored_keys(0)), (count, 1));
    }
}
