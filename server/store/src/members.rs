//! The hash table of large hashes and sets: the keyspace's own table, with fields or members for keys.
//!
//! So it grows segment by segment, never as a whole. A field is one allocation of its name, its value and its expiry, if
//! it has one, with a few bytes of header ([`crate::member`]) and its share of a bucket; a set's member is the same
//! without a value.

use core::ops::ControlFlow;
use std::sync::LazyLock;

use smallvec::SmallVec;

use crate::hash::KeyHasher;
use crate::member::{Member, RawMember};
use crate::table::{CURSOR_BITS, Found, Location, Table};
use crate::value::{IntegerText, Value};

/// One hash function for all of them, seeded at random, so that a client cannot choose fields that meet.
static HASHER: LazyLock<KeyHasher> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    KeyHasher::new(RandomState::new().hash_one(0u64))
});

/// Longest text of an integer that takes no more room than the integer.
const SHORT_INTEGER: usize = 8;

/// Fields or members by their names. See the module.
#[derive(Default)]
pub(crate) struct Members {
    table: Table<RawMember>,
    len: usize,
    /// Those with an expiry.
    volatile: usize,
    /// Bytes of all records.
    records: usize,
    /// No expiry is earlier. Kept low after removals, until a walk of the expiry cycle has been through.
    earliest: Option<i64>,
    /// The earliest expiry that the walk has seen so far, and where it goes on.
    walked: Option<i64>,
    walk: u64,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of members that the table has room for as it is.
    pub(crate) fn slots(&self) -> usize {
        self.table.slots()
    }

    /// Bytes of memory, this value's own included.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.records + self.table.memory()
    }

    /// A moment before which no member expires; `None` when none ever does.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        self.earliest
    }

    #[inline]
    fn find(&self, name: &[u8]) -> (u64, Option<Location>) {
        let hash = HASHER.hash(name);
        // SAFETY: the table is this value's own, and borrowed.
        (hash, unsafe { self.table.find(hash, name) })
    }

    fn record(&self, at: Location) -> RawMember {
        // SAFETY: callers have just found the location, in this borrow.
        unsafe { self.table.record(at) }
    }

    /// The member with this name.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<Member<'_>> {
        // SAFETY: the record is alive and unchanged while the table is borrowed.
        self.find(name).1.map(|at| unsafe { Member::new(self.record(at)) })
    }

    /// Adds a member, or replaces its value and expiry. True when it is new.
    pub(crate) fn set(&mut self, name: &[u8], value: Value<'_>, expire_at: Option<i64>) -> bool {
        let (hash, found) = self.find(name);
        let mut text = IntegerText::default();
        let value = shortest(value, &mut text);
        let Some(at) = found else {
            self.insert(hash, RawMember::new(name, Some(value), expire_at));
            return true;
        };
        let old = self.record(at);
        // SAFETY: the record is alive, and nothing of it is borrowed but for this call.
        unsafe {
            if old.expiry() == expire_at && old.overwrite(value) {
                return false;
            }
        }
        self.replace(at, RawMember::new(name, Some(value), expire_at));
        // SAFETY: the record is out of the table.
        unsafe { old.free() };
        false
    }

    /// Adds a member without a value. True when it is new.
    pub(crate) fn add(&mut self, name: &[u8]) -> bool {
        let (hash, found) = self.find(name);
        if found.is_none() {
            self.insert(hash, RawMember::new(name, None, None));
        }
        found.is_none()
    }

    /// Sets or removes the expiry of a member, if it is there.
    pub(crate) fn set_expire(&mut self, name: &[u8], expire_at: Option<i64>) {
        let Some(at) = self.find(name).1 else { return };
        let old = self.record(at);
        // SAFETY: the record is alive; another one takes its place.
        unsafe {
            self.count_out(old);
            let new = old.with_expiry(expire_at);
            self.count_in(new);
            self.table.replace(at, new);
        }
    }

    fn insert(&mut self, hash: u64, record: RawMember) {
        self.len += 1;
        // SAFETY: the record is new, and its name was not found.
        unsafe {
            self.count_in(record);
            self.table.insert(hash, record, &HASHER);
        }
    }

    fn replace(&mut self, at: Location, record: RawMember) {
        // SAFETY: both records are alive and have the same name.
        unsafe {
            self.count_out(self.record(at));
            self.count_in(record);
            self.table.replace(at, record);
        }
    }

    /// # Safety
    /// The record is alive.
    unsafe fn count_in(&mut self, record: RawMember) {
        // SAFETY: as the caller vouches.
        unsafe {
            self.records += record.memory();
            if let Some(moment) = record.expiry() {
                self.volatile += 1;
                let earlier = |known: Option<i64>| Some(known.map_or(moment, |known| known.min(moment)));
                self.earliest = earlier(self.earliest);
                self.walked = earlier(self.walked);
            }
        }
    }

    /// # Safety
    /// The record is alive.
    unsafe fn count_out(&mut self, record: RawMember) {
        // SAFETY: as the caller vouches.
        unsafe {
            self.records -= record.memory();
            self.volatile -= usize::from(record.expiry().is_some());
            if self.volatile == 0 {
                (self.earliest, self.walked) = (None, None);
            }
        }
    }

    /// Removes a member. False when it is not there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let (hash, found) = self.find(name);
        let Some(at) = found else { return false };
        // SAFETY: the location was just found; the record is freed when it is out of the table.
        unsafe {
            let record = self.table.remove(hash, at, self.len);
            self.len -= 1;
            self.count_out(record);
            record.free();
        }
        true
    }

    /// A member that 64 random bits decide on; all have nearly the same chance.
    pub(crate) fn random(&self, rng: u64) -> Option<Member<'_>> {
        if self.len == 0 {
            return None;
        }
        // SAFETY: the table and its records are borrowed.
        unsafe { self.table.random(rng).map(|record| Member::new(record)) }
    }

    /// Visits at least `count` members from a position on, bucket by bucket, as long as there are any, and returns the
    /// position that goes on, zero at the end. Any position is accepted, and means the same whatever happens to the table.
    pub(crate) fn scan(&self, position: u64, count: usize, visit: &mut dyn FnMut(Member<'_>)) -> u64 {
        let (mut position, mut visited) = (position, 0);
        loop {
            // SAFETY: the table and its records are borrowed.
            position = unsafe {
                self.walk(position, &mut |found| {
                    visited += 1;
                    visit(Member::new(found.record));
                })
            };
            if position == 0 || visited >= count {
                return position;
            }
        }
    }

    /// # Safety
    /// What the visitor is shown is alive as long as the table is borrowed and unchanged.
    unsafe fn walk(&self, position: u64, visit: &mut dyn FnMut(Found<RawMember>)) -> u64 {
        let position = position & ((1 << CURSOR_BITS) - 1);
        // SAFETY: the table is borrowed.
        unsafe { self.table.walk_bucket(position, &HASHER, visit) }
    }

    /// All members.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { members: self, bucket: SmallVec::new(), position: (self.len > 0).then_some(0) }
    }

    /// One step of the expiry cycle: goes on where the last one ended, and removes members whose expiry is before
    /// `now_ms`, after showing each, until `budget` buckets or members were looked at. Continues as long as there are
    /// members due, otherwise breaks.
    pub(crate) fn expire_step(
        &mut self,
        now_ms: i64,
        budget: &mut usize,
        on_expired: &mut dyn FnMut(Member<'_>),
    ) -> ControlFlow<()> {
        while self.next_expiry().is_some_and(|moment| moment < now_ms) {
            if *budget == 0 {
                return ControlFlow::Continue(());
            }
            let mut candidates = SmallVec::<[RawMember; 16]>::new();
            let mut gather =
                |found: Found<RawMember>| candidates.extend(found.volatile.then_some(found.record));
            // SAFETY: nothing changes the table while it is walked.
            self.walk = unsafe { self.walk(self.walk, &mut gather) };
            *budget = budget.saturating_sub(1 + candidates.len());
            for record in candidates {
                // SAFETY: the record is in the table, which alone frees it, until it is removed here.
                let record = unsafe { Member::new(record) };
                let moment = record.expire_at().unwrap_or(i64::MAX);
                if moment < now_ms {
                    on_expired(record);
                    let name: SmallVec<[u8; 64]> = record.name().into();
                    self.remove(&name);
                } else {
                    self.walked = Some(self.walked.map_or(moment, |seen| seen.min(moment)));
                }
            }
            if self.walk == 0 {
                self.earliest = self.walked.take();
            }
        }
        ControlFlow::Break(())
    }
}

#[cfg(feature = "jemalloc")]
impl Members {
    /// Moves records, their blobs and segments that lie badly, from a position on until `budget` allocations were looked
    /// at. Returns where to go on.
    pub(crate) fn defragment_records(
        &mut self,
        position: u64,
        budget: &mut usize,
        mover: &mut crate::defrag::Mover,
    ) -> Option<u64> {
        let mut position = position & ((1 << CURSOR_BITS) - 1);
        loop {
            let mut seen = 1;
            // SAFETY: the table is exclusively borrowed, and so are its records.
            unsafe {
                self.table.defragment_segment(position, mover);
                position = self.table.defragment_bucket(position, &HASHER, mover, &mut |record, mover| {
                    record.move_blob(mover);
                    seen += 1;
                });
            }
            *budget = budget.saturating_sub(seen);
            if position == 0 || *budget == 0 {
                return (position != 0).then_some(position);
            }
        }
    }
}

/// The form of a value that takes the least room in a record.
fn shortest<'a>(value: Value<'a>, text: &'a mut IntegerText) -> Value<'a> {
    match value {
        Value::Bytes(bytes) if bytes.len() > SHORT_INTEGER => Value::encode(bytes),
        Value::Integer(number) => {
            let text = text.format(number);
            if text.len() > SHORT_INTEGER { value } else { Value::Bytes(text) }
        }
        Value::Bytes(_) => value,
    }
}

impl Clone for Members {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        for record in self.iter() {
            copy.insert(HASHER.hash(record.name()), record.duplicate());
        }
        copy
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        // SAFETY: the table is exclusively borrowed and gives up each record, which nobody else refers to.
        unsafe { self.table.drain(None, &mut |record| record.free()) };
    }
}

/// The members of a table, bucket by bucket.
pub(crate) struct Iter<'a> {
    members: &'a Members,
    bucket: SmallVec<[Member<'a>; 16]>,
    /// The next bucket, if there is one.
    position: Option<u64>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        loop {
            if let Some(record) = self.bucket.pop() {
                return Some(record);
            }
            let position = self.position?;
            let bucket = &mut self.bucket;
            // SAFETY: the table and its records are borrowed during `'a`.
            let next =
                unsafe { self.members.walk(position, &mut |found| bucket.push(Member::new(found.record))) };
            self.position = (next != 0).then_some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn name(index: usize) -> Vec<u8> {
        format!("field:{index}").into_bytes()
    }

    #[test]
    fn members_come_change_and_go() {
        let mut members = Members::default();
        let mut model = BTreeMap::new();
        for index in 0..5000usize {
            let value = (index * 977_777_777 % 1_000_003 * index).to_string();
            assert!(
                members.set(&name(index % 3000), Value::encode(value.as_bytes()), None) == (index < 3000)
            );
            model.insert(name(index % 3000), value.into_bytes());
        }
        for index in (0..3000).step_by(2) {
            assert!(members.remove(&name(index)) && !members.remove(&name(index)));
            model.remove(&name(index));
        }
        let copy = members.clone();
        let before = members.memory();
        drop(members);
        assert_eq!(copy.len(), model.len());
        assert!(copy.memory() <= before, "{} {before}", copy.memory());
        let found: BTreeMap<_, _> = copy
            .iter()
            .map(|record| {
                let mut text = IntegerText::default();
                (record.name().to_vec(), record.value().as_bytes(&mut text).to_vec())
            })
            .collect();
        assert_eq!(found, model);
    }

    #[test]
    fn a_member_costs_its_bytes_and_a_little() {
        let mut members = Members::default();
        assert!(members.iter().next().is_none());
        (0..100_000).for_each(|index| assert!(members.add(format!("{index:08}").as_bytes())));
        let each = (members.memory() - size_of::<Members>()) as f64 / 100_000.0;
        assert!(each < 16.0 + 16.0, "{each} bytes for 8");
        assert_eq!(members.iter().count(), 100_000);
    }

    #[test]
    fn a_scan_sees_what_stays() {
        let mut members = Members::default();
        (0..1000).for_each(|index| assert!(members.add(&name(index))));
        let mut seen = BTreeSet::new();
        let (mut position, mut more) = (0, 1000);
        loop {
            position = members.scan(position, 1, &mut |record| assert!(seen.insert(record.name().to_vec())));
            if position == 0 {
                break;
            }
            (more..more + 50).for_each(|index| assert!(members.add(&name(index))));
            more += 50;
        }
        assert!((0..1000).all(|index| seen.contains(&name(index))));
    }

    #[test]
    fn expiries_are_found_in_steps() {
        let mut members = Members::default();
        for index in 0..1000 {
            members.set(&name(index), Value::Bytes(b"v"), (index % 2 == 0).then_some(1000 + index as i64));
        }
        assert_eq!(members.next_expiry(), Some(1000));
        let mut gone = 0;
        let mut steps = 0;
        let mut at = |members: &mut Members, now| {
            while members.expire_step(now, &mut 50, &mut |_| gone += 1).is_continue() {
                steps += 1;
            }
            gone
        };
        assert_eq!(at(&mut members, 1000), 0);
        assert_eq!(at(&mut members, 1001), 1);
        assert_eq!(members.next_expiry(), Some(1002));
        assert_eq!(at(&mut members, 1501), 251);
        members.set_expire(&name(700), None);
        members.set_expire(&name(1), Some(1400));
        assert_eq!(members.next_expiry(), Some(1400));
        assert_eq!(at(&mut members, 5000), 500);
        assert!(steps > 10, "{steps}");
        assert_eq!((members.len(), members.next_expiry()), (500, None));
    }

    #[test]
    fn picks_are_spread() {
        let mut members = Members::default();
        assert!(members.random(1).is_none());
        (0..300).for_each(|index| assert!(members.add(&name(index))));
        let picked: BTreeSet<_> =
            (0..6000u64).map(|rng| members.random(rng).unwrap().name().to_vec()).collect();
        assert!(picked.len() > 290, "{}", picked.len());
    }
}
