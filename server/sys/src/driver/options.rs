//! What a driver is asked for: sizes, and one toggle for each kernel feature.

use std::io;

/// The two ways to talk to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// io_uring(7), Linux 5.15 and newer.
    IoUring,
    /// epoll(7), everywhere.
    Epoll,
}

impl Backend {
    /// The name used in configuration and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::IoUring => "io_uring",
            Backend::Epoll => "epoll",
        }
    }
}

/// A driver could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A system call that nothing can replace failed.
    #[error("{call}: {source}")]
    Call {
        /// The system call or registration.
        call: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel lacks something that has no fallback.
    #[error("this kernel's io_uring lacks {missing}")]
    Unsupported {
        /// What is missing.
        missing: &'static str,
    },
    /// An option is out of its range.
    #[error("{option} must be {range}, not {value}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What would be right.
        range: &'static str,
        /// What was given.
        value: usize,
    },
}

impl DriverError {
    /// For `map_err`: names the call that failed.
    pub(super) fn call(call: &'static str) -> impl FnOnce(io::Error) -> DriverError {
        move |source| DriverError::Call { call, source }
    }
}

/// One kernel feature of an open driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name: the toggle's.
    pub name: &'static str,
    /// Whether its toggle is on.
    pub wanted: bool,
    /// Whether it is in use.
    pub active: bool,
    /// Why it is not in use, or what it is when it is.
    pub reason: String,
}

/// Declares the toggles once: the struct, its default, lookups by name.
macro_rules! toggles {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:literal,)+) => {
        /// One switch for each kernel feature. A feature that is on but not there is replaced by its fallback.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Toggles {
            $($(#[doc = $doc])+ pub $name: bool,)+
        }

        impl Default for Toggles {
            fn default() -> Toggles {
                Toggles { $($name: $default,)+ }
            }
        }

        impl Toggles {
            /// The names of all toggles.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// The switch of this name.
            pub fn get_mut(&mut self, name: &str) -> Option<&mut bool> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

toggles! {
    /// io_uring: `IORING_SETUP_SINGLE_ISSUER` (6.0): the kernel may assume that one thread submits.
    single_issuer = true,
    /// io_uring: `IORING_SETUP_DEFER_TASKRUN` (6.1, needs `single_issuer`): completions are worked out when the loop
    /// asks for them, not in the middle of something else. Fallback: `coop_taskrun`.
    defer_taskrun = true,
    /// io_uring: `IORING_SETUP_COOP_TASKRUN` (5.19): no interrupt for each completion. Only without `defer_taskrun`.
    coop_taskrun = true,
    /// io_uring: `IORING_SETUP_NO_SQARRAY` (6.6): one indirection less for each submission.
    no_sqarray = true,
    /// io_uring: `IORING_REGISTER_RING_FDS` (5.18): no descriptor lookup for each `io_uring_enter`.
    registered_ring = true,
    /// io_uring: `IORING_ACCEPT_MULTISHOT` (5.19). Fallback: an accept is armed again for each connection.
    multishot_accept = true,
    /// io_uring: `IORING_REGISTER_PBUF_RING` (5.19): receive buffers belong to the thread, not to the connection.
    /// Fallback: every connection owns a receive buffer.
    buffer_ring = true,
    /// io_uring: `IORING_RECV_MULTISHOT` (6.0, needs `buffer_ring`). Fallback: a receive is armed for each arrival.
    multishot_receive = true,
    /// io_uring: send through the ring, so that all sends of a turn share its system call. Fallback: send(2).
    ring_send = true,
    /// io_uring: `IOSQE_CQE_SKIP_SUCCESS` (5.17) on sends that cannot wait: silence means success. Fallback: the turn
    /// waits for their completions too.
    skip_send_completions = true,
    /// io_uring: `IORING_OP_MSG_RING` (5.18) for [`super::Driver::ring`]. Fallback: the doorbell's eventfd.
    msg_ring = true,
    /// io_uring: `IORING_ENTER_NO_IOWAIT` (6.15): a sleeping loop counts as idle, not as waiting for a disk.
    no_iowait = true,
    /// epoll: `epoll_pwait2` (5.11): time-outs finer than a millisecond. Fallback: rounded up to milliseconds.
    epoll_pwait2 = true,
}

/// How to open a driver.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Connections of this driver at most: the bound of its tables. Tokens have an index below it.
    pub max_connections: usize,
    /// Bytes of one receive buffer, 64 bytes to 1 MiB. One `received` brings no more than this.
    pub receive_buffer_size: usize,
    /// io_uring: receive buffers of the thread at most, a power of two up to 32,768. Only as many circulate as the load
    /// needs, to stay in the cache.
    pub receive_buffer_count: usize,
    /// io_uring: entries of the submission queue, a power of two up to 4,096. More than this many operations between two
    /// turns cost one more system call each time it fills.
    pub submission_entries: usize,
    /// io_uring: entries of the completion queue, a power of two from twice `submission_entries` to 65,536. More
    /// completions than this in one turn are kept by the kernel and fetched with one more system call.
    pub completion_entries: usize,
    /// epoll: events fetched by one turn, 1 to 65,536.
    pub epoll_events: usize,
    /// The features to use where the kernel has them.
    pub toggles: Toggles,
}

impl Default for DriverOptions {
    fn default() -> DriverOptions {
        DriverOptions {
            // Redis's maxclients is 10,000; a thread may get all of them, and a few thousand reserved ones.
            max_connections: 16_384,
            // One pipeline of 64 SETs with 64-byte values is 7 KiB; Redis reads 16 KiB at a time as well.
            receive_buffer_size: 16 * 1024,
            // 4 MiB. Enough for some hundred receives worked out in one go; 500 busy connections use 64.
            receive_buffer_count: 256,
            // 16 KiB of entries, reused round and round: they stay in the L1 cache.
            submission_entries: 256,
            completion_entries: 1024,
            epoll_events: 256,
            toggles: Toggles::default(),
        }
    }
}

impl DriverOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), DriverError> {
        let check = |option, value: usize, range, ok: bool| {
            if ok { Ok(()) } else { Err(DriverError::Option { option, range, value }) }
        };
        let power =
            |value: usize, low: usize, high: usize| value.is_power_of_two() && (low..=high).contains(&value);
        let (sq, cq) = (self.submission_entries, self.completion_entries);
        check(
            "max_connections",
            self.max_connections,
            "1 to 16,777,216",
            (1..=1 << super::Token::INDEX_BITS).contains(&self.max_connections),
        )?;
        check(
            "receive_buffer_size",
            self.receive_buffer_size,
            "64 to 1,048,576",
            (64..=1 << 20).contains(&self.receive_buffer_size),
        )?;
        check(
            "receive_buffer_count",
            self.receive_buffer_count,
            "a power of two up to 32,768",
            power(self.receive_buffer_count, 1, 1 << 15),
        )?;
        check("submission_entries", sq, "a power of two up to 4,096", power(sq, 1, 4096))?;
        check("completion_entries", cq, "a power of two up to 65,536", power(cq, 2, 65_536))?;
        check("completion_entries", cq, "at least twice submission_entries", cq >= 2 * sq)?;
        check("epoll_events", self.epoll_events, "1 to 65,536", (1..=65_536).contains(&self.epoll_events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_bounds_hold() {
        DriverOptions::default().validate().unwrap();
        let bad = |change: fn(&mut DriverOptions)| {
            let mut options = DriverOptions::default();
            change(&mut options);
            options.validate().unwrap_err().to_string()
        };
        assert_eq!(bad(|o| o.max_connections = 0), "max_connections must be 1 to 16,777,216, not 0");
        assert!(bad(|o| o.receive_buffer_size = 63).starts_with("receive_buffer_size"));
        assert!(bad(|o| o.receive_buffer_count = 48).starts_with("receive_buffer_count"));
        assert!(bad(|o| o.submission_entries = 8192).starts_with("submission_entries"));
        assert!(bad(|o| o.completion_entries = 256).contains("at least twice"));
        assert!(bad(|o| o.epoll_events = 0).starts_with("epoll_events"));
    }

    #[test]
    fn toggles_are_found_by_name() {
        let mut toggles = Toggles::default();
        for name in Toggles::NAMES {
            assert!(toggles.get_mut(name).is_some(), "{name}");
        }
        *toggles.get_mut("msg_ring").unwrap() = false;
        assert!(!toggles.msg_ring);
        assert!(toggles.get_mut("warp_drive").is_none());
    }
}
