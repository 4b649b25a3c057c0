//! Values that are not strings, in records: how they are stored, moved, copied, replaced and accounted for.

use boxcar_store::{
    Composite, Encoding, Entry, Hash, Keyspace, KeyspaceOptions, Kind, List, Object, Place, ShardGuard,
    SortedSet, Value,
};

type Shard<'k> = ShardGuard<'k, ()>;

fn keyspace() -> Keyspace<()> {
    let options = KeyspaceOptions { shards: 1, databases: 2, seed: 3, ..KeyspaceOptions::default() };
    Keyspace::new(options, |_| ())
}

fn insert(
    shard: &mut Shard<'_>,
    place: Place,
    key: &[u8],
    object: impl Into<Object>,
    expire_at: Option<i64>,
) {
    match shard.db(0).entry(place.hash, key) {
        Entry::Vacant(entry) => drop(entry.insert_object(object, expire_at, 7)),
        Entry::Occupied(mut entry) => entry.set_object(object, expire_at, 7),
    }
}

#[test]
fn an_object_is_found_as_its_type_only() {
    let keyspace = keyspace();
    let (mut shard, place) = (keyspace.lock(0), keyspace.locate(b"key"));
    insert(&mut shard, place, b"key", List::new(), Some(5000));
    let db = shard.db(0);
    let record = db.get(place.hash, b"key").unwrap();
    assert_eq!((record.kind(), record.expire_at(), record.access()), (Kind::List, Some(5000), 7));
    assert!(record.object::<List>().is_some_and(Composite::is_empty));
    assert!(record.object::<Hash>().is_none() && record.string().is_none() && record.blob().is_none());
    assert_eq!(record.encoding(), record.object::<List>().unwrap().encoding());
}

#[test]
fn objects_and_strings_take_each_others_place() {
    let keyspace = keyspace();
    let (mut shard, place) = (keyspace.lock(0), keyspace.locate(b"key"));
    let empty = shard.db(0).used_memory();
    let big = vec![b'x'; 100_000];
    for value in [Value::Integer(5), Value::Bytes(b"short"), Value::Bytes(&big)] {
        insert(&mut shard, place, b"key", Hash::new(), None);
        shard.db(0).set(place.hash, b"key", value, None, 0);
        assert_eq!(shard.db(0).get(place.hash, b"key").unwrap().string(), Some(value));
        insert(&mut shard, place, b"key", SortedSet::new(), Some(1));
        assert_eq!(shard.db(0).get(place.hash, b"key").unwrap().kind(), Kind::SortedSet);
        assert!(shard.db(0).remove(place.hash, b"key"));
    }
    let left = shard.db(0).used_memory();
    insert(&mut shard, place, b"key", List::new(), None);
    assert!(shard.db(0).used_memory() > left && left >= empty);
    shard.db(0).remove(place.hash, b"key");
    assert_eq!(shard.db(0).used_memory(), left, "every byte counted in was counted out");
}

#[test]
fn an_expiry_comes_and_goes_without_touching_the_object() {
    let keyspace = keyspace();
    let (mut shard, place) = (keyspace.lock(0), keyspace.locate(b"key"));
    insert(&mut shard, place, b"key", List::new(), None);
    for expire_at in [Some(1), Some(2), None] {
        let mut db = shard.db(0);
        let Entry::Occupied(mut entry) = db.entry(place.hash, b"key") else { panic!("it was inserted") };
        entry.set_expire(expire_at);
        assert_eq!((entry.record().expire_at(), entry.record().kind()), (expire_at, Kind::List));
        assert!(entry.object_mut::<List>().is_some() && entry.object_mut::<Hash>().is_none());
    }
}

#[test]
fn records_move_and_are_copied_whole() {
    let keyspace = keyspace();
    let (from, to) = (keyspace.locate(b"from"), keyspace.locate(b"to"));
    let mut shard = keyspace.lock(0);
    insert(&mut shard, from, b"from", List::new(), Some(9000));
    let copy = shard.db(0).get(from.hash, b"from").unwrap().duplicate(b"to", None, 3);
    let Entry::Vacant(free) = shard.db(1).into_entry(to.hash, b"to") else { panic!("nothing is there") };
    let copied = free.insert_record(copy);
    assert_eq!((copied.record().kind(), copied.record().expire_at()), (Kind::List, None));
    let renamed = shard.db(0).take(from.hash, b"from").unwrap().rekey(b"to");
    assert_eq!((renamed.record().key(), renamed.record().expire_at()), (&b"to"[..], Some(9000)));
    let Entry::Occupied(mut taken) = shard.db(1).into_entry(to.hash, b"to") else {
        panic!("the copy is there")
    };
    taken.set_record(renamed);
    assert_eq!(taken.record().expire_at(), Some(9000));
    assert!(shard.db(0).is_empty());
    assert_eq!(shard.db(1).len(), 1);
}

#[test]
fn strings_move_and_are_copied_with_their_encoding() {
    let keyspace = keyspace();
    let (place, other) = (keyspace.locate(b"key"), keyspace.locate(b"other"));
    let mut shard = keyspace.lock(0);
    let big = vec![b'x'; 100_000];
    for value in [Value::Integer(-1), Value::Bytes(b"short"), Value::Bytes(&big)] {
        shard.db(0).set(place.hash, b"key", value, None, 0);
        if value == Value::Bytes(b"short") {
            let Entry::Occupied(mut entry) = shard.db(0).into_entry(place.hash, b"key") else { panic!() };
            entry.resize_bytes(5);
        }
        let record = shard.db(0).into_entry(place.hash, b"key");
        let Entry::Occupied(entry) = record else { panic!("it was set") };
        let (copy, encoding) = (entry.record().duplicate(b"other", Some(4), 1), entry.record().encoding());
        assert_eq!((copy.record().string(), copy.record().encoding()), (Some(value), encoding));
        assert_eq!(value == Value::Bytes(b"short"), encoding == Encoding::Raw && value.len() < 10);
        let renamed = entry.take().rekey(b"other");
        assert_eq!((renamed.record().string(), renamed.record().encoding()), (Some(value), encoding));
        let Entry::Vacant(free) = shard.db(0).into_entry(other.hash, b"other") else { panic!("it is free") };
        drop(free.insert_record(renamed).take());
    }
}
