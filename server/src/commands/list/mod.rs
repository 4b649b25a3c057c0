//! The list family, by theme.
//!
//! - `push`: adding at the ends.
//! - `pop`: taking from the ends, at once (LMPOP included) or when there is something (BLPOP, BRPOP, BLMPOP).
//! - `transfer`: from the end of one list to that of another, at once or when there is something.
//! - `read`: length, elements, ranges, positions.
//! - `edit`: changing, inserting and removing in the middle.

pub mod edit;
pub mod pop;
pub mod push;
pub mod read;
#[cfg(test)]
mod tests;
pub mod transfer;

use super::events::EventClass;
use super::row::{Argument, Categories, Command, Group, KeyFlags, Locks};
use super::{Args, Error, Keys, Server};
use crate::config::rows;
use boxcar_store::{Composite, Entry, Fill, List, Side};
use std::sync::atomic::Ordering::Relaxed;

/// The family's rows.
pub const COMMANDS: &[&[Command]] =
    &[push::COMMANDS, pop::COMMANDS, transfer::COMMANDS, read::COMMANDS, edit::COMMANDS];

/// What the rows have in common.
const ROW: Command =
    Command { group: Group::List, categories: Categories::LIST, locks: Locks::Keys, ..Command::DEFAULT };

const KEY: Argument = Argument::new("key", "key");
const ELEMENT: Argument = Argument::new("element", "string");
const LEFT_OR_RIGHT: &[Argument] = &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")];

const RW_INSERT: KeyFlags = KeyFlags::RW.union(KeyFlags::INSERT);
const RW_DELETE: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);
const RW_TAKE: KeyFlags = RW_DELETE.union(KeyFlags::ACCESS);

/// How much a node of a list holds.
pub(super) fn fill(server: &Server) -> Fill {
    let plain_from = server.plain_threshold.load(Relaxed);
    Fill::new(server.config.int(rows::LIST_MAX_LISTPACK_SIZE)).with_plain_from(plain_from)
}

/// LEFT or RIGHT as argument `i`.
fn side(args: Args<'_>, i: usize) -> Result<Side, Error> {
    match () {
        () if args.is(i, "left") => Ok(Side::Left),
        () if args.is(i, "right") => Ok(Side::Right),
        () => Err(Error::Syntax),
    }
}

/// An argument that has to be an integer from `least` on; otherwise the error is `refusal`.
fn at_least(least: i64, args: Args<'_>, i: usize, refusal: &'static str) -> Result<usize, Error> {
    let number = args.integer(i).ok().filter(|&number| number >= least);
    number.map(|number| number as usize).ok_or(Error::text(refusal))
}

/// The name of the event when elements are added at an end.
fn push_event(side: Side) -> &'static str {
    if side == Side::Left { "lpush" } else { "rpush" }
}

/// The name of the event when elements are taken from an end.
fn pop_event(side: Side) -> &'static str {
    if side == Side::Left { "lpop" } else { "rpop" }
}

/// The list at a key, for reading; `None` when the key is missing.
fn list<'s>(keys: &'s mut Keys<'_>, key: &[u8]) -> Result<Option<&'s List>, Error> {
    keys.read(key).map(|record| record.object().ok_or(Error::WrongType)).transpose()
}

/// Changes the list at a key without making it shorter; `None` when the key is missing. Reports nothing.
fn change<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut List) -> T,
) -> Result<Option<T>, Error> {
    let Entry::Occupied(mut entry) = keys.write(key) else { return Ok(None) };
    let mut list = entry.object_mut::<List>().ok_or(Error::WrongType)?;
    Ok(Some(change(&mut list)))
}

/// Takes elements out of the list at a key; `None` when the key is missing. A list of which nothing is left goes.
/// Reports the change as `event`, unless `take` says that there was none.
fn take<T>(
    keys: &mut Keys<'_>,
    fill: Fill,
    key: &[u8],
    event: &'static str,
    take: impl FnOnce(&mut List) -> (T, bool),
) -> Result<Option<T>, Error> {
    let Entry::Occupied(mut entry) = keys.write(key) else { return Ok(None) };
    let mut list = entry.object_mut::<List>().ok_or(Error::WrongType)?;
    let (taken, changed) = take(&mut list);
    if !changed {
        return Ok(Some(taken));
    }
    let emptied = list.is_empty();
    list.shrink(fill);
    drop(list);
    if emptied {
        entry.remove();
    }
    keys.changed(key);
    keys.event(EventClass::LIST, event, key);
    if emptied {
        keys.event(EventClass::GENERIC, "del", key);
    }
    Ok(Some(taken))
}
