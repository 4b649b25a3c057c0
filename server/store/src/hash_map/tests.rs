//! Hashes against a plain model, and their forms.

use super::*;
use crate::IntegerText;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: HashLimits = HashLimits { entries: 8, value: 12 };

fn text(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut IntegerText::default()).to_vec()
}

fn shown(hash: &Hash) -> (Encoding, String) {
    let all: Vec<String> = hash
        .iter()
        .map(|field| {
            let until = field.expire_at.map(|moment| format!("@{moment}")).unwrap_or_default();
            let [name, value] =
                [field.name, field.value].map(|v| String::from_utf8_lossy(&text(v)).into_owned());
            format!("{name}={value}{until}")
        })
        .collect();
    (hash.encoding(), all.join(" "))
}

fn set(hash: &mut Hash, name: &str, value: &str, expire_at: Option<i64>) -> bool {
    hash.set(name.as_bytes(), Value::Bytes(value.as_bytes()), expire_at, LIMITS)
}

#[test]
fn listpacks_keep_the_order_of_coming() {
    let mut hash = Hash::new();
    assert!(set(&mut hash, "b", "1", None) && set(&mut hash, "a", "2", None));
    assert!(!set(&mut hash, "b", "longer", None));
    assert_eq!(shown(&hash), (Encoding::Listpack, "b=longer a=2".into()));
    assert!(hash.remove(b"b") && !hash.remove(b"b"));
    assert!(set(&mut hash, "b", "3", None));
    assert_eq!(shown(&hash).1, "a=2 b=3");
    // A value that is also a field's name is not found as one.
    assert!(set(&mut hash, "c", "d", None) && hash.get(b"d").is_none());
}

#[test]
fn expiries_order_a_listpack() {
    let mut hash = Hash::new();
    for name in ["a", "b", "c", "d"] {
        set(&mut hash, name, "v", None);
    }
    hash.set_expire(b"a", None);
    assert_eq!(hash.encoding(), Encoding::Listpack);
    hash.set_expire(b"c", Some(200));
    hash.set_expire(b"b", Some(100));
    hash.set_expire(b"missing", Some(1));
    hash.set_expire(b"d", Some(200));
    assert_eq!(shown(&hash), (Encoding::ListpackEx, "b=v@100 d=v@200 c=v@200 a=v".into()));
    assert_eq!(hash.next_expiry(), Some(100));
    assert!(!set(&mut hash, "b", "w", Some(100)));
    assert!(!set(&mut hash, "c", "w", None));
    assert_eq!(shown(&hash).1, "b=w@100 d=v@200 a=v c=w");
    hash.set_expire(b"b", None);
    assert_eq!(shown(&hash).1, "d=v@200 a=v c=w b=w");
    assert!(hash.remove(b"d"));
    assert_eq!((hash.next_expiry(), hash.encoding(), hash.len()), (None, Encoding::ListpackEx, 3));
}

#[test]
fn many_or_long_fields_need_a_table() {
    for long in ["a name that is long", "a"] {
        let mut hash = Hash::new();
        set(&mut hash, "f", "1", None);
        hash.set_expire(b"f", Some(5));
        set(&mut hash, long, "a value that is long", None);
        assert_eq!((hash.encoding(), hash.len(), hash.next_expiry()), (Encoding::Hashtable, 2, Some(5)));
        assert_eq!(
            hash.get(b"f").map(|field| (text(field.value), field.expire_at)),
            Some((b"1".into(), Some(5)))
        );
    }
    let mut hash = Hash::new();
    for index in 0..8 {
        set(&mut hash, &index.to_string(), "v", None);
    }
    assert_eq!(hash.encoding(), Encoding::Listpack);
    set(&mut hash, "8", "v", None);
    assert_eq!((hash.encoding(), hash.len()), (Encoding::Hashtable, 9));
    let mut hash = Hash::new();
    hash.prepare([&b"x"[..]; 18].into_iter(), LIMITS);
    assert_eq!(hash.encoding(), Encoding::Hashtable);
}

#[test]
fn fields_expire_in_steps_in_every_form() {
    for count in [4, 40] {
        let mut hash = Hash::new();
        for index in 0..count {
            set(&mut hash, &index.to_string(), "v", (index % 2 == 0).then_some(100 + i64::from(index)));
        }
        let mut gone = Vec::new();
        let mut step = |hash: &mut Hash, now| {
            let mut budget = 1000;
            assert!(!hash.expire_step(now, &mut budget, &mut |field| gone.push(text(field.name))));
            gone.len()
        };
        assert_eq!(step(&mut hash, 100), 0);
        assert_eq!(step(&mut hash, 103), 2);
        assert_eq!(step(&mut hash, i64::MAX), count as usize / 2);
        assert_eq!((hash.len(), hash.next_expiry()), (count as usize / 2, None));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(String, String, Option<i64>),
    Expire(String, Option<i64>),
    Remove(String),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || "[a-e0-9]{1,2}";
    let moment = || prop::option::weighted(0.3, 1..5i64);
    prop_oneof![
        4 => (name(), "[a-z0-9]{0,13}", moment()).prop_map(|(n, v, m)| Step::Set(n, v, m)),
        1 => (name(), moment()).prop_map(|(n, m)| Step::Expire(n, m)),
        2 => name().prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn a_hash_is_a_map(steps in prop::collection::vec(step(), 1..80), entries in 1..60usize) {
        let limits = HashLimits { entries, value: 12 };
        let (mut hash, mut model) = (Hash::new(), BTreeMap::new());
        for step in &steps {
            match step {
                Step::Set(n, v, m) => {
                    let is_new = hash.set(n.as_bytes(), Value::Bytes(v.as_bytes()), *m, limits);
                    let before = model.insert(n.clone().into_bytes(), (v.clone().into_bytes(), *m));
                    prop_assert_eq!(is_new, before.is_none());
                }
                Step::Expire(n, m) => {
                    hash.set_expire(n.as_bytes(), *m);
                    if let Some(field) = model.get_mut(n.as_bytes()) { field.1 = *m; }
                }
                Step::Remove(n) => prop_assert_eq!(hash.remove(n.as_bytes()), model.remove(n.as_bytes()).is_some()),
            }
            prop_assert_eq!(hash.len(), model.len());
            let earliest = model.values().filter_map(|field| field.1).min();
            prop_assert_eq!(hash.next_expiry().is_some(), earliest.is_some());
            prop_assert!(hash.next_expiry() <= earliest);
        }
        let copy = hash.clone();
        drop(hash);
        let all = |field: Field<'_>| (text(field.name), (text(field.value), field.expire_at));
        prop_assert_eq!(&copy.iter().map(all).collect::<BTreeMap<_, _>>(), &model);
        for (name, value) in &model {
            prop_assert_eq!(copy.get(name).map(all), Some((name.clone(), value.clone())));
        }
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = copy.scan(cursor, 3, &mut |field| scanned.extend([all(field)]));
            if cursor == 0 { break }
        }
        prop_assert_eq!(&scanned, &model);
        prop_assert_eq!(copy.random(9).is_some(), !model.is_empty());
    }
}
