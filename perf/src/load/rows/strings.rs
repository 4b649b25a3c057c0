//! Strings: values with versions, and counters.

use super::checks::{flag, integer, ok, one_for_each, unexpected};
use super::{Access, Asked, Checked, Command, Family, Found, Row, Target, World, row};
use crate::load::sizes::{below, scramble};
use crate::load::values::VERSIONS;
use boxcar_resp::client::Value;

const STRINGS: Family = Family::Strings;

pub(super) const ROWS: &[Row] = &[
    row("get", "GET key", STRINGS, get, check_get).access(Access::Reads),
    row("set", "SET key value [PX ms]", STRINGS, set, check_set).access(Access::Writes),
    row("mget", "MGET key ... (n keys)", STRINGS, mget, check_mget).of(10).keys().access(Access::Reads),
    row("mset", "MSET key value ... (n keys)", STRINGS, mset, check_set).of(10).keys().access(Access::Writes),
    row("getex", "GETEX key", STRINGS, getex, check_get).access(Access::Reads),
    row("strlen", "STRLEN key", STRINGS, strlen, check_strlen),
    row("exists", "EXISTS key", STRINGS, exists, flag),
    row("expire", "EXPIRE key 3600", STRINGS, expire, flag),
    row("ttl", "TTL key", STRINGS, ttl, check_ttl),
    row("type", "TYPE key", STRINGS, type_of, check_type),
    row("incr", "INCR key", Family::Counters, incr, check_count).access(Access::Counts),
    row("incrby", "INCRBY key 1..100", Family::Counters, incrby, check_count).access(Access::Counts),
];

fn simple(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1);
    command.key(asked.row.family, asked.key());
}

fn get(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "GET", asked);
}

fn getex(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "GETEX", asked);
}

fn strlen(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "STRLEN", asked);
}

fn exists(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "EXISTS", asked);
}

fn ttl(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "TTL", asked);
}

fn type_of(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "TYPE", asked);
}

fn incr(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "INCR", asked);
}

fn expire(command: &mut Command<'_>, asked: &Asked) {
    command.begin("EXPIRE", 2);
    command.key(STRINGS, asked.key());
    command.number(3600);
}

fn incrby(command: &mut Command<'_>, asked: &Asked) {
    command.begin("INCRBY", 2);
    command.key(Family::Counters, asked.key());
    command.number(1 + below(scramble(asked.detail), 100));
}

fn set(command: &mut Command<'_>, asked: &Asked) {
    let expire = command.world.expire;
    command.begin("SET", if expire.is_some() { 4 } else { 2 });
    command.key(STRINGS, asked.key());
    command.value(asked.key(), asked.targets[0].version);
    if let Some((shortest, longest)) = expire {
        command.text(b"PX");
        command.number(shortest + below(scramble(asked.detail), longest - shortest + 1));
    }
}

fn mget(command: &mut Command<'_>, asked: &Asked) {
    command.begin("MGET", asked.targets.len());
    for target in &asked.targets {
        command.key(STRINGS, target.key);
    }
}

fn mset(command: &mut Command<'_>, asked: &Asked) {
    command.begin("MSET", 2 * asked.targets.len());
    for target in &asked.targets {
        command.key(STRINGS, target.key);
        command.value(target.key, target.version);
    }
}

/// A value must be whole, its key's own, and of a version that can be there.
fn check_value(world: &World, target: Target, value: &Value) -> Checked {
    let acknowledged = target.version;
    let bytes = match value {
        Value::Bulk(bytes) => bytes,
        Value::Null if acknowledged > 0 && !world.volatile => {
            return Err(format!("nothing, though version {acknowledged} was acknowledged"));
        }
        Value::Null => return Ok(Found::Nothing),
        other => return Err(unexpected(other)),
    };
    let version = world.values.check(target.key, bytes)?;
    if let (Some(version), Some(ledger), 1..) = (version, &world.ledger, acknowledged) {
        let issued = ledger.issued(target.key);
        // Versions go round in their eight digits.
        let ahead = (version + VERSIONS - acknowledged % VERSIONS) % VERSIONS;
        if ahead > issued - acknowledged {
            return Err(format!(
                "version {version}, though {acknowledged} was acknowledged before and {issued} is the last"
            ));
        }
    }
    Ok(Found::Something)
}

fn check_get(world: &World, asked: &Asked, value: &Value) -> Checked {
    check_value(world, asked.targets[0], value)
}

fn check_mget(world: &World, asked: &Asked, value: &Value) -> Checked {
    let mut all = Found::Something;
    for (target, item) in asked.targets.iter().zip(one_for_each(asked, value)?) {
        if check_value(world, *target, item)? == Found::Nothing {
            all = Found::Nothing;
        }
    }
    Ok(all)
}

fn check_set(world: &World, asked: &Asked, value: &Value) -> Checked {
    let found = ok(world, asked, value)?;
    if let Some(ledger) = &world.ledger {
        for target in &asked.targets {
            ledger.acknowledge(target.key, target.version);
        }
    }
    Ok(found)
}

fn check_strlen(world: &World, asked: &Asked, value: &Value) -> Checked {
    match (value.as_integer(), world.values.size(asked.key()) as i64) {
        (Some(length), size) if length == size => Ok(Found::Something),
        (Some(0), _) => Ok(Found::Nothing),
        (_, size) => Err(format!("not 0 or {size}: {}", unexpected(value))),
    }
}

fn check_ttl(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, -2, i64::MAX)
}

fn check_type(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    match value {
        Value::Simple(text) if text == b"string" => Ok(Found::Something),
        Value::Simple(text) if text == b"none" => Ok(Found::Nothing),
        other => Err(unexpected(other)),
    }
}

/// A counter is only counted up: whatever it had reached when the request was sent, the reply is more.
fn check_count(world: &World, asked: &Asked, value: &Value) -> Checked {
    let Some(number) = value.as_integer() else { return Err(unexpected(value)) };
    let reached = asked.targets[0].version;
    if number <= i64::from(reached) {
        return Err(format!("{number}, though {reached} was reached before"));
    }
    if let Some(ledger) = &world.ledger {
        ledger.count(asked.key(), number);
    }
    Ok(Found::Something)
}
