//! Names of maps and programs, as the object file and bpftool show them. The kernel keeps 15 bytes of each.

/// [`Settings`](crate::layout::Settings), one element.
pub const SETTINGS: &str = "settings";
/// The server's own addresses, as [`Address`](crate::layout::Address) to 1.
pub const ADDRESSES: &str = "addresses";
/// The I/O thread of each CPU, or [`NO_THREAD`](crate::layout::NO_THREAD).
pub const CPU_THREADS: &str = "cpu_threads";
/// The CPU map that frames are redirected through.
pub const CPUS: &str = "cpus";
/// The same for `steer_frags`.
pub const CPUS_FRAGS: &str = "cpus_frags";
/// Listening sockets: `group * THREADS_MAX + thread`.
pub const LISTENERS: &str = "listeners";
/// [`Counters`](crate::layout::Counters) of each CPU.
pub const COUNTERS: &str = "counters";
/// [`FlowSet`](crate::table::FlowSet)s: the connections under measurement.
pub const FLOWS: &str = "flows";
/// [`Latency`](crate::layout::Latency) of each CPU by size class: what people read.
pub const LATENCY: &str = "latency";
/// [`Buckets`](crate::histogram::Buckets) of each CPU by size class: what percentiles are made of.
pub const LATENCY_FINE: &str = "latency_fine";
/// Prefixes that the guard allows or denies.
pub const PREFIXES: &str = "prefixes";
/// When each source may send its next SYN.
pub const SYN_BUDGETS: &str = "syn_budgets";
/// When each CPU may log each [`Event`](crate::layout::Event) again.
pub const LOG_DUE: &str = "log_due";
/// The program that [`PROGRAM_PROBE_OUT`] jumps to, one element.
pub const WAYS_OUT: &str = "ways_out";
/// [`Owner`](crate::layout::Owner), one element.
pub const OWNER: &str = "owner";

/// The XDP program: counts, guards, stamps, steers.
pub const PROGRAM_STEER: &str = "steer";
/// The same for drivers whose frames lie in several buffers.
pub const PROGRAM_STEER_FRAGS: &str = "steer_frags";
/// The sk_reuseport program: which listening socket gets a connection.
pub const PROGRAM_SELECT: &str = "select";
/// The tc program on the way out: matches replies with requests.
pub const PROGRAM_PROBE_OUT: &str = "probe_out";
/// Goes on with the frames that it leaves; found through [`WAYS_OUT`].
pub const PROGRAM_PROBE_OUT_ANY: &str = "probe_out_any";
