//! The names by which callers and drivers speak of sockets.

use std::fmt;

/// A connection, named by the caller: an index that is dense (a slab's key) and a generation that tells two users of one
/// index apart. 56 bits in all, because io_uring's `user_data` also has to say which operation completed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

impl Token {
    /// Bits of the index: 16 M connections a thread are beyond what one address and its memory allow.
    pub const INDEX_BITS: u32 = 24;
    /// Bits of the generation: at 100,000 connections a second on one index it takes twelve hours to come around, and
    /// the driver never has two users of one index anyway.
    pub const GENERATION_BITS: u32 = 32;
    /// The usable bits of a token.
    pub const MASK: u64 = (1 << (Self::INDEX_BITS + Self::GENERATION_BITS)) - 1;

    /// Makes a token.
    ///
    /// # Panics
    /// When `index` needs more than [`Token::INDEX_BITS`] bits.
    #[must_use]
    #[inline]
    pub fn new(index: u32, generation: u32) -> Token {
        assert!(index >> Self::INDEX_BITS == 0, "connection index {index} is out of range");
        Token(u64::from(generation) << Self::INDEX_BITS | u64::from(index))
    }

    /// The dense part: where the connection stands in its tables.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        (self.0 & ((1 << Self::INDEX_BITS) - 1)) as usize
    }

    /// The part that tells two users of one index apart.
    #[must_use]
    #[inline]
    pub fn generation(self) -> u32 {
        (self.0 >> Self::INDEX_BITS) as u32
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}#{})", self.index(), self.generation())
    }
}

/// A listening socket, named by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_keeps_both_parts() {
        let token = Token::new(0xff_fffe, u32::MAX);
        assert_eq!((token.index(), token.generation()), (0xff_fffe, u32::MAX));
        assert_eq!(token.0 & !Token::MASK, 0);
        assert_eq!(format!("{:?}", Token::new(7, 9)), "Token(7#9)");
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn token_index_is_bounded() {
        let _ = Token::new(1 << Token::INDEX_BITS, 0);
    }
}
