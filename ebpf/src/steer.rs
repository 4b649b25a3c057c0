//! XDP: what comes in.

use crate::kernel::this_cpu;
use crate::maps::{SETTINGS, THREAD_CPUS, counters, is_own, is_port};
use crate::view::Packet;
use crate::{guard, probe};
use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use aya_ebpf::btf_maps::CpuMap;
use aya_ebpf::programs::XdpContext;
use boxcar_ebpf_abi::flow::{hash, spread};
use boxcar_ebpf_abi::layout::{Counters, STEER_CPU, Settings};
use boxcar_ebpf_abi::packet::{Frame, Segment, parse};

/// The verdict on a frame; `cpus` is what it is redirected through.
#[inline(always)]
pub fn steer(ctx: &XdpContext, cpus: &CpuMap<1>) -> u32 {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return XDP_PASS };
    counters.frames += 1;
    match parse(&Packet::received(ctx)) {
        Frame::Other => counters.other += 1,
        Frame::Malformed => counters.malformed += 1,
        Frame::Fragment => counters.fragments += 1,
        Frame::Tcp(segment) => {
            if is_port(settings, segment.destination_port) && is_own(&segment.destination) {
                counters.matched += 1;
                return own(settings, counters, &segment, cpus);
            }
            counters.foreign += 1;
        }
    }
    XDP_PASS
}

/// The verdict on a segment for this server.
#[inline(always)]
fn own(settings: &Settings, counters: &mut Counters, segment: &Segment, cpus: &CpuMap<1>) -> u32 {
    if settings.guard != 0 && guard::drops(settings, counters, segment) {
        return XDP_DROP;
    }
    if settings.probe != 0 {
        probe::incoming(counters, segment);
    }
    if settings.steering != STEER_CPU {
        counters.unsteered += 1;
        return XDP_PASS;
    }
    let hash = hash(&segment.source, &segment.destination, segment.source_port, segment.destination_port);
    let Some(&cpu) = THREAD_CPUS.get(spread(hash, settings.threads)) else {
        counters.no_cpu += 1;
        return XDP_PASS;
    };
    if cpu == this_cpu() {
        counters.local += 1;
        return XDP_PASS;
    }
    if settings.partial_checksums != 0 && segment.is_partial() {
        counters.partial_checksum += 1;
        return XDP_PASS;
    }
    if cpus.redirect(cpu, u64::from(XDP_PASS)).is_ok() {
        counters.redirected += 1;
        XDP_REDIRECT
    } else {
        counters.no_cpu += 1;
        XDP_PASS
    }
}
