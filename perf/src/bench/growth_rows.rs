//! The commands whose growth is measured: a row for each way in which a command's cost can depend on how much a key holds, and a
//! sample of those whose cost must not.

use super::datasets::{Dataset, entry_id, member, plain_key};

/// How the documented complexity grows with the number of elements, all else being as in the row's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    Constant,
    Logarithmic,
    Linear,
    LinearLogarithmic,
    Quadratic,
}

impl Growth {
    /// The exponent between two sizes: log(cost ratio) / log(size ratio).
    pub fn exponent(self, small: usize, large: usize) -> f64 {
        let (small, large) = (small as f64, large as f64);
        let logarithmic = (large.ln() / small.ln()).ln() / (large / small).ln();
        match self {
            Growth::Constant => 0.0,
            Growth::Logarithmic => logarithmic,
            Growth::Linear => 1.0,
            Growth::LinearLogarithmic => 1.0 + logarithmic,
            Growth::Quadratic => 2.0,
        }
    }
}

/// What a call does to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be repeated at will.
    Reads,
    /// Too little to matter: it may be repeated on one copy.
    Touches,
    /// Each call needs a copy of its own.
    Consumes,
}

/// A row. Words of `call` that begin with `$` are replaced, see [`Row::words`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub data: Dataset,
    pub call: &'static str,
    /// As Redis documents it.
    pub documented: &'static str,
    pub growth: Growth,
    pub effect: Effect,
    /// The largest size at which the row is measured.
    pub most: usize,
}

impl Row {
    /// The call on `key`, which holds `n` elements, as `other` does.
    pub fn words(&self, key: &str, other: &str, n: usize) -> Vec<String> {
        let half = n / 2;
        let mut words = Vec::new();
        for word in self.call.split(' ') {
            match word {
                "$key" => words.push(key.to_owned()),
                "$other" => words.push(other.to_owned()),
                "$n" => words.push(n.to_string()),
                "-$n" => words.push(format!("-{n}")),
                "$half" => words.push(half.to_string()),
                "$member" => words.push(member(half)),
                "[$member" => words.push(format!("[{}", member(half))),
                "$field" => words.push(format!("field:{half:07}")),
                "$id" => words.push(entry_id(half)),
                "$last" => words.push(entry_id(n.saturating_sub(1))),
                "$plain" => words.push(plain_key(half)),
                "$keys" => words.extend((0..n).map(plain_key)),
                "$members" => words.extend((0..n).map(member)),
                _ => words.push(word.to_owned()),
            }
        }
        words
    }

    /// The call as a table shows it.
    pub fn title(&self) -> String {
        self.call.replace('$', "").replace('|', "\\|")
    }

    /// Whether it may take long by contract.
    pub fn may_be_long(&self) -> bool {
        matches!(self.growth, Growth::Linear | Growth::LinearLogarithmic)
    }
}

const MOST: usize = 1_000_000;

const fn row(
    data: Dataset,
    call: &'static str,
    documented: &'static str,
    growth: Growth,
    effect: Effect,
) -> Row {
    Row { data, call, documented, growth, effect, most: MOST }
}

use Dataset::{
    Bytes, Hash, HyperLogLog, Integers, Keys, Lexical, List, Pending, Places, Set, SortedSet, Stream,
};
use Effect::{Consumes, Reads, Touches};
use Growth::{Constant, Linear, LinearLogarithmic, Logarithmic, Quadratic};

/// Rows of the same data stand together, so that it is filled once.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // Keys.
    row(Keys, "GET $plain", "O(1)", Constant, Reads),
    row(Keys, "SET $plain value:0123456789", "O(1)", Constant, Touches),
    row(Keys, "SET $plain 1 EX 1000", "O(1)", Constant, Touches),
    row(Keys, "TTL $plain", "O(1)", Constant, Reads),
    row(Keys, "TYPE $plain", "O(1)", Constant, Reads),
    row(Keys, "OBJECT ENCODING $plain", "O(1)", Constant, Reads),
    row(Keys, "MEMORY USAGE $plain", "O(N), N: samples", Constant, Reads),
    row(Keys, "DBSIZE", "O(1)", Constant, Reads),
    row(Keys, "RANDOMKEY", "O(1)", Constant, Reads),
    row(Keys, "SCAN 0", "O(1)", Constant, Reads),
    row(Keys, "SCAN 0 COUNT $n", "O(1), O(N) for all", Linear, Reads),
    row(Keys, "KEYS nothing*", "O(N)", Linear, Reads),
    row(Keys, "MGET $keys", "O(N)", Linear, Reads),
    row(Keys, "EXISTS $keys", "O(N)", Linear, Reads),
    row(Keys, "TOUCH $keys", "O(N)", Linear, Reads),
    row(Keys, "DEL $keys", "O(N)", Linear, Consumes),
    row(Keys, "UNLINK $keys", "O(1) a key", Linear, Consumes),
    row(Keys, "FLUSHDB SYNC", "O(N)", Linear, Consumes),
    row(Keys, "FLUSHALL ASYNC", "O(N)", Linear, Consumes),
    // Strings, bitmaps.
    row(Bytes, "GET $key", "O(1), N bytes", Linear, Reads),
    row(Bytes, "STRLEN $key", "O(1)", Constant, Reads),
    row(Bytes, "GETRANGE $key $half -1", "O(N) returned", Linear, Reads),
    row(Bytes, "GETRANGE $key $half $half", "O(1)", Constant, Reads),
    row(Bytes, "SETRANGE $key $half xyz", "O(1)", Constant, Touches),
    row(Bytes, "APPEND $key xyz", "O(1)", Constant, Touches),
    row(Bytes, "COPY $key to REPLACE", "O(N)", Linear, Reads),
    row(Bytes, "SETBIT $key $half 1", "O(1)", Constant, Touches),
    row(Bytes, "GETBIT $key $half", "O(1)", Constant, Reads),
    row(Bytes, "BITFIELD $key INCRBY u8 $half 1", "O(1)", Constant, Touches),
    row(Bytes, "BITCOUNT $key", "O(N)", Linear, Reads),
    row(Bytes, "BITPOS $key 1", "O(N)", Linear, Reads),
    row(Bytes, "BITOP AND to $key $other", "O(N)", Linear, Reads),
    row(Bytes, "BITOP XOR to $key $other", "O(N)", Linear, Reads),
    row(Bytes, "BITOP NOT to $key", "O(N)", Linear, Reads),
    row(Bytes, "DUMP $key", "O(1) + O(N)", Linear, Reads),
    row(Bytes, "DEL $key", "O(1)", Constant, Consumes),
    Row { data: Bytes, call: "LCS $key $other LEN", documented: "O(N*M)", growth: Quadratic, effect: Reads, most: 1_000 },
    // Lists.
    row(List, "LLEN $key", "O(1)", Constant, Reads),
    row(List, "LPUSH $key x", "O(1)", Constant, Touches),
    row(List, "RPUSH $key x", "O(1)", Constant, Touches),
    row(List, "LMOVE $key $key LEFT RIGHT", "O(1)", Constant, Touches),
    row(List, "RPOPLPUSH $key $key", "O(1)", Constant, Touches),
    row(List, "LINDEX $key -1", "O(1) at the ends", Constant, Reads),
    row(List, "LINDEX $key $half", "O(N)", Linear, Reads),
    row(List, "LSET $key $half x", "O(N)", Linear, Touches),
    row(List, "LRANGE $key 0 9", "O(S+N)", Constant, Reads),
    row(List, "LRANGE $key 0 -1", "O(S+N)", Linear, Reads),
    row(List, "LRANGE $key $half $half", "O(S+N)", Linear, Reads),
    row(List, "LPOS $key nothing", "O(N)", Linear, Reads),
    row(List, "LINSERT $key BEFORE $member x", "O(N)", Linear, Touches),
    row(List, "LREM $key 0 nothing", "O(N+M)", Linear, Touches),
    row(List, "LPOP $key", "O(N) popped", Constant, Touches),
    row(List, "LPOP $key $half", "O(N) popped", Linear, Consumes),
    row(List, "LMPOP 1 $key RIGHT COUNT $half", "O(N+M)", Linear, Consumes),
    row(List, "BLMPOP 0 1 $key LEFT COUNT $half", "O(N+M)", Linear, Consumes),
    row(List, "BLPOP $key 0", "O(N) keys", Constant, Consumes),
    row(List, "LTRIM $key $half -1", "O(N) removed", Linear, Consumes),
    row(List, "SORT $key ALPHA LIMIT 0 10", "O(N+M*log(M))", LinearLogarithmic, Reads),
    row(List, "SORT $key ALPHA STORE to", "O(N+M*log(M))", LinearLogarithmic, Reads),
    row(List, "SORT_RO $key BY nosort LIMIT 0 10", "O(N)", Linear, Reads),
    row(List, "COPY $key to REPLACE", "O(N)", Linear, Reads),
    row(List, "DUMP $key", "O(1) + O(N*M)", Linear, Reads),
    row(List, "DEL $key", "O(N)", Linear, Consumes),
    row(List, "UNLINK $key", "O(1), freed elsewhere", Constant, Consumes),
    // Sets.
    row(Set, "SCARD $key", "O(1)", Constant, Reads),
    row(Set, "SADD $key x", "O(1)", Constant, Touches),
    row(Set, "SREM $key nothing", "O(1)", Constant, Touches),
    row(Set, "SISMEMBER $key $member", "O(1)", Constant, Reads),
    row(Set, "SMISMEMBER $key $member nothing", "O(N) members", Constant, Reads),
    row(Set, "SMOVE $key to $member", "O(1)", Constant, Touches),
    row(Set, "SPOP $key", "O(1)", Constant, Touches),
    row(Set, "SRANDMEMBER $key", "O(1)", Constant, Reads),
    row(Set, "SSCAN $key 0", "O(1)", Constant, Reads),
    row(Set, "SSCAN $key 0 COUNT $n", "O(1), O(N) for all", Linear, Reads),
    row(Set, "SMEMBERS $key", "O(N)", Linear, Reads),
    row(Set, "SRANDMEMBER $key $half", "O(N) asked for", Linear, Reads),
    row(Set, "SRANDMEMBER $key -$n", "O(N) asked for", Linear, Reads),
    row(Set, "SPOP $key $half", "O(N) asked for", Linear, Consumes),
    row(Set, "SADD to $members", "O(1) a member", Linear, Touches),
    row(Set, "SINTER $key $other", "O(N*M)", Linear, Reads),
    row(Set, "SUNION $key $other", "O(N)", Linear, Reads),
    row(Set, "SDIFF $key $other", "O(N)", Linear, Reads),
    row(Set, "SINTERSTORE to $key $other", "O(N*M)", Linear, Reads),
    row(Set, "SUNIONSTORE to $key $other", "O(N)", Linear, Reads),
    row(Set, "SDIFFSTORE to $key $other", "O(N)", Linear, Reads),
    row(Set, "SINTERCARD 2 $key $other", "O(N*M)", Linear, Reads),
    row(Set, "SINTERCARD 2 $key $other LIMIT 10", "O(N*M), limited", Constant, Reads),
    row(Set, "SORT $key ALPHA LIMIT 0 10", "O(N+M*log(M))", LinearLogarithmic, Reads),
    row(Set, "COPY $key to REPLACE", "O(N)", Linear, Reads),
    row(Set, "DUMP $key", "O(1) + O(N*M)", Linear, Reads),
    row(Set, "DEL $key", "O(N)", Linear, Consumes),
    row(Set, "UNLINK $key", "O(1), freed elsewhere", Constant, Consumes),
    row(Integers, "SISMEMBER $key $half", "O(1)", Constant, Reads),
    row(Integers, "SADD $key 5000000", "O(1)", Constant, Touches),
    row(Integers, "SMEMBERS $key", "O(N)", Linear, Reads),
    row(Integers, "SINTER $key $other", "O(N*M)", Linear, Reads),
    // Hashes.
    row(Hash, "HLEN $key", "O(1)", Constant, Reads),
    row(Hash, "HGET $key $field", "O(1)", Constant, Reads),
    row(Hash, "HMGET $key $field nothing", "O(N) fields", Constant, Reads),
    row(Hash, "HSET $key $field x", "O(1)", Constant, Touches),
    row(Hash, "HSETNX $key $field x", "O(1)", Constant, Touches),
    row(Hash, "HINCRBY $key count 1", "O(1)", Constant, Touches),
    row(Hash, "HDEL $key nothing", "O(N) fields", Constant, Touches),
    row(Hash, "HEXPIRE $key 1000 FIELDS 1 $field", "O(N) fields", Constant, Touches),
    row(Hash, "HTTL $key FIELDS 1 $field", "O(N) fields", Constant, Reads),
    row(Hash, "HGETEX $key EX 1000 FIELDS 1 $field", "O(N) fields", Constant, Touches),
    row(Hash, "HRANDFIELD $key", "O(1)", Constant, Reads),
    row(Hash, "HSCAN $key 0", "O(1)", Constant, Reads),
    row(Hash, "HSCAN $key 0 COUNT $n", "O(1), O(N) for all", Linear, Reads),
    row(Hash, "HGETALL $key", "O(N)", Linear, Reads),
    row(Hash, "HKEYS $key", "O(N)", Linear, Reads),
    row(Hash, "HVALS $key", "O(N)", Linear, Reads),
    row(Hash, "HRANDFIELD $key $half WITHVALUES", "O(N) asked for", Linear, Reads),
    row(Hash, "HRANDFIELD $key -$n", "O(N) asked for", Linear, Reads),
    row(Hash, "COPY $key to REPLACE", "O(N)", Linear, Reads),
    row(Hash, "DUMP $key", "O(1) + O(N*M)", Linear, Reads),
    row(Hash, "DEL $key", "O(N)", Linear, Consumes),
    row(Hash, "UNLINK $key", "O(1), freed elsewhere", Constant, Consumes),
    // Sorted sets.
    row(SortedSet, "ZCARD $key", "O(1)", Constant, Reads),
    row(SortedSet, "ZSCORE $key $member", "O(1)", Constant, Reads),
    row(SortedSet, "ZMSCORE $key $member nothing", "O(N) members", Constant, Reads),
    row(SortedSet, "ZRANDMEMBER $key", "O(N) asked for", Constant, Reads),
    row(SortedSet, "ZADD $key $half x", "O(log(N))", Logarithmic, Touches),
    row(SortedSet, "ZINCRBY $key 1 $member", "O(log(N))", Logarithmic, Touches),
    row(SortedSet, "ZREM $key nothing", "O(M*log(N))", Logarithmic, Touches),
    row(SortedSet, "ZRANK $key $member", "O(log(N))", Logarithmic, Reads),
    row(SortedSet, "ZREVRANK $key $member WITHSCORE", "O(log(N))", Logarithmic, Reads),
    row(SortedSet, "ZCOUNT $key $half +inf", "O(log(N))", Logarithmic, Reads),
    row(SortedSet, "ZRANGE $key $half $half", "O(log(N)+M)", Logarithmic, Reads),
    row(SortedSet, "ZRANGEBYSCORE $key $half +inf LIMIT 0 10", "O(log(N)+M)", Logarithmic, Reads),
    row(SortedSet, "ZRANGEBYSCORE $key 0 +inf LIMIT $half 10", "O(log(N)+M), with the offset", Linear, Reads),
    row(SortedSet, "ZPOPMIN $key", "O(log(N)*M)", Logarithmic, Touches),
    row(SortedSet, "BZPOPMAX $key 0", "O(log(N))", Logarithmic, Consumes),
    row(SortedSet, "ZPOPMIN $key $half", "O(log(N)*M)", LinearLogarithmic, Consumes),
    row(SortedSet, "ZMPOP 1 $key MAX COUNT $half", "O(K)+O(M*log(N))", LinearLogarithmic, Consumes),
    row(SortedSet, "ZRANGE $key 0 -1", "O(log(N)+M)", Linear, Reads),
    row(SortedSet, "ZREVRANGE $key 0 -1 WITHSCORES", "O(log(N)+M)", Linear, Reads),
    row(SortedSet, "ZRANGE $key 0 +inf BYSCORE", "O(log(N)+M)", Linear, Reads),
    row(SortedSet, "ZRANGESTORE to $key 0 -1", "O(log(N)+M)", LinearLogarithmic, Reads),
    row(SortedSet, "ZSCAN $key 0 COUNT $n", "O(1), O(N) for all", Linear, Reads),
    row(SortedSet, "ZRANDMEMBER $key $half", "O(N) asked for", Linear, Reads),
    row(SortedSet, "ZRANDMEMBER $key -$n WITHSCORES", "O(N) asked for", LinearLogarithmic, Reads),
    row(SortedSet, "ZREMRANGEBYRANK $key 0 $half", "O(log(N)+M)", Linear, Consumes),
    row(SortedSet, "ZREMRANGEBYSCORE $key 0 $half", "O(log(N)+M)", Linear, Consumes),
    row(SortedSet, "ZUNION 2 $key $other", "O(N)+O(M*log(M))", LinearLogarithmic, Reads),
    row(SortedSet, "ZINTER 2 $key $other", "O(N*K)+O(M*log(M))", LinearLogarithmic, Reads),
    row(SortedSet, "ZDIFF 2 $key $other", "O(L+(N-K)log(N))", LinearLogarithmic, Reads),
    row(SortedSet, "ZUNIONSTORE to 2 $key $other", "O(N)+O(M*log(M))", LinearLogarithmic, Reads),
    row(SortedSet, "ZINTERSTORE to 2 $key $other", "O(N*K)+O(M*log(M))", LinearLogarithmic, Reads),
    row(SortedSet, "ZDIFFSTORE to 2 $key $other", "O(L+(N-K)log(N))", LinearLogarithmic, Reads),
    row(SortedSet, "ZINTERCARD 2 $key $other", "O(N*K)", Linear, Reads),
    row(SortedSet, "SORT $key ALPHA LIMIT 0 10", "O(N+M*log(M))", LinearLogarithmic, Reads),
    row(SortedSet, "COPY $key to REPLACE", "O(N)", LinearLogarithmic, Reads),
    row(SortedSet, "DUMP $key", "O(1) + O(N*M*log(N))", Linear, Reads),
    row(SortedSet, "DEL $key", "O(N)", Linear, Consumes),
    row(SortedSet, "UNLINK $key", "O(1), freed elsewhere", Constant, Consumes),
    row(Lexical, "ZLEXCOUNT $key [$member +", "O(log(N))", Logarithmic, Reads),
    row(Lexical, "ZRANGEBYLEX $key [$member + LIMIT 0 10", "O(log(N)+M)", Logarithmic, Reads),
    row(Lexical, "ZRANGE $key - + BYLEX", "O(log(N)+M)", Linear, Reads),
    row(Lexical, "ZREVRANGEBYLEX $key + -", "O(log(N)+M)", Linear, Reads),
    row(Lexical, "ZREMRANGEBYLEX $key - [$member", "O(log(N)+M)", Linear, Consumes),
    // Places.
    row(Places, "GEOADD $key 10.5 10.5 x", "O(log(N))", Logarithmic, Touches),
    row(Places, "GEOPOS $key $member", "O(1)", Constant, Reads),
    row(Places, "GEOHASH $key $member", "O(1)", Constant, Reads),
    row(Places, "GEODIST $key $member $member", "O(1)", Constant, Reads),
    row(Places, "GEOSEARCH $key FROMMEMBER $member BYRADIUS 500 km", "O(N+log(M))", Linear, Reads),
    row(Places, "GEOSEARCH $key FROMLONLAT 11 11 BYBOX 500 500 km ASC COUNT 10", "O(N+log(M))", Linear, Reads),
    row(Places, "GEOSEARCHSTORE to $key FROMLONLAT 11 11 BYRADIUS 500 km", "O(N+log(M))", LinearLogarithmic, Reads),
    row(Places, "GEORADIUS $key 11 11 500 km WITHDIST", "O(N+log(M))", Linear, Reads),
    row(Places, "GEORADIUSBYMEMBER $key $member 500 km", "O(N+log(M))", Linear, Reads),
    // Streams.
    row(Stream, "XLEN $key", "O(1)", Constant, Reads),
    row(Stream, "XADD $key * sensor 17 reading 1 unit mV", "O(1)", Constant, Touches),
    row(Stream, "XADD $key MAXLEN ~ $n * sensor 17", "O(1) a new entry", Constant, Touches),
    row(Stream, "XDEL $key $id", "O(1)", Constant, Touches),
    row(Stream, "XRANGE $key $id + COUNT 10", "O(N) returned", Constant, Reads),
    row(Stream, "XREAD COUNT 10 STREAMS $key $id", "O(N) returned", Constant, Reads),
    row(Stream, "XINFO STREAM $key", "O(1)", Constant, Reads),
    row(Stream, "XRANGE $key - +", "O(N) returned", Linear, Reads),
    row(Stream, "XREVRANGE $key + -", "O(N) returned", Linear, Reads),
    row(Stream, "XREAD STREAMS $key 0", "O(N) returned", Linear, Reads),
    row(Stream, "XINFO STREAM $key FULL COUNT 0", "O(1), all entries", Linear, Reads),
    row(Stream, "XTRIM $key MAXLEN $half", "O(N) removed", Linear, Consumes),
    row(Stream, "XTRIM $key MINID ~ $id", "O(N) removed", Linear, Consumes),
    row(Stream, "COPY $key to REPLACE", "O(N)", Linear, Reads),
    row(Stream, "DUMP $key", "O(1) + O(N*M)", Linear, Reads),
    row(Stream, "DEL $key", "O(N)", Linear, Consumes),
    row(Stream, "UNLINK $key", "O(1), freed elsewhere", Constant, Consumes),
    row(Pending, "XPENDING $key group", "O(N) consumers", Constant, Reads),
    row(Pending, "XACK $key group $id", "O(1)", Constant, Touches),
    row(Pending, "XREADGROUP GROUP group reader COUNT 10 STREAMS $key 0", "O(M) returned", Constant, Touches),
    row(Pending, "XCLAIM $key group other 0 $id", "O(log(N))", Logarithmic, Touches),
    row(Pending, "XAUTOCLAIM $key group other 0 0 COUNT 10", "O(1), small COUNT", Constant, Touches),
    row(Pending, "XINFO GROUPS $key", "O(1)", Constant, Reads),
    row(Pending, "XINFO CONSUMERS $key group", "O(1)", Constant, Reads),
    row(Pending, "XPENDING $key group - + $n", "O(N) returned", Linear, Reads),
    row(Pending, "XREADGROUP GROUP group reader STREAMS $key 0", "O(M) returned", Linear, Touches),
    row(Pending, "XAUTOCLAIM $key group other 0 0 COUNT $n JUSTID", "O(N) claimed", LinearLogarithmic, Consumes),
    row(Pending, "XGROUP DELCONSUMER $key group reader", "O(N) pending", LinearLogarithmic, Consumes),
    row(Pending, "XGROUP DESTROY $key group", "O(N) pending", Linear, Consumes),
    // HyperLogLogs.
    row(HyperLogLog, "PFADD $key x", "O(1)", Constant, Touches),
    row(HyperLogLog, "PFCOUNT $key", "O(1), cached", Constant, Reads),
    row(HyperLogLog, "PFCOUNT $key $other", "O(N) keys", Constant, Reads),
    row(HyperLogLog, "PFMERGE to $key $other", "O(N) keys", Constant, Reads),
    row(HyperLogLog, "PFADD to $members", "O(1) an element", Linear, Touches),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let row = row(Set, "SADD $key -$n $member $half", "", Linear, Touches);
        assert_eq!(row.words("k", "o", 10), ["SADD", "k", "-10", "member:0000005", "5"]);
        for row in ROWS {
            assert!(row.words("k", "o", 10).iter().all(|word| !word.contains('$')), "{}", row.call);
        }
    }

    #[test]
    fn exponents_follow_the_documented_growth() {
        let close =
            |growth: Growth, expected: f64| (growth.exponent(1_000, 1_000_000) - expected).abs() < 0.01;
        assert!(
            close(Constant, 0.0)
                && close(Logarithmic, 0.1)
                && close(Linear, 1.0)
                && close(LinearLogarithmic, 1.1)
        );
    }

    #[test]
    fn rows_of_the_same_data_stand_together() {
        let mut seen: Vec<Dataset> = Vec::new();
        for row in ROWS {
            if seen.last() != Some(&row.data) {
                assert!(!seen.contains(&row.data), "{} stands apart", row.call);
                seen.push(row.data);
            }
        }
    }
}
