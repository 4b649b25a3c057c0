//! The bytes of one element: an encoding byte, more of it where needed, the data, and the length of all that, written
//! so that it can be read backwards.
//!
//! ```text
//! 0vvvvvvv                       integer 0 to 127
//! 10llllll                       string of up to 63 bytes
//! 110vvvvv vvvvvvvv              integer of 13 bits, two's complement
//! 1110llll llllllll              string of up to 4095 bytes
//! 11110000 and 4 bytes length    any other string
//! 111100xx and 2, 3, 4, 8 bytes  integers (xx and the byte above count from 0xf1)
//! 11111111                       the end of the listpack
//! ```
//!
//! Numbers of several whole bytes are little-endian. The format is Redis's, byte for byte.

use crate::value::Value;

/// The byte behind the last element.
pub(super) const END: u8 = 0xff;

const STRING_6: u8 = 0x80;
const INTEGER_13: u8 = 0xc0;
const STRING_12: u8 = 0xe0;
const STRING_32: u8 = 0xf0;
const INTEGER_16: u8 = 0xf1;
const INTEGER_24: u8 = 0xf2;
const INTEGER_32: u8 = 0xf3;
const INTEGER_64: u8 = 0xf4;

/// Length of encoding and data of the element at the start of `bytes`, without what leads back. `None` at the end, and
/// where there is no element.
#[inline]
pub(crate) fn entry_len(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    Some(match first {
        0..STRING_6 => 1,
        STRING_6..INTEGER_13 => 1 + usize::from(first & 0x3f),
        INTEGER_13..STRING_12 => 2,
        STRING_12..STRING_32 => 2 + (usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        STRING_32 => 5 + u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?) as usize,
        INTEGER_16 => 3,
        INTEGER_24 => 4,
        INTEGER_32 => 5,
        INTEGER_64 => 9,
        _ => return None,
    })
}

/// The element at the start of `bytes`, if there is a whole one.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Option<Value<'_>> {
    let first = *bytes.first()?;
    let data = &bytes[1..];
    Some(match first {
        STRING_6..INTEGER_13 => Value::Bytes(data.get(..usize::from(first & 0x3f))?),
        0..STRING_6 => Value::Integer(i64::from(first)),
        INTEGER_13..STRING_12 => {
            let unsigned = u16::from(first) << 8 | u16::from(*data.first()?);
            // The sign is the highest of the 13 bits.
            Value::Integer(i64::from((unsigned << 3).cast_signed() >> 3))
        }
        STRING_12..STRING_32 => Value::Bytes(data.get(1..entry_len(bytes)? - 1)?),
        STRING_32 => Value::Bytes(data.get(4..entry_len(bytes)? - 1)?),
        INTEGER_16 => Value::Integer(i64::from(i16::from_le_bytes(*data.first_chunk()?))),
        INTEGER_24 => {
            let &[low, middle, high] = data.first_chunk()?;
            Value::Integer(i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8))
        }
        INTEGER_32 => Value::Integer(i64::from(i32::from_le_bytes(*data.first_chunk()?))),
        INTEGER_64 => Value::Integer(i64::from_le_bytes(*data.first_chunk()?)),
        _ => return None,
    })
}

/// How many bytes the length of an entry takes when it is written for reading backwards. (Redis compares with `<`
/// where one more would fit; the limits are part of the format.)
#[inline]
pub(super) fn backlen_size(entry_len: usize) -> usize {
    match entry_len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Writes the length of an entry for reading backwards: seven bits a byte, the highest bit set in all but the first.
/// `out` has the size that [`backlen_size`] says.
#[inline]
pub(super) fn write_backlen(entry_len: usize, out: &mut [u8]) {
    let mut rest = entry_len;
    let mut more = 0;
    for byte in out.iter_mut().skip(1).rev() {
        *byte = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
        more += 1;
    }
    debug_assert_eq!(more + 1, backlen_size(entry_len));
    out[0] = rest as u8;
}

/// Reads backwards from the end of `bytes`: the length of the entry before, and how many bytes told it.
#[inline]
pub(super) fn read_backlen(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (index, &byte) in bytes.iter().rev().take(5).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((len, index + 1));
        }
    }
    None
}

/// An element that is about to be written.
pub(crate) struct Encoded<'a> {
    header: [u8; 9],
    header_len: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Chooses the shortest encoding; bytes that are the text of an integer become one.
    #[inline]
    pub(crate) fn new(value: Value<'a>) -> Self {
        match value {
            Value::Integer(number) => Self::integer(number),
            Value::Bytes(bytes) => match Value::encode(bytes) {
                Value::Integer(number) => Self::integer(number),
                Value::Bytes(bytes) => Self::string(bytes),
            },
        }
    }

    #[inline]
    fn string(data: &'a [u8]) -> Self {
        let mut header = [0; 9];
        let header_len = match data.len() {
            len @ 0..64 => {
                header[0] = STRING_6 | len as u8;
                1
            }
            len @ 64..4096 => {
                header[0] = STRING_12 | (len >> 8) as u8;
                header[1] = len as u8;
                2
            }
            len => {
                let len = u32::try_from(len).expect("an element is shorter than the largest listpack");
                header[0] = STRING_32;
                header[1..5].copy_from_slice(&len.to_le_bytes());
                5
            }
        };
        Self { header, header_len, data }
    }

    #[inline]
    fn integer(number: i64) -> Self {
        let mut header = [0; 9];
        let bytes = number.to_le_bytes();
        let (first, width) = match number {
            0..=127 => (number as u8, 0),
            -4096..=4095 => {
                header[1] = bytes[0];
                (INTEGER_13 | bytes[1] & 0x1f, 1)
            }
            -0x8000..=0x7fff => (INTEGER_16, 2),
            -0x80_0000..=0x7f_ffff => (INTEGER_24, 3),
            -0x8000_0000..=0x7fff_ffff => (INTEGER_32, 4),
            _ => (INTEGER_64, 8),
        };
        header[0] = first;
        header[1..1 + width].copy_from_slice(&bytes[..width]);
        Self { header, header_len: 1 + width, data: &[] }
    }

    #[inline]
    fn entry_len(&self) -> usize {
        self.header_len + self.data.len()
    }

    /// Bytes that the element takes in a listpack.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.entry_len() + backlen_size(self.entry_len())
    }

    /// Appends encoding and data, without what leads back.
    #[inline]
    pub(crate) fn append_entry(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header[..self.header_len]);
        out.extend_from_slice(self.data);
    }

    /// Appends the whole element.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        self.append_entry(out);
        let mut backlen = [0; 5];
        let backlen = &mut backlen[..backlen_size(self.entry_len())];
        write_backlen(self.entry_len(), backlen);
        out.extend_from_slice(backlen);
    }

    /// Writes the element at the start of `out` and returns what is left of it.
    #[inline]
    pub(super) fn write<'o>(&self, out: &'o mut [u8]) -> &'o mut [u8] {
        let (element, rest) = out.split_at_mut(self.size());
        let (entry, backlen) = element.split_at_mut(self.entry_len());
        let (header, data) = entry.split_at_mut(self.header_len);
        header.copy_from_slice(&self.header[..self.header_len]);
        data.copy_from_slice(self.data);
        write_backlen(self.entry_len(), backlen);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(value: Value<'_>) -> Vec<u8> {
        let encoded = Encoded::new(value);
        let mut bytes = vec![0; encoded.size()];
        assert!(encoded.write(&mut bytes).is_empty());
        bytes
    }

    #[test]
    fn encodings_are_those_of_the_format() {
        let cases: [(Value<'_>, &[u8]); 14] = [
            (Value::Integer(0), &[0x00, 1]),
            (Value::Integer(127), &[0x7f, 1]),
            (Value::Integer(128), &[0xc0, 0x80, 2]),
            (Value::Integer(4095), &[0xcf, 0xff, 2]),
            (Value::Integer(-1), &[0xdf, 0xff, 2]),
            (Value::Integer(-4096), &[0xd0, 0x00, 2]),
            (Value::Integer(4096), &[0xf1, 0x00, 0x10, 3]),
            (Value::Integer(-32_769), &[0xf2, 0xff, 0x7f, 0xff, 4]),
            (Value::Integer(1 << 23), &[0xf3, 0, 0, 0x80, 0, 5]),
            (Value::Integer(i64::MIN), &[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]),
            (Value::Bytes(b""), &[0x80, 1]),
            (Value::Bytes(b"ab"), &[0x82, b'a', b'b', 3]),
            (Value::Bytes(b"12"), &[12, 1]),
            (Value::Bytes(b"012"), &[0x83, b'0', b'1', b'2', 4]),
        ];
        for (value, bytes) in cases {
            assert_eq!(encode(value), bytes, "{value:?}");
        }
        assert_eq!(encode(Value::Bytes(&[b'x'; 64]))[..2], [0xe0, 64]);
        assert_eq!(encode(Value::Bytes(&[b'x'; 4095]))[..2], [0xef, 0xff]);
        assert_eq!(encode(Value::Bytes(&[b'x'; 4096]))[..5], [0xf0, 0, 0x10, 0, 0]);
    }

    #[test]
    fn every_integer_width_comes_back() {
        let edges = [0i64, 127, 128, 4095, 4096, 32_767, 32_768, 8_388_607, 8_388_608, 1 << 31, i64::MAX];
        for edge in edges {
            for number in [edge - 1, edge, -edge, -edge - 1] {
                let bytes = encode(Value::Integer(number));
                assert_eq!(decode(&bytes), Some(Value::Integer(number)));
                let size = entry_len(&bytes).unwrap();
                assert_eq!(read_backlen(&bytes), Some((size, bytes.len() - size)));
            }
        }
    }

    #[test]
    fn lengths_are_read_backwards_at_every_limit() {
        for limit in [127usize, 128, 16_382, 16_383, 2_097_150, 2_097_151, 268_435_454, 268_435_455, 1 << 30]
        {
            for len in limit - 1..=limit + 1 {
                let mut bytes = vec![0; backlen_size(len)];
                write_backlen(len, &mut bytes);
                assert_eq!(read_backlen(&bytes), Some((len, bytes.len())), "{len}");
            }
        }
        assert_eq!(read_backlen(&[0x80; 9]), None);
        assert_eq!(read_backlen(&[]), None);
    }
}
