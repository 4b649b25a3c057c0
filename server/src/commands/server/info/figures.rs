//! INFO memory, persistence, stats, cpu: what the server uses and has done. Fields of what does not exist here carry
//! the value that an idle Redis shows.

use super::lines;
use crate::clients::pubsub::TopicKind;
use crate::commands::Server;
use crate::commands::server::allocator::Memory;
use crate::config::choices::{Choice, MaxmemoryPolicy};
use crate::config::rows;
use boxcar_sys::clock::monotonic_us;
use boxcar_sys::process;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes for people, as Redis writes them: `512B`, `1.50K`, `3.00G`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

fn policy_name(policy: MaxmemoryPolicy) -> &'static str {
    let found = MaxmemoryPolicy::NAMES.iter().find(|(_, number)| *number == policy as u8);
    found.expect("every variant has a name").0
}

/// Memory.
pub fn memory(server: &Server, text: &mut String) {
    let memory = Memory::now(server);
    let total = nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total());
    let maxmemory = server.config.bytes(rows::MAXMEMORY);
    lines!(text;
        "used_memory": memory.used,
        "used_memory_human": human_bytes(memory.used),
        "used_memory_rss": memory.resident,
        "used_memory_rss_human": human_bytes(memory.resident),
        "used_memory_peak": memory.peak,
        "used_memory_peak_human": human_bytes(memory.peak),
        "used_memory_peak_perc": format_args!("{:.2}%", memory.peak_percent()),
        "used_memory_overhead": memory.overhead(),
        "used_memory_startup": memory.startup,
        "used_memory_dataset": memory.dataset,
        "used_memory_dataset_perc": format_args!("{:.2}%", memory.dataset_percent()),
        "allocator_allocated": memory.allocated,
        "allocator_active": memory.active,
        "allocator_resident": memory.allocator_resident,
        "total_system_memory": total,
        "total_system_memory_human": human_bytes(total),
        "used_memory_lua": 0,
        "used_memory_vm_eval": 0,
        "used_memory_lua_human": "0B",
        "used_memory_scripts_eval": 0,
        "number_of_cached_scripts": 0,
        "number_of_functions": 0,
        "number_of_libraries": 0,
        "used_memory_vm_functions": 0,
        "used_memory_vm_total": 0,
        "used_memory_vm_total_human": "0B",
        "used_memory_functions": 0,
        "used_memory_scripts": 0,
        "used_memory_scripts_human": "0B",
        "maxmemory": maxmemory,
        "maxmemory_human": human_bytes(maxmemory),
        "maxmemory_policy": policy_name(server.config.choice(rows::MAXMEMORY_POLICY)),
    );
    fragmentation(server, &memory, text);
}

/// The second half of the memory section: what is resident beyond what is used, and by whom.
fn fragmentation(server: &Server, memory: &Memory, text: &mut String) {
    let (active, resident) = (memory.active, memory.allocator_resident);
    lines!(text;
        "allocator_frag_ratio": format_args!("{:.2}", ratio(active, memory.allocated)),
        "allocator_frag_bytes": difference(active, memory.allocated),
        "allocator_rss_ratio": format_args!("{:.2}", ratio(resident, active)),
        "allocator_rss_bytes": difference(resident, active),
        "rss_overhead_ratio": format_args!("{:.2}", ratio(memory.resident, resident)),
        "rss_overhead_bytes": difference(memory.resident, resident),
        "mem_fragmentation_ratio": format_args!("{:.2}", ratio(memory.resident, memory.used)),
        "mem_fragmentation_bytes": difference(memory.resident, memory.used),
        "mem_not_counted_for_evict": memory.overhead(),
        "mem_replication_backlog": 0,
        "mem_total_replication_buffers": 0,
        "mem_clients_slaves": 0,
        "mem_clients_normal": memory.clients,
        "mem_cluster_links": 0,
        "mem_aof_buffer": 0,
        "mem_allocator": memory.allocator,
        "active_defrag_running": server.stats.defragmentation.running(),
        "lazyfree_pending_objects": server.reclaimer.pending(),
        "lazyfreed_objects": server.reclaimer.freed(),
    );
}

/// `a / b`, 0 where `b` is 0.
pub fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// `a - b`, which may be negative.
pub fn difference(a: u64, b: u64) -> i64 {
    a as i64 - b as i64
}

/// Nothing is persisted yet: everything is as after a start without data.
pub fn persistence(server: &Server, text: &mut String) {
    lines!(text;
        "loading": 0,
        "async_loading": 0,
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0,
        "current_save_keys_total": 0,
        "rdb_changes_since_last_save": server.stats.totals().changes,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": server.last_save.load(Relaxed),
        "rdb_last_bgsave_status": "ok",
        "rdb_last_bgsave_time_sec": -1,
        "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 0,
        "rdb_last_cow_size": 0,
        "rdb_last_load_keys_expired": 0,
        "rdb_last_load_keys_loaded": 0,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_rewrite_time_sec": -1,
        "aof_current_rewrite_time_sec": -1,
        "aof_last_bgrewrite_status": "ok",
        "aof_rewrites": 0,
        "aof_rewrites_consecutive_failures": 0,
        "aof_last_write_status": "ok",
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    );
}

/// Counters since start or CONFIG RESETSTAT.
pub fn stats(server: &Server, text: &mut String) {
    let totals = server.stats.totals();
    let [commands, input, output] = server.stats.rates();
    let defragmentation = &server.stats.defragmentation;
    let ((moved, kept), (moved_keys, kept_keys)) = (defragmentation.allocations(), defragmentation.keys());
    let (defragmenting, defragmenting_now) = defragmentation.millis();
    let (exceeded, exceeded_now) = server.budget.exceeded_ms(monotonic_us());
    lines!(text;
        "total_connections_received": totals.connections_received,
        "total_commands_processed": totals.commands_processed,
        "instantaneous_ops_per_sec": commands,
        "total_net_input_bytes": totals.net_input_bytes,
        "total_net_output_bytes": totals.net_output_bytes,
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": format_args!("{:.2}", input as f64 / 1024.0),
        "instantaneous_output_kbps": format_args!("{:.2}", output as f64 / 1024.0),
        "instantaneous_input_repl_kbps": "0.00",
        "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": totals.connections_rejected,
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_subkeys": totals.expired_fields,
        "expired_keys": totals.expired_keys,
        "expired_stale_perc": format_args!("{:.2}", server.stats.expiry.stale_percent()),
        "expired_time_cap_reached_count": server.stats.expiry.time_cap_reached(),
        "expire_cycle_cpu_milliseconds": server.stats.expiry.cpu_ms(),
        "evicted_keys": totals.evicted_keys,
        "evicted_clients": 0,
        "total_eviction_exceeded_time": exceeded,
        "current_eviction_exceeded_time": exceeded_now,
        "keyspace_hits": totals.keyspace_hits,
        "keyspace_misses": totals.keyspace_misses,
        "pubsub_channels": server.pubsub.len(TopicKind::Channel),
        "pubsub_patterns": server.pubsub.len(TopicKind::Pattern),
        "pubsubshard_channels": server.pubsub.len(TopicKind::ShardChannel),
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "slave_expires_tracked_keys": 0,
        "active_defrag_hits": moved,
        "active_defrag_misses": kept,
        "active_defrag_key_hits": moved_keys,
        "active_defrag_key_misses": kept_keys,
        "total_active_defrag_time": defragmenting,
        "current_active_defrag_time": defragmenting_now,
        "tracking_total_keys": server.tracking.keys(),
        "tracking_total_items": server.tracking.items(),
        "tracking_total_prefixes": server.tracking.prefixes(),
        "unexpected_error_replies": 0,
        "total_error_replies": totals.error_replies,
        "dump_payload_sanitizations": 0,
        "total_reads_processed": totals.reads_processed,
        "total_writes_processed": totals.writes_processed,
    );
    more_stats(server, text);
}

/// The rest of the stats section: figures about threads, buffers and refusals.
fn more_stats(server: &Server, text: &mut String) {
    let totals = server.stats.totals();
    lines!(text;
        "io_threaded_reads_processed": totals.reads_processed,
        "io_threaded_writes_processed": totals.writes_processed,
        "client_query_buffer_limit_disconnections": totals.query_buffer_limit_disconnections,
        "client_output_buffer_limit_disconnections": totals.output_buffer_limit_disconnections,
        "reply_buffer_shrinks": 0,
        "reply_buffer_expands": 0,
        "eventloop_cycles": 0,
        "eventloop_duration_sum": 0,
        "eventloop_duration_cmd_sum": 0,
        "instantaneous_eventloop_cycles_per_sec": 0,
        "instantaneous_eventloop_duration_usec": 0,
        "acl_access_denied_auth": totals.auth_failures,
        "acl_access_denied_cmd": 0,
        "acl_access_denied_key": 0,
        "acl_access_denied_channel": 0,
    );
}

/// CPU time. No thread is more of a main thread than the others here, so those fields are the process's, too.
pub fn cpu(_: &Server, text: &mut String) {
    let (own, children) = (process::usage_of_process(), process::usage_of_children());
    let seconds = |time: std::time::Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
    lines!(text;
        "used_cpu_sys": seconds(own.system),
        "used_cpu_user": seconds(own.user),
        "used_cpu_sys_children": seconds(children.system),
        "used_cpu_user_children": seconds(children.user),
        "used_cpu_sys_main_thread": seconds(own.system),
        "used_cpu_user_main_thread": seconds(own.user),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_572_864, "1.50M"),
            (3 << 30, "3.00G"),
            (1 << 50, "1.00P"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
