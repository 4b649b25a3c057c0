//! Streams against a plain map of entries.

use super::*;
use crate::value::IntegerText;
use std::collections::BTreeMap;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const LIMITS: NodeLimits = NodeLimits { bytes: 4096, entries: 10 };

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn random_fields(random: &mut Random) -> Fields {
    let texts: [&[u8]; 8] =
        [b"", b"0", b"-17", b"4096", b"9223372036854775807", b"007", b"text", &[0xff; 70]];
    let names: [&[u8]; 3] = [b"a", b"12", b"name"];
    let count = if random.below(4) == 0 { 1 + random.below(4) } else { 3 };
    let field = |i| (names[i as usize % 3].to_vec(), texts[random.below(8) as usize].to_vec());
    (0..count).map(field).collect()
}

fn borrowed(fields: &Fields) -> impl ExactSizeIterator<Item = Field<'_>> + Clone {
    fields.iter().map(|(name, value)| (&name[..], &value[..]))
}

fn owned(entry: &StreamEntry<'_>) -> Fields {
    let text = |value: crate::Value<'_>| value.as_bytes(&mut IntegerText::default()).to_vec();
    entry.fields().map(|(name, value)| (text(name), text(value))).collect()
}

#[track_caller]
fn compare(stream: &Stream, model: &BTreeMap<StreamId, Fields>, random: &mut Random) {
    assert_eq!(stream.length(), model.len() as u64);
    assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
    assert_eq!(stream.tail_id(), model.keys().next_back().copied().unwrap_or_default());
    let at = id(random.below(2000), random.below(4));
    let forward: Vec<_> = stream.range(at).map(|entry| (entry.id, owned(&entry))).collect();
    assert_eq!(forward, model.range(at..).map(|(id, fields)| (*id, fields.clone())).collect::<Vec<_>>());
    let back: Vec<_> = stream.range_back(at).map(|entry| (entry.id, owned(&entry))).collect();
    assert_eq!(back, model.range(..=at).rev().map(|(id, fields)| (*id, fields.clone())).collect::<Vec<_>>());
    assert_eq!(stream.get(at).map(|entry| owned(&entry)), model.get(&at).cloned());
    let exact: usize = stream.range(StreamId::MIN).count();
    assert_eq!(exact, model.len());
}

#[test]
fn a_stream_holds_what_it_was_told() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let (mut stream, mut model) = (Stream::new(), BTreeMap::new());
        let mut last = id(0, 0);
        for _ in 0..400 {
            match random.below(10) {
                0..6 => {
                    let gap = [0, 0, 1, 5, 126, 127, 300][random.below(7) as usize];
                    let seq = if gap == 0 { last.seq + 1 + random.below(2) } else { random.below(3) };
                    last = id(last.ms + gap, seq);
                    let fields = random_fields(&mut random);
                    stream.append(last, borrowed(&fields), LIMITS).unwrap();
                    model.insert(last, fields);
                }
                6..9 if !model.is_empty() => {
                    let nth = random.below(model.len() as u64) as usize;
                    let entry = *model.keys().nth(nth).unwrap();
                    assert!(stream.delete(entry) && !stream.delete(entry));
                    model.remove(&entry);
                }
                _ if random.below(4) == 0 => {
                    let length = random.below(40);
                    let excess = model.len().saturating_sub(length as usize);
                    assert_eq!(stream.trim(Trim::ToLength(length), false, None), excess as u64);
                    (0..excess).for_each(|_| drop(model.pop_first()));
                }
                _ if random.below(4) == 0 => {
                    let from = id(random.below(last.ms + 1), random.below(3));
                    let kept = model.split_off(&from);
                    assert_eq!(stream.trim(Trim::From(from), false, None), model.len() as u64);
                    model = kept;
                }
                _ => compare(&stream, &model, &mut random),
            }
        }
        compare(&stream, &model, &mut random);
        let copy = stream.clone();
        compare(&copy, &model, &mut random);
        let entries: Vec<_> = model.keys().copied().collect();
        entries.iter().for_each(|entry| assert!(stream.delete(*entry)));
        assert_eq!((stream.length(), stream.nodes(), stream.memory()), (0, 0, Stream::new().memory()));
    }
}

#[test]
fn nodes_end_where_redis_ends_them() {
    let fields = vec![(b"field".to_vec(), b"value".to_vec())];
    let mut stream = Stream::new();
    let fill = |stream: &mut Stream, from: u64, count: u64, limits| {
        (from..from + count).for_each(|ms| stream.append(id(ms, 0), borrowed(&fields), limits).unwrap());
        stream.nodes()
    };
    assert_eq!(fill(&mut stream, 1, 10, LIMITS), 1);
    assert!(stream.delete(id(10, 0)));
    assert_eq!(fill(&mut stream, 11, 1, LIMITS), 2, "deleted entries count");
    assert_eq!(fill(&mut stream, 12, 9, LIMITS), 2);
    assert_eq!(stream.trim(Trim::ToLength(12), true, None), 0);
    assert_eq!(stream.trim(Trim::ToLength(10), true, None), 9);
    // Redis's listpack begins with 22 bytes here, and each entry takes 15.
    let mut other = Stream::new();
    let small = NodeLimits { bytes: 100, entries: 0 };
    assert_eq!(fill(&mut other, 1, 5, small), 1);
    assert_eq!(fill(&mut other, 6, 1, small), 2);
}

#[test]
fn ids_only_grow() {
    let mut stream = Stream::new();
    let fields = vec![(b"f".to_vec(), b"v".to_vec())];
    let mut append = |id| stream.append(id, borrowed(&fields), LIMITS);
    assert_eq!(append(id(5, 5)), Ok(()));
    assert_eq!(append(id(5, 5)), Err(AppendError::NotAbove));
    assert_eq!(append(id(4, 9)), Err(AppendError::NotAbove));
    assert_eq!(append(StreamId::MAX), Ok(()));
    assert!(stream.delete(StreamId::MAX));
    assert_eq!((stream.last_id(), stream.tail_id()), (StreamId::MAX, id(5, 5)));
}

#[test]
fn pending_entries_have_one_owner() {
    let mut stream = Stream::new();
    assert!(stream.create_group(b"group", StreamId::MIN, None));
    assert!(!stream.create_group(b"group", StreamId::MIN, None));
    let empty = stream.memory();
    {
        let (_, mut group) = stream.group_mut(b"group").unwrap();
        let (a, b) = (group.create(b"a", 1), group.create(b"b", 2));
        let pending = |consumer| Pending { consumer, delivered_ms: 7, deliveries: 1 };
        (0..10).for_each(|ms| group.give(id(ms, 0), pending(a)));
        group.give(id(3, 0), pending(b));
        assert_eq!((group.consumer(a).pending().len(), group.consumer(b).pending().len()), (9, 1));
        group.redeliver(id(3, 0), 9);
        assert_eq!(group.pending()[&id(3, 0)], Pending { consumer: b, delivered_ms: 9, deliveries: 2 });
        assert!(group.acknowledge(id(4, 0)) && !group.acknowledge(id(4, 0)));
        assert_eq!(group.remove(a), 8);
        assert_eq!(group.pending().len(), 1);
        assert_eq!(group.create(b"c", 3), a, "the place is used again");
        assert_eq!(group.consumers().map(Consumer::name).collect::<Vec<_>>(), [b"b", b"c"]);
    }
    assert!(stream.memory() > empty);
    assert!(stream.remove_group(b"group") && !stream.remove_group(b"group"));
    assert_eq!(stream.memory(), Stream::new().memory());
}
