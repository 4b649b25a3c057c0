//! The memory limit, eviction, freeing in the background, defragmentation.

use crate::config::choices::MaxmemoryPolicy;
use crate::config::row::{Group, MemoryShare, choice, directives, memory, memory_or_percent, number, switch};

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Memory, after security;

    /// Bytes that keys, values and tables may take: above, keys are evicted as maxmemory-policy says; 0 = no limit.
    MAXMEMORY: u64 = memory("maxmemory", 0, 0, i64::MAX);

    /// What is evicted when maxmemory is reached; with `noeviction`, commands that need memory are refused instead.
    MAXMEMORY_POLICY: MaxmemoryPolicy =
        choice::<MaxmemoryPolicy>("maxmemory-policy", MaxmemoryPolicy::NoEviction as u8);

    /// Keys looked at to choose one to evict.
    MAXMEMORY_SAMPLES: i64 = number("maxmemory-samples", 5, 1, I32);

    /// How long eviction may hold a command up, from 0 (not at all) over 10 (500 us) to 100 (until it is done).
    MAXMEMORY_EVICTION_TENACITY: i64 = number("maxmemory-eviction-tenacity", 10, 0, 100);

    /// Bytes, or share of maxmemory, that client buffers may take before the largest clients are closed.
    MAXMEMORY_CLIENTS: MemoryShare = memory_or_percent("maxmemory-clients", 0)
        .refused("clients are not closed for the memory of all of them yet; use client-output-buffer-limit");

    /// How slowly the access counter of a key saturates.
    LFU_LOG_FACTOR: i64 = number("lfu-log-factor", 10, 0, I32);

    /// Minutes after which the access counter of a key is halved; 0 = never.
    LFU_DECAY_TIME: i64 = number("lfu-decay-time", 1, 0, I32);

    /// Effort of looking for expired keys, 1 to 10.
    ACTIVE_EXPIRE_EFFORT: i64 = number("active-expire-effort", 1, 1, 10);

    /// Free evicted keys in the background.
    LAZYFREE_LAZY_EVICTION: bool = switch("lazyfree-lazy-eviction", false);

    /// Free expired keys in the background.
    LAZYFREE_LAZY_EXPIRE: bool = switch("lazyfree-lazy-expire", false);

    /// Free values that a command replaces in the background.
    LAZYFREE_LAZY_SERVER_DEL: bool = switch("lazyfree-lazy-server-del", false);

    /// DEL frees in the background, as UNLINK does.
    LAZYFREE_LAZY_USER_DEL: bool = switch("lazyfree-lazy-user-del", false);

    /// FLUSHALL and FLUSHDB without SYNC or ASYNC free in the background.
    LAZYFREE_LAZY_USER_FLUSH: bool = switch("lazyfree-lazy-user-flush", false);

    /// Milliseconds after which jemalloc offers unused pages to the kernel, or with muzzy decay off returns them; 0 = at
    /// once, -1 = never.
    JEMALLOC_DIRTY_DECAY_MS: i64 = number("jemalloc-dirty-decay-ms", 10_000, -1, I32).boxcar_only();

    /// Milliseconds after which jemalloc returns pages that it has offered to the kernel; 0 = it does not offer them
    /// first, -1 = never.
    JEMALLOC_MUZZY_DECAY_MS: i64 = number("jemalloc-muzzy-decay-ms", 0, -1, I32).boxcar_only();

    /// Move records together while running, so that memory which holds little is given back; needs jemalloc.
    ACTIVEDEFRAG: bool = switch("activedefrag", false);

    /// Wasted bytes below which nothing is moved.
    ACTIVE_DEFRAG_IGNORE_BYTES: u64 = memory("active-defrag-ignore-bytes", 100 << 20, 1, i64::MAX);

    /// Percent of waste at which moving begins.
    ACTIVE_DEFRAG_THRESHOLD_LOWER: i64 = number("active-defrag-threshold-lower", 10, 0, 1000);

    /// Percent of waste at which moving takes all the effort it may.
    ACTIVE_DEFRAG_THRESHOLD_UPPER: i64 = number("active-defrag-threshold-upper", 100, 0, 1000);

    /// Least percent of CPU for moving.
    ACTIVE_DEFRAG_CYCLE_MIN: i64 = number("active-defrag-cycle-min", 1, 1, 99);

    /// Most percent of CPU for moving.
    ACTIVE_DEFRAG_CYCLE_MAX: i64 = number("active-defrag-cycle-max", 25, 1, 99);

    /// Fields of one key handled in one step of moving.
    ACTIVE_DEFRAG_MAX_SCAN_FIELDS: i64 = number("active-defrag-max-scan-fields", 1000, 1, i64::MAX).kept();

    /// Grow hash tables in the background; tables here grow in small steps anyway.
    ACTIVEREHASHING: bool = switch("activerehashing", true).kept();
}
