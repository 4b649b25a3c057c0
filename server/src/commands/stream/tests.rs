//! Each command's replies, errors and effects. The expected replies are a real server's.

use crate::commands::Args;
use crate::commands::testing::Fixture;
use boxcar_resp::Protocol;
use std::sync::atomic::Ordering::Relaxed;

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const NOT_ABOVE: &str = "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// A stream `s` with the entries 1-0 to `count`-0.
fn filled(count: u64) -> Fixture {
    let mut server = Fixture::new();
    for ms in 1..=count {
        server.check(&format!("XADD s {ms}-0 f {ms}"), &format!("${}|{ms}-0", ms.to_string().len() + 2));
    }
    server
}

#[test]
fn adding() {
    let mut server = Fixture::new();
    server.check("XADD s NOMKSTREAM * f v", "$-1");
    server.check("XADD s * f v", "$15|1700000000000-0");
    server.check("XADD s * f v", "$15|1700000000000-1");
    server.check("XADD s 1700000000000-* f v", "$15|1700000000000-2");
    server.check("XADD s 1700000000001-* f v", "$15|1700000000001-0");
    server.check("XADD s 1700000000005 f v", "$15|1700000000005-0");
    server.check("XADD s * f v", "$15|1700000000005-1");
    server.check("XADD s 5-5 f v", NOT_ABOVE);
    server.check("XADD s 5-* f v", NOT_ABOVE);
    server.check("XADD new 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0");
    server.check("XADD new 0-* f v", "$3|0-1");
    server.check("XADD new x f v", INVALID_ID);
    for line in ["XADD s * f v f", "XADD s MAXLEN 5 *", "XADD s MAXLEN 5 NOMKSTREAM"] {
        server.check(line, "-ERR wrong number of arguments for 'xadd' command");
    }
    server.check("XLEN s", ":6");
    server.check("TYPE s", "+stream");
    server.check("OBJECT ENCODING s", "$6|stream");
    server.check("SET text x", "+OK");
    server.check("XADD text * f v", WRONG_TYPE);
    let last = "18446744073709551615-18446744073709551615";
    server.check(&format!("XADD s {last} f v"), &format!("$41|{last}"));
    let exhausted = "-ERR The stream has exhausted the last possible ID, unable to add more items";
    server.check("XADD s * f v", exhausted);
}

#[test]
fn trimming() {
    let mut server = filled(5);
    server.check("XTRIM s MAXLEN 3", ":2");
    server.check("XTRIM s MINID = 4-0", ":1");
    server.check("XTRIM s MAXLEN ~ 1", ":0");
    server.check("XADD s MAXLEN 1 9-0 f v", "$3|9-0");
    server.check("XLEN s", ":1");
    server.check("XTRIM missing MAXLEN 1", ":0");
    server.check("XTRIM s MAXLEN -1", "-ERR The MAXLEN argument must be >= 0.");
    server.check("XTRIM s MAXLEN ~ 1 LIMIT -1", "-ERR The LIMIT argument must be >= 0.");
    server.check("XTRIM s MINID x", INVALID_ID);
    let both = "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    server.check("XTRIM s MAXLEN 1 MINID 1", both);
    let without = "-ERR syntax error, LIMIT cannot be used without the special ~ option";
    server.check("XTRIM s MAXLEN 1 LIMIT 1", without);
    let strategy = "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    server.check("XADD s LIMIT 1 * f v", strategy);
    server.check("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy");
    server.check("XTRIM s FOO 1", SYNTAX);
    server.check("XTRIM s MAXLEN 0", ":1");
    server.check("EXISTS s", ":1");
}

#[test]
fn approximate_trimming_removes_whole_nodes() {
    let mut server = Fixture::with_config("stream-node-max-entries 2");
    for ms in 1..=7 {
        server.run(&["XADD", "s", &format!("{ms}-0"), "f", "v"]);
    }
    server.check("XTRIM s MAXLEN ~ 4", ":2");
    server.check("XTRIM s MAXLEN ~ 0 LIMIT 3", ":2");
    server.check("XTRIM s MINID ~ 7", ":2");
    server.check("XLEN s", ":1");
}

#[test]
fn ranges() {
    let mut server = filled(3);
    let entry = |ms: u64| format!("*2|$3|{ms}-0|*2|$1|f|$1|{ms}");
    server.check("XRANGE s - +", &format!("*3|{}|{}|{}", entry(1), entry(2), entry(3)));
    server.check("XRANGE s (1-0 (3-0", &format!("*1|{}", entry(2)));
    server.check("XRANGE s 2 2", &format!("*1|{}", entry(2)));
    server.check("XREVRANGE s + - COUNT 2", &format!("*2|{}|{}", entry(3), entry(2)));
    server.check("XRANGE s 3 1", "*0");
    server.check("XRANGE s - + COUNT 0", "*-1");
    server.check("XRANGE s - + COUNT -5", "*-1");
    server.check("XRANGE missing - +", "*0");
    server.check("XRANGE s - + COUNT", SYNTAX);
    server.check("XRANGE s - x", INVALID_ID);
    let last = "(18446744073709551615-18446744073709551615";
    server.check(&format!("XRANGE s {last} +"), "-ERR invalid start ID for the interval");
    server.check("XRANGE s - (0-0", "-ERR invalid end ID for the interval");
}

#[test]
fn deleting_and_setting_the_id() {
    let mut server = filled(3);
    server.check("XDEL s 2-0 2-0 9-9", ":1");
    server.check("XDEL s 1-0 x", INVALID_ID);
    server.check("XDEL missing x", ":0");
    server.check("XLEN s", ":2");
    server
        .check("XSETID s 2-0", "-ERR The ID specified in XSETID is smaller than the target stream top item");
    let length = "-ERR The entries_added specified in XSETID is smaller than the target stream length";
    server.check("XSETID s 5-0 ENTRIESADDED 1", length);
    server.check("XSETID s 5-0 ENTRIESADDED -1", "-ERR entries_added must be positive");
    let provided = "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
    server.check("XSETID s 5-0 MAXDELETEDID 6-0", provided);
    server.check("XSETID s 5-0 ENTRIESADDED 9 MAXDELETEDID 4-0", "+OK");
    server.check("XADD s 5-0 f v", NOT_ABOVE);
    server.check("XSETID missing 5-0", "-ERR no such key");
    server.check("XSETID s 5-0 FOO", SYNTAX);
    let totals = server.server.stats.totals();
    assert_eq!(totals.changes, 3 + 1 + 1);
}

#[test]
fn reading() {
    let mut server = filled(2);
    server.check("XREAD STREAMS s missing 1 0", "*1|*2|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|2");
    server.check("XREAD COUNT 1 STREAMS s 0", "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|1");
    server.check("XREAD STREAMS s +", "*1|*2|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|2");
    server.check("XREAD STREAMS s $", "*-1");
    server.session.protocol = Protocol::Resp3;
    server.check("XREAD STREAMS s 1", "%1|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|2");
    server.check("XREAD STREAMS s 2", "_");
    server.session.protocol = Protocol::Resp2;
    server.check("XREAD STREAMS s >", "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.");
    server.check(
        "XREAD COUNT 1 NOACK STREAMS s 1",
        "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
    );
    server.check(
        "XREAD GROUP g c STREAMS s 1",
        "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
    );
    server.check("XREAD COUNT 1 s 1", SYNTAX);
    server.check("XREAD BLOCK -1 STREAMS s 1", "-ERR timeout is negative");
    server.check("XREAD BLOCK x STREAMS s 1", "-ERR timeout is not an integer or out of range");
}

#[test]
fn nothing_waits_where_there_is_something_or_nothing_may() {
    let mut server = filled(1);
    server.check("XREAD BLOCK 0 STREAMS none s 0 0", "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|1");
    server.check("XGROUP CREATE s g $", "+OK");
    server.check("XREADGROUP GROUP g c BLOCK 0 STREAMS s 0", "*1|*2|$1|s|*0");
    server.check("MULTI", "+OK");
    server.check("XREAD BLOCK 0 STREAMS s $", "+QUEUED");
    server.check("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "+QUEUED");
    server.check("EXEC", "*2|*-1|*-1");
}

#[test]
fn a_client_waits_behind_the_last_entry_of_now() {
    let mut server = filled(2);
    let reply = server.run_freely(&["XREAD", "BLOCK", "15", "STREAMS", "$", "s", "none", "$", "$", "7"]);
    assert_eq!(reply, b"");
    let waiter = server.session.client.waiter().expect("the client waits");
    let words: Vec<&[u8]> = Args::new(&waiter.command.input, &waiter.command.args).from(0).collect();
    let expected = ["XREAD", "BLOCK", "15", "STREAMS", "$", "s", "none", "0-0", "2-0", "7"];
    assert_eq!(words, expected.map(str::as_bytes));
    let keys: Vec<&[u8]> = waiter.keys().map(|(key, _)| key).collect();
    assert_eq!((keys, waiter.even_missing), (vec![&b"$"[..], b"s", b"none"], false));
    assert_eq!(server.server.blocking.figures.keys.load(Relaxed), 3);
}

/// Options may have the value STREAMS; the keys are found all the same.
#[test]
fn keys_are_found_behind_the_right_word() {
    let mut server = filled(1);
    server.check("XGROUP CREATE s streams 0", "+OK");
    let line = "XREADGROUP COUNT 1 GROUP streams streams STREAMS s >";
    server.check(&format!("COMMAND GETKEYS {line}"), "*1|$1|s");
    server.check(line, "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|1");
    server.check("COMMAND GETKEYS XREAD STREAMS a b c 1 2 3", "*3|$1|a|$1|b|$1|c");
}

#[test]
fn groups_give_each_entry_once() {
    let mut server = filled(2);
    server.check("XGROUP CREATE s g 0", "+OK");
    server.check("XREADGROUP GROUP g a COUNT 1 STREAMS s >", "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|f|$1|1");
    server.check("XREADGROUP GROUP g b STREAMS s >", "*1|*2|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|2");
    server.check("XREADGROUP GROUP g b STREAMS s >", "*-1");
    server.check("XREADGROUP GROUP g b STREAMS s 0", "*1|*2|$1|s|*1|*2|$3|2-0|*2|$1|f|$1|2");
    server.check("XPENDING s g", "*4|:2|$3|1-0|$3|2-0|*2|*2|$1|a|$1|1|*2|$1|b|$1|1");
    server.advance_ms(5);
    server.check("XPENDING s g - + 10", "*2|*4|$3|1-0|$1|a|:5|:1|*4|$3|2-0|$1|b|:5|:2");
    server.check("XPENDING s g IDLE 6 - + 10", "*0");
    server.check("XPENDING s g - + 10 b", "*1|*4|$3|2-0|$1|b|:5|:2");
    server.check("XDEL s 2-0", ":1");
    server.check("XREADGROUP GROUP g b STREAMS s 0", "*1|*2|$1|s|*1|*2|$3|2-0|*-1");
    server.check("XACK s g 1-0 1-0 9-9", ":1");
    server.check("XACK s nogroup x", ":0");
    server.check("XACK s g x", INVALID_ID);
    server.check("XPENDING s g", "*4|:1|$3|2-0|$3|2-0|*1|*2|$1|b|$1|1");
    let missing = "-NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option";
    server.check("XREADGROUP GROUP x c STREAMS s >", missing);
    server.check("XREADGROUP GROUP g c COUNT 1 STREAMS", SYNTAX);
    server.check("XREADGROUP COUNT 1 NOACK STREAMS s s > >", "-ERR Missing GROUP option for XREADGROUP");
}

#[test]
fn making_and_removing_groups() {
    let mut server = filled(1);
    let required = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    server.check("XGROUP CREATE missing g $", required);
    server.check("XGROUP CREATE missing g x MKSTREAM", INVALID_ID);
    server.check("EXISTS missing", ":0");
    server.check("XGROUP CREATE new g $ MKSTREAM ENTRIESREAD 0", "+OK");
    server.check("XLEN new", ":0");
    server.check("XGROUP CREATE new g $", "-BUSYGROUP Consumer Group name already exists");
    server.check("XGROUP CREATECONSUMER new g c", ":1");
    server.check("XGROUP CREATECONSUMER new g c", ":0");
    server.check("XGROUP DELCONSUMER new g c", ":0");
    let unknown = "-NOGROUP No such consumer group 'x' for key name 'new'";
    server.check("XGROUP SETID new x $", unknown);
    server
        .check("XGROUP SETID new g 5-0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1");
    server.check("XGROUP SETID new g 5-0 ENTRIESREAD 3", "+OK");
    server.check("XINFO GROUPS new", "*1|*12|$4|name|$1|g|$9|consumers|:0|$7|pending|:0|$17|last-delivered-id|$3|5-0|$12|entries-read|:3|$3|lag|:0");
    server.check("XGROUP DESTROY new g", ":1");
    server.check("XGROUP DESTROY new g", ":0");
    server.check("XGROUP DESTROY missing g", required);
}

#[test]
fn claiming() {
    let mut server = filled(3);
    server.check("XGROUP CREATE s g 0", "+OK");
    server.run(&["XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">"]);
    server.advance_ms(100);
    server.check("XCLAIM s g b 200 1-0", "*0");
    server.check("XCLAIM s g b 50 1-0", "*1|*2|$3|1-0|*2|$1|f|$1|1");
    server.check("XCLAIM s g b 0 2-0 9-9 JUSTID RETRYCOUNT 7 IDLE 30", "*1|$3|2-0");
    server.check("XPENDING s g - + 9 b", "*2|*4|$3|1-0|$1|b|:0|:2|*4|$3|2-0|$1|b|:30|:7");
    server.check("XCLAIM s g b 0 1-0 FOO", "-ERR Unrecognized XCLAIM option 'FOO'");
    server.check("XCLAIM s g b x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM");
    server.check("XCLAIM s x b 0 1-0", "-NOGROUP No such key 's' or consumer group 'x'");
    server.check("XDEL s 3-0", ":1");
    server.check("XAUTOCLAIM s g c 0 - COUNT 2 JUSTID", "*3|$3|3-0|*2|$3|1-0|$3|2-0|*0");
    server.check("XAUTOCLAIM s g c 0 3 COUNT 2", "*3|$3|0-0|*0|*1|$3|3-0");
    server.check("XAUTOCLAIM s g c 0 0 COUNT 0", "-ERR COUNT must be > 0");
    server.check("XPENDING s g", "*4|:2|$3|1-0|$3|2-0|*1|*2|$1|c|$1|2");
    server.check("XACK s g 1-0", ":1");
    server.check("XCLAIM s g d 0 1-0", "*0");
    server.check("XCLAIM s g d 0 1-0 FORCE JUSTID LASTID 9-0", "*1|$3|1-0");
    server.check("XINFO CONSUMERS s g", "*4|*8|$4|name|$1|a|$7|pending|:0|$4|idle|:100|$8|inactive|:100|*8|$4|name|$1|b|$7|pending|:0|$4|idle|:0|$8|inactive|:0|*8|$4|name|$1|c|$7|pending|:1|$4|idle|:0|$8|inactive|:0|*8|$4|name|$1|d|$7|pending|:1|$4|idle|:0|$8|inactive|:0");
}

#[test]
fn describing() {
    let mut server = filled(1);
    server.check("XGROUP CREATE s g 0", "+OK");
    let head = "$6|length|:1|$15|radix-tree-keys|:1|$16|radix-tree-nodes|:2|$17|last-generated-id|$3|1-0|$20|max-deleted-entry-id|$3|0-0|$13|entries-added|:1|$23|recorded-first-entry-id|$3|1-0";
    let entry = "*2|$3|1-0|*2|$1|f|$1|1";
    server.check(
        "XINFO STREAM s",
        &format!("*20|{head}|$6|groups|:1|$11|first-entry|{entry}|$10|last-entry|{entry}"),
    );
    server.run(&["XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">"]);
    let group = "*14|$4|name|$1|g|$17|last-delivered-id|$3|1-0|$12|entries-read|:1|$3|lag|:0|$9|pel-count|:1|$7|pending|*1|*4|$3|1-0|$1|a|:1700000000000|:1|$9|consumers|*1|*10|$4|name|$1|a|$9|seen-time|:1700000000000|$11|active-time|:1700000000000|$9|pel-count|:1|$7|pending|*1|*3|$3|1-0|:1700000000000|:1";
    server.check("XINFO STREAM s FULL", &format!("*18|{head}|$7|entries|*1|{entry}|$6|groups|*1|{group}"));
    server.check("XINFO STREAM missing", "-ERR no such key");
    server.check(
        "XINFO STREAM s FOO",
        "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
    );
    server.check("XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'");
}
