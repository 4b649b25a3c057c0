//! DEBUG: aids for tests of the server itself, where `enable-debug-command` allows them.
//!
//! - `digest`: DIGEST, DIGEST-VALUE.
//! - `inside`: how values and tables are kept: OBJECT, LISTPACK, HTSTATS, HTSTATS-KEY.
//! - `switches`: what changes the server's ways, and what would in Redis.

mod digest;
mod inside;
mod switches;

use super::config::is_local;
use super::{ADMIN_FLAGS, ROW};
use crate::commands::help::{subcommand_syntax, write_help};
use crate::commands::row::{Command, Flags, Locks};
use crate::commands::{Args, CommandResult, Cx, Error, args::parse_integer};
use crate::config::choices::Guard;
use crate::config::glob::{self, Case};
use crate::config::rows;
use boxcar_store::Value;
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
    "DICT-RESIZING <0|1>",
    "    Nothing: tables grow and shrink by segments, and always may.",
    "DIGEST",
    "    Answer with a signature of everything in all databases.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Answer with a signature of the value of each key.",
    "ERROR <string>",
    "    Answer with an error of this text.",
    "HTSTATS <dbid> [full]",
    "    Show how full the tables of a database are.",
    "HTSTATS-KEY <key> [full]",
    "    The same of the hash table that a value is kept in.",
    "LISTPACK <key>",
    "    Write the bytes of a value that is a listpack to the server's log.",
    "LOG <message>",
    "    Write a message to the server's log.",
    "OBJECT <key>",
    "    Show the encoding of a value, its length on disk and its access clock.",
    "PAUSE-CRON <0|1>",
    "    Stop the work that is done now and then (expiry, eviction, defragmentation), or go on.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create keys named <prefix>:<number>, `key` being the default prefix, each with a",
    "    value of its own, or one of <size> bytes.",
    "PROTOCOL <type>",
    "    Answer with an example of a reply type: string, integer, double, bignum, null,",
    "    array, set, map, attrib, push, verbatim, true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Give elements of lists of so many bytes nodes of their own; 0 for the usual size.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|milliseconds>",
    "REPLYBUFFER RESIZING <0|1>",
    "    Nothing: there are no reply buffers of this kind.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Switch the search for expired keys off or on.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Nothing: there are no scripts yet.",
    "SLEEP <seconds>",
    "    Stop executing commands for so long; fractions are allowed.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Answer whether the pattern fits the string.",
];

/// A subcommand: name, numbers of arguments it takes after its name, handler.
type Subcommand =
    (&'static str, std::ops::RangeInclusive<usize>, fn(&mut Cx<'_, '_>, Args<'_>) -> CommandResult);

const SUBCOMMANDS: &[Subcommand] = &[
    ("dict-resizing", 1..=1, switches::nothing),
    ("digest", 0..=0, digest::digest),
    ("digest-value", 0..=usize::MAX, digest::digest_value),
    ("error", 1..=1, error),
    ("help", 0..=0, help),
    ("htstats", 1..=2, inside::htstats),
    ("htstats-key", 1..=2, inside::htstats_key),
    ("listpack", 1..=1, inside::listpack),
    ("log", 1..=1, log),
    ("object", 1..=2, inside::object),
    ("pause-cron", 1..=1, switches::pause_cron),
    ("populate", 1..=3, populate),
    ("protocol", 1..=1, protocol),
    ("quicklist-packed-threshold", 1..=1, switches::packed_threshold),
    ("replybuffer", 2..=2, switches::reply_buffer),
    ("set-active-expire", 1..=1, switches::active_expire),
    ("set-disable-deny-scripts", 1..=1, switches::nothing),
    ("sleep", 1..=1, sleep),
    ("stringmatch-len", 2..=2, stringmatch),
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

/// Whether a glob-style pattern fits a string: what KEYS and its kin go by.
fn stringmatch(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    cx.reply.integer(i64::from(glob::matches(args.at(2), args.at(3), Case::Sensitive)));
    Ok(())
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
