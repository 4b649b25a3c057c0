//! The sorted-set family, by theme.
//!
//! - `add`: ZADD, ZINCRBY.
//! - `get`: what is known of members and of the whole: ZSCORE, ZRANK, ZCARD, ZCOUNT and their kin.
//! - `range`: ZRANGE, its older forms, ZRANGESTORE.
//! - `remove`: ZREM, ZREMRANGEBYRANK and its kin.
//! - `pop`: ZPOPMIN, ZPOPMAX, ZMPOP, and the same that wait.
//! - `combine`: unions, intersections and differences; `inputs` holds what they read.
//! - `visit`: ZSCAN, ZRANDMEMBER.
//! - `bounds`: ranges of ranks, scores and members.

pub mod add;
mod bounds;
pub mod combine;
pub mod get;
mod inputs;
pub mod pop;
pub mod range;
pub mod remove;
#[cfg(test)]
mod tests;
pub mod visit;

use super::events::EventClass;
use super::row::{Argument, Categories, Command, Group, KeyFlags, KeySpec, Locks};
use super::{Cx, Error, Keys, Server};
use crate::config::rows;
use boxcar_resp::{Protocol, Reply};
use boxcar_store::{Composite, Entry, SortedSet, SortedSetLimits, Value};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[
    add::COMMANDS,
    get::COMMANDS,
    range::COMMANDS,
    remove::COMMANDS,
    pop::COMMANDS,
    combine::COMMANDS,
    visit::COMMANDS,
];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::SortedSet,
    categories: Categories::SORTED_SET,
    locks: Locks::Keys,
    ..Command::DEFAULT
};

const KEY: Argument = Argument::new("key", "key");
const MEMBER: Argument = Argument::new("member", "string");
const WITHSCORES: Argument = Argument::word("withscores", "WITHSCORES").optional();

/// One key, read for its data.
const READS_FIRST: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))];
/// One key, from which something is removed.
const REMOVES_FROM_FIRST: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))];

/// Up to where sorted sets stay listpacks.
pub(super) fn limits(server: &Server) -> SortedSetLimits {
    let entries = server.config.int(rows::ZSET_MAX_LISTPACK_ENTRIES);
    let value = server.config.bytes(rows::ZSET_MAX_LISTPACK_VALUE);
    SortedSetLimits {
        entries: usize::try_from(entries).unwrap_or_default(),
        value: usize::try_from(value).unwrap_or(usize::MAX),
    }
}

/// The sorted set of a key, for reading.
pub(super) fn read<'k>(keys: &'k mut Keys<'_>, key: &[u8]) -> Result<Option<&'k SortedSet>, Error> {
    keys.read(key).map(|record| record.object().ok_or(Error::WrongType)).transpose()
}

/// Changes the sorted set of a key, if there is one, and removes the key when nothing is left in it; what `change`
/// returned, and whether that happened.
pub(super) fn change<T>(
    keys: &mut Keys<'_>,
    key: &[u8],
    change: impl FnOnce(&mut SortedSet) -> T,
) -> Result<Option<(T, bool)>, Error> {
    let Entry::Occupied(mut entry) = keys.write(key) else { return Ok(None) };
    let mut set = entry.object_mut::<SortedSet>().ok_or(Error::WrongType)?;
    let result = change(&mut set);
    let emptied = set.is_empty();
    drop(set);
    if emptied {
        entry.remove();
    }
    Ok(Some((result, emptied)))
}

/// Reports `count` changes of a key under the event's name, and its removal if it came to that.
pub(super) fn changed(cx: &mut Cx<'_, '_>, key: &[u8], count: usize, event: &'static str, emptied: bool) {
    cx.keys.changed(key);
    cx.stats.metrics.changes.add(count.saturating_sub(1) as u64);
    cx.keys.event(EventClass::SORTED_SET, event, key);
    if emptied {
        cx.keys.event(EventClass::GENERIC, "del", key);
    }
}

/// Stores a result under a key, whatever it held before, or removes the key when there is nothing to store. Replies
/// with the number of members.
pub(super) fn store(cx: &mut Cx<'_, '_>, key: &[u8], set: SortedSet, event: &'static str) {
    let len = set.len();
    if len == 0 {
        if cx.keys.remove(key) {
            cx.keys.event(EventClass::GENERIC, "del", key);
        }
    } else {
        cx.keys.set_object(key, set);
        cx.keys.event(EventClass::SORTED_SET, event, key);
    }
    cx.reply.integer(len as i64);
}

/// Replies with a member.
pub(super) fn write_member(reply: &mut Reply, member: Value<'_>) {
    match member {
        Value::Bytes(bytes) => reply.bulk(bytes),
        Value::Integer(number) => reply.bulk_integer(number),
    }
}

/// Replies with members, perhaps with their scores: in pairs of their own in RESP3, one after the other in RESP2.
fn write_members<'a>(
    reply: &mut Reply,
    members: impl ExactSizeIterator<Item = (Value<'a>, f64)>,
    with_scores: bool,
) {
    write_head(reply, members.len() as u64, with_scores);
    members.for_each(|member| write_one(reply, member, with_scores));
}

/// The header of [`write_members`]; as many of [`write_one`] follow.
fn write_head(reply: &mut Reply, members: u64, with_scores: bool) {
    let flat = with_scores && reply.protocol() == Protocol::Resp2;
    reply.array((members << u32::from(flat)) as usize);
}

#[inline]
fn write_one(reply: &mut Reply, (member, score): (Value<'_>, f64), with_scores: bool) {
    if with_scores && reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    write_member(reply, member);
    if with_scores {
        reply.double(score);
    }
}
