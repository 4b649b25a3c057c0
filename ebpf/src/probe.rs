//! The wire's own view of latency: from the first frame of a request to the first frame of its reply.
//!
//! One request of a connection is under measurement at a time. What would measure something else is counted and not
//! measured: a request that was sent twice, a reply that was sent twice, a message that no request asked for.

use crate::kernel::now;
use crate::maps::{FLOWS, LATENCY, LATENCY_FINE, SETTINGS, counters, is_own, is_port};
use crate::view::Packet;
use aya_ebpf::programs::TcContext;
use boxcar_ebpf_abi::histogram::bucket;
use boxcar_ebpf_abi::layout::{Counters, Flow, FlowKey, class, request};
use boxcar_ebpf_abi::packet::{FIN, Frame, RST, Segment, parse};

/// Whether sequence number `a` comes before `b`.
#[inline(always)]
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// A segment for this server came in.
#[inline(always)]
pub fn incoming(counters: &mut Counters, segment: &Segment) {
    let key = FlowKey {
        client: segment.source,
        server: segment.destination,
        client_port: segment.source_port,
        server_port: segment.destination_port,
    };
    if segment.flags & RST != 0 {
        let _not_there = FLOWS.remove(key);
        return;
    }
    if segment.payload == 0 {
        return;
    }
    let now = now();
    let Some(flow) = FLOWS.get_ptr_mut(key) else {
        let flow = Flow {
            stamp_ns: now,
            request: request(segment.end(), now),
            received_end: segment.end(),
            ..Flow::default()
        };
        if FLOWS.insert(key, flow, 0).is_ok() {
            counters.probe_entered += 1;
            counters.probe_stamped += 1;
        } else {
            counters.probe_refused += 1;
        }
        return;
    };
    // SAFETY: the element stays readable and writable for this run of the program. The frames of one connection come in
    // on one CPU; what the way out shares, it may see in any order (see `request`).
    let flow = unsafe { &mut *flow };
    if before(segment.sequence, flow.received_end) {
        // Which of the two copies a reply would answer, nobody knows.
        counters.probe_retransmitted += 1;
        write(&mut flow.stamp_ns, 0);
        return;
    }
    flow.received_end = segment.end();
    if read(&flow.stamp_ns) != 0 {
        counters.probe_joined += 1;
        return;
    }
    // Nobody else writes the stamp while it is 0.
    write(&mut flow.request, request(segment.end(), now));
    write(&mut flow.stamp_ns, now);
    counters.probe_stamped += 1;
}

/// One load, which another CPU's store may come before or after.
#[inline(always)]
fn read(word: &u64) -> u64 {
    // SAFETY: a reference is valid and aligned.
    unsafe { core::ptr::read_volatile(word) }
}

/// One store.
#[inline(always)]
fn write(word: &mut u64, value: u64) {
    // SAFETY: a reference is valid and aligned.
    unsafe { core::ptr::write_volatile(word, value) };
}

/// A frame goes out.
#[inline(always)]
pub fn outgoing(ctx: &TcContext) {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return };
    if settings.probe == 0 {
        return;
    }
    match parse(&Packet::sent(ctx)) {
        Frame::Tcp(segment) if is_port(settings, segment.source_port) && is_own(&segment.source) => {
            reply(counters, &segment);
        }
        _ => counters.out_foreign += 1,
    }
}

#[inline(always)]
fn reply(counters: &mut Counters, segment: &Segment) {
    let key = FlowKey {
        client: segment.destination,
        server: segment.source,
        client_port: segment.destination_port,
        server_port: segment.source_port,
    };
    if segment.payload > 0 {
        match FLOWS.get_ptr_mut(key) {
            // SAFETY: as in `incoming`. What a connection sends is sent by one CPU at a time, under its socket's lock.
            Some(flow) => matched(counters, unsafe { &mut *flow }, segment),
            None => counters.probe_lost += 1,
        }
    }
    if segment.flags & (FIN | RST) != 0 {
        let _not_there = FLOWS.remove(key);
    }
}

#[inline(always)]
fn matched(counters: &mut Counters, flow: &mut Flow, segment: &Segment) {
    let sent_before = flow.has_sent != 0 && before(segment.sequence, flow.sent_end);
    if !sent_before {
        flow.sent_end = segment.end();
        flow.has_sent = 1;
    }
    let (stamp_ns, expected) = (read(&flow.stamp_ns), read(&flow.request));
    // No request is open, or the stamp is being written, or this was sent before the server had the request.
    let is_reply = stamp_ns != 0
        && expected == request((expected >> 32) as u32, stamp_ns)
        && !before(segment.acknowledgment, (expected >> 32) as u32);
    if sent_before || !is_reply {
        counters.probe_unstamped += 1;
        return;
    }
    write(&mut flow.stamp_ns, 0);
    counters.probe_matched += 1;
    // Clocks of two CPUs may differ by a little.
    let nanos = now().saturating_sub(stamp_ns);
    let class = class(segment.payload);
    if let Some(latency) = LATENCY.get_ptr_mut(class) {
        // SAFETY: this CPU's element; see `counters`.
        unsafe { &mut *latency }.record(nanos);
    }
    if let Some(buckets) = LATENCY_FINE.get_ptr_mut(class) {
        // SAFETY: as above.
        let buckets = unsafe { &mut *buckets };
        if let Some(count) = buckets.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
    }
}
