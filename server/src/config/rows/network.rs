//! Listeners, connections and protocol limits.

use crate::config::row::{Group, Text, Words, directives, memory, number, octal, switch, text, words};
use crate::config::words::{ADDRESSES, OUTPUT_LIMITS};

const I32: i64 = i32::MAX as i64;
const U32: i64 = u32::MAX as i64;

directives! {
    group Group::Network, after start;

    /// Addresses to listen on; `*` is every IPv4 and `::*` every IPv6 address, and a leading `-` makes an
    /// address optional: not having it is no error.
    BIND: Words = words("bind", &["*", "-::*"], &ADDRESSES);

    /// TCP port; 0 opens none.
    PORT: i64 = number("port", 6379, 0, 65_535);

    /// Pending connections the kernel may hold per listener; net.core.somaxconn caps it.
    TCP_BACKLOG: i64 = number("tcp-backlog", 511, 0, I32).startup();

    /// Path of a unix socket to listen on; empty opens none.
    UNIXSOCKET: Text = text("unixsocket", "").startup();

    /// Permission bits of the unix socket, octal; 0 leaves them to the umask.
    UNIXSOCKETPERM: i64 = octal("unixsocketperm", 0, 0o777).startup();

    /// Seconds without a request after which a client is closed; 0 = never.
    TIMEOUT: i64 = number("timeout", 0, 0, I32);

    /// Seconds of silence before TCP probes whether the peer still lives; 0 = no probes.
    TCP_KEEPALIVE: i64 = number("tcp-keepalive", 300, 0, I32);

    /// Client connections open at once; more are told so and closed.
    MAXCLIENTS: i64 = number("maxclients", 10_000, 1, U32);

    /// Connections beyond maxclients reserved for clients on the loopback address or a unix socket, so that
    /// an operator still gets in when the server is full.
    ADMIN_CONNECTIONS: i64 = number("admin-connections", 8, 0, 1024).boxcar_only();

    /// Largest bulk string accepted in a request.
    PROTO_MAX_BULK_LEN: u64 = memory("proto-max-bulk-len", 512 << 20, 1 << 20, i64::MAX);

    /// Unprocessed request bytes a client may pile up before it is closed.
    CLIENT_QUERY_BUFFER_LIMIT: u64 = memory("client-query-buffer-limit", 1 << 30, 1 << 20, i64::MAX);

    /// Unsent reply bytes per client class (normal, replica, pubsub) at which it is closed: at once above the
    /// hard limit, after the given seconds above the soft one; 0 = no limit.
    CLIENT_OUTPUT_BUFFER_LIMIT: Words = words(
        "client-output-buffer-limit",
        &[
            "normal", "0", "0", "0", "slave", "268435456", "67108864", "60", "pubsub", "33554432", "8388608",
            "60",
        ],
        &OUTPUT_LIMITS,
    );

    /// Local address of outgoing connections; empty lets the kernel choose.
    BIND_SOURCE_ADDR: Text = text("bind-source-addr", "").kept();

    /// Mark (SO_MARK) put on listening sockets for packet filters; 0 = none.
    SOCKET_MARK_ID: i64 = number("socket-mark-id", 0, 0, U32).startup()
        .refused("sockets are not marked yet, so that a packet filter would not see what it waits for");

    /// Refuse clients from other machines while no password is set.
    PROTECTED_MODE: bool = switch("protected-mode", true);
}
