//! Values go to a real server and back as DUMP's bytes: every type, in every encoding that either server has.
#![forbid(unsafe_code)]

use boxcar_tests::client::Client;
use boxcar_tests::matrix::MATRIX;
use boxcar_tests::programs;
use boxcar_tests::server::{Options, Server};
use boxcar_tests::value::Value;
use std::path::Path;

/// What makes the values, one key a line or more. The same commands go to both servers.
fn commands(hash_expiries: bool) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let mut commands: Vec<Vec<String>> = [
        "SET string:int8 -7",
        "SET string:int16 1000",
        "SET string:int32 -100000",
        "SET string:int64 123456789012345",
        "SET string:text hello",
        "RPUSH list:small a 1 -5 70000 99999999999 b",
        "SADD set:int16 1 2 3",
        "SADD set:int32 1 70000",
        "SADD set:int64 1 5000000000 -1",
        "SADD set:small a b 3",
        "ZADD zset:small 1 a 2.5 b inf c -1e20 d 3 e",
        "HSET hash:small f v g 1 h text",
        "PFADD sketch a b c d e",
        "SETBIT bits 1000 1",
        "XADD stream:small 1-1 f a",
        "XADD stream:small 1-2 f b g c",
        "XADD stream:small 5-0 f d",
        "XDEL stream:gap 7-0",
        "XGROUP CREATE stream:groups g 0 MKSTREAM",
        "XADD stream:groups 1-1 f a",
        "XADD stream:groups 2-1 f a",
        "XADD stream:groups 3-1 f a",
        "XGROUP CREATECONSUMER stream:groups g idle",
        "XREADGROUP GROUP g c1 COUNT 2 STREAMS stream:groups >",
        "XREADGROUP GROUP g c2 COUNT 2 STREAMS stream:groups >",
        "XACK stream:groups g 1-1",
        "XGROUP CREATE stream:groups h 2-1 ENTRIESREAD 2",
        "XADD stream:empty 1-1 f v",
        "XDEL stream:empty 1-1",
    ]
    .iter()
    .map(|line| words(line))
    .collect();
    if hash_expiries {
        commands.extend(
            [
                "HSET hash:expiring f v g w h x",
                "HPEXPIREAT hash:expiring 4000000000000 FIELDS 1 g",
                "HPEXPIREAT hash:expiring 4000000000777 FIELDS 1 h",
                "HSET hash:once f v g w",
                "HPEXPIREAT hash:once 4000000000000 FIELDS 1 g",
                "HPERSIST hash:once FIELDS 1 g",
            ]
            .map(words),
        );
    }
    commands.extend(large_values(hash_expiries));
    commands
}

/// Those that are no longer kept in a compact form.
fn large_values(hash_expiries: bool) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let add = |command: &[&str]| command.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    commands.push(add(&["SET", "string:long", &"the same again and again ".repeat(100)]));
    let mixed: String = (0..3000u32).map(|i| char::from(33 + (i * i % 89) as u8)).collect();
    commands.push(add(&["SET", "string:mixed", &mixed]));
    commands.push(add(&["RPUSH", "list:plain", "a", &"x".repeat(20_000), "b"]));
    for i in 0..1200 {
        let (name, number) = (format!("member:{}", i * 7), i.to_string());
        commands.push(add(&["RPUSH", "list:large", &name, &number]));
        commands.push(add(&["SADD", "set:large", &name]));
        commands.push(add(&["SADD", "set:integers", &(i * 3).to_string()]));
        commands.push(add(&["ZADD", "zset:large", &format!("{}.5", i * i), &name]));
        commands.push(add(&["HSET", "hash:large", &name, &number]));
        if hash_expiries {
            commands.push(add(&["HSET", "hash:large-expiring", &name, &number]));
        }
        let id = format!("{}-{}", 1000 + i / 3, i % 3);
        let odd = if i % 5 == 0 { "odd" } else { "field" };
        commands.push(add(&["XADD", "stream:large", &id, odd, &number, "other", "constant"]));
    }
    if hash_expiries {
        for i in 0..100 {
            let (name, moment) = (format!("member:{}", i * 14), (4_000_000_000_000i64 + i * i).to_string());
            commands.push(add(&["HPEXPIREAT", "hash:large-expiring", &moment, "FIELDS", "1", &name]));
        }
    }
    for id in ["1001-1", "1200-0", "1399-2"] {
        commands.push(add(&["XDEL", "stream:large", id]));
    }
    commands
}

/// Which value every key holds: what the signatures of values are the same for.
fn signature(client: &mut Client, key: &Value) -> String {
    let key = &key.text().expect("a key")[..];
    let mut text = client.call([&b"DEBUG"[..], b"DIGEST-VALUE", key]).to_string();
    // Signatures do not cover what a stream knows beside its entries.
    if key.starts_with(b"stream:") {
        text += &stream(client, key);
    }
    text
}

fn stream(client: &mut Client, key: &[u8]) -> String {
    let info = client.call([&b"XINFO"[..], b"STREAM", key, b"FULL", b"COUNT", b"0"]);
    let mut text = String::new();
    write_timeless(&info, &mut text);
    text
}

/// A reply without what depends on the time, or on how Redis keeps a stream.
fn write_timeless(value: &Value, text: &mut String) {
    const LEFT_OUT: [&str; 6] =
        ["seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes", "idle", "inactive"];
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                if !LEFT_OUT.contains(&name.to_text().as_str()) {
                    text.push_str(&format!("{name}="));
                    write_timeless(value, text);
                }
            }
        }
        Value::Array(elements) => {
            text.push('[');
            elements.iter().for_each(|element| write_timeless(element, text));
            text.push(']');
        }
        // The moment of a delivery.
        Value::Integer(moment) if *moment > 1_600_000_000_000 => text.push_str("moment "),
        other => text.push_str(&format!("{other} ")),
    }
}

/// Gives a payload the version footer of an older server, whose values it holds.
fn as_version(payload: &[u8], version: u16) -> Vec<u8> {
    let mut older = payload[..payload.len() - 10].to_vec();
    older.extend_from_slice(&version.to_le_bytes());
    let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&older);
    older.extend_from_slice(&checksum.to_le_bytes());
    older
}

struct Two {
    boxcar: Client,
    peer: Client,
    version: (u32, u32),
    servers: (Server, Server),
}

impl Two {
    fn start(program: &Path, flags: &[&str]) -> Self {
        let debug = ["--enable-debug-command", "yes"];
        let boxcar = Options::boxcar(MATRIX[0]).flags(debug).flags(flags.iter().copied()).start();
        let peer = Options::program(program).flags(debug).flags(flags.iter().copied()).start();
        let version = boxcar_tests::oracle::rows::version_of(&peer.info("redis_version"));
        let (mut ours, mut theirs) = (boxcar.client(), peer.client());
        ours.hello(3);
        theirs.hello(3);
        Self { boxcar: ours, peer: theirs, version, servers: (boxcar, peer) }
    }
}

/// Types of 7.2 and later, which 7.0 does not read: sets as listpacks, streams with the time of each consumer's last entry,
/// and hashes with expiries.
fn is_newer(payload: &[u8]) -> bool {
    payload[0] >= 20
}

fn exchange(program: &Path, flags: &[&str]) -> usize {
    let mut two = Two::start(program, flags);
    let hash_expiries = two.version >= (7, 4);
    for command in commands(hash_expiries) {
        let (ours, theirs) = (two.boxcar.call(&command), two.peer.call(&command));
        assert_eq!(ours.is_error(), theirs.is_error(), "{command:?}: {ours} {theirs}");
    }
    let keys = two.peer.call(["KEYS", "*"]);
    let (mut same, mut exchanged) = (0, 0);
    for key in keys.elements() {
        let name = key.text().expect("a key");
        let original = signature(&mut two.peer, key);
        assert_eq!(signature(&mut two.boxcar, key), original, "{key} before");
        let ours = two.boxcar.call([&b"DUMP"[..], &name[..]]).text().expect("a payload");
        let theirs = two.peer.call([&b"DUMP"[..], &name[..]]).text().expect("a payload");
        same += usize::from(ours[..ours.len() - 10] == theirs[..theirs.len() - 10]);

        let reply = two.boxcar.call([&b"RESTORE"[..], &name[..], b"0", &theirs[..], b"REPLACE"]);
        assert_eq!(reply.to_text(), "OK", "{key} from there");
        assert_eq!(signature(&mut two.boxcar, key), original, "{key} from there");
        // What came from there goes back.
        let again = two.boxcar.call([&b"DUMP"[..], &name[..]]).text().expect("a payload");
        for payload in [ours, again] {
            let payload = match two.version {
                (7, 0) if is_newer(&payload) => continue,
                (7, 0) => as_version(&payload, 10),
                _ => payload,
            };
            let reply = two.peer.call([&b"RESTORE"[..], &name[..], b"0", &payload[..], b"REPLACE"]);
            assert_eq!(reply.to_text(), "OK", "{key} to there");
            assert_eq!(signature(&mut two.peer, key), original, "{key} to there");
            exchanged += 1;
        }
    }
    let digest = |client: &mut Client| client.call(["DEBUG", "DIGEST"]).to_text();
    assert_eq!(digest(&mut two.boxcar), digest(&mut two.peer));
    println!(
        "{:?} {flags:?}: {exchanged} exchanged, {same} of {} the same bytes",
        two.version,
        keys.elements().len()
    );
    drop(two.servers);
    assert!(exchanged > 20, "{exchanged}");
    same
}

fn exchange_all(program: &Path) {
    let same = exchange(program, &["--rdbcompression", "no"]);
    // 7.0 writes other types for some.
    assert!(same >= 15, "{same} payloads are the same bytes");
    exchange(program, &[]);
    exchange(program, &["--list-max-listpack-size", "3", "--stream-node-max-entries", "10"]);
}

#[test]
fn values_go_to_a_real_server_and_back() {
    let Some(peer) = programs::oracle() else {
        assert!(
            programs::stands_down("redis-tools"),
            "there is no server to exchange values with: BOXCAR_ORACLE"
        );
        return;
    };
    exchange_all(&peer);
}

#[test]
fn values_go_to_a_newer_server_and_back() {
    match programs::newer_oracle() {
        Some(peer) => exchange_all(&peer),
        None => eprintln!("not run: no newer server is given by BOXCAR_NEWER_ORACLE"),
    }
}
