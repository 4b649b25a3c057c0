//! Writing a command.

use super::{Family, World};
use crate::load::values::digits;

/// A command under way.
pub(in crate::load) struct Command<'a> {
    pub out: &'a mut Vec<u8>,
    pub world: &'a World,
}

impl Command<'_> {
    /// Begins a command of `name` and that many arguments behind it.
    pub fn begin(&mut self, name: &str, arguments: usize) {
        self.header(b'*', arguments + 1);
        self.text(name.as_bytes());
    }

    /// An argument.
    pub fn text(&mut self, text: &[u8]) {
        self.header(b'$', text.len());
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An argument that is a number.
    pub fn number(&mut self, number: impl itoa::Integer) {
        self.text(itoa::Buffer::new().format(number).as_bytes());
    }

    /// The name of key number `key`.
    pub fn key(&mut self, family: Family, key: u64) {
        let infix = family.infix();
        let digits = digits(key);
        self.header(b'$', self.world.prefix.len() + infix.len() + digits.len());
        self.out.extend_from_slice(self.world.prefix.as_bytes());
        self.out.extend_from_slice(infix.as_bytes());
        self.out.extend_from_slice(&digits);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The value of number `key` (a key's, or a member's identity).
    pub fn value(&mut self, key: u64, version: u32) {
        let size = self.world.values.size(key);
        self.header(b'$', size);
        self.world.values.append(self.out, key, version, size);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The name of a member.
    pub fn member(&mut self, member: u64) {
        self.text(&name_of(member));
    }

    fn header(&mut self, mark: u8, length: usize) {
        self.out.push(mark);
        self.out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A member's name: `m` and seven digits.
pub(super) fn name_of(member: u64) -> [u8; 8] {
    let mut name = [b'm'; 8];
    name[1..].copy_from_slice(&digits(member)[5..]);
    name
}

/// The member of this name.
pub(super) fn member_of(name: &[u8]) -> Option<u64> {
    let [b'm', digits @ ..] = name else { return None };
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.len() == 7 { digits.parse().ok() } else { None }
}
