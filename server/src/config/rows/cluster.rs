//! Directives of the cluster mode.

use crate::config::choices::EndpointType;
use crate::config::row::{Group, Text, checked_text, choice, directives, memory, number, switch, text};
use crate::config::words::check_host_name;

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Cluster, after replication;

    /// Be a node of a cluster.
    CLUSTER_ENABLED: bool = switch("cluster-enabled", false).startup()
        .refused("cluster nodes do not exist yet, so that every key would be served here");

    /// File that a node keeps its view of the cluster in.
    CLUSTER_CONFIG_FILE: Text = text("cluster-config-file", "nodes.conf").startup().kept();

    /// Port of the cluster bus; 0 = the port plus 10000.
    CLUSTER_PORT: i64 = number("cluster-port", 0, 0, 65_535).startup().kept();

    /// Milliseconds of silence after which a node counts as failing.
    CLUSTER_NODE_TIMEOUT: i64 = number("cluster-node-timeout", 15_000, 0, i64::MAX).kept();

    /// How old a replica's data may be for a failover, as a factor of the node timeout; 0 = any age.
    CLUSTER_REPLICA_VALIDITY_FACTOR: i64 =
        number("cluster-replica-validity-factor", 10, 0, I32).alias("cluster-slave-validity-factor").kept();

    /// Replicas a master keeps when one moves to another.
    CLUSTER_MIGRATION_BARRIER: i64 = number("cluster-migration-barrier", 1, 0, I32).kept();

    /// Let replicas move to masters without any.
    CLUSTER_ALLOW_REPLICA_MIGRATION: bool = switch("cluster-allow-replica-migration", true).kept();

    /// Serve nothing when a slot is not covered.
    CLUSTER_REQUIRE_FULL_COVERAGE: bool = switch("cluster-require-full-coverage", true).kept();

    /// Replicas start no failover.
    CLUSTER_REPLICA_NO_FAILOVER: bool =
        switch("cluster-replica-no-failover", false).alias("cluster-slave-no-failover").kept();

    /// Serve reads when the cluster is down.
    CLUSTER_ALLOW_READS_WHEN_DOWN: bool = switch("cluster-allow-reads-when-down", false).kept();

    /// Serve sharded channels when the cluster is down.
    CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN: bool = switch("cluster-allow-pubsubshard-when-down", true).kept();

    /// Unsent bytes at which a link of the cluster bus is closed; 0 = no limit.
    CLUSTER_LINK_SENDBUF_LIMIT: u64 = memory("cluster-link-sendbuf-limit", 0, 0, i64::MAX).kept();

    /// Address to give to others; empty = found out.
    CLUSTER_ANNOUNCE_IP: Text = text("cluster-announce-ip", "").kept();

    /// Host name to give to others.
    CLUSTER_ANNOUNCE_HOSTNAME: Text = checked_text("cluster-announce-hostname", "", check_host_name).kept();

    /// Name of the node for people.
    CLUSTER_ANNOUNCE_HUMAN_NODENAME: Text =
        checked_text("cluster-announce-human-nodename", "", check_host_name).kept();

    /// Port to give to others; 0 = the real one.
    CLUSTER_ANNOUNCE_PORT: i64 = number("cluster-announce-port", 0, 0, 65_535).kept();

    /// TLS port to give to others; 0 = the real one.
    CLUSTER_ANNOUNCE_TLS_PORT: i64 = number("cluster-announce-tls-port", 0, 0, 65_535).kept();

    /// Port of the cluster bus to give to others; 0 = the real one.
    CLUSTER_ANNOUNCE_BUS_PORT: i64 = number("cluster-announce-bus-port", 0, 0, 65_535).kept();

    /// Whether clients are sent to addresses or host names.
    CLUSTER_PREFERRED_ENDPOINT_TYPE: EndpointType =
        choice::<EndpointType>("cluster-preferred-endpoint-type", EndpointType::Ip as u8).kept();
}
