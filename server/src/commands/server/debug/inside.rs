//! How values and tables are kept.

use crate::commands::access::idle_seconds;
use crate::commands::generic::object::reference_count;
use crate::commands::{Args, CommandResult, Cx, Error};
use crate::config::rows;
use boxcar_store::{Composite, Encoding, List, NodeRef, ObjectRef, Record, rdb};
use std::fmt::Write as _;

pub(super) fn object(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let compress = cx.server.config.bool(rows::RDBCOMPRESSION);
    let fill = cx.server.config.int(rows::LIST_MAX_LISTPACK_SIZE);
    let record = cx.keys.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
    let idle = idle_seconds(record.access(), now_ms);
    let mut text = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
        record.key().as_ptr(),
        reference_count(record),
        record.encoding().name(),
        rdb::serialized_len(record, compress),
        record.access(),
    );
    if record.encoding() == Encoding::Quicklist
        && let Some(list) = record.object::<List>()
    {
        write_nodes(list, fill, &mut text);
    }
    cx.reply.simple(&text);
    Ok(())
}

/// What Redis adds for lists of several nodes.
fn write_nodes(list: &List, fill: i64, text: &mut String) {
    let nodes = list.nodes();
    let count = nodes.len();
    let average = list.len() as f64 / count as f64;
    let bytes: usize = nodes
        .map(|node| match node {
            NodeRef::Packed(listpack) => listpack.byte_len(),
            NodeRef::Plain(bytes) => bytes.len(),
        })
        .sum();
    // Writing to a String cannot fail.
    let _infallible = write!(
        text,
        " ql_nodes:{count} ql_avg_node:{average:.2} ql_listpack_max:{fill} ql_compressed:0 \
         ql_uncompressed_size:{bytes}"
    );
}

/// Redis prints the bytes to its standard output.
pub(super) fn listpack(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let record = cx.keys.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
    let is_packed = matches!(record.encoding(), Encoding::Listpack | Encoding::ListpackEx);
    let bytes = is_packed.then(|| rdb::dump(record, false));
    let bytes = bytes.ok_or(const { Error::text("ERR Not a listpack encoded object.") })?;
    tracing::info!("DEBUG LISTPACK: \"{}\"", bytes.escape_ascii());
    cx.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

/// Tables are extendible, and there is one for each shard: their sum is shown, as one table.
pub(super) fn htstats(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let db = args.integer(2)?;
    let databases = cx.keys.keyspace().databases();
    let db = usize::try_from(db).ok().filter(|&db| db < databases);
    let db = db.ok_or(const { Error::text("ERR Out of range database") })?;
    let mut slots = 0;
    for shard in 0..cx.keys.keyspace().shards() as u32 {
        slots += cx.keys.shard(shard).db(db).slots();
    }
    let (keys, expires) = (cx.keys.keyspace().len(db), cx.keys.keyspace().expires_len(db));
    let mut text = String::from("[Dictionary HT]\n");
    write_table(slots, keys, &mut text);
    text.push_str("[Expires HT]\n");
    // They stand in the same table.
    write_table(slots, expires, &mut text);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn htstats_key(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let record = cx.keys.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
    let (slots, members) =
        table_of(record).ok_or(
            const {
                Error::text(
                    "ERR The value stored at the specified key is not represented using an hash table",
                )
            },
        )?;
    let mut text = String::new();
    write_table(slots, members, &mut text);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Room and number of elements of the hash table that a value is kept in.
fn table_of(record: Record<'_>) -> Option<(usize, usize)> {
    match record.any_object()? {
        ObjectRef::Set(set) => Some((set.table_slots()?, set.len())),
        ObjectRef::Hash(hash) => Some((hash.table_slots()?, hash.len())),
        ObjectRef::SortedSet(set) if set.encoding() == Encoding::Skiplist => Some((set.len(), set.len())),
        _ => None,
    }
}

/// Redis's words, as far as they fit.
fn write_table(slots: usize, elements: usize, text: &mut String) {
    if elements > 0 {
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "Hash table 0 stats (main hash table):\n table size: {slots}\n number of elements: {elements}\n"
        );
    }
}
