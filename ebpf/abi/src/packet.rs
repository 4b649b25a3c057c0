//! From a frame to a TCP segment.
//!
//! Ethernet with up to two VLAN tags, IPv4 with options, IPv6 with extension headers. Whatever is not understood is named, so
//! that the caller can count it and let it pass.

use crate::layout::Address;

/// A frame whose bytes may be read only where there are some.
pub trait View {
    /// `N` bytes at offset `at`, if they all exist and lie in the part that can be read directly.
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]>;
    /// Length of the whole frame in bytes, including parts that [`read`](View::read) does not reach.
    fn length(&self) -> usize;
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole TCP segment for its last destination.
    Tcp(Segment),
    /// A part of a TCP segment: it has no ports, or not all of its payload.
    Fragment,
    /// Something else: ARP, UDP, an unknown extension header, a source-routed packet on its way.
    Other,
    /// Shorter than its own headers say, or with lengths that contradict each other.
    Malformed,
}

/// A TCP segment and the addresses around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
    /// Sequence number of the first payload byte (of the SYN or FIN itself when there is none).
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Flag bits: [`FIN`], [`SYN`], [`RST`], [`ACK`].
    pub flags: u8,
    /// The checksum field.
    pub checksum: u16,
    /// Length of TCP header and payload, bytes.
    pub tcp_length: u32,
    /// Length of the payload, bytes.
    pub payload: u32,
}

/// TCP flag: no more data.
pub const FIN: u8 = 0x01;
/// TCP flag: open.
pub const SYN: u8 = 0x02;
/// TCP flag: abort.
pub const RST: u8 = 0x04;
/// TCP flag: the acknowledgment number holds.
pub const ACK: u8 = 0x10;

const ETHERNET: usize = 14;
const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86dd;
const TYPE_VLAN: u16 = 0x8100;
const TYPE_QINQ: u16 = 0x88a8;
const PROTOCOL_TCP: u8 = 6;
/// Extension headers that are followed; packets of more are passed over as [`Frame::Other`].
const EXTENSIONS_MAX: usize = 6;

/// Reads a frame that begins with an Ethernet header.
#[inline(always)]
pub fn parse(view: &impl View) -> Frame {
    let Some(mut kind) = be16(view, ETHERNET - 2) else { return Frame::Malformed };
    let mut at = ETHERNET;
    for _ in 0..2 {
        if kind != TYPE_VLAN && kind != TYPE_QINQ {
            break;
        }
        let Some(inner) = be16(view, at + 2) else { return Frame::Malformed };
        kind = inner;
        at += 4;
    }
    match kind {
        TYPE_IPV4 => ipv4(view, at),
        TYPE_IPV6 => ipv6(view, at),
        _ => Frame::Other,
    }
}

#[inline(always)]
fn be16(view: &impl View, at: usize) -> Option<u16> {
    view.read::<2>(at).map(u16::from_be_bytes)
}

#[inline(always)]
fn ipv4(view: &impl View, at: usize) -> Frame {
    let Some(header) = view.read::<20>(at) else { return Frame::Malformed };
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_length < 20 {
        return Frame::Malformed;
    }
    if header[9] != PROTOCOL_TCP {
        return Frame::Other;
    }
    // More fragments follow, or this is not the first.
    if (header[6] & 0x3f) | header[7] != 0 {
        return Frame::Fragment;
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let Some(length) = inside(view, at, total) else { return Frame::Malformed };
    let source = Address::v4([header[12], header[13], header[14], header[15]]);
    let destination = Address::v4([header[16], header[17], header[18], header[19]]);
    tcp(view, at, header_length, length, source, destination)
}

#[inline(always)]
fn ipv6(view: &impl View, at: usize) -> Frame {
    let Some(header) = view.read::<40>(at) else { return Frame::Malformed };
    if header[0] >> 4 != 6 {
        return Frame::Malformed;
    }
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let total = if payload == 0 { 0 } else { payload + 40 };
    let Some(length) = inside(view, at, total) else { return Frame::Malformed };
    let mut next = header[6];
    let mut header_length = 40;
    for _ in 0..EXTENSIONS_MAX {
        if next == PROTOCOL_TCP {
            let (source, destination) = v6_addresses(&header);
            return tcp(view, at, header_length, length, source, destination);
        }
        if !matches!(next, 0 | 43 | 44 | 51 | 60) {
            return Frame::Other;
        }
        let Some(extension) = view.read::<4>(at + header_length) else { return Frame::Malformed };
        let units = usize::from(extension[1]);
        header_length += match next {
            // A fragment that is the whole packet is none.
            44 if extension[2] | (extension[3] & 0xf9) == 0 => 8,
            44 if extension[0] == PROTOCOL_TCP => return Frame::Fragment,
            44 => return Frame::Other,
            // A routing header with segments left: the destination is not the last one.
            43 if extension[3] != 0 => return Frame::Other,
            51 => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        next = extension[0];
    }
    Frame::Other
}

#[inline(always)]
fn v6_addresses(header: &[u8; 40]) -> (Address, Address) {
    let mut source = [0; 16];
    let mut destination = [0; 16];
    source.copy_from_slice(&header[8..24]);
    destination.copy_from_slice(&header[24..40]);
    (Address::v6(source), Address::v6(destination))
}

/// The length of the IP packet at `at`: what its header says (`total`, 0 when it is too large to say so), when the frame
/// holds as much. A short frame is padded, so that it may hold more.
#[inline(always)]
fn inside(view: &impl View, at: usize, total: usize) -> Option<usize> {
    let held = view.length().checked_sub(at)?;
    match total {
        0 => (held > usize::from(u16::MAX)).then_some(held),
        _ => (total <= held).then_some(total),
    }
}

#[inline(always)]
fn tcp(
    view: &impl View,
    at: usize,
    header_length: usize,
    length: usize,
    source: Address,
    destination: Address,
) -> Frame {
    let Some(header) = view.read::<20>(at + header_length) else { return Frame::Malformed };
    let tcp_header = usize::from(header[12] >> 4) * 4;
    let Some(tcp_length) = length.checked_sub(header_length) else { return Frame::Malformed };
    if tcp_header < 20 || tcp_header > tcp_length {
        return Frame::Malformed;
    }
    Frame::Tcp(Segment {
        source,
        destination,
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: header[13],
        checksum: u16::from_be_bytes([header[16], header[17]]),
        tcp_length: tcp_length as u32,
        payload: (tcp_length - tcp_header) as u32,
    })
}

impl Segment {
    /// Whether the checksum is still to be filled in by hardware: then the field holds the sum over the pseudo header alone.
    /// A complete checksum looks like that once in 65,536 times.
    #[inline(always)]
    pub fn is_partial(&self) -> bool {
        // Both forms of an IPv4 address in its mapped form add 0xffff, which is nothing in this arithmetic.
        let sum =
            self.source.sum() + self.destination.sum() + u64::from(PROTOCOL_TCP) + u64::from(self.tcp_length);
        fold(sum) == self.checksum
    }

    /// The sequence number after the payload.
    #[inline(always)]
    pub fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.payload)
    }
}

/// A sum of 16-bit words with its carries added in again (RFC 1071), not inverted.
#[inline(always)]
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests;
