//! Each command's replies, errors and effects. The expected replies are a real server's.

use crate::commands::testing::{Fixture, START_MS, legible};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";

#[test]
fn removing_and_counting() {
    let mut server = Fixture::new();
    server.check("MSET a 1 b 2 c 3", "+OK");
    server.check("EXISTS a b b missing", ":3");
    server.check("DEL a missing a", ":1");
    server.check("UNLINK b c c", ":2");
    server.check("DEL a", ":0");
    assert_eq!(server.stored_keys(0), 0);
    server.check("SET a 1 PX 1", "+OK");
    server.advance_ms(2);
    server.check("EXISTS a", ":0");
    server.check("SET a 1 PX 1", "+OK");
    server.advance_ms(2);
    server.check("DEL a", ":0");
    assert_eq!(server.server.stats.totals().expired_keys, 2);
}

#[test]
fn large_values_are_freed_in_the_background_if_wanted() {
    let mut server = Fixture::new();
    let large = format!("SET large {}", "x".repeat(300_000));
    let freed = |server: &Fixture, count| {
        let start = Instant::now();
        while server.server.reclaimer.pending() > 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "nobody frees");
            std::thread::yield_now();
        }
        assert_eq!(server.server.reclaimer.freed(), count);
    };
    server.check(&large, "+OK");
    server.check("SET small value", "+OK");
    server.check("UNLINK large small", ":2");
    freed(&server, 1);
    server.check(&large, "+OK");
    server.check("DEL large", ":1");
    freed(&server, 1);
    server.check("CONFIG SET lazyfree-lazy-user-del yes", "+OK");
    server.check(&large, "+OK");
    server.check("DEL large", ":1");
    freed(&server, 2);
}

#[test]
fn huge_values_are_freed_in_the_background_whatever_was_asked_for() {
    let mut server = Fixture::new();
    // 40,000 members in allocations of their own: above FREED_AT_ONCE_MAX.
    let fill = |server: &mut Fixture, key: &str| {
        for first in (0..40_000).step_by(1000) {
            let members: String = (first..first + 1000).map(|number| format!(" member:{number}")).collect();
            server.check(&format!("SADD {key}{members}"), ":1000");
        }
    };
    let ways = [
        ("DEL huge", ":1"),
        ("FLUSHALL SYNC", "+OK"),
        ("SET huge small", "+OK"),
        ("RENAME other huge", "+OK"),
        ("SINTERSTORE huge missing missing", ":0"),
        ("PEXPIREAT huge 1", ":1"),
    ];
    for (way, reply) in ways {
        let before = server.server.reclaimer.freed();
        server.check("SET other value", "+OK");
        fill(&mut server, "huge");
        server.check(way, reply);
        server.run(&["DEL", "huge"]);
        let start = Instant::now();
        while server.server.reclaimer.pending() > 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "nobody frees");
            std::thread::yield_now();
        }
        assert!(server.server.reclaimer.freed() > before, "{way}");
    }
}

#[test]
fn type_of_a_key() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("TYPE key", "+string");
    server.check("TYPE missing", "+none");
}

#[test]
fn touch_renews_the_access_clock_and_questions_do_not() {
    let mut server = Fixture::new();
    server.check("MSET a 1 b 2", "+OK");
    server.advance_ms(5_000);
    for question in ["EXISTS a", "TYPE a", "TTL a", "OBJECT ENCODING a"] {
        server.run(&question.split(' ').collect::<Vec<_>>());
    }
    server.check("OBJECT IDLETIME a", ":5");
    server.check("GET a", "$1|1");
    server.check("OBJECT IDLETIME a", ":0");
    server.check("TOUCH a b missing", ":2");
    server.check("OBJECT IDLETIME b", ":0");
    server.session.no_touch = true;
    server.advance_ms(5_000);
    server.check("GET a", "$1|1");
    server.check("APPEND b 3", ":2");
    server.check("OBJECT IDLETIME a", ":5");
    server.check("OBJECT IDLETIME b", ":5");
    server.check("TOUCH a", ":1");
    server.check("OBJECT IDLETIME a", ":0");
}

#[test]
fn renaming() {
    let mut server = Fixture::new();
    server.check("RENAME missing other", "-ERR no such key");
    server.check("RENAMENX missing missing", "-ERR no such key");
    server.check("SET a 1 EX 100", "+OK");
    server.check("RENAME a a", "+OK");
    server.check("RENAMENX a a", ":0");
    // From shard to shard: ten names in eight shards.
    let mut name = "a".to_owned();
    for i in 0..10 {
        let next = format!("name{i}");
        server.check(&format!("RENAME {name} {next}"), "+OK");
        server.check(&format!("EXISTS {name}"), ":0");
        server.check(&format!("GET {next}"), "$1|1");
        server.check(&format!("TTL {next}"), ":100");
        name = next;
    }
    server.check("SET other 2", "+OK");
    server.check(&format!("RENAMENX {name} other"), ":0");
    server.check(&format!("RENAME {name} other"), "+OK");
    server.check("TTL other", ":100");
    server.check("SET key 3", "+OK");
    server.check("RENAME key other", "+OK");
    server.check("TTL other", ":-1");
    server.check("RENAMENX other key", ":1");
    server.check("GET key", "$1|3");
    assert_eq!(server.stored_keys(0), 1);
}

#[test]
fn copying() {
    let mut server = Fixture::new();
    server.check("COPY missing other", ":0");
    server.check("SET key value EX 100", "+OK");
    server.check("COPY key other", ":1");
    server.check("GET other", "$5|value");
    server.check("TTL other", ":100");
    server.check("SET key 12", "+OK");
    server.check("COPY key other", ":0");
    server.check("COPY key other replace", ":1");
    server.check("OBJECT ENCODING other", "$3|int");
    server.check("TTL other", ":-1");
    server.check("COPY key key", "-ERR source and destination objects are the same");
    server.check("COPY key key DB 0", "-ERR source and destination objects are the same");
    server.check("COPY key key DB 1", ":1");
    server.check("COPY key key DB 1", ":0");
    server.check("COPY key key REPLACE DB 1", ":1");
    assert_eq!((server.stored_keys(0), server.stored_keys(1)), (2, 1));
    server.check("COPY key other DB", SYNTAX);
    server.check("COPY key other nonsense", SYNTAX);
    server.check("COPY key other DB x", NOT_INTEGER);
    server.check("COPY key other DB 16", "-ERR DB index is out of range");
    server.check("COPY key other DB -1", "-ERR DB index is out of range");
    server.check(
        "COPY key other DB 2147483648",
        "-ERR value is out of range, value must between -2147483648 and 2147483647",
    );
}

#[test]
fn moving_to_another_database() {
    let mut server = Fixture::new();
    server.check("MOVE missing 1", ":0");
    server.check("SET key value EX 100", "+OK");
    server.check("MOVE key 0", "-ERR source and destination objects are the same");
    server.check("MOVE key x", NOT_INTEGER);
    server.check("MOVE key 16", "-ERR DB index is out of range");
    server.check("MOVE key 1", ":1");
    server.check("EXISTS key", ":0");
    server.check("SET key other", "+OK");
    server.check("MOVE key 1", ":0");
    server.check("GET key", "$5|other");
    server.session.db = 1;
    server.check("GET key", "$5|value");
    server.check("TTL key", ":100");
}

#[test]
fn edited_strings_stay_raw_wherever_they_go() {
    let mut server = Fixture::new();
    server.check("SET key ab", "+OK");
    server.check("APPEND key c", ":3");
    server.check("COPY key copy", ":1");
    server.check("RENAME key renamed", "+OK");
    server.check("MOVE copy 1", ":1");
    server.check("OBJECT ENCODING renamed", "$3|raw");
    server.session.db = 1;
    server.check("OBJECT ENCODING copy", "$3|raw");
    server.check("GET copy", "$3|abc");
}

#[test]
fn setting_expiries() {
    let mut server = Fixture::new();
    server.check("EXPIRE missing 10", ":0");
    server.check("SET key value", "+OK");
    server.check("TTL key", ":-1");
    server.check("TTL missing", ":-2");
    for (command, left_ms) in [
        ("EXPIRE key 10", 10_000),
        ("PEXPIRE key 1500", 1_500),
        ("EXPIREAT key 1700000007", 7_000),
        ("PEXPIREAT key 1700000000499", 499),
        ("PEXPIRE key 1", 1),
    ] {
        server.check(command, ":1");
        server.check("PTTL key", &format!(":{left_ms}"));
        server.check("TTL key", &format!(":{}", (left_ms + 500) / 1000));
        server.check("PEXPIRETIME key", &format!(":{}", START_MS + left_ms));
        server.check("EXPIRETIME key", &format!(":{}", (START_MS + left_ms + 500) / 1000));
    }
    server.check("PERSIST key", ":1");
    server.check("PERSIST key", ":0");
    server.check("PERSIST missing", ":0");
    server.check("PTTL key", ":-1");
    server.check("PTTL missing", ":-2");
    server.check("PEXPIREAT key 9223372036854775807", ":1");
    server.check("EXPIRETIME key", ":9223372036854775");
}

#[test]
fn an_expiry_in_the_past_removes_the_key() {
    let mut server = Fixture::new();
    for command in [
        "EXPIRE key 0",
        "EXPIRE key -1",
        "PEXPIRE key -9223372036854775808",
        "EXPIREAT key 1",
        "PEXPIREAT key 1700000000000",
    ] {
        server.check("SET key value", "+OK");
        server.check(command, ":1");
        assert_eq!(server.stored_keys(0), 0, "{command}");
    }
}

#[test]
fn expiries_that_are_no_moment() {
    let mut server = Fixture::new();
    for command in ["EXPIRE missing x", "PEXPIRE missing 9223372036854775808"] {
        server.check(command, NOT_INTEGER);
    }
    for (name, number) in [
        ("expire", "9223372036854776"),
        ("expire", "-9223372036854776"),
        ("expire", "9223372036854775"),
        ("pexpire", "9223372036854775807"),
        ("expireat", "9223372036854776"),
    ] {
        let error = format!("-ERR invalid expire time in '{name}' command");
        server.check(&format!("{name} missing {number}"), &error);
    }
}

#[test]
fn expiries_under_conditions() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    for (conditions, done) in [
        // Without an expiry, which is the latest of all.
        ("10 XX", 0),
        ("10 GT", 0),
        ("10 XX LT", 0),
        ("10 NX", 1),
        ("20 NX", 0),
        ("10 GT", 0),
        ("10 LT", 0),
        ("11 GT", 1),
        ("9 gt", 0),
        ("10 LT XX", 1),
        ("20 XX", 1),
        ("30 XX GT", 1),
        // A past expiry is subject to the conditions like any other.
        ("-1 GT", 0),
        ("-1 LT", 1),
    ] {
        server.check(&format!("EXPIRE key {conditions}"), &format!(":{done}"));
    }
    assert_eq!(server.stored_keys(0), 0);
    server.check("SET key value", "+OK");
    server.check("EXPIRE key 10 LT", ":1");
    server.check("EXPIRE key x nonsense", "-ERR Unsupported option nonsense");
    for conditions in ["NX XX", "GT NX", "NX LT"] {
        let error = "-ERR NX and XX, GT or LT options at the same time are not compatible";
        server.check(&format!("EXPIRE key 10 {conditions}"), error);
    }
    server.check("EXPIRE key 10 GT LT", "-ERR GT and LT options at the same time are not compatible");
}

/// The keys of a SCAN reply, and its cursor.
fn scan(server: &mut Fixture, cursor: &str, options: &str) -> (String, Vec<String>) {
    let line = format!("SCAN {cursor} {options}");
    let reply = legible(&server.run(&line.split_whitespace().collect::<Vec<_>>()));
    let parts: Vec<&str> = reply.split('|').collect();
    let count: usize = parts[3].strip_prefix('*').unwrap().parse().unwrap();
    let keys: Vec<String> = parts[4..].iter().skip(1).step_by(2).map(|&key| key.to_owned()).collect();
    assert_eq!((parts[0], keys.len()), ("*2", count), "{reply}");
    (parts[2].to_owned(), keys)
}

fn scan_all(server: &mut Fixture, options: &str) -> Vec<String> {
    let (mut cursor, mut all) = scan(server, "0", options);
    while cursor != "0" {
        let (next, keys) = scan(server, &cursor, options);
        all.extend(keys);
        cursor = next;
    }
    all
}

fn fill(server: &mut Fixture, keys: usize) {
    for i in 0..keys {
        server.check(&format!("SET key:{i} {i}"), "+OK");
    }
}

#[test]
fn scan_visits_every_key_once() {
    let mut server = Fixture::new();
    fill(&mut server, 500);
    for options in ["", "COUNT 1", "COUNT 7", "COUNT 10000", "TYPE string MATCH *"] {
        let keys = scan_all(&mut server, options);
        assert_eq!(keys.len(), 500, "{options}");
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 500, "{options}");
    }
    assert_eq!(scan_all(&mut server, "MATCH key:1? COUNT 50").len(), 10);
    assert_eq!(scan_all(&mut server, "TYPE hash").len(), 0);
    assert_eq!(scan(&mut server, "0", "TYPE STRING count 500 match *"), {
        let (cursor, keys) = scan(&mut server, "0", "COUNT 500");
        (cursor, keys)
    });
}

#[test]
fn scan_of_a_small_database_is_one_call() {
    let mut server = Fixture::with_shards(1024);
    fill(&mut server, 10);
    let (cursor, keys) = scan(&mut server, "0", "COUNT 11");
    assert_eq!((cursor.as_str(), keys.len()), ("0", 10));
}

#[test]
fn scan_keeps_its_promise_while_keys_come_and_go() {
    let mut server = Fixture::new();
    fill(&mut server, 300);
    let mut seen = BTreeSet::new();
    let mut cursor = "0".to_owned();
    let mut round = 0;
    loop {
        let (next, keys) = scan(&mut server, &cursor, "COUNT 5");
        seen.extend(keys);
        // Enough new keys for the tables to grow, and old ones that go away.
        for i in 0..40 {
            server.check(&format!("SET new:{round}:{i} x"), "+OK");
        }
        server.check(&format!("DEL key:{}", 200 + round % 100), &format!(":{}", usize::from(round < 100)));
        if next == "0" {
            break;
        }
        cursor = next;
        round += 1;
    }
    for i in 0..200 {
        assert!(seen.contains(&format!("key:{i}")), "key:{i} was there all the time");
    }
}

#[test]
fn scan_arguments() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("SCAN 0 COUNT 10", "*2|$1|0|*1|$3|key");
    server.check("SCAN ''", "*2|$1|0|*1|$3|key");
    server.check("SCAN +0", "*2|$1|0|*1|$3|key");
    for cursor in ["18446744073709551616", " 0", "x", "1x", "-", "0x1"] {
        assert_eq!(server.run(&["SCAN", cursor]), b"-ERR invalid cursor\r\n", "{cursor:?}");
    }
    // Cursors that no call has returned end the walk or go on somewhere.
    server.check("SCAN 18446744073709551615", "*2|$1|0|*0");
    server.check("SCAN -1", "*2|$1|0|*0");
    server.check("SCAN 0 COUNT 0", SYNTAX);
    server.check("SCAN 0 COUNT x", NOT_INTEGER);
    server.check("SCAN 0 MATCH", SYNTAX);
    server.check("SCAN 0 nonsense x", SYNTAX);
    server.check("SCAN x nonsense", "-ERR invalid cursor");
    server.check("SCAN 0 COUNT 9223372036854775807", "*2|$1|0|*1|$3|key");
}

#[test]
fn walks_leave_out_expired_keys() {
    let mut server = Fixture::new();
    server.check("SET gone value PX 1", "+OK");
    server.check("SET here value PX 2", "+OK");
    server.advance_ms(2);
    server.check("KEYS *", "*1|$4|here");
    server.check("SCAN 0", "*2|$1|0|*1|$4|here");
    server.check("RANDOMKEY", "$4|here");
    server.advance_ms(1);
    server.check("KEYS *", "*0");
    server.check("RANDOMKEY", "$-1");
}

#[test]
fn keys_by_pattern() {
    let mut server = Fixture::new();
    server.check("KEYS *", "*0");
    server.check("MSET one 1 two 2 three 3", "+OK");
    server.check("KEYS t?o", "*1|$3|two");
    server.check("KEYS [^t]*", "*1|$3|one");
    server.check("KEYS T*", "*0");
    server.check("SET '' empty", "+OK");
    server.check("KEYS ''", "*1|$0|");
    assert!(legible(&server.run(&["KEYS", "*"])).starts_with("*4|"));
    server.session.db = 1;
    server.check("KEYS *", "*0");
}

#[test]
fn walks_inside_a_transaction() {
    let mut server = Fixture::new();
    server.check("MULTI", "+OK");
    for line in ["SET key 1", "KEYS *", "SCAN 0", "RANDOMKEY"] {
        server.check(line, "+QUEUED");
    }
    server.check("EXEC", "*4|+OK|*1|$3|key|*2|$1|0|*1|$3|key|$3|key");
}

#[test]
fn randomkey_draws_every_key() {
    let mut server = Fixture::new();
    server.check("RANDOMKEY", "$-1");
    fill(&mut server, 5);
    let drawn: BTreeSet<_> = (0..1000).map(|_| server.run(&["RANDOMKEY"])).collect();
    assert_eq!(drawn.len(), 5);
    // With nearly all of them expired, a draw finds none, and the walk finds the one.
    for i in 0..2000 {
        server.check(&format!("SET old:{i} x PX 1"), "+OK");
    }
    server.check("DEL key:0 key:1 key:2 key:3", ":4");
    server.advance_ms(2);
    for _ in 0..20 {
        server.check("RANDOMKEY", "$5|key:4");
    }
}

#[test]
fn encodings() {
    let mut server = Fixture::new();
    server.check("OBJECT ENCODING missing", "$-1");
    for (length, encoding) in [(1, "$6|embstr"), (44, "$6|embstr"), (45, "$3|raw")] {
        server.check(&format!("SET key {}", "x".repeat(length)), "+OK");
        server.check("OBJECT ENCODING key", encoding);
    }
    server.check("OBJECT", "-ERR wrong number of arguments for 'object' command");
    server.check("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command");
}

#[test]
fn reference_counts() {
    let mut server = Fixture::new();
    server.check("MSET small 9999 large 10000 negative -1 text x", "+OK");
    server.check("OBJECT REFCOUNT small", ":2147483647");
    server.check("OBJECT REFCOUNT large", ":1");
    server.check("OBJECT REFCOUNT negative", ":1");
    server.check("OBJECT REFCOUNT text", ":1");
    server.check("OBJECT REFCOUNT missing", "$-1");
}

#[test]
fn frequency_and_idle_time_follow_the_policy() {
    let mut server = Fixture::new();
    server.check("SET key 1", "+OK");
    server.check("OBJECT FREQ missing", "$-1");
    server.check("OBJECT IDLETIME missing", "$-1");
    server.check(
        "OBJECT FREQ key",
        "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    server.check("CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0", "+OK");
    server.check("SET counted 1", "+OK");
    server.check("OBJECT FREQ counted", ":5");
    server.check("GET counted", "$1|1");
    server.check("INCR counted", ":2");
    server.check("OBJECT FREQ counted", ":7");
    server.check("SET counted 1", "+OK");
    server.check("OBJECT FREQ counted", ":8");
    server.advance_ms(3 * 60_000);
    server.check("OBJECT FREQ counted", ":5");
    server.check(
        "OBJECT IDLETIME counted",
        "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust.",
    );
}

#[test]
fn help_names_every_subcommand() {
    let mut server = Fixture::new();
    let help = legible(&server.run(&["OBJECT", "HELP"]));
    for subcommand in ["ENCODING <key>", "FREQ <key>", "IDLETIME <key>", "REFCOUNT <key>", "HELP"] {
        assert!(help.contains(&format!("|+{subcommand}|")), "{help}");
    }
}

#[test]
fn watchers_learn_of_every_change() {
    let changes = [
        "DEL key",
        "UNLINK key",
        "RENAME key other",
        "RENAME source key",
        "RENAMENX key other",
        "COPY source key REPLACE",
        "MOVE key 1",
        "EXPIRE key 10",
        "EXPIRE key -1",
        "PERSIST expiring",
        "SET key 1",
        "SET key 1 GET",
        "SETEX key 1 1",
        "GETSET key 1",
        "GETDEL key",
        "GETEX key EX 1",
        "APPEND key x",
        "SETRANGE key 0 x",
        "INCR key",
        "INCRBYFLOAT key 1",
        "MSET key 1",
        "MSETNX new 1",
        "SETNX new 1",
    ];
    let others = [
        "DEL missing",
        "GET key",
        "RENAMENX key source",
        "COPY key other",
        "COPY key source",
        "EXPIRE key 10 XX",
        "PERSIST key",
        "SETNX key 1",
        "SET key 1 NX",
        "GETEX key",
        "SETRANGE key 0 ''",
        "MSETNX new 1 key 1",
        "TOUCH key",
        "KEYS *",
        "MOVE source 0",
    ];
    let outcome = |line: &str| {
        let mut server = Fixture::new();
        server.check("MSET key 1 source 2 expiring 3", "+OK");
        server.check("EXPIRE expiring 100", ":1");
        server.check("WATCH key expiring new", "+OK");
        let mut other = server.connect();
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        server.run_for(&mut other, &words);
        server.check("MULTI", "+OK");
        server.check("PING", "+QUEUED");
        server.run(&["EXEC"])
    };
    for line in changes {
        assert_eq!(outcome(line), b"*-1\r\n", "{line}");
    }
    for line in others {
        assert_eq!(outcome(line), b"*1\r\n+PONG\r\n", "{line}");
    }
}
