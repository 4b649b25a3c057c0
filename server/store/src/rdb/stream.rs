//! Streams: nodes as listpacks under their first IDs, what is known about all entries, and the groups.
//!
//! Types 15, 19 and 21 differ in what they tell: the second has the first ID, the largest deleted one, the number of
//! entries ever added and what each group has read of them; the third has when each consumer was last given anything.

use std::collections::BTreeMap;

use super::kind;
use super::wire::{Reader, Writer};
use crate::listpack::Listpack;
use crate::stream::{Group, Pending, Stream, StreamId};

/// What stands for a number of entries, or a moment, that is not known.
const UNKNOWN: i64 = -1;

pub(super) fn save(writer: &mut Writer, stream: &Stream) {
    writer.count(stream.nodes());
    for (key, listpack) in stream.listpacks() {
        writer.bytes(&key.to_be_bytes());
        writer.bytes(&listpack);
    }
    writer.length(stream.length());
    writer.id(stream.last_id());
    writer.id(stream.first_id());
    writer.id(stream.max_deleted_id());
    writer.length(stream.entries_added());
    writer.count(stream.groups().len());
    for (name, group) in stream.groups() {
        writer.bytes(name);
        save_group(writer, group);
    }
}

fn save_group(writer: &mut Writer, group: &Group) {
    writer.id(group.last_id);
    writer.length(group.entries_read.unwrap_or(UNKNOWN).cast_unsigned());
    writer.count(group.pending().len());
    for (id, pending) in group.pending() {
        writer.raw(&id.to_be_bytes());
        writer.moment(pending.delivered_ms);
        writer.length(pending.deliveries);
    }
    let consumers = group.consumers();
    writer.count(consumers.len());
    for consumer in consumers {
        writer.bytes(consumer.name());
        writer.moment(consumer.seen_ms);
        writer.moment(consumer.active_ms.unwrap_or(UNKNOWN));
        writer.count(consumer.pending().len());
        consumer.pending().iter().for_each(|id| writer.raw(&id.to_be_bytes()));
    }
}

pub(super) fn load(reader: &mut Reader<'_>, kind: u8) -> Option<Stream> {
    let mut stream = Stream::new();
    let nodes = reader.count()?;
    for _ in 0..nodes {
        let key = StreamId::from_be_bytes(reader.string()?.as_ref().try_into().ok()?);
        let listpack = Listpack::from_bytes(&reader.string()?)?;
        stream.add_listpack(key, &listpack)?;
    }
    let length = reader.length()?;
    let last_id = reader.id()?;
    let (max_deleted_id, entries_added) = match kind {
        kind::STREAM_LISTPACKS => (StreamId::MIN, length),
        _ => {
            // The first ID, which follows from the entries.
            reader.id()?;
            (reader.id()?, reader.length()?)
        }
    };
    if length != stream.length() || last_id < stream.last_id() {
        return None;
    }
    stream.set_last_id(last_id, Some(entries_added), Some(max_deleted_id));
    let groups = reader.count()?;
    for _ in 0..groups {
        load_group(reader, &mut stream, kind)?;
    }
    Some(stream)
}

fn load_group(reader: &mut Reader<'_>, stream: &mut Stream, kind: u8) -> Option<()> {
    let name = reader.string()?;
    let last_id = reader.id()?;
    let entries_read = match kind {
        kind::STREAM_LISTPACKS => stream.entries_up_to(last_id).map(|count| count as i64),
        _ => Some(reader.length()?.cast_signed()).filter(|&read| read != UNKNOWN),
    };
    if entries_read.is_some_and(|read| read < 0) || !stream.create_group(&name, last_id, entries_read) {
        return None;
    }
    let mut unowned = BTreeMap::new();
    let pending = reader.count()?;
    for _ in 0..pending {
        let id = StreamId::from_be_bytes(reader.array()?);
        let delivered_ms = reader.moment()?;
        let deliveries = reader.length()?;
        if unowned.insert(id, (delivered_ms, deliveries)).is_some() {
            return None;
        }
    }
    let (_, mut group) = stream.group_mut(&name)?;
    let consumers = reader.count()?;
    for _ in 0..consumers {
        let name = reader.string()?;
        if group.find(&name).is_some() {
            return None;
        }
        let seen_ms = reader.moment()?;
        let active_ms = match kind {
            kind::STREAM_LISTPACKS_3 => Some(reader.moment()?).filter(|&moment| moment != UNKNOWN),
            _ => Some(seen_ms),
        };
        let consumer = group.create(&name, seen_ms);
        group.consumer_mut(consumer).active_ms = active_ms;
        let pending = reader.count()?;
        for _ in 0..pending {
            let id = StreamId::from_be_bytes(reader.array()?);
            let (delivered_ms, deliveries) = unowned.remove(&id)?;
            group.give(id, Pending { consumer, delivered_ms, deliveries });
        }
    }
    // Nothing is pending with nobody.
    unowned.is_empty().then_some(())
}
