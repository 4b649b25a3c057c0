//! Requests as bytes: templates with fixed-width keys, patched in place.
//!
//! A key is a prefix and twelve digits; a value begins with the (last) digits of its key and goes on with a fixed
//! pattern, so that any reply can be checked against the key that asked for it, whoever wrote it last.

use super::keys::Keys;
use std::collections::VecDeque;
use std::sync::Arc;

/// Digits of a key behind its prefix: with the default prefix `key:` a key is 16 bytes, as redis-benchmark's are.
pub const KEY_DIGITS: usize = 12;

/// What keys begin with unless told otherwise.
pub const DEFAULT_PREFIX: &str = "key:";

/// Period of the pattern that fills values: a prime, so that a piece shifted by a power of two does not match.
const PATTERN: usize = 4_093;

/// A batch laid out once and only patched afterwards must stay in the L2 cache to be worth it.
const MAX_LAID_OUT: usize = 512 * 1024;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GET key
    Get,
    /// SET key value
    Set,
}

/// One request that was sent, kept only when replies are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    pub kind: Kind,
    pub key: u64,
    /// A part of its reply was found wrong already.
    pub wrong: bool,
}

impl Operation {
    fn new(kind: Kind, key: u64) -> Operation {
        Operation { kind, key, wrong: false }
    }
}

/// Sizes and contents of values.
#[derive(Debug, Clone)]
pub struct Values {
    min: usize,
    max: usize,
    pattern: Arc<[u8]>,
}

impl Values {
    /// Values of `min..=max` bytes; the key's number decides the size, so that it never changes between two runs.
    pub fn new(min: usize, max: usize) -> Values {
        assert!(min <= max, "sizes are a range");
        let pattern = (0..PATTERN).map(|i| b'a' + (i * 7 % 26) as u8).collect();
        Values { min, max, pattern }
    }

    /// Whether all values have one size.
    pub fn fixed(&self) -> Option<usize> {
        (self.min == self.max).then_some(self.max)
    }

    /// Largest size.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Bytes of the value of key number `key`.
    pub fn size(&self, key: u64) -> usize {
        let span = (self.max - self.min) as u64 + 1;
        if span == 1 {
            return self.max;
        }
        // The finaliser of SplitMix64 turns neighbouring keys into unrelated sizes.
        let mut hash = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        self.min + ((u128::from(hash) * u128::from(span)) >> 64) as usize
    }

    /// Appends the value of `key`.
    fn append(&self, out: &mut Vec<u8>, key: u64, size: usize) {
        let digits = digits(key);
        let named = size.min(KEY_DIGITS);
        out.extend_from_slice(&digits[KEY_DIGITS - named..]);
        let mut at = named;
        while at < size {
            let from = at % PATTERN;
            let piece = (PATTERN - from).min(size - at);
            out.extend_from_slice(&self.pattern[from..from + piece]);
            at += piece;
        }
    }

    /// Whether `piece`, found at `offset` of a reply that is `size` bytes long, is what was written under `key`.
    pub fn matches(&self, key: u64, size: usize, offset: usize, piece: &[u8]) -> bool {
        if size != self.size(key) || offset + piece.len() > size {
            return false;
        }
        let named = size.min(KEY_DIGITS);
        let digits = digits(key);
        let (mut at, mut piece) = (offset, piece);
        if at < named {
            let own = (named - at).min(piece.len());
            let start = KEY_DIGITS - named + at;
            if piece[..own] != digits[start..start + own] {
                return false;
            }
            (at, piece) = (at + own, &piece[own..]);
        }
        while !piece.is_empty() {
            let from = at % PATTERN;
            let run = (PATTERN - from).min(piece.len());
            if piece[..run] != self.pattern[from..from + run] {
                return false;
            }
            (at, piece) = (at + run, &piece[run..]);
        }
        true
    }
}

/// Shares of GET and SET: `get` to `set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Weight of GET.
    pub get: u32,
    /// Weight of SET.
    pub set: u32,
}

impl Mix {
    /// Only one kind, if so.
    fn only(self) -> Option<Kind> {
        match (self.get, self.set) {
            (_, 0) => Some(Kind::Get),
            (0, _) => Some(Kind::Set),
            _ => None,
        }
    }
}

/// Bytes of a request of `kind` with the default key prefix and values of `value_size` bytes.
pub fn request_len(kind: Kind, value_size: usize) -> usize {
    let requests =
        Requests::new(Mix { get: 1, set: 1 }, DEFAULT_PREFIX, Values::new(value_size, value_size), 1);
    requests.len_of(kind, value_size)
}

/// Encodes batches of requests into a buffer of its own.
#[derive(Debug)]
pub(super) struct Requests {
    mix: Mix,
    /// A coin below this is a GET.
    get_below: u64,
    values: Values,
    get: Vec<u8>,
    set: Vec<u8>,
    layout: Layout,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    /// `bytes` holds requests of one kind and size, `stride` bytes each: only digits change.
    Patched { kind: Kind, stride: usize, value_at: usize, named: usize },
    /// `bytes` is written anew for each batch.
    Written,
}

impl Requests {
    /// Requests on keys `prefix` + digits; batches hold at most `depth` requests.
    pub fn new(mix: Mix, prefix: &str, values: Values, depth: usize) -> Requests {
        let zeros = "0".repeat(KEY_DIGITS);
        let key = format!("${}\r\n{prefix}{zeros}\r\n", prefix.len() + KEY_DIGITS);
        let get = format!("*2\r\n$3\r\nGET\r\n{key}").into_bytes();
        let set = format!("*3\r\n$3\r\nSET\r\n{key}$").into_bytes();
        let total = u64::from(mix.get) + u64::from(mix.set);
        assert!(total > 0, "options were checked: the mix is not empty");
        let get_below = (u64::from(mix.get) << 32) / total;
        let mut requests =
            Requests { mix, get_below, values, get, set, layout: Layout::Written, bytes: Vec::new() };
        requests.lay_out(depth);
        requests
    }

    /// Bytes of a request of `kind` with a value of `size` bytes.
    fn len_of(&self, kind: Kind, size: usize) -> usize {
        let mut one = Vec::new();
        self.append(&mut one, Operation::new(kind, 0), size);
        one.len()
    }

    fn lay_out(&mut self, depth: usize) {
        let (Some(kind), Some(size)) = (self.mix.only(), self.values.fixed()) else { return };
        let stride = self.len_of(kind, size);
        if stride.saturating_mul(depth) > MAX_LAID_OUT {
            return;
        }
        let mut bytes = Vec::with_capacity(stride * depth);
        for _ in 0..depth {
            self.append(&mut bytes, Operation::new(kind, 0), size);
        }
        let (value_at, named) = match kind {
            Kind::Get => (0, 0),
            Kind::Set => (stride - 2 - size, size.min(KEY_DIGITS)),
        };
        (self.bytes, self.layout) = (bytes, Layout::Patched { kind, stride, value_at, named });
    }

    /// Where the digits stand in a request of `kind`.
    fn digits_at(&self, kind: Kind) -> usize {
        let head = if kind == Kind::Get { &self.get } else { &self.set };
        let trailer = if kind == Kind::Get { 2 } else { 3 };
        head.len() - trailer - KEY_DIGITS
    }

    fn append(&self, out: &mut Vec<u8>, operation: Operation, size: usize) {
        let start = out.len();
        let digits = digits(operation.key);
        let at = start + self.digits_at(operation.kind);
        match operation.kind {
            Kind::Get => out.extend_from_slice(&self.get),
            Kind::Set => {
                out.extend_from_slice(&self.set);
                out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
                out.extend_from_slice(b"\r\n");
                self.values.append(out, operation.key, size);
                out.extend_from_slice(b"\r\n");
            }
        }
        out[at..at + KEY_DIGITS].copy_from_slice(&digits);
    }

    /// The next `count` requests (at most the depth given to [`Requests::new`]), drawn from `keys`, and noted in
    /// `journal` if there is one.
    pub fn encode(
        &mut self,
        count: usize,
        keys: &mut Keys,
        mut journal: Option<&mut VecDeque<Operation>>,
    ) -> &[u8] {
        match self.layout {
            Layout::Patched { kind, stride, value_at, named } => {
                let digits_at = self.digits_at(kind);
                for request in self.bytes.chunks_exact_mut(stride).take(count) {
                    let key = keys.draw();
                    let digits = digits(key);
                    request[digits_at..digits_at + KEY_DIGITS].copy_from_slice(&digits);
                    if named == KEY_DIGITS {
                        request[value_at..value_at + KEY_DIGITS].copy_from_slice(&digits);
                    } else if named > 0 {
                        request[value_at..value_at + named].copy_from_slice(&digits[KEY_DIGITS - named..]);
                    }
                    if let Some(journal) = journal.as_deref_mut() {
                        journal.push_back(Operation::new(kind, key));
                    }
                }
                &self.bytes[..count * stride]
            }
            Layout::Written => {
                let mut bytes = std::mem::take(&mut self.bytes);
                bytes.clear();
                for _ in 0..count {
                    let key = keys.draw();
                    let kind = self.mix.only().unwrap_or_else(|| {
                        if u64::from(keys.coin()) < self.get_below { Kind::Get } else { Kind::Set }
                    });
                    let operation = Operation::new(kind, key);
                    self.append(&mut bytes, operation, self.values.size(key));
                    if let Some(journal) = journal.as_deref_mut() {
                        journal.push_back(operation);
                    }
                }
                self.bytes = bytes;
                &self.bytes
            }
        }
    }
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// The last twelve decimal digits of `number`.
#[inline]
fn digits(number: u64) -> [u8; KEY_DIGITS] {
    let mut out = [b'0'; KEY_DIGITS];
    let low = (number % 100_000_000) as u32;
    let (upper, lower) = (low / 10_000, low % 10_000);
    out[4..6].copy_from_slice(&PAIRS[(upper / 100) as usize]);
    out[6..8].copy_from_slice(&PAIRS[(upper % 100) as usize]);
    out[8..10].copy_from_slice(&PAIRS[(lower / 100) as usize]);
    out[10..12].copy_from_slice(&PAIRS[(lower % 100) as usize]);
    if number >= 100_000_000 {
        let high = (number / 100_000_000 % 10_000) as u32;
        out[0..2].copy_from_slice(&PAIRS[(high / 100) as usize]);
        out[2..4].copy_from_slice(&PAIRS[(high % 100) as usize]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests(get: u32, set: u32, min: usize, max: usize) -> Requests {
        Requests::new(Mix { get, set }, "key:", Values::new(min, max), 8)
    }

    #[test]
    fn patched_batches_are_exact() {
        let mut gets = requests(1, 0, 64, 64);
        let bytes = gets.encode(2, &mut Keys::sequence(41..50), None).to_vec();
        assert_eq!(bytes.len(), 2 * request_len(Kind::Get, 64));
        assert_eq!((request_len(Kind::Get, 64), request_len(Kind::Set, 64)), (36, 107));
        assert_eq!(
            bytes,
            b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000041\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n"
        );
        let mut sets = requests(0, 1, 14, 14);
        let bytes = sets.encode(1, &mut Keys::sequence(7..9), None).to_vec();
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$14\r\n000000000007gn\r\n");
        let mut short = requests(0, 1, 2, 2);
        let bytes = short.encode(1, &mut Keys::sequence(123..124), None).to_vec();
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000123\r\n$2\r\n23\r\n");
    }

    #[test]
    fn written_and_patched_batches_agree() {
        let mut patched = requests(0, 1, 100, 100);
        assert!(matches!(patched.layout, Layout::Patched { .. }));
        let mut written = requests(0, 1, 100, 100);
        written.layout = Layout::Written;
        let (mut a, mut b) =
            (Keys::sequence(99_999_995..100_000_100), Keys::sequence(99_999_995..100_000_100));
        for count in [8, 1, 3] {
            let expected = written.encode(count, &mut a, None).to_vec();
            assert_eq!(patched.encode(count, &mut b, None), expected);
        }
    }

    #[test]
    fn the_mix_is_kept() {
        let mut mixed = requests(3, 1, 16, 16);
        let mut keys = Keys::new(super::super::keys::Distribution::Uniform, 10, 0..10, &Arc::from([]), 3);
        let mut journal = VecDeque::new();
        for _ in 0..10_000 {
            mixed.encode(8, &mut keys, Some(&mut journal));
        }
        let gets = journal.iter().filter(|operation| operation.kind == Kind::Get).count();
        // 60,000 expected of 80,000, standard deviation 122.
        assert!((59_100..60_900).contains(&gets), "{gets}");
    }

    proptest! {
        #[test]
        fn digits_are_those_of_format(number in 0_u64..1_000_000_000_000) {
            prop_assert_eq!(digits(number).to_vec(), format!("{number:012}").into_bytes());
        }

        #[test]
        fn a_value_matches_itself_in_any_pieces(
            key in 0_u64..1_000_000, min in 0_usize..40, span in 0_usize..9_000, cut in 0_usize..9_100, flip in 0_usize..9_100,
        ) {
            let values = Values::new(min, min + span);
            let size = values.size(key);
            prop_assert!((min..=min + span).contains(&size));
            let mut value = Vec::new();
            values.append(&mut value, key, size);
            prop_assert_eq!(value.len(), size);
            let cut = cut.min(size);
            prop_assert!(values.matches(key, size, 0, &value[..cut]));
            prop_assert!(values.matches(key, size, cut, &value[cut..]));
            prop_assert!(!values.matches(key, size + 1, 0, &value));
            if flip < size {
                value[flip] ^= 1;
                prop_assert!(!values.matches(key, size, 0, &value));
            }
        }
    }
}
