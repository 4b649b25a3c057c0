//! Encodings of the data types.

use crate::config::row::{Group, directives, memory, number};

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Data, after observability;

    /// Fields up to which a hash is a listpack.
    HASH_MAX_LISTPACK_ENTRIES: i64 =
        number("hash-max-listpack-entries", 512, 0, i64::MAX).alias("hash-max-ziplist-entries");

    /// Longest field or value of a listpack hash.
    HASH_MAX_LISTPACK_VALUE: u64 =
        memory("hash-max-listpack-value", 64, 0, i64::MAX).alias("hash-max-ziplist-value");

    /// Size of a list's nodes: elements when positive; -1 to -5 = 4, 8, 16, 32 or 64 KiB.
    LIST_MAX_LISTPACK_SIZE: i64 =
        number("list-max-listpack-size", -2, i32::MIN as i64, I32).alias("list-max-ziplist-size");

    /// Nodes at each end of a list that stay uncompressed; 0 = compress nothing.
    LIST_COMPRESS_DEPTH: i64 = number("list-compress-depth", 0, 0, I32).kept();

    /// Members up to which a set of integers is an intset.
    SET_MAX_INTSET_ENTRIES: i64 = number("set-max-intset-entries", 512, 0, i64::MAX);

    /// Members up to which a set is a listpack.
    SET_MAX_LISTPACK_ENTRIES: i64 = number("set-max-listpack-entries", 128, 0, i64::MAX);

    /// Longest member of a listpack set.
    SET_MAX_LISTPACK_VALUE: i64 = number("set-max-listpack-value", 64, 0, i64::MAX);

    /// Members up to which a sorted set is a listpack.
    ZSET_MAX_LISTPACK_ENTRIES: i64 =
        number("zset-max-listpack-entries", 128, 0, i64::MAX).alias("zset-max-ziplist-entries");

    /// Longest member of a listpack sorted set.
    ZSET_MAX_LISTPACK_VALUE: u64 =
        memory("zset-max-listpack-value", 64, 0, i64::MAX).alias("zset-max-ziplist-value");

    /// Bytes up to which a HyperLogLog is sparse.
    HLL_SPARSE_MAX_BYTES: u64 = memory("hll-sparse-max-bytes", 3000, 0, i64::MAX);

    /// Bytes of one node of a stream; 0 = no limit.
    STREAM_NODE_MAX_BYTES: u64 = memory("stream-node-max-bytes", 4096, 0, i64::MAX);

    /// Entries in one node of a stream; 0 = no limit.
    STREAM_NODE_MAX_ENTRIES: i64 = number("stream-node-max-entries", 100, 0, i64::MAX);
}
