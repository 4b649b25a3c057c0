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

/// Writes the stack's lowest word; for the beginning of a program that calls nothing with a stack of its own.
///
/// Without it Linux 6.18 refuses some shapes of a long program with "verifier bug: stack slot 13, total slots 8". Where paths meet, the
/// compiler loads a word from the stack that only some of them have stored, knowing that the others do not use it. The verifier lets
/// that pass, since it lets the privileged read what was never written. But when it has seen on one path that the word's value
/// matters, it looks on the other for who stored it, and comes to a state from before the stack had grown that far: it takes that for a
/// mistake of its own. Now the stack is at its full size in every state.
#[inline(always)]
pub fn grow_stack() {
    // SAFETY: the stack ends with this word, and the compiler keeps nothing there: it uses half of the stack.
    unsafe { asm!("*(u64 *)(r10 - 512) = {zero}", zero = in(reg) 0u64) };
}

/// The number's low bits, by an instruction that stays in the program. The compiler drops what it can prove to be of no use; the verifier
/// knows less of numbers, and wants to see a bound.
#[inline(always)]
pub fn masked<const MASK: i32>(mut value: usize) -> usize {
    // SAFETY: it changes nothing but the register.
    unsafe {
        asm!(
            "{value} &= {mask}",
            value = inout(reg) value,
            mask = const MASK,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    value
}
