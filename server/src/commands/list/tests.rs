//! Each command's effects beyond its reply, and what happens at the limits. Replies are in the transcripts.

use crate::commands::testing::{Fixture, legible};
use std::sync::atomic::Ordering::Relaxed;

/// A server whose lists outgrow a listpack at four elements.
fn small_nodes() -> Fixture {
    Fixture::with_config("list-max-listpack-size 4\n")
}

#[test]
fn pushing_and_popping_keep_the_order_and_the_last_element_takes_the_key_along() {
    let mut server = small_nodes();
    server.check("RPUSH l b c", ":2");
    server.check("LPUSH l a z", ":4");
    server.check("OBJECT ENCODING l", "$8|listpack");
    server.check("RPUSHX l d", ":5");
    server.check("OBJECT ENCODING l", "$9|quicklist");
    server.check("LRANGE l 0 -1", "*5|$1|z|$1|a|$1|b|$1|c|$1|d");
    server.check("LPUSHX missing x", ":0");
    server.check("LPOP l", "$1|z");
    server.check("RPOP l 2", "*2|$1|d|$1|c");
    server.check("OBJECT ENCODING l", "$8|listpack");
    server.check("LPOP l 0", "*0");
    server.check("LPOP l 100", "*2|$1|a|$1|b");
    assert_eq!(server.stored_keys(0), 0);
    server.check("LPOP l", "$-1");
    server.check("LPOP l 1", "*-1");
}

#[test]
fn lmpop_takes_from_the_first_list_that_is_there() {
    let mut server = small_nodes();
    server.check("RPUSH l a b c", ":3");
    server.check("LMPOP 3 x l y RIGHT COUNT 2", "*2|$1|l|*2|$1|c|$1|b");
    server.check("LMPOP 2 x l LEFT COUNT 9", "*2|$1|l|*1|$1|a");
    server.check("LMPOP 2 x l LEFT", "*-1");
    server.check("LMPOP 9223372036854775807 x LEFT", "-ERR syntax error");
    server.check("SET s v", "+OK");
    assert!(legible(&server.run(&["LMPOP", "2", "s", "l", "LEFT"])).starts_with("-WRONGTYPE"));
    assert_eq!(server.stored_keys(0), 1);
}

#[test]
fn moving_to_a_wrong_type_changes_nothing_and_to_itself_turns_the_list() {
    let mut server = small_nodes();
    server.check("RPUSH l a b c", ":3");
    server.check("SET s v", "+OK");
    assert!(legible(&server.run(&["LMOVE", "l", "s", "LEFT", "LEFT"])).starts_with("-WRONGTYPE"));
    server.check("LLEN l", ":3");
    server.check("LMOVE l l LEFT RIGHT", "$1|a");
    server.check("RPOPLPUSH l l", "$1|a");
    server.check("LRANGE l 0 -1", "*3|$1|a|$1|b|$1|c");
    for element in ["c", "b", "a"] {
        server.check("RPOPLPUSH l other", &format!("$1|{element}"));
    }
    server.check("EXISTS l", ":0");
    server.check("LRANGE other 0 -1", "*3|$1|a|$1|b|$1|c");
    server.check("LMOVE l other LEFT LEFT", "$-1");
    server.check("RPUSH one x", ":1");
    server.check("RPOPLPUSH one one", "$1|x");
    server.check("LLEN one", ":1");
}

#[test]
fn indexes_count_from_both_ends_and_stop_there() {
    let mut server = small_nodes();
    server.check("RPUSH l a b c d e", ":5");
    server.check("LINDEX l -5", "$1|a");
    server.check("LINDEX l -6", "$-1");
    server.check("LINDEX l 9223372036854775807", "$-1");
    server.check("LINDEX l -9223372036854775808", "$-1");
    server.check("LRANGE l -9223372036854775808 9223372036854775807", "*5|$1|a|$1|b|$1|c|$1|d|$1|e");
    server.check("LRANGE l 3 1", "*0");
    server.check("LSET l -1 x", "+OK");
    server.check("LSET l 5 x", "-ERR index out of range");
    server.check("LSET missing 0 x", "-ERR no such key");
    server.check("LTRIM l 1 -2", "+OK");
    server.check("LRANGE l 0 -1", "*3|$1|b|$1|c|$1|d");
    server.check("LTRIM l 5 9", "+OK");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn searching_removing_and_inserting_find_numbers_as_texts() {
    let mut server = small_nodes();
    server.check("RPUSH l 7 a 07 7 b 7", ":6");
    server.check("LPOS l 7 COUNT 0", "*3|:0|:3|:5");
    server.check("LPOS l 7 RANK -1", ":5");
    server.check("LPOS l 7 RANK -2 COUNT 1 MAXLEN 3", "*1|:3");
    server.check("LPOS l 7 RANK 2 MAXLEN 3", "$-1");
    server.check("LINSERT l BEFORE 07 6", ":7");
    server.check("LINSERT l AFTER missing 6", ":-1");
    server.check("LREM l -2 7", ":2");
    server.check("LRANGE l 0 -1", "*5|$1|7|$1|a|$1|6|$2|07|$1|b");
    server.check("LREM l 0 7", ":1");
    server.check("DEL l", ":1");
    server.check("RPUSH l x x", ":2");
    server.check("LREM l 0 x", ":2");
    assert_eq!(server.stored_keys(0), 0);
}

#[test]
fn who_finds_nothing_waits_once_for_each_key_but_not_in_a_transaction() {
    let mut server = Fixture::new();
    server.check("RPUSH l a", ":1");
    server.check("BLPOP x l 0", "*2|$1|l|$1|a");
    server.check("MULTI", "+OK");
    server.check("BLPOP l 0", "+QUEUED");
    server.check("BLMOVE l m LEFT LEFT 0", "+QUEUED");
    server.check("BRPOPLPUSH l m 0", "+QUEUED");
    server.check("BLMPOP 0 1 l LEFT", "+QUEUED");
    server.check("EXEC", "*4|*-1|$-1|$-1|*-1");
    server.check("BLPOP l -1", "-ERR timeout is negative");
    let figures = |server: &Fixture| {
        let figures = &server.server.blocking.figures;
        [&figures.clients, &figures.with_timeout, &figures.keys].map(|figure| figure.load(Relaxed))
    };
    assert_eq!(figures(&server), [0, 0, 0]);
    assert!(server.run_freely(&["BLMPOP", "1.5", "3", "l", "m", "l", "RIGHT"]).is_empty());
    assert_eq!(figures(&server), [1, 1, 2]);
    let waiter = server.session.client.waiter().expect("it waits");
    assert_eq!((waiter.keys().count(), waiter.deadline_us.is_some()), (3, true));
}

#[test]
fn what_is_large_moves_between_the_forms_whole() {
    let mut server = Fixture::new();
    let large = "x".repeat(9000);
    assert_eq!(server.run(&["RPUSH", "l", "a", "b", "c"]), b":3\r\n");
    assert_eq!(server.run(&["LSET", "l", "1", &large]), b"+OK\r\n");
    server.check("OBJECT ENCODING l", "$9|quicklist");
    assert_eq!(server.run(&["LMOVE", "l", "m", "LEFT", "LEFT"]), b"$1\r\na\r\n");
    let reply = format!("${}\r\n{large}\r\n", large.len());
    assert_eq!(server.run(&["LMOVE", "l", "m", "LEFT", "LEFT"]), reply.as_bytes());
    assert_eq!(server.run(&["LPOS", "m", &large]), b":0\r\n");
    assert_eq!(server.run(&["LREM", "m", "1", &large]), b":1\r\n");
    server.check("OBJECT ENCODING m", "$8|listpack");
    server.check("OBJECT ENCODING l", "$8|listpack");
}
