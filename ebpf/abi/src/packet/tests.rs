//! Frames of every shape, well-formed and not.

extern crate std;

use super::*;
use std::vec;
use std::vec::Vec;

struct Bytes<'a>(&'a [u8]);

impl View for Bytes<'_> {
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn length(&self) -> usize {
        self.0.len()
    }
}

impl Head for Bytes<'_> {
    fn byte<const AT: usize>(&self) -> u8 {
        self.0[AT]
    }

    fn half<const AT: usize>(&self) -> u16 {
        u16::from_ne_bytes([self.0[AT], self.0[AT + 1]])
    }

    fn word<const AT: usize>(&self) -> u32 {
        u32::from_ne_bytes([self.0[AT], self.0[AT + 1], self.0[AT + 2], self.0[AT + 3]])
    }

    fn holds(&self, bytes: usize) -> bool {
        bytes <= self.0.len()
    }
}

/// What the programs ask first.
fn read_plain(frame: &[u8]) -> Option<Segment> {
    if frame.len() < PLAIN { None } else { plain(&Bytes(frame)) }
}

fn parsed(frame: &[u8]) -> Frame {
    parse(&Bytes(frame))
}

fn ethernet(tags: &[u16], kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 42]);
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

fn tcp_bytes(words_of_options: u8, payload: usize) -> Vec<u8> {
    let mut tcp = vec![0; 20 + usize::from(words_of_options) * 4 + payload];
    tcp[..4].copy_from_slice(&[0xc3, 0x50, 0x18, 0xeb]);
    tcp[4..8].copy_from_slice(&7u32.to_be_bytes());
    tcp[8..12].copy_from_slice(&9u32.to_be_bytes());
    tcp[12] = (5 + words_of_options) << 4;
    tcp[13] = ACK;
    tcp
}

fn v4(words_of_options: u8, tcp: &[u8]) -> Vec<u8> {
    let header = 20 + usize::from(words_of_options) * 4;
    let mut packet = vec![0; header];
    packet[0] = 0x45 + words_of_options;
    packet[2..4].copy_from_slice(&((header + tcp.len()) as u16).to_be_bytes());
    packet[9] = PROTOCOL_TCP;
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(tcp);
    packet
}

/// Each extension: its own type, and its bytes with the next type filled in.
fn v6(extensions: &[(u8, Vec<u8>)], tcp: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[8..24].copy_from_slice(&[1; 16]);
    packet[24..40].copy_from_slice(&[2; 16]);
    packet[6] = extensions.first().map_or(PROTOCOL_TCP, |(kind, _)| *kind);
    for (i, (_, bytes)) in extensions.iter().enumerate() {
        let mut bytes = bytes.clone();
        bytes[0] = extensions.get(i + 1).map_or(PROTOCOL_TCP, |(kind, _)| *kind);
        packet.extend(bytes);
    }
    packet.extend(tcp);
    let length = (packet.len() - 40) as u16;
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    packet
}

fn segment(frame: &[u8]) -> Segment {
    match parsed(frame) {
        Frame::Tcp(segment) => segment,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plain_ipv4() {
    let found = segment(&ethernet(&[], TYPE_IPV4, &v4(0, &tcp_bytes(0, 33))));
    assert_eq!(found.source, Address::v4([10, 0, 0, 1]));
    assert_eq!(found.destination, Address::v4([10, 0, 0, 2]));
    assert_eq!((found.source_port, found.destination_port), (50_000, 6379));
    assert_eq!((found.sequence, found.acknowledgment, found.flags), (7, 9, ACK));
    assert_eq!((found.payload, found.tcp_length, found.end()), (33, 53, 40));
}

#[test]
fn what_is_plain_is_read_alike_and_nothing_else_is() {
    for options in 0..=10 {
        for payload in [0, 1, 1400] {
            let frame = ethernet(&[], TYPE_IPV4, &v4(0, &tcp_bytes(options, payload)));
            assert_eq!(read_plain(&frame), Some(segment(&frame)));
        }
    }
    let mut padded = ethernet(&[], TYPE_IPV4, &v4(0, &tcp_bytes(0, 0)));
    padded[15] = 0xff;
    padded.resize(60, 9);
    assert_eq!(read_plain(&padded), Some(segment(&padded)), "padding, and a type of service");
    let tcp = tcp_bytes(0, 20);
    for other in [
        ethernet(&[TYPE_VLAN], TYPE_IPV4, &v4(0, &tcp)),
        ethernet(&[], TYPE_IPV4, &v4(1, &tcp)),
        ethernet(&[], TYPE_IPV6, &v6(&[], &tcp)),
    ] {
        assert_eq!(read_plain(&other), None);
    }
}

#[test]
fn tags_and_options_are_stepped_over() {
    for tags in [&[][..], &[TYPE_VLAN], &[TYPE_QINQ, TYPE_VLAN]] {
        for ip in 0..=10 {
            for tcp in 0..=10 {
                let found = segment(&ethernet(tags, TYPE_IPV4, &v4(ip, &tcp_bytes(tcp, 5))));
                assert_eq!((found.destination_port, found.payload), (6379, 5));
            }
        }
    }
    let three = ethernet(&[TYPE_QINQ, TYPE_VLAN, TYPE_VLAN], TYPE_IPV4, &v4(0, &tcp_bytes(0, 5)));
    assert_eq!(parsed(&three), Frame::Other);
}

#[test]
fn padding_is_no_payload() {
    let mut frame = ethernet(&[], TYPE_IPV4, &v4(0, &tcp_bytes(0, 0)));
    frame.resize(60, 0);
    assert_eq!(segment(&frame).payload, 0);
}

#[test]
fn ipv6_with_extension_headers() {
    let options = |length: usize| {
        let mut bytes = vec![0; length];
        bytes[1] = (length / 8 - 1) as u8;
        bytes
    };
    let tcp = tcp_bytes(3, 100);
    let chains: [&[(u8, Vec<u8>)]; 5] = [
        &[],
        &[(0, options(8))],
        &[(0, options(16)), (60, options(8)), (43, options(24)), (60, options(2048))],
        // A fragment header of a whole packet, and an authentication header of 24 bytes.
        &[(44, vec![0; 8]), (51, [&[0, 4][..], &[0; 22]].concat())],
        &[(60, options(8)), (60, options(8)), (60, options(8)), (60, options(8)), (60, options(8))],
    ];
    for chain in chains {
        let found = segment(&ethernet(&[], TYPE_IPV6, &v6(chain, &tcp)));
        assert_eq!((found.source, found.destination), (Address::v6([1; 16]), Address::v6([2; 16])));
        assert_eq!((found.destination_port, found.payload), (6379, 100));
    }
    let frame = |chain: &[(u8, Vec<u8>)]| parsed(&ethernet(&[], TYPE_IPV6, &v6(chain, &tcp)));
    assert_eq!(frame(&vec![(60, options(8)); 6]), Frame::Other, "more headers than are followed");
    assert_eq!(
        frame(&[(43, [&[0, 0, 0, 1][..], &[0; 4]].concat())]),
        Frame::Other,
        "not the last destination"
    );
    assert_eq!(frame(&[(44, [&[0, 0, 0, 1][..], &[0; 4]].concat())]), Frame::Fragment);
    assert_eq!(frame(&[(44, [&[0, 0, 1, 0][..], &[0; 4]].concat())]), Frame::Fragment);
    assert_eq!(frame(&[(50, vec![0; 8])]), Frame::Other, "encrypted");
}

#[test]
fn fragments_are_known() {
    let tcp = tcp_bytes(0, 64);
    for (flags, offset, expected) in [(0x20, 0, true), (0, 3, true), (0x1f, 0xff, true), (0x40, 0, false)] {
        let mut packet = v4(0, &tcp);
        packet[6] = flags;
        packet[7] |= offset;
        assert_eq!(
            parsed(&ethernet(&[], TYPE_IPV4, &packet)) == Frame::Fragment,
            expected,
            "{flags:x} {offset}"
        );
    }
}

#[test]
fn other_traffic_is_other() {
    assert_eq!(parsed(&ethernet(&[], 0x0806, &[0; 28])), Frame::Other);
    assert_eq!(parsed(&ethernet(&[], 0x0026, &[0; 46])), Frame::Other, "a length, not a type");
    let mut udp = v4(0, &[0; 8]);
    udp[9] = 17;
    assert_eq!(parsed(&ethernet(&[], TYPE_IPV4, &udp)), Frame::Other);
}

#[test]
fn every_truncation_is_malformed() {
    let options = vec![0; 8];
    let frames = [
        ethernet(&[], TYPE_IPV4, &v4(2, &tcp_bytes(1, 10))),
        ethernet(&[TYPE_QINQ, TYPE_VLAN], TYPE_IPV4, &v4(0, &tcp_bytes(0, 1))),
        ethernet(&[], TYPE_IPV6, &v6(&[(0, options.clone()), (60, options)], &tcp_bytes(0, 10))),
    ];
    for frame in frames {
        for length in 0..frame.len() {
            let found = parsed(&frame[..length]);
            assert!(matches!(found, Frame::Malformed), "{length} of {}: {found:?}", frame.len());
        }
    }
}

#[test]
fn contradictions_are_malformed() {
    let bad = |change: fn(&mut Vec<u8>)| {
        let mut packet = v4(0, &tcp_bytes(0, 10));
        change(&mut packet);
        parsed(&ethernet(&[], TYPE_IPV4, &packet))
    };
    assert_eq!(bad(|p| p[0] = 0x65), Frame::Malformed, "version");
    assert_eq!(bad(|p| p[0] = 0x44), Frame::Malformed, "header length");
    assert_eq!(bad(|p| p[3] = 19), Frame::Malformed, "total below the header");
    assert_eq!(bad(|p| p[3] = 39), Frame::Malformed, "total below TCP's header");
    assert_eq!(bad(|p| p[3] = 51), Frame::Malformed, "total above the frame");
    assert_eq!(bad(|p| p[32] = 0x40), Frame::Malformed, "TCP header length");
    assert_eq!(bad(|p| p[32] = 0xf0), Frame::Malformed, "TCP header beyond the packet");
}

/// A packet too large for its length field (BIG TCP) says 0: the frame's own length counts, if it is that large.
#[test]
fn length_zero_needs_a_big_frame() {
    let mut packet = v4(0, &tcp_bytes(0, 70_000));
    packet[2..4].fill(0);
    assert_eq!(segment(&ethernet(&[], TYPE_IPV4, &packet)).payload, 70_000);
    packet.truncate(100);
    assert_eq!(parsed(&ethernet(&[], TYPE_IPV4, &packet)), Frame::Malformed);
}

#[test]
fn partial_checksums_are_told_from_whole_ones() {
    let check = |complete: bool, port: u16| {
        let mut tcp = tcp_bytes(0, 21);
        tcp[..2].copy_from_slice(&port.to_be_bytes());
        let words = |bytes: &[u8]| -> u64 {
            bytes.chunks(2).map(|b| u64::from(u16::from_be_bytes([b[0], *b.get(1).unwrap_or(&0)]))).sum()
        };
        let pseudo = words(&[10, 0, 0, 1, 10, 0, 0, 2]) + 6 + tcp.len() as u64;
        let sum = if complete { !fold(pseudo + words(&tcp)) } else { fold(pseudo) };
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        segment(&ethernet(&[], TYPE_IPV4, &v4(0, &tcp))).is_partial()
    };
    assert!((1024..=u16::MAX).all(|port| check(false, port)));
    assert!((1024..=u16::MAX).filter(|&port| check(true, port)).count() < 4);
}

/// Random bytes behind plausible beginnings: no panic, and what is called a segment lies inside the frame.
#[test]
fn random_frames_are_answered() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut segments, mut plain_ones) = (0, 0);
    for round in 0..200_000 {
        let mut frame: Vec<u8> = (0..random() % 200).map(|_| random() as u8).collect();
        let kind = [TYPE_IPV4, TYPE_IPV6, TYPE_VLAN, TYPE_QINQ][round % 4];
        if frame.len() > 60 {
            frame[12..14].copy_from_slice(&kind.to_be_bytes());
            match kind {
                TYPE_IPV4 => {
                    frame[14] = if round % 3 == 0 { 0x45 } else { 0x40 | (random() % 16) as u8 };
                    frame[16] = 0;
                    frame[20] &= 0x40;
                    frame[21] = 0;
                    frame[23] = 6;
                }
                TYPE_IPV6 => {
                    frame[14] = 0x60;
                    frame[18] = 0;
                    frame[20] = [0, 6, 43, 44, 51, 60][(random() % 6) as usize];
                }
                _ => {}
            }
        }
        if let Some(found) = read_plain(&frame) {
            plain_ones += 1;
            assert_eq!(parsed(&frame), Frame::Tcp(found));
        }
        if let Frame::Tcp(found) = parsed(&frame) {
            segments += 1;
            assert!(found.payload <= found.tcp_length - 20 && found.tcp_length as usize <= frame.len() - 34);
        }
    }
    assert!(segments > 1000 && plain_ones > 500, "too random to test anything: {segments} {plain_ones}");
}
