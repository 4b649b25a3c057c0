//! Lists. Every element of a list is its key's value, so any element can be checked.

use super::checks::{at_most, found, integer, natural, ok, value_of};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use boxcar_resp::client::Value;

const LISTS: Family = Family::Lists;

pub(super) const ROWS: &[Row] = &[
    row(
        "lpush",
        "LPUSH key value ... (n; lists grow: mix with lpop, rpop or ltrim)",
        LISTS,
        lpush,
        check_push,
    )
    .of(1),
    row(
        "rpush",
        "RPUSH key value ... (n; lists grow: mix with lpop, rpop or ltrim)",
        LISTS,
        rpush,
        check_push,
    )
    .of(1),
    row("lpop", "LPOP key", LISTS, lpop, check_element),
    row("rpop", "RPOP key", LISTS, rpop, check_element),
    row("lrange", "LRANGE key start stop (n elements from anywhere)", LISTS, lrange, check_range).of(10),
    row("lindex", "LINDEX key index", LISTS, lindex, check_element),
    row("llen", "LLEN key", LISTS, llen, natural),
    row("lmove", "LMOVE key key LEFT RIGHT", LISTS, lmove, check_element),
    row("ltrim", "LTRIM key -members -1", LISTS, ltrim, ok),
];

fn push(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1 + asked.elements as usize);
    command.key(LISTS, asked.key());
    for _ in 0..asked.elements {
        command.value(asked.key(), 0);
    }
}

fn lpush(command: &mut Command<'_>, asked: &Asked) {
    push(command, "LPUSH", asked);
}

fn rpush(command: &mut Command<'_>, asked: &Asked) {
    push(command, "RPUSH", asked);
}

fn simple(command: &mut Command<'_>, name: &str, asked: &Asked) {
    command.begin(name, 1);
    command.key(LISTS, asked.key());
}

fn lpop(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "LPOP", asked);
}

fn rpop(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "RPOP", asked);
}

fn llen(command: &mut Command<'_>, asked: &Asked) {
    simple(command, "LLEN", asked);
}

fn lrange(command: &mut Command<'_>, asked: &Asked) {
    let start = asked.member(command.world, 0);
    command.begin("LRANGE", 3);
    command.key(LISTS, asked.key());
    command.number(start);
    command.number(start + u64::from(asked.elements) - 1);
}

fn lindex(command: &mut Command<'_>, asked: &Asked) {
    command.begin("LINDEX", 2);
    command.key(LISTS, asked.key());
    command.number(asked.member(command.world, 0));
}

fn lmove(command: &mut Command<'_>, asked: &Asked) {
    command.begin("LMOVE", 4);
    command.key(LISTS, asked.key());
    command.key(LISTS, asked.key());
    command.text(b"LEFT");
    command.text(b"RIGHT");
}

fn ltrim(command: &mut Command<'_>, asked: &Asked) {
    command.begin("LTRIM", 3);
    command.key(LISTS, asked.key());
    command.number(-(command.world.members as i64));
    command.number(-1);
}

fn check_push(_world: &World, asked: &Asked, value: &Value) -> Checked {
    integer(value, i64::from(asked.elements), i64::MAX)
}

fn check_element(world: &World, asked: &Asked, value: &Value) -> Checked {
    value_of(world, asked.key(), value)
}

fn check_range(world: &World, asked: &Asked, value: &Value) -> Checked {
    let items = at_most(value, u64::from(asked.elements))?;
    for item in items {
        if value_of(world, asked.key(), item)? == Found::Nothing {
            return Err("a null between the elements".to_owned());
        }
    }
    Ok(found(items))
}
