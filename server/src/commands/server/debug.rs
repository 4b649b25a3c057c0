//! DEBUG: aids for tests of the server itself, where `enable-debug-command` allows them.

use super::config::is_local;
use super::{ADMIN_FLAGS, ROW};
use crate::commands::access::idle_seconds;
use crate::commands::generic::object::reference_count;
use crate::commands::help::{subcommand_syntax, write_help};
use crate::commands::row::{Command, Flags, Locks};
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};
use crate::config::choices::Guard;
use crate::config::rows;
use boxcar_store::{ObjectRef, Record, Value};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The row. Everything is locked whatever the subcommand: as in Redis nothing else happens meanwhile.
pub const COMMANDS: &[Command] = &[Command {
    name: "debug",
    arity: -2,
    flags: ADMIN_FLAGS.union(Flags::PROTECTED).union(Flags::SYSTEM),
    locks: Locks::Keyspace,
    complexity: "Depends on subcommand.",
    summary: "Aids for tests of the server itself.",
    handler: debug,
    ..ROW
}];

const HELP: &[&str] = &[
    "ERROR <string>",
    "    Answer with an error of this text.",
    "LOG <message>",
    "    Write a message to the server's log.",
    "OBJECT <key>",
    "    Show the encoding of a value, its length on disk and its access clock.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create keys named <prefix>:<number>, `key` being the default prefix, each with a",
    "    value of its own, or one of <size> bytes.",
    "PROTOCOL <type>",
    "    Answer with an example of a reply type: string, integer, double, bignum, null,",
    "    array, set, map, attrib, push, verbatim, true, false.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Switch the search for expired keys off or on.",
    "SLEEP <seconds>",
    "    Stop executing commands for so long; fractions are allowed.",
];

/// A subcommand: name, numbers of arguments it takes after its name, handler.
type Subcommand =
    (&'static str, std::ops::RangeInclusive<usize>, fn(&mut Cx<'_, '_>, Args<'_>) -> CommandResult);

const SUBCOMMANDS: &[Subcommand] = &[
    ("error", 1..=1, error),
    ("help", 0..=0, help),
    ("log", 1..=1, log),
    ("object", 1..=1, object),
    ("populate", 1..=3, populate),
    ("protocol", 1..=1, protocol),
    ("set-active-expire", 1..=1, set_active_expire),
    ("sleep", 1..=1, sleep),
];

fn debug(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let allowed = match cx.server.config.choice(rows::ENABLE_DEBUG_COMMAND) {
        Guard::Yes => true,
        Guard::No => false,
        Guard::Local => is_local(cx),
    };
    if !allowed {
        return Err(Error::text(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ));
    }
    let called = |(name, counts, _): &&Subcommand| args.is(1, name) && counts.contains(&(args.len() - 2));
    match SUBCOMMANDS.iter().find(called) {
        Some((_, _, handler)) => handler(cx, args),
        None => Err(subcommand_syntax(args)),
    }
}

fn help(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    write_help(cx, HELP);
    Ok(())
}

/// The text is the whole error, code included.
fn error(_: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    Err(Error::Bytes(args.at(2).to_vec()))
}

fn log(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.at(2)));
    cx.reply.ok();
    Ok(())
}

/// Holds all locks meanwhile. What is no number counts as 0, as strtod(3) has it.
fn sleep(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let seconds = str::from_utf8(args.at(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    cx.reply.ok();
    Ok(())
}

fn set_active_expire(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    // As atoi(3): what does not begin with a number is 0.
    let on = parse_integer(args.at(2)).is_some_and(|number| number != 0);
    cx.server.active_expire.store(on, Relaxed);
    cx.reply.ok();
    Ok(())
}

fn object(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let record = cx.keys.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
    let idle = idle_seconds(record.access(), now_ms);
    let text = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
        record.key().as_ptr(),
        reference_count(record),
        record.encoding().name(),
        serialized_length(record),
        record.access(),
    );
    cx.reply.simple(&text);
    Ok(())
}

/// Bytes of the value in an RDB file without compression: small integers in a form of their own, other strings behind
/// their length. Of other kinds of value, which have no such form yet, those in memory.
fn serialized_length(record: Record<'_>) -> usize {
    let Some(value) = record.string() else { return record.any_object().map_or(0, ObjectRef::memory) };
    if let Value::Integer(number) = value {
        match number {
            -0x80..0x80 => return 2,
            -0x8000..0x8000 => return 3,
            -0x8000_0000..0x8000_0000 => return 5,
            _ => {}
        }
    }
    let len = value.len();
    let prefix = match len {
        ..64 => 1,
        64..16_384 => 2,
        _ => 5,
    };
    prefix + len
}

fn populate(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let number = |argument: usize| {
        let number = parse_integer(args.at(argument)).and_then(|number| usize::try_from(number).ok());
        number.ok_or(Error::text("ERR value is out of range, must be positive"))
    };
    let count = number(2)?;
    let prefix: &[u8] = args.get(3).unwrap_or(b"key");
    let size = if args.len() == 5 { number(4)? } else { 0 };
    if size as u64 > cx.server.config.bytes(rows::PROTO_MAX_BULK_LEN) {
        return Err(Error::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    let mut key = Vec::new();
    for i in 0..count {
        let number = i.to_string();
        key.clear();
        key.extend_from_slice(prefix);
        key.push(b':');
        key.extend_from_slice(number.as_bytes());
        if !cx.keys.exists(&key) {
            let mut value = format!("value:{number}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            cx.keys.set(&key, Value::Bytes(&value), None);
        }
    }
    cx.reply.ok();
    Ok(())
}

#[expect(clippy::approx_constant, reason = "the example is Redis's, not a number of ours")]
fn protocol(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let reply = &mut *cx.reply;
    let is = |word| args.is(2, word);
    match () {
        () if is("string") => reply.bulk(b"Hello World"),
        () if is("integer") => reply.integer(12_345),
        () if is("double") => reply.double(3.141),
        () if is("null") => reply.null(),
        () if is("array") => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        () if is("set") => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        () if is("map") => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        () if is("attrib") => protocol_attribute(reply),
        () if is("push") => protocol_push(reply)?,
        () if is("true") => reply.boolean(true),
        () if is("false") => reply.boolean(false),
        () if is("bignum") => reply.big_number("1234567999999999999999999999999999999"),
        () if is("verbatim") => reply.verbatim("txt", b"This is a verbatim\nstring"),
        () => {
            return Err(Error::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// RESP2 has no attributes: there it is the reply alone.
fn protocol_attribute(reply: &mut boxcar_resp::Reply) {
    if reply.protocol() == boxcar_resp::Protocol::Resp3 {
        reply.attribute(1);
        reply.bulk(b"key-popularity");
        reply.array(2);
        reply.bulk(b"key:123");
        reply.integer(90);
    }
    reply.bulk(b"Some real reply following the attribute");
}

fn protocol_push(reply: &mut boxcar_resp::Reply) -> CommandResult {
    if reply.protocol() != boxcar_resp::Protocol::Resp3 {
        return Err(Error::text("ERR RESP2 is not supported by this command"));
    }
    // A push message answers nothing, so that there is a reply, too, and it comes first.
    reply.bulk(b"Some real reply following the push reply");
    reply.push(2);
    reply.bulk(b"server-cpu-usage");
    reply.integer(42);
    Ok(())
}
