//! Random sequences of operations, held against `std::collections::HashMap`.

use std::collections::{HashMap, HashSet};

use boxcar_store::{
    Db, DetachedDb, Encoding, Entry, Expired, Keyspace, KeyspaceOptions, Place, SCAN_CURSOR_BITS, Value,
    parse_integer,
};
use proptest::prelude::*;

const INLINE_LIMIT: usize = 200;
const DATABASES: usize = 3;

#[derive(Clone, Debug, PartialEq)]
struct Held {
    value: Vec<u8>,
    expire_at: Option<i64>,
    access: u32,
    raw: bool,
}

type Model = HashMap<Vec<u8>, Held>;

#[derive(Clone, Debug)]
enum Op {
    Set {
        key: u32,
        value: Vec<u8>,
        expire_at: Option<i64>,
        access: u32,
    },
    SetValue {
        key: u32,
        value: Vec<u8>,
    },
    SetExpire {
        key: u32,
        expire_at: Option<i64>,
    },
    Resize {
        key: u32,
        len: usize,
        fill: u8,
    },
    Remove {
        key: u32,
    },
    Take {
        key: u32,
    },
    Get {
        key: u32,
    },
    ExpireStep {
        now: i64,
        max: usize,
    },
    /// Inserts or removes a whole range, so that segments split and merge.
    Fill {
        first: u32,
        count: u32,
    },
    Clear {
        first: u32,
        count: u32,
    },
    Swap {
        with: usize,
    },
    Flush,
}

fn key_name(key: u32) -> Vec<u8> {
    match key % 5 {
        0 => format!("{{tag{}}}:{key}", key % 3).into_bytes(),
        1 => format!("key:{key:012}").into_bytes(),
        2 => key.to_le_bytes().to_vec(),
        3 => [b"long:".as_slice(), &[b'x'; 300], &key.to_be_bytes()].concat(),
        _ if key == 4 => Vec::new(),
        _ => format!("k{key}").into_bytes(),
    }
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (0i64..100).prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..70),
        (0usize..1000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn any_expiry() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (0i64..1000).prop_map(Some), any::<i64>().prop_map(Some)]
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = || 0u32..400;
    prop_oneof![
        6 => (key(), any_value(), any_expiry(), any::<u32>())
            .prop_map(|(key, value, expire_at, access)| Op::Set { key, value, expire_at, access }),
        2 => (key(), any_value()).prop_map(|(key, value)| Op::SetValue { key, value }),
        2 => (key(), any_expiry()).prop_map(|(key, expire_at)| Op::SetExpire { key, expire_at }),
        2 => (key(), 0usize..1000, any::<u8>()).prop_map(|(key, len, fill)| Op::Resize { key, len, fill }),
        3 => key().prop_map(|key| Op::Remove { key }),
        1 => key().prop_map(|key| Op::Take { key }),
        3 => key().prop_map(|key| Op::Get { key }),
        1 => (0i64..1000, 0usize..300).prop_map(|(now, max)| Op::ExpireStep { now, max }),
        1 => (key(), 0u32..4000).prop_map(|(first, count)| Op::Fill { first, count }),
        1 => (key(), 0u32..4000).prop_map(|(first, count)| Op::Clear { first, count }),
        1 => (0..DATABASES).prop_map(|with| Op::Swap { with }),
        1 => Just(Op::Flush),
    ]
}

/// What the store must say about a value.
fn text(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut Default::default()).to_vec()
}

fn expected_encoding(held: &Held) -> Encoding {
    match parse_integer(&held.value) {
        Some(_) if !held.raw => Encoding::Int,
        _ if held.raw || held.value.len() > 44 => Encoding::Raw,
        _ => Encoding::Embstr,
    }
}

struct Pair {
    keyspace: Keyspace<u32>,
    models: Vec<Model>,
}

impl Pair {
    fn new(shards: usize, seed: u64) -> Self {
        let options = KeyspaceOptions { shards, databases: DATABASES, seed, inline_limit: INLINE_LIMIT };
        Self { keyspace: Keyspace::new(options, |shard| shard as u32), models: vec![Model::new(); DATABASES] }
    }

    fn with<R>(&self, db: usize, key: &[u8], act: impl FnOnce(&mut Db<'_>, Place) -> R) -> R {
        let place = self.keyspace.locate(key);
        let guard = self.keyspace.pin();
        self.keyspace.prefetch_bucket(db, place, &guard);
        let mut shard = self.keyspace.try_lock(place.shard).unwrap();
        act(&mut shard.db(db), place)
    }

    fn set(&mut self, db: usize, key: Vec<u8>, held: Held) {
        let existed = self.with(db, &key, |db, place| {
            db.set(place.hash, &key, Value::encode(&held.value), held.expire_at, held.access)
        });
        assert_eq!(existed, self.models[db].insert(key, held).is_some());
    }

    fn apply(&mut self, db: usize, op: Op) {
        match op {
            Op::Set { key, value, expire_at, access } => {
                self.set(
                    db,
                    key_name(key),
                    Held { value, expire_at, access: access & 0xff_ffff, raw: false },
                );
            }
            Op::Fill { first, count } => {
                for key in first..first + count {
                    let value = key.to_string().into_bytes();
                    self.set(db, key_name(key), Held { value, expire_at: None, access: 0, raw: false });
                }
            }
            Op::Remove { key } => self.remove(db, key),
            Op::Clear { first, count } => (first..first + count).for_each(|key| self.remove(db, key)),
            Op::Get { key } => self.check(db, &key_name(key)),
            Op::Take { key } => {
                let key = key_name(key);
                let taken = self.with(db, &key, |db, place| db.take(place.hash, &key));
                let expected = self.models[db].remove(&key);
                assert_eq!(taken.is_some(), expected.is_some());
                if let (Some(taken), Some(expected)) = (taken, expected) {
                    assert_eq!(
                        (taken.record().key(), text(taken.record().string().unwrap())),
                        (&key[..], expected.value)
                    );
                }
            }
            Op::SetValue { .. } | Op::SetExpire { .. } | Op::Resize { .. } => self.change(db, op),
            Op::ExpireStep { now, max } => self.expire(db, now, max),
            Op::Swap { with } => {
                for shard in 0..self.keyspace.shards() as u32 {
                    self.keyspace.try_lock(shard).unwrap().swap_databases(db, with);
                }
                self.models.swap(db, with);
            }
            Op::Flush => {
                let shards = 0..self.keyspace.shards() as u32;
                let taken: Vec<_> = shards.map(|s| self.keyspace.lock(s).take_database(db)).collect();
                assert_eq!(taken.iter().map(DetachedDb::len).sum::<usize>(), self.models[db].len());
                std::thread::spawn(move || drop(taken)).join().unwrap();
                self.models[db].clear();
            }
        }
        self.check_figures(db);
    }

    fn remove(&mut self, db: usize, key: u32) {
        let key = key_name(key);
        let removed = self.with(db, &key, |db, place| db.remove(place.hash, &key));
        assert_eq!(removed, self.models[db].remove(&key).is_some());
    }

    fn change(&mut self, db: usize, op: Op) {
        let (Op::SetValue { key, .. } | Op::SetExpire { key, .. } | Op::Resize { key, .. }) = op else {
            return;
        };
        let key = key_name(key);
        let mut expected = self.models[db].get(&key).cloned();
        self.with(db, &key, |db, place| match (db.entry(place.hash, &key), &mut expected) {
            (Entry::Vacant(vacant), None) => assert_eq!(vacant.key(), key),
            (Entry::Occupied(mut entry), Some(held)) => match op {
                Op::SetValue { value, .. } => {
                    entry.set_value(Value::encode(&value));
                    (held.value, held.raw) = (value, false);
                }
                Op::SetExpire { expire_at, .. } => {
                    entry.set_expire(expire_at);
                    held.expire_at = expire_at;
                }
                Op::Resize { len, fill, .. } => {
                    let before = entry.record().blob();
                    let copy = before.as_deref().map(<[u8]>::to_vec);
                    let bytes = entry.resize_bytes(len);
                    held.value.resize(len, 0);
                    assert_eq!(bytes, held.value);
                    bytes[len / 2..].fill(fill);
                    held.value[len / 2..].fill(fill);
                    held.raw = true;
                    assert_eq!(before.as_deref(), copy.as_deref(), "a shared value never changes");
                }
                _ => unreachable!("only changes come here"),
            },
            (_, model) => panic!("the store and the model disagree on {key:?}: {model:?}"),
        });
        if let Some(held) = expected {
            self.models[db].insert(key.clone(), held);
        }
        self.check(db, &key);
    }

    fn expire(&mut self, db: usize, now: i64, max: usize) {
        for shard in 0..self.keyspace.shards() as u32 {
            let mut guard = self.keyspace.try_lock(shard).unwrap();
            let mut gone = Vec::new();
            let step = guard.db(db).expire_step(now, max, &mut |expired| {
                let Expired::Key(record) = expired else { panic!("there are no hashes") };
                assert!(record.record().expire_at().unwrap() < now);
                gone.push(record.record().key().to_vec());
            });
            assert_eq!(step.expired, gone.len());
            for key in gone {
                assert!(self.models[db].remove(&key).unwrap().expire_at.unwrap() <= now);
            }
        }
    }

    fn check(&self, db: usize, key: &[u8]) {
        self.with(db, key, |part, place| match (part.get(place.hash, key), self.models[db].get(key)) {
            (None, None) => {}
            (Some(record), Some(held)) => {
                assert_eq!(record.key(), key);
                assert_eq!(text(record.string().unwrap()), held.value);
                assert_eq!(record.expire_at(), held.expire_at);
                assert_eq!(record.access(), held.access);
                assert_eq!(record.encoding(), expected_encoding(held));
                assert_eq!(
                    record.blob().is_some(),
                    matches!(record.string(), Some(Value::Bytes(b)) if b.len() > INLINE_LIMIT)
                );
                assert!(record.memory_usage() > key.len());
            }
            (store, model) => panic!("{key:?}: the store has {store:?}, the model {model:?}"),
        });
    }

    fn check_figures(&self, db: usize) {
        let model = &self.models[db];
        assert_eq!(self.keyspace.len(db), model.len());
        let expiries: Vec<i64> = model.values().filter_map(|held| held.expire_at).collect();
        assert_eq!(self.keyspace.expires_len(db), expiries.len());
        let units: i64 = expiries.iter().fold(0, |sum, at| sum.wrapping_add(at.div_euclid(256)));
        let mean = (!expiries.is_empty()).then(|| (units / expiries.len() as i64).saturating_mul(256));
        assert_eq!(self.keyspace.expires(db).mean_expire_at(), mean);
    }

    /// All keys, by a scan of every shard with nothing in between.
    fn scan_all(&self, db: usize, count: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        for shard in 0..self.keyspace.shards() as u32 {
            let mut guard = self.keyspace.try_lock(shard).unwrap();
            let part = guard.db(db);
            let mut cursor = 0;
            loop {
                cursor = part.scan(cursor, count, &mut |record| keys.push(record.key().to_vec()));
                assert!(cursor < 1 << SCAN_CURSOR_BITS);
                if cursor == 0 {
                    break;
                }
            }
        }
        keys
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 96 }, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(
        seed in any::<u64>(),
        shards in prop_oneof![Just(1usize), Just(4)],
        ops in prop::collection::vec((0..DATABASES, any_op()), 1..if cfg!(miri) { 10 } else { 120 }),
    ) {
        let mut pair = Pair::new(shards, seed);
        for (db, op) in ops {
            pair.apply(db, op);
        }
        for db in 0..DATABASES {
            for key in (0..5000).map(key_name) {
                pair.check(db, &key);
            }
            let keys = pair.scan_all(db, 7);
            let unique: HashSet<_> = keys.iter().cloned().collect();
            prop_assert_eq!(keys.len(), unique.len(), "an undisturbed scan visits nothing twice");
            prop_assert!(unique.iter().eq(unique.iter().filter(|key| pair.models[db].contains_key(*key))));
            prop_assert_eq!(unique.len(), pair.models[db].len());
            for rng in [0, u64::MAX, seed] {
                let mut shard = pair.keyspace.try_lock(0).unwrap();
                let part = shard.db(db);
                prop_assert_eq!(part.random(rng).is_some(), !part.is_empty());
            }
        }
        drop(pair);
    }

    /// Keys that are there from the first to the last step of a scan are visited, whatever else comes and goes.
    #[test]
    fn a_scan_returns_what_is_there_from_start_to_end(
        seed in any::<u64>(),
        stable in 1u32..3000,
        count in 1usize..64,
        changes in prop::collection::vec((any_op(), 0usize..3), 1..60),
    ) {
        let mut pair = Pair::new(1, seed);
        let stable: HashSet<Vec<u8>> = (0..stable).map(|n| format!("stable:{n}").into_bytes()).collect();
        for key in &stable {
            pair.set(0, key.clone(), Held { value: b"v".to_vec(), expire_at: None, access: 0, raw: false });
        }
        let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut cursor = 0;
        let mut changes = changes.into_iter().filter(|(op, _)| !matches!(op, Op::Swap { .. } | Op::Flush)).cycle().take(500);
        loop {
            let mut shard = pair.keyspace.try_lock(0).unwrap();
            cursor = shard.db(0).scan(cursor, count, &mut |record| *seen.entry(record.key().to_vec()).or_default() += 1);
            drop(shard);
            if cursor == 0 {
                break;
            }
            if let Some((op, _)) = changes.next() {
                pair.apply(0, op);
            }
        }
        for key in &stable {
            prop_assert_eq!(seen.get(key), Some(&1), "{:?}", key.escape_ascii().to_string());
        }
    }
}
