//! Rows of sets.

use super::checks::{
    at_most, flag, found, integer, member, one_for_each, some_of_the_members, some_of_the_named,
};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use boxcar_resp::client::Value;

const SETS: Family = Family::Sets;

pub(super) const ROWS: &[Row] = &[
    row("sadd", "SADD key member ... (n members)", SETS, sadd, some_of_the_named).of(1),
    row("srem", "SREM key member ... (n members)", SETS, srem, some_of_the_named).of(1),
    row("sismember", "SISMEMBER key member", SETS, sismember, flag),
    row("smismember", "SMISMEMBER key member ... (n members)", SETS, smismember, check_flags).of(10),
    row("smembers", "SMEMBERS key", SETS, smembers, check_members),
    row("srandmember", "SRANDMEMBER key n", SETS, srandmember, check_named_number).of(1),
    row("spop", "SPOP key", SETS, spop, check_one),
    row("scard", "SCARD key", SETS, scard, some_of_the_members),
    row("sinter", "SINTER key ... (n keys)", SETS, sinter, check_members).of(2).keys(),
];

fn members(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1 + asked.elements as usize);
    command.key(SETS, asked.key());
    for index in 0..asked.elements {
        command.member(asked.member(command.world, index));
    }
}

fn simple(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1);
    command.key(SETS, asked.key());
}

fn sadd(command: &mut Command<'_>, asked: &Asked) {
    members(command, "SADD", asked);
}

fn srem(command: &mut Command<'_>, asked: &Asked) {
    members(command, "SREM", asked);
}

fn smismember(command: &mut Command<'_>, asked: &Asked) {
    members(command, "SMISMEMBER", asked);
}

fn sismember(command: &mut Command<'_>, asked: &Asked) {
    command.begin("SISMEMBER", 2);
    command.key(SETS, asked.key());
    command.member(asked.member(command.world, 0));
}

fn smembers(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "SMEMBERS", asked);
}

fn spop(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "SPOP", asked);
}

fn scard(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "SCARD", asked);
}

fn srandmember(command: &mut Command<'_>, asked: &Asked) {
    command.begin("SRANDMEMBER", 2);
    command.key(SETS, asked.key());
    command.number(asked.elements);
}

fn sinter(command: &mut Command<'_>, asked: &Asked) {
    command.begin("SINTER", asked.targets.len());
    for target in &asked.targets {
        command.key(SETS, target.key);
    }
}

fn check_flags(_world: &World, asked: &Asked, value: &Value) -> Checked {
    for item in one_for_each(asked, value)? {
        integer(item, 0, 1)?;
    }
    Ok(Found::Something)
}

/// Different members, and no others.
fn different(world: &World, value: &Value, most: u64) -> Checked {
    let items = at_most(value, most)?;
    let mut seen = items.iter().map(|item| member(world, item)).collect::<Result<Vec<_>, String>>()?;
    seen.sort_unstable();
    match seen.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("member {} twice", pair[0])),
        None => Ok(found(items)),
    }
}

fn check_members(world: &World, _asked: &Asked, value: &Value) -> Checked {
    different(world, value, world.members)
}

fn check_named_number(world: &World, asked: &Asked, value: &Value) -> Checked {
    different(world, value, u64::from(asked.elements))
}

fn check_one(world: &World, _asked: &Asked, value: &Value) -> Checked {
    match value {
        Value::Null => Ok(Found::Nothing),
        value => member(world, value).map(|_member| Found::Something),
    }
}
