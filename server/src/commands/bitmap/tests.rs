//! Each command's replies, errors and effects. The expected replies are a real server's.

use crate::commands::testing::Fixture;

const BAD_OFFSET: &str = "-ERR bit offset is not an integer or out of range";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";

#[test]
fn single_bits() {
    let mut server = Fixture::new();
    server.check("GETBIT key 0", ":0");
    server.check("SETBIT key 7 1", ":0");
    server.check("GET key", "$1|\x01");
    server.check("SETBIT key 7 1", ":1");
    server.check("SETBIT key 7 0", ":1");
    server.check("SETBIT key 100 0", ":0");
    server.check("STRLEN key", ":13");
    server.check("GETBIT key 4294967295", ":0");
    for offset in ["-1", "x", "''", "#1", "4294967296", "9223372036854775808"] {
        server.check(&format!("SETBIT key {offset} 1"), BAD_OFFSET);
        server.check(&format!("GETBIT key {offset}"), BAD_OFFSET);
    }
    for bit in ["2", "-1", "x", "''"] {
        server.check(&format!("SETBIT new 0 {bit}"), "-ERR bit is not an integer or out of range");
    }
    server.check("EXISTS new", ":0");
}

#[test]
fn a_bit_makes_any_string_raw() {
    let mut server = Fixture::new();
    server.check("SET key 12", "+OK");
    server.check("GETBIT key 2", ":1");
    server.check("OBJECT ENCODING key", "$3|int");
    server.check("SETBIT key 7 1", ":1");
    server.check("OBJECT ENCODING key", "$3|raw");
    server.check("GET key", "$2|12");
    server.check("EXPIRE key 100", ":1");
    server.check("SETBIT key 6 1", ":0");
    server.check("TTL key", ":100");
    server.check("GET key", "$2|32");
}

#[test]
fn only_changes_count() {
    let mut server = Fixture::new();
    let changes = |server: &Fixture| server.server.stats.totals().changes;
    server.check("SETBIT key 3 0", ":0");
    assert_eq!(changes(&server), 1, "the key is new");
    server.check("SETBIT key 3 0", ":0");
    assert_eq!(changes(&server), 1);
    server.check("SETBIT key 9 0", ":0");
    assert_eq!(changes(&server), 2, "the string is longer");
    server.check("BITFIELD key SET u8 0 0", "*1|:0");
    assert_eq!(changes(&server), 2);
    server.check("BITFIELD key OVERFLOW FAIL INCRBY u8 0 300", "*1|$-1");
    assert_eq!(changes(&server), 2);
    server.check("BITOP AND missing nothing", ":0");
    assert_eq!(changes(&server), 2);
    server.check("BITOP AND key nothing", ":0");
    assert_eq!(changes(&server), 3);
    server.check("EXISTS key", ":0");
}

#[test]
fn counting() {
    let mut server = Fixture::new();
    server.check("BITCOUNT key", ":0");
    server.check("SET key foobar", "+OK");
    for (part, count) in [
        ("", 26),
        ("0 0", 4),
        ("1 1", 6),
        ("1 1 BYTE", 6),
        ("5 30 bit", 17),
        ("0 -1", 26),
        ("-2 -1", 7),
        ("-1 -2", 0),
        ("-100 0", 4),
        ("3 2", 0),
        ("100 200", 0),
        ("-9223372036854775808 9223372036854775807 BIT", 26),
    ] {
        server.check(&format!("BITCOUNT key {part}"), &format!(":{count}"));
    }
    server.check("BITCOUNT key 0", SYNTAX);
    server.check("BITCOUNT key 0 0 BITS", SYNTAX);
    server.check("BITCOUNT key 0 0 BIT x", SYNTAX);
    server.check("BITCOUNT missing x 0", NOT_INTEGER);
    server.check("SET key 7", "+OK");
    server.check("BITCOUNT key", ":5");
}

#[test]
fn searching() {
    let mut server = Fixture::new();
    server.check("BITPOS key 0", ":0");
    server.check("BITPOS key 1", ":-1");
    server.run(&[b"SET".as_slice(), b"key", b"\xff\xf0\x00"]);
    for (arguments, position) in [
        ("0", 12),
        ("1", 0),
        ("1 2", -1),
        ("1 -3", 0),
        ("0 0 0", -1),
        ("0 0 1", 12),
        ("0 0 11 BIT", -1),
        ("1 9 20 BIT", 9),
        ("0 13", -1),
        ("1 2 1", -1),
    ] {
        server.check(&format!("BITPOS key {arguments}"), &format!(":{position}"));
    }
    server.run(&[b"SET".as_slice(), b"ones", b"\xff\xff"]);
    server.check("BITPOS ones 0", ":16");
    server.check("BITPOS ones 0 1", ":16");
    server.check("BITPOS ones 0 1 -1", ":-1");
    server.check("BITPOS ones 0 2", ":-1");
    server.check("SET empty ''", "+OK");
    server.check("BITPOS empty 0", ":-1");
    server.check("BITPOS key 2", "-ERR The bit argument must be 1 or 0.");
    server.check("BITPOS key x", NOT_INTEGER);
    server.check("BITPOS missing 0 x", NOT_INTEGER);
    server.check("BITPOS key 0 0 1 x", SYNTAX);
    server.check("BITPOS key 0 0 1 BIT x", SYNTAX);
}

#[test]
fn combining() {
    let mut server = Fixture::new();
    server.run(&[b"SET".as_slice(), b"a", b"\xf0\x0f\xff"]);
    server.run(&[b"SET".as_slice(), b"b", b"\x3c\x3c"]);
    let mut combined = |operation: &str, sources: &[&str], bytes: &[u8]| {
        let words = [&["BITOP", operation, "result"], sources].concat();
        assert_eq!(server.run(&words), format!(":{}\r\n", bytes.len()).into_bytes(), "{operation}");
        let reply = [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        assert_eq!(server.run(&["GET", "result"]), reply, "{operation}");
    };
    combined("AND", &["a", "b"], b"\x30\x0c\x00");
    combined("and", &["a", "missing"], b"\x00\x00\x00");
    combined("OR", &["a", "b"], b"\xfc\x3f\xff");
    combined("XOR", &["a", "b"], b"\xcc\x33\xff");
    combined("NOT", &["b"], b"\xc3\xc3");
    combined("DIFF", &["a", "b"], b"\xc0\x03\xff");
    combined("DIFF1", &["a", "b"], b"\x0c\x30\x00");
    combined("ANDOR", &["a", "b", "missing"], b"\x30\x0c\x00");
    combined("ONE", &["a", "b", "b"], b"\xc0\x03\xff");
    combined("OR", &["result", "result"], b"\xc0\x03\xff");
    server.check("OBJECT ENCODING result", "$3|raw");
    server.check("EXPIRE a 100", ":1");
    server.check("BITOP NOT a a", ":3");
    server.check("TTL a", ":-1");
    server.check("BITOP NOT a a b", "-ERR BITOP NOT must be called with a single source key.");
    server.check("BITOP diff1 a a", "-ERR BITOP DIFF1 must be called with at least two source keys.");
    server.check("BITOP nand a a", SYNTAX);
}

#[test]
fn fields() {
    let mut server = Fixture::new();
    server.check("BITFIELD key", "*0");
    server.check("BITFIELD key GET u8 0 GET i5 #3", "*2|:0|:0");
    server.check("EXISTS key", ":0");
    server.check("BITFIELD key SET u8 0 200 INCRBY i5 100 1 GET i8 0", "*3|:0|:1|:-56");
    server.check("STRLEN key", ":14");
    server.check("BITFIELD key SET u8 #1 255 GET u8 8 GET i16 0", "*3|:0|:255|:-14081");
    server.check(
        "BITFIELD key SET i64 1 -1 GET i64 1 GET u63 2",
        "*3|:-7926898294125494272|:-1|:9223372036854775807",
    );
    server.check("BITFIELD_RO key GET u4 0", "*1|:15");
    server.check("BITFIELD_RO key SET u4 0 1", "-ERR BITFIELD_RO only supports the GET subcommand");
    let wrong =
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    server.check("BITFIELD key GET u64 0", wrong);
    server.check("BITFIELD key GET u8 x", BAD_OFFSET);
    server.check("BITFIELD key GET u8 #9223372036854775807", BAD_OFFSET);
    server.check("BITFIELD key SET u8 0 x", NOT_INTEGER);
    server.check("BITFIELD key GET u8", SYNTAX);
    server.check("BITFIELD key SET u8 0", SYNTAX);
    server.check("BITFIELD key OVERFLOW", SYNTAX);
    server.check("BITFIELD key OVERFLOW none", "-ERR Invalid OVERFLOW type specified");
}

#[test]
fn overflow_of_fields() {
    let mut server = Fixture::new();
    server.check("BITFIELD key SET u8 0 250 INCRBY u8 0 10", "*2|:0|:4");
    server.check("BITFIELD key OVERFLOW SAT INCRBY u8 0 500 OVERFLOW FAIL INCRBY u8 0 1", "*2|:255|$-1");
    server.check("BITFIELD key OVERFLOW FAIL SET u8 0 256 GET u8 0", "*2|$-1|:255");
    server.check("BITFIELD key OVERFLOW SAT SET u8 0 -1", "*1|:255");
    server.check("BITFIELD key OVERFLOW SAT INCRBY i8 8 -200 OVERFLOW WRAP INCRBY i8 8 -1", "*2|:-128|:127");
}

#[test]
fn a_call_that_only_reads_says_so() {
    let mut server = Fixture::new();
    server.check("COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0", "*1|*2|$1|k|*2|+RO|+access");
    server.check("COMMAND GETKEYSANDFLAGS BITFIELD k OVERFLOW SAT", "*1|*2|$1|k|*2|+RO|+access");
    let writes = "*1|*2|$1|k|*3|+RW|+access|+update";
    server.check("COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1", writes);
    server.check("COMMAND GETKEYSANDFLAGS BITFIELD k nonsense", writes);
}
