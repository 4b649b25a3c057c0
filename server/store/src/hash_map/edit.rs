//! Changes to a hash, and its way from form to form.

use smallvec::SmallVec;

use super::small::{self, NEVER};
use super::*;
use crate::listpack::Cursor;

/// Bytes that a field, its value and its expiry take in a listpack beside those of the first two, at most.
const FIELD_OVERHEAD: usize = 3 * 11;

impl Hash {
    /// Prepares for fields that are about to be set, given as names and values by turns: what will not do as a
    /// listpack becomes a table now, not field by field.
    pub fn prepare<'a>(&mut self, pairs: impl ExactSizeIterator<Item = &'a [u8]>, limits: HashLimits) {
        if let Form::Table(_) = self.word.form() {
            return;
        }
        let fields = pairs.len() / 2;
        let (mut longest, mut bytes) = (0, fields * FIELD_OVERHEAD);
        for part in pairs {
            longest = part.len().max(longest);
            bytes += part.len();
        }
        if fields > limits.entries || longest > limits.value || !self.fits(bytes) {
            self.become_table();
        }
    }

    /// Whether as many bytes may be added to a listpack.
    fn fits(&self, bytes: usize) -> bool {
        match self.word.form() {
            Form::Listpack(pack) => pack.fits(bytes),
            Form::Expiring(pack) => pack.fits(bytes),
            Form::Table(_) => true,
        }
    }

    /// Sets a field's value and expiry. True when the field is new.
    #[inline]
    pub fn set(&mut self, name: &[u8], value: Value<'_>, expire_at: Option<i64>, limits: HashLimits) -> bool {
        match self.word.form_mut() {
            FormMut::Table(members) => members.set(name, value, expire_at),
            _ => self.set_small(name, value, expire_at, limits),
        }
    }

    fn set_small(
        &mut self,
        name: &[u8],
        value: Value<'_>,
        expire_at: Option<i64>,
        limits: HashLimits,
    ) -> bool {
        let (longest, bytes) = (name.len().max(value.len()), name.len() + value.len());
        if longest > limits.value || !self.fits(bytes + FIELD_OVERHEAD) {
            self.become_table();
        } else if expire_at.is_some() {
            self.allow_expiries();
        }
        let is_new = match self.word.form_mut() {
            FormMut::Table(members) => members.set(name, value, expire_at),
            FormMut::Listpack(pack) => set_in_pairs(pack, name, value),
            FormMut::Expiring(pack) => set_in_triples(pack, name, value, expire_at),
        };
        if is_new && self.len() > limits.entries {
            self.become_table();
        }
        is_new
    }

    /// Sets or removes a field's expiry; nothing happens when the field is not there.
    pub fn set_expire(&mut self, name: &[u8], expire_at: Option<i64>) {
        if expire_at.is_some() {
            self.allow_expiries();
        }
        match self.word.form_mut() {
            FormMut::Listpack(_) => {}
            FormMut::Table(members) => members.set_expire(name, expire_at),
            FormMut::Expiring(pack) => {
                if let Some(at) = small::find_expiring(pack, name) {
                    reinsert(pack, at, name, None, expire_at);
                }
            }
        }
    }

    /// Removes a field. False when it is not there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let (pack, found, width) = match self.word.form_mut() {
            FormMut::Table(members) => return members.remove(name),
            FormMut::Listpack(pack) => {
                let found = small::find(pack, name);
                (pack, found, 2)
            }
            FormMut::Expiring(pack) => {
                let found = small::find_expiring(pack, name);
                (&mut **pack, found, 3)
            }
        };
        if let Some(at) = found {
            pack.remove_many(at, width);
        }
        found.is_some()
    }

    /// Prepares for expiries that are about to be set: a listpack gets room for them.
    pub fn allow_expiries(&mut self) {
        let Form::Listpack(pack) = self.word.form() else { return };
        let mut triples = Listpack::new();
        let mut fields = pack.iter();
        while let Some(field) = small::next(&mut fields) {
            triples.append(&[field.name, field.value, NEVER]);
        }
        self.word = Boxed::new(triples).into();
    }

    /// Makes the hash a table.
    pub(super) fn become_table(&mut self) {
        if let Form::Table(_) = self.word.form() {
            return;
        }
        let mut members = Members::default();
        for field in self.iter() {
            let mut text = crate::IntegerText::default();
            members.set(field.name.as_bytes(&mut text), field.value, field.expire_at);
        }
        self.word = Boxed::new(members).into();
    }
}

fn set_in_pairs(pack: &mut Listpack, name: &[u8], value: Value<'_>) -> bool {
    match small::find(pack, name).and_then(|at| pack.next(at)) {
        Some(at) => {
            pack.replace(at, value);
            false
        }
        None => {
            pack.append(&[Value::Bytes(name), value]);
            true
        }
    }
}

fn set_in_triples(pack: &mut Listpack, name: &[u8], value: Value<'_>, expire_at: Option<i64>) -> bool {
    let Some(at) = small::find_expiring(pack, name) else {
        small::insert_expiring(pack, Value::Bytes(name), value, expire_at);
        return true;
    };
    let field = small::next_expiring(&mut pack.iter_from(at)).expect("a field was found here");
    if field.expire_at == expire_at {
        let value_at = pack.next(at).expect("a value follows its field");
        pack.replace(value_at, value);
    } else {
        reinsert(pack, at, name, Some(value), expire_at);
    }
    false
}

/// Moves a triple to where its new expiry belongs; its value stays unless another one is given.
fn reinsert(pack: &mut Listpack, at: Cursor, name: &[u8], value: Option<Value<'_>>, expire_at: Option<i64>) {
    let field = small::next_expiring(&mut pack.iter_from(at)).expect("a field was found here");
    let mut copy = SmallVec::<[u8; 128]>::new();
    let value = value.unwrap_or_else(|| match field.value {
        Value::Integer(number) => Value::Integer(number),
        Value::Bytes(bytes) => {
            copy.extend_from_slice(bytes);
            Value::Bytes(&copy)
        }
    });
    pack.remove_many(at, 3);
    small::insert_expiring(pack, Value::Bytes(name), value, expire_at);
}
