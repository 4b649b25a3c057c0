//! The bitmap family: strings as arrays of bits, the first bit of a byte being its most significant one.
//!
//! - `bit`: SETBIT, GETBIT.
//! - `search`: BITCOUNT, BITPOS.
//! - `combine`: BITOP.
//! - `field`: BITFIELD, BITFIELD_RO; `integer` holds the arithmetic of integers of any width.

pub mod bit;
pub mod combine;
pub mod field;
mod integer;
pub mod search;
#[cfg(test)]
mod tests;

use super::row::{Argument, Categories, Command, Group, Locks};
use super::string::string_value;
use super::{Args, Cx, Error};
use crate::config::rows;
use boxcar_store::{Entry, OccupiedEntry, Value};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[bit::COMMANDS, search::COMMANDS, combine::COMMANDS, field::COMMANDS];

/// What the rows have in common.
const ROW: Command =
    Command { group: Group::Bitmap, categories: Categories::BITMAP, locks: Locks::Keys, ..Command::DEFAULT };

const KEY: Argument = Argument::new("key", "key");
const OFFSET: Argument = Argument::new("offset", "integer");

const UNIT: Argument =
    Argument::one_of("unit", &[Argument::word("byte", "BYTE"), Argument::word("bit", "BIT")])
        .since("7.0.0")
        .optional();

/// Argument `i` as the position of a bit that a string may have. When fields of `field_bits` bits are asked for, the
/// position of field n may be written `#n`.
fn bit_offset(cx: &Cx<'_, '_>, args: Args<'_>, i: usize, field_bits: Option<u32>) -> Result<u64, Error> {
    const REFUSED: Error = Error::text("ERR bit offset is not an integer or out of range");
    let (text, unit) = match (args.at(i), field_bits) {
        ([b'#', text @ ..], Some(bits)) => (text, bits),
        (text, _) => (text, 1),
    };
    let offset = super::args::parse_integer(text).and_then(|number| number.checked_mul(i64::from(unit)));
    let limit = cx.server.config.bytes(rows::PROTO_MAX_BULK_LEN);
    match offset.map(u64::try_from) {
        Some(Ok(offset)) if offset / 8 < limit => Ok(offset),
        _ => Err(REFUSED),
    }
}

/// A string that is about to be changed.
struct Grown<'e> {
    entry: OccupiedEntry<'e>,
    /// Its length, which covers the bit that was asked for.
    len: usize,
    /// Whether it was shorter before, or not there.
    grown: bool,
}

/// The string of `key` for writing, made long enough to have a bit at `last_bit`.
fn grow<'s>(cx: &'s mut Cx<'_, '_>, key: &[u8], last_bit: u64) -> Result<Grown<'s>, Error> {
    let clock = cx.keys.access_clock();
    let needed = (last_bit / 8 + 1) as usize;
    let (mut entry, before) = match cx.keys.write(key) {
        Entry::Occupied(entry) => {
            let len = string_value(entry.record())?.len();
            (entry, len)
        }
        Entry::Vacant(entry) => (entry.insert(Value::Bytes(b""), None, clock), 0),
    };
    let len = needed.max(before);
    entry.resize_bytes(len);
    Ok(Grown { entry, len, grown: before < needed })
}

impl Grown<'_> {
    fn bytes(&mut self) -> &mut [u8] {
        self.entry.resize_bytes(self.len)
    }
}
