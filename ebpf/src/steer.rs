//! XDP: what comes in.
//!
//! Nearly every frame has plain headers and belongs to a connection that is known: that way is short, in line, and keeps
//! everything in registers. All else (other headers, a connection's beginning and end, the guard) goes the general way, which is
//! long and stands elsewhere, so that it does not push the short way's instructions out of the processor's cache. The short way
//! counts nothing before it is certain that it will do.

use crate::kernel::this_cpu;
use crate::maps::{CPUS, CPUS_FRAGS, SETTINGS, counters, is_own};
use crate::view::{Packet, Start};
use crate::{guard, log, probe};
use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use aya_ebpf::programs::XdpContext;
use boxcar_ebpf_abi::layout::{Counters, STEER_CPU, Settings};
use boxcar_ebpf_abi::packet::{Frame, Segment, View as _, parse, plain};
use boxcar_ebpf_abi::table::FlowKey;

/// The verdict on a frame; `FRAGS` says which of the two programs asks.
#[inline(always)]
pub fn steer<const FRAGS: bool>(ctx: &XdpContext) -> u32 {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return XDP_PASS };
    if let Some(segment) = Start::received(ctx).and_then(|start| plain(&start))
        && let Some(verdict) = short::<FRAGS>(ctx, settings, counters, &segment)
    {
        return verdict;
    }
    general::<FRAGS>(ctx)
}

/// The verdict on most segments with plain headers.
#[inline(always)]
fn short<const FRAGS: bool>(
    ctx: &XdpContext,
    settings: &Settings,
    counters: &mut Counters,
    segment: &Segment,
) -> Option<u32> {
    if !settings.is_port(segment.destination_port) {
        counters.frames += 1;
        counters.foreign += 1;
        return Some(XDP_PASS);
    }
    let probes = settings.probe != 0;
    if settings.guard != 0 || !settings.is_near(&segment.destination) || probes && probe::is_turn(segment) {
        return None;
    }
    let stamps = probes && segment.payload != 0;
    if !stamps && settings.steering != STEER_CPU {
        counters.frames += 1;
        counters.matched += 1;
        counters.unsteered += 1;
        return Some(XDP_PASS);
    }
    let key = FlowKey::received(segment);
    if stamps && !probe::known(counters, segment, &key) {
        return None;
    }
    counters.frames += 1;
    counters.matched += 1;
    Some(direct::<FRAGS>(ctx, settings, counters, segment, key.hash))
}

/// The verdict on any frame.
#[inline(never)]
fn general<const FRAGS: bool>(ctx: &XdpContext) -> u32 {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return XDP_PASS };
    counters.frames += 1;
    let packet = Packet::received(ctx);
    let segment = match parse(&packet) {
        Frame::Other => {
            counters.other += 1;
            return XDP_PASS;
        }
        Frame::Malformed => {
            counters.malformed += 1;
            log::malformed(ctx, packet.length() as u32);
            return XDP_PASS;
        }
        Frame::Fragment => {
            counters.fragments += 1;
            return XDP_PASS;
        }
        Frame::Tcp(segment) => segment,
    };
    if !settings.is_port(segment.destination_port) || !is_own(settings, &segment.destination) {
        counters.foreign += 1;
        return XDP_PASS;
    }
    counters.matched += 1;
    if settings.guard != 0 && guard::drops(ctx, settings, counters, &segment) {
        return XDP_DROP;
    }
    let key = FlowKey::received(&segment);
    if settings.probe != 0 {
        probe::incoming(ctx, counters, &segment, &key);
    }
    direct::<FRAGS>(ctx, settings, counters, &segment, key.hash)
}

/// Where a segment for this server goes on.
#[inline(always)]
fn direct<const FRAGS: bool>(
    ctx: &XdpContext,
    settings: &Settings,
    counters: &mut Counters,
    segment: &Segment,
    hash: u32,
) -> u32 {
    if settings.steering != STEER_CPU {
        counters.unsteered += 1;
        return XDP_PASS;
    }
    let cpu = settings.cpu(hash);
    if cpu == this_cpu() {
        counters.local += 1;
        return XDP_PASS;
    }
    if settings.partial_checksums != 0 && segment.is_partial() {
        counters.partial_checksum += 1;
        return XDP_PASS;
    }
    let pass = u64::from(XDP_PASS);
    let redirected = if FRAGS { CPUS_FRAGS.redirect(cpu, pass) } else { CPUS.redirect(cpu, pass) };
    if redirected.is_ok() {
        counters.redirected += 1;
        XDP_REDIRECT
    } else {
        counters.no_cpu += 1;
        log::no_cpu(ctx, cpu);
        XDP_PASS
    }
}
