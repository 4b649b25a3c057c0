//! Changes to a set, and its way from form to form.

use super::*;
use crate::value::IntegerText;

/// Bytes that a member takes in a listpack beside its own, at most.
const MEMBER_OVERHEAD: usize = 11;

impl Set {
    /// Prepares for `count` members that are about to be added: what will be too large becomes a table now.
    pub fn prepare(&mut self, count: usize, limits: SetLimits) {
        let most = match self.word.form() {
            Form::Listpack(_) => limits.listpack_entries,
            Form::Intset(_) => limits.intset_entries,
            Form::Table(_) => return,
        };
        if count > most {
            self.become_table();
        }
    }

    /// Adds a member. True when it is new.
    pub fn add(&mut self, member: Value<'_>, limits: SetLimits) -> bool {
        let mut text = IntegerText::default();
        match self.word.form_mut() {
            FormMut::Table(members) => members.add(member.as_bytes(&mut text)),
            FormMut::Listpack(pack) => {
                if pack.first().is_some_and(|at| pack.find(member, at, 0).is_some()) {
                    return false;
                }
                if pack.len() < limits.listpack_entries
                    && member.len() <= limits.listpack_value
                    && pack.fits(member.len() + MEMBER_OVERHEAD)
                {
                    pack.push_back(member);
                    return true;
                }
                self.become_table();
                self.add(member, limits)
            }
            FormMut::Intset(set) => {
                let number = match member {
                    Value::Integer(number) => number,
                    Value::Bytes(bytes) => match Value::encode(bytes) {
                        Value::Integer(number) => number,
                        Value::Bytes(bytes) => return self.add_string(bytes, limits),
                    },
                };
                let is_new = set.insert(number);
                if is_new && (set.len() > limits.intset_entries || set.is_full()) {
                    self.become_table();
                }
                is_new
            }
        }
    }

    /// Adds what is no integer to an intset.
    #[cold]
    fn add_string(&mut self, member: &[u8], limits: SetLimits) -> bool {
        let longest = [0, self.len().saturating_sub(1)]
            .into_iter()
            .filter_map(|index| match self.word.form() {
                Form::Intset(set) => set.get(index),
                Form::Listpack(_) | Form::Table(_) => None,
            })
            .map(|number| Value::Integer(number).len())
            .max()
            .unwrap_or(0);
        if self.len() < limits.listpack_entries && longest.max(member.len()) <= limits.listpack_value {
            let mut pack = Listpack::new();
            self.iter().for_each(|number| pack.push_back(number));
            self.word = pack.into();
        } else {
            self.become_table();
        }
        self.add(Value::Bytes(member), limits)
    }

    /// Removes a member. False when it is not there.
    pub fn remove(&mut self, member: Value<'_>) -> bool {
        let mut text = IntegerText::default();
        match self.word.form_mut() {
            FormMut::Table(members) => members.remove(member.as_bytes(&mut text)),
            FormMut::Listpack(pack) => {
                let found = pack.first().and_then(|at| pack.find(member, at, 0));
                if let Some(at) = found {
                    pack.remove(at);
                }
                found.is_some()
            }
            FormMut::Intset(set) => match Value::encode(member.as_bytes(&mut text)) {
                Value::Integer(number) => set.remove(number),
                Value::Bytes(_) => false,
            },
        }
    }

    /// Removes the members of a small set for which `keep` says no, in their order.
    ///
    /// # Panics
    /// When the set is a hash table.
    pub fn retain_small(&mut self, keep: &mut dyn FnMut(Value<'_>) -> bool) {
        match self.word.form_mut() {
            FormMut::Table(_) => panic!("a hash table has no order"),
            FormMut::Listpack(pack) => {
                let mut kept = Listpack::new();
                pack.iter().filter(|&member| keep(member)).for_each(|member| kept.push_back(member));
                *pack = kept;
            }
            FormMut::Intset(set) => {
                let mut kept = Intset::new();
                let all = (0..set.len()).filter_map(|index| set.get(index));
                all.filter(|&number| keep(Value::Integer(number))).for_each(|number| {
                    kept.insert(number);
                });
                *set = kept;
            }
        }
    }

    /// Makes a set of few integers an intset.
    pub fn become_intset(&mut self, limits: SetLimits) {
        if self.len() > limits.intset_entries {
            return;
        }
        let mut set = Intset::new();
        for member in self.iter() {
            let mut text = IntegerText::default();
            let Value::Integer(number) = Value::encode(member.as_bytes(&mut text)) else { return };
            set.insert(number);
        }
        self.word = set.into();
    }

    /// Makes the set a table.
    pub(super) fn become_table(&mut self) {
        let mut members = Members::default();
        for member in self.iter() {
            members.add(member.as_bytes(&mut IntegerText::default()));
        }
        self.word = Boxed::new(members).into();
    }
}
