//! Rare events, for the server's log: at most one of each kind a second and CPU. The counters count them all.
//!
//! Every function here stands by itself, so that its instructions are nowhere near those of the plain frame.

use crate::kernel::now;
use crate::maps::LOG_DUE;
use aya_ebpf::EbpfContext;
use aya_log_ebpf::{info, warn};
use boxcar_ebpf_abi::layout::{Address, Event};

const SECOND: u64 = 1_000_000_000;

/// Whether an event of this kind may be told of now.
#[inline(always)]
fn is_due(event: Event) -> bool {
    let Some(due) = LOG_DUE.get_ptr_mut(event as u32) else { return false };
    // SAFETY: this CPU's element; see `maps::counters`.
    let due = unsafe { &mut *due };
    let now = now();
    if now < *due {
        return false;
    }
    *due = now + SECOND;
    true
}

/// An IPv4 address as a number.
#[inline(always)]
fn v4(address: &Address) -> u32 {
    u32::from_be(address.words[3])
}

/// The bytes of an IPv6 address.
#[inline(always)]
fn v6(address: &Address) -> [u8; 16] {
    // SAFETY: four words are sixteen bytes, and any bytes are bytes.
    unsafe { core::mem::transmute(address.words) }
}

/// A frame contradicts itself.
#[inline(never)]
pub fn malformed<C: EbpfContext>(ctx: &C, bytes: u32) -> u32 {
    if is_due(Event::Malformed) {
        info!(ctx, "a malformed frame of {} bytes was passed on", bytes);
    }
    0
}

/// The guard has dropped a segment of a denied source.
#[inline(never)]
pub fn denied<C: EbpfContext>(ctx: &C, source: &Address) -> u32 {
    if is_due(Event::Denied) {
        if source.is_v4() {
            info!(ctx, "xdp-guard denies {:i}", v4(source));
        } else {
            info!(ctx, "xdp-guard denies {:i}", v6(source));
        }
    }
    0
}

/// The guard has dropped a SYN beyond its source's budget.
#[inline(never)]
pub fn limited<C: EbpfContext>(ctx: &C, source: &Address) -> u32 {
    if is_due(Event::Limited) {
        if source.is_v4() {
            warn!(ctx, "xdp-guard: {:i} opens more connections than its budget", v4(source));
        } else {
            warn!(ctx, "xdp-guard: {:i} opens more connections than its budget", v6(source));
        }
    }
    0
}

/// A connection has made room for another in the probe's table.
#[inline(never)]
pub fn displaced<C: EbpfContext>(ctx: &C, hash: u32) -> u32 {
    if is_due(Event::Displaced) {
        info!(ctx, "the probe's table is full at {}: one connection is no longer measured", hash);
    }
    0
}

/// A frame could not be sent to its CPU.
#[inline(never)]
pub fn no_cpu<C: EbpfContext>(ctx: &C, cpu: u32) -> u32 {
    if is_due(Event::NoCpu) {
        warn!(ctx, "CPU {} cannot be steered to", cpu);
    }
    0
}
