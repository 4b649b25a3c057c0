//! The parts of every value: lengths, strings, numbers.
//!
//! ```text
//! 00llllll                        a length of 6 bits
//! 01llllll llllllll               of 14 bits
//! 10000000 and 4 bytes            of 32 bits, big-endian
//! 10000001 and 8 bytes            of 64 bits, big-endian
//! 110000nn and 1, 2, 4 bytes      in the place of a string: an integer, little-endian
//! 11000011                        in the place of a string: compressed; two lengths and the bytes follow
//! ```

use std::borrow::Cow;

use super::lzf::{self, Compressor};
use crate::stream::StreamId;
use crate::value::{IntegerText, Value, parse_integer};

const ENCODED_8: u8 = 0xc0;
const ENCODED_16: u8 = 0xc1;
const ENCODED_32: u8 = 0xc2;
const ENCODED_LZF: u8 = 0xc3;

/// Longest text that may be one of an integer of 32 bits.
const INTEGER_TEXT: usize = 11;
/// Longest string that is not worth compressing.
const SHORT: usize = 20;
/// Bytes that compression has to save at least.
const WORTHWHILE: usize = 4;

/// Values on their way to bytes.
pub(super) struct Writer {
    bytes: Vec<u8>,
    compressor: Option<Compressor>,
    packed: Vec<u8>,
}

impl Writer {
    pub(super) fn new(compress: bool) -> Self {
        Self { bytes: Vec::new(), compressor: compress.then(Compressor::new), packed: Vec::new() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Bytes as they are, without their number.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn length(&mut self, len: u64) {
        match len {
            0..0x40 => self.byte(len as u8),
            0x40..0x4000 => self.raw(&(len as u16 | 0x4000).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.byte(0x80);
                self.raw(&(len as u32).to_be_bytes());
            }
            _ => {
                self.byte(0x81);
                self.raw(&len.to_be_bytes());
            }
        }
    }

    pub(super) fn count(&mut self, count: usize) {
        self.length(count as u64);
    }

    /// A moment in Unix milliseconds, or what stands for none.
    pub(super) fn moment(&mut self, ms: i64) {
        self.raw(&ms.to_le_bytes());
    }

    pub(super) fn double(&mut self, number: f64) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn id(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    pub(super) fn string(&mut self, value: Value<'_>) {
        match value {
            Value::Integer(number) => self.integer(number),
            Value::Bytes(bytes) => self.bytes(bytes),
        }
    }

    fn integer(&mut self, number: i64) {
        let bytes = number.to_le_bytes();
        let (first, width) = match number {
            -0x80..=0x7f => (ENCODED_8, 1),
            -0x8000..=0x7fff => (ENCODED_16, 2),
            -0x8000_0000..=0x7fff_ffff => (ENCODED_32, 4),
            _ => {
                let mut text = IntegerText::default();
                let text = text.format(number);
                self.count(text.len());
                return self.raw(text);
            }
        };
        self.byte(first);
        self.raw(&bytes[..width]);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= INTEGER_TEXT
            && let Some(number) = parse_integer(bytes)
            && i32::try_from(number).is_ok()
        {
            return self.integer(number);
        }
        if bytes.len() > SHORT
            && let Some(compressor) = &mut self.compressor
        {
            self.packed.clear();
            if compressor.compress(bytes, bytes.len() - WORTHWHILE, &mut self.packed).is_some() {
                self.byte(ENCODED_LZF);
                self.count(self.packed.len());
                self.count(bytes.len());
                return self.bytes.extend_from_slice(&self.packed);
            }
        }
        self.count(bytes.len());
        self.raw(bytes);
    }
}

/// Bytes on their way to values: each function takes what it returns from the front, `None` when it is not there.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Most bytes of a string that is compressed.
    unpacked_max: usize,
}

/// What stands where a length is read: a length, or what a string is made of.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], unpacked_max: usize) -> Self {
        Self { rest: bytes, unpacked_max }
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length_or_encoding(&mut self) -> Option<Length> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Some(match first >> 6 {
            0 => Length::Plain(low.into()),
            1 => Length::Plain(u16::from_be_bytes([low, self.byte()?]).into()),
            2 if first == 0x80 => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            2 if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            2 => return None,
            _ => Length::Encoded(first),
        })
    }

    pub(super) fn length(&mut self) -> Option<u64> {
        match self.length_or_encoding()? {
            Length::Plain(len) => Some(len),
            Length::Encoded(_) => None,
        }
    }

    /// A number of what follows. It may be any number: there is less.
    pub(super) fn count(&mut self) -> Option<usize> {
        self.length()?.try_into().ok()
    }

    pub(super) fn moment(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// A number as text behind its length, or one of those that have no digits.
    pub(super) fn double_text(&mut self) -> Option<f64> {
        match self.byte()? {
            253 => Some(f64::NAN),
            254 => Some(f64::INFINITY),
            255 => Some(f64::NEG_INFINITY),
            len => core::str::from_utf8(self.take(len.into())?).ok()?.trim().parse().ok(),
        }
    }

    pub(super) fn id(&mut self) -> Option<StreamId> {
        Some(StreamId { ms: self.length()?, seq: self.length()? })
    }

    pub(super) fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        let number = match self.length_or_encoding()? {
            Length::Plain(len) => return self.take(len.try_into().ok()?).map(Cow::Borrowed),
            Length::Encoded(ENCODED_8) => i8::from_le_bytes(self.array()?).into(),
            Length::Encoded(ENCODED_16) => i16::from_le_bytes(self.array()?).into(),
            Length::Encoded(ENCODED_32) => i32::from_le_bytes(self.array()?).into(),
            Length::Encoded(ENCODED_LZF) => {
                let packed = self.count()?;
                let len = self.count().filter(|&len| len <= self.unpacked_max)?;
                return lzf::decompress(self.take(packed)?, len).map(Cow::Owned);
            }
            Length::Encoded(_) => return None,
        };
        Some(Cow::Owned(IntegerText::default().format(number).to_vec()))
    }
}
