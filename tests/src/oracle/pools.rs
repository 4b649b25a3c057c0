//! The values that arguments are drawn from.
//!
//! A pool is small, so that commands meet at the same values, and holds the edges. Which pool an argument draws from
//! follows from its type in COMMAND DOCS, unless a row of [`HINTS`] says more.

use super::rows::Argument;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Keys: in shards of their own, three that share one, one that looks like a number, and odd ones.
pub const KEYS: &[&[u8]] =
    &[b"k", b"k2", b"{t}a", b"{t}b", b"{t}c", b"x", b"77", b"", b"\x00\xff bin\r\n", &[b'L'; 70]];

/// The databases that sequences use.
pub const DATABASES: &[&str] = &["0", "1", "9", "15"];

/// A time far enough ahead that it does not come while a sequence is played.
const AHEAD: &[&[u8]] = &[b"100000", b"200000", b"86400000", b"4102444800", b"9223372036854775"];
/// A time that has passed, and what is no time.
const NO_TIME: &[&[u8]] = &[
    b"-1",
    b"0",
    b"-100000",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"abc",
    b"1.5",
    b"",
];
const PAST_OR_FAR: &[&[u8]] =
    &[b"1", b"1000", b"1600000000", b"4102444800", b"4102444800000", b"253402300799000"];

const TEXTS: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"hello",
    b"hello world",
    b"0",
    b"1",
    b"10",
    b"-1",
    b"007",
    b"+1",
    b" 1",
    b"1 ",
    b"3.0",
    b"1.5",
    b"1e3",
    b"nan",
    b"inf",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"\x00\xff",
    b"line\r\nbreak",
    b"\"quoted\" 'both'",
    &[b'e'; 44],
    &[b'e'; 45],
    &[b'x'; 64],
];
/// Longer than what listpacks hold.
const LONG_TEXTS: &[&[u8]] = &[&[b'y'; 65], &[b'z'; 300]];

const INTEGERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"2",
    b"3",
    b"5",
    b"10",
    b"-2",
    b"-5",
    b"100",
    b"-100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775806",
    b"4294967296",
    b"2147483648",
    b"-2147483649",
];
const NO_INTEGERS: &[&[u8]] = &[
    b"",
    b"abc",
    b"1.5",
    b" 1",
    b"1 ",
    b"0x10",
    b"-0",
    b"01",
    b"+1",
    b"1e2",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"99999999999999999999",
    b"-",
    b"\x00",
];
/// For how many: nothing so large that the reply would be.
const COUNTS: &[&[u8]] = &[
    b"1",
    b"2",
    b"3",
    b"10",
    b"0",
    b"-1",
    b"-2",
    b"-3",
    b"100",
    b"9223372036854775807",
    b"-9223372036854775808",
];
/// For where to write: nothing that makes a value of many megabytes, but beyond the most there may be.
const OFFSETS: &[&[u8]] =
    &[b"0", b"1", b"2", b"5", b"7", b"8", b"100", b"3000", b"-1", b"4294967296", b"9223372036854775807"];
const DOUBLES: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"2",
    b"3",
    b"1.5",
    b"-1.5",
    b"0.1",
    b"3.14159",
    b"1e5",
    b"1e20",
    b"-1e300",
    b"1e-7",
    b"inf",
    b"-inf",
    b"+inf",
    b"-0",
    b"17179869184.5",
    b"9007199254740993",
    b"100000000000000000000",
];
const NO_DOUBLES: &[&[u8]] =
    &[b"nan", b"", b"abc", b"1e400", b" 1", b"1 ", b"0x1p3", b"1.5.5", b"(1", b"--1"];
const PATTERNS: &[&[u8]] = &[
    b"*", b"k*", b"?", b"??", b"[a-k]*", b"[^k]*", b"{t}*", b"\\*", b"", b"*[", b"h?llo", b"f*", b"\\",
    b"[k-", b"**a", b"k\\2",
];
const FIELDS: &[&[u8]] = &[b"f", b"f1", b"f2", b"f3", b"g", b"", b"10", b"\x00f", b"hello"];
const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"1",
    b"2",
    b"3",
    b"-5",
    b"100",
    b"70000",
    b"5000000000",
    b"",
    b"foo",
    b"bar",
    b"\x00\x01",
];
const SCORE_BOUNDS: &[&[u8]] = &[
    b"-inf", b"+inf", b"0", b"1", b"(1", b"2", b"(3", b"5", b"-1", b"(-inf", b"(", b"abc", b"nan", b"1.5",
    b"",
];
const LEX_BOUNDS: &[&[u8]] =
    &[b"-", b"+", b"[a", b"(a", b"[c", b"(d", b"[", b"(", b"a", b"", b"[foo", b"(1", b"[\x00"];
const RANGE_BOUNDS: &[&[u8]] = &[
    b"0", b"-1", b"1", b"2", b"-2", b"(1", b"(2", b"-inf", b"+inf", b"[a", b"(c", b"-", b"+", b"100", b"abc",
    b"",
];
const STREAM_IDS: &[&[u8]] = &[
    b"1-1",
    b"1-2",
    b"2-1",
    b"3-0",
    b"5-5",
    b"10-0",
    b"0-1",
    b"0-0",
    b"0",
    b"3",
    b"-",
    b"+",
    b"(1-1",
    b"(3",
    b"18446744073709551615-18446744073709551615",
    b"18446744073709551615-0",
    b"abc",
    b"1-",
    b"-1-1",
    b"1-1-1",
    b"",
];
const NEW_STREAM_IDS: &[&[u8]] = &[
    b"1-1",
    b"1-*",
    b"2-1",
    b"2-*",
    b"3-0",
    b"4",
    b"5-5",
    b"5-*",
    b"6-1",
    b"7-*",
    b"8-*",
    b"9-1",
    b"10-*",
    b"20-*",
    b"30-7",
    b"0-0",
    b"0-1",
    b"abc",
    b"-",
    b"18446744073709551615-*",
];
const READ_STREAM_IDS: &[&[u8]] = &[b"0", b"0-0", b"1-1", b"2", b"5-5", b"$", b">", b"-", b"abc", b"100"];
const GROUPS: &[&[u8]] = &[b"g1", b"g1", b"g1", b"g1", b"g1", b"g2", b"", b"other"];
const CONSUMERS: &[&[u8]] = &[b"c1", b"c2", b"c3", b""];
const ENCODINGS: &[&[u8]] =
    &[b"u8", b"i8", b"u1", b"i5", b"u16", b"i64", b"u63", b"u64", b"i65", b"i0", b"x8", b"", b"u", b"i32"];
const BITS: &[&[u8]] = &[b"0", b"1", b"1", b"0", b"2", b"-1", b"abc", b""];
const BIT_OFFSETS: &[&[u8]] =
    &[b"0", b"1", b"7", b"8", b"15", b"100", b"#0", b"#1", b"#3", b"-1", b"#-1", b"4294967296", b"abc", b"#"];
const LONGITUDES: &[&[u8]] =
    &[b"13.361389", b"15.087269", b"2.35", b"0", b"-180", b"180", b"181", b"-74.0", b"abc"];
const LATITUDES: &[&[u8]] =
    &[b"38.115556", b"37.502669", b"48.85", b"0", b"85.05112878", b"-85.05112878", b"86", b"40.7", b""];
const DISTANCES: &[&[u8]] = &[b"1", b"100", b"200.5", b"1000", b"20000", b"0", b"-1", b"abc", b"1e10"];
const CURSORS: &[&[u8]] = &[b"0", b"0", b"0", b"0", b"abc", b"18446744073709551616"];
const SCAN_COUNTS: &[&[u8]] = &[b"1000", b"1000", b"1000", b"0", b"-1", b"abc"];
const DATABASE_NUMBERS: &[&[u8]] = &[b"0", b"0", b"1", b"9", b"15", b"16", b"-1", b"abc", b"", b"4294967296"];
/// Either at once, or not while the sequence is played.
const TIMEOUTS: &[&[u8]] = &[b"0", b"0", b"100000", b"-1", b"abc", b""];
const CHANNELS: &[&[u8]] = &[b"ch1", b"ch2", b"{t}ch", b""];
const TYPES: &[&[u8]] =
    &[b"string", b"list", b"set", b"zset", b"hash", b"stream", b"HASH", b"module", b"nosuch"];
const SORT_PATTERNS: &[&[u8]] = &[b"nosort", b"k*", b"{t}*", b"*", b"#", b"{t}*->f", b"k*->f1", b"x*->", b""];
/// Values in DUMP's format: those of Redis 7.0, those of versions before it, and those that came with 7.2 to 8.0; what
/// every version refuses.
const PAYLOADS: &[&[u8]] = &[
    // A text.
    b"\x00\x05\x68\x65\x6c\x6c\x6f\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a",
    // A number.
    b"\x00\xc0\x7b\x0a\x00\x48\xe2\x53\xe1\x00\x7a\x67\xb9",
    // A compressed text.
    b"\x00\xc3\x09\x35\x01\x61\x61\xe0\x28\x00\x01\x61\x61\x0a\x00\xc6\xc6\x0c\xe1\x9e\x61\x40\x10",
    // A list.
    b"\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81\x61\x02\x01\x01\x81\x62\x02\xff\x0a\x00\x90\x43\xa3\x4c\xeb\x8e\x1b\x1c",
    // A set of integers.
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x2c\x01\x0a\x00\xe5\x10\xb2\x8e\x7b\x95\x29\xaa",
    // A sorted set.
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81\x61\x02\x01\x01\x81\x62\x02\x83\x32\x2e\x35\x04\xff\x0a\x00\xd4\x4c\x6e\xa4\xf6\x44\xd9\xd7",
    // A hash.
    b"\x10\x0d\x0d\x00\x00\x00\x02\x00\x81\x66\x02\x81\x76\x02\xff\x0a\x00\x20\xf1\x3d\x44\x23\x54\x08\x9d",
    // A stream with a group.
    b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x1d\x1d\x00\x00\x00\x0a\x00\x01\x01\x00\x01\x01\x01\x81\x66\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81\x76\x02\x04\x01\xff\x01\x01\x01\x01\x01\x00\x00\x01\x01\x01\x67\x00\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x0a\x00\xff\x9a\xd3\x4b\x48\xb2\x68\xce",
    // A list of strings.
    b"\x01\x02\x01\x61\x01\x62\x06\x00\xa4\x45\xf8\xfe\x20\x56\x26\xd6",
    // A set of strings.
    b"\x02\x03\x01\x61\x01\x31\x03\x66\x6f\x6f\x06\x00\x42\x8f\x9f\x69\x7c\xac\xd8\x68",
    // A sorted set, scores as text.
    b"\x03\x02\x01\x61\x01\x31\x01\x62\xfe\x06\x00\x78\xff\xc7\x6b\xb7\xec\x3c\x9b",
    // A hash of strings.
    b"\x04\x02\x01\x66\x01\x76\x02\x66\x31\x02\x31\x30\x06\x00\x78\x66\x89\x61\x5c\x92\x18\x65",
    // A sorted set, scores in binary.
    b"\x05\x02\x01\x61\x00\x00\x00\x00\x00\x00\xf8\x3f\x01\x62\x00\x00\x00\x00\x00\x00\x08\xc0\x09\x00\x7f\x9f\xdc\x1d\x3f\xc5\xdf\xa8",
    // A zipmap.
    b"\x09\x0e\x02\x01\x66\x01\x00\x76\x02\x66\x31\x02\x00\x31\x30\xff\x06\x00\xb0\x02\xe2\x00\xd8\x75\x5c\x70",
    // A list ziplist.
    b"\x0a\x17\x17\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01\x61\x03\xf2\x02\xfe\xfb\x03\xc0\x2c\x01\xff\x06\x00\xe4\x9c\x9e\x2b\x77\xd1\xff\xa1",
    // A sorted set ziplist.
    b"\x0c\x18\x18\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01\x61\x03\xf2\x02\x01\x62\x03\x03\x32\x2e\x35\xff\x06\x00\xca\xba\x75\x1d\x61\x3a\x92\x24",
    // A hash ziplist.
    b"\x0d\x17\x17\x00\x00\x00\x14\x00\x00\x00\x04\x00\x00\x01\x66\x03\x01\x76\x03\x02\x66\x31\x04\xfb\xff\x06\x00\x52\x8a\xa3\xe0\x1a\xc6\xea\x85",
    // A quicklist of ziplists.
    b"\x0e\x02\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01\x61\x03\xf2\xff\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01\x62\xff\x09\x00\xb3\x91\x88\x8c\xc9\x4e\x40\x65",
    // A set listpack.
    b"\x14\x11\x11\x00\x00\x00\x03\x00\x81\x61\x02\x01\x01\x83\x66\x6f\x6f\x04\xff\x0c\x00\xc6\x78\x56\x85\x64\x49\xfb\xa4",
    // A hash with a field that expires in 2100.
    b"\x19\x00\xd8\xc3\x2c\xbb\x03\x00\x00\x1f\x1f\x00\x00\x00\x06\x00\x82\x66\x31\x03\x0a\x01\xf4\x00\xd8\xc3\x2c\xbb\x03\x00\x00\x09\x81\x66\x02\x81\x76\x02\x00\x01\xff\x0c\x00\xda\xd7\x98\x28\x3e\x68\xc4\x70",
    // A quicklist.
    b"\x12\x03\x02\x0c\x0c\x00\x00\x00\x02\x00\x81\x61\x02\x01\x01\xff\x02\x0c\x0c\x00\x00\x00\x02\x00\x81\x62\x02\x02\x01\xff\x02\x0a\x0a\x00\x00\x00\x01\x00\x81\x63\x02\xff\x0c\x00\x26\x35\xfa\x1c\x19\x48\xda\x37",
    // A stream with a deletion and something pending.
    b"\x15\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xc3\x3d\x40\x42\x07\x42\x00\x00\x00\x1a\x00\x02\x01\x40\x00\x07\x81\x66\x02\x00\x01\x02\x01\x00\x20\x01\x03\x81\x61\x02\x04\x20\x12\x00\x00\x20\x03\x00\x02\x40\x17\x04\x81\x62\x02\x81\x67\x20\x25\x00\x08\x60\x12\x40\x16\x08\x81\x68\x02\x81\x63\x02\x06\x01\xff\x02\x02\x01\x01\x01\x01\x02\x03\x01\x02\x67\x31\x01\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xe7\x83\x12\x25\xa2\x01\x00\x00\x01\x02\x02\x63\x31\xe7\x83\x12\x25\xa2\x01\x00\x00\xe7\x83\x12\x25\xa2\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x02\x63\x32\xfb\x83\x12\x25\xa2\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x0c\x00\x07\x01\x7d\xbd\xeb\x46\xa4\x4a",
    // An empty stream.
    b"\x15\x00\x00\x05\x05\x00\x00\x05\x05\x01\x00\x0c\x00\xf6\x43\x73\xcf\xbc\x2a\xbe\x66",
    // A HyperLogLog.
    b"\x00\x1b\x48\x59\x4c\x4c\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a\x0c\x00\x54\x2f\x38\xc6\x4c\x63\xee\x00",
    // A number.
    b"\x00\xc1\x7f\xff\x0c\x00\xdc\x16\xb6\xe8\xae\xaa\x1a\xc9",
    // A sorted set.
    b"\x11\x19\x19\x00\x00\x00\x06\x00\x82\x6d\x30\x03\x00\x01\x82\x6d\x31\x03\x01\x01\x82\x6d\x32\x03\x02\x01\xff\x0c\x00\x7f\xa8\x71\xe7\xa2\xe6\x60\x04",
    // A version to come.
    b"\x14\x11\x11\x00\x00\x00\x03\x00\x81\x61\x02\x01\x01\x83\x66\x6f\x6f\x04\xff\x63\x00\x9c\x46\x76\xa8\x24\xac\x22\xb2",
    // An unknown type.
    b"\x7f\x01\x09\x00\x04\x84\x85\x64\xdf\x97\x8b\xcd",
    // Nothing but version and checksum.
    b"\x09\x00\x8d\x69\x0d\x8c\x5b\xf9\xc1\x6b",
    // The first of them with a wrong byte.
    b"\x00\x05\x68\x58\x6c\x6c\x6f\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a",
];
const SECTIONS: &[&[u8]] = &[b"server", b"all", b"keyspace", b"default", b"nosuch", b"everything"];
const DIRECTIVES: &[&[u8]] =
    &[b"maxmemory", b"timeout", b"hz", b"nosuch", b"list-max-listpack-size", b"hash-max-*"];
const PROTOCOLS: &[&[u8]] = &[b"2", b"3", b"3", b"2", b"4", b"1", b"abc", b"0"];
const NAMES: &[&[u8]] = &[b"name", b"n", b"", b"with blank", b"line\n", b"default"];
const CATEGORIES: &[&[u8]] = &[b"string", b"keyspace", b"nosuch", b"read", b"STRING", b""];
const PARTS: &[&[u8]] = &[b"string", b"sorted", b"tag"];

/// A pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Any text, numbers among them.
    Text,
    /// An integer, now and then what is none.
    Integer,
    /// How many.
    Count,
    /// How many follow: the number that does follow, mostly.
    Following,
    /// Where to write in a string.
    Offset,
    /// A floating-point number.
    Double,
    /// A glob-style pattern.
    Pattern,
    /// A key.
    Key,
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// A time since 1970.
    Time,
    /// A whole command.
    Command,
    /// One of these.
    Of(&'static [&'static [u8]]),
}

/// A row: arguments of this name in these commands (`*`: all) draw from this pool.
#[derive(Debug)]
pub struct Hint {
    command: &'static str,
    argument: &'static str,
    pool: Pool,
}

const fn hint(command: &'static str, argument: &'static str, pool: Pool) -> Hint {
    Hint { command, argument, pool }
}

/// What the documentation does not say. The first row that fits counts.
pub const HINTS: &[Hint] = &[
    hint("*", "numkeys", Pool::Following),
    hint("*", "numfields", Pool::Following),
    hint("xread*", "milliseconds", Pool::Of(TIMEOUTS)),
    hint("*", "seconds", Pool::Seconds),
    hint("*", "milliseconds", Pool::Milliseconds),
    hint("*", "timeout", Pool::Of(TIMEOUTS)),
    hint("client|tracking", "*id", Pool::Of(&[b"0", b"-1", b"999999999", b"abc"])),
    hint("client|tracking", "*prefix", Pool::Of(&[b"k", b"{t}", b"x", b"77"])),
    hint("pfdebug", "subcommand", Pool::Of(&[b"GETREG", b"decode", b"ENCODING", b"TODENSE", b"nosuch"])),
    hint("publish", "channel", Pool::Of(CHANNELS)),
    hint("*", "pattern", Pool::Pattern),
    hint("scan", "count", Pool::Of(SCAN_COUNTS)),
    hint("sscan", "count", Pool::Of(SCAN_COUNTS)),
    hint("hscan", "count", Pool::Of(SCAN_COUNTS)),
    hint("zscan", "count", Pool::Of(SCAN_COUNTS)),
    hint("spop", "count", Pool::Of(&[b"1000", b"1000", b"0", b"-1", b"abc", b"9223372036854775807"])),
    hint("lrem", "count", Pool::Of(&[b"0", b"1", b"-1", b"2", b"-2", b"100", b"-100", b"abc", b"1.5", b""])),
    hint("lset", "index", Pool::Of(&[b"0", b"1", b"-1", b"2", b"-2", b"100", b"-100", b"abc", b"1.5", b""])),
    hint("*", "count", Pool::Count),
    hint("*", "cursor", Pool::Of(CURSORS)),
    hint("scan", "type", Pool::Of(TYPES)),
    hint("setrange", "offset", Pool::Offset),
    hint("setbit", "offset", Pool::Offset),
    hint("getbit", "offset", Pool::Offset),
    hint("bitfield*", "offset", Pool::Of(BIT_OFFSETS)),
    hint("bitfield*", "encoding", Pool::Of(ENCODINGS)),
    hint("*", "bit", Pool::Of(BITS)),
    hint("incrbyfloat", "increment", Pool::Double),
    hint("hincrbyfloat", "increment", Pool::Double),
    hint("select", "index", Pool::Of(DATABASE_NUMBERS)),
    hint("swapdb", "index1", Pool::Of(DATABASE_NUMBERS)),
    hint("swapdb", "index2", Pool::Of(DATABASE_NUMBERS)),
    hint("*", "db", Pool::Of(DATABASE_NUMBERS)),
    hint("*", "destination-db", Pool::Of(DATABASE_NUMBERS)),
    hint("*", "field", Pool::Of(FIELDS)),
    hint("zrangebylex", "m*", Pool::Of(LEX_BOUNDS)),
    hint("zrevrangebylex", "m*", Pool::Of(LEX_BOUNDS)),
    hint("zremrangebylex", "m*", Pool::Of(LEX_BOUNDS)),
    hint("zlexcount", "m*", Pool::Of(LEX_BOUNDS)),
    hint("z*", "min", Pool::Of(SCORE_BOUNDS)),
    hint("z*", "max", Pool::Of(SCORE_BOUNDS)),
    hint("zrange", "start", Pool::Of(RANGE_BOUNDS)),
    hint("zrange", "stop", Pool::Of(RANGE_BOUNDS)),
    hint("zrangestore", "m*", Pool::Of(RANGE_BOUNDS)),
    hint("zrangestore", "start", Pool::Of(RANGE_BOUNDS)),
    hint("zrangestore", "stop", Pool::Of(RANGE_BOUNDS)),
    hint("geo*", "longitude", Pool::Of(LONGITUDES)),
    hint("geo*", "latitude", Pool::Of(LATITUDES)),
    hint("geo*", "radius", Pool::Of(DISTANCES)),
    hint("geo*", "width", Pool::Of(DISTANCES)),
    hint("geo*", "height", Pool::Of(DISTANCES)),
    hint("*", "member*", Pool::Of(MEMBERS)),
    hint("*", "element", Pool::Of(MEMBERS)),
    hint("*", "pivot", Pool::Of(MEMBERS)),
    hint("xadd", "id", Pool::Of(NEW_STREAM_IDS)),
    hint("xreadgroup", "id", Pool::Of(&[b">", b">", b">", b">", b"0", b"1-1", b"$", b"abc"])),
    hint("xread*", "id", Pool::Of(READ_STREAM_IDS)),
    hint("xgroup*", "id", Pool::Of(READ_STREAM_IDS)),
    hint("x*", "*id", Pool::Of(STREAM_IDS)),
    hint("x*", "start", Pool::Of(STREAM_IDS)),
    hint("x*", "end", Pool::Of(STREAM_IDS)),
    hint("xadd", "threshold", Pool::Of(&[b"0", b"1", b"2", b"5", b"100", b"3-0", b"-1", b"abc"])),
    hint("xtrim", "threshold", Pool::Of(&[b"0", b"1", b"2", b"5", b"100", b"3-0", b"-1", b"abc"])),
    hint("x*", "min-idle-time", Pool::Of(&[b"0", b"0", b"0", b"1000000000", b"abc", b"-1"])),
    hint("xpending", "min-idle-time", Pool::Of(&[b"0", b"1000000000", b"abc"])),
    hint("x*", "group", Pool::Of(GROUPS)),
    hint("x*", "groupname", Pool::Of(GROUPS)),
    hint("x*", "consumer*", Pool::Of(CONSUMERS)),
    hint("sort*", "*pattern", Pool::Of(SORT_PATTERNS)),
    hint("restore", "serialized-value", Pool::Of(PAYLOADS)),
    hint(
        "restore",
        "ttl",
        Pool::Of(&[b"0", b"0", b"0", b"0", b"100000000", b"4102444800000", b"-1", b"abc"]),
    ),
    hint("restore", "seconds", Pool::Of(&[b"0", b"1000", b"-1", b"abc"])),
    hint("restore", "frequency", Pool::Of(&[b"0", b"5", b"255", b"256", b"-1", b"abc"])),
    hint("*", "*channel", Pool::Of(CHANNELS)),
    hint("info", "section", Pool::Of(SECTIONS)),
    hint("config|get", "parameter", Pool::Of(DIRECTIVES)),
    hint("hello", "protover", Pool::Of(PROTOCOLS)),
    hint("acl|cat", "category", Pool::Of(CATEGORIES)),
    hint("command|list", "*", Pool::Of(PARTS)),
    hint("command|getkeys*", "command", Pool::Command),
    hint("command|*", "command-name", Pool::Of(&[b"get", b"set", b"nosuch", b"client|id", b"xx|yy"])),
    hint("client|*", "connection-name", Pool::Of(NAMES)),
    hint("auth", "*", Pool::Of(NAMES)),
    hint("hello", "*", Pool::Of(NAMES)),
];

/// Whether a name fits a pattern with a star at its beginning or end.
pub fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) if !end.is_empty() => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => pattern == name,
    }
}

/// The pool that an argument of a command draws from.
#[must_use]
pub fn pool_of(command: &str, argument: &Argument) -> Pool {
    if argument.kind == "key" {
        return Pool::Key;
    }
    let hinted = HINTS.iter().find(|row| fits(row.command, command) && fits(row.argument, &argument.name));
    match (hinted, argument.kind.as_str()) {
        (Some(hint), _) => hint.pool,
        (None, "integer") => Pool::Integer,
        (None, "double") => Pool::Double,
        (None, "pattern") => Pool::Pattern,
        (None, "unix-time") => Pool::Time,
        (None, _) => Pool::Text,
    }
}

/// A value from a pool. `long` allows what outgrows the compact encodings. Keys, commands and the number of what
/// follows come from the generator.
pub fn draw(pool: Pool, random: &mut StdRng, long: bool) -> Vec<u8> {
    let chosen = match pool {
        Pool::Text if long && random.random_bool(0.15) => LONG_TEXTS,
        Pool::Text | Pool::Command => TEXTS,
        Pool::Integer | Pool::Following if random.random_bool(0.12) => NO_INTEGERS,
        Pool::Integer | Pool::Following => INTEGERS,
        Pool::Count if random.random_bool(0.08) => NO_INTEGERS,
        Pool::Count => COUNTS,
        Pool::Offset if random.random_bool(0.05) => NO_INTEGERS,
        Pool::Offset => OFFSETS,
        Pool::Double if random.random_bool(0.12) => NO_DOUBLES,
        Pool::Double => DOUBLES,
        Pool::Pattern => PATTERNS,
        Pool::Key => KEYS,
        Pool::Seconds | Pool::Milliseconds if random.random_bool(0.4) => NO_TIME,
        Pool::Seconds | Pool::Milliseconds => AHEAD,
        Pool::Time if random.random_bool(0.3) => NO_TIME,
        Pool::Time => PAST_OR_FAR,
        // Small members keep their encodings; a long sequence also has some that do not.
        Pool::Of(MEMBERS | FIELDS) if long && random.random_bool(0.1) => LONG_TEXTS,
        Pool::Of(values) => values,
    };
    chosen.choose(random).copied().unwrap_or_default().to_vec()
}
