//! The bounds-checked view of a frame that the verifier follows.

use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::{TcContext, XdpContext};
use boxcar_ebpf_abi::packet::View;

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
