//! Bytes to values. What is not sound is `None`, as a whole.

use super::save::{NODE_PACKED, NODE_PLAIN};
use super::wire::Reader;
use super::{Limits, Restored, kind, stream, ziplist};
use crate::hash_map::{Hash, LATEST_EXPIRY};
use crate::list::{List, Node};
use crate::listpack::Listpack;
use crate::object::{Composite, Object};
use crate::set::Set;
use crate::set::intset::Intset;
use crate::sorted_set::SortedSet;
use crate::value::Value;

/// Reads type and value. What follows them is not looked at, as with Redis.
pub(super) fn value(reader: &mut Reader<'_>, limits: &Limits) -> Option<Restored> {
    let object: Object = match reader.byte()? {
        kind::STRING => return Some(Restored::String(reader.string()?.into_owned().into())),
        kind::LIST => list_of_elements(reader, limits)?.into(),
        kind::LIST_ZIPLIST => {
            let listpack = ziplist::to_listpack(&reader.string()?)?;
            // Redis makes a quicklist of it, whatever its size.
            List::quick(listpack).into()
        }
        kind::LIST_QUICKLIST => list_of_nodes(reader, limits, old_node)?.into(),
        kind::LIST_QUICKLIST_2 => list_of_nodes(reader, limits, node)?.into(),
        kind::SET => set_of_members(reader, limits)?.into(),
        kind::SET_INTSET => Set::from_intset(Intset::from_bytes(&reader.string()?)?, limits.set).into(),
        kind::SET_LISTPACK => Set::from_listpack(listpack(reader)?, limits.set)?.into(),
        kind::ZSET => sorted_set_of_members(reader, limits, Reader::double_text)?.into(),
        kind::ZSET_2 => sorted_set_of_members(reader, limits, Reader::double)?.into(),
        kind::ZSET_ZIPLIST => {
            let listpack = ziplist::to_listpack(&reader.string()?)?;
            SortedSet::from_elements(listpack, limits.sorted_set)?.into()
        }
        kind::ZSET_LISTPACK => SortedSet::from_elements(listpack(reader)?, limits.sorted_set)?.into(),
        kind::HASH => hash_of_fields(reader, limits, |_| Some(None))?.into(),
        kind::HASH_ZIPMAP => hash_of_zipmap(&reader.string()?, limits)?.into(),
        kind::HASH_ZIPLIST => {
            let listpack = ziplist::to_listpack(&reader.string()?)?;
            Hash::from_listpack(listpack, limits.hash)?.into()
        }
        kind::HASH_LISTPACK => Hash::from_listpack(listpack(reader)?, limits.hash)?.into(),
        kind @ (kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_EARLY) => {
            if kind == kind::HASH_LISTPACK_EX {
                // The earliest expiry, which is in the listpack, too.
                reader.moment()?;
            }
            Hash::from_expiring_listpack(listpack(reader)?, limits.hash)?.into()
        }
        kind::HASH_METADATA => {
            let earliest = reader.moment().and_then(|moment| u64::try_from(moment).ok())?;
            expiring_hash(reader, limits, earliest)?.into()
        }
        // Expiries as they are.
        kind::HASH_METADATA_EARLY => expiring_hash(reader, limits, 1)?.into(),
        kind @ (kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3) => {
            stream::load(reader, kind)?.into()
        }
        _ => return None,
    };
    Some(Restored::Object(object))
}

fn listpack(reader: &mut Reader<'_>) -> Option<Listpack> {
    Listpack::from_bytes(&reader.string()?)
}

fn list_of_elements(reader: &mut Reader<'_>, limits: &Limits) -> Option<List> {
    let count = reader.count()?;
    let mut list = List::new();
    for _ in 0..count {
        let element = reader.string()?;
        list.grow(element.len(), 1, limits.list);
        list.push(crate::list::Side::Right, Value::encode(&element), limits.list);
    }
    (!list.is_empty()).then_some(list)
}

fn list_of_nodes(
    reader: &mut Reader<'_>,
    limits: &Limits,
    node: fn(&mut Reader<'_>) -> Option<Node>,
) -> Option<List> {
    let count = reader.count()?;
    let mut nodes = Vec::new();
    for _ in 0..count {
        // Redis passes over empty ones, too.
        nodes.extend(Some(node(reader)?).filter(|node| !node.is_empty()));
    }
    List::from_nodes(nodes, limits.list)
}

fn old_node(reader: &mut Reader<'_>) -> Option<Node> {
    ziplist::to_listpack(&reader.string()?).map(Node::of)
}

fn node(reader: &mut Reader<'_>) -> Option<Node> {
    match reader.length()? {
        NODE_PACKED => listpack(reader).map(Node::of),
        NODE_PLAIN => Some(Node::plain(reader.string()?.into_owned().into())),
        _ => None,
    }
}

fn set_of_members(reader: &mut Reader<'_>, limits: &Limits) -> Option<Set> {
    let count = reader.count()?;
    let mut set = if count > limits.set.intset_entries { Set::new_table() } else { Set::new() };
    for _ in 0..count {
        if !set.add(Value::encode(&reader.string()?), limits.set) {
            return None;
        }
    }
    (!set.is_empty()).then_some(set)
}

fn sorted_set_of_members<'d>(
    reader: &mut Reader<'d>,
    limits: &Limits,
    score: fn(&mut Reader<'d>) -> Option<f64>,
) -> Option<SortedSet> {
    let count = reader.count()?;
    let mut set = SortedSet::for_members(count, 0, limits.sorted_set);
    for _ in 0..count {
        let member = reader.string()?;
        let score = score(reader).filter(|score| !score.is_nan())?;
        if !set.add(&member, score, limits.sorted_set) {
            return None;
        }
    }
    (!set.is_empty()).then_some(set)
}

/// A hash whose expiries stand before the fields, counted so that `earliest` is 1.
fn expiring_hash(reader: &mut Reader<'_>, limits: &Limits, earliest: u64) -> Option<Hash> {
    hash_of_fields(reader, limits, |reader| match reader.length()? {
        0 => Some(None),
        distance => {
            let moment = earliest.checked_add(distance - 1).and_then(|moment| i64::try_from(moment).ok());
            Some(Some(moment.filter(|&moment| moment <= LATEST_EXPIRY)?))
        }
    })
    .map(|mut hash| {
        hash.allow_expiries();
        hash
    })
}

fn hash_of_fields(
    reader: &mut Reader<'_>,
    limits: &Limits,
    expiry: impl Fn(&mut Reader<'_>) -> Option<Option<i64>>,
) -> Option<Hash> {
    let count = reader.count()?;
    let mut hash = Hash::for_fields(count, limits.hash);
    for _ in 0..count {
        let expire_at = expiry(reader)?;
        let name = reader.string()?;
        let value = reader.string()?;
        if !hash.set(&name, Value::encode(&value), expire_at, limits.hash) {
            return None;
        }
    }
    (!hash.is_empty()).then_some(hash)
}

fn hash_of_zipmap(bytes: &[u8], limits: &Limits) -> Option<Hash> {
    let parts = ziplist::of_zipmap(bytes)?;
    let mut hash = Hash::for_fields(parts.len() / 2, limits.hash);
    for pair in parts.chunks_exact(2) {
        if !hash.set(pair[0], Value::encode(pair[1]), None, limits.hash) {
            return None;
        }
    }
    (!hash.is_empty()).then_some(hash)
}
