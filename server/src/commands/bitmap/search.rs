//! Counting and finding bits: BITCOUNT, BITPOS.

use super::{KEY, ROW, UNIT};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::string::string_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_store::{IntegerText, count_ones, first_bit};
use std::ops::Range;

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the bits of a string, or of a part of it, that are one.",
        arguments: &[
            KEY,
            Argument::block(
                "range",
                &[Argument::new("start", "integer"), Argument::new("end", "integer"), UNIT],
            )
            .optional(),
        ],
        handler: bitcount,
        ..ROW
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first bit of a string, or of a part of it, that is one or zero.",
        arguments: &[
            KEY,
            Argument::new("bit", "integer"),
            Argument::block(
                "range",
                &[
                    Argument::new("start", "integer"),
                    Argument::block("end-unit-block", &[Argument::new("end", "integer"), UNIT]).optional(),
                ],
            )
            .optional(),
        ],
        handler: bitpos,
        ..ROW
    },
];

/// A part of a string as it was asked for: both ends included, negative positions counting from the end.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    /// `None` when it was not given: the end of the string.
    end: Option<i64>,
    /// Positions are those of bits, not of bytes.
    in_bits: bool,
}

impl Part {
    const WHOLE: Self = Self { start: 0, end: None, in_bits: false };

    /// What `BYTE` or `BIT` at argument `i` says; `false` when there is none.
    fn unit(args: Args<'_>, i: usize) -> Result<bool, Error> {
        if args.len() <= i {
            Ok(false)
        } else if args.is(i, "bit") {
            Ok(true)
        } else if args.is(i, "byte") {
            Ok(false)
        } else {
            Err(Error::Syntax)
        }
    }

    /// The bits of a string of `len` bytes that are meant.
    fn bits(self, len: usize) -> Range<u64> {
        let unit = if self.in_bits { 1 } else { 8 };
        let total = (len * 8 / unit) as i64;
        let from_start =
            |position: i64| if position < 0 { position.saturating_add(total).max(0) } else { position };
        let (start, end) = (from_start(self.start), from_start(self.end.unwrap_or(-1)).min(total - 1));
        if start > end { 0..0 } else { unit as u64 * start as u64..unit as u64 * (end as u64 + 1) }
    }
}

fn bitcount(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let part = match args.len() {
        2 => Part::WHOLE,
        4 | 5 => {
            let (start, end) = (args.integer(2)?, args.integer(3)?);
            Part { start, end: Some(end), in_bits: Part::unit(args, 4)? }
        }
        _ => return Err(Error::Syntax),
    };
    let mut text = IntegerText::default();
    let bytes = match cx.keys.read(args.at(1)) {
        Some(record) => string_value(record)?.as_bytes(&mut text),
        None => b"",
    };
    // Moved to the start of the string, both ends could be the same position.
    let reversed = part.end.is_some_and(|end| part.start < 0 && end < 0 && part.start > end);
    let bits = if reversed { 0..0 } else { part.bits(bytes.len()) };
    cx.reply.integer(count_in(bytes, bits) as i64);
    Ok(())
}

/// Number of ones among these bits.
fn count_in(bytes: &[u8], bits: Range<u64>) -> u64 {
    if bits.is_empty() {
        return 0;
    }
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    let before = bytes[first as usize] & !(0xff >> (bits.start % 8));
    let behind = bytes[last as usize] & (0x7f >> ((bits.end - 1) % 8));
    let outside = before.count_ones() + behind.count_ones();
    count_ones(&bytes[first as usize..=last as usize]) - u64::from(outside)
}

fn bitpos(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let bit = match args.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(const { Error::text("ERR The bit argument must be 1 or 0.") }),
    };
    let part = match args.len() {
        3 => Part::WHOLE,
        4..=6 => {
            let start = args.integer(3)?;
            let in_bits = Part::unit(args, 5)?;
            let end = if args.len() > 4 { Some(args.integer(4)?) } else { None };
            Part { start, end, in_bits }
        }
        _ => return Err(Error::Syntax),
    };
    let mut text = IntegerText::default();
    let Some(record) = cx.keys.read(args.at(1)) else {
        // A missing key is an endless row of zeros.
        cx.reply.integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let bytes = string_value(record)?.as_bytes(&mut text);
    let bits = part.bits(bytes.len());
    let position = match find_in(bytes, bits.clone(), bit) {
        Some(position) => position as i64,
        // Zeros are thought to follow the string, but not a part whose end was given.
        None if !bit && part.end.is_none() && !bits.is_empty() => bits.end as i64,
        None => -1,
    };
    cx.reply.integer(position);
    Ok(())
}

/// Position of the first of these bits that is `bit`.
fn find_in(bytes: &[u8], bits: Range<u64>, bit: bool) -> Option<u64> {
    if bits.is_empty() {
        return None;
    }
    let (first, last) = ((bits.start / 8) as usize, ((bits.end - 1) / 8) as usize);
    // The first byte apart: its bits before the part do not count.
    let wrong = if bit { 0 } else { 0xff };
    let head = (bytes[first] ^ wrong) & 0xff >> (bits.start % 8);
    let found = if head == 0 {
        let from = first + 1;
        8 * from as u64 + first_bit(&bytes[from..=last], bit)?
    } else {
        8 * first as u64 + u64::from(head.leading_zeros())
    };
    (found < bits.end).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_and_searched_bit_by_bit() {
        let bytes = [0b0000_0101, 0xff, 0x00, 0b1010_0000, 0x01];
        let bit = |at: u64| bytes[(at / 8) as usize] >> (7 - at % 8) & 1 == 1;
        for start in 0..40 {
            for end in start..=40 {
                let ones = (start..end).filter(|at| bit(*at)).count() as u64;
                assert_eq!(count_in(&bytes, start..end), ones, "{start}..{end}");
                for wanted in [false, true] {
                    let first = (start..end).find(|at| bit(*at) == wanted);
                    assert_eq!(find_in(&bytes, start..end, wanted), first, "{wanted} in {start}..{end}");
                }
            }
        }
    }
}
