//! Sets: distinct strings.
//!
//! - An **intset**, sorted, while all are integers and few.
//! - A **listpack** in the order in which they came, while they are few and short.
//! - A hash table ([`Members`]) otherwise.

mod edit;
pub(crate) mod intset;
#[cfg(test)]
mod tests;

use core::mem::ManuallyDrop;

#[cfg(feature = "jemalloc")]
use crate::defrag::{Mover, ValuePosition};
use crate::forms::{Boxed, forms};
use crate::listpack::Listpack;
use crate::members::{self, Members};
use crate::object::Composite;
use crate::value::{Encoding, Kind, Value};
use intset::Intset;

forms!(Word, Form, FormMut {
    listpack: Listpack(Listpack) = 0,
    intset: Intset(Intset) = 1,
    table: Table(Boxed<Members, 2>) = 2,
});

/// Distinct strings. See the module.
#[derive(Clone)]
pub struct Set {
    word: Word,
}

/// Until when a set is an intset or a listpack.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// The most members of an intset (`set-max-intset-entries`).
    pub intset_entries: usize,
    /// The most members of a listpack (`set-max-listpack-entries`).
    pub listpack_entries: usize,
    /// The longest member of a listpack in bytes (`set-max-listpack-value`).
    pub listpack_value: usize,
}

impl Set {
    /// A set without members, in the form for `count` of them like `member`.
    #[must_use]
    pub fn for_members(member: &[u8], count: usize, limits: SetLimits) -> Self {
        let is_integer = matches!(Value::encode(member), Value::Integer(_));
        let word = if is_integer && count <= limits.intset_entries {
            Intset::new().into()
        } else if count <= limits.listpack_entries {
            Listpack::new().into()
        } else {
            Boxed::new(Members::default()).into()
        };
        Self { word }
    }

    /// A set without members, as an intset.
    #[must_use]
    pub fn new() -> Self {
        Self { word: Intset::new().into() }
    }

    /// A set without members, as a hash table.
    #[must_use]
    pub fn new_table() -> Self {
        Self { word: Boxed::new(Members::default()).into() }
    }

    /// A set without members, as a listpack.
    #[must_use]
    pub fn new_listpack() -> Self {
        Self { word: Listpack::new().into() }
    }

    /// The set whose listpack this is; `None` when its elements are not distinct, or there are none.
    pub(crate) fn from_listpack(listpack: Listpack, limits: SetLimits) -> Option<Self> {
        if listpack.is_empty() || !listpack.has_distinct(1) {
            return None;
        }
        let mut set = Self { word: listpack.into() };
        if set.len() > limits.listpack_entries {
            set.become_table();
        }
        Some(set)
    }

    /// The set whose intset this is.
    pub(crate) fn from_intset(intset: Intset, limits: SetLimits) -> Self {
        let mut set = Self { word: intset.into() };
        if set.len() > limits.intset_entries {
            set.become_table();
        }
        set
    }

    /// Number of members that the hash table has room for as it is; `None` when there is no hash table.
    #[must_use]
    pub fn table_slots(&self) -> Option<usize> {
        match self.word.form() {
            Form::Table(members) => Some(members.slots()),
            Form::Listpack(_) | Form::Intset(_) => None,
        }
    }

    /// The listpack, while the set is one.
    pub(crate) fn as_listpack(&self) -> Option<&Listpack> {
        match self.word.form() {
            Form::Listpack(pack) => Some(pack),
            Form::Intset(_) | Form::Table(_) => None,
        }
    }

    /// The intset, while the set is one.
    pub(crate) fn as_intset(&self) -> Option<&Intset> {
        match self.word.form() {
            Form::Intset(set) => Some(set),
            Form::Listpack(_) | Form::Table(_) => None,
        }
    }

    /// Whether this is a member.
    #[must_use]
    #[inline]
    pub fn contains(&self, member: Value<'_>) -> bool {
        match (self.word.form(), member) {
            (Form::Intset(set), Value::Integer(number)) => set.contains(number),
            (Form::Intset(set), Value::Bytes(bytes)) => match Value::encode(bytes) {
                Value::Integer(number) => set.contains(number),
                Value::Bytes(_) => false,
            },
            (Form::Listpack(pack), _) => pack.first().is_some_and(|at| pack.find(member, at, 0).is_some()),
            (Form::Table(members), _) => {
                members.get(member.as_bytes(&mut crate::IntegerText::default())).is_some()
            }
        }
    }

    /// All members: an intset's in ascending order, a listpack's in the order in which they came, others in none.
    #[must_use]
    pub fn iter(&self) -> SetIter<'_> {
        match self.word.form() {
            Form::Listpack(pack) => SetIter::Listpack(pack.iter()),
            Form::Intset(set) => SetIter::Intset(set, 0),
            Form::Table(members) => SetIter::Table(members.iter()),
        }
    }

    /// A member that 64 random bits decide on; all have nearly the same chance. Constant time but for a listpack.
    #[must_use]
    pub fn random(&self, rng: u64) -> Option<Value<'_>> {
        match self.word.form() {
            Form::Listpack(pack) => {
                Some(pack.get(pack.seek((rng % pack.len().max(1) as u64).cast_signed())?))
            }
            Form::Intset(set) => set.get((rng % set.len().max(1) as u64) as usize).map(Value::Integer),
            Form::Table(members) => members.random(rng).map(|record| Value::Bytes(record.name())),
        }
    }

    /// Visits at least `count` members from a cursor on, as long as there are any, and returns the cursor that goes
    /// on, zero at the end. Intsets and listpacks are visited as a whole. A member that is there during a whole scan
    /// is visited; any cursor is accepted.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(Value<'_>)) -> u64 {
        if let Form::Table(members) = self.word.form() {
            return members.scan(cursor, count, &mut |member| visit(Value::Bytes(member.name())));
        }
        self.iter().for_each(visit);
        0
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "jemalloc")]
impl Set {
    /// One step of moving the value's allocations: see [`Object`](crate::Object).
    pub(crate) fn defragment(
        &mut self,
        position: ValuePosition,
        budget: &mut usize,
        mover: &mut Mover,
    ) -> Option<ValuePosition> {
        match self.word.form_mut() {
            FormMut::Listpack(pack) => pack.defragment(mover),
            FormMut::Intset(set) => set.defragment(mover),
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

impl Composite for Set {
    const KIND: Kind = Kind::Set;

    fn encoding(&self) -> Encoding {
        match self.word.form() {
            Form::Listpack(_) => Encoding::Listpack,
            Form::Intset(_) => Encoding::Intset,
            Form::Table(_) => Encoding::Hashtable,
        }
    }

    #[inline]
    fn len(&self) -> usize {
        match self.word.form() {
            Form::Listpack(pack) => pack.len(),
            Form::Intset(set) => set.len(),
            Form::Table(members) => members.len(),
        }
    }

    #[inline]
    fn memory(&self) -> usize {
        match self.word.form() {
            Form::Listpack(pack) => pack.memory(),
            Form::Intset(set) => set.memory(),
            Form::Table(members) => members.memory(),
        }
    }
}

/// The members of a set.
#[expect(private_interfaces, reason = "nobody outside looks into the variants")]
pub enum SetIter<'a> {
    /// Of a listpack.
    Listpack(crate::listpack::Iter<'a>),
    /// Of an intset, from an index on.
    Intset(&'a Intset, usize),
    /// Of a hash table.
    Table(members::Iter<'a>),
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Self::Listpack(pack) => pack.next(),
            Self::Intset(set, index) => {
                *index += 1;
                set.get(*index - 1).map(Value::Integer)
            }
            Self::Table(members) => members.next().map(|record| Value::Bytes(record.name())),
        }
    }
}
