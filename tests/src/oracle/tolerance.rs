//! What may differ between two servers, each row with its reason. Whatever no row covers must be the same bytes.

use super::failure::Came;
use super::pools::fits;
use crate::value::Value;

/// How two replies may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The elements in any order.
    Unordered,
    /// The same where a sequence may have made hash tables, whose order is nobody's business.
    UnorderedIfLong,
    /// The pairs of a map, or of a flat array, in any order; only where a sequence may have made hash tables.
    UnorderedPairsIfLong,
    /// The pairs of a map, or of a flat array, in any order.
    UnorderedPairs,
    /// Integers that differ by at most so much.
    Within(i64),
    /// The values of these fields, at any depth, and moments.
    Except(&'static [&'static str]),
    /// The third of four elements, a time.
    PendingTimes,
    /// Texts that are the same numbers.
    Numbers,
    /// Texts that are the same numbers but for rounding.
    NearNumbers,
    /// Lists of integers, each of which differs by at most so much.
    EachWithin(i64),
    /// Anything of the same kind: both integers, both errors, both arrays.
    Kind,
    /// Boxcar refuses what the real server takes.
    Refused,
    /// Integers, where a time from now is compared with another one: a millisecond decides.
    IntegersIfCompared,
    /// Integers, where something has expired in the sequence.
    IntegersIfExpired,
    /// The real server refuses it in these words, after a number in the sequence was out of range.
    PeerSaysIfOutOfRange(&'static str),
    /// The elements in any order, where a call has BY and ALPHA.
    UnorderedByAlpha,
    /// The same where an argument holds a NUL byte.
    RefusedWithNul,
    /// The real server refuses it in these words.
    PeerSays(&'static str),
    /// Errors, whatever they say.
    BothErrors,
    /// A cursor and elements: compared, in any order, when both walks are over at once. Where a walk begins that is not
    /// at 0 is each server's own business.
    Walk,
}

/// Why they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Redis promises no more.
    Contract(&'static str),
    /// The row of server/DIFFERENCES.md that begins with this cell.
    Intended(&'static str),
    /// Versions of Redis differ among themselves; Boxcar does as 7.2 and its successors do.
    Version(&'static str),
}

/// The versions of the real server that a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// Every one.
    All,
    /// Those before.
    Before(u32, u32),
    /// This one and those after.
    From(u32, u32),
}

/// A row. A command's name may begin or end with a star.
#[derive(Debug)]
pub struct Tolerance {
    command: &'static str,
    peers: Peers,
    rule: Rule,
    /// The reason.
    pub why: Why,
}

const fn row(command: &'static str, rule: Rule, why: Why) -> Tolerance {
    Tolerance { command, peers: Peers::All, rule, why }
}

const fn version(command: &'static str, peers: Peers, rule: Rule, why: &'static str) -> Tolerance {
    Tolerance { command, peers, rule, why: Why::Version(why) }
}

const UNORDERED: Why = Why::Contract("the order is not defined");
const RANDOM: Why = Why::Contract("chosen at random");
const CLOCK: Why = Why::Contract("two servers answer at two times");
const HELP: Why = Why::Intended("The HELP of containers");
const NUL: Why = Why::Intended("CLIENT SETNAME, CLIENT SETINFO, HELLO SETNAME with a NUL byte");
const OWN: Why = Why::Contract("tells of the server itself, or of the connection");

const ERROR_NUMBER: Why =
    Why::Contract("Redis looks at an error number that an earlier command may have left behind");
const EQUAL: Why =
    Why::Intended("SORT of elements that are equal by what they are sorted by (BY with ALPHA)");
const NO_SCORE: &str = "ERR One or more scores can't be converted into double";

const NEWER_PAYLOAD: &str = "ERR DUMP payload version or checksum are wrong";
const BOUNDS: &str = "bounds of scores and what is sorted by have decimal digits and nothing blank, and may be too large, since 8.0";
const CONSUMERS: &str = "consumers that find nothing are made since 7.2";
const UNBALANCED: &str =
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";

/// The table.
pub const TOLERANCES: &[Tolerance] = &[
    row("keys", Rule::Unordered, UNORDERED),
    row("scan", Rule::Walk, UNORDERED),
    row("sscan", Rule::Walk, UNORDERED),
    row("hscan", Rule::Walk, UNORDERED),
    row("zscan", Rule::Walk, UNORDERED),
    row("smembers", Rule::UnorderedIfLong, UNORDERED),
    row("sinter", Rule::UnorderedIfLong, UNORDERED),
    row("sunion", Rule::Unordered, UNORDERED),
    row("sdiff", Rule::Unordered, UNORDERED),
    row("hkeys", Rule::UnorderedIfLong, UNORDERED),
    row("hvals", Rule::UnorderedIfLong, UNORDERED),
    row("hgetall", Rule::UnorderedPairsIfLong, UNORDERED),
    row("pubsub|channels", Rule::Unordered, UNORDERED),
    row("pubsub|shardchannels", Rule::Unordered, UNORDERED),
    row("xinfo", Rule::Except(&["radix-tree-keys", "radix-tree-nodes", "idle", "inactive"]), OWN),
    row("xpending", Rule::PendingTimes, CLOCK),
    row("sort", Rule::PeerSaysIfOutOfRange(NO_SCORE), ERROR_NUMBER),
    row("sort_ro", Rule::PeerSaysIfOutOfRange(NO_SCORE), ERROR_NUMBER),
    row("sort", Rule::UnorderedByAlpha, EQUAL),
    row("sort_ro", Rule::UnorderedByAlpha, EQUAL),
    row("hrandfield", Rule::Kind, RANDOM),
    row("srandmember", Rule::Kind, RANDOM),
    row("zrandmember", Rule::Kind, RANDOM),
    row("spop", Rule::Unordered, UNORDERED),
    row("randomkey", Rule::Kind, RANDOM),
    row("dump", Rule::Kind, Why::Intended("DUMP")),
    row("ttl", Rule::Within(5), CLOCK),
    row("pttl", Rule::Within(5000), CLOCK),
    row("expire", Rule::IntegersIfCompared, CLOCK),
    row("pexpire", Rule::IntegersIfCompared, CLOCK),
    row("expiretime", Rule::Within(5), CLOCK),
    row("pexpiretime", Rule::Within(5000), CLOCK),
    row("httl", Rule::EachWithin(5), CLOCK),
    row("hpttl", Rule::EachWithin(5000), CLOCK),
    row("hexpiretime", Rule::EachWithin(5), CLOCK),
    row("hpexpiretime", Rule::EachWithin(5000), CLOCK),
    row("time", Rule::Kind, CLOCK),
    row("lastsave", Rule::Kind, CLOCK),
    row("object|idletime", Rule::Within(5), CLOCK),
    row("object|idletime", Rule::Kind, Why::Intended("OBJECT REFCOUNT, OBJECT IDLETIME of small integers")),
    row("*|help", Rule::Kind, HELP),
    row("info", Rule::Kind, OWN),
    row("client|id", Rule::Kind, OWN),
    row("client|info", Rule::Kind, OWN),
    row("client|list", Rule::Kind, OWN),
    row("hello", Rule::Kind, OWN),
    row("client|setname", Rule::RefusedWithNul, NUL),
    row("client|setinfo", Rule::RefusedWithNul, NUL),
    row("hello", Rule::RefusedWithNul, NUL),
    row("role", Rule::Kind, OWN),
    row("lolwut", Rule::Kind, OWN),
    row("memory|usage", Rule::Kind, OWN),
    row("memory|stats", Rule::Kind, OWN),
    row("memory|doctor", Rule::Kind, OWN),
    row("memory|malloc-stats", Rule::Kind, OWN),
    row("slowlog|get", Rule::Kind, OWN),
    row("slowlog|len", Rule::Kind, OWN),
    row("latency|doctor", Rule::Kind, OWN),
    row("latency|histogram", Rule::Kind, OWN),
    row("latency|latest", Rule::Kind, OWN),
    row("command", Rule::Kind, OWN),
    row("command|count", Rule::Kind, OWN),
    row("command|list", Rule::Kind, OWN),
    row("dbsize", Rule::IntegersIfExpired, Why::Intended("KEYS, SCAN, RANDOMKEY")),
    row("command|getkeys*", Rule::BothErrors, OWN),
    row("command|docs", Rule::Kind, Why::Intended("COMMAND DOCS")),
    row("pfdebug", Rule::Refused, Why::Intended("PFDEBUG DECODE of a corrupt value")),
    row("object|refcount", Rule::Kind, Why::Intended("OBJECT REFCOUNT, OBJECT IDLETIME of small integers")),
    row("config|get", Rule::UnorderedPairs, UNORDERED),
    row("acl|cat", Rule::Kind, OWN),
    version(
        "bitcount",
        Peers::Before(7, 2),
        Rule::Refused,
        "arguments are checked before the key is looked up since 7.2",
    ),
    version(
        "bitpos",
        Peers::Before(7, 2),
        Rule::Refused,
        "arguments are checked before the key is looked up since 7.2",
    ),
    version(
        "hello",
        Peers::Before(7, 2),
        Rule::BothErrors,
        "all options are read before AUTH is tried since 7.2",
    ),
    version(
        "*scan",
        Peers::From(8, 0),
        Rule::PeerSays("ERR invalid cursor"),
        "cursors with a sign, and empty ones, are refused since 8.0",
    ),
    version(
        "xread",
        Peers::Before(7, 4),
        Rule::PeerSays("ERR Invalid stream ID specified as stream command argument"),
        "`+` came with 7.4",
    ),
    version(
        "lpos",
        Peers::Before(7, 2),
        Rule::Refused,
        "arguments are checked before the key is looked up since 7.2",
    ),
    version("xreadgroup", Peers::Before(7, 4), Rule::BothErrors, "`+` came with 7.4"),
    version(
        "lpos",
        Peers::All,
        Rule::BothErrors,
        "the order of the checks, and the words for a range, have changed",
    ),
    version("xread", Peers::Before(7, 4), Rule::PeerSays(UNBALANCED), "newer versions name `+`"),
    version("xreadgroup", Peers::Before(7, 4), Rule::PeerSays(UNBALANCED), "newer versions name `>`"),
    version("xinfo", Peers::Before(7, 2), Rule::Kind, CONSUMERS),
    version("xgroup|createconsumer", Peers::Before(7, 2), Rule::Kind, CONSUMERS),
    version(
        "z*",
        Peers::Before(7, 2),
        Rule::Numbers,
        "doubles are written in as few digits as needed since 7.2",
    ),
    version(
        "bz*",
        Peers::Before(7, 2),
        Rule::Numbers,
        "doubles are written in as few digits as needed since 7.2",
    ),
    version(
        "geo*",
        Peers::Before(8, 0),
        Rule::NearNumbers,
        "coordinates are written like other doubles since 8.0",
    ),
    version("restore", Peers::Before(7, 2), Rule::PeerSays(NEWER_PAYLOAD), "payloads of 7.2 and later"),
    version("z*", Peers::Before(8, 0), Rule::Refused, BOUNDS),
    version("sort", Peers::Before(8, 0), Rule::Refused, BOUNDS),
    version("sort_ro", Peers::Before(8, 0), Rule::Refused, BOUNDS),
    version("sort", Peers::Before(8, 0), Rule::PeerSays(NO_SCORE), BOUNDS),
    version("sort_ro", Peers::Before(8, 0), Rule::PeerSays(NO_SCORE), BOUNDS),
    version("*scan", Peers::From(8, 0), Rule::Refused, "cursors after a blank are taken since 8.0"),
    version("*scan", Peers::From(8, 0), Rule::BothErrors, "what is wrong behind such a cursor comes next"),
    version("object|encoding", Peers::Before(7, 2), Rule::Kind, "listpacks for sets came with 7.2"),
    version("smembers", Peers::Before(7, 2), Rule::Unordered, "listpacks for sets came with 7.2"),
    version("sinter", Peers::Before(7, 2), Rule::Unordered, "listpacks for sets came with 7.2"),
];

/// Who is compared with, and what was played.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The real server's major and minor version.
    pub version: (u32, u32),
    /// Whether values may have outgrown the compact encodings.
    pub long: bool,
    /// Whether something may have expired.
    pub expired: bool,
    /// Whether a number was out of the range of its type.
    pub out_of_range: bool,
}

/// Whether the replies to a command are the same, or differ as a row of the table allows. `names` are the command's
/// full name and that of its container.
#[must_use]
pub fn same(names: &[&str], call: &[Vec<u8>], setting: Setting, peer: &Value, boxcar: &Value) -> bool {
    if peer == boxcar {
        return true;
    }
    let applies = |row: &&Tolerance| {
        let for_peer = match row.peers {
            Peers::All => true,
            Peers::Before(major, minor) => setting.version < (major, minor),
            Peers::From(major, minor) => setting.version >= (major, minor),
        };
        for_peer && names.iter().any(|name| fits(row.command, name))
    };
    TOLERANCES.iter().filter(applies).any(|row| allows(row.rule, call, setting, peer, boxcar))
}

/// Whether replies that pass say that the servers go different ways from here on: one refuses what the other has done, by
/// itself or in a transaction.
#[must_use]
pub fn parts_ways(peer: &Came, boxcar: &Came) -> bool {
    matches!((peer, boxcar), (Came::Reply(peer, _), Came::Reply(boxcar, _)) if one_refuses(peer, boxcar))
}

fn one_refuses(peer: &Value, boxcar: &Value) -> bool {
    match (peer, boxcar) {
        (Value::Array(peer), Value::Array(boxcar)) => {
            peer.iter().zip(boxcar).any(|(peer, boxcar)| one_refuses(peer, boxcar))
        }
        _ => peer.is_error() != boxcar.is_error(),
    }
}

/// Whether a call reads or removes members by their names alone, which depends on how the set is kept unless all scores are
/// the same. The row of server/DIFFERENCES.md is that of ZRANGEBYLEX.
#[must_use]
pub fn is_lexical(command: &str, call: &[Vec<u8>]) -> bool {
    command.starts_with('z')
        && (command.contains("lex") || call.iter().any(|word| word.eq_ignore_ascii_case(b"BYLEX")))
}

/// Whether a client that waited was served by Boxcar, or still waits there, and the real server has refused its command because another of its keys
/// has come to hold another type. What the keys hold differs from then on.
#[must_use]
pub fn passes_over_other_type(peer: &Came, boxcar: &Came) -> bool {
    match (peer, boxcar) {
        (Came::Reply(peer, _), boxcar) => {
            let served = !matches!(boxcar, Came::Reply(reply, _) if reply.is_error());
            peer.is_error() && peer.to_text().starts_with("WRONGTYPE") && served
        }
        _ => false,
    }
}

/// Whether a client has received the same messages. What one step brings to several patterns or keys comes in any
/// order, and so do the names when all are given up at once; how many subscriptions are left is counted down in either.
#[must_use]
pub fn same_messages(command: &str, peer: &[Came], boxcar: &[Came]) -> bool {
    if peer == boxcar {
        return true;
    }
    if command != "message" && !command.ends_with("unsubscribe") {
        return false;
    }
    let parts = |list: &[Came]| {
        let mut texts: Vec<String> = list.iter().flat_map(parts_of).collect();
        texts.sort();
        texts.dedup_by(|a, b| a == b && a.starts_with(INVALIDATED));
        texts
    };
    parts(peer) == parts(boxcar)
}

/// How the parts of an invalidation begin.
const INVALIDATED: &str = "invalidated ";

/// A message whole, or without the number at the end of it, and that number. Of an invalidation each key by itself: how
/// many go into one message is among the intended differences (`CLIENT TRACKING with BCAST`).
fn parts_of(came: &Came) -> Vec<String> {
    match came {
        Came::Reply(Value::Array(parts) | Value::Push(parts), bytes) => match parts.split_last() {
            Some((Value::Array(keys), [Value::Bulk(kind)])) if kind == b"invalidate" => {
                keys.iter().map(|key| format!("{INVALIDATED}{key}")).collect()
            }
            Some((count @ Value::Integer(_), names)) => {
                let kind = bytes.first().copied().map(char::from);
                vec![format!("{kind:?} {names:?}"), count.to_string()]
            }
            _ => vec![format!("{came:?}")],
        },
        other => vec![format!("{other:?}")],
    }
}

fn allows(rule: Rule, call: &[Vec<u8>], setting: Setting, peer: &Value, boxcar: &Value) -> bool {
    match rule {
        Rule::UnorderedIfLong | Rule::UnorderedPairsIfLong if !setting.long => false,
        Rule::Unordered | Rule::UnorderedIfLong => match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => sorted(a) == sorted(b),
            _ => false,
        },
        Rule::UnorderedPairs | Rule::UnorderedPairsIfLong => match (peer, boxcar) {
            (Value::Map(a), Value::Map(b)) => sorted_pairs(a) == sorted_pairs(b),
            (Value::Array(a), Value::Array(b)) => {
                let flat = |list: &[Value]| {
                    sorted_pairs(
                        &list
                            .chunks(2)
                            .filter_map(|p| Some((p.first()?.clone(), p.get(1)?.clone())))
                            .collect::<Vec<_>>(),
                    )
                };
                a.len() == b.len() && flat(a) == flat(b)
            }
            _ => false,
        },
        Rule::Within(most) => match (peer, boxcar) {
            (Value::Integer(a), Value::Integer(b)) => {
                *a >= 0 && *b >= 0 && a.abs_diff(*b) <= most.unsigned_abs()
            }
            _ => false,
        },
        Rule::Kind => {
            !peer.is_error()
                && !boxcar.is_error()
                && std::mem::discriminant(peer) == std::mem::discriminant(boxcar)
        }
        Rule::IntegersIfCompared => {
            let compares =
                |word: &Vec<u8>| word.eq_ignore_ascii_case(b"GT") || word.eq_ignore_ascii_case(b"LT");
            call.iter().any(compares) && matches!((peer, boxcar), (Value::Integer(_), Value::Integer(_)))
        }
        Rule::IntegersIfExpired => {
            setting.expired && matches!((peer, boxcar), (Value::Integer(_), Value::Integer(_)))
        }
        Rule::RefusedWithNul if !call.iter().any(|word| word.contains(&0)) => false,
        Rule::Refused | Rule::RefusedWithNul => !peer.is_error() && boxcar.is_error(),
        Rule::PeerSaysIfOutOfRange(_) if !setting.out_of_range => false,
        Rule::UnorderedByAlpha => {
            let has = |option: &[u8]| call.iter().any(|word| word.eq_ignore_ascii_case(option));
            let unordered = |a: &[Value], b: &[Value]| sorted(a) == sorted(b);
            has(b"BY")
                && has(b"ALPHA")
                && matches!((peer, boxcar), (Value::Array(a), Value::Array(b)) if unordered(a, b))
        }
        Rule::PeerSays(text) | Rule::PeerSaysIfOutOfRange(text) => peer.is_error() && peer.to_text() == text,
        Rule::Numbers => same_numbers(peer, boxcar, 0.0),
        Rule::NearNumbers => same_numbers(peer, boxcar, 1e-12),
        Rule::EachWithin(most) => match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) => {
                let alike = |(a, b)| a == b || allows(Rule::Within(most), call, setting, a, b);
                a.len() == b.len() && a.iter().zip(b).all(alike)
            }
            _ => false,
        },
        Rule::Except(fields) => same_except(fields, peer, boxcar),
        Rule::PendingTimes => match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || same_pending(a, b))
            }
            _ => false,
        },
        Rule::BothErrors => peer.is_error() && boxcar.is_error(),
        Rule::Walk => match (peer, boxcar) {
            (Value::Array(a), Value::Array(b)) if a.len() == 2 && b.len() == 2 => {
                let ended = |walk: &[Value]| walk[0].to_text() == "0";
                let begins = call.iter().skip(1).take(2).any(|word| word == b"0");
                !begins || !ended(a) || !ended(b) || sorted(a[1].elements()) == sorted(b[1].elements())
            }
            _ => false,
        },
    }
}

/// Later than this, in milliseconds since 1970, a number is a moment.
const MOMENTS: i64 = 1_000_000_000_000;

fn same_except(fields: &[&str], peer: &Value, boxcar: &Value) -> bool {
    let ignored = |name: Option<&Value>| name.is_some_and(|name| fields.contains(&name.to_text().as_str()));
    match (peer, boxcar) {
        (Value::Map(a), Value::Map(b)) => {
            let alike = |((ka, va), (kb, vb)): (&(Value, Value), &(Value, Value))| {
                ka == kb && (ignored(Some(ka)) || same_except(fields, va, vb))
            };
            a.len() == b.len() && a.iter().zip(b).all(alike)
        }
        (Value::Array(a), Value::Array(b)) => {
            let alike = |at: usize| at > 0 && ignored(a.get(at - 1)) || same_except(fields, &a[at], &b[at]);
            a.len() == b.len() && (0..a.len()).all(alike)
        }
        (Value::Integer(a), Value::Integer(b)) if *a > MOMENTS && *b > MOMENTS => a.abs_diff(*b) < 60_000,
        _ => peer == boxcar,
    }
}

fn same_numbers(peer: &Value, boxcar: &Value, rounding: f64) -> bool {
    match (peer, boxcar) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_numbers(a, b, rounding))
        }
        (Value::Bulk(_), Value::Bulk(_)) | (Value::Double(_), Value::Double(_)) => {
            let number = |value: &Value| value.to_text().parse::<f64>().ok();
            let near = |a: f64, b: f64| a == b || (a - b).abs() <= rounding * a.abs().max(1.0);
            peer == boxcar || number(peer).zip(number(boxcar)).is_some_and(|(a, b)| near(a, b))
        }
        _ => peer == boxcar,
    }
}

/// An entry of XPENDING: id, consumer, milliseconds since it was delivered, how often it was.
fn same_pending(peer: &Value, boxcar: &Value) -> bool {
    match (peer, boxcar) {
        (Value::Array(a), Value::Array(b)) => match (a.as_slice(), b.as_slice()) {
            ([i, c, Value::Integer(s), n], [j, d, Value::Integer(t), m]) => {
                (i, c, n) == (j, d, m) && s.abs_diff(*t) < 60_000
            }
            _ => false,
        },
        _ => false,
    }
}

fn sorted(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

fn sorted_pairs(pairs: &[(Value, Value)]) -> Vec<String> {
    let mut texts: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} {value}")).collect();
    texts.sort();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of server/DIFFERENCES.md about what [`passes_over_other_type`] tells.
    const OTHER_TYPE: &str = "BLPOP, BZPOPMIN, XREAD BLOCK and their kin over several keys, \
        one of which comes to hold another type while the client waits";

    #[test]
    fn every_intended_difference_is_written_down() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/DIFFERENCES.md");
        let text = std::fs::read_to_string(path).expect("the list of differences");
        let tolerated = TOLERANCES.iter().filter_map(|row| match row.why {
            Why::Intended(what) => Some(what),
            _ => None,
        });
        for what in tolerated.chain([OTHER_TYPE]) {
            let row = format!("\n| {what} |");
            assert!(text.contains(&row), "no row of server/DIFFERENCES.md begins with {what:?}");
        }
    }

    fn setting(long: bool) -> Setting {
        Setting { version: (8, 0), long, expired: false, out_of_range: false }
    }

    fn list(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(Value::bulk).collect())
    }

    #[test]
    fn only_what_a_row_allows_is_the_same() {
        let (a, b) = (list(&["x", "y"]), list(&["y", "x"]));
        assert!(same(&["keys"], &[], setting(false), &a, &b));
        assert!(!same(&["mget"], &[], setting(true), &a, &b));
        assert!(
            !same(&["smembers"], &[], setting(false), &a, &b)
                && same(&["smembers"], &[], setting(true), &a, &b)
        );
        assert!(!same(&["keys"], &[], setting(true), &a, &list(&["x", "x"])));
    }

    #[test]
    fn only_commands_by_name_depend_on_how_a_set_is_kept() {
        let call = |text: &str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert!(is_lexical("zlexcount", &call("ZLEXCOUNT k - +")));
        assert!(
            is_lexical("zrange", &call("ZRANGE k - + ByLex")) && !is_lexical("zrange", &call("ZRANGE k 0 1"))
        );
    }

    #[test]
    fn a_served_client_may_have_been_refused_for_another_type() {
        let came = |value: Value| Came::Reply(value, Vec::new());
        let refused = came(Value::Error(b"WRONGTYPE Operation against a key".to_vec()));
        assert!(passes_over_other_type(&refused, &came(list(&["x", "bar"]))));
        assert!(
            passes_over_other_type(&refused, &Came::Nothing) && !passes_over_other_type(&refused, &refused)
        );
        assert!(!passes_over_other_type(&came(Value::Error(b"ERR".to_vec())), &came(list(&["x"]))));
    }

    #[test]
    fn times_may_be_a_little_apart() {
        let integer = Value::Integer;
        assert!(same(&["ttl"], &[], setting(false), &integer(100), &integer(99)));
        assert!(!same(&["ttl"], &[], setting(false), &integer(-1), &integer(1)));
        assert!(!same(&["ttl"], &[], setting(false), &integer(100), &integer(90)));
    }
}
