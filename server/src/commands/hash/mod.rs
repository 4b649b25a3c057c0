//! The hash family, by theme.
//!
//! - `get`: reading fields.
//! - `set`: setting and removing fields, counters.
//! - `walk`: HSCAN, HRANDFIELD.
//! - `expiry`: when fields expire; `extended`: HGETEX, HSETEX, HGETDEL; `moment`: the times that these are given.
//!
//! A field whose time has come is no longer there for most commands. Those that ask for it by name remove it, HRANDFIELD
//! removes all of them, the others leave that to the expiry cycle; until then HLEN counts it, HSETEX overwrites it, and HEXPIRE
//! and its kin give it another time, as in Redis.

mod expiry;
mod extended;
mod get;
mod moment;
mod set;
#[cfg(test)]
mod tests;
mod walk;

use super::events::EventClass;
use super::row::{Argument, Categories, Command, Group, Locks};
use super::{Args, Cx, Error, Keys, Server};
use crate::config::rows;
use boxcar_store::{Composite, Entry, Hash, HashLimits, OccupiedEntry, Record};

/// The family's rows.
pub const COMMANDS: &[&[Command]] =
    &[get::COMMANDS, set::COMMANDS, walk::COMMANDS, expiry::COMMANDS, extended::COMMANDS];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::Hash,
    categories: Categories::HASH,
    locks: Locks::Keys,
    since: "2.0.0",
    ..Command::DEFAULT
};

const KEY: Argument = Argument::new("key", "key");
const FIELD: Argument = Argument::new("field", "string");
const VALUE: Argument = Argument::new("value", "string");
const FIELDS_AND_VALUES: Argument = Argument::block("data", &[FIELD, VALUE]).multiple();
/// `FIELDS number field ...`
const FIELDS: Argument =
    Argument::block("fields", &[Argument::new("numfields", "integer"), FIELD.multiple()]).after("FIELDS");

/// Until when one is kept in a compact form.
pub(super) fn limits(server: &Server) -> HashLimits {
    HashLimits {
        entries: server.config.int(rows::HASH_MAX_LISTPACK_ENTRIES) as usize,
        value: server.config.bytes(rows::HASH_MAX_LISTPACK_VALUE) as usize,
    }
}

/// A hash, for reading.
#[inline]
fn read<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<Option<&'s Hash>, Error> {
    match keys.read(key) {
        Some(record) => record.object::<Hash>().map(Some).ok_or(Error::WrongType),
        None => Ok(None),
    }
}

/// The entry of a hash that exists, for changing.
fn existing<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<Option<OccupiedEntry<'s>>, Error> {
    match keys.write(key) {
        Entry::Occupied(entry) if entry.record().object::<Hash>().is_some() => Ok(Some(entry)),
        Entry::Occupied(_) => Err(Error::WrongType),
        Entry::Vacant(_) => Ok(None),
    }
}

/// The entry of a hash, made if there is none. The caller adds a field then.
#[inline]
fn existing_or_new<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<OccupiedEntry<'s>, Error> {
    let clock = keys.access_clock();
    match keys.write(key) {
        Entry::Occupied(entry) if entry.record().object::<Hash>().is_some() => Ok(entry),
        Entry::Occupied(_) => Err(Error::WrongType),
        Entry::Vacant(entry) => Ok(entry.insert_object(Hash::new(), None, clock)),
    }
}

/// Changes the hash behind an entry, and removes it when it is empty afterwards: then the second result is true.
fn change<T>(mut entry: OccupiedEntry<'_>, change: impl FnOnce(&mut Hash) -> T) -> (T, bool) {
    let mut hash = entry.object_mut::<Hash>().expect("the entry was asked for as a hash's");
    let result = change(&mut hash);
    let gone = hash.is_empty();
    drop(hash);
    if gone {
        entry.remove();
    }
    (result, gone)
}

/// Says that a hash was changed: how, and whether it has gone.
fn report(keys: &mut Keys<'_>, key: &[u8], event: &'static str, gone: bool) {
    keys.changed(key);
    keys.event(EventClass::HASH, event, key);
    if gone {
        keys.event(EventClass::GENERIC, "del", key);
    }
}

/// Removes those of the named fields whose time has come.
#[cold]
fn remove_due<'a>(cx: &mut Cx<'_, '_>, key: &[u8], names: impl Iterator<Item = &'a [u8]>) {
    let now_ms = cx.keys.now_ms;
    let Entry::Occupied(entry) = cx.keys.entry(key) else { return };
    if entry.record().object::<Hash>().is_none() {
        return;
    }
    let (removed, gone) = change(entry, |hash| {
        let mut removed = 0;
        for name in names {
            removed +=
                u64::from(hash.get(name).is_some_and(|field| field.is_due(now_ms)) && hash.remove(name));
        }
        removed
    });
    report_expired(cx, key, removed, gone);
}

/// Removes all fields whose time has come.
fn remove_all_due(cx: &mut Cx<'_, '_>, key: &[u8]) {
    let now_ms = cx.keys.now_ms;
    let hash = cx.keys.view(key).and_then(Record::object::<Hash>);
    if hash.and_then(Hash::next_expiry).is_none_or(|moment| moment >= now_ms) {
        return;
    }
    let Entry::Occupied(entry) = cx.keys.entry(key) else { return };
    let (removed, gone) = change(entry, |hash| {
        let (mut removed, mut budget) = (0, usize::MAX);
        hash.expire_step(now_ms, &mut budget, &mut |_| removed += 1);
        removed
    });
    report_expired(cx, key, removed, gone);
}

/// Says that fields have expired, and whether the hash has gone with them.
fn report_expired(cx: &mut Cx<'_, '_>, key: &[u8], removed: u64, gone: bool) {
    if removed > 0 {
        cx.stats.metrics.expired_fields.add(removed);
        report(cx.keys, key, "hexpired", gone);
    }
}

const NO_FIELDS: Error = Error::text("ERR Mandatory argument FIELDS is missing or not at the right position");
const COUNT_MISMATCH: Error = Error::text("ERR The `numfields` parameter must match the number of arguments");
const FIELDS_NOT_POSITIVE: Error = Error::text("ERR Number of fields must be a positive integer");

/// Reads `FIELDS number field ...`, which has to be the rest from argument `at` on; returns where the names begin.
fn parse_fields(cx: &Cx<'_, '_>, args: Args<'_>, at: usize, not_positive: Error) -> Result<usize, Error> {
    if !args.is(at, "FIELDS") {
        return Err(NO_FIELDS);
    }
    let Some(number) = args.get(at + 1) else { return Err(Error::WrongArity(cx.command.name.to_owned())) };
    let count = super::args::parse_integer(number).filter(|&count| count > 0).ok_or(not_positive)?;
    let first = at + 2;
    if usize::try_from(count) == Ok(args.len() - first) { Ok(first) } else { Err(COUNT_MISMATCH) }
}
