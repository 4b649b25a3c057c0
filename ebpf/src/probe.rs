//! The wire's own view of latency: from the first frame of a request to the first frame of its reply.
//!
//! One request of a connection is under measurement at a time. What would measure something else is counted and not
//! measured: a request that was sent twice, a reply that was sent twice, a message that no request asked for.

use crate::kernel::{exchange, masked, now};
use crate::log;
use crate::maps::{FLOWS, LATENCY, LATENCY_FINE, SETTINGS, WAYS_OUT, counters, is_own};
use crate::view::{Packet, Start};
use aya_ebpf::programs::{TcContext, XdpContext};
use boxcar_ebpf_abi::histogram::bucket;
use boxcar_ebpf_abi::layout::{Counters, Settings, class};
use boxcar_ebpf_abi::packet::{FIN, Frame, RST, SYN, Segment, parse, plain};
use boxcar_ebpf_abi::table::{Entered, Flow, FlowKey, FlowSet, Received, Sent};

/// The set of a connection.
#[inline(always)]
fn set(key: &FlowKey) -> Option<&'static mut FlowSet> {
    // SAFETY: an element of an array lives as long as the program. Two CPUs may be at one set; `table` says why that is
    // harmless.
    FLOWS.get_ptr_mut(key.set()).map(|set| unsafe { &mut *set })
}

/// The connection, if it can be found at once.
#[inline(always)]
fn near(key: &FlowKey) -> Option<&'static mut Flow> {
    set(key)?.at_home(key)
}

/// The connection, wherever it is.
#[inline(always)]
fn anywhere(key: &FlowKey) -> Option<&'static mut Flow> {
    set(key)?.find(key)
}

/// Whether a connection begins or is aborted.
#[inline(always)]
pub fn is_turn(segment: &Segment) -> bool {
    segment.flags & (RST | SYN) != 0
}

/// Payload for this server came in: false, and nothing is done, when its connection cannot be found at once.
#[inline(always)]
pub fn known(counters: &mut Counters, segment: &Segment, key: &FlowKey) -> bool {
    let Some(flow) = near(key) else { return false };
    received(counters, segment, key, flow);
    true
}

#[inline(always)]
fn received(counters: &mut Counters, segment: &Segment, key: &FlowKey, flow: &mut Flow) {
    match flow.receive(segment, key.hash, now) {
        Received::Stamped => counters.probe_stamped += 1,
        Received::Joined => counters.probe_joined += 1,
        Received::Retransmitted => counters.probe_retransmitted += 1,
    }
}

/// Any segment for this server came in.
#[inline(always)]
pub fn incoming(ctx: &XdpContext, counters: &mut Counters, segment: &Segment, key: &FlowKey) {
    if is_turn(segment) {
        // An older connection of the same four numbers is over.
        if let Some(flow) = anywhere(key) {
            flow.forget();
        }
    } else if segment.payload != 0 {
        match anywhere(key) {
            Some(flow) => received(counters, segment, key, flow),
            None => enter(ctx, counters, segment, key),
        }
    }
}

/// A connection's first request.
#[inline(always)]
fn enter(ctx: &XdpContext, counters: &mut Counters, segment: &Segment, key: &FlowKey) {
    let Some(set) = set(key) else { return };
    match set.enter(key, segment, now(), exchange) {
        Entered::Free => counters.probe_entered += 1,
        Entered::Displaced => {
            counters.probe_entered += 1;
            counters.probe_displaced += 1;
            log::displaced(ctx, key.set());
        }
        Entered::Refused => {
            counters.probe_refused += 1;
            return;
        }
    }
    counters.probe_stamped += 1;
}

/// A frame goes out. What the short way does not take goes on in [`outgoing_any`].
#[inline(always)]
pub fn outgoing(ctx: &TcContext) {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return };
    if settings.probe == 0 {
        return;
    }
    let is_done = Start::sent(ctx)
        .and_then(|start| plain(&start))
        .is_some_and(|segment| short(ctx, settings, counters, &segment));
    if !is_done {
        // SAFETY: nothing here waits to be dropped. The loader has filled the map before it attaches this program.
        unsafe { WAYS_OUT.tail_call(ctx, 0) };
    }
}

/// The short way of most frames, as in `steer`: false, and nothing is done, when this is none of them.
#[inline(always)]
fn short(ctx: &TcContext, settings: &Settings, counters: &mut Counters, segment: &Segment) -> bool {
    if !settings.is_port(segment.source_port) {
        counters.out_foreign += 1;
        return true;
    }
    if !settings.is_near(&segment.source) || segment.flags & (FIN | RST) != 0 {
        return false;
    }
    if segment.payload == 0 {
        return true;
    }
    let key = FlowKey::sent(segment);
    let Some(flow) = near(&key) else { return false };
    sent(ctx, counters, segment, &key, flow);
    true
}

/// Payload of this server goes out.
#[inline(always)]
fn sent(ctx: &TcContext, counters: &mut Counters, segment: &Segment, key: &FlowKey, flow: &mut Flow) {
    match flow.send(segment, key.hash) {
        Sent::Reply(stamp_ns) => measured(ctx, counters, segment.payload, stamp_ns),
        Sent::Unasked => counters.probe_unstamped += 1,
        Sent::Again => counters.probe_resent += 1,
    }
}

/// The same for any frame.
#[inline(always)]
pub fn outgoing_any(ctx: &TcContext) {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return };
    let Frame::Tcp(segment) = parse(&Packet::sent(ctx)) else {
        counters.out_foreign += 1;
        return;
    };
    if !settings.is_port(segment.source_port) || !is_own(settings, &segment.source) {
        counters.out_foreign += 1;
        return;
    }
    let key = FlowKey::sent(&segment);
    let Some(flow) = anywhere(&key) else {
        counters.probe_lost += u64::from(segment.payload != 0);
        return;
    };
    if segment.payload != 0 {
        sent(ctx, counters, &segment, &key, flow);
    }
    if segment.flags & (FIN | RST) != 0 {
        flow.forget();
    }
}

#[inline(always)]
fn measured(ctx: &TcContext, counters: &mut Counters, payload: u32, stamp_ns: u64) {
    counters.probe_matched += 1;
    // Clocks of two CPUs may differ by a little.
    let nanos = sent_at(ctx).saturating_sub(stamp_ns);
    let (class, bucket) = (class(payload), masked::<1023>(bucket(nanos)));
    if let Some(latency) = LATENCY.get_ptr_mut(class) {
        // SAFETY: this CPU's element; see `counters`.
        unsafe { &mut *latency }.record(nanos, bucket);
    }
    if let Some(buckets) = LATENCY_FINE.get_ptr_mut(class) {
        // SAFETY: as above.
        let buckets = unsafe { &mut *buckets };
        if let Some(count) = buckets.counts.get_mut(bucket) {
            *count += 1;
        }
    }
}

/// When the frame goes out: the time that TCP has written on it, which is cheaper than the clock. TCP reads the same clock for each round of
/// sending (again for what it sends again), about a microsecond before the frame is here. Where it paces a connection, the time
/// is when the frame is due to leave, which may lie ahead. The clock, when there is no such time.
#[inline(always)]
fn sent_at(ctx: &TcContext) -> u64 {
    const MONOTONIC: u8 = 1;
    let frame = ctx.skb.skb;
    // SAFETY: the context is the one that the kernel handed in. Volatile: the verifier takes loads of these fields only as they are.
    let (at, clock) = unsafe {
        ((&raw const (*frame).tstamp).read_volatile(), (&raw const (*frame).tstamp_type).read_volatile())
    };
    if clock == MONOTONIC { at } else { now() }
}
