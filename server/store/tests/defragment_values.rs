//! Defragmentation of values with jemalloc underneath: memory comes back, and nothing is lost. The figures are those of
//! the process, so that this is one test.
#![cfg(feature = "jemalloc")]

mod jemalloc;

use boxcar_store::stream::{NodeLimits, Pending, StreamId, Trim};
use boxcar_store::{
    Entry, Fill, Hash, HashLimits, Keyspace, KeyspaceOptions, List, Object, ObjectMut, Record, Set,
    SetLimits, Side, SortedSet, SortedSetLimits, Stream, Value,
};
use jemalloc::{figure, pass, stays};
use std::hash::{DefaultHasher, Hash as _, Hasher};

#[test]
fn values_are_defragmented() {
    values_of_every_form_move_together();
    what_large_values_are_made_of_moves_together();
    what_a_reply_refers_to_stays_where_it_is();
}

const HASH_LIMITS: HashLimits = HashLimits { entries: 128, value: 64 };
const SET_LIMITS: SetLimits = SetLimits { intset_entries: 512, listpack_entries: 128, listpack_value: 64 };
const SORTED_LIMITS: SortedSetLimits = SortedSetLimits { entries: 128, value: 64 };
const FILL: Fill = Fill::new(16);
const NODE_LIMITS: NodeLimits = NodeLimits { bytes: 4096, entries: 16 };

/// The types and their forms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Blob,
    List,
    Set,
    Integers,
    SortedSet,
    Hash,
    ExpiringHash,
    Stream,
}

const FORMS: [Form; 8] = [
    Form::Blob,
    Form::List,
    Form::Set,
    Form::Integers,
    Form::SortedSet,
    Form::Hash,
    Form::ExpiringHash,
    Form::Stream,
];

fn name(number: usize) -> Vec<u8> {
    format!("element:{number:08}").into_bytes()
}

fn object(form: Form, elements: usize) -> Object {
    let names = (0..elements).map(name);
    match form {
        Form::Blob => unreachable!("a string is no object"),
        Form::List => {
            let mut list = List::new();
            for name in names {
                list.grow(name.len(), 1, FILL);
                list.push(Side::Right, Value::Bytes(&name), FILL);
            }
            list.into()
        }
        Form::Set => {
            let mut set = Set::new_listpack();
            names.for_each(|name| assert!(set.add(Value::Bytes(&name), SET_LIMITS)));
            set.into()
        }
        Form::Integers => {
            let mut set = Set::new();
            (0..elements).for_each(|n| assert!(set.add(Value::Integer(n as i64 * 1_000_000), SET_LIMITS)));
            set.into()
        }
        Form::SortedSet => {
            let mut set = SortedSet::new();
            names
                .enumerate()
                .for_each(|(n, name)| set.insert(&name, (n * 7919 % 10_007) as f64, SORTED_LIMITS));
            set.into()
        }
        Form::Hash | Form::ExpiringHash => {
            let mut hash = Hash::new();
            for (n, name) in names.enumerate() {
                let expire_at = (form == Form::ExpiringHash && n % 2 == 0).then_some(n as i64 + 1);
                // Every twelfth value of a large one is out of line.
                let value =
                    if elements > 1000 && n % 12 == 0 { "v".repeat(5000) } else { format!("value:{n}") };
                hash.set(&name, Value::Bytes(value.as_bytes()), expire_at, HASH_LIMITS);
            }
            hash.into()
        }
        Form::Stream => {
            let mut stream = Stream::new();
            for (n, name) in names.enumerate() {
                let fields = [(&b"field"[..], &name[..])].into_iter();
                stream.append(entry_id(n), fields, NODE_LIMITS).unwrap();
            }
            stream.create_group(b"group", StreamId::MIN, None);
            let (_, mut group) = stream.group_mut(b"group").unwrap();
            let consumers = [b"one".as_slice(), b"two"].map(|name| group.create(name, 1));
            for n in 0..elements {
                let pending = Pending { consumer: consumers[n / 100 % 2], delivered_ms: 1, deliveries: 1 };
                group.give(entry_id(n), pending);
            }
            drop(group);
            stream.into()
        }
    }
}

/// The ID of an entry of a stream.
fn entry_id(n: usize) -> StreamId {
    StreamId { ms: 5, seq: n as u64 + 1 }
}

/// A hash of all that is stored under a key, in any order.
fn fingerprint(record: Record<'_>) -> u64 {
    let mut sum = 0u64;
    let mut add = |parts: &dyn std::fmt::Debug| {
        let mut hasher = DefaultHasher::new();
        format!("{parts:?}").hash(&mut hasher);
        sum = sum.wrapping_add(hasher.finish());
    };
    add(&(record.key(), record.kind(), record.encoding(), record.string(), record.expire_at()));
    if let Some(list) = record.object::<List>() {
        (0..).map_while(|n| list.get(n)).enumerate().for_each(|element| add(&element));
    } else if let Some(set) = record.object::<Set>() {
        set.iter().for_each(|member| {
            assert!(set.contains(member));
            add(&member);
        });
    } else if let Some(set) = record.object::<SortedSet>() {
        for (rank, (member, score)) in set.iter().enumerate() {
            let text = member.as_bytes(&mut boxcar_store::IntegerText::default()).to_vec();
            assert_eq!(set.rank(&text), Some((rank, score)));
            add(&(rank, text, score));
        }
        let mut position = 0;
        loop {
            position = set.scan(position, |member, score| add(&(member, score)));
            if position == 0 {
                break;
            }
        }
    } else if let Some(hash) = record.object::<Hash>() {
        for field in hash.iter() {
            let text = field.name.as_bytes(&mut boxcar_store::IntegerText::default()).to_vec();
            assert_eq!(hash.get(&text), Some(field));
            add(&field);
        }
    } else if let Some(stream) = record.object::<Stream>() {
        let mut entries = stream.range(StreamId::MIN);
        entries.by_ref().for_each(|entry| add(&(entry.id, stream.get(entry.id).is_some())));
        let group = stream.group(b"group").unwrap();
        for (id, pending) in group.pending() {
            let consumer = group.consumer(pending.consumer);
            assert_eq!(consumer.pending().range(*id..).next(), Some(id));
            add(&(id, consumer.name(), pending.delivered_ms));
        }
        group.consumers().for_each(|consumer| add(&(consumer.name(), consumer.pending().iter().count())));
    }
    sum
}

/// Bytes of pages in use that hold nothing.
fn unused() -> usize {
    figure(c"stats.active").saturating_sub(figure(c"stats.allocated"))
}

struct Filled {
    /// What was unused before anything was filled: left by earlier parts of the test.
    unused: usize,
    keyspace: Keyspace<()>,
    keys: Vec<Vec<u8>>,
}

impl Filled {
    fn new() -> Self {
        let options = KeyspaceOptions { shards: 4, inline_limit: 256, ..KeyspaceOptions::default() };
        let keyspace = Keyspace::new(options, |_| ());
        Self { unused: unused(), keyspace, keys: Vec::new() }
    }

    fn insert(&mut self, key: Vec<u8>, form: Form, elements: usize) {
        let place = self.keyspace.locate(&key);
        let mut guard = self.keyspace.lock(place.shard);
        if form == Form::Blob {
            guard.db(0).set(place.hash, &key, Value::Bytes(&key.repeat(elements * 10)), None, 0);
        } else {
            let Entry::Vacant(entry) = guard.db(0).into_entry(place.hash, &key) else { panic!("it is new") };
            entry.insert_object(object(form, elements), None, 0);
        }
        drop(guard);
        self.keys.push(key);
    }

    fn fingerprints(&self) -> Vec<u64> {
        let keys = self.keys.iter();
        keys.map(|key| {
            let place = self.keyspace.locate(key);
            let guard = self.keyspace.lock(place.shard);
            fingerprint(guard.record(0, place.hash, key).expect("the key is there"))
        })
        .collect()
    }

    /// Goes over everything until little is moved, and checks that no more than so much of the waste is left, and that
    /// contents stayed.
    fn check(&self, what: &str, left_percent: usize) {
        let (used, contents) = (self.keyspace.used_memory(), self.fingerprints());
        let waste = unused().saturating_sub(self.unused);
        let passes: Vec<usize> = (0..4).map(|_| pass(&self.keyspace)).collect();
        let waste_after = unused().saturating_sub(self.unused);
        assert!(
            waste > 100_000 && waste_after * 100 < waste * left_percent,
            "{what}: {waste} bytes of pages unused before, {waste_after} after; moved {passes:?}"
        );
        assert!(self.fingerprints() == contents, "{what}: contents");
        assert_eq!(self.keyspace.used_memory(), used, "{what}");
    }
}

fn values_of_every_form_move_together() {
    for form in FORMS {
        let mut filled = Filled::new();
        let keys: Vec<Vec<u8>> = (0..20_000u32).map(|number| format!("{number:08}").into_bytes()).collect();
        keys.iter().for_each(|key| filled.insert(key.clone(), form, 12));
        filled.keys.clear();
        for (number, key) in keys.into_iter().enumerate() {
            if stays(number as u32) {
                filled.keys.push(key);
            } else {
                let place = filled.keyspace.locate(&key);
                assert!(filled.keyspace.lock(place.shard).db(0).remove(place.hash, &key));
            }
        }
        filled.check(&format!("small {form:?}"), 50);
    }
}

/// Changes the object of a key.
fn change<T: boxcar_store::Composite, R>(
    keyspace: &Keyspace<()>,
    key: &[u8],
    change: impl FnOnce(&mut ObjectMut<'_, T>) -> R,
) -> R {
    let place = keyspace.locate(key);
    let mut guard = keyspace.lock(place.shard);
    let Entry::Occupied(mut entry) = guard.db(0).into_entry(place.hash, key) else { panic!("it is there") };
    let mut object = entry.object_mut::<T>().expect("the type it has");
    change(&mut object)
}

fn what_large_values_are_made_of_moves_together() {
    const ELEMENTS: usize = 200_000;
    for form in [Form::List, Form::Set, Form::SortedSet, Form::Hash, Form::ExpiringHash, Form::Stream] {
        let mut filled = Filled::new();
        filled.insert(b"large".to_vec(), form, ELEMENTS);
        let gone = || (0..ELEMENTS).filter(|&n| !stays(n as u32));
        let keyspace = &filled.keyspace;
        match form {
            // Whole nodes go: single elements would not leave holes, as a node shrinks.
            Form::List => change::<List, _>(keyspace, b"large", |list| {
                (0..ELEMENTS / 64).for_each(|stretch| list.remove(16 * (stretch + 1), 48));
            }),
            Form::Stream => change::<Stream, _>(keyspace, b"large", |stream| {
                for n in (0..ELEMENTS).filter(|n| n / 16 % 4 != 0) {
                    assert!(stream.delete(entry_id(n)));
                }
                let (_, mut group) = stream.group_mut(b"group").unwrap();
                gone().for_each(|n| assert!(group.acknowledge(entry_id(n))));
            }),
            Form::Set => change::<Set, _>(keyspace, b"large", |set| {
                gone().for_each(|n| assert!(set.remove(Value::Bytes(&name(n)))));
            }),
            Form::SortedSet => change::<SortedSet, _>(keyspace, b"large", |set| {
                gone().for_each(|n| assert!(set.remove(&name(n)).is_some()));
            }),
            _ => change::<Hash, _>(keyspace, b"large", |hash| {
                gone().for_each(|n| assert!(hash.remove(&name(n))));
            }),
        }
        filled.check(&format!("large {form:?}"), 50);
        // It is as good as before: it grows, and shrinks to nothing.
        match form {
            Form::List => change::<List, _>(keyspace, b"large", |list| list.remove(0, ELEMENTS)),
            Form::Stream => change::<Stream, _>(keyspace, b"large", |stream| {
                assert!(stream.trim(Trim::ToLength(10), false, None) > 0);
                let (_, mut group) = stream.group_mut(b"group").unwrap();
                (0..ELEMENTS)
                    .filter(|&n| stays(n as u32))
                    .for_each(|n| assert!(group.acknowledge(entry_id(n))));
            }),
            Form::Set => change::<Set, _>(keyspace, b"large", |set| {
                gone().for_each(|n| assert!(set.add(Value::Bytes(&name(n)), SET_LIMITS)));
                (0..ELEMENTS).for_each(|n| assert!(set.remove(Value::Bytes(&name(n)))));
            }),
            Form::SortedSet => change::<SortedSet, _>(keyspace, b"large", |set| {
                gone().for_each(|n| set.insert(&name(n), n as f64, SORTED_LIMITS));
                (0..ELEMENTS).for_each(|n| assert!(set.remove(&name(n)).is_some()));
            }),
            _ => change::<Hash, _>(keyspace, b"large", |hash| {
                (0..ELEMENTS).filter(|&n| stays(n as u32)).for_each(|n| assert!(hash.remove(&name(n))));
            }),
        }
    }
}

fn what_a_reply_refers_to_stays_where_it_is() {
    let mut filled = Filled::new();
    let keys: Vec<Vec<u8>> = (0..20_000u32).map(|number| format!("{number:08}").into_bytes()).collect();
    keys.iter().for_each(|key| filled.insert(key.clone(), Form::Blob, 12));
    let mut replies = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let place = filled.keyspace.locate(key);
        let mut guard = filled.keyspace.lock(place.shard);
        if stays(number as u32) {
            let blob = guard.record(0, place.hash, key).and_then(Record::blob).expect("it is out of line");
            replies.push((blob.as_ptr(), blob, key));
        } else {
            guard.db(0).remove(place.hash, key);
        }
    }
    pass(&filled.keyspace);
    for (address, blob, key) in &replies {
        let place = filled.keyspace.locate(key);
        let guard = filled.keyspace.lock(place.shard);
        let now = guard.record(0, place.hash, key).and_then(Record::blob).expect("it is out of line");
        assert_eq!((now.as_ptr(), &now[..]), (*address, &blob[..]));
        assert_eq!(&blob[..], key.repeat(120));
    }
}
