//! IDs of entries.

/// The ID of an entry: a time and a number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds, as a rule.
    pub ms: u64,
    /// The number among the entries of that millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The smallest ID, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The largest ID.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The ID that follows this one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| Self { ms, seq: 0 }),
        }
    }

    /// The ID before this one.
    #[must_use]
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| Self { ms, seq: u64::MAX }),
        }
    }

    /// The bytes by which Redis sorts IDs, and as which they stand in dumps.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The ID of these bytes.
    #[must_use]
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self { ms: (number >> 64) as u64, seq: number as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        let id = |ms, seq| StreamId { ms, seq };
        for (lower, upper) in
            [(id(0, 0), id(0, 1)), (id(1, u64::MAX), id(2, 0)), (id(u64::MAX, u64::MAX - 1), StreamId::MAX)]
        {
            assert!(lower < upper && lower.to_be_bytes() < upper.to_be_bytes());
            assert_eq!((lower.next(), upper.prev()), (Some(upper), Some(lower)));
        }
        assert_eq!((StreamId::MIN.prev(), StreamId::MAX.next()), (None, None));
    }
}
