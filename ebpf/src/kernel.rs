//! Questions to the kernel that take no argument.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};

/// Nanoseconds of the monotonic clock.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

/// The CPU that this runs on.
#[inline(always)]
pub fn this_cpu() -> u32 {
    // SAFETY: reads a number.
    unsafe { bpf_get_smp_processor_id() }
}
