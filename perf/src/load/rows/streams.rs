//! Streams: every entry holds its key's value in one field. They are kept at about a thousand entries.

use super::checks::{at_most, bulk, found, items, natural, pairs, unexpected, value_of};
use super::{Asked, Checked, Command, Family, Found, Row, World, row};
use boxcar_resp::client::Value;

const STREAMS: Family = Family::Streams;

/// Entries that XADD keeps, about.
const KEPT: u32 = 1_000;

/// The one field of an entry.
const FIELD: &[u8] = b"f";

pub(super) const ROWS: &[Row] = &[
    row("xadd", "XADD key MAXLEN ~ 1000 * f value", STREAMS, xadd, check_id),
    row("xlen", "XLEN key", STREAMS, xlen, natural),
    row("xrange", "XRANGE key - + COUNT n", STREAMS, xrange, check_forwards).of(10),
    row("xrevrange", "XREVRANGE key + - COUNT n", STREAMS, xrevrange, check_backwards).of(10),
    row("xtrim", "XTRIM key MAXLEN members", STREAMS, xtrim, natural),
    row("xread", "XREAD COUNT n STREAMS key 0", STREAMS, xread, check_xread).of(10),
];

fn xadd(command: &mut Command<'_>, asked: &Asked) {
    command.begin("XADD", 7);
    command.key(STREAMS, asked.key());
    command.text(b"MAXLEN");
    command.text(b"~");
    command.number(KEPT);
    command.text(b"*");
    command.text(FIELD);
    command.value(asked.key(), 0);
}

fn xlen(command: &mut Command<'_>, asked: &Asked) {
    command.begin("XLEN", 1);
    command.key(STREAMS, asked.key());
}

fn xtrim(command: &mut Command<'_>, asked: &Asked) {
    command.begin("XTRIM", 3);
    command.key(STREAMS, asked.key());
    command.text(b"MAXLEN");
    command.number(command.world.members);
}

fn range(command: &mut Command<'_>, name: &str, from: &[u8], to: &[u8], asked: &Asked) {
    command.begin(name, 5);
    command.key(STREAMS, asked.key());
    command.text(from);
    command.text(to);
    command.text(b"COUNT");
    command.number(asked.elements);
}

fn xrange(command: &mut Command<'_>, asked: &Asked) {
    range(command, "XRANGE", b"-", b"+", asked);
}

fn xrevrange(command: &mut Command<'_>, asked: &Asked) {
    range(command, "XREVRANGE", b"+", b"-", asked);
}

fn xread(command: &mut Command<'_>, asked: &Asked) {
    command.begin("XREAD", 5);
    command.text(b"COUNT");
    command.number(asked.elements);
    command.text(b"STREAMS");
    command.key(STREAMS, asked.key());
    command.text(b"0");
}

/// An entry's ID: milliseconds and a sequence number.
fn id(value: &Value) -> Result<(u64, u64), String> {
    let text = std::str::from_utf8(bulk(value)?).map_err(|_| unexpected(value))?;
    let parts = text.split_once('-').ok_or_else(|| unexpected(value))?;
    match (parts.0.parse(), parts.1.parse()) {
        (Ok(milliseconds), Ok(sequence)) => Ok((milliseconds, sequence)),
        _ => Err(unexpected(value)),
    }
}

fn check_id(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    id(value).map(|_id| Found::Something)
}

/// Entries with their key's value; the IDs in their order.
fn entries(world: &World, asked: &Asked, value: &Value) -> Result<Vec<(u64, u64)>, String> {
    at_most(value, u64::from(asked.elements))?
        .iter()
        .map(|entry| {
            let [shown, fields] = items(entry)? else { return Err(unexpected(entry)) };
            let [field, held] = items(fields)? else { return Err(unexpected(fields)) };
            if bulk(field)? != FIELD || value_of(world, asked.key(), held)? == Found::Nothing {
                return Err(unexpected(fields));
            }
            id(shown)
        })
        .collect()
}

fn in_order(ids: &[(u64, u64)]) -> Checked {
    match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(format!("entry {:?} behind {:?}", pair[1], pair[0])),
        None => Ok(found(ids)),
    }
}

fn check_forwards(world: &World, asked: &Asked, value: &Value) -> Checked {
    in_order(&entries(world, asked, value)?)
}

fn check_backwards(world: &World, asked: &Asked, value: &Value) -> Checked {
    let mut ids = entries(world, asked, value)?;
    ids.reverse();
    in_order(&ids)
}

/// The one stream and its entries, or nothing.
fn check_xread(world: &World, asked: &Asked, value: &Value) -> Checked {
    if *value == Value::Null {
        return Ok(Found::Nothing);
    }
    match pairs(value)?[..] {
        [(_name, entries)] => check_forwards(world, asked, entries),
        _ => Err(unexpected(value)),
    }
}
