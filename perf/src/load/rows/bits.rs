//! Bitmaps, and HyperLogLogs.

use super::checks::{flag, integer, some_of_the_members};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use crate::load::sizes::scramble;
use boxcar_resp::client::Value;

const BITMAPS: Family = Family::Bitmaps;
const LOGS: Family = Family::HyperLogLogs;

pub(super) const ROWS: &[Row] = &[
    row("setbit", "SETBIT key offset 0|1", BITMAPS, setbit, check_bit),
    row("getbit", "GETBIT key offset", BITMAPS, getbit, check_bit),
    row("bitcount", "BITCOUNT key", BITMAPS, bitcount, some_of_the_members),
    row("bitpos", "BITPOS key 1", BITMAPS, bitpos, check_bitpos),
    row("pfadd", "PFADD key element ... (n elements)", LOGS, pfadd, flag).of(1),
    row("pfcount", "PFCOUNT key ... (n keys)", LOGS, pfcount, check_pfcount).of(1).keys(),
];

/// What the bit at `offset` of `key` is set to, if it is set at all.
fn bit(world: &World, key: u64, offset: u64) -> u64 {
    scramble(world.identity(key, offset)) & 1
}

fn setbit(command: &mut Command<'_>, asked: &Asked) {
    let offset = asked.member(command.world, 0);
    command.begin("SETBIT", 3);
    command.key(BITMAPS, asked.key());
    command.number(offset);
    command.number(bit(command.world, asked.key(), offset));
}

fn getbit(command: &mut Command<'_>, asked: &Asked) {
    command.begin("GETBIT", 2);
    command.key(BITMAPS, asked.key());
    command.number(asked.member(command.world, 0));
}

fn bitcount(command: &mut Command<'_>, asked: &Asked) {
    command.begin("BITCOUNT", 1);
    command.key(BITMAPS, asked.key());
}

fn bitpos(command: &mut Command<'_>, asked: &Asked) {
    command.begin("BITPOS", 2);
    command.key(BITMAPS, asked.key());
    command.number(1);
}

fn pfadd(command: &mut Command<'_>, asked: &Asked) {
    command.begin("PFADD", 1 + asked.elements as usize);
    command.key(LOGS, asked.key());
    for index in 0..asked.elements {
        command.member(asked.member(command.world, index));
    }
}

fn pfcount(command: &mut Command<'_>, asked: &Asked) {
    command.begin("PFCOUNT", asked.targets.len());
    for target in &asked.targets {
        command.key(LOGS, target.key);
    }
}

/// A bit that is or was 1 was set by this run's rule.
fn check_bit(world: &World, asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, bit(world, asked.key(), asked.member(world, 0)) as i64)
}

fn check_bitpos(world: &World, asked: &Asked, value: &Value) -> Checked {
    match value.as_integer() {
        Some(-1) => Ok(Found::Nothing),
        Some(offset @ 0..)
            if (offset as u64) < world.members && bit(world, asked.key(), offset as u64) == 1 =>
        {
            Ok(Found::Something)
        }
        _ => Err(format!("no offset of a set bit: {}", super::checks::unexpected(value))),
    }
}

/// All HyperLogLogs count the same members. The estimate's standard error is 0.81 %; a tenth is twelve of them.
fn check_pfcount(world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, (world.members + world.members / 10 + 2) as i64)
}
