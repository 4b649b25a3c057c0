//! Slow log, latency, notifications.

use crate::config::row::{Group, Words, directives, number, switch, words};
use crate::config::words::{EVENT_CLASSES, PERCENTILES};

directives! {
    group Group::Observability, after memory;

    /// Microseconds from which a command enters the slow log; 0 = all, -1 = none.
    SLOWLOG_LOG_SLOWER_THAN: i64 = number("slowlog-log-slower-than", 10_000, -1, i64::MAX);

    /// Entries kept in the slow log.
    SLOWLOG_MAX_LEN: i64 = number("slowlog-max-len", 128, 0, i64::MAX);

    /// Milliseconds from which an event enters LATENCY's records; 0 = none.
    LATENCY_MONITOR_THRESHOLD: i64 = number("latency-monitor-threshold", 0, 0, i64::MAX);

    /// Keep a histogram of each command's duration.
    LATENCY_TRACKING: bool = switch("latency-tracking", true);

    /// Of how many receives one is followed through the stages of LATENCY STAGES; 0 = none.
    LATENCY_SAMPLE_RATE: i64 = number("latency-sample-rate", 0, 0, 1_000_000_000).boxcar_only();

    /// Percentiles of the histograms that INFO shows.
    LATENCY_TRACKING_INFO_PERCENTILES: Words =
        words("latency-tracking-info-percentiles", &["50", "99", "99.9"], &PERCENTILES);

    /// Keyspace events to publish, by letter; empty = none.
    NOTIFY_KEYSPACE_EVENTS: Words = words("notify-keyspace-events", &[], &EVENT_CLASSES);

    /// Keys remembered for client-side caching; 0 = no limit.
    TRACKING_TABLE_MAX_KEYS: i64 = number("tracking-table-max-keys", 1_000_000, 0, i64::MAX);
}
