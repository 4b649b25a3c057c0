//! The command table: the register's rows with their ids, found by name.

use super::row::Command;
use super::{Args, FAMILIES};
use boxcar_resp::Span;
use std::collections::HashMap;

/// A row in the table.
#[derive(Debug)]
pub struct Entry {
    /// Index in the table and in the per-thread counters.
    pub id: u16,
    /// The row.
    pub command: &'static Command,
    /// Full name: `get`, `client|list`.
    pub name: String,
    /// Ids of the subcommands.
    pub subcommands: Vec<u16>,
    /// Id of the container, for a subcommand.
    pub parent: Option<u16>,
    /// Whether it can be called: `rename-command` may have removed it.
    callable: bool,
    /// The position of the only key when the command has exactly one key at a fixed place, else 0.
    pub single_key: usize,
}

impl std::ops::Deref for Entry {
    type Target = Command;
    fn deref(&self) -> &Command {
        self.command
    }
}

/// Names of up to 15 bytes are found by a hash of their packed bytes; longer ones by a map.
const PACKED_MAX: usize = 15;
/// Slots of the name table: a power of two well above the number of commands.
const NAME_SLOTS: usize = 2048;

/// See the module's text.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    /// Top-level names, linear probing: packed name and id + 1.
    packed: Box<[(u128, u16)]>,
    long: HashMap<Vec<u8>, u16>,
}

/// The outcome of a name lookup.
#[derive(Debug, Clone, Copy)]
pub enum Lookup<'t> {
    /// Found, with its subcommand where it has them.
    Found(&'t Entry),
    /// No such command.
    Unknown,
    /// The container exists, the subcommand does not.
    UnknownSubcommand(&'t Entry),
}

impl Table {
    /// The table of all families. `renames` maps original names to new ones; an empty new name removes the
    /// command (`rename-command`).
    ///
    /// # Errors
    /// When a renamed command does not exist, or a new name is taken; the text says which.
    pub fn new(renames: &[(String, String)]) -> Result<Self, String> {
        let mut table = Self {
            entries: Vec::new(),
            packed: vec![(0, 0); NAME_SLOTS].into_boxed_slice(),
            long: HashMap::new(),
        };
        let mut names: Vec<(String, u16)> = Vec::new();
        for command in FAMILIES.iter().copied().flatten().copied().flatten() {
            let id = table.push(command, command.name.to_owned(), None);
            names.push((command.name.to_owned(), id));
            for subcommand in command.subcommands {
                let name = format!("{}|{}", command.name, subcommand.name);
                let child = table.push(subcommand, name, Some(id));
                table.entries[usize::from(id)].subcommands.push(child);
            }
        }
        assert!(names.len() * 2 < NAME_SLOTS, "NAME_SLOTS is too small for the register");
        for (old, new) in renames {
            let (old, new) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
            let Some(at) = names.iter().position(|(name, _)| *name == old) else {
                return Err("No such command in rename-command".to_owned());
            };
            if new.is_empty() {
                names.remove(at);
            } else if names.iter().any(|(name, _)| *name == new) {
                return Err("Target command name already exists".to_owned());
            } else {
                names[at].0 = new;
            }
        }
        for (name, id) in names {
            table.bind(name.as_bytes(), id);
        }
        Ok(table)
    }

    fn push(&mut self, command: &'static Command, name: String, parent: Option<u16>) -> u16 {
        let id = u16::try_from(self.entries.len()).expect("fewer than 65,536 commands");
        let single_key = single_key(command);
        self.entries.push(Entry {
            id,
            command,
            name,
            subcommands: Vec::new(),
            parent,
            callable: false,
            single_key,
        });
        id
    }

    fn bind(&mut self, name: &[u8], id: u16) {
        self.entries[usize::from(id)].callable = true;
        match pack(name) {
            Some(packed) => {
                let mut slot = slot_of(packed);
                while self.packed[slot].1 != 0 {
                    slot = (slot + 1) % NAME_SLOTS;
                }
                self.packed[slot] = (packed, id + 1);
            }
            None => {
                self.long.insert(name.to_ascii_lowercase(), id);
            }
        }
    }

    /// The top-level command with this name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        match pack(name) {
            Some(packed) => self.find_packed(packed),
            None => self.find_long(name),
        }
    }

    /// The top-level command that these arguments name. Mostly more of the request lies behind the name: then it is
    /// [`Table::find`] with loads of whole words.
    #[inline(always)]
    pub fn find_called(&self, args: Args<'_>) -> Option<&Entry> {
        let (input, name) = (args.input(), args.spans()[0]);
        let len = name.len as usize;
        if let 1..=8 = len
            && let Some(word) = leading_bytes(input, name)
        {
            self.find_packed(packed(u64::from_le_bytes(word) & low_bytes(len), 0, len))
        } else if let 9..=PACKED_MAX = len
            && let Some(words) = leading_bytes::<16>(input, name)
        {
            let words = u128::from_le_bytes(words);
            self.find_packed(packed(words as u64, (words >> 64) as u64 & low_bytes(len - 8), len))
        } else {
            self.find(args.at(0))
        }
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<&Entry> {
        let id = self.long.get(&name.to_ascii_lowercase())?;
        Some(&self.entries[usize::from(*id)])
    }

    #[inline]
    fn find_packed(&self, packed: u128) -> Option<&Entry> {
        let mut slot = slot_of(packed);
        loop {
            let (candidate, id) = self.packed[slot];
            if id == 0 {
                return None;
            }
            if candidate == packed {
                return Some(&self.entries[usize::from(id - 1)]);
            }
            slot = (slot + 1) % NAME_SLOTS;
        }
    }

    /// The command these arguments call.
    #[inline]
    pub fn lookup(&self, args: Args<'_>) -> Lookup<'_> {
        match self.find_called(args) {
            None => Lookup::Unknown,
            Some(entry) if entry.subcommands.is_empty() || args.len() < 2 => Lookup::Found(entry),
            Some(container) => match self.find_subcommand(container, args.at(1)) {
                Some(entry) => Lookup::Found(entry),
                None => Lookup::UnknownSubcommand(container),
            },
        }
    }

    /// The subcommand of `container` with this name, in any case.
    pub fn find_subcommand(&self, container: &Entry, name: &[u8]) -> Option<&Entry> {
        let mut children = container.subcommands.iter().map(|&id| self.entry(id));
        children.find(|child| child.command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The entry with this id.
    #[inline]
    pub fn entry(&self, id: u16) -> &Entry {
        &self.entries[usize::from(id)]
    }

    /// The top-level commands that can be called, in the register's order.
    pub fn callable(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.parent.is_none() && entry.callable)
    }

    /// The same, each followed by its subcommands.
    pub fn callable_with_subcommands(&self) -> impl Iterator<Item = &Entry> {
        self.callable().flat_map(|entry| self.with_subcommands(entry))
    }

    /// An entry and its subcommands.
    pub fn with_subcommands<'t>(&'t self, entry: &'t Entry) -> impl Iterator<Item = &'t Entry> {
        std::iter::once(entry).chain(entry.subcommands.iter().map(|&id| self.entry(id)))
    }

    /// All entries, subcommands after their container.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The position of the key when there is exactly one, at a fixed place. Commands that may wait do not take the short
/// way that this opens.
fn single_key(command: &Command) -> usize {
    use super::row::{Begin, Find, Flags, KeySpec, Locks};
    match command.keys {
        [KeySpec { begin: Begin::Index(at), find: Find::Range { last: 0, .. }, .. }]
            if command.locks == Locks::Keys && !command.flags.contains(Flags::BLOCKING) =>
        {
            *at
        }
        _ => 0,
    }
}

/// The name's bytes in lower case and its length in one integer; `None` when it is too long.
fn pack(name: &[u8]) -> Option<u128> {
    if name.len() > PACKED_MAX {
        return None;
    }
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    let (low, high) = bytes.split_at(8);
    let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen bytes"));
    Some(packed(word(low), word(high), name.len()))
}

/// The bytes from where a name begins, when `input` has so many.
#[inline]
fn leading_bytes<const N: usize>(input: &[u8], name: Span) -> Option<[u8; N]> {
    input.get(name.start as usize..)?.first_chunk().copied()
}

/// The bits of the first `len` bytes of a word, of which there are one to eight.
#[inline]
fn low_bytes(len: usize) -> u64 {
    u64::MAX >> (64 - 8 * len)
}

#[inline]
fn packed(low: u64, high: u64, len: usize) -> u128 {
    u128::from(lower(low)) | u128::from(lower(high)) << 64 | (len as u128) << 120
}

/// ASCII letters of eight bytes in lower case.
#[inline]
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low_bits = word & (0x7f * ONES);
    let from_a = low_bits + (0x80 - u64::from(b'A')) * ONES;
    let after_z = low_bits + (0x80 - u64::from(b'Z') - 1) * ONES;
    let upper = (from_a & !after_z & !word) & (0x80 * ONES);
    word | upper >> 2
}

#[inline]
fn slot_of(packed: u128) -> usize {
    let mixed = (packed as u64 ^ (packed >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - NAME_SLOTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_injective_and_ignores_case() {
        let names =
            ["", "g", "ge", "get", "getx", "gets", "getset", "getrange", "pexpiretime", "abcdefghijklmno"];
        for a in names {
            for b in names {
                assert_eq!(pack(a.as_bytes()) == pack(b.to_uppercase().as_bytes()), a == b, "{a} {b}");
            }
        }
        assert_eq!(pack(b"abcdefghijklmnop"), None);
        for byte in 0..=255u8 {
            let expected = byte.to_ascii_lowercase();
            assert_eq!(lower(u64::from(byte)), u64::from(expected));
        }
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        let table = Table::new(&[]).unwrap();
        for entry in table.entries() {
            match entry.parent {
                None => {
                    let name = entry.command.name.to_uppercase();
                    assert_eq!(table.find(name.as_bytes()).unwrap().id, entry.id, "{name}");
                    // Behind it the input ends, or there is more.
                    for more in ["", "\r\n", "\r\n$3\r\nkey\r\n"] {
                        let input = format!("..{name}{more}");
                        let spans = [Span { start: 2, len: name.len() as u32 }];
                        let found = table.find_called(Args::new(input.as_bytes(), &spans)).unwrap();
                        assert_eq!(found.id, entry.id, "{input:?}");
                    }
                }
                Some(parent) => {
                    let found = table.find_subcommand(table.entry(parent), entry.command.name.as_bytes());
                    assert_eq!(found.unwrap().id, entry.id, "{}", entry.name);
                }
            }
        }
        assert!(table.find(b"nosuchcommand").is_none());
        assert!(table.find(b"averylongnamethatisnone").is_none());
        for len in [0, 2, 4, 9, 23] {
            let spans = [Span { start: 0, len }];
            assert!(table.find_called(Args::new(b"getsetgetsetgetsetgetset", &spans)).is_none(), "{len}");
        }
    }

    #[test]
    fn renaming() {
        let rename = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        let table = Table::new(&[rename("GET", "fetch"), rename("SET", "")]).unwrap();
        assert!(table.find(b"get").is_none());
        assert_eq!(table.find(b"FETCH").unwrap().command.name, "get");
        assert!(table.find(b"set").is_none());
        assert!(!table.callable().any(|entry| entry.name == "set"));
        assert!(table.callable().any(|entry| entry.name == "get"));
        assert!(Table::new(&[rename("nosuch", "x")]).is_err());
        assert!(Table::new(&[rename("get", "set")]).is_err());
    }
}
