//! What was written is read again; what is damaged is refused.

use super::*;
use crate::hash_map::Hash;
use crate::list::{List, Side};
use crate::object::{Object, ObjectRef};
use crate::record::{OwnedRecord, RawRecord};
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::{NodeLimits, Pending, Stream, StreamId};
use crate::value::{IntegerText, Value};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    unpacked: 1 << 20,
    list: Fill::new(-2),
    set: SetLimits { intset_entries: 8, listpack_entries: 8, listpack_value: 16 },
    sorted_set: SortedSetLimits { entries: 8, value: 16 },
    hash: HashLimits { entries: 8, value: 16 },
};

fn object(object: impl Into<Object>) -> OwnedRecord {
    // SAFETY: the record is new.
    unsafe { OwnedRecord::new(RawRecord::with_object(b"key", object.into(), None, 0)) }
}

fn string(value: Value<'_>) -> OwnedRecord {
    // SAFETY: the record is new.
    unsafe { OwnedRecord::new(RawRecord::new(b"key", value, None, 0, 1024)) }
}

fn record(restored: Restored) -> OwnedRecord {
    match restored {
        Restored::String(bytes) => string(Value::encode(&bytes)),
        Restored::Object(value) => object(value),
    }
}

/// What a value holds, in words; unordered elements sorted.
fn contents(record: &OwnedRecord) -> String {
    let sorted = |mut parts: Vec<String>| {
        parts.sort();
        parts.join(" ")
    };
    let text = |value: Value<'_>| value.as_bytes(&mut IntegerText::default()).escape_ascii().to_string();
    let record = record.record();
    let contents = match record.any_object() {
        None => text(record.string().unwrap()),
        Some(ObjectRef::List(list)) => list.walk(0).map(text).collect::<Vec<_>>().join(" "),
        Some(ObjectRef::Set(set)) => sorted(set.iter().map(text).collect()),
        Some(ObjectRef::SortedSet(set)) => {
            set.iter().map(|(member, score)| format!("{}={score} ", text(member))).collect()
        }
        Some(ObjectRef::Hash(hash)) => {
            let field = |field: crate::Field<'_>| {
                format!("{}={}@{:?}", text(field.name), text(field.value), field.expire_at)
            };
            sorted(hash.iter().map(field).collect())
        }
        Some(ObjectRef::Stream(stream)) => stream_contents(stream),
    };
    format!("{} {} {contents}", record.kind().name(), record.encoding().name())
}

fn stream_contents(stream: &Stream) -> String {
    let mut words =
        format!("{:?} {:?} {} ", stream.last_id(), stream.max_deleted_id(), stream.entries_added(),);
    for entry in stream.range(StreamId::MIN) {
        words += &format!("{:?}{:?}", entry.id, entry.fields().collect::<Vec<_>>());
    }
    for (name, group) in stream.groups() {
        let pending: Vec<_> = group.pending().iter().map(|(id, _)| id).collect();
        words += &format!("{name:?} {:?} {:?} {pending:?}", group.last_id, group.entries_read);
        for consumer in group.consumers() {
            let (seen, active) = (consumer.seen_ms, consumer.active_ms);
            let pending: Vec<_> = consumer.pending().iter().collect();
            words += &format!("{:?} {seen} {active:?} {pending:?}", consumer.name());
        }
    }
    words
}

fn examples() -> Vec<OwnedRecord> {
    let name = |index: usize| format!("member:{index}");
    let mut all: Vec<OwnedRecord> = [
        Value::Integer(0),
        Value::Integer(-129),
        Value::Integer(70_000),
        Value::Integer(i64::MIN),
        Value::Bytes(b""),
        Value::Bytes(b"007"),
        Value::Bytes(&[b'a'; 1000]),
        Value::Bytes(b"abcdefghijklmnopqrstuvwxyz0123456789"),
    ]
    .map(string)
    .into();
    for count in [1, 5, 50, 3000] {
        let (mut list, mut integers, mut set) = (List::new(), Set::new(), Set::new_listpack());
        let (mut scores, mut hash, mut expiring) = (SortedSet::new(), Hash::new(), Hash::new());
        expiring.allow_expiries();
        for index in 0..count {
            let name = name(index);
            let name = name.as_bytes();
            list.grow(name.len(), 1, LIMITS.list);
            list.push(Side::Right, Value::Bytes(name), LIMITS.list);
            list.push(Side::Left, Value::Integer(index as i64 * 1_000_003), LIMITS.list);
            integers.add(Value::Integer((index as i64 - 2) << (index % 40)), LIMITS.set);
            set.add(Value::Bytes(name), LIMITS.set);
            scores.insert(name, index as f64 / 3.0 - 1.0, LIMITS.sorted_set);
            hash.set(name, Value::Integer(index as i64), None, LIMITS.hash);
            let moment = (index % 3 != 0).then_some(1_700_000_000_000 + index as i64);
            expiring.set(name, Value::Bytes(name), moment, LIMITS.hash);
        }
        all.extend([object(list), object(integers), object(set)]);
        all.extend([object(scores), object(hash), object(expiring)]);
        all.push(object(stream(count)));
    }
    let mut large = List::new();
    large.grow(100_000, 1, LIMITS.list);
    large.push(Side::Left, Value::Bytes(&[b'x'; 100_000]), LIMITS.list);
    all.push(object(large));
    all.push(object(Stream::new()));
    all
}

fn stream(count: usize) -> Stream {
    let mut stream = Stream::new();
    let limits = NodeLimits { bytes: 4096, entries: 100 };
    for index in 0..count as u64 {
        let id = StreamId { ms: 1000 + index / 3, seq: index % 3 };
        let value = index.to_string();
        let fields = [(&b"f"[..], value.as_bytes()), (b"g", b"constant")];
        let fields = &fields[..if index % 7 == 0 { 1 } else { 2 }];
        stream.append(id, fields.iter().copied(), limits).unwrap();
    }
    stream.delete(StreamId { ms: 1001, seq: 1 });
    stream.create_group(b"g", StreamId { ms: 1000, seq: 2 }, Some(3));
    stream.create_group(b"empty", StreamId::MIN, None);
    let (_, mut group) = stream.group_mut(b"g").unwrap();
    let consumer = group.create(b"c", 5);
    group.create(b"idle", 6);
    group.consumer_mut(consumer).active_ms = Some(7);
    group.give(StreamId { ms: 1000, seq: 1 }, Pending { consumer, delivered_ms: 9, deliveries: 2 });
    drop(group);
    stream
}

#[test]
fn every_value_comes_back() {
    let mut encodings = std::collections::BTreeSet::new();
    for example in examples() {
        let kept = example.record();
        encodings.insert((kept.kind().name(), kept.encoding().name()));
        for compress in [false, true] {
            let payload = dump(kept, compress);
            assert_eq!(serialized_len(kept, compress), payload.len() - 1 - FOOTER);
            let back = record(restore(&payload, &LIMITS).ok().unwrap());
            assert_eq!(contents(&back), contents(&example));
        }
    }
    assert_eq!(encodings.len(), 3 + 2 + 3 + 2 + 3 + 1, "{encodings:?}");
}

fn sealed(value: &[u8]) -> Vec<u8> {
    seal(value.to_vec(), 9)
}

#[test]
fn old_forms_are_read() {
    let ziplist = b"\x16\x16\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\xfe\x7f\xff";
    let zipmap = b"\x07\x01\x01a\x01\x001\xff";
    let cases: [(&[u8], &str); 6] = [
        (&[&[kind::LIST_ZIPLIST][..], ziplist].concat(), "list quicklist a 1 b 127"),
        (&[&[kind::ZSET_ZIPLIST][..], ziplist].concat(), "zset listpack a=1 b=127 "),
        (&[&[kind::HASH_ZIPLIST][..], ziplist].concat(), "hash listpack a=1@None b=127@None"),
        (&[&[kind::LIST_QUICKLIST, 1][..], ziplist].concat(), "list listpack a 1 b 127"),
        (&[&[kind::HASH_ZIPMAP][..], zipmap].concat(), "hash listpack a=1@None"),
        (b"\x03\x02\x01a\x031.5\x01b\xfe", "zset listpack a=1.5 b=inf "),
    ];
    for (value, expected) in cases {
        let back = record(restore(&sealed(value), &LIMITS).ok().unwrap_or_else(|| panic!("{expected}")));
        assert_eq!(contents(&back), expected);
    }
}

#[test]
fn what_is_not_sound_is_refused() {
    let cases: [&[u8]; 14] = [
        b"",
        b"\x00",
        // Huge lengths.
        b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\xc3\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xffab",
        b"\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a",
        // Nothing in it.
        b"\x01\x00",
        b"\x02\x00",
        b"\x04\x00",
        b"\x05\x00",
        // Twice the same.
        b"\x02\x02\x01a\x01a",
        b"\x04\x02\x01a\x01b\x01a\x01c",
        // No number.
        b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f",
        // A module's, and a type that there is not.
        b"\x07\x01a",
        b"\xff",
    ];
    for value in cases {
        let refused = restore(&sealed(value), &LIMITS).err();
        assert_eq!(refused, Some(RestoreError::Data), "{}", value.escape_ascii());
    }
}

#[test]
fn compression_is_undone() {
    let mut compressor = lzf::Compressor::new();
    let mut shorter = 0;
    for len in 0..600 {
        for period in [1, 2, 7, 33, 500] {
            let input: Vec<u8> = (0..len).map(|at| (at % period * 37 % 251) as u8).collect();
            let mut packed = b"before".to_vec();
            match compressor.compress(&input, input.len().saturating_sub(4), &mut packed) {
                Some(()) => {
                    let packed = &packed[6..];
                    assert!(packed.len() <= input.len() - 4);
                    assert_eq!(lzf::decompress(packed, input.len()).as_deref(), Some(&input[..]));
                    shorter += 1;
                }
                None => assert_eq!(packed, b"before"),
            }
        }
    }
    assert!(shorter > 1000, "{shorter}");
}

/// What was read is used, so that a value that is not sound would show.
fn use_value(value: Restored) {
    let mut record = record(value);
    let words = contents(&record);
    assert!(!words.is_empty());
    let again = self::record(
        restore(&dump(record.record(), true), &LIMITS).unwrap_or_else(|_| panic!("what was read is sound")),
    );
    // (Elements that are integers in a record may have been strings in the payload, so only sizes are the same.)
    let len = |record: &OwnedRecord| record.record().any_object().map(crate::object::ObjectRef::len);
    assert_eq!(len(&again), len(&record));
    record = again;
    drop(record);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(kind in 0u8..28, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let value = [&[kind][..], &bytes].concat();
        if let Ok(value) = restore(&sealed(&value), &LIMITS) {
            use_value(value);
        }
        prop_assert_eq!(restore(&value, &LIMITS).err(), Some(RestoreError::Footer));
    }

    #[test]
    fn changed_payloads_are_read_or_refused(
        example in 0usize..1000,
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        static PAYLOADS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
            let examples = examples().into_iter().filter(|example| dump(example.record(), true).len() < 20_000);
            examples.flat_map(|example| [true, false].map(|compress| dump(example.record(), compress))).collect()
        });
        let payload = &PAYLOADS[example % PAYLOADS.len()];
        let mut value = payload[..payload.len() - FOOTER].to_vec();
        if example % 5 == 0 {
            value.truncate(cut.index(value.len()) + 1);
        }
        for (at, byte) in changes {
            let at = at.index(value.len());
            value[at] = byte;
        }
        if let Ok(value) = restore(&sealed(&value), &LIMITS) {
            use_value(value);
        }
    }

    #[test]
    fn any_bytes_are_decompressed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), len in 0usize..3000) {
        if let Some(output) = lzf::decompress(&bytes, len) {
            prop_assert_eq!(output.len(), len);
        }
    }
}
