//! Each command's replies, errors and effects. The expected replies are a real server's.

use crate::commands::testing::{Fixture, START_MS, legible};
use boxcar_resp::Protocol;

const WRONG_ARITY: &str = "-ERR wrong number of arguments for";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";

#[test]
fn get_and_set() {
    let mut server = Fixture::new();
    server.check("GET key", "$-1");
    server.check("SET key value", "+OK");
    server.check("GET key", "$5|value");
    server.check("SET key ''", "+OK");
    server.check("GET key", "$0|");
    for number in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
        server.check(&format!("SET key {number}"), "+OK");
        server.check("OBJECT ENCODING key", "$3|int");
        server.check("GET key", &format!("${}|{number}", number.len()));
    }
    for text in ["00", "-0", "+1", "9223372036854775808", "1.0"] {
        server.check(&format!("SET key {text}"), "+OK");
        server.check("OBJECT ENCODING key", "$6|embstr");
        server.check("GET key", &format!("${}|{text}", text.len()));
    }
    let binary: Vec<u8> = (0..=255).collect();
    server.run(&[b"SET", &binary[..], &binary[..]]);
    assert_eq!(server.run(&[b"GET", &binary[..]]), [b"$256\r\n", &binary[..], b"\r\n"].concat());
    server.session.protocol = Protocol::Resp3;
    server.check("GET missing", "_");
}

#[test]
fn set_counts_changes_and_get_counts_hits() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("GET key", "$5|value");
    server.check("GET missing", "$-1");
    server.check("SET key value NX", "$-1");
    server.check("SET key value GET", "$5|value");
    let totals = server.server.stats.totals();
    assert_eq!((totals.changes, totals.keyspace_hits, totals.keyspace_misses), (2, 2, 1));
}

#[test]
fn set_under_conditions() {
    let mut server = Fixture::new();
    server.check("SET key one XX", "$-1");
    server.check("SET key one NX", "+OK");
    server.check("SET key two nx", "$-1");
    server.check("SET key two xX", "+OK");
    server.check("SET key three GET", "$3|two");
    server.check("SET new one GET", "$-1");
    server.check("GET new", "$3|one");
    server.check("SET key four NX GET", "$5|three");
    server.check("GET key", "$5|three");
    server.check("SET other one NX GET", "$-1");
    server.check("GET other", "$3|one");
    server.check("SET missing one XX GET", "$-1");
    server.check("EXISTS missing", ":0");
    server.check("SET key 12 NX NX", "$-1");
    server.check("SET key value NX XX", SYNTAX);
    server.check("SET key value XX NX", SYNTAX);
    server.check("SET key value PERSIST", SYNTAX);
    server.check("SET key value nonsense", SYNTAX);
}

#[test]
fn set_with_expiry() {
    let mut server = Fixture::new();
    for (option, left_ms) in [
        ("EX 10", 10_000),
        ("PX 1500", 1_500),
        ("ex 10 EX 20", 20_000),
        ("EXAT 1700000100", 100_000),
        ("PXAT 1700000000001", 1),
        ("PX 9223370336854775807", 9_223_370_336_854_775_807_i64),
    ] {
        server.check(&format!("SET key value {option}"), "+OK");
        server.check("PTTL key", &format!(":{left_ms}"));
    }
    server.check("SET key value KEEPTTL", "+OK");
    server.check("PTTL key", ":9223370336854775807");
    server.check("SET key value KEEPTTL keepttl XX GET", "$5|value");
    server.check("PTTL key", ":9223370336854775807");
    server.check("SET key value", "+OK");
    server.check("PTTL key", ":-1");
    server.check("SET new value KEEPTTL", "+OK");
    server.check("PTTL new", ":-1");
    for option in ["EX", "EX 1 PX 1", "EX 1 EXAT 1", "PX 1 PXAT 1", "KEEPTTL EX 1", "EX 1 KEEPTTL", "EX 1 EX"]
    {
        server.check(&format!("SET key value {option}"), SYNTAX);
    }
    for option in ["EX x", "PX 1.5", "EXAT ''", "PX 9223372036854775808"] {
        server.check(&format!("SET key value {option}"), NOT_INTEGER);
    }
    let too_much = [
        "EX 0",
        "PX -1",
        "EX 9223372036854776",
        "PX 9223370336854775808",
        "EXAT -5",
        "EX -9223372036854775808",
    ];
    for option in too_much {
        server.check(&format!("SET key value {option}"), "-ERR invalid expire time in 'set' command");
    }
    // The expiry is looked at before the condition.
    server.check("SET key value XX EX 0", "-ERR invalid expire time in 'set' command");
    server.check("PTTL key", ":-1");
}

#[test]
fn a_key_lives_through_the_millisecond_of_its_expiry() {
    let mut server = Fixture::new();
    server.check("SET key value PX 10", "+OK");
    server.advance_ms(10);
    server.check("GET key", "$5|value");
    server.check("PTTL key", ":0");
    server.advance_ms(1);
    assert_eq!(server.stored_keys(0), 1);
    server.check("GET key", "$-1");
    assert_eq!(server.stored_keys(0), 0);
    assert_eq!(server.server.stats.totals().expired_keys, 1);
    // A moment in the past is accepted, and the key is gone at once.
    server.check("SET key value PXAT 1", "+OK");
    server.check("GET key", "$-1");
    server.check("SET key value PX 10", "+OK");
    server.advance_ms(11);
    server.check("SET key value NX", "+OK");
    server.check("PTTL key", ":-1");
}

#[test]
fn older_forms_of_set() {
    let mut server = Fixture::new();
    server.check("SETNX key one", ":1");
    server.check("SETNX key two", ":0");
    server.check("GET key", "$3|one");
    server.check("SETEX key 10 two", "+OK");
    server.check("TTL key", ":10");
    server.check("PSETEX key 1500 three", "+OK");
    server.check("PTTL key", ":1500");
    server.check("GET key", "$5|three");
    server.check("SETEX key 0 two", "-ERR invalid expire time in 'setex' command");
    server.check("SETEX key x two", NOT_INTEGER);
    server.check("PSETEX key -1 two", "-ERR invalid expire time in 'psetex' command");
    server.check("GETSET key four", "$5|three");
    server.check("PTTL key", ":-1");
    server.check("GETSET new 5", "$-1");
    server.check("GET new", "$1|5");
}

#[test]
fn many_keys_at_once() {
    let mut server = Fixture::new();
    server.check("MSET a 1 b two c '' a 3", "+OK");
    server.check("MGET a b c d a", "*5|$1|3|$3|two|$0||$-1|$1|3");
    server.check("MSET a 1 b", &format!("{WRONG_ARITY} 'mset' command"));
    server.check("MSETNX a 1 b", &format!("{WRONG_ARITY} 'msetnx' command"));
    server.check("MSETNX x 1 a 2", ":0");
    server.check("EXISTS x", ":0");
    server.check("MSETNX x 1 y 2 x 3", ":1");
    server.check("MGET x y", "*2|$1|3|$1|2");
    server.check("EXPIRE a 100", ":1");
    server.check("MSET a 4", "+OK");
    server.check("TTL a", ":-1");
    server.session.protocol = Protocol::Resp3;
    server.check("MGET nothing", "*1|_");
}

#[test]
fn parts_and_lengths() {
    let mut server = Fixture::new();
    server.check("SET key Hello", "+OK");
    server.check("SET number -1234", "+OK");
    server.check("STRLEN key", ":5");
    server.check("STRLEN number", ":5");
    server.check("STRLEN missing", ":0");
    for (range, part) in [
        ("0 -1", "Hello"),
        ("1 3", "ell"),
        ("-3 -1", "llo"),
        ("-3 2", "l"),
        ("3 1", ""),
        ("-1 -3", ""),
        ("-100 1", "He"),
        ("-100 -100", "H"),
        ("-5 -6", ""),
        ("2 100", "llo"),
        ("5 5", ""),
        ("0 -9223372036854775808", "H"),
        ("-9223372036854775808 9223372036854775807", "Hello"),
    ] {
        let reply = format!("${}|{part}", part.len());
        server.check(&format!("GETRANGE key {range}"), &reply);
        server.check(&format!("SUBSTR key {range}"), &reply);
    }
    server.check("GETRANGE number 1 2", "$2|12");
    server.check("GETRANGE missing 0 -1", "$0|");
    server.check("GETRANGE key x 1", NOT_INTEGER);
    server.check("GETRANGE key 0 1.5", NOT_INTEGER);
    server.check("SET key ''", "+OK");
    server.check("GETRANGE key 0 0", "$0|");
}

#[test]
fn getdel_takes_the_key_along() {
    let mut server = Fixture::new();
    server.check("SET key 12", "+OK");
    server.check("GETDEL key", "$2|12");
    server.check("GETDEL key", "$-1");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn getex_changes_the_expiry_alone() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("GETEX key", "$5|value");
    server.check("GETEX key EX 10", "$5|value");
    server.check("GETEX key", "$5|value");
    server.check("PTTL key", ":10000");
    server.check("GETEX key PX 1500", "$5|value");
    server.check("PTTL key", ":1500");
    server.check("GETEX key EXAT 1700000003", "$5|value");
    server.check("PTTL key", ":3000");
    server.check("GETEX key PERSIST persist", "$5|value");
    server.check("PTTL key", ":-1");
    let changes = server.server.stats.totals().changes;
    server.check("GETEX key PERSIST", "$5|value");
    assert_eq!(server.server.stats.totals().changes, changes);
    for option in ["KEEPTTL", "NX", "GET", "EX", "EX 1 PERSIST", "PERSIST EX 1", "EX 1 PX 1"] {
        server.check(&format!("GETEX key {option}"), SYNTAX);
    }
    server.check("GETEX key EX 0", "-ERR invalid expire time in 'getex' command");
    server.check("GETEX missing EX 0", "$-1");
    server.check("GETEX key EX x", NOT_INTEGER);
    server.check(&format!("GETEX key PXAT {START_MS}"), "$5|value");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn counters() {
    let mut server = Fixture::new();
    server.check("INCR key", ":1");
    server.check("INCRBY key 41", ":42");
    server.check("DECR key", ":41");
    server.check("DECRBY key 42", ":-1");
    server.check("DECR new", ":-1");
    server.check("EXPIRE key 100", ":1");
    server.check("INCR key", ":0");
    server.check("TTL key", ":100");
    server.check("SET key 9223372036854775806", "+OK");
    server.check("INCR key", ":9223372036854775807");
    server.check("INCR key", "-ERR increment or decrement would overflow");
    server.check("GET key", "$19|9223372036854775807");
    server.check("DECRBY key -9223372036854775808", "-ERR decrement would overflow");
    server.check("SET key -9223372036854775808", "+OK");
    server.check("DECR key", "-ERR increment or decrement would overflow");
    server.check("INCRBY key 9223372036854775808", NOT_INTEGER);
    server.check("DECRBY key 1.5", NOT_INTEGER);
    for text in ["text", "''", "1.5"] {
        server.check(&format!("SET key {text}"), "+OK");
        server.check("INCR key", NOT_INTEGER);
    }
    // A number that is kept as text, because the string was edited, is a number nevertheless.
    server.check("SET key 1", "+OK");
    server.check("APPEND key 2", ":2");
    server.check("OBJECT ENCODING key", "$3|raw");
    server.check("INCR key", ":13");
    server.check("OBJECT ENCODING key", "$3|int");
}

#[test]
fn incrbyfloat() {
    let mut server = Fixture::new();
    server.check("INCRBYFLOAT key 10.5", "$4|10.5");
    server.check("INCRBYFLOAT key 0.1", "$4|10.6");
    server.check("INCRBYFLOAT key -5", "$3|5.6");
    server.check("SET key 5.0e3", "+OK");
    server.check("INCRBYFLOAT key 2.0e2", "$4|5200");
    // Text, though it is the text of an integer.
    server.check("OBJECT ENCODING key", "$6|embstr");
    server.check("INCR key", ":5201");
    server.check("INCRBYFLOAT key 1", "$4|5202");
    server.check("EXPIRE key 100", ":1");
    server.check("INCRBYFLOAT key -5202", "$1|0");
    server.check("TTL key", ":100");
    server.check("SET key 1.1e4932", "+OK");
    for increment in ["inf", "-INFINITY", "1.1e4932"] {
        let error = "-ERR increment would produce NaN or Infinity";
        server.check(&format!("INCRBYFLOAT key {increment}"), error);
    }
    for increment in ["text", "''", "nan", "1e4933", "1e-5000", "1.5x"] {
        server.check(&format!("INCRBYFLOAT key {increment}"), "-ERR value is not a valid float");
    }
    server.check("SET key text", "+OK");
    server.check("INCRBYFLOAT key 1", "-ERR value is not a valid float");
}

#[test]
fn append_and_setrange() {
    let mut server = Fixture::new();
    server.check("APPEND key Hello", ":5");
    server.check("OBJECT ENCODING key", "$6|embstr");
    server.check("APPEND key World", ":10");
    server.check("OBJECT ENCODING key", "$3|raw");
    server.check("GET key", "$10|HelloWorld");
    server.check("APPEND number 1", ":1");
    server.check("OBJECT ENCODING number", "$3|int");
    server.check("EXPIRE number 100", ":1");
    server.check("APPEND number 2", ":2");
    server.check("TTL number", ":100");
    server.check("GET number", "$2|12");
    server.check("APPEND number ''", ":2");

    server.check("SETRANGE key 5 Boxcar", ":11");
    server.check("GET key", "$11|HelloBoxcar");
    server.check("SETRANGE key 0 J", ":11");
    server.check("SETRANGE key 3 ''", ":11");
    server.check("GET key", "$11|JelloBoxcar");
    server.check("SETRANGE gap 2 x", ":3");
    server.check("GET gap", "$3|\0\0x");
    server.check("OBJECT ENCODING gap", "$3|raw");
    server.check("SET number 1234", "+OK");
    server.check("SETRANGE number 1 00", ":4");
    server.check("GET number", "$4|1004");
    server.check("SETRANGE missing 5 ''", ":0");
    server.check("EXISTS missing", ":0");
    server.check("SETRANGE key -1 x", "-ERR offset is out of range");
    server.check("SETRANGE key x x", NOT_INTEGER);
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    server.check("SETRANGE key 536870912 x", too_long);
    server.check("SETRANGE missing 9223372036854775807 x", too_long);
    server.check("EXISTS missing", ":0");
}

#[test]
fn lcs() {
    let mut server = Fixture::new();
    server.check("MSET a ohmytext b mynewtext", "+OK");
    server.check("LCS a b", "$6|mytext");
    server.check("LCS a b LEN", ":6");
    let all = "*4|$7|matches|*2|*2|*2|:4|:7|*2|:5|:8|*2|*2|:2|:3|*2|:0|:1|$3|len|:6";
    server.check("LCS a b IDX", all);
    server.check("LCS a b IDX MINMATCHLEN -1", all);
    server.check("LCS a b IDX MINMATCHLEN 4", "*4|$7|matches|*1|*2|*2|:4|:7|*2|:5|:8|$3|len|:6");
    server.check(
        "LCS a b idx minmatchlen 4 withmatchlen",
        "*4|$7|matches|*1|*3|*2|:4|:7|*2|:5|:8|:4|$3|len|:6",
    );
    server.check("LCS a missing", "$0|");
    server.check("LCS missing a LEN", ":0");
    server.check("LCS a a", "$8|ohmytext");
    server.check("LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX.");
    server.check("LCS a b MINMATCHLEN", SYNTAX);
    server.check("LCS a b MINMATCHLEN x", NOT_INTEGER);
    server.check("LCS a b nonsense", SYNTAX);
    server.session.protocol = Protocol::Resp3;
    server.check("LCS a missing IDX", "%2|$7|matches|*0|$3|len|:0");
}

#[test]
fn lcs_keeps_its_locks_only_in_a_transaction() {
    let mut server = Fixture::new();
    server.check("MSET a text b next", "+OK");
    server.check("MULTI", "+OK");
    server.check("LCS a b", "+QUEUED");
    server.check("GET a", "+QUEUED");
    server.check("EXEC", "*2|$3|ext|$4|text");
}

#[test]
fn lcs_refuses_tables_above_the_limit() {
    let mut server = Fixture::new();
    let text = "x".repeat(20_000);
    server.run(&["SET", "long", &text]);
    assert_eq!(
        legible(&server.run(&["LCS", "long", "long"])),
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    );
}
