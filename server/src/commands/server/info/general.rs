//! INFO server, boxcar, clients, replication, modules, cluster, keyspace: what the server is and holds.

use super::lines;
use crate::commands::Server;
use crate::commands::access::AccessClock;
use crate::commands::server::{BOXCAR_VERSION, REDIS_VERSION};
use crate::commands::server_state::ActiveDispatch;
use crate::config::rows;
use boxcar_sys::clock::{wall_ms, wall_us};
use std::fmt::Write as _;

/// Identity, version, uptime.
pub fn server(server: &Server, text: &mut String) {
    let now_ms = wall_ms();
    let uptime = (now_ms - server.identity.started_ms).max(0) / 1000;
    let backend = server.network.get().map_or("epoll", |facts| facts.backend);
    let clock = if boxcar_sys::clock::uses_cpu_counter() { "TSC" } else { "POSIX clock_gettime" };
    let config_file = server.identity.config_file.as_deref();
    let config_file = config_file.map(|path| path.display().to_string()).unwrap_or_default();
    let hz = server.config.int(rows::HZ);
    lines!(text;
        "redis_version": REDIS_VERSION,
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": "0",
        "redis_mode": "standalone",
        "os": operating_system(),
        "arch_bits": usize::BITS,
        "monotonic_clock": clock,
        "multiplexing_api": backend,
        "atomicvar_api": "rust-std",
        "gcc_version": "0.0.0",
        "process_id": std::process::id(),
        "process_supervised": "no",
        "run_id": server.identity.run_id,
        "tcp_port": server.config.int(rows::PORT),
        "server_time_usec": wall_us(),
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime / 86_400,
        "hz": hz,
        "configured_hz": hz,
        "lru_clock": AccessClock::Recency.new_key(now_ms),
        "executable": server.identity.executable.display(),
        "config_file": config_file,
        "io_threads_active": u8::from(server.network.get().is_some_and(|facts| facts.io_threads > 1)),
    );
    write_listeners(server, text);
}

/// `uname -srm`.
fn operating_system() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => {
            let [system, release, machine] =
                [name.sysname(), name.release(), name.machine()].map(|part| part.to_string_lossy());
            format!("{system} {release} {machine}")
        }
        Err(_) => "Linux".to_owned(),
    }
}

fn write_listeners(server: &Server, text: &mut String) {
    let mut listeners = Vec::new();
    let port = server.config.int(rows::PORT);
    if port != 0 {
        let binds = server.config.list(rows::BIND);
        let binds: String = binds.iter().map(|address| format!("bind={address},")).collect();
        listeners.push(format!("name=tcp,{binds}port={port}"));
    }
    let path = server.config.text(rows::UNIXSOCKET);
    if !path.is_empty() {
        listeners.push(format!("name=unix,bind={path}"));
    }
    for (i, listener) in listeners.iter().enumerate() {
        write!(text, "listener{i}:{listener}\r\n").expect("writing to a String does not fail");
    }
}

/// What Redis has no field for.
pub fn boxcar(server: &Server, text: &mut String) {
    let dispatch = match server.dispatch() {
        ActiveDispatch::Inline => "inline",
        ActiveDispatch::Rings => "rings",
    };
    let locks = server.keyspace.lock_counters();
    let totals = server.stats.totals();
    lines!(text;
        "boxcar_version": BOXCAR_VERSION,
        "dispatch": dispatch,
        "dispatch_configured": server.config.render(rows::DISPATCH),
        "shards": server.keyspace.shards(),
        "shard_locks_spun": locks.spun,
        "shard_locks_parked": locks.parked,
        "requests_gathered": totals.requests_gathered,
        "runs_parked": totals.runs_parked,
        "batches_dispatched": totals.batches_dispatched,
        "worker_wakeups": totals.worker_wakeups,
    );
    let Some(facts) = server.network.get() else { return };
    lines!(text;
        "network_backend": facts.backend,
        "io_threads": facts.io_threads,
        "worker_threads": facts.worker_threads,
    );
    for feature in &facts.features {
        let state = match (feature.wanted, feature.active) {
            (_, true) => "active".to_owned(),
            (true, false) => format!("unavailable ({})", feature.reason),
            (false, false) => "off".to_owned(),
        };
        let name = feature.name.replace([' ', '-'], "_");
        write!(text, "feature_{name}:{state}\r\n").expect("writing to a String does not fail");
    }
}

/// The kernel-side programs.
pub fn ebpf(server: &Server, text: &mut String) {
    if let Some(wire) = server.wire.get() {
        wire.info(text);
    }
}

/// What the I/O threads' drivers have done since the start, a tenth of a second old at most.
pub fn network(server: &Server, text: &mut String) {
    for (name, value) in server.stats.driver_totals() {
        write!(text, "network_{name}:{value}\r\n").expect("writing to a String does not fail");
    }
}

/// Connections.
pub fn clients(server: &Server, text: &mut String) {
    let clients = server.clients.all();
    let largest = |bytes: fn(&crate::clients::Client) -> usize| {
        clients.iter().map(|client| bytes(client)).max().unwrap_or(0)
    };
    use std::sync::atomic::Ordering::Relaxed;
    let waiting = &server.blocking.figures;
    lines!(text;
        "connected_clients": server.clients.connected(),
        "cluster_connections": 0,
        "maxclients": server.config.int(rows::MAXCLIENTS),
        "client_recent_max_input_buffer": largest(|client| client.query_bytes.load(Relaxed)),
        "client_recent_max_output_buffer": largest(|client| client.output_bytes.load(Relaxed)),
        "blocked_clients": waiting.clients.load(Relaxed),
        "tracking_clients": server.tracking.clients(),
        "clients_in_timeout_table": waiting.with_timeout.load(Relaxed),
        "total_blocking_keys": waiting.keys.load(Relaxed),
        "total_blocking_keys_on_nokey": waiting.keys_even_missing.load(Relaxed),
    );
}

/// A master without replicas.
pub fn replication(server: &Server, text: &mut String) {
    lines!(text;
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": server.identity.run_id,
        "master_replid2": "0000000000000000000000000000000000000000",
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
        "repl_backlog_size": server.config.bytes(rows::REPL_BACKLOG_SIZE),
        "repl_backlog_first_byte_offset": 0,
        "repl_backlog_histlen": 0,
    );
}

/// There are no modules.
pub fn modules(_: &Server, _: &mut String) {}

/// There is no cluster.
pub fn cluster(_: &Server, text: &mut String) {
    lines!(text; "cluster_enabled": 0);
}

/// One line for each database that holds keys.
pub fn keyspace(server: &Server, text: &mut String) {
    let now_ms = wall_ms();
    for db in 0..server.keyspace.databases() {
        let keys = server.keyspace.len(db);
        if keys == 0 {
            continue;
        }
        let expires = server.keyspace.expires(db);
        let average_ttl = expires.mean_expire_at().map_or(0, |at| (at - now_ms).max(0));
        let (count, hashes) = (expires.count, expires.objects);
        let written =
            write!(text, "db{db}:keys={keys},expires={count},avg_ttl={average_ttl},subexpiry={hashes}\r\n");
        written.expect("writing to a String does not fail");
    }
}
