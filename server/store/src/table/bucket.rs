//! One cache line of the table: seven slots, their tags, and a count of what overflowed.
//!
//! All words are atomics because prefetching threads read them without the shard's lock; only the holder of the lock
//! writes. Everything is accessed relaxed, which is a plain load or store in machine code.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};

use super::Keyed;

/// Slots in a bucket.
pub(super) const SLOTS: usize = 7;

/// Tag of a free slot.
const FREE: u8 = 0;
/// Tag of the last slot of a bucket whose word points to a further bucket.
const LINK: u8 = 1;

/// The eighth control byte: low three bits count this home's records in the next bucket, high five those in the
/// stash. A stash count that has reached its maximum stays there until the segment is rebuilt.
const NEIGHBOURS: u32 = 56;
const STASHED: u32 = 59;
const STASHED_MAX: u64 = 31;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const TAG_HIGH_BITS: u64 = 0x0080_8080_8080_8080;
const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The tag of a hash: eight bits that neither the shard nor the position uses, moved clear of FREE and LINK.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    let byte = (hash >> crate::hash::SHARD_BITS) as u8;
    if byte <= LINK { byte + 2 } else { byte }
}

/// What a slot holds: the record's address, whether it may expire in whole or in part (lowest bit), and sixteen bits of its hash
/// (highest bits), so that a segment is rebuilt without touching its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub(super) *mut u64);

const STAMP: u32 = 48;
const VOLATILE: usize = 1;
const ADDRESS: usize = ((1 << STAMP) - 1) & !VOLATILE;

impl Word {
    /// # Panics
    /// When the allocator returns addresses of more than 48 bits, which Linux gives only to who asks for them.
    #[inline]
    pub(super) fn new<R: Keyed>(record: R, stamp: u16, volatile: bool) -> Self {
        Self(record.as_ptr().map_addr(|address| {
            assert!(address & !ADDRESS == 0, "a record's address has 48 bits");
            address | usize::from(stamp) << STAMP | usize::from(volatile)
        }))
    }

    #[inline]
    pub(super) fn address(self) -> *mut u64 {
        self.0.map_addr(|bits| bits & ADDRESS)
    }

    /// # Safety
    /// The word is of an occupied slot and was read under the shard's lock.
    #[inline]
    pub(super) unsafe fn record<R: Keyed>(self) -> R {
        // SAFETY: an occupied slot's word was made from a record.
        unsafe { R::from_ptr_unchecked(self.address()) }
    }

    #[inline]
    pub(super) fn stamp(self) -> u16 {
        (self.0.addr() >> STAMP) as u16
    }

    pub(super) fn with_stamp(self, stamp: u16) -> Self {
        Self(self.0.map_addr(|bits| bits & !(0xffff << STAMP) | usize::from(stamp) << STAMP))
    }

    #[inline]
    pub(super) fn is_volatile(self) -> bool {
        self.0.addr() & VOLATILE != 0
    }
}

/// Slots of a bucket, as one bit in each of the seven low bytes.
#[derive(Clone, Copy)]
pub(super) struct Slots(u64);

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let slot = (self.0 != 0).then(|| self.0.trailing_zeros() as usize / 8);
        self.0 &= self.0.wrapping_sub(1);
        slot
    }
}

/// A bucket's tags and counts at one moment.
#[derive(Clone, Copy)]
pub(super) struct Control(u64);

impl Control {
    /// Occupied slots with this tag, exactly.
    #[inline]
    pub(super) fn matches(self, tag: u8) -> Slots {
        let different = self.0 ^ LOW_BITS.wrapping_mul(u64::from(tag));
        Slots(!((different & LOW_SEVEN).wrapping_add(LOW_SEVEN) | different) & TAG_HIGH_BITS)
    }

    #[inline]
    pub(super) fn free(self) -> Slots {
        self.matches(FREE)
    }

    /// Slots with a record: neither free nor a link.
    #[inline]
    pub(super) fn occupied(self) -> Slots {
        Slots(!self.free().0 & !self.matches(LINK).0 & TAG_HIGH_BITS)
    }

    #[inline]
    pub(super) fn count(self) -> usize {
        self.occupied().0.count_ones() as usize
    }

    #[inline]
    pub(super) fn is_linked(self) -> bool {
        self.tag(SLOTS - 1) == LINK
    }

    #[inline]
    pub(super) fn tag(self, slot: usize) -> u8 {
        (self.0 >> (8 * slot)) as u8
    }

    /// Whether any record of this home is elsewhere.
    #[inline]
    pub(super) fn overflows(self) -> bool {
        self.0 >> NEIGHBOURS != 0
    }

    /// How many records of this home are in the next bucket.
    #[inline]
    pub(super) fn neighbours(self) -> u64 {
        self.0 >> NEIGHBOURS & 7
    }

    /// How many records of this home are in the stash, up to a limit.
    #[inline]
    pub(super) fn stashed(self) -> u64 {
        self.0 >> STASHED
    }
}

/// See the module.
#[repr(C, align(64))]
pub(super) struct Bucket {
    control: AtomicU64,
    slots: [AtomicPtr<u64>; SLOTS],
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self { control: AtomicU64::new(0), slots: [const { AtomicPtr::new(core::ptr::null_mut()) }; SLOTS] }
    }

    #[inline]
    pub(super) fn control(&self) -> Control {
        Control(self.control.load(Relaxed))
    }

    #[inline]
    pub(super) fn word(&self, slot: usize) -> Word {
        Word(self.slots[slot].load(Relaxed))
    }

    #[inline]
    pub(super) fn set_word(&self, slot: usize, word: Word) {
        self.slots[slot].store(word.0, Relaxed);
    }

    /// Puts a record into a free slot; `None` when there is none.
    #[inline]
    pub(super) fn put(&self, tag: u8, word: Word) -> Option<usize> {
        let control = self.control();
        let slot = control.free().next()?;
        self.set_word(slot, word);
        self.control.store(control.0 | u64::from(tag) << (8 * slot), Relaxed);
        Some(slot)
    }

    /// Frees a slot; its word is meaningless from now on.
    #[inline]
    pub(super) fn clear(&self, slot: usize) {
        self.control.store(self.control().0 & !(0xff << (8 * slot)), Relaxed);
    }

    pub(super) fn add_neighbour(&self) {
        debug_assert!(self.control().neighbours() < SLOTS as u64);
        self.control.store(self.control().0 + (1 << NEIGHBOURS), Relaxed);
    }

    pub(super) fn remove_neighbour(&self) {
        debug_assert!(self.control().neighbours() > 0);
        self.control.store(self.control().0 - (1 << NEIGHBOURS), Relaxed);
    }

    pub(super) fn add_stashed(&self) {
        if self.control().stashed() < STASHED_MAX {
            self.control.store(self.control().0 + (1 << STASHED), Relaxed);
        }
    }

    pub(super) fn remove_stashed(&self) {
        debug_assert!(self.control().stashed() > 0);
        if self.control().stashed() < STASHED_MAX {
            self.control.store(self.control().0 - (1 << STASHED), Relaxed);
        }
    }

    /// The bucket that continues this one.
    ///
    /// # Safety
    /// The shard's lock is held during `'a`, and the link is not removed.
    pub(super) unsafe fn link<'a>(&self) -> Option<&'a Bucket> {
        // SAFETY: a link's word was made by `set_link` from a bucket that lives until the link is taken.
        self.control().is_linked().then(|| unsafe { &*self.word(SLOTS - 1).0.cast::<Bucket>() })
    }

    /// Continues this bucket with a new one, into which the record of the last slot moves.
    pub(super) fn set_link(&self) {
        let control = self.control();
        debug_assert!(!control.is_linked());
        let further = Bucket::new();
        if control.tag(SLOTS - 1) != FREE {
            further.put(control.tag(SLOTS - 1), self.word(SLOTS - 1));
            self.clear(SLOTS - 1);
        }
        self.set_word(SLOTS - 1, Word(Box::into_raw(Box::new(further)).cast()));
        self.control.store(self.control().0 | u64::from(LINK) << (8 * (SLOTS - 1)), Relaxed);
    }

    /// Gives up the link. Readers without the lock never follow one, so that the bucket may be freed at once.
    pub(super) fn take_link(&self) -> Option<Box<Bucket>> {
        if !self.control().is_linked() {
            return None;
        }
        self.clear(SLOTS - 1);
        // SAFETY: the word came from Box::into_raw in set_link, and the cleared tag forgets it.
        Some(unsafe { Box::from_raw(self.word(SLOTS - 1).0.cast()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RawRecord;

    fn word(n: usize) -> Word {
        Word(core::ptr::without_provenance_mut(n * 8))
    }

    #[test]
    fn tags_match_exactly_and_never_the_counts() {
        let bucket = Bucket::new();
        let tags = [2u8, 3, 2, 255, 254, 128, 127];
        for (slot, &tag) in tags.iter().enumerate() {
            assert_eq!(bucket.put(tag, word(slot)), Some(slot));
        }
        assert_eq!(bucket.put(9, word(9)), None);
        (0..7).for_each(|_| bucket.add_neighbour());
        (0..40).for_each(|_| bucket.add_stashed());
        for tag in 2..=255u8 {
            let expected: Vec<usize> = (0..SLOTS).filter(|&slot| tags[slot] == tag).collect();
            assert_eq!(bucket.control().matches(tag).collect::<Vec<_>>(), expected, "tag {tag}");
        }
        assert_eq!((bucket.control().neighbours(), bucket.control().stashed()), (7, 31));
        bucket.remove_stashed();
        assert_eq!(bucket.control().stashed(), 31, "a saturated count stays");
        bucket.clear(3);
        assert_eq!(bucket.control().free().collect::<Vec<_>>(), [3]);
        assert_eq!(bucket.control().count(), 6);
    }

    #[test]
    fn a_link_takes_the_last_slot_and_moves_its_record() {
        let bucket = Bucket::new();
        (0..SLOTS).for_each(|slot| assert!(bucket.put(10 + slot as u8, word(slot)).is_some()));
        bucket.set_link();
        assert!(bucket.control().is_linked());
        assert_eq!(bucket.control().occupied().count(), 6);
        assert_eq!(bucket.put(99, word(99)), None);
        // SAFETY: this test is the only user.
        let further = unsafe { bucket.link() }.unwrap();
        assert_eq!(further.control().matches(16).next(), Some(0));
        assert_eq!(further.word(0).0.addr(), 48);
        assert!(bucket.take_link().is_some());
        assert!(bucket.take_link().is_none());
    }

    #[test]
    fn a_word_keeps_address_stamp_and_volatility_apart() {
        let record = RawRecord::new(b"k", crate::Value::Integer(1), None, 0, 0);
        let word = Word::new(record, 0xabcd, true);
        assert!(word.is_volatile());
        assert_eq!(word.stamp(), 0xabcd);
        assert_eq!(word.address(), record.as_ptr());
        let word = word.with_stamp(0x0001);
        assert_eq!((word.stamp(), word.is_volatile(), word.address()), (1, true, record.as_ptr()));
        // SAFETY: the test owns the record.
        unsafe { word.record::<RawRecord>().free() };
    }
}
