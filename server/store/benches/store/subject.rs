//! What is measured: keys in random order, and the operations on the store and on hashbrown.

use boxcar_store::{Keyspace, KeyspaceOptions, Place, Record, Value};

/// Shards as the server has by default.
pub const SHARDS: usize = 1024;

/// A 16-byte key.
pub type Key = [u8; 16];

/// The keys `key:%012d` from `first` on, in random order.
pub fn shuffled_keys(first: usize, count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (first..first + count).map(key).collect();
    let mut state = 0x1234_5678_9abc_def1u64;
    for index in (1..keys.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        keys.swap(index, (state % (index as u64 + 1)) as usize);
    }
    keys
}

/// One key.
pub fn key(number: usize) -> Key {
    let mut key = *b"key:000000000000";
    let (mut at, mut rest) = (key.len(), number);
    while rest > 0 {
        at -= 1;
        key[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// An empty keyspace.
pub fn keyspace() -> Keyspace<()> {
    Keyspace::new(KeyspaceOptions { shards: SHARDS, seed: 42, ..KeyspaceOptions::default() }, |_| ())
}

/// One operation of a batch, on a key that was located (and perhaps prefetched) before.
pub type Operation = fn(&Keyspace<()>, Place, &[u8]) -> u64;

/// Lock, find, look at the value, unlock.
#[inline]
pub fn get(keyspace: &Keyspace<()>, place: Place, key: &[u8]) -> u64 {
    let mut shard = keyspace.try_lock(place.shard).expect("one thread");
    match shard.db(0).get(place.hash, key).and_then(Record::string) {
        Some(Value::Bytes(bytes)) => u64::from(bytes[0]) + u64::from(bytes[bytes.len() - 1]),
        Some(Value::Integer(number)) => number as u64,
        None => 0,
    }
}

/// Lock and unlock.
#[inline]
pub fn lock(keyspace: &Keyspace<()>, place: Place, _: &[u8]) -> u64 {
    u64::from(keyspace.try_lock(place.shard).expect("one thread").shard())
}

/// Lock, insert or overwrite with 64 bytes, unlock.
#[inline]
pub fn set(keyspace: &Keyspace<()>, place: Place, key: &[u8]) -> u64 {
    set_bytes(keyspace, place, key, &[b'v'; 64])
}

/// Lock, insert or overwrite with 100 bytes (another size class), unlock.
#[inline]
pub fn set_longer(keyspace: &Keyspace<()>, place: Place, key: &[u8]) -> u64 {
    set_bytes(keyspace, place, key, &[b'w'; 100])
}

#[inline]
fn set_bytes(keyspace: &Keyspace<()>, place: Place, key: &[u8], value: &[u8]) -> u64 {
    let mut shard = keyspace.try_lock(place.shard).expect("one thread");
    u64::from(shard.db(0).set(place.hash, key, Value::Bytes(value), None, 7))
}

/// Lock, remove, unlock.
#[inline]
pub fn delete(keyspace: &Keyspace<()>, place: Place, key: &[u8]) -> u64 {
    let mut shard = keyspace.try_lock(place.shard).expect("one thread");
    u64::from(shard.db(0).remove(place.hash, key))
}

/// Fills a keyspace with all keys.
pub fn fill(keyspace: &Keyspace<()>, keys: &[Key]) {
    for key in keys {
        set(keyspace, keyspace.locate(key), key);
    }
}
