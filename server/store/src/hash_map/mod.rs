//! Hashes: fields and their values, each field possibly with an expiry of its own.
//!
//! - A **listpack** of fields and values, in the order in which they came, while it is small.
//! - A listpack of fields, values and expiries (zero for none), those with an expiry first and in its order, once a
//!   field has had one (`listpackex`).
//! - A hash table ([`Members`]) when there are many fields, or long ones.
//!
//! A hash never returns to an earlier form. A field whose expiry has passed is still there, until somebody removes
//! it: callers look at [`Field::expire_at`].

mod edit;
mod expiry;
mod small;
#[cfg(test)]
mod tests;

use core::mem::ManuallyDrop;

#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::forms::{Boxed, forms};
use crate::listpack::Listpack;
use crate::member::Member;
use crate::members::{self, Members};
use crate::object::Composite;
use crate::value::{Encoding, Kind, Value};

forms!(Word, Form, FormMut {
    listpack: Listpack(Listpack) = 0,
    expiring: Expiring(Boxed<Listpack, 1>) = 1,
    table: Table(Boxed<Members, 2>) = 2,
});

/// Fields and their values. See the module.
#[derive(Clone)]
pub struct Hash {
    word: Word,
}

/// Until when a hash is a listpack.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// The most fields (`hash-max-listpack-entries`).
    pub entries: usize,
    /// The longest field or value in bytes (`hash-max-listpack-value`).
    pub value: usize,
}

/// A field of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Value<'a>,
    /// Its value.
    pub value: Value<'a>,
    /// When it expires, in Unix milliseconds.
    pub expire_at: Option<i64>,
}

impl Field<'_> {
    /// Whether its time has come: it lives through the whole millisecond that its expiry names.
    #[must_use]
    #[inline]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.expire_at.is_some_and(|moment| moment < now_ms)
    }
}

impl<'a> From<Member<'a>> for Field<'a> {
    #[inline]
    fn from(member: Member<'a>) -> Self {
        Field { name: Value::Bytes(member.name()), value: member.value(), expire_at: member.expire_at() }
    }
}

/// The latest moment at which a field may expire, as Redis has it (`EB_EXPIRE_TIME_MAX`).
pub(crate) const LATEST_EXPIRY: i64 = 0xffff_ffff_fffe;

/// The listpack of a hash, if it is one.
pub(crate) enum Packed<'a> {
    /// Fields and values.
    Pairs(&'a Listpack),
    /// Fields, values and expiries.
    Triples(&'a Listpack),
    /// It is none.
    Not,
}

impl Hash {
    /// A hash without fields, in the form for `count` of them.
    pub(crate) fn for_fields(count: usize, limits: HashLimits) -> Self {
        let mut hash = Self::new();
        if count > limits.entries {
            hash.become_table();
        }
        hash
    }

    /// The hash whose listpack of fields and values this is; `None` when the fields are not distinct, or there are none.
    pub(crate) fn from_listpack(pack: Listpack, limits: HashLimits) -> Option<Self> {
        if pack.is_empty() || !pack.len().is_multiple_of(2) || !pack.has_distinct(2) {
            return None;
        }
        let mut hash = Self { word: pack.into() };
        if hash.len() > limits.entries {
            hash.become_table();
        }
        Some(hash)
    }

    /// The same of fields, values and expiries, which have to be in their order.
    pub(crate) fn from_expiring_listpack(pack: Listpack, limits: HashLimits) -> Option<Self> {
        if pack.is_empty() || !pack.len().is_multiple_of(3) || !pack.has_distinct(3) {
            return None;
        }
        let in_time = |value| matches!(value, Value::Integer(0..=LATEST_EXPIRY));
        if !pack.iter().skip(2).step_by(3).all(in_time) {
            return None;
        }
        let mut hash = Self { word: Boxed::new(pack).into() };
        let moments = hash.iter().map(|field| field.expire_at.unwrap_or(i64::MAX));
        if !moments.is_sorted() {
            return None;
        }
        if hash.len() > limits.entries {
            hash.become_table();
        }
        Some(hash)
    }

    /// Number of fields that the hash table has room for as it is; `None` when there is no hash table.
    #[must_use]
    pub fn table_slots(&self) -> Option<usize> {
        match self.word.form() {
            Form::Table(members) => Some(members.slots()),
            Form::Listpack(_) | Form::Expiring(_) => None,
        }
    }

    /// The listpack, while the hash is one.
    pub(crate) fn packed(&self) -> Packed<'_> {
        match self.word.form() {
            Form::Listpack(pack) => Packed::Pairs(pack),
            Form::Expiring(pack) => Packed::Triples(pack),
            Form::Table(_) => Packed::Not,
        }
    }

    /// When the first field expires. Unlike [`Composite::next_expiry`] exact, and of a table linear in its fields.
    pub(crate) fn earliest_expiry(&self) -> Option<i64> {
        self.next_expiry()?;
        self.iter().filter_map(|field| field.expire_at).min()
    }

    /// A hash without fields.
    #[must_use]
    pub fn new() -> Self {
        Self { word: Listpack::new().into() }
    }

    /// The field with this name.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        match self.word.form() {
            Form::Listpack(pack) => small::get(pack, name),
            Form::Expiring(pack) => small::get_expiring(pack, name),
            Form::Table(members) => members.get(name).map(Field::from),
        }
    }

    /// All fields: in the order of a listpack, or in none.
    #[must_use]
    pub fn iter(&self) -> HashIter<'_> {
        match self.word.form() {
            Form::Listpack(pack) => HashIter::Listpack(pack.iter()),
            Form::Expiring(pack) => HashIter::Expiring(pack.iter()),
            Form::Table(members) => HashIter::Table(members.iter()),
        }
    }

    /// A field that 64 random bits decide on; all have nearly the same chance. Constant time but for a listpack.
    #[must_use]
    pub fn random(&self, rng: u64) -> Option<Field<'_>> {
        match self.word.form() {
            Form::Listpack(pack) => small::at(pack, rng as usize % (pack.len() / 2).max(1)),
            Form::Expiring(pack) => small::at_expiring(pack, rng as usize % (pack.len() / 3).max(1)),
            Form::Table(members) => members.random(rng).map(Field::from),
        }
    }

    /// Visits at least `count` fields from a cursor on, as long as there are any, and returns the cursor that goes on,
    /// zero at the end. A listpack is visited as a whole. A field that is there during a whole scan is visited, and
    /// as long as the form stays, once; any cursor is accepted.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(Field<'_>)) -> u64 {
        if let Form::Table(members) = self.word.form() {
            return members.scan(cursor, count, &mut |member| visit(member.into()));
        }
        self.iter().for_each(visit);
        0
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "jemalloc")]
impl Hash {
    /// One step of moving the value's allocations: see [`Object`](crate::Object).
    pub(crate) fn defragment(
        &mut self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        match self.word.form_mut() {
            FormMut::Listpack(pack) => pack.defragment(mover),
            FormMut::Expiring(pack) => {
                pack.defragment(mover);
                Listpack::defragment(pack, mover);
            }
            FormMut::Table(members) => {
                if position == ValuePosition::default() {
                    members.defragment(mover);
                }
                let next = members.defragment_records(position.within as u64, budget, mover);
                return next.map(ValuePosition::first);
            }
        }
        None
    }
}

impl Composite for Hash {
    const KIND: Kind = Kind::Hash;

    fn encoding(&self) -> Encoding {
        match self.word.form() {
            Form::Listpack(_) => Encoding::Listpack,
            Form::Expiring(_) => Encoding::ListpackEx,
            Form::Table(_) => Encoding::Hashtable,
        }
    }

    #[inline]
    fn len(&self) -> usize {
        match self.word.form() {
            Form::Listpack(pack) => pack.len() / 2,
            Form::Expiring(pack) => pack.len() / 3,
            Form::Table(members) => members.len(),
        }
    }

    #[inline]
    fn memory(&self) -> usize {
        match self.word.form() {
            Form::Listpack(pack) => pack.memory(),
            Form::Expiring(pack) => pack.memory() + size_of::<Listpack>(),
            Form::Table(members) => members.memory(),
        }
    }

    #[inline]
    fn next_expiry(&self) -> Option<i64> {
        match self.word.form() {
            Form::Listpack(_) => None,
            Form::Expiring(pack) => small::at_expiring(pack, 0)?.expire_at,
            Form::Table(members) => members.next_expiry(),
        }
    }
}

/// The fields of a hash.
pub enum HashIter<'a> {
    /// Of a listpack.
    Listpack(crate::listpack::Iter<'a>),
    /// Of a listpack with expiries.
    Expiring(crate::listpack::Iter<'a>),
    /// Of a hash table.
    #[expect(private_interfaces, reason = "nobody outside looks into the variants")]
    Table(members::Iter<'a>),
}

impl<'a> Iterator for HashIter<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match self {
            Self::Listpack(pack) => small::next(pack),
            Self::Expiring(pack) => small::next_expiring(pack),
            Self::Table(members) => members.next().map(Field::from),
        }
    }
}
