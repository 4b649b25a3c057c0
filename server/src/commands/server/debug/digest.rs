//! DEBUG DIGEST and DIGEST-VALUE: signatures of what the keys hold, by Redis's own rules, so that two servers that hold the
//! same have the same. (Redis 7.0 takes scores with 17 digits, and has other ones of sorted sets.) What has an order is
//! hashed in it; what has none is combined by exclusive or.

use crate::commands::keys::is_due;
use crate::commands::{Args, CommandResult, Cx};
use boxcar_resp::{DoubleText, format_double};
use boxcar_store::stream::StreamId;
use boxcar_store::{IntegerText, Kind, ObjectRef, Record, Value};
use sha1::{Digest as _, Sha1};
use std::fmt::Write as _;

/// A SHA-1 in the making. Zero stands for nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds what has no place in an order.
    fn combine(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    /// Adds what comes behind all that was added before.
    fn follow(&mut self, bytes: &[u8]) {
        self.combine(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn follow_value(&mut self, value: Value<'_>) {
        self.follow(value.as_bytes(&mut IntegerText::default()));
    }

    /// Adds an element that consists of several parts.
    fn combine_parts(&mut self, build: impl FnOnce(&mut Self)) {
        let mut parts = Self::default();
        build(&mut parts);
        self.combine(&parts.0);
    }

    fn hex(&self) -> String {
        let mut text = String::with_capacity(40);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }

    /// Adds a value and whether its key expires.
    fn add_record(&mut self, record: Record<'_>) {
        self.follow(&type_number(record.kind()).to_be_bytes());
        match record.any_object() {
            None => self.follow_value(record.string().expect("what is no object is a string")),
            Some(ObjectRef::List(list)) => list.walk(0).for_each(|element| self.follow_value(element)),
            Some(ObjectRef::Set(set)) => {
                set.iter().for_each(|member| self.combine(member.as_bytes(&mut IntegerText::default())));
            }
            Some(ObjectRef::SortedSet(set)) => {
                let mut text = DoubleText::new();
                for (member, score) in set.iter() {
                    self.combine_parts(|parts| {
                        parts.follow_value(member);
                        parts.follow(format_double(score, &mut text).as_bytes());
                    });
                }
            }
            Some(ObjectRef::Hash(hash)) => {
                for field in hash.iter() {
                    self.combine_parts(|parts| {
                        parts.follow_value(field.name);
                        parts.follow_value(field.value);
                        if field.expire_at.is_some() {
                            parts.combine(b"!!hexpire!!");
                        }
                    });
                }
            }
            Some(ObjectRef::Stream(stream)) => {
                for entry in stream.range(StreamId::MIN) {
                    self.follow(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (name, value) in entry.fields() {
                        self.follow_value(name);
                        self.follow_value(value);
                    }
                }
            }
        }
        if record.expire_at().is_some() {
            self.combine(b"!!expire!!");
        }
    }
}

/// The numbers of Redis's types.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

/// A signature of all databases; zero when there is nothing. Keys whose time has come are not counted, whether they have
/// been removed or not.
pub(super) fn digest(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    let now_ms = cx.keys.now_ms;
    let mut all = Digest::default();
    for db in 0..cx.keys.keyspace().databases() {
        if cx.keys.keyspace().len(db) == 0 {
            continue;
        }
        all.follow(&(db as u32).to_be_bytes());
        for shard in 0..cx.keys.keyspace().shards() as u32 {
            cx.keys.shard(shard).db(db).scan(0, usize::MAX, &mut |record| {
                if !is_due(record, now_ms) {
                    let mut one = Digest::default();
                    one.follow(record.key());
                    one.add_record(record);
                    all.combine(&one.0);
                }
            });
        }
    }
    cx.reply.simple(&all.hex());
    Ok(())
}

/// A signature of each key's value; zero for a missing one.
pub(super) fn digest_value(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    cx.reply.array(args.len() - 2);
    for key in args.from(2) {
        let mut digest = Digest::default();
        if let Some(record) = cx.keys.peek(key) {
            digest.add_record(record);
        }
        cx.reply.simple(&digest.hex());
    }
    Ok(())
}
