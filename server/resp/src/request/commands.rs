//! The result of parsing: where the commands and their arguments lie in the input.

use crate::limits;

/// A range of the input given to [`Parser::parse`](crate::Parser::parse).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of `input` in this range.
    ///
    /// # Panics
    ///
    /// If the range does not lie in `input`, which is then not the slice it was parsed from.
    #[inline]
    pub fn of(self, input: &[u8]) -> &[u8] {
        &input[self.range()]
    }

    /// The range as one of the standard library.
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// One complete command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Offset of the command's first raw byte in the input.
    pub start: u32,
    /// Offset behind its last raw byte.
    pub end: u32,
    /// Index of its first argument, the command's name, among all arguments of the [`Commands`].
    pub first_arg: u32,
    /// Number of its arguments, the name included; at least 1.
    pub argc: u32,
}

/// Complete commands, in the order they arrived. Made to be reused: cleared, it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    pub(super) commands: Vec<Command>,
    pub(super) args: Vec<Span>,
}

impl Commands {
    /// An empty collection; allocates with the first command.
    pub fn new() -> Self {
        Commands::default()
    }

    /// An empty collection with room for `commands` commands and `args` arguments.
    pub fn with_capacity(commands: usize, args: usize) -> Self {
        Commands { commands: Vec::with_capacity(commands), args: Vec::with_capacity(args) }
    }

    /// Forgets all commands. Memory is kept, up to [`limits::RETAINED_ARGS`].
    pub fn clear(&mut self) {
        self.commands.clear();
        self.args.clear();
        self.commands.shrink_to(limits::RETAINED_ARGS);
        self.args.shrink_to(limits::RETAINED_ARGS);
    }

    /// Number of commands.
    #[inline]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is no command.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command at `index`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub fn command(&self, index: usize) -> Command {
        self.commands[index]
    }

    /// The arguments of the command at `index`, its name first.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub fn argv(&self, index: usize) -> &[Span] {
        self.args_of(self.commands[index])
    }

    /// The arguments of `command`, which must be one of this collection.
    ///
    /// # Panics
    ///
    /// If its arguments lie beyond those of this collection.
    #[inline]
    pub fn args_of(&self, command: Command) -> &[Span] {
        &self.args[command.first_arg as usize..][..command.argc as usize]
    }

    /// All commands.
    #[inline]
    pub fn iter(&self) -> std::slice::Iter<'_, Command> {
        self.commands.iter()
    }

    /// Records the command whose arguments are those from `first_arg` to the last.
    #[inline]
    pub(super) fn finish(&mut self, start: usize, end: usize, first_arg: usize) {
        let argc = self.args.len() - first_arg;
        self.commands.push(Command {
            start: start as u32,
            end: end as u32,
            first_arg: first_arg as u32,
            argc: argc as u32,
        });
    }

    /// Makes sure once, for a whole call of the parser, that indices of arguments cannot outgrow their 32 bits: an argument
    /// takes two bytes of input or more.
    pub(super) fn assert_room_for(&self, input_len: usize) {
        assert!(
            self.args.len() + input_len / 2 < u32::MAX as usize,
            "Commands must be cleared between batches"
        );
    }
}

impl<'a> IntoIterator for &'a Commands {
    type Item = &'a Command;
    type IntoIter = std::slice::Iter<'a, Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
