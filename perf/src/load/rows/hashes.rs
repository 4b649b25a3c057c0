//! Hashes: members are fields, and each field's value belongs to key and field.

use super::checks::{
    bulk, flag, integer, member, one_for_each, pairs, some_of_the_named, unexpected, value_of,
};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use boxcar_resp::client::Value;

const HASHES: Family = Family::Hashes;

/// The field that HINCRBY counts in; it is none of the members.
const COUNTER: &[u8] = b"counter";

pub(super) const ROWS: &[Row] = &[
    row("hset", "HSET key field value ... (n fields)", HASHES, hset, some_of_the_named).of(1),
    row("hget", "HGET key field", HASHES, hget, check_hget),
    row("hmget", "HMGET key field ... (n fields)", HASHES, hmget, check_hmget).of(10),
    row("hgetall", "HGETALL key", HASHES, hgetall, check_hgetall),
    row("hincrby", "HINCRBY key counter 1", HASHES, hincrby, check_hincrby),
    row("hexists", "HEXISTS key field", HASHES, hexists, flag),
    row("hlen", "HLEN key", HASHES, hlen, check_hlen),
    row("hdel", "HDEL key field ... (n fields)", HASHES, hdel, some_of_the_named).of(1),
];

fn fields(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1 + asked.elements as usize);
    command.key(HASHES, asked.key());
    for index in 0..asked.elements {
        command.member(asked.member(command.world, index));
    }
}

fn simple(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1);
    command.key(HASHES, asked.key());
}

fn hset(command: &mut Command<'_>, asked: &Asked) {
    command.begin("HSET", 1 + 2 * asked.elements as usize);
    command.key(HASHES, asked.key());
    for index in 0..asked.elements {
        let member = asked.member(command.world, index);
        command.member(member);
        command.value(command.world.identity(asked.key(), member), 0);
    }
}

fn hget(command: &mut Command<'_>, asked: &Asked) {
    command.begin("HGET", 2);
    command.key(HASHES, asked.key());
    command.member(asked.member(command.world, 0));
}

fn hexists(command: &mut Command<'_>, asked: &Asked) {
    command.begin("HEXISTS", 2);
    command.key(HASHES, asked.key());
    command.member(asked.member(command.world, 0));
}

fn hmget(command: &mut Command<'_>, asked: &Asked) {
    fields(command, "HMGET", asked);
}

fn hdel(command: &mut Command<'_>, asked: &Asked) {
    fields(command, "HDEL", asked);
}

fn hgetall(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "HGETALL", asked);
}

fn hlen(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "HLEN", asked);
}

fn hincrby(command: &mut Command<'_>, asked: &Asked) {
    command.begin("HINCRBY", 3);
    command.key(HASHES, asked.key());
    command.text(COUNTER);
    command.number(1);
}

fn check_hget(world: &World, asked: &Asked, value: &Value) -> Checked {
    value_of(world, world.identity(asked.key(), asked.member(world, 0)), value)
}

fn check_hmget(world: &World, asked: &Asked, value: &Value) -> Checked {
    let mut all = Found::Something;
    for (index, item) in (0..).zip(one_for_each(asked, value)?) {
        let identity = world.identity(asked.key(), asked.member(world, index));
        if value_of(world, identity, item)? == Found::Nothing {
            all = Found::Nothing;
        }
    }
    Ok(all)
}

fn check_hgetall(world: &World, asked: &Asked, value: &Value) -> Checked {
    let pairs = pairs(value)?;
    for &(field, held) in &pairs {
        if bulk(field)? == COUNTER {
            continue;
        }
        let identity = world.identity(asked.key(), member(world, field)?);
        if value_of(world, identity, held)? == Found::Nothing {
            return Err("a field without a value".to_owned());
        }
    }
    Ok(super::checks::found(&pairs))
}

fn check_hincrby(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    match value.as_integer() {
        Some(1..) => Ok(Found::Something),
        _ => Err(unexpected(value)),
    }
}

/// All members, and perhaps the counter.
fn check_hlen(world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, world.members as i64 + 1)
}
