//! Hashes in a listpack: pairs of field and value, or triples with an expiry, which is zero for none.

use super::Field;
use crate::listpack::{Cursor, Iter, Listpack};
use crate::value::Value;

/// What stands for no expiry.
pub(super) const NEVER: Value<'static> = Value::Integer(0);

/// The expiry as it stands in a listpack.
fn expiry(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(0) | Value::Bytes(_) => None,
        Value::Integer(moment) => Some(moment),
    }
}

/// The place of a field's name in a listpack of pairs.
#[inline]
pub(super) fn find(pack: &Listpack, name: &[u8]) -> Option<Cursor> {
    pack.find(Value::Bytes(name), pack.first()?, 1)
}

/// The place of a field's name in a listpack of triples.
#[inline]
pub(super) fn find_expiring(pack: &Listpack, name: &[u8]) -> Option<Cursor> {
    pack.find(Value::Bytes(name), pack.first()?, 2)
}

#[inline]
pub(super) fn next<'a>(pack: &mut Iter<'a>) -> Option<Field<'a>> {
    Some(Field { name: pack.next()?, value: pack.next()?, expire_at: None })
}

#[inline]
pub(super) fn next_expiring<'a>(pack: &mut Iter<'a>) -> Option<Field<'a>> {
    Some(Field { name: pack.next()?, value: pack.next()?, expire_at: expiry(pack.next()?) })
}

#[inline]
pub(super) fn get<'a>(pack: &'a Listpack, name: &[u8]) -> Option<Field<'a>> {
    next(&mut pack.iter_from(find(pack, name)?))
}

#[inline]
pub(super) fn get_expiring<'a>(pack: &'a Listpack, name: &[u8]) -> Option<Field<'a>> {
    next_expiring(&mut pack.iter_from(find_expiring(pack, name)?))
}

/// The field with this index.
pub(super) fn at(pack: &Listpack, index: usize) -> Option<Field<'_>> {
    next(&mut pack.iter_from(pack.seek(2 * index as i64)?))
}

/// The field with this index.
pub(super) fn at_expiring(pack: &Listpack, index: usize) -> Option<Field<'_>> {
    next_expiring(&mut pack.iter_from(pack.seek(3 * index as i64)?))
}

/// Inserts a triple where its expiry belongs: before those that expire later or at the same time, those without one
/// last.
pub(super) fn insert_expiring(
    pack: &mut Listpack,
    name: Value<'_>,
    value: Value<'_>,
    expire_at: Option<i64>,
) {
    let triple = [name, value, expire_at.map_or(NEVER, Value::Integer)];
    let Some(moment) = expire_at else { return pack.append(&triple) };
    let mut fields = pack.iter();
    loop {
        let at = fields.cursor();
        match next_expiring(&mut fields) {
            Some(field) if field.expire_at.is_some_and(|other| other < moment) => {}
            _ => {
                return match at {
                    Some(at) => pack.insert_all_before(at, &triple),
                    None => pack.append(&triple),
                };
            }
        }
    }
}
