//! What the kernel and its machine do for us.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use core::arch::asm;

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

/// Writes `new` into the word if it holds `old`, at one stroke; false if it does not.
#[inline(always)]
pub fn exchange(word: &mut u64, old: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: a reference is valid and aligned; the instruction touches nothing but its word.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({word} + 0, r0, {new})",
            word = in(reg) core::ptr::from_mut(word),
            new = in(reg) new,
            inout("r0") old => found,
            options(nostack),
        );
    }
    found == old
}
