//! The set family, by theme.
//!
//! - `member`: adding, removing, asking for and moving members.
//! - `pick`: SPOP, SRANDMEMBER, SSCAN.
//! - `combine`: SINTER, SUNION, SDIFF, and what stores or counts their results.

mod combine;
mod member;
mod pick;
#[cfg(test)]
mod tests;

use super::events::EventClass;
use super::row::{Argument, Categories, Command, Group, Locks};
use super::{Error, Keys, Server};
use crate::config::rows;
use boxcar_store::{Composite, Entry, OccupiedEntry, Set, SetLimits};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[member::COMMANDS, pick::COMMANDS, combine::COMMANDS];

/// What the rows have in common.
const ROW: Command =
    Command { group: Group::Set, categories: Categories::SET, locks: Locks::Keys, ..Command::DEFAULT };

const KEY: Argument = Argument::new("key", "key");
const MEMBER: Argument = Argument::new("member", "string");

/// The most members of an intset, whatever the configuration says: inserting is linear.
const INTSET_MAX: usize = 1 << 30;

/// Until when one is kept in a compact form.
pub(super) fn limits(server: &Server) -> SetLimits {
    SetLimits {
        intset_entries: (server.config.int(rows::SET_MAX_INTSET_ENTRIES) as usize).min(INTSET_MAX),
        listpack_entries: server.config.int(rows::SET_MAX_LISTPACK_ENTRIES) as usize,
        listpack_value: server.config.int(rows::SET_MAX_LISTPACK_VALUE) as usize,
    }
}

/// A set, for reading.
#[inline]
fn read<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<Option<&'s Set>, Error> {
    match keys.read(key) {
        Some(record) => record.object::<Set>().map(Some).ok_or(Error::WrongType),
        None => Ok(None),
    }
}

/// The entry of a set that exists, for changing.
fn existing<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<Option<OccupiedEntry<'s>>, Error> {
    match keys.write(key) {
        Entry::Occupied(entry) if entry.record().object::<Set>().is_some() => Ok(Some(entry)),
        Entry::Occupied(_) => Err(Error::WrongType),
        Entry::Vacant(_) => Ok(None),
    }
}

/// The entry of a set, made for `count` members like `member` if there is none. The caller adds one then.
#[inline]
fn existing_or_new<'s>(
    keys: &'s mut Keys<'_>,
    key: &[u8],
    member: &[u8],
    count: usize,
    limits: SetLimits,
) -> Result<OccupiedEntry<'s>, Error> {
    let clock = keys.access_clock();
    match keys.write(key) {
        Entry::Occupied(entry) if entry.record().object::<Set>().is_some() => Ok(entry),
        Entry::Occupied(_) => Err(Error::WrongType),
        Entry::Vacant(entry) => Ok(entry.insert_object(Set::for_members(member, count, limits), None, clock)),
    }
}

/// Changes the set behind an entry, and removes it when it is empty afterwards: then the second result is true.
fn change<T>(mut entry: OccupiedEntry<'_>, change: impl FnOnce(&mut Set) -> T) -> (T, bool) {
    let mut set = entry.object_mut::<Set>().expect("the entry was asked for as a set's");
    let result = change(&mut set);
    let gone = set.is_empty();
    drop(set);
    if gone {
        entry.remove();
    }
    (result, gone)
}

/// Says that a set was changed: how, and whether it has gone.
fn report(keys: &mut Keys<'_>, key: &[u8], event: &'static str, gone: bool) {
    keys.changed(key);
    keys.event(EventClass::SET, event, key);
    if gone {
        keys.event(EventClass::GENERIC, "del", key);
    }
}
