//! Keyspace events: what commands say about the keys they change.

bitflags::bitflags! {
    /// Classes of events, as `notify-keyspace-events` chooses them by letter.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct EventClass: u16 {
        /// `g`: commands for keys of any type (DEL, EXPIRE, RENAME, ...).
        const GENERIC = 1;
        /// `$`
        const STRING = 1 << 1;
        /// `l`
        const LIST = 1 << 2;
        /// `s`
        const SET = 1 << 3;
        /// `h`
        const HASH = 1 << 4;
        /// `z`
        const SORTED_SET = 1 << 5;
        /// `t`
        const STREAM = 1 << 6;
        /// `x`: a key expired.
        const EXPIRED = 1 << 7;
        /// `e`: a key was evicted.
        const EVICTED = 1 << 8;
        /// `m`: a key that does not exist was looked up.
        const MISS = 1 << 9;
        /// `n`: a key was made.
        const NEW = 1 << 10;
        /// `d`: of a module's type.
        const MODULE = 1 << 11;
        /// `K`: published in the channel of the key.
        const TO_KEY = 1 << 12;
        /// `E`: published in the channel of the event.
        const TO_EVENT = 1 << 13;
    }
}

impl Default for EventClass {
    fn default() -> Self {
        Self::empty()
    }
}

impl EventClass {
    /// What a letter of `notify-keyspace-events` stands for; `A` is all but `m` and `n`.
    pub fn of_letter(letter: char) -> Self {
        match letter {
            'g' => Self::GENERIC,
            '$' => Self::STRING,
            'l' => Self::LIST,
            's' => Self::SET,
            'h' => Self::HASH,
            'z' => Self::SORTED_SET,
            't' => Self::STREAM,
            'x' => Self::EXPIRED,
            'e' => Self::EVICTED,
            'm' => Self::MISS,
            'n' => Self::NEW,
            'd' => Self::MODULE,
            'K' => Self::TO_KEY,
            'E' => Self::TO_EVENT,
            'A' => Self::all() - Self::MISS - Self::NEW - Self::TO_KEY - Self::TO_EVENT,
            _ => Self::empty(),
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEvent {
    /// Its class.
    pub class: EventClass,
    /// Its name.
    pub name: &'static str,
    /// The database of the key.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}
