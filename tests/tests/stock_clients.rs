//! Clients that were made for Redis, as they are: redis-cli, redis-benchmark, redis-py, redis-rs, ioredis.
#![forbid(unsafe_code)]

use boxcar_tests::programs::{ioredis, python, stands_down};
use boxcar_tests::{Configuration, Server, Value, in_every_configuration};
use redis::streams::{StreamClaimReply, StreamPendingCountReply, StreamReadOptions, StreamReadReply};
use redis::{Commands, ConnectionLike, RedisResult};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

in_every_configuration!(
    redis_cli,
    redis_cli_pipe,
    redis_benchmark,
    redis_benchmark_with_pipelines,
    redis_py_over_resp2,
    redis_py_over_resp3,
    redis_rs_over_resp2,
    redis_rs_over_resp3,
    redis_rs_with_data_types,
    ioredis_over_resp2,
);

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

fn cli(server: &Server, arguments: &[&str]) -> String {
    succeed(Command::new("redis-cli").args(["-p", &server.port().to_string()]).args(arguments))
}

fn redis_cli(configuration: Configuration) {
    if stands_down("redis-tools") {
        return;
    }
    let server = Server::start(configuration);
    assert_eq!(cli(&server, &["SET", "k", "v"]), "OK\n");
    for protocol in ["-2", "-3"] {
        assert_eq!(cli(&server, &[protocol, "--no-raw", "GET", "k"]), "\"v\"\n");
        assert_eq!(cli(&server, &[protocol, "--no-raw", "GET", "missing"]), "(nil)\n");
        assert!(cli(&server, &[protocol, "CONFIG", "GET", "maxclients"]).contains("10000"));
    }
    assert_eq!(
        cli(&server, &["--no-raw", "-r", "3", "INCR", "n"]),
        "(integer) 1\n(integer) 2\n(integer) 3\n"
    );
    assert!(cli(&server, &["INFO"]).contains("redis_version:7."));
    assert_eq!(cli(&server, &["--scan", "--pattern", "k*"]), "k\n");
    assert!(cli(&server, &["--bigkeys"]).contains("Biggest string found"));
    assert!(cli(&server, &["--memkeys"]).contains("Biggest string found"));
    assert!(cli(&server, &["COMMAND", "DOCS", "get"]).starts_with("get\nsummary\n"));
}

/// Mass insertion: redis-cli sends a file of commands and an ECHO, and waits for the ECHO's reply.
fn redis_cli_pipe(configuration: Configuration) {
    const COUNT: usize = 100_000;
    if stands_down("redis-tools") {
        return;
    }
    let server = Server::start(configuration);
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.port().to_string(), "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli starts");
    let mut commands = Vec::new();
    for number in 0..COUNT {
        boxcar_tests::client::encode(&mut commands, ["SET", &format!("key:{number}"), &number.to_string()]);
    }
    child.stdin.take().expect("a pipe").write_all(&commands).expect("redis-cli reads");
    let output = child.wait_with_output().expect("redis-cli ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(&format!("errors: 0, replies: {COUNT}")), "{text}");
    assert_eq!(server.client().call(["DBSIZE"]), Value::Integer(COUNT as i64));
}

fn benchmark(server: &Server, arguments: &[&str]) {
    const TESTS: [&str; 6] = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"];
    let port = server.port().to_string();
    let common = ["-p", &port, "-t", "ping,set,get,incr,mset", "--csv", "-r", "10000"];
    let text = succeed(Command::new("redis-benchmark").args(common).args(arguments));
    for test in TESTS {
        let line = text.lines().find(|line| line.starts_with(&format!("\"{test}\",")));
        let line = line.unwrap_or_else(|| panic!("{test} did not run:\n{text}"));
        let rate = line.split(',').nth(1).map(|field| field.trim_matches('"').parse::<f64>());
        assert!(matches!(rate, Some(Ok(rate)) if rate > 0.0), "{line}");
    }
}

fn redis_benchmark(configuration: Configuration) {
    if stands_down("redis-tools") {
        return;
    }
    benchmark(&Server::start(configuration), &["-n", "20000"]);
}

fn redis_benchmark_with_pipelines(configuration: Configuration) {
    if stands_down("redis-tools") {
        return;
    }
    benchmark(&Server::start(configuration), &["-n", "100000", "-P", "16", "--threads", "2"]);
}

fn redis_py(configuration: Configuration, protocol: &str) {
    if stands_down("redis-py") {
        return;
    }
    let server = Server::start(configuration);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/redis_py.py");
    let text = succeed(python().arg(script).args([&server.port().to_string(), protocol]));
    assert_eq!(text.trim_end(), "all is well");
}

fn redis_py_over_resp2(configuration: Configuration) {
    redis_py(configuration, "2");
}

fn redis_py_over_resp3(configuration: Configuration) {
    redis_py(configuration, "3");
}

fn ioredis_over_resp2(configuration: Configuration) {
    if stands_down("ioredis") {
        return;
    }
    let server = Server::start(configuration);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/ioredis.mjs");
    let text =
        succeed(Command::new("node").arg(script).arg(server.port().to_string()).env("IOREDIS", ioredis()));
    assert_eq!(text.trim_end(), "all is well");
}

fn redis_rs_over_resp2(configuration: Configuration) {
    redis_rs(configuration, "resp2").unwrap_or_else(|error| panic!("{error}"));
}

fn redis_rs_over_resp3(configuration: Configuration) {
    redis_rs(configuration, "resp3").unwrap_or_else(|error| panic!("{error}"));
}

fn redis_rs(configuration: Configuration, protocol: &str) -> RedisResult<()> {
    let server = Server::start(configuration);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/2?protocol={protocol}", server.port()))?;
    let mut connection = client.get_connection()?;
    assert!(connection.check_connection());
    let _: () = connection.set("k", "v")?;
    assert_eq!(connection.get::<_, String>("k")?, "v");
    assert_eq!(connection.get::<_, Option<String>>("missing")?, None);
    let _: () = connection.set_ex("t", "v", 100)?;
    assert!((99..=100).contains(&connection.ttl::<_, i64>("t")?));
    assert_eq!(connection.incr::<_, _, i64>("n", 41)?, 41);
    assert_eq!(connection.incr::<_, _, f64>("f", 1.5)?, 1.5);
    let _: () = connection.mset(&[("a", 1), ("b", 2)])?;
    assert_eq!(connection.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"])?, [Some(1), Some(2), None]);
    let mut keys: Vec<String> = connection.scan()?.collect::<RedisResult<_>>()?;
    keys.sort();
    assert_eq!(keys, ["a", "b", "f", "k", "n", "t"]);
    let (one, two): (i64, String) =
        redis::pipe().atomic().incr("n", 1).set("k", "w").ignore().get("k").query(&mut connection)?;
    assert_eq!((one, two.as_str()), (42, "w"));
    let replies: Vec<i64> =
        (0..1000).fold(&mut redis::pipe(), |pipe, _| pipe.incr("n", 1)).query(&mut connection)?;
    assert_eq!(replies, (43..1043).collect::<Vec<i64>>());
    let next: (i64,) = redis::transaction(&mut connection, &["n"], |connection, pipe| {
        let read: i64 = connection.get("n")?;
        pipe.set("n", read * 2).ignore().get("n").query(connection)
    })?;
    assert_eq!(next.0, 2084);
    let error = connection.incr::<_, _, i64>("k", 1).expect_err("not a number");
    assert!(error.to_string().contains("not an integer"), "{error}");
    assert_eq!(connection.del::<_, i64>(&["a", "b", "missing"])?, 2);
    redis_rs_listens(&client, &mut connection)
}

fn redis_rs_listens(client: &redis::Client, connection: &mut redis::Connection) -> RedisResult<()> {
    let mut listener = client.get_connection()?;
    let mut listener = listener.as_pubsub();
    listener.subscribe("news")?;
    listener.psubscribe("n*")?;
    assert_eq!(connection.publish::<_, _, i64>("news", "hello")?, 2);
    let message = listener.get_message()?;
    assert_eq!((message.get_channel_name(), message.from_pattern()), ("news", false));
    assert_eq!(message.get_payload::<String>()?, "hello");
    let message = listener.get_message()?;
    assert_eq!(message.get_pattern::<String>()?, "n*");
    listener.unsubscribe("news")?;
    listener.punsubscribe("n*")?;
    assert_eq!(connection.publish::<_, _, i64>("news", "nobody")?, 0);
    Ok(())
}

fn redis_rs_with_data_types(configuration: Configuration) {
    let server = Server::start(configuration);
    for protocol in ["resp2", "resp3"] {
        let address = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port());
        let mut connection = redis::Client::open(address).and_then(|client| client.get_connection()).unwrap();
        redis_rs_collections(&mut connection).unwrap_or_else(|error| panic!("{protocol}: {error}"));
        redis_rs_streams(&mut connection).unwrap_or_else(|error| panic!("{protocol}: {error}"));
        let _: () = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
    }
    redis_rs_tracks(&server).unwrap_or_else(|error| panic!("{error}"));
}

fn redis_rs_collections(connection: &mut redis::Connection) -> RedisResult<()> {
    assert_eq!(connection.rpush::<_, _, i64>("list", &["a", "b", "c"])?, 3);
    assert_eq!(connection.lpop::<_, String>("list", None)?, "a");
    assert_eq!(connection.lrange::<_, Vec<String>>("list", 0, -1)?, ["b", "c"]);
    let popped: (String, String) = connection.blpop(&["queue", "list"], 1.0)?;
    assert_eq!(popped, ("list".to_owned(), "b".to_owned()));
    assert_eq!(connection.blpop::<_, Option<(String, String)>>("queue", 0.01)?, None);

    let _: () = connection.hset_multiple("hash", &[("one", 1), ("two", 2)])?;
    let all: HashMap<String, i64> = connection.hgetall("hash")?;
    assert_eq!(all, HashMap::from([("one".to_owned(), 1), ("two".to_owned(), 2)]));
    let members: Vec<i64> = (0..2000).collect();
    assert_eq!(connection.sadd::<_, _, i64>("set", &members)?, 2000);
    let found: HashSet<i64> = connection.sscan("set")?.collect::<RedisResult<_>>()?;
    assert_eq!(found.len(), 2000);

    assert_eq!(connection.zadd_multiple::<_, _, _, i64>("zset", &[(1.0, "one"), (2.5, "more")])?, 2);
    let ranged: Vec<(String, f64)> = connection.zrange_withscores("zset", 0, -1)?;
    assert_eq!(ranged, [("one".to_owned(), 1.0), ("more".to_owned(), 2.5)]);
    assert_eq!(connection.zrank::<_, _, i64>("zset", "more")?, 1);
    assert_eq!(connection.zincr::<_, _, _, f64>("zset", "one", 10)?, 11.0);
    let lowest: Vec<(String, f64)> = connection.zpopmin("zset", 1)?;
    assert_eq!(lowest, [("more".to_owned(), 2.5)]);
    assert!(connection.pfadd::<_, _, bool>("hll", &["a", "b"])?);
    assert_eq!(connection.pfcount::<_, i64>("hll")?, 2);
    Ok(())
}

fn redis_rs_streams(connection: &mut redis::Connection) -> RedisResult<()> {
    let mut ids: Vec<String> = Vec::new();
    for text in ["a", "b", "c"] {
        ids.push(connection.xadd("stream", "*", &[("text", text)])?);
    }
    let _: () = connection.xgroup_create("stream", "group", "0")?;
    let options = StreamReadOptions::default().group("group", "me").count(2);
    let read: StreamReadReply = connection.xread_options(&["stream"], &[">"], &options)?;
    let read: Vec<&String> = read.keys[0].ids.iter().map(|entry| &entry.id).collect();
    assert_eq!(read, [&ids[0], &ids[1]]);
    assert_eq!(connection.xack::<_, _, _, i64>("stream", "group", &[&ids[0]])?, 1);
    let pending: StreamPendingCountReply = connection.xpending_count("stream", "group", "-", "+", 10)?;
    assert_eq!((pending.ids.len(), &pending.ids[0].id), (1, &ids[1]));
    let claimed: StreamClaimReply = connection.xclaim("stream", "group", "other", 0, &[&ids[1]])?;
    assert_eq!(claimed.ids[0].id, ids[1]);
    assert_eq!(connection.xlen::<_, i64>("stream")?, 3);
    Ok(())
}

/// Client-side caching over RESP3: the invalidation is a push on the same connection.
fn redis_rs_tracks(server: &Server) -> RedisResult<()> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", server.port()))?;
    let mut reader = client.get_connection()?;
    let (sender, pushes) = mpsc::channel();
    reader.set_push_sender(sender);
    let _: () = redis::cmd("CLIENT").arg("TRACKING").arg("ON").query(&mut reader)?;
    let _: () = client.get_connection()?.set("cached", 1)?;
    assert_eq!(reader.get::<_, i64>("cached")?, 1);
    let _: i64 = client.get_connection()?.incr("cached", 1)?;
    // The push is read with the reply that comes after it.
    assert!(reader.check_connection());
    let push = pushes.try_recv().expect("an invalidation");
    assert_eq!(push.kind, redis::PushKind::Invalidate);
    assert_eq!(push.data, [redis::Value::Array(vec![redis::Value::BulkString(b"cached".to_vec())])]);
    Ok(())
}
