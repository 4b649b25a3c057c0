//! Keys that change their name or place: RENAME, RENAMENX, COPY, MOVE. Both shards are locked.

use super::{KEY, ROW};
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{Args, CommandResult, Cx, Error, Keys};
use boxcar_store::{Entry, OwnedRecord};

const FROM: KeySpec = KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE));
const OW_UPDATE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "rename",
        arity: 3,
        flags: Flags::WRITE,
        keys: &[FROM, KeySpec::one(2, OW_UPDATE)],
        summary: "Renames a key, replacing what has the new name.",
        arguments: &[KEY, Argument::new("newkey", "key")],
        handler: rename,
        ..ROW
    },
    Command {
        name: "renamenx",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[FROM, KeySpec::one(2, KeyFlags::OW.union(KeyFlags::INSERT))],
        summary: "Renames a key if nothing has the new name yet.",
        arguments: &[KEY, Argument::new("newkey", "key")],
        handler: renamenx,
        ..ROW
    },
    Command {
        name: "copy",
        arity: -3,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)), KeySpec::one(2, OW_UPDATE)],
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
        summary: "Copies the value and the expiry of a key to another key.",
        arguments: &[
            Argument::new("source", "key"),
            Argument::new("destination", "key"),
            Argument::new("destination-db", "integer").after("DB").optional(),
            Argument::word("replace", "REPLACE").optional(),
        ],
        handler: copy,
        ..ROW
    },
    Command {
        name: "move",
        arity: 3,
        flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
        keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
        summary: "Moves a key to another database.",
        arguments: &[KEY, Argument::new("db", "integer")],
        handler: move_to_db,
        ..ROW
    },
];

/// `ERR source and destination objects are the same`
const SAME_OBJECT: Error = Error::text("ERR source and destination objects are the same");

fn rename(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    give_new_name(cx, args, true)?;
    cx.reply.ok();
    Ok(())
}

fn renamenx(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let renamed = give_new_name(cx, args, false)?;
    cx.reply.integer(i64::from(renamed));
    Ok(())
}

/// Gives the key in argument 1 the name in argument 2; false when that changes nothing: it has that name, or
/// something else has and is not to be replaced.
fn give_new_name(cx: &mut Cx<'_, '_>, args: Args<'_>, replace: bool) -> Result<bool, Error> {
    let (from, to) = (args.at(1), args.at(2));
    if matches!(cx.keys.write(from), Entry::Vacant(_)) {
        return Err(Error::NoSuchKey);
    }
    if from == to || (!replace && cx.keys.exists(to)) {
        return Ok(false);
    }
    let Entry::Occupied(source) = cx.keys.entry(from) else { unreachable!("it existed under the same lock") };
    let renamed = source.take().rekey(to);
    put(cx.keys, to, renamed);
    cx.keys.touched(from);
    cx.keys.changed(to);
    cx.keys.event(EventClass::GENERIC, "rename_from", from);
    cx.keys.event(EventClass::GENERIC, "rename_to", to);
    Ok(true)
}

fn copy(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let (from, to) = (args.at(1), args.at(2));
    let (mut to_db, mut replace) = (cx.keys.db, false);
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "REPLACE") {
            replace = true;
        } else if args.is(i, "DB") && i + 1 < args.len() {
            i += 1;
            to_db = database(cx, args, i)?;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if to_db == cx.keys.db && from == to {
        return Err(SAME_OBJECT);
    }
    let clock = cx.keys.access_clock();
    if cx.keys.read(from).is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    let copied = replace || !cx.keys.in_db(to_db, |keys| keys.exists(to));
    if copied {
        let source = cx.keys.peek(from).expect("it existed under the same lock");
        let copy = source.duplicate(to, source.expire_at(), clock);
        cx.keys.in_db(to_db, |keys| {
            put(keys, to, copy);
            keys.changed(to);
            keys.event(EventClass::GENERIC, "copy_to", to);
        });
    }
    cx.reply.integer(i64::from(copied));
    Ok(())
}

fn move_to_db(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let to_db = database(cx, args, 2)?;
    if to_db == cx.keys.db {
        return Err(SAME_OBJECT);
    }
    let taken = cx.keys.in_db(to_db, |keys| keys.exists(key));
    let moved = match cx.keys.write(key) {
        Entry::Occupied(source) if !taken => Some(source.take()),
        Entry::Occupied(_) | Entry::Vacant(_) => None,
    };
    cx.reply.integer(i64::from(moved.is_some()));
    if let Some(moved) = moved {
        cx.keys.touched(key);
        cx.keys.in_db(to_db, |keys| {
            put(keys, key, moved);
            keys.changed(key);
        });
        cx.keys.event(EventClass::GENERIC, "move_from", key);
        cx.keys.in_db(to_db, |keys| keys.event(EventClass::GENERIC, "move_to", key));
    }
    Ok(())
}

/// Stores a record under its key, whatever that held before.
fn put(keys: &mut Keys<'_>, key: &[u8], record: OwnedRecord) {
    match keys.entry(key) {
        Entry::Occupied(mut entry) => {
            entry.set_record(record);
            // To Redis the key before was another one.
            keys.event(EventClass::NEW, "new", key);
        }
        Entry::Vacant(entry) => drop(entry.insert_record(record)),
    }
}

/// The database that argument `i` names.
fn database(cx: &Cx<'_, '_>, args: Args<'_>, i: usize) -> Result<usize, Error> {
    let number = args.integer(i)?;
    if i32::try_from(number).is_err() {
        let (low, high) = (i32::MIN, i32::MAX);
        return Err(format!("ERR value is out of range, value must between {low} and {high}").into());
    }
    let databases = cx.keys.keyspace().databases();
    let db = usize::try_from(number).ok().filter(|&db| db < databases);
    db.ok_or(const { Error::text("ERR DB index is out of range") })
}
