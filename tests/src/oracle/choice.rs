//! Which commands are played in company, alone, or not at all.

/// Commands of other families that every sequence may use, so that keys expire, move and change their type.
pub const COMPANIONS: &[&str] = &[
    "del",
    "del",
    "exists",
    "expire",
    "pexpire",
    "pexpireat",
    "persist",
    "ttl",
    "type",
    "rename",
    "copy",
    "unlink",
    "move",
    "set",
    "get",
    "append",
    "object|encoding",
    "select",
    "flushdb",
    "keys",
    "dbsize",
    "randomkey",
];

/// Commands that are sent alone: Redis does not answer those of the first two that fail before earlier replies have left,
/// and the others answer more than once or not at all.
pub const ALONE: &[&str] = &[
    "auth",
    "hello",
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
    "ssubscribe",
    "sunsubscribe",
];

/// Commands that are always called as their documentation says: a number at a wrong place could be that of a connection,
/// which is another one at each server.
///
/// A random count below zero would make a reply of gigabytes.
///
/// SPOP is always asked for a number of members that are all there are, because it chooses at random. Redis cuts LSET's
/// index to 32 bits, and its versions differ in what LREM makes of the smallest count.
pub const UNSPOILT: &[&str] =
    &["client|tracking", "spop", "lset", "lrem", "hrandfield", "srandmember", "zrandmember"];

/// Arguments that are not repeated: Redis answers twice when prefixes overlap.
pub const ONCE: &[(&str, &str)] = &[("client|tracking", "prefix")];

/// Optional arguments that are always there: a command, and the argument's name.
pub const ALWAYS: &[(&str, &str)] = &[("spop", "count")];

/// What most sequences of a family begin with, because by chance alone it would be too rare. `KEY` is a key of the family.
pub const BEGINNINGS: &[(&str, &[&str])] = &[
    ("stream", &["XADD", "KEY", "1-1", "f", "a"]),
    ("stream", &["XGROUP", "CREATE", "KEY", "g1", "0", "MKSTREAM"]),
    ("generic", &["RPUSH", "KEY", "3", "1", "2"]),
];

/// Commands that are played to 7.2 and later only, each with the reason.
pub const SINCE_7_2: &[(&str, &str)] = &[
    ("publish", "before, a message to the own connection broke the reply of EXEC"),
    ("spublish", "before, a message to the own connection broke the reply of EXEC"),
    ("client|tracking", "before, a message to the own connection broke the reply of EXEC"),
    ("client|caching", "belongs to CLIENT TRACKING"),
    ("command|getkeys", "before, it took more arguments, and a transaction was refused for it"),
    ("command|getkeysandflags", "before, it took more arguments, and a transaction was refused for it"),
    ("zrank", "before, it took no options, and a transaction was refused for them"),
    ("zrevrank", "before, it took no options, and a transaction was refused for them"),
];

/// Commands that are not played, each with the reason.
pub const NOT_PLAYED: &[(&str, &str)] = &[
    ("shutdown", "ends the server"),
    ("debug", "the subcommands reach into the server's own insides"),
    ("monitor", "sees what other connections do, the harness's own included"),
    ("config|set", "outlives the sequence"),
    ("config|rewrite", "writes a file"),
    ("config|resetstat", "the figures are the server's own"),
    ("client|kill", "may end the harness's own connections"),
    ("client|pause", "stops the harness's own connections"),
    ("client|unpause", "belongs to CLIENT PAUSE"),
    ("client|reply", "takes away the replies that are compared"),
    ("client|unblock", "needs the number of a connection"),
    ("latency|reset", "the figures are the server's own"),
    ("slowlog|reset", "the figures are the server's own"),
    ("wait", "waits for replicas"),
    ("replicaof", "there is no other server"),
    ("slaveof", "there is no other server"),
    ("failover", "there is no other server"),
    ("psync", "there is no other server"),
    ("sync", "there is no other server"),
    ("save", "writes a file"),
    ("bgsave", "writes a file"),
    ("bgrewriteaof", "writes a file"),
    ("migrate", "there is no other server"),
    ("pfselftest", "takes seconds"),
    ("latency|graph", "needs an event that took long"),
    ("waitaof", "waits for replicas"),
];
