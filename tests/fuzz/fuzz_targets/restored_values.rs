//! Any payload of RESTORE is a value or refused, and what is a value is written and read again as one.
#![no_main]

use boxcar_store::rdb::{self, Limits, Restored};
use boxcar_store::{Entry, Fill, HashLimits, Keyspace, KeyspaceOptions, SetLimits, SortedSetLimits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    unpacked: 1 << 20,
    list: Fill::new(-2),
    set: SetLimits { intset_entries: 512, listpack_entries: 128, listpack_value: 64 },
    sorted_set: SortedSetLimits { entries: 128, value: 64 },
    hash: HashLimits { entries: 512, value: 64 },
};

fuzz_target!(|value: &[u8]| {
    // A fuzzer does not find checksums: it makes values, which are sealed here.
    let Ok(Restored::Object(object)) = rdb::restore(&rdb::seal(value.to_vec(), 9), &LIMITS) else { return };
    let options = KeyspaceOptions { shards: 1, databases: 1, ..KeyspaceOptions::default() };
    let keyspace: Keyspace<()> = Keyspace::new(options, |_| ());
    let place = keyspace.locate(b"key");
    let mut guard = keyspace.try_lock(place.shard).expect("nobody else is here");
    let Entry::Vacant(entry) = guard.db(0).into_entry(place.hash, b"key") else { panic!("it is empty") };
    let entry = entry.insert_object(object, None, 0);
    let len = entry.record().any_object().map(|object| object.len());
    let payload = rdb::dump(entry.record(), true);
    match rdb::restore(&payload, &LIMITS) {
        Ok(Restored::Object(again)) => assert_eq!(Some(again.len()), len),
        _ => panic!("what was read is written as something else"),
    }
});
