//! The connections of a driver, found by the token's index: no hashing on the hot path.

use super::Token;

/// An entry that knows its token.
pub(super) trait Named {
    /// The token it was registered under.
    fn token(&self) -> Token;
}

/// Entries by token index.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<Option<T>>,
    limit: usize,
}

impl<T: Named> Table<T> {
    /// An empty table for indices below `limit`.
    pub(super) fn new(limit: usize) -> Table<T> {
        Table { entries: Vec::new(), limit }
    }

    /// Puts an entry in; a taken index or one beyond the limit is the caller's bug.
    pub(super) fn insert(&mut self, entry: T) {
        let token = entry.token();
        let index = token.index();
        assert!(token.0 & !Token::MASK == 0, "{token:?} has more than 56 bits");
        assert!(index < self.limit, "{token:?} is beyond max_connections {}", self.limit);
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        let place = &mut self.entries[index];
        assert!(place.is_none(), "{token:?} is registered while its index is in use");
        *place = Some(entry);
    }

    /// The entry of exactly this token.
    #[inline]
    pub(super) fn get(&mut self, token: Token) -> Option<&mut T> {
        match self.entries.get_mut(token.index()) {
            Some(Some(entry)) if entry.token() == token => Some(entry),
            _ => None,
        }
    }

    /// Takes the entry of exactly this token out.
    pub(super) fn remove(&mut self, token: Token) -> Option<T> {
        self.get(token)?;
        self.entries[token.index()].take()
    }

    /// All entries.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for Token {
        fn token(&self) -> Token {
            *self
        }
    }

    #[test]
    fn an_old_generation_is_not_found() {
        let mut table = Table::new(8);
        table.insert(Token::new(3, 1));
        assert!(table.get(Token::new(3, 0)).is_none());
        assert!(table.remove(Token::new(3, 2)).is_none());
        assert_eq!(table.remove(Token::new(3, 1)), Some(Token::new(3, 1)));
        table.insert(Token::new(3, 2));
        assert!(table.get(Token::new(3, 1)).is_none());
        assert_eq!(table.iter_mut().count(), 1);
    }

    #[test]
    #[should_panic(expected = "index is in use")]
    fn one_index_has_one_user() {
        let mut table = Table::new(8);
        table.insert(Token::new(3, 1));
        table.insert(Token::new(3, 2));
    }

    #[test]
    #[should_panic(expected = "beyond max_connections")]
    fn the_limit_holds() {
        Table::new(8).insert(Token::new(8, 1));
    }
}
