//! What lies in the maps. All of it is `repr(C)` without padding, so that every byte is what somebody wrote.

use crate::histogram::{Buckets, OCTAVES};

/// I/O threads that can be steered to.
pub const THREADS_MAX: usize = 128;
/// Groups of listening sockets: one for each address of `bind`.
pub const GROUPS_MAX: usize = 8;
/// CPUs that can be steered to.
pub const CPUS_MAX: usize = 1024;
/// Ports of one server.
pub const PORTS_MAX: usize = 4;
/// Addresses of one server.
pub const ADDRESSES_MAX: usize = 1024;
/// Connections that the probe measures at a time; the least recently used makes room for a new one.
pub const FLOWS_MAX: usize = 65_536;
/// Prefixes that the guard knows.
pub const PREFIXES_MAX: usize = 4096;
/// Sources whose SYNs are counted at a time.
pub const SOURCES_MAX: usize = 65_536;

/// In `cpu_threads`: no I/O thread runs on this CPU.
pub const NO_THREAD: u32 = u32::MAX;

/// An IP address in network order; IPv4 in its mapped form, `::ffff:a.b.c.d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Address {
    /// Four words as they lie in memory.
    pub words: [u32; 4],
}

impl Address {
    /// An IPv4 address.
    #[inline(always)]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self { words: [0, 0, 0xffff_u32.to_be(), u32::from_ne_bytes(bytes)] }
    }

    /// An IPv6 address.
    #[inline(always)]
    pub const fn v6(b: [u8; 16]) -> Self {
        Self {
            words: [
                u32::from_ne_bytes([b[0], b[1], b[2], b[3]]),
                u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
                u32::from_ne_bytes([b[8], b[9], b[10], b[11]]),
                u32::from_ne_bytes([b[12], b[13], b[14], b[15]]),
            ],
        }
    }

    /// Whether it is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.words[0] == 0 && self.words[1] == 0 && self.words[2] == 0xffff_u32.to_be()
    }

    /// The two halves as numbers.
    #[inline(always)]
    pub(crate) const fn halves(&self) -> [u64; 2] {
        let [a, b, c, d] = self.words;
        [(a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64]
    }

    /// The sum of its 16-bit words in network order, carries kept above.
    #[inline(always)]
    pub(crate) const fn sum(&self) -> u64 {
        let mut sum = 0;
        let mut i = 0;
        while i < 4 {
            let word = u32::from_be(self.words[i]);
            sum += (word >> 16) as u64 + (word & 0xffff) as u64;
            i += 1;
        }
        sum
    }
}

/// What the programs are told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// [`STEER_OFF`], [`STEER_QUEUE`] or [`STEER_CPU`].
    pub steering: u32,
    /// Number of I/O threads.
    pub threads: u32,
    /// 1: requests and replies are stamped.
    pub probe: u32,
    /// 1: the guard decides.
    pub guard: u32,
    /// 1: frames may arrive whose checksum is not filled in yet; those are never redirected.
    pub partial_checksums: u32,
    /// SYNs a second that one source may send; 0 = any number.
    pub syn_budget: u32,
    /// The server's ports; unused places hold 0.
    pub ports: [u16; PORTS_MAX],
}

/// Frames stay on the CPU that received them; connections go where the kernel likes.
pub const STEER_OFF: u32 = 0;
/// Frames stay on the CPU that received them; connections go to that CPU's I/O thread.
pub const STEER_QUEUE: u32 = 1;
/// Frames and connections go to the I/O thread that the hash names.
pub const STEER_CPU: u32 = 2;

/// Counters of one CPU. Every frame is in exactly one of the five that follow `frames`, every frame in `matched` in exactly
/// one of the seven that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Frames received.
    pub frames: u64,
    /// Not TCP over IP.
    pub other: u64,
    /// Truncated, or with lengths that contradict each other.
    pub malformed: u64,
    /// Parts of TCP segments.
    pub fragments: u64,
    /// TCP for somebody else.
    pub foreign: u64,
    /// TCP for this server.
    pub matched: u64,
    /// Passed on where they were, because steering is off or trusts the queue.
    pub unsteered: u64,
    /// Already on the right CPU.
    pub local: u64,
    /// Sent to another CPU.
    pub redirected: u64,
    /// Not redirected, because the checksum was not filled in yet.
    pub partial_checksum: u64,
    /// Not redirected, because the CPU has no entry.
    pub no_cpu: u64,
    /// Dropped: the source's prefix is denied.
    pub guard_denied: u64,
    /// Dropped: the source has used up its budget of SYNs.
    pub guard_limited: u64,
    /// Connections given to the I/O thread of their CPU.
    pub selected: u64,
    /// Connections left to the kernel's choice.
    pub unselected: u64,
    /// Requests stamped.
    pub probe_stamped: u64,
    /// Segments of a burst whose first one is stamped already.
    pub probe_joined: u64,
    /// Requests seen twice; their measurement is given up.
    pub probe_retransmitted: u64,
    /// Replies matched with a request: the count of the histogram.
    pub probe_matched: u64,
    /// Reply segments that belong to no stamp: the rest of a long reply, a pushed message, a reply sent twice.
    pub probe_unstamped: u64,
    /// Reply segments of connections that are not in the table: older than the probe, or displaced.
    pub probe_lost: u64,
    /// Connections entered into the table.
    pub probe_entered: u64,
    /// Connections that could not be entered.
    pub probe_refused: u64,
    /// Outgoing frames that were not TCP of this server.
    pub out_foreign: u64,
}

/// A connection, from the client's side to the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowKey {
    /// The client's address.
    pub client: Address,
    /// The server's address.
    pub server: Address,
    /// The client's port.
    pub client_port: u16,
    /// The server's port.
    pub server_port: u16,
}

/// What the probe knows of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Flow {
    /// When the request under measurement came in (`bpf_ktime_get_ns`); 0 = none is.
    pub stamp_ns: u64,
    /// [`request`] of that request.
    pub request: u64,
    /// The sequence number after the newest payload received.
    pub received_end: u32,
    /// The sequence number after the newest payload sent.
    pub sent_end: u32,
    /// 1 once `sent_end` holds.
    pub has_sent: u32,
    /// Always 0: fills the last word.
    pub zero: u32,
}

/// The sequence number after a request in the high half (a reply acknowledges it), the low half of its stamp in the low half. The
/// way in writes this word and the stamp, the way out reads both on another CPU, in any order: they belong together
/// exactly when the halves of the stamp agree.
#[inline(always)]
pub fn request(end: u32, stamp_ns: u64) -> u64 {
    u64::from(end) << 32 | (stamp_ns & u64::from(u32::MAX))
}

/// Size classes of replies.
pub const CLASSES: usize = 4;
/// The largest payload of each class, bytes.
pub const CLASS_BYTES: [u64; CLASSES] = [64, 1_448, 16_384, u64::MAX];

/// The class of a reply's first segment.
#[inline(always)]
pub fn class(payload: u32) -> u32 {
    let payload = u64::from(payload);
    u32::from(payload > CLASS_BYTES[0])
        + u32::from(payload > CLASS_BYTES[1])
        + u32::from(payload > CLASS_BYTES[2])
}

macro_rules! latency {
    ($($field:ident)+) => {
        /// Latency of one CPU and one size class, from a request's first frame in to its reply's first frame out, for people:
        /// a microsecond here is 1,024 ns, and so on.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        #[allow(missing_docs, reason = "the names say it")]
        pub struct Latency {
            /// The largest reply of this class, bytes of its first segment.
            pub reply_bytes_up_to: u64,
            /// Replies measured.
            pub replies: u64,
            /// Sum of their latencies.
            pub total_ns: u64,
            $(pub $field: u64,)+
        }

        /// The names of the last fields of [`Latency`], one for each octave.
        pub const OCTAVE_NAMES: [&str; OCTAVES] = [$(stringify!($field)),+];
    };
}

latency!(
    under_1us under_2us under_4us under_8us under_16us under_32us under_64us under_128us under_256us under_512us
    under_1ms under_2ms under_4ms under_8ms under_16ms under_32ms under_64ms under_128ms under_256ms under_512ms
    under_1s under_2s under_4s under_8s longer
);

impl Latency {
    /// Adds one latency.
    #[inline(always)]
    pub fn record(&mut self, nanos: u64) {
        self.replies += 1;
        self.total_ns += nanos;
        let octave = crate::histogram::octave(nanos);
        let first: *mut u64 = &raw mut self.under_1us;
        // SAFETY: the fields from `under_1us` on are OCTAVES words in a row (asserted below), and `octave` is below that.
        unsafe { *first.add(octave) += 1 };
    }
}

const _: () = {
    assert!(size_of::<Latency>() == (3 + OCTAVES) * 8);
    assert!(
        core::mem::offset_of!(Latency, longer) - core::mem::offset_of!(Latency, under_1us)
            == (OCTAVES - 1) * 8
    );
};

/// The guard's verdict on a prefix.
pub const PREFIX_ALLOW: u32 = 1;
/// The guard's verdict on a prefix.
pub const PREFIX_DENY: u32 = 2;

/// Whose maps these are, for whoever finds them pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Owner {
    /// Process id.
    pub pid: u64,
    /// When that process started, in clock ticks since boot (field 22 of /proc/PID/stat): a later process of the same id
    /// has another.
    pub started: u64,
}

#[cfg(feature = "aya")]
mod pod {
    use super::{Address, Buckets, Counters, Flow, FlowKey, Latency, Owner, Settings};

    macro_rules! pod {
        ($($name:ident),+) => { $(
            // SAFETY: `repr(C)`, made of integers only, and without padding.
            unsafe impl aya::Pod for $name {}
        )+ };
    }
    pod!(Address, Settings, Counters, FlowKey, Flow, Latency, Buckets, Owner);
}

#[cfg(not(feature = "aya"))]
const _: usize = size_of::<Buckets>();

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn nothing_has_padding() {
        assert_eq!(size_of::<Settings>(), 6 * 4 + PORTS_MAX * 2);
        assert_eq!(size_of::<FlowKey>(), 36);
        assert_eq!(size_of::<Flow>(), 28 + 4);
        assert_eq!(size_of::<Counters>() % 8, 0);
    }

    #[test]
    fn latencies_fall_into_the_octave_of_their_name() {
        let mut latency = Latency::default();
        for nanos in [900, 1_024, 2_047, 2_048, 100_000, 1_000_000, 30_000_000_000] {
            latency.record(nanos);
        }
        assert_eq!((latency.replies, latency.under_1us, latency.under_2us, latency.under_4us), (7, 1, 2, 1));
        assert_eq!((latency.under_128us, latency.under_1ms, latency.longer), (1, 1, 1));
        assert_eq!(OCTAVE_NAMES[0], "under_1us");
        assert_eq!(OCTAVE_NAMES[OCTAVES - 1], "longer");
    }

    #[test]
    fn classes_end_where_they_say() {
        assert_eq!([0, 64, 65, 1448, 1449, 16_384, 16_385, u32::MAX].map(class), [0, 0, 1, 1, 2, 2, 3, 3]);
    }
}
