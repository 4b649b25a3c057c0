//! Clients that were made for Redis, as they are: redis-cli, redis-benchmark, redis-py, redis-rs.
#![forbid(unsafe_code)]

use boxcar_tests::programs::{python, stands_down};
use boxcar_tests::{Configuration, Server, Value, in_every_configuration};
use redis::{Commands, ConnectionLike, RedisResult};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

in_every_configuration!(
    redis_cli,
    redis_cli_pipe,
    redis_benchmark,
    redis_benchmark_with_pipelines,
    redis_py_over_resp2,
    redis_py_over_resp3,
    redis_rs_over_resp2,
    redis_rs_over_resp3,
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
