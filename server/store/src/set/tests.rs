//! Sets against a plain model, and their forms.

use super::*;
use crate::IntegerText;
use proptest::prelude::*;
use std::collections::BTreeSet;

const LIMITS: SetLimits = SetLimits { intset_entries: 16, listpack_entries: 12, listpack_value: 20 };

fn text(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut IntegerText::default()).to_vec()
}

fn of(members: &[&str]) -> Set {
    let mut set = Set::for_members(members[0].as_bytes(), 1, LIMITS);
    members.iter().for_each(|member| assert!(set.add(Value::Bytes(member.as_bytes()), LIMITS)));
    set
}

fn shown(set: &Set) -> (Encoding, String) {
    let all: Vec<String> =
        set.iter().map(|member| String::from_utf8_lossy(&text(member)).into_owned()).collect();
    (set.encoding(), all.join(" "))
}

#[test]
fn forms_follow_the_members() {
    let mut set = of(&["3", "-1", "2"]);
    assert_eq!(shown(&set), (Encoding::Intset, "-1 2 3".into()));
    assert!(set.add(Value::Bytes(b"x"), LIMITS));
    assert!(set.add(Value::Bytes(b"0"), LIMITS));
    assert_eq!(shown(&set), (Encoding::Listpack, "-1 2 3 x 0".into()));
    assert!(!set.add(Value::Integer(2), LIMITS));
    assert!(set.remove(Value::Bytes(b"2")) && set.remove(Value::Bytes(b"x")));
    set.become_intset(LIMITS);
    assert_eq!(shown(&set), (Encoding::Intset, "-1 0 3".into()));
    (4..17).for_each(|number| assert!(set.add(Value::Integer(number), LIMITS)));
    assert_eq!(set.encoding(), Encoding::Intset);
    assert!(set.add(Value::Integer(17), LIMITS));
    assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 17));
}

#[test]
fn long_and_many_members_need_a_table() {
    let mut set = of(&["a"]);
    assert!(set.add(Value::Bytes(&[b'x'; 21]), LIMITS));
    assert_eq!(set.encoding(), Encoding::Hashtable);
    let mut set = of(&["1234567890123456789", "a"]);
    assert_eq!(set.encoding(), Encoding::Listpack);
    (0..11).for_each(|number| assert!(set.add(Value::Integer(number), LIMITS)));
    assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 13));
    let short = SetLimits { listpack_value: 3, ..LIMITS };
    let mut set = of(&["-1000", "5"]);
    assert!(set.add(Value::Bytes(b"x"), short));
    assert_eq!(set.encoding(), Encoding::Hashtable);
    assert_eq!(Set::for_members(b"x", 13, LIMITS).encoding(), Encoding::Hashtable);
    assert_eq!(Set::for_members(b"7", 17, LIMITS).encoding(), Encoding::Hashtable);
    let mut set = of(&["1"]);
    set.prepare(17, LIMITS);
    assert_eq!(shown(&set), (Encoding::Hashtable, "1".into()));
}

proptest! {
    #[test]
    fn a_set_is_a_set(steps in prop::collection::vec((0..4u8, prop_oneof!["[a-c]{0,3}", "-?[0-9]{1,3}"]), 1..80)) {
        let (mut set, mut model) = (Set::new(), BTreeSet::new());
        for (what, member) in &steps {
            let bytes = member.as_bytes();
            if *what > 0 {
                prop_assert_eq!(set.add(Value::encode(bytes), LIMITS), model.insert(bytes.to_vec()));
            } else {
                prop_assert_eq!(set.remove(Value::Bytes(bytes)), model.remove(bytes));
            }
            prop_assert_eq!(set.contains(Value::Bytes(bytes)), model.contains(bytes));
            prop_assert_eq!(set.contains(Value::encode(bytes)), model.contains(bytes));
            prop_assert_eq!(set.len(), model.len());
        }
        let copy = set.clone();
        drop(set);
        prop_assert_eq!(&copy.iter().map(text).collect::<BTreeSet<_>>(), &model);
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = copy.scan(cursor, 3, &mut |member| { scanned.insert(text(member)); });
            if cursor == 0 { break }
        }
        prop_assert_eq!(&scanned, &model);
        prop_assert_eq!(copy.random(7).map(|member| model.contains(&text(member))), (!model.is_empty()).then_some(true));
    }
}
