//! What Redis kept small collections in before it had listpacks: ziplists and, before 2.6, zipmaps.
//!
//! ```text
//! ziplist: bytes u32 | offset of the last entry u32 | entries u16 | entry ... | 0xff
//! entry:   length of the entry before (1 byte, or 0xfe and 4) | encoding | data
//!
//! zipmap:  fields u8 | (length | field | length | unused u8 | value | unused bytes) ... | 0xff
//! length:  1 byte up to 253, or 254 and 4
//! ```

use crate::listpack::Listpack;
use crate::value::Value;

/// Bytes before the entries.
const HEADER: usize = 4 + 4 + 2;
const END: u8 = 0xff;
/// The number of entries that says nothing.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a ziplist as a listpack; `None` when the bytes are not a ziplist in every detail.
pub(super) fn to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let total = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let last = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let counted = u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    if total != bytes.len() || bytes.get(HEADER..)?.last() != Some(&END) {
        return None;
    }
    let body = &bytes[..total - 1];
    let mut elements = Vec::new();
    let (mut at, mut before, mut tail, mut room) = (HEADER, 0, HEADER, 0);
    while at < body.len() {
        let (said, prefix) = match *body.get(at)? {
            0xff => return None,
            0xfe => (u32::from_le_bytes(*body.get(at + 1..)?.first_chunk()?) as usize, 5),
            len => (len.into(), 1),
        };
        if said != before {
            return None;
        }
        let (value, len) = element(body.get(at + prefix..)?)?;
        // What the element takes in a listpack at most.
        room += value.len() + 11;
        elements.push(value);
        (tail, before) = (at, prefix + len);
        at += before;
    }
    let counted_right = counted == UNCOUNTED || usize::from(counted) == elements.len();
    if at != body.len() || tail != last || !counted_right || room > Listpack::LIMIT / 2 {
        return None;
    }
    let mut listpack = Listpack::new();
    listpack.append(&elements);
    Some(listpack)
}

/// The element at the start of `bytes`, and the bytes of its encoding and data.
fn element(bytes: &[u8]) -> Option<(Value<'_>, usize)> {
    let first = *bytes.first()?;
    let data = &bytes[1..];
    let string = |at: usize, len: usize| Some((Value::Bytes(bytes.get(at..at.checked_add(len)?)?), at + len));
    match first {
        0..0x40 => string(1, first.into()),
        0x40..0x80 => string(2, usize::from(first & 0x3f) << 8 | usize::from(*data.first()?)),
        0x80 => string(5, u32::from_be_bytes(*data.first_chunk()?) as usize),
        0xc0 => Some((Value::Integer(i16::from_le_bytes(*data.first_chunk()?).into()), 3)),
        0xd0 => Some((Value::Integer(i32::from_le_bytes(*data.first_chunk()?).into()), 5)),
        0xe0 => Some((Value::Integer(i64::from_le_bytes(*data.first_chunk()?)), 9)),
        0xf0 => {
            let &[low, middle, high] = data.first_chunk()?;
            Some((Value::Integer((i32::from_le_bytes([0, low, middle, high]) >> 8).into()), 4))
        }
        0xfe => Some((Value::Integer(i8::from_le_bytes(*data.first_chunk()?).into()), 2)),
        0xf1..=0xfd => Some((Value::Integer(i64::from(first & 0x0f) - 1), 1)),
        _ => None,
    }
}

/// Fields and values of a zipmap by turns; `None` when the bytes are not a zipmap.
pub(super) fn of_zipmap(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (&counted, mut rest) = bytes.split_first()?;
    let mut parts = Vec::new();
    loop {
        let (&first, _) = rest.split_first()?;
        if first == END {
            break;
        }
        let len = zipmap_len(&mut rest)?;
        let (field, after) = rest.split_at_checked(len)?;
        rest = after;
        let len = zipmap_len(&mut rest)?;
        let (&unused, after) = rest.split_first()?;
        let (value, after) = after.split_at_checked(len)?;
        rest = after.get(usize::from(unused)..)?;
        parts.extend([field, value]);
    }
    let counted_right = counted >= 254 || usize::from(counted) == parts.len() / 2;
    (rest.len() == 1 && counted_right).then_some(parts)
}

fn zipmap_len(rest: &mut &[u8]) -> Option<usize> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    match first {
        0..254 => Some(first.into()),
        254 => {
            let (len, after) = after.split_first_chunk()?;
            *rest = after;
            Some(u32::from_le_bytes(*len) as usize)
        }
        _ => None,
    }
}
