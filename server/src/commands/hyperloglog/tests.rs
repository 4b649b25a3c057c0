//! Each command's replies, errors and effects. The expected replies and bytes are a real server's.

use crate::commands::testing::Fixture;

const NOT_ONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";

#[test]
fn adding_and_counting() {
    let mut server = Fixture::new();
    server.check("PFCOUNT key", ":0");
    server.check("PFADD key", ":1");
    server.check("PFADD key", ":0");
    server.check("PFADD key a b c", ":1");
    server.check("PFADD key a b", ":0");
    server.check("PFCOUNT key", ":3");
    server.check("PFADD other c d", ":1");
    server.check("PFCOUNT key other missing", ":4");
    server.check("TYPE key", "+string");
    server.check("STRLEN key", ":27");
}

/// The same elements give the same bytes as in Redis.
#[test]
fn bytes_are_those_of_redis() {
    let mut server = Fixture::new();
    server.check("PFADD key a b c", ":1");
    let image = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
    let reply = [b"$27\r\n", &image[..], b"\r\n"].concat();
    assert_eq!(server.run(&["GET", "key"]), reply);
    server.check("PFCOUNT key", ":3");
    let mut counted = *image;
    counted[8..16].copy_from_slice(&3u64.to_le_bytes());
    assert_eq!(server.run(&["GET", "key"]), [b"$27\r\n", &counted[..], b"\r\n"].concat());
    server.check("PFDEBUG DECODE key", "$44|Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603");
}

#[test]
fn counting_keeps_the_estimate_as_a_change() {
    let mut server = Fixture::new();
    let changes = |server: &Fixture| server.server.stats.totals().changes;
    server.check("PFADD key a", ":1");
    server.check("PFCOUNT key", ":1");
    assert_eq!(changes(&server), 2);
    server.check("PFCOUNT key", ":1");
    assert_eq!(changes(&server), 2);
}

#[test]
fn sparse_becomes_dense_at_the_limit() {
    let mut server = Fixture::with_config("hll-sparse-max-bytes 30");
    server.check("PFADD key a b c", ":1");
    server.check("PFDEBUG ENCODING key", "+sparse");
    server.check("EXPIRE key 100", ":1");
    server.check("PFADD key d e f", ":1");
    server.check("PFDEBUG ENCODING key", "+dense");
    server.check("STRLEN key", ":12304");
    server.check("PFCOUNT key", ":6");
    server.check("TTL key", ":100");
    server.check("PFDEBUG DECODE key", "-ERR HLL encoding is not sparse");
}

#[test]
fn merging() {
    let mut server = Fixture::new();
    server.check("PFADD a 1 2 3", ":1");
    server.check("PFADD b 3 4", ":1");
    server.check("PFMERGE all a b missing", "+OK");
    server.check("PFCOUNT all", ":4");
    server.check("PFDEBUG ENCODING all", "+sparse");
    server.check("PFDEBUG TODENSE b", ":1");
    server.check("PFDEBUG TODENSE b", ":0");
    server.check("PFMERGE a b", "+OK");
    server.check("PFDEBUG ENCODING a", "+dense");
    server.check("PFCOUNT a", ":4");
    server.check("PFMERGE empty", "+OK");
    server.check("PFCOUNT empty", ":0");
    server.check("PFMERGE all all", "+OK");
    server.check("PFCOUNT all", ":4");
}

#[test]
fn other_strings_are_refused() {
    let mut server = Fixture::new();
    server.check("PFADD good a", ":1");
    for value in ["text", "12", "HYLLxxxxxxxxxxxxxxxxx"] {
        server.run(&["SET", "key", value]);
        for line in ["PFADD key a", "PFCOUNT key", "PFCOUNT good key", "PFMERGE good key", "PFMERGE key good"]
        {
            server.check(line, NOT_ONE);
        }
    }
    server.check("PFCOUNT good", ":1");
}

#[test]
fn corrupt_ones_are_refused() {
    let mut server = Fixture::new();
    server.check("PFADD key a", ":1");
    server.check("APPEND key x", ":22");
    for line in
        ["PFCOUNT key", "PFCOUNT key other", "PFMERGE other key", "PFDEBUG TODENSE key", "PFDEBUG GETREG key"]
    {
        server.check(line, CORRUPT);
    }
    server.run(&[b"SET".as_slice(), b"key", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x40"]);
    server.check("PFADD key a", CORRUPT);
    server.check("PFDEBUG DECODE key", CORRUPT);
}

#[test]
fn debugging() {
    let mut server = Fixture::new();
    server.check("PFADD key a b c", ":1");
    server.check("PFDEBUG encoding missing", "-ERR The specified key does not exist");
    server.check("PFDEBUG nonsense key", "-ERR Unknown PFDEBUG subcommand 'nonsense'");
    server.check("PFDEBUG encoding key x", "-ERR wrong number of arguments for 'pfdebug' command");
    let registers = server.run(&["PFDEBUG", "GETREG", "key"]);
    assert!(registers.starts_with(b"*16384\r\n:0\r\n"));
    assert_eq!(registers.split(|byte| *byte == b'\n').filter(|line| *line != b":0\r").count(), 5);
    server.check("PFDEBUG ENCODING key", "+dense");
    server.check("PFCOUNT key", ":3");
    server.check("PFSELFTEST", "+OK");
}
