//! Replication.

use crate::config::choices::{DisklessLoad, PropagationError};
use crate::config::row::{Group, Text, Words, choice, directives, memory, number, switch, text, words};
use crate::config::words::MASTER_ADDRESS;

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Replication, after persistence;

    /// Master to copy.
    REPLICAOF: Words = words("replicaof", &[], &MASTER_ADDRESS).alias("slaveof").startup()
        .refused("replication does not exist yet, so that nothing would be copied");

    /// Password for the master.
    MASTERAUTH: Text = text("masterauth", "").sensitive().kept();

    /// User for the master.
    MASTERUSER: Text = text("masteruser", "").sensitive().kept();

    /// Answer reads from old data while the master is away.
    REPLICA_SERVE_STALE_DATA: bool =
        switch("replica-serve-stale-data", true).alias("slave-serve-stale-data").kept();

    /// Refuse writes on a replica.
    REPLICA_READ_ONLY: bool = switch("replica-read-only", true).alias("slave-read-only").kept();

    /// Replicas do not evict by themselves.
    REPLICA_IGNORE_MAXMEMORY: bool =
        switch("replica-ignore-maxmemory", true).alias("slave-ignore-maxmemory").kept();

    /// A replica drops its old data in the background.
    REPLICA_LAZY_FLUSH: bool = switch("replica-lazy-flush", false).alias("slave-lazy-flush").kept();

    /// Rank in a failover, lower first; 0 = never.
    REPLICA_PRIORITY: i64 = number("replica-priority", 100, 0, I32).alias("slave-priority").kept();

    /// Appear in Sentinel's list of replicas.
    REPLICA_ANNOUNCED: bool = switch("replica-announced", true).kept();

    /// Address a replica gives to its master; empty = the one it connects from.
    REPLICA_ANNOUNCE_IP: Text = text("replica-announce-ip", "").alias("slave-announce-ip").kept();

    /// Port a replica gives to its master; 0 = the one it listens on.
    REPLICA_ANNOUNCE_PORT: i64 =
        number("replica-announce-port", 0, 0, 65_535).alias("slave-announce-port").kept();

    /// A replica goes on when it cannot write to its disk.
    REPLICA_IGNORE_DISK_WRITE_ERRORS: bool = switch("replica-ignore-disk-write-errors", false).kept();

    /// What an error while applying the master's stream does.
    PROPAGATION_ERROR_BEHAVIOR: PropagationError =
        choice::<PropagationError>("propagation-error-behavior", PropagationError::Ignore as u8).kept();

    /// Send snapshots to replicas without a file.
    REPL_DISKLESS_SYNC: bool = switch("repl-diskless-sync", true).kept();

    /// Seconds to wait for more replicas before sending.
    REPL_DISKLESS_SYNC_DELAY: i64 = number("repl-diskless-sync-delay", 5, 0, I32).kept();

    /// Replicas that end the wait; 0 = none.
    REPL_DISKLESS_SYNC_MAX_REPLICAS: i64 = number("repl-diskless-sync-max-replicas", 0, 0, I32).kept();

    /// Load the master's snapshot without a file.
    REPL_DISKLESS_LOAD: DisklessLoad =
        choice::<DisklessLoad>("repl-diskless-load", DisklessLoad::Disabled as u8).kept();

    /// Seconds between the master's pings.
    REPL_PING_REPLICA_PERIOD: i64 =
        number("repl-ping-replica-period", 10, 1, I32).alias("repl-ping-slave-period").kept();

    /// Seconds of silence after which the other side counts as gone.
    REPL_TIMEOUT: i64 = number("repl-timeout", 60, 1, I32).kept();

    /// Let TCP gather small packets to replicas.
    REPL_DISABLE_TCP_NODELAY: bool = switch("repl-disable-tcp-nodelay", false).kept();

    /// Bytes of the stream kept for replicas that come back.
    REPL_BACKLOG_SIZE: u64 = memory("repl-backlog-size", 1 << 20, 1, i64::MAX).kept();

    /// Seconds without replicas after which the backlog is freed; 0 = never.
    REPL_BACKLOG_TTL: i64 = number("repl-backlog-ttl", 3600, 0, i64::MAX).kept();

    /// Replicas without which writes are refused; 0 = none.
    MIN_REPLICAS_TO_WRITE: i64 = number("min-replicas-to-write", 0, 0, I32).alias("min-slaves-to-write")
        .refused("replication does not exist yet, so that writes would be accepted without any replica");

    /// Seconds of silence after which a replica does not count for min-replicas-to-write.
    MIN_REPLICAS_MAX_LAG: i64 = number("min-replicas-max-lag", 10, 0, I32).alias("min-slaves-max-lag").kept();
}
