//! Walking over fields and picking some: HSCAN, HRANDFIELD.

use super::{KEY, ROW, read, remove_all_due};
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::sampling::{self, Sample};
use crate::commands::scan::{self, ScanOptions};
use crate::commands::string::write_value;
use crate::commands::{Args, CommandResult, Cx, Error};
use boxcar_resp::{Protocol, Reply};
use boxcar_store::{Composite, Encoding, Field, Hash, IntegerText, Record};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        summary: "Walks over the fields of a hash, some with each call.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::new("cursor", "integer"),
            Argument::new("pattern", "pattern").after("MATCH").optional(),
            Argument::new("count", "integer").after("COUNT").optional(),
            Argument::word("novalues", "NOVALUES").since("7.4.0").optional(),
        ],
        handler: hscan,
        ..ROW
    },
    Command {
        name: "hrandfield",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Returns random fields of a hash.",
        tips: &["nondeterministic_output"],
        arguments: &[
            KEY,
            Argument::block(
                "options",
                &[Argument::new("count", "integer"), Argument::word("withvalues", "WITHVALUES").optional()],
            )
            .optional(),
        ],
        handler: hrandfield,
        ..ROW
    },
];

fn hscan(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let cursor = scan::cursor(args.at(2))?;
    let now_ms = cx.keys.now_ms;
    let Some(hash) = read(cx.keys, args.at(1))? else {
        scan::write_nothing(cx.reply);
        return Ok(());
    };
    let options = ScanOptions::parse(args, false)?;
    let mut found = Reply::new(cx.reply.protocol());
    let mut count = 0;
    let next = hash.scan(cursor, options.count, &mut |field| {
        if field.is_due(now_ms) || !options.admits(field.name.as_bytes(&mut IntegerText::default())) {
            return;
        }
        write_value(&mut found, field.name);
        count += 1;
        if options.values {
            write_value(&mut found, field.value);
            count += 1;
        }
    });
    scan::write(cx.reply, next, count, &found);
    Ok(())
}

fn hrandfield(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.len() == 2 {
        remove_due_of(cx, args.at(1))?;
        let hash = cx.keys.view(args.at(1)).and_then(Record::object::<Hash>);
        match hash.and_then(pick) {
            Some(field) => write_value(cx.reply, field.name),
            None => cx.reply.null(),
        }
        return Ok(());
    }
    let wanted = sampling::parse_count(args, 2)?;
    if args.len() > 4 || args.len() == 4 && !args.is(3, "WITHVALUES") {
        return Err(Error::Syntax);
    }
    let with_values = args.len() == 4;
    if with_values && wanted.count() > (i64::MAX / 2).unsigned_abs() {
        return Err(Error::text("ERR value is out of range"));
    }
    remove_due_of(cx, args.at(1))?;
    let Some(hash) = cx.keys.view(args.at(1)).and_then(Record::object::<Hash>) else {
        cx.reply.array(0);
        return Ok(());
    };
    // RESP3 has a pair for each field, RESP2 one flat array.
    let pairs = with_values && cx.reply.protocol() == Protocol::Resp3;
    let reply = &mut *cx.reply;
    let array = reply.deferred_array();
    let begin = reply.len();
    let mut count = 0;
    select(hash, wanted, &mut |field| {
        if pairs {
            reply.array(2);
        }
        write_value(reply, field.name);
        if with_values {
            write_value(reply, field.value);
        }
        count += if with_values && !pairs { 2 } else { 1 };
        sampling::check_size(reply, begin)
    })?;
    cx.reply.finish(array, count);
    Ok(())
}

/// Reads the hash and removes the fields whose time has come, so that none of them is picked afterwards.
fn remove_due_of(cx: &mut Cx<'_, '_>, key: &[u8]) -> CommandResult {
    read(cx.keys, key)?;
    remove_all_due(cx, key);
    Ok(())
}

/// A random field.
fn pick(hash: &Hash) -> Option<Field<'_>> {
    hash.random(rand::random())
}

/// Shows as many fields as are wanted.
fn select<'a>(
    hash: &'a Hash,
    wanted: Sample,
    show: &mut dyn FnMut(Field<'a>) -> CommandResult,
) -> CommandResult {
    match wanted {
        Sample::Repeated(count) => (0..count).map_while(|_| pick(hash)).try_for_each(show),
        Sample::Distinct(0) => Ok(()),
        Sample::Distinct(count) => {
            let len = hash.len();
            if hash.encoding() == Encoding::Hashtable && sampling::is_few(count, len) {
                let draw = || pick(hash).expect("there are more fields than are wanted");
                return sampling::draw_distinct(count, draw, |field| address(field), show);
            }
            sampling::choose_in_order(count, len, hash.iter(), show)
        }
    }
}

/// What tells the fields of one hash table apart.
fn address(field: &Field<'_>) -> *const u8 {
    match field.name {
        boxcar_store::Value::Bytes(name) => name.as_ptr(),
        boxcar_store::Value::Integer(_) => unreachable!("a hash table keeps names as bytes"),
    }
}
