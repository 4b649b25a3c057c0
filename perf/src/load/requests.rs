//! The plain requests, GET and SET, as bytes: templates with fixed-width keys, copied and patched.
//!
//! This is the path that has to be cheap: nothing is remembered of a request but that it was sent. Everything else
//! (other commands, verification, expiring keys) is written by the rows of the table, see `rows`.

use super::keys::Keys;
use super::values::{KEY_DIGITS, Values, digits};

/// What keys begin with unless told otherwise.
pub const DEFAULT_PREFIX: &str = "key:";

/// A batch laid out once, and copied and patched afterwards, must stay in the L2 cache to be worth it.
const MAX_LAID_OUT: usize = 512 * 1024;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GET key
    Get,
    /// SET key value
    Set,
}

/// Shares of GET and SET: `get` to `set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Weight of GET.
    pub get: u32,
    /// Weight of SET.
    pub set: u32,
}

impl Shares {
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
        Requests::new(Shares { get: 1, set: 1 }, DEFAULT_PREFIX, Values::new(value_size, value_size), 1);
    requests.len_of(kind, value_size)
}

/// Encodes batches of requests.
#[derive(Debug)]
pub(super) struct Requests {
    shares: Shares,
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
    /// `bytes` holds requests of one kind and size, `stride` bytes each, of which only digits change.
    Patched { kind: Kind, stride: usize, value_at: usize, named: usize },
    /// Each batch is written anew.
    Written,
}

impl Requests {
    /// Requests on keys `prefix` + digits; batches hold at most `depth` requests.
    pub fn new(shares: Shares, prefix: &str, values: Values, depth: usize) -> Requests {
        let zeros = "0".repeat(KEY_DIGITS);
        let key = format!("${}\r\n{prefix}{zeros}\r\n", prefix.len() + KEY_DIGITS);
        let get = format!("*2\r\n$3\r\nGET\r\n{key}").into_bytes();
        let set = format!("*3\r\n$3\r\nSET\r\n{key}$").into_bytes();
        let total = u64::from(shares.get) + u64::from(shares.set);
        assert!(total > 0, "options were checked: the mix is not empty");
        let get_below = (u64::from(shares.get) << 32) / total;
        let mut requests =
            Requests { shares, get_below, values, get, set, layout: Layout::Written, bytes: Vec::new() };
        requests.lay_out(depth);
        requests
    }

    /// Bytes of a request of `kind` with a value of `size` bytes.
    fn len_of(&self, kind: Kind, size: usize) -> usize {
        let mut one = Vec::new();
        self.append(&mut one, kind, 0, size);
        one.len()
    }

    fn lay_out(&mut self, depth: usize) {
        let (Some(kind), Some(size)) = (self.shares.only(), self.values.fixed()) else { return };
        let stride = self.len_of(kind, size);
        if stride.saturating_mul(depth) > MAX_LAID_OUT {
            return;
        }
        let mut bytes = Vec::with_capacity(stride * depth);
        for _ in 0..depth {
            self.append(&mut bytes, kind, 0, size);
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

    fn append(&self, out: &mut Vec<u8>, kind: Kind, key: u64, size: usize) {
        let start = out.len();
        let digits = digits(key);
        let at = start + self.digits_at(kind);
        match kind {
            Kind::Get => out.extend_from_slice(&self.get),
            Kind::Set => {
                out.extend_from_slice(&self.set);
                out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
                out.extend_from_slice(b"\r\n");
                self.values.append(out, key, 0, size);
                out.extend_from_slice(b"\r\n");
            }
        }
        out[at..at + KEY_DIGITS].copy_from_slice(&digits);
    }

    /// Appends the next `count` requests (at most the depth given to [`Requests::new`]), drawn from `keys`.
    #[inline]
    pub fn encode(&self, count: usize, keys: &mut Keys, out: &mut Vec<u8>) {
        match self.layout {
            Layout::Patched { kind, stride, value_at, named } => {
                let (start, digits_at) = (out.len(), self.digits_at(kind));
                out.extend_from_slice(&self.bytes[..count * stride]);
                for request in out[start..].chunks_exact_mut(stride) {
                    let key = keys.draw();
                    let digits = digits(key);
                    request[digits_at..digits_at + KEY_DIGITS].copy_from_slice(&digits);
                    if named == KEY_DIGITS {
                        request[value_at..value_at + KEY_DIGITS].copy_from_slice(&digits);
                    } else if named > 0 {
                        request[value_at..value_at + named].copy_from_slice(&digits[KEY_DIGITS - named..]);
                    }
                }
            }
            Layout::Written => {
                for _ in 0..count {
                    let key = keys.draw();
                    let kind = self.shares.only().unwrap_or_else(|| {
                        if u64::from(keys.coin()) < self.get_below { Kind::Get } else { Kind::Set }
                    });
                    self.append(out, kind, key, self.values.size(key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn requests(get: u32, set: u32, min: usize, max: usize) -> Requests {
        Requests::new(Shares { get, set }, "key:", Values::new(min, max), 8)
    }

    fn encoded(requests: &Requests, count: usize, keys: &mut Keys) -> Vec<u8> {
        let mut out = b"before".to_vec();
        requests.encode(count, keys, &mut out);
        assert!(out.starts_with(b"before"));
        out.split_off(6)
    }

    #[test]
    fn patched_batches_are_exact() {
        let gets = requests(1, 0, 64, 64);
        let bytes = encoded(&gets, 2, &mut Keys::sequence(41..50));
        assert_eq!(bytes.len(), 2 * request_len(Kind::Get, 64));
        assert_eq!((request_len(Kind::Get, 64), request_len(Kind::Set, 64)), (36, 107));
        assert_eq!(
            bytes,
            b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000041\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n"
        );
        let sets = requests(0, 1, 14, 14);
        let bytes = encoded(&sets, 1, &mut Keys::sequence(7..9));
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$14\r\n00000000000700\r\n");
        let short = requests(0, 1, 2, 2);
        let bytes = encoded(&short, 1, &mut Keys::sequence(123..124));
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000123\r\n$2\r\n23\r\n");
    }

    #[test]
    fn written_and_patched_batches_agree() {
        let patched = requests(0, 1, 100, 100);
        assert!(matches!(patched.layout, Layout::Patched { .. }));
        let mut written = requests(0, 1, 100, 100);
        written.layout = Layout::Written;
        let (mut a, mut b) =
            (Keys::sequence(99_999_995..100_000_100), Keys::sequence(99_999_995..100_000_100));
        for count in [8, 1, 3] {
            let expected = encoded(&written, count, &mut a);
            assert_eq!(encoded(&patched, count, &mut b), expected);
        }
    }

    #[test]
    fn the_mix_is_kept() {
        let mixed = requests(3, 1, 16, 16);
        let mut keys = Keys::new(super::super::keys::Distribution::Uniform, 10, 0..10, &Arc::from([]), 3);
        let mut gets = 0;
        for _ in 0..10_000 {
            gets += encoded(&mixed, 8, &mut keys).windows(5).filter(|piece| piece == b"\nGET\r").count();
        }
        // 60,000 expected of 80,000, standard deviation 122.
        assert!((59_100..60_900).contains(&gets), "{gets}");
    }
}
