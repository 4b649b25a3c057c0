//! Boxcar's own directives: threads, dispatch, and a toggle for each kernel feature in use.

use crate::config::choices::{Dispatch, Network};
use crate::config::row::{
    Group, Text, checked_text, choice, directives, memory, number, power_of_two, switch,
};
use crate::config::words::check_cpu_list;

directives! {
    group Group::Engine, after network;

    /// Kernel interface for sockets: io_uring, epoll, or auto = io_uring where the kernel allows it.
    NETWORK: Network = choice::<Network>("network", Network::Auto as u8).startup().boxcar_only();

    /// Who executes a command: the I/O thread that read it (inline), a worker reached over a ring (rings), or
    /// whichever suits the load (auto).
    DISPATCH: Dispatch = choice::<Dispatch>("dispatch", Dispatch::Auto as u8).boxcar_only();

    /// Threads that serve connections; 0 = one for each available core.
    IO_THREADS: i64 = number("io-threads", 0, 0, 128).startup();

    /// Threads that execute commands under `dispatch rings`; 0 = chosen from the number of cores.
    WORKER_THREADS: i64 = number("worker-threads", 0, 0, 128).startup().boxcar_only();

    /// Partitions of the keyspace, each with a lock of its own; many more than threads, so that they seldom
    /// meet.
    SHARDS: i64 = power_of_two("shards", 256, 1, 4096).startup().boxcar_only();

    /// CPUs the I/O threads are pinned to, in turn, such as `0-3,6`; `off` leaves them to the scheduler.
    CPU_AFFINITY: Text = checked_text("cpu-affinity", "off", check_cpu_list).startup().boxcar_only();

    /// CPUs the worker threads are pinned to, in turn; `off` leaves them to the scheduler.
    WORKER_CPU_AFFINITY: Text =
        checked_text("worker-cpu-affinity", "off", check_cpu_list).startup().boxcar_only();

    /// Microseconds an idle thread polls before it sleeps: lower latency for a busy CPU. 0 = sleep at once.
    BUSY_POLL_US: i64 = number("busy-poll-us", 0, 0, 1_000_000).boxcar_only();

    /// Walk a batch in stages and prefetch the memory each command will touch, so that cache misses overlap.
    PREFETCH: bool = switch("prefetch", true).boxcar_only();

    /// Commands taken from one connection into one batch; the rest follow in the next turn.
    BATCH_COMMANDS: i64 = number("batch-commands", 256, 1, 4096).boxcar_only();

    /// Batches a ring between two threads holds; a full ring stops reading from the sockets that feed it.
    RING_CAPACITY: i64 = power_of_two("ring-capacity", 256, 2, 65_536).startup().boxcar_only();

    /// Bytes received by one read.
    RECEIVE_BUFFER_SIZE: u64 =
        memory("receive-buffer-size", 16 << 10, 1 << 10, 16 << 20).startup().boxcar_only();

    /// Receive buffers that the connections of one I/O thread share.
    RECEIVE_BUFFERS: i64 = power_of_two("receive-buffers", 256, 2, 32_768).startup().boxcar_only();

    /// io_uring: one request accepts connection after connection (Linux 5.19).
    URING_MULTISHOT_ACCEPT: bool = switch("uring-multishot-accept", true).startup().boxcar_only();

    /// io_uring: one request receives again and again on a connection (Linux 6.0); needs the buffer ring.
    URING_MULTISHOT_RECV: bool = switch("uring-multishot-recv", true).startup().boxcar_only();

    /// io_uring: the kernel picks receive buffers from a shared ring (Linux 5.19).
    URING_BUFFER_RING: bool = switch("uring-buffer-ring", true).startup().boxcar_only();

    /// io_uring: threads wake each other through their rings instead of an eventfd (Linux 5.18).
    URING_MSG_RING: bool = switch("uring-msg-ring", true).startup().boxcar_only();

    /// io_uring: completions are processed only when the thread asks for them (Linux 6.1).
    URING_DEFER_TASKRUN: bool = switch("uring-defer-taskrun", true).startup().boxcar_only();

    /// Measure each command's duration (for INFO commandstats, the slow log and latency histograms); off
    /// saves two clock readings a command.
    COMMAND_TIMING: bool = switch("command-timing", true).boxcar_only();
}
