//! Values to bytes.

use super::kind;
use super::stream;
use super::wire::Writer;
use crate::hash_map::{Hash, Packed};
use crate::list::{List, NodeRef};
use crate::object::{Composite, ObjectRef};
use crate::record::Record;
use crate::set::Set;
use crate::sorted_set::SortedSet;

/// How a node of a list is written (`QUICKLIST_NODE_CONTAINER_...`).
pub(super) const NODE_PLAIN: u64 = 1;
pub(super) const NODE_PACKED: u64 = 2;

/// Writes type and value; the type is returned.
pub(super) fn value(writer: &mut Writer, record: Record<'_>) -> u8 {
    let kind = kind_of(record);
    writer.byte(kind);
    match record.any_object() {
        None => writer.string(record.string().expect("what is no object is a string")),
        Some(ObjectRef::List(value)) => list(writer, value),
        Some(ObjectRef::Set(value)) => set(writer, value),
        Some(ObjectRef::SortedSet(value)) => sorted_set(writer, value),
        Some(ObjectRef::Hash(value)) => hash(writer, value),
        Some(ObjectRef::Stream(value)) => stream::save(writer, value),
    }
    kind
}

fn kind_of(record: Record<'_>) -> u8 {
    match record.any_object() {
        None => kind::STRING,
        Some(ObjectRef::List(_)) => kind::LIST_QUICKLIST_2,
        Some(ObjectRef::Set(value)) if value.as_intset().is_some() => kind::SET_INTSET,
        Some(ObjectRef::Set(value)) if value.as_listpack().is_some() => kind::SET_LISTPACK,
        Some(ObjectRef::Set(_)) => kind::SET,
        Some(ObjectRef::SortedSet(value)) if value.as_listpack().is_some() => kind::ZSET_LISTPACK,
        Some(ObjectRef::SortedSet(_)) => kind::ZSET_2,
        Some(ObjectRef::Hash(value)) => match value.packed() {
            Packed::Pairs(_) => kind::HASH_LISTPACK,
            Packed::Triples(_) => kind::HASH_LISTPACK_EX,
            Packed::Not if value.earliest_expiry().is_some() => kind::HASH_METADATA,
            Packed::Not => kind::HASH,
        },
        Some(ObjectRef::Stream(_)) => kind::STREAM_LISTPACKS_3,
    }
}

fn list(writer: &mut Writer, list: &List) {
    let nodes = list.nodes();
    writer.count(nodes.len());
    for node in nodes {
        let (container, bytes) = match node {
            NodeRef::Packed(listpack) => (NODE_PACKED, listpack.bytes()),
            NodeRef::Plain(bytes) => (NODE_PLAIN, bytes),
        };
        writer.length(container);
        writer.bytes(bytes);
    }
}

fn set(writer: &mut Writer, set: &Set) {
    if let Some(intset) = set.as_intset() {
        writer.bytes(intset.bytes());
    } else if let Some(listpack) = set.as_listpack() {
        writer.bytes(listpack.bytes());
    } else {
        writer.count(set.len());
        set.iter().for_each(|member| writer.string(member));
    }
}

/// Members with their scores, the highest first, so that whoever reads them adds each before all others.
fn sorted_set(writer: &mut Writer, set: &SortedSet) {
    if let Some(listpack) = set.as_listpack() {
        return writer.bytes(listpack.bytes());
    }
    writer.count(set.len());
    for (member, score) in set.iter().rev() {
        writer.string(member);
        writer.double(score);
    }
}

/// Expiries of fields are counted from the earliest one, which is 1; 0 is none.
fn hash(writer: &mut Writer, hash: &Hash) {
    match hash.packed() {
        Packed::Pairs(listpack) => return writer.bytes(listpack.bytes()),
        Packed::Triples(listpack) => {
            writer.moment(hash.earliest_expiry().unwrap_or(0));
            return writer.bytes(listpack.bytes());
        }
        Packed::Not => {}
    }
    let earliest = hash.earliest_expiry();
    if let Some(earliest) = earliest {
        writer.moment(earliest);
    }
    writer.count(hash.len());
    for field in hash.iter() {
        if let Some(earliest) = earliest {
            writer.length(field.expire_at.map_or(0, |moment| moment.abs_diff(earliest) + 1));
        }
        writer.string(field.name);
        writer.string(field.value);
    }
}
