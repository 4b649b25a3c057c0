//! Any sequence of operations on the store: what it holds must be what a map holds.
#![no_main]

use boxcar_store::{Entry, Expired, Keyspace, KeyspaceOptions, Sample, Value};
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;

const DATABASES: usize = 2;

/// Values and expiries of one database.
type Model = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

struct Twins {
    keyspace: Keyspace<()>,
    models: [Model; DATABASES],
}

/// Reads operations off the input.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Short keys, keys that share a shard, keys of more than 64 KiB.
    fn key(&mut self) -> Vec<u8> {
        let number = u16::from_le_bytes([self.byte(), self.byte()]);
        match number % 16 {
            0 => Vec::new(),
            1..4 => format!("{{tag}}{number}").into_bytes(),
            4 => [vec![b'l'; 65_540], number.to_le_bytes().to_vec()].concat(),
            _ => number.to_le_bytes().to_vec(),
        }
    }

    /// Integers, strings in the record, strings out of it.
    fn value(&mut self) -> Vec<u8> {
        match self.byte() {
            integer @ ..64 => integer.to_string().into_bytes(),
            length => vec![length; usize::from(length) * 3],
        }
    }

    fn expiry(&mut self) -> Option<i64> {
        let at = self.byte();
        (at % 3 != 0).then_some(i64::from(at))
    }
}

fn bytes(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut Default::default()).to_vec()
}

impl Twins {
    fn change(&mut self, db: usize, input: &mut Input<'_>) {
        let (key, operation) = (input.key(), input.byte());
        let place = self.keyspace.locate(&key);
        let mut guard = self.keyspace.lock(place.shard);
        let mut part = guard.db(db);
        let model = &mut self.models[db];
        match (part.entry(place.hash, &key), model.get_mut(&key)) {
            (Entry::Vacant(entry), None) => {
                if operation % 4 != 0 {
                    let (value, expiry) = (input.value(), input.expiry());
                    entry.insert(Value::encode(&value), expiry, u32::from(operation));
                    model.insert(key, (value, expiry));
                }
            }
            (Entry::Occupied(mut entry), Some(held)) => match operation % 8 {
                0 => {
                    entry.remove();
                    model.remove(&key);
                }
                1 => {
                    let value = input.value();
                    entry.set_value(Value::encode(&value));
                    held.0 = value;
                }
                2 => {
                    held.1 = input.expiry();
                    entry.set_expire(held.1);
                }
                3 | 4 => {
                    let (len, fill) = (usize::from(input.byte()) * 5, input.byte());
                    let blob = entry.record().blob();
                    let before = blob.as_ref().map(|blob| blob.to_vec());
                    entry.resize_bytes(len).iter_mut().skip(held.0.len()).for_each(|byte| *byte = fill);
                    held.0.resize(len, fill);
                    assert_eq!(blob.map(|blob| blob.to_vec()), before, "a shared value never changes");
                }
                _ => {
                    *held = (input.value(), input.expiry());
                    entry.set(Value::encode(&held.0), held.1, u32::from(operation));
                }
            },
            (Entry::Vacant(_), Some(_)) => panic!("{key:?} is lost"),
            (Entry::Occupied(_), None) => panic!("{key:?} came from nowhere"),
        }
    }

    /// Many keys come or go, so that segments split and merge.
    fn bulk(&mut self, db: usize, input: &mut Input<'_>) {
        let (first, count, remove) =
            (u32::from(input.byte()) * 8, u32::from(input.byte()) * 16, input.byte() % 2 == 0);
        for number in first..first + count {
            let key = number.to_le_bytes();
            let place = self.keyspace.locate(&key);
            let mut guard = self.keyspace.lock(place.shard);
            if remove {
                assert_eq!(guard.db(db).remove(place.hash, &key), self.models[db].remove(&key[..]).is_some());
            } else {
                guard.db(db).set(place.hash, &key, Value::Integer(number.into()), None, 0);
                self.models[db].insert(key.to_vec(), (number.to_string().into_bytes(), None));
            }
        }
    }

    fn expire(&mut self, db: usize, now: i64) {
        for shard in 0..self.keyspace.shards() as u32 {
            let mut gone = Vec::new();
            while !self
                .keyspace
                .lock(shard)
                .db(db)
                .expire_step(now, 16, &mut |expired| match expired {
                    Expired::Key(record) => gone.push(record),
                    Expired::Fields(_) | Expired::LastFields(_) => panic!("there are no hashes"),
                })
                .wrapped
            {}
            for record in gone {
                let (_, expiry) = self.models[db].remove(record.record().key()).expect("it was there");
                assert!(expiry.is_some_and(|at| at < now));
            }
        }
        assert!(self.models[db].values().all(|(_, expiry)| expiry.is_none_or(|at| at >= now)));
    }

    /// Evicts as the server does: a sample, and one of it by its hash.
    fn evict(&mut self, db: usize, input: &mut Input<'_>) {
        let shard = u32::from(input.byte()) % self.keyspace.shards() as u32;
        let position = u64::from_le_bytes(std::array::from_fn(|_| input.byte()));
        let sample = Sample { volatile: input.byte() % 2 == 0, records: 3, buckets: 40 };
        let mut guard = self.keyspace.lock(shard);
        let mut found = None;
        guard.db(db).sample(position, sample, &mut |hash, record| {
            assert!(record.expire_at().is_some() || !sample.volatile);
            found = Some(hash);
        });
        if let Some(entry) = found.and_then(|hash| guard.db(db).into_sampled(hash)) {
            assert!(self.models[db].remove(entry.take().record().key()).is_some());
        }
    }

    fn exchange(&mut self, flush: bool) {
        for shard in 0..self.keyspace.shards() as u32 {
            let mut guard = self.keyspace.lock(shard);
            if flush {
                drop(guard.take_database(1));
            } else {
                guard.swap_databases(0, 1);
            }
        }
        if flush {
            self.models[1].clear();
        } else {
            self.models.reverse();
        }
    }

    /// Compares everything.
    fn check(&self) {
        for (db, model) in self.models.iter().enumerate() {
            assert_eq!(self.keyspace.len(db), model.len());
            assert_eq!(self.keyspace.expires_len(db), model.values().filter(|held| held.1.is_some()).count());
            let mut seen = 0;
            for shard in 0..self.keyspace.shards() as u32 {
                let mut guard = self.keyspace.lock(shard);
                let (part, mut cursor) = (guard.db(db), 0);
                loop {
                    cursor = part.scan(cursor, 10, &mut |record| {
                        let (value, expiry) = &model[record.key()];
                        assert_eq!(bytes(record.string().expect("all are strings")), *value);
                        assert_eq!(record.expire_at(), *expiry);
                        seen += 1;
                    });
                    if cursor == 0 {
                        break;
                    }
                }
            }
            assert_eq!(seen, model.len());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let shards = 1 << (input.byte() % 3);
    let options =
        KeyspaceOptions { shards, databases: DATABASES, seed: u64::from(input.byte()), inline_limit: 100 };
    let mut twins = Twins { keyspace: Keyspace::new(options, |_| ()), models: Default::default() };
    while !input.0.is_empty() {
        let operation = input.byte();
        let db = usize::from(operation >> 7);
        match operation & 0x7f {
            0..4 => twins.bulk(db, &mut input),
            4..8 => twins.expire(db, i64::from(input.byte())),
            8..16 => twins.evict(db, &mut input),
            16 => twins.exchange(false),
            17 => twins.exchange(true),
            18..22 => twins.check(),
            _ => twins.change(db, &mut input),
        }
    }
    twins.check();
    for db in 0..DATABASES {
        twins.models[db].keys().for_each(|key| {
            let place = twins.keyspace.locate(key);
            assert!(twins.keyspace.lock(place.shard).db(db).remove(place.hash, key));
        });
        assert_eq!((twins.keyspace.len(db), twins.keyspace.expires_len(db)), (0, 0));
    }
});
