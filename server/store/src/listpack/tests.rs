//! Listpacks against a plain vector, against bytes that a real server wrote, and against hostile ones.

use super::*;
use proptest::prelude::*;

/// An element as the model keeps it: its text.
fn text(value: Value<'_>) -> Vec<u8> {
    value.as_bytes(&mut IntegerText::default()).to_vec()
}

fn texts(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(text).collect()
}

fn of(elements: &[&[u8]]) -> Listpack {
    let mut listpack = Listpack::new();
    elements.iter().for_each(|element| listpack.push_back(Value::Bytes(element)));
    listpack
}

/// What holds for every listpack.
fn check(listpack: &Listpack, model: &[Vec<u8>]) {
    assert_eq!(texts(listpack), model);
    assert_eq!(listpack.len(), model.len());
    assert_eq!(listpack.is_empty(), model.is_empty());
    let backwards: Vec<_> = listpack.iter().rev().map(text).collect();
    assert!(backwards.iter().eq(model.iter().rev()));
    assert_eq!(Listpack::from_bytes(listpack.bytes()).as_ref(), Some(listpack));
}

/// The element by index, negative from the end.
fn at<T>(model: &[T], index: i64) -> Option<usize> {
    let index = if index < 0 { index + model.len() as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < model.len())
}

#[derive(Clone, Debug)]
enum Edit {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Append(Vec<Vec<u8>>),
    InsertBefore(i64, Vec<u8>),
    InsertAfter(i64, Vec<u8>),
    Replace(i64, Vec<u8>),
    Remove(i64),
    RemoveMany(i64, usize),
    RemoveRange(i64, usize),
    Clear,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(prop_oneof![Just(b'a'), Just(0xff), Just(0x80), any::<u8>()], 0..6),
        3 => (any::<i64>(), 0..64u32).prop_map(|(n, bits)| (n >> bits).to_string().into_bytes()),
        1 => (60..140usize).prop_map(|len| vec![b'm'; len]),
        1 => prop_oneof![Just(4094), Just(4095), Just(4096), Just(16_381), Just(16_390)].prop_map(|len| vec![b'l'; len]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = || -12..12i64;
    prop_oneof![
        6 => element().prop_map(Edit::PushBack),
        3 => element().prop_map(Edit::PushFront),
        2 => prop::collection::vec(element(), 0..6).prop_map(Edit::Append),
        3 => (index(), element()).prop_map(|(i, e)| Edit::InsertBefore(i, e)),
        3 => (index(), element()).prop_map(|(i, e)| Edit::InsertAfter(i, e)),
        3 => (index(), element()).prop_map(|(i, e)| Edit::Replace(i, e)),
        3 => index().prop_map(Edit::Remove),
        1 => (index(), 0..5usize).prop_map(|(i, n)| Edit::RemoveMany(i, n)),
        1 => (index(), 0..5usize).prop_map(|(i, n)| Edit::RemoveRange(i, n)),
        1 => Just(Edit::Clear),
    ]
}

fn apply(listpack: &mut Listpack, model: &mut Vec<Vec<u8>>, edit: &Edit) {
    let place = |index| (listpack.seek(index), at(model, index));
    match edit {
        Edit::PushBack(e) => {
            listpack.push_back(Value::Bytes(e));
            model.push(e.clone());
        }
        Edit::PushFront(e) => {
            listpack.push_front(Value::Bytes(e));
            model.insert(0, e.clone());
        }
        Edit::Append(all) => {
            listpack.append(&all.iter().map(|e| Value::encode(e)).collect::<Vec<_>>());
            model.extend(all.iter().cloned());
        }
        Edit::InsertBefore(index, e) => {
            let (Some(cursor), Some(index)) = place(*index) else { return };
            let new = listpack.insert_before(cursor, Value::Bytes(e));
            assert_eq!(text(listpack.get(new)), *e);
            model.insert(index, e.clone());
        }
        Edit::InsertAfter(index, e) => {
            let (Some(cursor), Some(index)) = place(*index) else { return };
            let new = listpack.insert_after(cursor, Value::Bytes(e));
            assert_eq!(text(listpack.get(new)), *e);
            model.insert(index + 1, e.clone());
        }
        Edit::Replace(index, e) => {
            let (Some(cursor), Some(index)) = place(*index) else { return };
            listpack.replace(cursor, Value::Bytes(e));
            assert_eq!(text(listpack.get(cursor)), *e);
            model[index] = e.clone();
        }
        Edit::Remove(index) => {
            let (Some(cursor), Some(index)) = place(*index) else { return };
            let next = listpack.remove(cursor);
            model.remove(index);
            assert_eq!(next.map(|at| text(listpack.get(at))).as_ref(), model.get(index));
        }
        Edit::RemoveMany(index, count) => {
            let (Some(cursor), Some(index)) = place(*index) else { return };
            let next = listpack.remove_many(cursor, *count);
            model.drain(index..(index + count).min(model.len()));
            assert_eq!(next.map(|at| text(listpack.get(at))).as_ref(), model.get(index));
        }
        Edit::RemoveRange(index, count) => {
            let removed = at(model, *index).map_or(0, |index| (model.len() - index).min(*count));
            if let Some(index) = at(model, *index) {
                model.drain(index..index + removed);
            }
            assert_eq!(listpack.remove_range(*index, *count), removed);
        }
        Edit::Clear => {
            listpack.clear();
            model.clear();
        }
    }
}

proptest! {
    #[test]
    fn edits_do_what_they_do_to_a_vector(edits in prop::collection::vec(edit(), 1..60)) {
        let (mut listpack, mut model) = (Listpack::new(), Vec::new());
        for edit in &edits {
            apply(&mut listpack, &mut model, edit);
            check(&listpack, &model);
        }
        let copy = listpack.clone();
        drop(listpack);
        check(&copy, &model);
    }

    #[test]
    fn seek_and_find_agree_with_a_vector(
        all in prop::collection::vec(element(), 0..20), index in -25..25i64, skip in 0..3usize
    ) {
        let listpack = of(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(listpack.seek(index).map(|c| text(listpack.get(c))), at(&all, index).map(|i| all[i].clone()));
        let (Some(from), Some(start)) = (listpack.seek(index), at(&all, index)) else { return Ok(()) };
        for needle in &all {
            let expected = (start..all.len()).step_by(skip + 1).find(|&i| all[i] == *needle);
            let found = listpack.find(Value::Bytes(needle), from, skip);
            prop_assert_eq!(found, expected.and_then(|i| listpack.seek(i as i64)));
            prop_assert_eq!(listpack.find(Value::encode(needle), from, skip), found);
        }
        prop_assert_eq!(listpack.iter_from(from).count(), all.len() - start);
    }

    /// Every accepted string of bytes can be read to its end in both directions; most damage is seen.
    #[test]
    fn hostile_bytes_are_refused_or_harmless(
        all in prop::collection::vec(element(), 0..8), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let listpack = of(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut bytes = listpack.bytes().to_vec();
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(accepted) = Listpack::from_bytes(&bytes) {
            let forwards = texts(&accepted);
            check(&accepted, &forwards);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if bytes.len() > EMPTY {
            let len = bytes.len();
            bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
            bytes[4..6].copy_from_slice(&[0xff, 0xff]);
            bytes[len - 1] = END;
        }
        if let Some(accepted) = Listpack::from_bytes(&bytes) {
            let forwards = texts(&accepted);
            prop_assert_eq!(accepted.len(), forwards.len());
        }
    }
}

/// The listpack inside the DUMP of `HSET h f1 v1 n 12 neg -70000 big 1234567890123 f2 xxx...` (64 times), by Redis 8.0.
const FROM_A_SERVER: &[u8] = b"t\x00\x00\x00\x0a\x00\x82f1\x03\x82v1\x03\x81n\x02\x0c\x01\x83neg\x04\xf2\x90\xee\xfe\x04\x83big\x04\xf4\xcb\x04\xfbq\x1f\x01\x00\x00\x09\x82f2\x03\xe0\
    @xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
    B\xff";

#[test]
fn a_real_servers_bytes_are_ours() {
    let long = [b'x'; 64];
    let fields: [&[u8]; 10] =
        [b"f1", b"v1", b"n", b"12", b"neg", b"-70000", b"big", b"1234567890123", b"f2", &long];
    let ours = of(&fields);
    assert_eq!(ours.bytes(), FROM_A_SERVER);
    let theirs = Listpack::from_bytes(FROM_A_SERVER).expect("a real listpack is valid");
    assert_eq!(texts(&theirs), fields);
}

#[test]
fn every_cut_of_a_valid_listpack_is_refused() {
    for end in 0..FROM_A_SERVER.len() {
        assert_eq!(Listpack::from_bytes(&FROM_A_SERVER[..end]), None, "{end}");
    }
    let mut longer = FROM_A_SERVER.to_vec();
    longer.push(END);
    assert_eq!(Listpack::from_bytes(&longer), None);
}

#[test]
fn texts_of_integers_are_found_however_they_are_kept() {
    // A string "7" that was not written as an integer, as an old server may have done.
    let bytes = [11, 0, 0, 0, 1, 0, 0x81, b'7', 2, END];
    assert_eq!(Listpack::from_bytes(&bytes), None, "a wrong total");
    let bytes = [10, 0, 0, 0, 1, 0, 0x81, b'7', 2, END];
    let listpack = Listpack::from_bytes(&bytes).unwrap();
    let first = listpack.first().unwrap();
    assert_eq!(listpack.find(Value::Integer(7), first, 0), Some(first));
    assert_eq!(listpack.find(Value::Bytes(b"7"), first, 0), Some(first));
    assert_eq!(listpack.find(Value::Bytes(b"07"), first, 0), None);
}

#[test]
fn the_stored_number_saturates_and_recovers() {
    let mut listpack = Listpack::new();
    listpack.append(&vec![Value::Integer(1); UNCOUNTED - 1]);
    assert_eq!(listpack.counted(), UNCOUNTED - 1);
    listpack.push_back(Value::Integer(2));
    listpack.push_back(Value::Integer(3));
    assert_eq!((listpack.counted(), listpack.len()), (UNCOUNTED, UNCOUNTED + 1));
    assert_eq!(listpack.seek(-1).map(|at| listpack.get(at)), Some(Value::Integer(3)));
    assert_eq!(listpack.seek(UNCOUNTED as i64 + 1), None);
    assert_eq!(listpack.remove_range(0, 2), 2);
    assert_eq!((listpack.counted(), listpack.len()), (UNCOUNTED - 1, UNCOUNTED - 1));
}

#[test]
fn memory_is_the_size_class() {
    let mut listpack = Listpack::new();
    assert_eq!((listpack.byte_len(), listpack.memory()), (7, 16));
    listpack.push_back(Value::Bytes(&[b'x'; 200]));
    assert_eq!((listpack.byte_len(), listpack.memory()), (7 + 2 + 200 + 2, 224));
    listpack.clear();
    assert_eq!(listpack.memory(), 16);
    assert_eq!(size_of::<Option<Listpack>>(), 8);
}
