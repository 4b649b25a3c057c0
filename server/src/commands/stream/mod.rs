//! The stream family.
//!
//! - `add`: XADD, XTRIM.
//! - `entries`: XLEN, XRANGE, XREVRANGE, XDEL, XSETID.
//! - `read`: XREAD, XREADGROUP.
//! - `group`: XGROUP.
//! - `pending`: XACK, XPENDING.
//! - `claim`: XCLAIM, XAUTOCLAIM.
//! - `info`: XINFO.
//! - `id`: IDs as arguments and in replies.

pub mod add;
pub mod claim;
pub mod entries;
pub mod group;
mod id;
pub mod info;
pub mod pending;
pub mod read;
#[cfg(test)]
mod tests;

use super::events::EventClass;
use super::row::{Argument, Categories, Command, Group, Locks};
use super::string::write_value;
use super::{Cx, Error, Keys};
use boxcar_resp::Reply;
use boxcar_store::stream::{ConsumerId, GroupMut, StreamEntry};
use boxcar_store::{ObjectMut, OccupiedEntry, Stream};

/// The family's rows.
pub const COMMANDS: &[&[Command]] = &[
    add::COMMANDS,
    entries::COMMANDS,
    read::COMMANDS,
    group::COMMANDS,
    pending::COMMANDS,
    claim::COMMANDS,
    info::COMMANDS,
];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::Stream,
    categories: Categories::STREAM,
    locks: Locks::Keys,
    since: "5.0.0",
    ..Command::DEFAULT
};

const KEY: Argument = Argument::new("key", "key");
const GROUP: Argument = Argument::new("group", "string");
const CONSUMER: Argument = Argument::new("consumer", "string");
const ID: Argument = Argument::new("id", "string");
const COUNT: Argument = Argument::new("count", "integer").after("COUNT").optional();

/// The stream of a key for reading; `None` when the key is missing.
fn read_stream<'k>(keys: &'k mut Keys<'_>, key: &[u8]) -> Result<Option<&'k Stream>, Error> {
    match keys.read(key) {
        Some(record) => record.object::<Stream>().map(Some).ok_or(Error::WrongType),
        None => Ok(None),
    }
}

/// The stream of an entry of the keyspace for changing.
fn stream_mut<'e>(entry: &'e mut OccupiedEntry<'_>) -> Result<ObjectMut<'e, Stream>, Error> {
    entry.object_mut::<Stream>().ok_or(Error::WrongType)
}

/// Replies with an entry: its ID, and names and values in turn.
fn write_entry(reply: &mut Reply, entry: &StreamEntry<'_>) {
    let fields = entry.fields();
    reply.array(2);
    id::write(reply, entry.id);
    reply.array(2 * fields.len());
    for (name, value) in fields {
        write_value(reply, name);
        write_value(reply, value);
    }
}

/// Replies with these entries.
fn write_entries<'e>(reply: &mut Reply, entries: impl Iterator<Item = StreamEntry<'e>>) {
    let (mark, mut count) = (reply.deferred_array(), 0);
    for entry in entries {
        write_entry(reply, &entry);
        count += 1;
    }
    reply.finish(mark, count);
}

/// How many of something COUNT allows: all when it is 0.
fn at_most(count: u64) -> usize {
    if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) }
}

/// The consumer of this name, made when there is none; whether it was. It has been seen now.
fn meet_consumer(group: &mut GroupMut<'_>, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    match group.find(name) {
        Some(consumer) => {
            group.consumer_mut(consumer).seen_ms = now_ms;
            (consumer, false)
        }
        None => (group.create(name, now_ms), true),
    }
}

/// Reports a consumer that was made by the way.
fn consumer_made(cx: &mut Cx<'_, '_>, key: &[u8]) {
    cx.stats.metrics.changes.add(1);
    cx.keys.event(EventClass::STREAM, "xgroup-createconsumer", key);
}

/// The error for a key or a group of it that does not exist; `context` follows.
fn no_key_or_group(key: &[u8], group: &[u8], context: &str) -> Error {
    let (key, group) = (Error::quotable(key), Error::quotable(group));
    let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", context.as_bytes()];
    Error::Bytes(parts.concat())
}

/// The error for a group that an existing key does not have.
fn no_group(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (Error::quotable(key), Error::quotable(group));
    Error::Bytes([b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"].concat())
}
