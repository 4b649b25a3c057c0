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
        Self::v4_word(u32::from_ne_bytes(bytes))
    }

    /// An IPv4 address from its four bytes as they lie in memory.
    #[inline(always)]
    pub const fn v4_word(word: u32) -> Self {
        Self { words: [0, 0, 0xffff_u32.to_be(), word] }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// [`STEER_OFF`], [`STEER_QUEUE`] or [`STEER_CPU`].
    pub steering: u32,
    /// Number of I/O threads, at most [`THREADS_MAX`].
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
    /// Some of the server's IPv4 addresses, each at its [`own_place`]; 0 where there is none. They are in the map of addresses,
    /// too, with those that found their place taken.
    pub own_v4: [u32; OWN_PLACES],
    /// The CPU of each I/O thread.
    pub thread_cpus: [u16; THREADS_MAX],
}

/// Places for addresses in [`Settings`].
pub const OWN_PLACES: usize = 16;

/// Where in [`Settings::own_v4`] an IPv4 address may stand, which is given as its four bytes lie in memory.
#[inline(always)]
pub const fn own_place(word: u32) -> usize {
    let word = word ^ (word >> 16);
    (word ^ (word >> 8) ^ (word >> 4)) as usize & (OWN_PLACES - 1)
}

impl Settings {
    /// Nothing to do.
    pub const OFF: Self = Self {
        steering: STEER_OFF,
        threads: 0,
        probe: 0,
        guard: 0,
        partial_checksums: 0,
        syn_budget: 0,
        ports: [0; PORTS_MAX],
        own_v4: [0; OWN_PLACES],
        thread_cpus: [0; THREADS_MAX],
    };

    /// Whether this is one of the server's ports.
    #[inline(always)]
    pub const fn is_port(&self, port: u16) -> bool {
        let [a, b, c, d] = self.ports;
        port != 0 && (port == a || port == b || port == c || port == d)
    }

    /// Whether this is certainly one of the server's addresses; if not, the map of addresses knows.
    #[inline(always)]
    pub const fn is_near(&self, address: &Address) -> bool {
        let word = address.words[3];
        address.is_v4() && word != 0 && self.own_v4[own_place(word)] == word
    }

    /// The CPU of the I/O thread that a connection's hash names.
    #[inline(always)]
    pub fn cpu(&self, hash: u32) -> u32 {
        u32::from(self.thread_cpus[crate::flow::spread(hash, self.threads) as usize & (THREADS_MAX - 1)])
    }
}

/// Frames stay on the CPU that received them; connections go where the kernel likes.
pub const STEER_OFF: u32 = 0;
/// Frames stay on the CPU that received them; connections go to that CPU's I/O thread.
pub const STEER_QUEUE: u32 = 1;
/// Frames and connections go to the I/O thread that the hash names.
pub const STEER_CPU: u32 = 2;

/// Counters of one CPU. `frames` is the sum of `other`, `malformed`, `fragments`, `foreign` and `matched`; `matched` that of
/// `unsteered`, `local`, `redirected`, `partial_checksum`, `no_cpu`, `guard_denied` and `guard_limited`. Those that move with nearly every
/// frame stand first: they share a cache line or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Frames received.
    pub frames: u64,
    /// TCP for this server.
    pub matched: u64,
    /// Passed on where they were, because steering is off or trusts the queue.
    pub unsteered: u64,
    /// Already on the right CPU.
    pub local: u64,
    /// Sent to another CPU.
    pub redirected: u64,
    /// Requests stamped.
    pub probe_stamped: u64,
    /// Replies matched with a request: the count of the histogram.
    pub probe_matched: u64,
    /// Segments of a burst whose first one is stamped already.
    pub probe_joined: u64,
    /// Reply segments that belong to no stamp: the rest of a long reply, a pushed message.
    pub probe_unstamped: u64,
    /// TCP for somebody else.
    pub foreign: u64,
    /// Not TCP over IP.
    pub other: u64,
    /// Truncated, or with lengths that contradict each other.
    pub malformed: u64,
    /// Parts of TCP segments.
    pub fragments: u64,
    /// Not redirected, because the checksum was not filled in yet.
    pub partial_checksum: u64,
    /// The right CPU cannot be redirected to.
    pub no_cpu: u64,
    /// Dropped: the source is denied.
    pub guard_denied: u64,
    /// Dropped: a SYN of a source beyond its budget.
    pub guard_limited: u64,
    /// New connections given to a chosen listening socket.
    pub selected: u64,
    /// New connections left to the kernel's choice.
    pub unselected: u64,
    /// Requests seen twice; their measurement is given up.
    pub probe_retransmitted: u64,
    /// Reply segments sent again.
    pub probe_resent: u64,
    /// Reply segments of connections that are not in the table: older than the probe, or displaced.
    pub probe_lost: u64,
    /// Connections entered into the table.
    pub probe_entered: u64,
    /// Connections that made room in the table for another.
    pub probe_displaced: u64,
    /// Connections that could not be entered, since another CPU was writing to the same place.
    pub probe_refused: u64,
    /// Outgoing frames that were not TCP of this server.
    pub out_foreign: u64,
}

/// Events that the programs tell the log of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// A frame contradicts itself.
    Malformed,
    /// The guard denies a source.
    Denied,
    /// A source is beyond its SYN budget.
    Limited,
    /// A connection made room for another in the probe's table.
    Displaced,
    /// A CPU cannot be redirected to.
    NoCpu,
}

/// How many kinds of events there are.
pub const EVENTS: usize = Event::NoCpu as usize + 1;

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
    /// Adds one latency, which lies in this [`bucket`](crate::histogram::bucket).
    #[inline(always)]
    pub fn record(&mut self, nanos: u64, bucket: usize) {
        self.replies += 1;
        self.total_ns += nanos;
        let octave = crate::histogram::octave_of(bucket);
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
    use super::{Address, Buckets, Counters, Latency, Owner, Settings};

    macro_rules! pod {
        ($($name:ident),+) => { $(
            // SAFETY: `repr(C)`, made of integers only, and without padding.
            unsafe impl aya::Pod for $name {}
        )+ };
    }
    pod!(Address, Settings, Counters, Latency, Buckets, Owner);
}

#[cfg(not(feature = "aya"))]
const _: usize = size_of::<Buckets>();

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn nothing_has_padding() {
        assert_eq!(size_of::<Settings>(), 6 * 4 + PORTS_MAX * 2 + OWN_PLACES * 4 + THREADS_MAX * 2);
        assert_eq!(size_of::<Counters>() % 8, 0);
    }

    #[test]
    fn near_addresses_are_found_and_others_are_not() {
        let mut settings = Settings::OFF;
        let address = |last: u8| Address::v4([10, 77, 0, last]);
        for last in 1..=3 {
            let word = address(last).words[3];
            settings.own_v4[own_place(word)] = word;
        }
        assert!((0..=255).all(|last| settings.is_near(&address(last)) == (1..=3).contains(&last)));
        assert!(!settings.is_near(&Address::v4([0; 4])) && !settings.is_near(&Address::v6([0; 16])));
        let mut v6 = address(1);
        v6.words[0] = 1;
        assert!(!settings.is_near(&v6));
        // Neighbours in one network have different places, in either order of bytes.
        let places = (0..16u8).map(|last| own_place(address(last).words[3]));
        assert_eq!(places.fold(0u32, |seen, place| seen | 1 << place), 0xffff);
    }

    #[test]
    fn ports_and_threads() {
        let mut settings = Settings { ports: [6379, 0, 0, 7000], threads: 3, ..Settings::OFF };
        settings.thread_cpus[..3].copy_from_slice(&[5, 900, 7]);
        assert!(
            settings.is_port(6379) && settings.is_port(7000) && !settings.is_port(0) && !settings.is_port(1)
        );
        assert_eq!([0, u32::MAX / 2, u32::MAX].map(|hash| settings.cpu(hash)), [5, 900, 7]);
    }

    #[test]
    fn latencies_fall_into_the_octave_of_their_name() {
        let mut latency = Latency::default();
        for nanos in [900, 1_024, 2_047, 2_048, 100_000, 1_000_000, 30_000_000_000] {
            latency.record(nanos, crate::histogram::bucket(nanos));
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
