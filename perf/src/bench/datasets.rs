//! What the tables of memory and of growth are filled with: a collection of any size, in one key or in many.

use super::ServerError;
use super::client::Client;

/// Elements in one command, and commands in one pipeline.
const CHUNK: usize = 500;

/// The first entry's id in a stream; the others count on from here, as if one came each millisecond.
const FIRST_ID: u64 = 1_700_000_000_000;

/// What a key holds. `n` is the number of its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dataset {
    /// `n` zero bytes.
    Bytes,
    /// `n` keys of 16 bytes with values of 16 bytes; the key's name is not used.
    Keys,
    /// A list of 14-byte elements.
    List,
    /// A set of 14-byte members.
    Set,
    /// A set of the integers below `n`.
    Integers,
    /// A hash of 13-byte fields with 13-byte values.
    Hash,
    /// A sorted set of 14-byte members, the number of each its score.
    SortedSet,
    /// The same, with 0 for each score.
    Lexical,
    /// A sorted set of places in a square of 2 by 2 degrees.
    Places,
    /// A stream of entries of 3 small fields.
    Stream,
    /// The same, with a group whose one consumer has been given all entries and acknowledged none.
    Pending,
    /// A HyperLogLog of `n` different elements.
    HyperLogLog,
}

impl Dataset {
    /// Fills `key` with `n` elements.
    pub fn fill(self, client: &mut Client, key: &str, n: usize) -> Result<(), ServerError> {
        for first in (0..n).step_by(CHUNK) {
            let replies = self.chunk(client, key, first..n.min(first + CHUNK));
            client.send()?;
            for _ in 0..replies {
                client.reply()?;
            }
        }
        if self == Dataset::Pending {
            hand_out(client, key, n)?;
        }
        client.verdict()
    }

    /// Fills `keys` keys with `n` elements each, all with the same ones.
    pub fn fill_many(self, client: &mut Client, keys: usize, n: usize) -> Result<(), ServerError> {
        let name = |number: usize| format!("data:{number:07}");
        if n > CHUNK || self == Dataset::Pending {
            return (0..keys).try_for_each(|number| self.fill(client, &name(number), n));
        }
        for first in (0..keys).step_by(CHUNK) {
            let mut replies = 0;
            for number in first..keys.min(first + CHUNK) {
                replies += self.chunk(client, &name(number), 0..n);
            }
            client.send()?;
            for _ in 0..replies {
                client.reply()?;
            }
        }
        client.verdict()
    }

    /// Appends the commands that add these elements; how many they are.
    fn chunk(self, client: &mut Client, key: &str, range: std::ops::Range<usize>) -> usize {
        let len = range.len();
        match self {
            Dataset::Keys => {
                for number in range {
                    client.push(&["SET", &plain_key(number), &format!("value:{number:010}")]);
                }
                return len;
            }
            Dataset::Stream | Dataset::Pending => {
                for number in range {
                    let words = ["XADD", key, &entry_id(number), "sensor", "17", "reading"];
                    let reading = number.to_string();
                    client.push(&[&words[..], &[reading.as_str(), "unit", "mV"]].concat());
                }
                return len;
            }
            Dataset::Bytes => {
                client.push(&[b"APPEND".as_slice(), key.as_bytes(), &vec![0; len]]);
                return 1;
            }
            _ => {}
        }
        let command = match self {
            Dataset::List => "RPUSH",
            Dataset::Set | Dataset::Integers => "SADD",
            Dataset::Hash => "HSET",
            Dataset::SortedSet | Dataset::Lexical => "ZADD",
            Dataset::Places => "GEOADD",
            Dataset::HyperLogLog => "PFADD",
            Dataset::Keys | Dataset::Stream | Dataset::Pending | Dataset::Bytes => unreachable!("sent above"),
        };
        let mut words = vec![command.to_owned(), key.to_owned()];
        for number in range {
            match self {
                Dataset::Integers => words.push(number.to_string()),
                Dataset::Hash => words.extend([format!("field:{number:07}"), format!("value:{number:07}")]),
                Dataset::SortedSet => words.extend([number.to_string(), member(number)]),
                Dataset::Lexical => words.extend(["0".to_owned(), member(number)]),
                Dataset::Places => {
                    // A grid of 1,000 columns, 0.002 degrees apart.
                    let (x, y) = (number % 1000, number / 1000);
                    let degrees = |at: usize| format!("{:.3}", 10.0 + at as f64 * 0.002);
                    words.extend([degrees(x), degrees(y), member(number)]);
                }
                _ => words.push(member(number)),
            }
        }
        client.push(&words);
        1
    }
}

/// Makes the group, and gives its consumer all entries.
fn hand_out(client: &mut Client, key: &str, n: usize) -> Result<(), ServerError> {
    let count = CHUNK.to_string();
    client.push(&["XGROUP", "CREATE", key, "group", "0"]);
    client.send()?;
    client.reply()?;
    for _ in (0..n).step_by(CHUNK) {
        client.push(&["XREADGROUP", "GROUP", "group", "reader", "COUNT", &count, "STREAMS", key, ">"]);
        client.send()?;
        client.reply()?;
    }
    Ok(())
}

/// The member with this number.
pub(super) fn member(number: usize) -> String {
    format!("member:{number:07}")
}

/// The id of the stream's entry with this number.
pub(super) fn entry_id(number: usize) -> String {
    format!("{}-0", FIRST_ID + number as u64)
}

/// The plain key with this number.
pub(super) fn plain_key(number: usize) -> String {
    format!("key:{number:012}")
}
