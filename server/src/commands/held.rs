//! The shards that are locked for a command.

use super::keys::Shard;

/// Locked shards in ascending order. Mostly it is one, which is at hand without a look at a list.
#[derive(Default)]
pub struct Held<'k> {
    first: Option<Shard<'k>>,
    /// The shards after the first.
    others: Vec<Shard<'k>>,
}

impl<'k> Held<'k> {
    /// Whether nothing is locked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether exactly this shard is locked.
    #[inline]
    pub fn is_only(&self, shard: u32) -> bool {
        self.first.as_ref().is_some_and(|first| first.shard() == shard) && self.others.is_empty()
    }

    /// Whether this shard is locked.
    pub fn contains(&self, shard: u32) -> bool {
        self.first.as_ref().is_some_and(|first| first.shard() == shard)
            || self.others.binary_search_by_key(&shard, Shard::shard).is_ok()
    }

    /// Adds a shard.
    ///
    /// # Panics
    /// When its number is not above those of the others.
    #[inline]
    pub fn push(&mut self, guard: Shard<'k>) {
        if self.first.is_none() {
            self.first = Some(guard);
        } else {
            self.push_other(guard);
        }
    }

    fn push_other(&mut self, guard: Shard<'k>) {
        let last = self.others.last().or(self.first.as_ref());
        assert!(last.is_none_or(|last| last.shard() < guard.shard()), "locks taken out of order");
        self.others.push(guard);
    }

    /// Unlocks all.
    #[inline]
    pub fn clear(&mut self) {
        self.first = None;
        if !self.others.is_empty() {
            self.others.clear();
        }
    }

    /// All of them, ascending.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Shard<'k>> {
        self.first.iter_mut().chain(&mut self.others)
    }

    /// The shard with this number.
    ///
    /// # Panics
    /// When it is not locked: the row's key specs and the handler disagree.
    #[inline]
    pub fn get(&self, shard: u32) -> &Shard<'k> {
        match &self.first {
            Some(first) if first.shard() == shard => first,
            _ => &self.others[position(&self.others, shard)],
        }
    }

    /// [`Held::get`] for changing.
    #[inline]
    pub fn get_mut(&mut self, shard: u32) -> &mut Shard<'k> {
        match &mut self.first {
            Some(first) if first.shard() == shard => first,
            _ => {
                let at = position(&self.others, shard);
                &mut self.others[at]
            }
        }
    }
}

/// Where a locked shard is among those after the first.
fn position(others: &[Shard<'_>], shard: u32) -> usize {
    others.binary_search_by_key(&shard, Shard::shard).expect("a handler touches only shards that are locked")
}
