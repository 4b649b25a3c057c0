//! The table against a model: growth and shrinking, churn, equal hashes, crowded corners of the hash space.

use super::*;
use crate::value::Value;

/// A table alone, with records of this test's keys.
struct Subject {
    table: Table,
    hasher: KeyHasher,
    len: usize,
}

impl Subject {
    fn new() -> Self {
        Self { table: Table::default(), hasher: KeyHasher::new(3), len: 0 }
    }

    fn insert(&mut self, hash: u64, key: &[u8]) {
        let record = RawRecord::new(key, Value::Integer(self.len as i64), None, 0, 0);
        // SAFETY: one thread, and the key is new.
        unsafe { self.table.insert(hash, record, &self.hasher) };
        self.len += 1;
    }

    fn contains(&self, hash: u64, key: &[u8]) -> bool {
        // SAFETY: one thread.
        unsafe { self.table.find(hash, key) }.is_some()
    }

    fn remove(&mut self, hash: u64, key: &[u8]) {
        // SAFETY: one thread; the key is there.
        unsafe {
            let at = self.table.find(hash, key).expect("the key is there");
            self.table.remove(hash, at, self.len).free();
        }
        self.len -= 1;
    }

    fn lines(&self) -> usize {
        self.table.lines.load(Relaxed) as usize
    }

    /// Counts every line and record that the directory leads to, and compares with the counters.
    fn check(&self) {
        if self.len == 0 && self.lines() == 0 {
            assert_eq!(self.table.memory(), 0);
            return;
        }
        let (mut position, mut records, mut lines, mut deepest) = (0u64, 0, 0, 0);
        while position < 1 << CURSOR_BITS {
            // SAFETY: one thread.
            let segment =
                unsafe { self.table.segment(position << (64 - CURSOR_BITS)) }.expect("no empty entry");
            assert!(segment.depth <= self.table.depth());
            deepest += usize::from(segment.depth == self.table.depth() && segment.depth > 0);
            // SAFETY: one thread.
            records += unsafe { segment.count() };
            // SAFETY: one thread.
            lines += segment.homes + unsafe { segment.stash() }.count();
            position += 1 << (CURSOR_BITS - segment.depth);
        }
        assert_eq!(records, self.len);
        assert_eq!(lines, self.lines());
        assert_eq!(deepest, self.table.deepest.load(Relaxed) as usize);
        assert_eq!(self.table.depth() > 0, deepest > 0, "the directory is as deep as its deepest segment");
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // SAFETY: one thread, and nobody else can reach the table.
        unsafe { self.table.drain(None, &mut |record| record.free()) };
    }
}

fn keys(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| format!("key:{number:012}").into_bytes())
}

const COUNT: usize = if cfg!(miri) { 900 } else { 60_000 };

#[test]
fn a_table_grows_and_shrinks_with_its_records() {
    let mut subject = Subject::new();
    let mut worst_fill: f64 = 1.0;
    for key in keys(COUNT) {
        subject.insert(subject.hasher.hash(&key), &key);
        if subject.len > 200 && subject.len.is_multiple_of(97) {
            worst_fill = worst_fill.min(subject.len as f64 / (subject.lines() * 7) as f64);
        }
    }
    subject.check();
    assert!(worst_fill > 0.62, "the table was only {worst_fill} full while it grew");
    for key in keys(COUNT) {
        assert!(subject.contains(subject.hasher.hash(&key), &key));
    }
    let full = subject.lines();
    for key in keys(COUNT).skip(COUNT / 50) {
        subject.remove(subject.hasher.hash(&key), &key);
    }
    subject.check();
    assert!(subject.lines() * 8 < full, "{} of {full} lines are left for 2 % of the keys", subject.lines());
    for (number, key) in keys(COUNT).enumerate() {
        assert_eq!(subject.contains(subject.hasher.hash(&key), &key), number < COUNT / 50);
    }
}

/// Removing and inserting for long at the same size neither grows the table nor fills it with leftovers.
#[test]
fn churn_does_not_wear_the_table_out() {
    let mut subject = Subject::new();
    let all: Vec<_> = keys(COUNT + COUNT / 4).collect();
    all[..COUNT / 4].iter().for_each(|key| subject.insert(subject.hasher.hash(key), key));
    let fresh = subject.lines();
    for (old, new) in all.iter().zip(&all[COUNT / 4..]) {
        subject.remove(subject.hasher.hash(old), old);
        subject.insert(subject.hasher.hash(new), new);
    }
    subject.check();
    assert!(subject.lines() * 10 <= fresh * 14, "{} lines grew from {fresh}", subject.lines());
}

/// Keys that nobody could tell apart by their hash: slow, but all are there, and memory stays in proportion.
#[test]
fn equal_hashes_are_survived() {
    for (hash, count) in [(0u64, 200usize), (u64::MAX, 200), (0x0123_4567_89ab_cdef, 100)] {
        let mut subject = Subject::new();
        for key in keys(count) {
            subject.insert(hash, &key);
        }
        subject.check();
        assert!(subject.lines() <= 64 + count / 6 + 1);
        assert!(keys(count).all(|key| subject.contains(hash, &key)));
        assert!(!subject.contains(hash, b"absent"));
        for key in keys(count).step_by(2) {
            subject.remove(hash, &key);
        }
        for (number, key) in keys(count).enumerate() {
            assert_eq!(subject.contains(hash, &key), number % 2 == 1, "{number}");
        }
        subject.check();
    }
}

/// Keys chosen against the seed, so that all lie in a thousandth of the hash space: the directory stays small.
#[test]
#[cfg_attr(miri, ignore = "hashes millions of keys")]
fn a_crowd_in_one_corner_does_not_blow_up_the_directory() {
    let mut subject = Subject::new();
    for key in keys(3_000_000) {
        let hash = subject.hasher.hash(&key);
        if hash >> 54 == 0x155 {
            subject.insert(hash, &key);
        }
    }
    subject.check();
    assert!(subject.len > 2500);
    assert!(
        subject.table.memory() < subject.len * 100,
        "{} bytes for {} keys",
        subject.table.memory(),
        subject.len
    );
    let all: Vec<_> = keys(3_000_000).filter(|key| subject.hasher.hash(key) >> 54 == 0x155).collect();
    for key in &all {
        assert!(subject.contains(subject.hasher.hash(key), key));
    }
    for key in &all {
        subject.remove(subject.hasher.hash(key), key);
    }
    subject.check();
    assert!(subject.lines() < 200 && subject.table.depth() < 10);
}

#[test]
fn what_was_used_up_costs_nothing() {
    let mut subject = Subject::new();
    for count in [1, 7, 8, 300, 5000, 8] {
        for key in keys(count) {
            subject.insert(subject.hasher.hash(&key), &key);
        }
        for key in keys(count) {
            subject.remove(subject.hasher.hash(&key), &key);
        }
        assert!(subject.lines() <= 1, "{} lines for nothing", subject.lines());
        // SAFETY: one thread, and no record is left.
        unsafe { subject.table.release() };
        assert_eq!(subject.table.memory(), 0);
        subject.check();
    }
}

#[test]
fn random_is_nearly_fair() {
    let mut subject = Subject::new();
    let count = if cfg!(miri) { 50 } else { 3000 };
    for key in keys(count) {
        subject.insert(subject.hasher.hash(&key), &key);
    }
    let mut drawn = std::collections::HashMap::<usize, u32>::new();
    let draws = count * 40;
    for rng in 0..draws {
        // SAFETY: one thread.
        let record = unsafe { subject.table.random((rng as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) };
        *drawn.entry(record.expect("the table is not empty").as_ptr().addr()).or_default() += 1;
    }
    assert!(drawn.len() as f64 > count as f64 * 0.999, "{} of {count} records were drawn", drawn.len());
    assert!(drawn.values().all(|&times| times < 40 * 3), "no record is drawn three times too often");
}
