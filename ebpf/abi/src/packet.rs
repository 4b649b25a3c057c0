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

/// Bytes of the headers that most frames begin with: Ethernet without tags, IPv4 without options, the fixed part of TCP.
pub const PLAIN: usize = 54;

/// The first [`PLAIN`] bytes of a frame that has as many, read by words. Offsets are constants, so that a reader can refuse
/// at build time what lies outside.
pub trait Head {
    /// One byte.
    fn byte<const AT: usize>(&self) -> u8;
    /// Two bytes as they lie in memory.
    fn half<const AT: usize>(&self) -> u16;
    /// Four bytes as they lie in memory.
    fn word<const AT: usize>(&self) -> u32;
    /// Whether the frame has `bytes` bytes, readable here or not.
    fn holds(&self, bytes: usize) -> bool;
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
    let found = match kind {
        TYPE_IPV4 => ipv4(view, at),
        TYPE_IPV6 => ipv6(view, at),
        _ => Err(Odd::Other),
    };
    match found {
        Ok(packet) => tcp(view, &packet),
        Err(Odd::Fragment) => Frame::Fragment,
        Err(Odd::Other) => Frame::Other,
        Err(Odd::Malformed) => Frame::Malformed,
    }
}

/// A packet that carries a TCP segment, as its IP headers say.
struct Packet {
    source: Address,
    destination: Address,
    /// Where TCP's header begins in the frame.
    at: usize,
    /// Length of TCP's header and payload.
    length: usize,
}

/// What has no TCP segment to read, as [`Frame`] names it.
enum Odd {
    Fragment,
    Other,
    Malformed,
}

/// Reads a whole TCP segment behind plain headers, which is what nearly every frame is. `None` says nothing about the frame
/// but that [`parse`] has to look at it; what this finds, [`parse`] would find as well.
#[inline(always)]
pub fn plain(head: &impl Head) -> Option<Segment> {
    // The type, and version and length of the IP header; the rest of the word is the type of service.
    let is_ipv4 = head.word::<12>() & 0xffff_ff00_u32.to_be() == 0x0800_4500_u32.to_be();
    // No fragment, and TCP; between them stands the time to live.
    let is_tcp = head.word::<20>() & 0x3fff_00ff_u32.to_be() == u32::from(PROTOCOL_TCP).to_be();
    if !is_ipv4 || !is_tcp {
        return None;
    }
    let total = usize::from(u16::from_be(head.half::<16>()));
    let tcp_header = usize::from(head.byte::<46>() >> 4) * 4;
    if tcp_header < 20 || total < 20 + tcp_header || !head.holds(ETHERNET + total) {
        return None;
    }
    let tcp_length = total as u32 - 20;
    Some(Segment {
        source: Address::v4_word(head.word::<26>()),
        destination: Address::v4_word(head.word::<30>()),
        source_port: u16::from_be(head.half::<34>()),
        destination_port: u16::from_be(head.half::<36>()),
        sequence: u32::from_be(head.word::<38>()),
        acknowledgment: u32::from_be(head.word::<42>()),
        flags: head.byte::<47>(),
        checksum: u16::from_be(head.half::<50>()),
        tcp_length,
        payload: tcp_length - tcp_header as u32,
    })
}

#[inline(always)]
fn be16(view: &impl View, at: usize) -> Option<u16> {
    view.read::<2>(at).map(u16::from_be_bytes)
}

#[inline(always)]
fn ipv4(view: &impl View, at: usize) -> Result<Packet, Odd> {
    let Some(header) = view.read::<20>(at) else { return Err(Odd::Malformed) };
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_length < 20 {
        return Err(Odd::Malformed);
    }
    if header[9] != PROTOCOL_TCP {
        return Err(Odd::Other);
    }
    // More fragments follow, or this is not the first.
    if (header[6] & 0x3f) | header[7] != 0 {
        return Err(Odd::Fragment);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let length = inside(view, at, total).and_then(|length| length.checked_sub(header_length));
    let Some(length) = length else { return Err(Odd::Malformed) };
    let source = Address::v4([header[12], header[13], header[14], header[15]]);
    let destination = Address::v4([header[16], header[17], header[18], header[19]]);
    Ok(Packet { source, destination, at: at + header_length, length })
}

#[inline(always)]
fn ipv6(view: &impl View, at: usize) -> Result<Packet, Odd> {
    let (Some(header), Some(source), Some(destination)) =
        (view.read::<8>(at), view.read::<16>(at + 8), view.read::<16>(at + 24))
    else {
        return Err(Odd::Malformed);
    };
    if header[0] >> 4 != 6 {
        return Err(Odd::Malformed);
    }
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let total = if payload == 0 { 0 } else { payload + 40 };
    let Some(length) = inside(view, at, total) else { return Err(Odd::Malformed) };
    let (source, destination) = (Address::v6(source), Address::v6(destination));
    let mut next = header[6];
    let mut header_length = 40;
    for _ in 0..EXTENSIONS_MAX {
        if next == PROTOCOL_TCP {
            let Some(length) = length.checked_sub(header_length) else { return Err(Odd::Malformed) };
            return Ok(Packet { source, destination, at: at + header_length, length });
        }
        if !matches!(next, 0 | 43 | 44 | 51 | 60) {
            return Err(Odd::Other);
        }
        let Some(extension) = view.read::<4>(at + header_length) else { return Err(Odd::Malformed) };
        let units = usize::from(extension[1]);
        header_length += match next {
            // A fragment that is the whole packet is none.
            44 if extension[2] | (extension[3] & 0xf9) == 0 => 8,
            44 if extension[0] == PROTOCOL_TCP => return Err(Odd::Fragment),
            44 => return Err(Odd::Other),
            // A routing header with segments left: the destination is not the last one.
            43 if extension[3] != 0 => return Err(Odd::Other),
            51 => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        next = extension[0];
    }
    Err(Odd::Other)
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
fn tcp(view: &impl View, packet: &Packet) -> Frame {
    let &Packet { source, destination, at, length } = packet;
    let Some(header) = view.read::<20>(at) else { return Frame::Malformed };
    let tcp_header = usize::from(header[12] >> 4) * 4;
    if tcp_header < 20 || tcp_header > length {
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
        tcp_length: length as u32,
        payload: (length - tcp_header) as u32,
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
