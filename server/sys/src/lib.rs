//! The kernel behind one seam: everything Boxcar asks of Linux that is not plain arithmetic.
//!
//! | module | what lives there |
//! |---|---|
//! | [`driver`] | the I/O event loop: one [`Driver`] a thread, over io_uring or epoll, calling a [`Handler`] |
//! | [`socket`] | listeners, socket options, addresses printed as Redis prints them |
//! | [`allocator`] | what jemalloc is told when the process starts
//! | [`affinity`] | CPU lists and thread pinning |
//! | [`clock`] | time stamps from the CPU's counter, wall clock, monotonic clock |
//! | [`memory`] | page-aligned regions that the kernel may share with us |
//! | [`process`] | CPU time, resident memory, the limit of open files |
//!
//! Nothing here knows RESP, keys or commands. A driver never interprets bytes; it moves them, and it tells the truth
//! about which kernel features did the moving ([`Driver::features`], [`Driver::counters`]).

#[cfg(not(target_os = "linux"))]
compile_error!("boxcar-sys speaks to the Linux kernel only");

pub mod affinity;
pub mod allocator;
pub mod clock;
pub mod driver;
pub mod memory;
pub mod process;
pub mod socket;

pub use driver::{
    Backend, Counters, Doorbell, Driver, DriverError, DriverOptions, Feature, Handler, ListenerId, Reading,
    Sent, Toggles, Token, Wait,
};
