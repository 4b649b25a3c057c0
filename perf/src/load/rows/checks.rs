//! What the checks of all families are made of.

use super::command::member_of;
use super::{Asked, Checked, Found, World};
use boxcar_resp::client::Value;

/// Says that a reply is not of the kind that it must be.
pub(super) fn unexpected(value: &Value) -> String {
    let text = format!("an unexpected kind of reply: {value:?}");
    text.chars().take(200).collect()
}

/// `+OK`.
pub(super) fn ok(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    match value {
        Value::Simple(text) if text == b"OK" => Ok(Found::Something),
        other => Err(unexpected(other)),
    }
}

/// An integer within bounds.
pub(super) fn integer(value: &Value, low: i64, high: i64) -> Checked {
    match value.as_integer() {
        Some(number) if (low..=high).contains(&number) => Ok(Found::Something),
        Some(number) => Err(format!("{number} is not in {low} to {high}")),
        None => Err(unexpected(value)),
    }
}

/// 0 or 1.
pub(super) fn flag(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, 1)
}

/// How many of the named elements: 0 to all.
pub(super) fn some_of_the_named(_world: &World, asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, i64::from(asked.elements))
}

/// How many of all members: 0 to all.
pub(super) fn some_of_the_members(world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, world.members as i64)
}

/// A number that is not negative.
pub(super) fn natural(_world: &World, _asked: &Asked, value: &Value) -> Checked {
    integer(value, 0, i64::MAX)
}

/// The items of an array or a set.
pub(super) fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        other => Err(unexpected(other)),
    }
}

/// The items of an array or a set of at most `most`.
pub(super) fn at_most(value: &Value, most: u64) -> Result<&[Value], String> {
    let items = items(value)?;
    if items.len() as u64 <= most {
        Ok(items)
    } else {
        Err(format!("{} items instead of at most {most}", items.len()))
    }
}

/// The items of an array of exactly as many as were named.
pub(super) fn one_for_each<'v>(asked: &Asked, value: &'v Value) -> Result<&'v [Value], String> {
    let items = items(value)?;
    if items.len() == asked.elements as usize {
        Ok(items)
    } else {
        Err(format!("{} items instead of {}", items.len(), asked.elements))
    }
}

/// Pairs, however the protocol shows them: as a map, as an array of pairs, or one after the other.
pub(super) fn pairs(value: &Value) -> Result<Vec<(&Value, &Value)>, String> {
    match value {
        Value::Map(pairs) => Ok(pairs.iter().map(|(left, right)| (left, right)).collect()),
        Value::Array(items) if matches!(items.first(), Some(Value::Array(_))) => items
            .iter()
            .map(|item| match item {
                Value::Array(pair) if pair.len() == 2 => Ok((&pair[0], &pair[1])),
                other => Err(unexpected(other)),
            })
            .collect(),
        Value::Array(items) if items.len().is_multiple_of(2) => {
            Ok(items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect())
        }
        other => Err(unexpected(other)),
    }
}

/// A string's bytes.
pub(super) fn bulk(value: &Value) -> Result<&[u8], String> {
    match value {
        Value::Bulk(bytes) => Ok(bytes),
        other => Err(unexpected(other)),
    }
}

/// A number that is a double in RESP3 and a string in RESP2.
pub(super) fn double(value: &Value) -> Result<f64, String> {
    match value {
        Value::Double(number) => Ok(*number),
        Value::Bulk(text) => {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            number.ok_or_else(|| unexpected(value))
        }
        other => Err(unexpected(other)),
    }
}

/// A member of the run's own.
pub(super) fn member(world: &World, value: &Value) -> Result<u64, String> {
    let name = bulk(value)?;
    match member_of(name).filter(|&member| member < world.members) {
        Some(member) => Ok(member),
        None => Err(format!("no member of this key: {}", String::from_utf8_lossy(name))),
    }
}

/// The value of number `key`, or nothing.
pub(super) fn value_of(world: &World, key: u64, value: &Value) -> Checked {
    if *value == Value::Null {
        return Ok(Found::Nothing);
    }
    world.values.check(key, bulk(value)?).map(|_version| Found::Something)
}

/// Something if there are any items.
pub(super) fn found<T>(items: &[T]) -> Found {
    if items.is_empty() { Found::Nothing } else { Found::Something }
}
