//! The bounds-checked view of a frame that the verifier follows.

use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::{TcContext, XdpContext};
use boxcar_ebpf_abi::packet::{Head, PLAIN, View};
use core::arch::asm;

/// A frame: the part that can be read directly, and the length of the whole.
pub struct Packet {
    start: usize,
    end: usize,
    length: usize,
}

impl Packet {
    /// The frame of an XDP program.
    #[inline(always)]
    pub fn received(ctx: &XdpContext) -> Self {
        // SAFETY: the context is the one that the kernel handed in.
        let length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) };
        Self { start: ctx.data(), end: ctx.data_end(), length: length as usize }
    }

    /// The frame of a tc program.
    #[inline(always)]
    pub fn sent(ctx: &TcContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end(), length: ctx.len() as usize }
    }
}

impl View for Packet {
    #[inline(always)]
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let start = self.start + at;
        if start + N > self.end {
            return None;
        }
        // SAFETY: the bytes lie before the end of the frame.
        Some(unsafe { *(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.length
    }
}

/// The first bytes of a frame, known to exist. Headers are not aligned; the kernel's machine reads words at any address where
/// its processor does (x86-64 and aarch64 do), but the language's pointers do not say so: hence the instructions by name.
pub struct Start {
    start: usize,
    end: usize,
    /// Length of the whole frame where that is more than what can be read.
    length: Option<usize>,
}

impl Start {
    /// The frame of an XDP program, if it is long enough.
    #[inline(always)]
    pub fn received(ctx: &XdpContext) -> Option<Self> {
        Self::new(ctx.data(), ctx.data_end(), None)
    }

    /// The frame of a tc program, if it is long enough. The kernel's TCP keeps payload that it sends in pages of its own, out of reach.
    #[inline(always)]
    pub fn sent(ctx: &TcContext) -> Option<Self> {
        Self::new(ctx.data(), ctx.data_end(), Some(ctx.len() as usize))
    }

    #[inline(always)]
    fn new(start: usize, end: usize, length: Option<usize>) -> Option<Self> {
        (start + PLAIN <= end).then_some(Self { start, end, length })
    }
}

/// One load at a constant offset.
macro_rules! load {
    ($size:literal, $self:ident, $at:ident) => {{
        let value: u64;
        // SAFETY: the bytes lie within the first PLAIN, which exist.
        unsafe {
            asm!(
                concat!("{value} = *(", $size, " *)({start} + {at})"),
                value = lateout(reg) value,
                start = in(reg) $self.start,
                at = const $at,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        value
    }};
}

impl Head for Start {
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        const { assert!(AT < PLAIN) };
        load!("u8", self, AT) as u8
    }

    #[inline(always)]
    fn half<const AT: usize>(&self) -> u16 {
        const { assert!(AT + 2 <= PLAIN) };
        load!("u16", self, AT) as u16
    }

    #[inline(always)]
    fn word<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= PLAIN) };
        load!("u32", self, AT) as u32
    }

    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        match self.length {
            Some(length) => bytes <= length,
            // At most what 16 bits say and a header: the verifier wants to see a bound.
            None => self.start + (bytes & 0x1_ffff) <= self.end,
        }
    }
}
