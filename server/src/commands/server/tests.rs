//! The handlers of the family, against the answers of a real server (Redis 7.2's dialect).

use super::BOXCAR_VERSION;
use crate::commands::testing::{Fixture, START_MS, legible};
use boxcar_resp::{Protocol, Value, decode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The text of a bulk or verbatim reply.
fn text(reply: &[u8]) -> String {
    let (value, _) = decode(reply).unwrap().unwrap();
    String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap()
}

/// The fields of INFO's answer.
fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines().filter_map(|line| line.split_once(':')).collect()
}

fn debuggable() -> Fixture {
    Fixture::with_config("enable-debug-command yes")
}

#[test]
fn info_sections() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    let titles = |info: &str| -> Vec<String> {
        info.lines().filter_map(|line| line.strip_prefix("# ").map(str::to_owned)).collect()
    };
    let plain = text(&server.run(&["INFO"]));
    let defaults = [
        "Server",
        "Boxcar",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    assert_eq!(titles(&plain), defaults);
    assert_eq!(titles(&text(&server.run(&["INFO", "default"]))), defaults);
    let all = text(&server.run(&["INFO", "all"]));
    assert_eq!(titles(&all).len(), 16);
    assert!(all.contains("\r\ncmdstat_set:calls=1,usec="));
    assert!(all.contains("\r\nlatency_percentiles_usec_set:p50="));
    assert_eq!(titles(&text(&server.run(&["INFO", "everything"]))).len(), 16);
    let two = text(&server.run(&["INFO", "keyspace", "CLUSTER", "nosuch"]));
    assert_eq!(
        two,
        "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n"
    );
    server.check("INFO nosuch", "$0|");
    assert!(all.lines().all(|line| line.is_empty() || line.starts_with("# ") || line.contains(':')));
}

#[test]
fn info_fields() {
    let mut server = Fixture::new();
    let info = text(&server.run(&["INFO", "all"]));
    let fields = fields(&info);
    for (field, value) in [
        ("redis_version", "7.4.2"),
        ("boxcar_version", BOXCAR_VERSION),
        ("redis_mode", "standalone"),
        ("run_id", "0123456789abcdef0123456789abcdef01234567"),
        ("tcp_port", "6379"),
        ("role", "master"),
        ("dispatch", "inline"),
        ("maxmemory_policy", "noeviction"),
        ("blocked_clients", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("listener0", "name=tcp,bind=*,bind=-::*,port=6379"),
    ] {
        assert_eq!(fields.get(field), Some(&value), "{field}");
    }
    for field in ["used_memory", "used_memory_rss", "total_system_memory", "process_id", "lru_clock"] {
        assert!(fields[field].parse::<u64>().unwrap() > 0, "{field}");
    }
}

#[test]
fn info_counts_errors() {
    let mut server = Fixture::new();
    server.check("SELECT 99", "-ERR DB index is out of range");
    let info = text(&server.run(&["INFO", "errorstats", "commandstats"]));
    assert!(info.contains("errorstat_ERR:count=1\r\n"));
    assert!(info.contains("cmdstat_select:calls=1,") && info.contains("failed_calls=1\r\n"));
}

#[test]
fn config_get_and_set() {
    let mut server = Fixture::new();
    server.check("CONFIG GET maxmemory hz", "*4|$9|maxmemory|$1|0|$2|hz|$2|10");
    server.check("CONFIG SET maxmemory 100mb hz 20", "+OK");
    server.check("CONFIG GET maxmemory", "*2|$9|maxmemory|$9|104857600");
    server.check("CONFIG GET nosuch", "*0");
    server
        .check("CONFIG SET nosuch 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    server.check("CONFIG SET hz 10 maxmemory", "-ERR syntax error");
    server.check(
        "CONFIG SET maxmemory foo",
        "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
    );
    server.check("CONFIG REWRITE", "-ERR The server is running without a config file");
    server.session.protocol = Protocol::Resp3;
    server.check("CONFIG GET hz", "%1|$2|hz|$2|20");
}

#[test]
fn config_set_hides_secrets() {
    let mut server = Fixture::new();
    server.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    server.check("CONFIG SET requirepass secret hz 10", "+OK");
    let entries = server.server.slowlog.newest(1);
    let words: Vec<_> = entries[0].arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
    assert_eq!(words, ["CONFIG", "SET", "requirepass", "(redacted)", "hz", "10"]);
}

#[test]
fn config_resetstat() {
    let mut server = Fixture::new();
    server.check("GET missing", "$-1");
    assert_eq!(server.server.stats.totals().keyspace_misses, 1);
    server.check("CONFIG RESETSTAT", "+OK");
    assert_eq!(server.server.stats.totals().keyspace_misses, 0);
}

#[test]
fn flushing_and_counting() {
    let mut server = Fixture::new();
    for key in 0..100 {
        server.check(&format!("SET key:{key} value"), "+OK");
    }
    server.check("SELECT 1", "+OK");
    server.check("SET other value", "+OK");
    server.check("DBSIZE", ":1");
    server.check("FLUSHDB foo", "-ERR syntax error");
    server.check("FLUSHDB ASYNC SYNC", "-ERR syntax error");
    server.check("FLUSHDB", "+OK");
    server.check("DBSIZE", ":0");
    server.check("SELECT 0", "+OK");
    server.check("DBSIZE", ":100");
    server.check("FLUSHALL SYNC", "+OK");
    server.check("DBSIZE", ":0");
    assert_eq!(server.server.reclaimer.freed(), 0);
}

#[test]
fn large_and_asynchronous_flushes_are_freed_in_the_background() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("FLUSHALL ASYNC", "+OK");
    wait_until(|| server.server.reclaimer.freed() == 1);
    let mut server = debuggable();
    server.check("DEBUG POPULATE 30000", "+OK");
    server.check("FLUSHALL", "+OK");
    server.check("DBSIZE", ":0");
    wait_until(|| server.server.reclaimer.freed() == 30_000);
    assert_eq!(server.server.reclaimer.pending(), 0);
}

fn wait_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never happens");
        std::thread::yield_now();
    }
}

/// Whether EXEC fails after `change` when `key` of database 0 was watched before.
fn spoils(setup: &[&str], change: &[&str]) -> bool {
    let mut server = Fixture::new();
    let mut other = server.connect();
    let mut run = |server: &Fixture, lines: &[&str]| {
        for line in lines {
            server.run_for(&mut other, &line.split(' ').collect::<Vec<_>>());
        }
    };
    run(&server, setup);
    server.check("WATCH key", "+OK");
    server.check("MULTI", "+OK");
    run(&server, change);
    legible(&server.run(&["EXEC"])) == "*-1"
}

#[test]
fn flush_spoils_transactions_that_watch_existing_keys() {
    assert!(spoils(&["SET key v"], &["FLUSHALL"]));
    assert!(spoils(&["SET key v"], &["FLUSHDB"]));
    assert!(!spoils(&[], &["FLUSHALL"]));
    assert!(!spoils(&["SET key v"], &["SELECT 1", "FLUSHDB"]));
}

#[test]
fn swapdb_spoils_transactions_whose_keys_exist_on_either_side() {
    assert!(spoils(&["SET key v"], &["SWAPDB 0 1"]));
    assert!(spoils(&["SELECT 1", "SET key v"], &["SWAPDB 1 0"]));
    assert!(!spoils(&["SET other v"], &["SWAPDB 0 1"]));
    assert!(!spoils(&["SET key v"], &["SWAPDB 1 2"]));
    assert!(!spoils(&["SET key v"], &["SWAPDB 0 0"]));
}

#[test]
fn swapdb() {
    let mut server = Fixture::new();
    server.check("SET key zero", "+OK");
    server.check("SWAPDB 0 1", "+OK");
    server.check("GET key", "$-1");
    server.check("SELECT 1", "+OK");
    server.check("GET key", "$4|zero");
    server.check("SWAPDB a b", "-ERR invalid first DB index");
    server.check("SWAPDB 0 b", "-ERR invalid second DB index");
    server.check("SWAPDB 99 b", "-ERR invalid second DB index");
    server.check("SWAPDB 99 0", "-ERR DB index is out of range");
    server.check("SWAPDB -1 0", "-ERR DB index is out of range");
    server.check("SWAPDB 99999999999 0", "-ERR invalid first DB index");
}

#[test]
fn status() {
    let mut server = Fixture::new();
    server.check("ROLE", "*3|$6|master|:0|*0");
    server.check("LASTSAVE", &format!(":{}", START_MS / 1000));
    server.check("WAIT 0 100", ":0");
    server.check("MULTI", "+OK");
    server.check("WAIT 1 100", "+QUEUED");
    server.check("EXEC", "*1|:0");
    server.check("WAIT a b", "-ERR value is not an integer or out of range");
    server.check("WAIT 0 a", "-ERR timeout is not an integer or out of range");
    server.check("WAIT 0 -1", "-ERR timeout is negative");
    let time = legible(&server.run(&["TIME"]));
    let parts: Vec<&str> = time.split('|').collect();
    assert_eq!((parts[0], parts[1], parts.len()), ("*2", "$10", 5));
    assert!(parts[4].parse::<u32>().unwrap() < 1_000_000);
}

#[test]
fn lolwut_ends_with_the_versions() {
    let mut server = Fixture::new();
    for line in ["LOLWUT", "LOLWUT VERSION 5 40", "LOLWUT VERSION"] {
        let picture = text(&server.run(&line.split(' ').collect::<Vec<_>>()));
        assert!(
            picture.ends_with(&format!("\nBoxcar ver. {BOXCAR_VERSION}, Redis ver. 7.4.2\n")),
            "{picture}"
        );
    }
    server.check("LOLWUT VERSION x", "-ERR value is not an integer or out of range");
}

#[test]
fn shutdown() {
    let mut server = Fixture::new();
    server.check("SHUTDOWN foo", "-ERR syntax error");
    server.check("SHUTDOWN SAVE NOSAVE", "-ERR syntax error");
    server.check("SHUTDOWN ABORT NOW", "-ERR syntax error");
    server.check("SHUTDOWN ABORT", "-ERR No shutdown in progress.");
    server.check("SHUTDOWN SAVE NOW", "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert!(!server.server.shutdown.is_requested() && !server.session.close_after_reply);
    assert_eq!(server.run_freely(&["SHUTDOWN", "SAVE", "FORCE"]), b"");
    assert!(server.server.shutdown.is_requested() && server.session.close_after_reply);
}

#[test]
fn monitor() {
    let mut server = Fixture::new();
    server.check("MONITOR", "+OK");
    assert!(server.session.monitor && server.server.monitors.any());
    assert_eq!(server.run_freely(&["MONITOR"]), b"");
    server.check("RESET", "+RESET");
    server.check("MULTI", "+OK");
    server.check("MONITOR", "+QUEUED");
    server.check("EXEC", "*1|-ERR MONITOR isn't allowed for DENY BLOCKING client");
    assert!(!server.server.monitors.any());
}

#[test]
fn slowlog() {
    let mut server = Fixture::new();
    server.check("SLOWLOG LEN", ":0");
    server.check("CONFIG SET slowlog-log-slower-than 0", "+OK");
    server.check("CLIENT SETNAME me", "+OK");
    server.check("CONFIG SET slowlog-log-slower-than -1", "+OK");
    server.check("SLOWLOG LEN", ":2");
    let entry = legible(&server.run(&["SLOWLOG", "GET", "1"]));
    let head = format!("*1|*6|:1|:{}|:", START_MS / 1000);
    assert!(entry.starts_with(&head), "{entry}");
    assert!(entry.ends_with("|*3|$6|CLIENT|$7|SETNAME|$2|me|$15|127.0.0.1:50000|$2|me"), "{entry}");
    assert!(server.run(&["SLOWLOG", "GET", "-1"]).starts_with(b"*2\r\n"));
    assert!(server.run(&["SLOWLOG", "GET"]).starts_with(b"*2\r\n"));
    for count in ["a", "-2"] {
        server.check(&format!("SLOWLOG GET {count}"), "-ERR count should be greater than or equal to -1");
    }
    server.check(
        "SLOWLOG GET 1 2",
        "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
    );
    server.check("SLOWLOG RESET", "+OK");
    server.check("SLOWLOG LEN", ":0");
}

#[test]
fn latency_events() {
    let mut server = Fixture::new();
    server.check("LATENCY LATEST", "*0");
    server.check("LATENCY HISTORY command", "*0");
    server.check("LATENCY GRAPH command", "-ERR No samples available for event 'command'");
    assert!(text(&server.run(&["LATENCY", "DOCTOR"])).contains("switched off"));
    server.check("CONFIG SET latency-monitor-threshold 10", "+OK");
    assert!(text(&server.run(&["LATENCY", "DOCTOR"])).contains("nothing to complain about"));
    let now = START_MS / 1000;
    server.server.latency.add("command", 10, now - 5, 50);
    server.server.latency.add("command", 10, now - 1, 20);
    server.check("LATENCY LATEST", &format!("*1|*4|$7|command|:{}|:20|:50", now - 1));
    server.check("LATENCY HISTORY command", &format!("*2|*2|:{}|:50|*2|:{}|:20", now - 5, now - 1));
    let graph = text(&server.run(&["LATENCY", "GRAPH", "command"]));
    assert!(graph.starts_with("command - high 50 ms, low 20 ms (all time high 50 ms)\n---"), "{graph}");
    assert!(text(&server.run(&["LATENCY", "DOCTOR"])).contains("1. command: 2 spike(s)"));
    server.check("LATENCY RESET other", ":0");
    server.check("LATENCY RESET", ":1");
}

#[test]
fn latency_histogram() {
    let mut server = Fixture::new();
    server.check("SET key value", "+OK");
    server.check("CLIENT ID", ":1");
    server.session.protocol = Protocol::Resp3;
    server.check("LATENCY HISTOGRAM nosuch ping", "%0");
    let set = legible(&server.run(&["LATENCY", "HISTOGRAM", "set", "ping"]));
    assert!(set.starts_with("%1|$3|set|%2|$5|calls|:1|$14|histogram_usec|%1|:"), "{set}");
    assert!(set.ends_with("|:1"), "{set}");
    let client = legible(&server.run(&["LATENCY", "HISTOGRAM", "client"]));
    assert!(client.starts_with("%1|$9|client|id|"), "{client}");
    let all = legible(&server.run(&["LATENCY", "HISTOGRAM"]));
    assert!(all.contains("|$3|set|") && all.contains("|$9|client|id|"), "{all}");
}

#[test]
fn memory() {
    let mut server = Fixture::new();
    server.check("MEMORY USAGE key", "$-1");
    server.check("SET key value", "+OK");
    let usage = legible(&server.run(&["MEMORY", "USAGE", "key", "SAMPLES", "0"]));
    assert!((16..200).contains(&usage[1..].parse::<u32>().unwrap()), "{usage}");
    server.check("MEMORY USAGE key samples -1", "-ERR syntax error");
    server.check("MEMORY USAGE key samples x", "-ERR value is not an integer or out of range");
    server.check("MEMORY USAGE key samples", "-ERR syntax error");
    server.check("MEMORY USAGE key other", "-ERR syntax error");
    server.check("MEMORY PURGE", "+OK");
    assert!(!text(&server.run(&["MEMORY", "DOCTOR"])).is_empty());
    assert!(!text(&server.run(&["MEMORY", "MALLOC-STATS"])).is_empty());
    let stats = legible(&server.run(&["MEMORY", "STATS"]));
    assert!(stats.starts_with("*54|$14|peak.allocated|:"), "{stats}");
    assert!(stats.contains("|$10|keys.count|:1|"), "{stats}");
}

#[test]
fn debug_is_guarded() {
    let mut server = Fixture::new();
    let refused = legible(&server.run(&["DEBUG", "SLEEP", "0"]));
    assert!(refused.starts_with(
        "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\""
    ));
    server = Fixture::with_config("enable-debug-command local");
    server.check("DEBUG SLEEP 0", "+OK");
}

#[test]
fn debug_subcommands() {
    let mut server = debuggable();
    for (line, name) in [("DEBUG FOO", "FOO"), ("DEBUG SLEEP", "SLEEP"), ("DEBUG JMAP", "JMAP")] {
        let text =
            format!("-ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP.");
        server.check(line, &text);
    }
    server.check("DEBUG SLEEP x", "+OK");
    let started = Instant::now();
    server.check("DEBUG SLEEP 0.02", "+OK");
    assert!(started.elapsed() >= Duration::from_millis(20));
    server.check("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    assert!(!server.server.active_expire.load(std::sync::atomic::Ordering::Relaxed));
    server.check("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    server.check("DEBUG ERROR abc", "-abc");
    server.check("DEBUG LOG message", "+OK");
    let help = legible(&server.run(&["DEBUG", "HELP"]));
    for subcommand in ["<subcommand> [<arg>", "HELP", "SLEEP <seconds>", "DIGEST-VALUE <key> [<key> ...]"] {
        assert!(help.contains(subcommand), "{help}");
    }
}

#[test]
fn debug_populate_and_object() {
    let mut server = debuggable();
    server.check("SET key:1 mine", "+OK");
    server.check("DEBUG POPULATE 3", "+OK");
    server.check("GET key:1", "$4|mine");
    server.check("GET key:2", "$7|value:2");
    server.check("DEBUG POPULATE 2 pre 10", "+OK");
    server.check("GET pre:1", "$10|value:1\0\0\0");
    server.check("DEBUG POPULATE 1 cut 3", "+OK");
    server.check("GET cut:0", "$3|val");
    server.check("DBSIZE", ":6");
    server.check("DEBUG POPULATE x", "-ERR value is out of range, must be positive");
    server.check("DEBUG OBJECT missing", "-ERR no such key");
    for (value, shown) in [
        ("100", "refcount:2147483647 encoding:int serializedlength:2 "),
        ("1000", "encoding:int serializedlength:3 "),
        ("1000000", "refcount:1 encoding:int serializedlength:5 "),
        ("10000000000", "encoding:int serializedlength:12 "),
        ("v", "encoding:embstr serializedlength:2 "),
    ] {
        server.check(&format!("SET k {value}"), "+OK");
        server.advance_ms(2000);
        let object = legible(&server.run(&["DEBUG", "OBJECT", "k"]));
        assert!(object.starts_with("+Value at:0x") && object.contains(shown), "{object}");
        assert!(object.ends_with(" lru_seconds_idle:2"), "{object}");
    }
}

#[test]
fn debug_protocol() {
    let mut server = debuggable();
    server.check("DEBUG PROTOCOL map", "*6|:0|:0|:1|:1|:2|:0");
    server.check("DEBUG PROTOCOL push", "-ERR RESP2 is not supported by this command");
    server.check("DEBUG PROTOCOL attrib", "$39|Some real reply following the attribute");
    server.session.protocol = Protocol::Resp3;
    for (name, reply) in [
        ("string", "$11|Hello World"),
        ("integer", ":12345"),
        ("double", ",3.141"),
        ("null", "_"),
        ("array", "*3|:0|:1|:2"),
        ("set", "~3|:0|:1|:2"),
        ("map", "%3|:0|#f|:1|#t|:2|#f"),
        ("true", "#t"),
        ("false", "#f"),
        ("bignum", "(1234567999999999999999999999999999999"),
        ("verbatim", "=29|txt:This is a verbatim\nstring"),
    ] {
        server.check(&format!("DEBUG PROTOCOL {name}"), reply);
    }
    let push = server.run_freely(&["DEBUG", "PROTOCOL", "push"]);
    assert_eq!(legible(&push), "$40|Some real reply following the push reply|>2|$16|server-cpu-usage|:42");
    assert!(server.run_freely(&["DEBUG", "PROTOCOL", "attrib"]).starts_with(b"|1\r\n$14\r\nkey-popularity"));
}

#[test]
fn command_info_has_redis_shape() {
    let mut server = Fixture::new();
    server.check(
        "COMMAND INFO get nosuch quit",
        "*3|*10|$3|get|:2|*2|+readonly|+fast|:1|:1|:1|*3|+@read|+@string|+@fast|*0|*1|*6|$5|flags|*2|+RO|+access|\
         $12|begin_search|*4|$4|type|$5|index|$4|spec|*2|$5|index|:1|$9|find_keys|*4|$4|type|$5|range|$4|spec|\
         *6|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|*0|$-1|\
         *10|$4|quit|:-1|*6|+noscript|+loading|+stale|+fast|+no_auth|+allow_busy|:0|:0|:0|*2|+@fast|+@connection|\
         *0|*0|*0",
    );
    server.check(
        "COMMAND INFO CLIENT|LIST client|foo get|x",
        "*3|*10|$11|client|list|:-2|*4|+admin|+noscript|+loading|+stale|:0|:0|:0|*4|+@admin|+@slow|+@dangerous|\
         +@connection|*1|$23|nondeterministic_output|*0|*0|$-1|$-1",
    );
    server.session.protocol = Protocol::Resp3;
    server.check(
        "COMMAND INFO memory|usage",
        "*1|*10|$12|memory|usage|:-3|~1|+readonly|:2|:2|:1|~2|+@read|+@slow|~0|~1|%3|$5|flags|~1|+RO|\
         $12|begin_search|%2|$4|type|$5|index|$4|spec|%1|$5|index|:2|$9|find_keys|%2|$4|type|$5|range|$4|spec|\
         %3|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|~0",
    );
}

#[test]
fn command_lists_everything() {
    let mut server = Fixture::new();
    let top = server.server.table.callable().count();
    server.check("COMMAND COUNT", &format!(":{top}"));
    for line in ["COMMAND", "COMMAND INFO"] {
        let all = server.run(&line.split(' ').collect::<Vec<_>>());
        assert!(all.starts_with(format!("*{top}\r\n*10\r\n").as_bytes()));
    }
    let names = server.server.table.entries().len();
    assert!(server.run(&["COMMAND", "LIST"]).starts_with(format!("*{names}\r\n").as_bytes()));
    server.check("COMMAND LIST FILTERBY PATTERN client|l*", "*1|$11|client|list");
    server.check("COMMAND LIST FILTERBY PATTERN PIN*", "*1|$4|ping");
    server.check("COMMAND LIST FILTERBY MODULE x", "*0");
    server.check("COMMAND LIST FILTERBY ACLCAT nosuch", "*0");
    server.check(
        "COMMAND LIST FILTERBY ACLCAT TRANSACTION",
        "*5|$5|multi|$4|exec|$7|discard|$5|watch|$7|unwatch",
    );
    for line in [
        "COMMAND LIST x",
        "COMMAND LIST FILTERBY",
        "COMMAND LIST FILTERBY FOO a",
        "COMMAND LIST FILTERBY ACLCAT a b",
    ] {
        server.check(line, "-ERR syntax error");
    }
}

#[test]
fn command_docs_have_redis_shape() {
    let mut server = Fixture::new();
    server.check("COMMAND DOCS nosuch", "*0");
    server.session.protocol = Protocol::Resp3;
    server.check(
        "COMMAND DOCS memory|usage quit",
        "%2|$12|memory|usage|%5|$7|summary|$48|Returns the bytes that a key and its value take.|$5|since|$5|4.0.0|\
         $5|group|$6|server|$10|complexity|$38|O(N) where N is the number of samples.|$9|arguments|*2|\
         %4|$4|name|$3|key|$4|type|$3|key|$12|display_text|$3|key|$14|key_spec_index|:0|\
         %5|$4|name|$5|count|$4|type|$7|integer|$12|display_text|$5|count|$5|token|$7|SAMPLES|$5|flags|~1|+optional|\
         $4|quit|%7|$7|summary|$38|Closes the connection after the reply.|$5|since|$5|1.0.0|$5|group|$10|connection|\
         $10|complexity|$4|O(1)|$9|doc_flags|~1|+deprecated|$16|deprecated_since|$5|7.2.0|\
         $11|replaced_by|$27|just closing the connection",
    );
    let debug = legible(&server.run(&["COMMAND", "DOCS", "debug"]));
    assert!(debug.contains("|$9|doc_flags|~1|+syscmd"), "{debug}");
    let monitor = legible(&server.run(&["COMMAND", "DOCS", "monitor"]));
    assert!(monitor.starts_with("%1|$7|monitor|%3|") && !monitor.contains("complexity"), "{monitor}");
    let container = legible(&server.run(&["COMMAND", "DOCS", "slowlog"]));
    assert!(container.contains("|$11|subcommands|%4|$11|slowlog|get|%5|"), "{container}");
    // All of them can be decoded.
    let all = server.run(&["COMMAND", "DOCS"]);
    assert!(matches!(decode(&all), Ok(Some((Value::Map(_), len))) if len == all.len()));
}

#[test]
fn command_getkeys() {
    let mut server = Fixture::new();
    server.check("COMMAND GETKEYS get a", "*1|$1|a");
    server.check("COMMAND GETKEYS memory usage k", "*1|$1|k");
    server.check("COMMAND GETKEYSANDFLAGS get a", "*1|*2|$1|a|*2|+RO|+access");
    server.check("COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command");
    for line in ["foo", "client foo"] {
        server.check(&format!("COMMAND GETKEYS {line}"), "-ERR Invalid command specified");
    }
    for line in ["ping", "client", "client id"] {
        server.check(&format!("COMMAND GETKEYS {line}"), "-ERR The command has no key arguments");
    }
    server.check("COMMAND GETKEYS get", "-ERR Invalid number of arguments specified for command");
}

#[test]
fn acl() {
    let mut server = Fixture::new();
    server.check("ACL WHOAMI", "$7|default");
    server.check("ACL USERS", "*1|$7|default");
    assert!(server.run(&["ACL", "CAT"]).starts_with(b"*21\r\n$8\r\nkeyspace\r\n"));
    server.check("ACL CAT Transaction", "*5|$5|multi|$4|exec|$7|discard|$5|watch|$7|unwatch");
    server.check("ACL CAT scripting", "*0");
    server.check("ACL CAT nosuch", "-ERR Unknown category 'nosuch'");
    server.check(
        "ACL CAT a b",
        "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
    );
}

#[test]
fn every_container_has_help() {
    let mut server = Fixture::new();
    for name in ["acl", "client", "command", "config", "latency", "memory", "slowlog"] {
        let help = legible(&server.run(&[name, "HELP"]));
        let heading =
            format!("|+{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:|", name.to_uppercase());
        assert!(help.contains(&heading), "{help}");
        assert!(help.ends_with("|+HELP|+    Print this help."), "{help}");
    }
}
