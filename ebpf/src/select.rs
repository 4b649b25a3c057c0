//! sk_reuseport: which listening socket a new connection goes to.

use crate::kernel::this_cpu;
use crate::maps::{CPU_THREADS, LISTENERS, SETTINGS, counters};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_hdr_start_off::BPF_HDR_START_NET;
use aya_ebpf::bindings::sk_action::SK_PASS;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes_relative;
use aya_ebpf::programs::SkReuseportContext;
use boxcar_ebpf_abi::flow::{hash, spread};
use boxcar_ebpf_abi::layout::{Address, GROUPS_MAX, STEER_CPU, STEER_QUEUE, Settings, THREADS_MAX};

/// Always lets the connection in; when it names no socket, the kernel chooses as it would without this program.
#[inline(always)]
pub fn select(ctx: &SkReuseportContext) -> u32 {
    let (Some(settings), Some(counters)) = (SETTINGS.get(0), counters()) else { return SK_PASS };
    if let Some(thread) = thread(ctx, settings) {
        // A socket of another address is refused by the kernel: the connection's own group is found by trying.
        for group in 0..GROUPS_MAX as u32 {
            if LISTENERS.select_reuseport(ctx, group * THREADS_MAX as u32 + thread).is_ok() {
                counters.selected += 1;
                return SK_PASS;
            }
        }
    }
    counters.unselected += 1;
    SK_PASS
}

#[inline(always)]
fn thread(ctx: &SkReuseportContext, settings: &Settings) -> Option<u32> {
    match settings.steering {
        STEER_CPU => Some(spread(hash_of(ctx)?, settings.threads)),
        STEER_QUEUE => {
            let thread = *CPU_THREADS.get(this_cpu())?;
            (thread < settings.threads).then_some(thread)
        }
        _ => None,
    }
    .filter(|&thread| thread < THREADS_MAX as u32)
}

/// The hash that `steer` takes of the same connection.
#[inline(always)]
fn hash_of(ctx: &SkReuseportContext) -> Option<u32> {
    let start = ctx.data();
    if start + 4 > ctx.data_end() {
        return None;
    }
    // SAFETY: the four bytes lie before the end. The data begin with the TCP header.
    let ports = unsafe { *(start as *const [u8; 4]) };
    let kind = u16::from_be(ctx.eth_protocol() as u16);
    let (source, destination) = match kind {
        0x0800 => {
            let [a, b, c, d, e, f, g, h] = network_bytes::<8>(ctx, 12)?;
            (Address::v4([a, b, c, d]), Address::v4([e, f, g, h]))
        }
        0x86dd => {
            let both = network_bytes::<32>(ctx, 8)?;
            let (mut source, mut destination) = ([0; 16], [0; 16]);
            source.copy_from_slice(&both[..16]);
            destination.copy_from_slice(&both[16..]);
            (Address::v6(source), Address::v6(destination))
        }
        _ => return None,
    };
    let [a, b, c, d] = ports;
    Some(hash(&source, &destination, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// Bytes of the IP header.
#[inline(always)]
fn network_bytes<const N: usize>(ctx: &SkReuseportContext, at: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the buffer is as long as said.
    let failed = unsafe {
        bpf_skb_load_bytes_relative(
            ctx.as_ptr().cast(),
            at,
            bytes.as_mut_ptr().cast(),
            N as u32,
            BPF_HDR_START_NET,
        )
    };
    (failed == 0).then_some(bytes)
}
