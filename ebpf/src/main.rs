//! Boxcar's kernel-side programs.
//!
//! | program | kind | what it does |
//! |---|---|---|
//! | `steer`, `steer_frags` | XDP | counts every frame, guards, stamps requests, sends frames to the CPU of their I/O thread |
//! | `select` | sk_reuseport | gives a new connection to that I/O thread's listening socket |
//! | `probe_out`, `probe_out_any` | tc, egress | matches replies with stamped requests and fills the histograms |
//!
//! None of them changes a frame, and none drops one that is not for this server: what they do not understand, they count
//! and pass.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod guard;
mod kernel;
mod log;
mod maps;
mod probe;
mod select;
mod steer;
mod view;

use aya_ebpf::macros::{classifier, sk_reuseport, xdp};
use aya_ebpf::programs::{SkReuseportContext, TcContext, XdpContext};
use kernel::grow_stack;

/// See [`steer`].
#[xdp]
pub fn steer(ctx: XdpContext) -> u32 {
    steer::steer::<false>(&ctx)
}

/// The same for drivers whose frames lie in several buffers (jumbo frames). Not for generic mode: there, a kernel that
/// copies a frame for such a program hands it on without its headers when it is redirected (seen with Linux 6.18).
#[xdp(frags)]
pub fn steer_frags(ctx: XdpContext) -> u32 {
    steer::steer::<true>(&ctx)
}

/// See [`probe`].
#[classifier]
pub fn probe_out(ctx: TcContext) -> i32 {
    probe::outgoing(&ctx);
    // TCX_NEXT, and TC_ACT_UNSPEC: whoever comes next decides.
    -1
}

/// Goes on with what `probe_out` leaves. A program of its own, which is never attached: `probe_out` ends by jumping here.
#[classifier]
pub fn probe_out_any(ctx: TcContext) -> i32 {
    grow_stack();
    probe::outgoing_any(&ctx);
    -1
}

/// See [`select`].
#[sk_reuseport]
pub fn select(ctx: SkReuseportContext) -> u32 {
    select::select(&ctx)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// No helper in use asks for a licence compatible with the kernel's.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";
