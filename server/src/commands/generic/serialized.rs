//! DUMP and RESTORE: values as bytes, in the format of Redis's dumps (see [`boxcar_store::rdb`]).

use super::{KEY, ROW};
use crate::commands::access::AccessClock;
use crate::commands::events::EventClass;
use crate::commands::row::{Argument, Command, Flags, KeyFlags, KeySpec};
use crate::commands::{
    Args, Categories, CommandResult, Cx, Error, Keys, Server, hash, list, set, sorted_set,
};
use crate::config::rows;
use boxcar_store::rdb::{self, RestoreError, Restored};
use boxcar_store::{Entry, Value};

/// These commands' rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "dump",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis \
            objects composing the value and M their average size. For small string values the time complexity is thus \
            O(1)+O(1*M) where M is small, so simply O(1).",
        summary: "Returns the value of a key as bytes.",
        tips: &["nondeterministic_output"],
        arguments: &[KEY],
        handler: dump,
        ..ROW
    },
    Command {
        name: "restore",
        arity: -4,
        flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
        keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is \
            the number of Redis objects composing the value and M their average size. For small string values the time \
            complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the \
            complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        summary: "Makes a key of the bytes that DUMP has returned.",
        arguments: &[
            KEY,
            Argument::new("ttl", "integer"),
            Argument::new("serialized-value", "string"),
            Argument::word("replace", "REPLACE").optional().since("3.0.0"),
            Argument::word("absttl", "ABSTTL").optional().since("5.0.0"),
            Argument::new("seconds", "integer").after("IDLETIME").optional().since("5.0.0"),
            Argument::new("frequency", "integer").after("FREQ").optional().since("5.0.0"),
        ],
        handler: restore,
        ..ROW
    },
];

fn dump(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    match cx.keys.read(args.at(1)) {
        Some(record) => cx.reply.bulk(&rdb::dump(record, cx.server.config.bool(rows::RDBCOMPRESSION))),
        None => cx.reply.null(),
    }
    Ok(())
}

/// RESTORE's options.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut i = 4;
        while i < args.len() {
            let more = i + 1 < args.len();
            if args.is(i, "REPLACE") {
                options.replace = true;
            } else if args.is(i, "ABSTTL") {
                options.absolute = true;
            } else if args.is(i, "IDLETIME") && more && options.frequency.is_none() {
                i += 1;
                let refused = const { Error::text("ERR Invalid IDLETIME value, must be >= 0") };
                options.idle_seconds = Some(args.integer(i)?);
                options.idle_seconds.filter(|&seconds| seconds >= 0).ok_or(refused)?;
            } else if args.is(i, "FREQ") && more && options.idle_seconds.is_none() {
                i += 1;
                let refused = const { Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255") };
                options.frequency = Some(u8::try_from(args.integer(i)?).map_err(|_| refused)?);
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }

    /// The access clock of the new key. What is said of the clock that `maxmemory-policy` does not need is not used, as in
    /// Redis.
    fn access(&self, clock: AccessClock, now_ms: i64) -> u32 {
        match (clock, self.idle_seconds, self.frequency) {
            (AccessClock::Recency, Some(seconds), _) => AccessClock::unused_for(seconds, now_ms),
            (AccessClock::Frequency { .. }, _, Some(frequency)) => AccessClock::used_often(frequency, now_ms),
            _ => clock.new_key(now_ms),
        }
    }
}

fn restore(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    let key = args.at(1);
    let options = Options::parse(args)?;
    if !options.replace && cx.keys.exists(key) {
        return Err(Error::text("BUSYKEY Target key name already exists."));
    }
    let ttl = args.integer(2)?;
    if ttl < 0 {
        return Err(Error::text("ERR Invalid TTL value, must be >= 0"));
    }
    let restored = rdb::restore(args.at(3), &limits(cx.server)).map_err(|error| match error {
        RestoreError::Footer => Error::text("ERR DUMP payload version or checksum are wrong"),
        RestoreError::Data => Error::text("ERR Bad data format"),
    })?;
    let now_ms = cx.keys.now_ms;
    // A sum that does not fit is in the past for Redis.
    let start = if options.absolute { 0 } else { now_ms };
    let expire_at = (ttl != 0).then(|| ttl.wrapping_add(start));
    if expire_at.is_some_and(|moment| moment <= now_ms) {
        if cx.keys.remove(key) {
            cx.keys.event(EventClass::GENERIC, "del", key);
        }
    } else {
        let access = options.access(cx.keys.access, now_ms);
        put(cx.keys, key, restored, expire_at, access);
        cx.keys.changed(key);
        cx.keys.event(EventClass::GENERIC, "restore", key);
    }
    cx.reply.ok();
    Ok(())
}

/// Stores a value under a key, whatever that held before.
fn put(keys: &mut Keys<'_>, key: &[u8], restored: Restored, expire_at: Option<i64>, access: u32) {
    let replaced = match (keys.entry(key), restored) {
        (Entry::Occupied(mut entry), Restored::Object(object)) => {
            entry.set_object(object, expire_at, access);
            true
        }
        (Entry::Occupied(mut entry), Restored::String(bytes)) => {
            entry.set(Value::encode(&bytes), expire_at, access);
            true
        }
        (Entry::Vacant(entry), Restored::Object(object)) => {
            entry.insert_object(object, expire_at, access);
            false
        }
        (Entry::Vacant(entry), Restored::String(bytes)) => {
            entry.insert(Value::encode(&bytes), expire_at, access);
            false
        }
    };
    if replaced {
        // To Redis the key before was another one.
        keys.event(EventClass::NEW, "new", key);
    }
}

/// The forms that restored values get.
fn limits(server: &Server) -> rdb::Limits {
    rdb::Limits {
        unpacked: usize::try_from(server.config.bytes(rows::PROTO_MAX_BULK_LEN)).unwrap_or(usize::MAX),
        list: list::fill(server),
        set: set::limits(server),
        sorted_set: sorted_set::limits(server),
        hash: hash::limits(server),
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::{Fixture, legible};

    #[test]
    fn restoring_what_was_dumped() {
        let mut server = Fixture::new();
        server.check("SET key value EX 100", "+OK");
        let reply = server.run(&["DUMP", "key"]);
        let payload = &reply[reply.iter().position(|&byte| byte == b'\n').unwrap() + 1..reply.len() - 2];
        let restore = |server: &mut Fixture, words: &[&str]| {
            let mut call: Vec<&[u8]> =
                vec![&b"RESTORE"[..], words[0].as_bytes(), words[1].as_bytes(), payload];
            call.extend(words[2..].iter().map(|word| word.as_bytes()));
            legible(&server.run(&call))
        };
        assert_eq!(restore(&mut server, &["key", "0"]), "-BUSYKEY Target key name already exists.");
        assert_eq!(restore(&mut server, &["key", "0", "REPLACE"]), "+OK");
        server.check("TTL key", ":-1");
        assert_eq!(restore(&mut server, &["copy", "5000"]), "+OK");
        server.check("PTTL copy", ":5000");
        assert_eq!(restore(&mut server, &["key", "1", "ABSTTL", "REPLACE"]), "+OK");
        server.check("EXISTS key", ":0");
        assert_eq!(restore(&mut server, &["key", "0", "IDLETIME", "70"]), "+OK");
        server.check("OBJECT IDLETIME key", ":70");
        server.check("GET key", "$5|value");
        server.check("RESTORE other 0 value", "-ERR DUMP payload version or checksum are wrong");
    }
}
