//! The shape of a command's row in the register.

use super::{Args, CommandResult, Cx};

bitflags::bitflags! {
    /// Command flags as `COMMAND INFO` names them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// May change the data set.
        const WRITE = 1;
        /// Only reads keys.
        const READONLY = 1 << 1;
        /// May use memory; refused when over `maxmemory`.
        const DENYOOM = 1 << 2;
        /// Administration.
        const ADMIN = 1 << 3;
        /// Publish/subscribe.
        const PUBSUB = 1 << 4;
        /// Not from scripts.
        const NOSCRIPT = 1 << 5;
        /// May block the connection.
        const BLOCKING = 1 << 6;
        /// While loading.
        const LOADING = 1 << 7;
        /// On a stale replica.
        const STALE = 1 << 8;
        /// Not shown to MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Not logged as slow.
        const SKIP_SLOWLOG = 1 << 10;
        /// Quick: O(1) or O(log n).
        const FAST = 1 << 11;
        /// Needs no authentication.
        const NO_AUTH = 1 << 12;
        /// Its keys cannot be told from the key specs alone.
        const MOVABLEKEYS = 1 << 13;
        /// Not inside MULTI.
        const NO_MULTI = 1 << 14;
        /// Needs no keys and runs at once even where data commands wait (used by Redis for busy scripts).
        const ALLOW_BUSY = 1 << 15;
        /// Refused in a script's read-only variant, and so on: no asynchronous loading.
        const NO_ASYNC_LOADING = 1 << 16;
        /// Does not count as a use of the key.
        const TOUCHES_ARBITRARY_KEYS = 1 << 17;
        /// `no-mandatory-keys`.
        const NO_MANDATORY_KEYS = 1 << 18;
        /// Only on enabled debugging (`enable-debug-command`).
        const PROTECTED = 1 << 19;
        /// Executed even inside MULTI instead of being queued (EXEC, DISCARD, ...).
        const NOT_QUEUED = 1 << 20;
        /// Of use to the server itself and its tests only (`syscmd` in `COMMAND DOCS`).
        const SYSTEM = 1 << 21;
        /// Only the connection's own I/O thread may execute it: the order of its reply to messages from other
        /// connections matters, or it changes what becomes of those.
        const HOME = 1 << 24;
        /// Answers with pushes, which CLIENT REPLY does not suppress.
        const PUSHES = 1 << 25;
        /// Sends messages to other connections, and waits while their threads have too many waiting already.
        const PUBLISHES = 1 << 26;
        /// Allowed while a connection that speaks RESP2 has subscriptions.
        const WHILE_LISTENING = 1 << 27;
    }
}

impl Flags {
    /// The flags that `COMMAND INFO` shows, with their names there and in its order.
    pub const SHOWN: &'static [(Self, &'static str)] = &[
        (Self::WRITE, "write"),
        (Self::READONLY, "readonly"),
        (Self::DENYOOM, "denyoom"),
        (Self::ADMIN, "admin"),
        (Self::PUBSUB, "pubsub"),
        (Self::NOSCRIPT, "noscript"),
        (Self::BLOCKING, "blocking"),
        (Self::LOADING, "loading"),
        (Self::STALE, "stale"),
        (Self::SKIP_MONITOR, "skip_monitor"),
        (Self::SKIP_SLOWLOG, "skip_slowlog"),
        (Self::FAST, "fast"),
        (Self::NO_AUTH, "no_auth"),
        (Self::NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (Self::NO_ASYNC_LOADING, "no_async_loading"),
        (Self::NO_MULTI, "no_multi"),
        (Self::MOVABLEKEYS, "movablekeys"),
        (Self::ALLOW_BUSY, "allow_busy"),
    ];

    /// The plain flags every row names, combined in a constant.
    pub const fn of(flags: &[Self]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < flags.len() {
            bits |= flags[i].bits();
            i += 1;
        }
        Self::from_bits_retain(bits)
    }
}

bitflags::bitflags! {
    /// ACL categories given explicitly; those that follow from flags and group (`@read`, `@write`, `@fast`,
    /// `@slow`, `@admin`, `@dangerous`, `@pubsub`, `@blocking`) are derived.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Categories: u32 {
        /// `@keyspace`
        const KEYSPACE = 1;
        /// `@set`
        const SET = 1 << 1;
        /// `@sortedset`
        const SORTED_SET = 1 << 2;
        /// `@list`
        const LIST = 1 << 3;
        /// `@hash`
        const HASH = 1 << 4;
        /// `@string`
        const STRING = 1 << 5;
        /// `@bitmap`
        const BITMAP = 1 << 6;
        /// `@hyperloglog`
        const HYPERLOGLOG = 1 << 7;
        /// `@geo`
        const GEO = 1 << 8;
        /// `@stream`
        const STREAM = 1 << 9;
        /// `@admin`
        const ADMIN = 1 << 10;
        /// `@dangerous`
        const DANGEROUS = 1 << 11;
        /// `@connection`
        const CONNECTION = 1 << 12;
        /// `@transaction`
        const TRANSACTION = 1 << 13;
        /// `@scripting`
        const SCRIPTING = 1 << 14;
    }
}

/// The group that `COMMAND DOCS` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Strings.
    String,
    /// Sorted sets.
    SortedSet,
    /// Places on the earth.
    Geo,
    /// Hashes.
    Hash,
    /// Sets.
    Set,
    /// Strings as arrays of bits.
    Bitmap,
    /// Strings as sketches of sets.
    Hyperloglog,
    /// Streams.
    Stream,
    /// Lists.
    List,
    /// Keys of any type.
    Generic,
    /// The connection itself.
    Connection,
    /// Administration.
    Server,
    /// MULTI and its kin.
    Transactions,
    /// Publish/subscribe.
    PubSub,
}

impl Group {
    /// The name in `COMMAND DOCS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::SortedSet => "sorted-set",
            Self::Geo => "geo",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::Bitmap => "bitmap",
            Self::Hyperloglog => "hyperloglog",
            Self::Stream => "stream",
            Self::List => "list",
            Self::Generic => "generic",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Transactions => "transactions",
            Self::PubSub => "pubsub",
        }
    }
}

bitflags::bitflags! {
    /// What a command does with the keys of one key spec.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KeyFlags: u32 {
        /// Read-write: the value is read and changed.
        const RW = 1;
        /// Read only.
        const RO = 1 << 1;
        /// Overwritten without being read.
        const OW = 1 << 2;
        /// Removed.
        const RM = 1 << 3;
        /// User data is read or returned.
        const ACCESS = 1 << 4;
        /// Data changes depending on what was there.
        const UPDATE = 1 << 5;
        /// New data is added, nothing is changed.
        const INSERT = 1 << 6;
        /// Data is removed.
        const DELETE = 1 << 7;
        /// The spec may not fit every call: the flags depend on arguments.
        const VARIABLE = 1 << 8;
        /// Not a key of the keyspace, but located in a cluster like one (a shard channel).
        const NOT_KEY = 1 << 9;
    }
}

impl KeyFlags {
    /// Names as `COMMAND GETKEYSANDFLAGS` and `COMMAND INFO` show them.
    pub const SHOWN: &'static [(Self, &'static str)] = &[
        (Self::RW, "RW"),
        (Self::RO, "RO"),
        (Self::OW, "OW"),
        (Self::RM, "RM"),
        (Self::ACCESS, "access"),
        (Self::UPDATE, "update"),
        (Self::INSERT, "insert"),
        (Self::DELETE, "delete"),
        (Self::NOT_KEY, "not_key"),
        (Self::VARIABLE, "variable_flags"),
    ];
}

/// Where the keys of a spec begin.
#[derive(Debug, Clone, Copy)]
pub enum Begin {
    /// Clients cannot tell; this function can. It says where the one key is.
    Unknown(fn(Args<'_>) -> Option<usize>),
    /// At this argument.
    Index(usize),
    /// After this word, searched from the given argument on (backwards when negative).
    Keyword(&'static str, i32),
    /// The same for a word that comes behind options, whose values may be the same word.
    Option {
        /// The word.
        word: &'static str,
        /// What clients are told: where to search from.
        from: i32,
        /// The options before it, each with its number of values.
        before: &'static [(&'static str, usize)],
    },
}

/// Which arguments from the beginning on are keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// To `last` (relative to the beginning, negative: from the end of the arguments), every `step`th.
    Range {
        /// Last key, relative to the beginning; -1 is the last argument.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// The first half of what is left; the other half belongs to the keys one by one.
    FirstHalf,
    /// A count at `count_at`, keys from `first` on, both relative to the beginning.
    KeyCount {
        /// Where the number of keys stands.
        count_at: usize,
        /// Where the first key stands.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
}

/// Where some of a command's keys stand and what happens to them
/// (<https://redis.io/docs/latest/develop/reference/key-specs/>).
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What happens to the keys.
    pub flags: KeyFlags,
    /// Where they begin.
    pub begin: Begin,
    /// How far they go.
    pub find: Find,
    /// A remark for the reader of `COMMAND INFO`; mostly empty.
    pub notes: &'static str,
    /// What happens to the keys in this very call, where `flags` say that it varies.
    pub refine: Option<fn(Args<'_>) -> KeyFlags>,
}

impl KeySpec {
    /// One key at argument `at`.
    pub const fn one(at: usize, flags: KeyFlags) -> Self {
        Self {
            flags,
            begin: Begin::Index(at),
            find: Find::Range { last: 0, step: 1 },
            notes: "",
            refine: None,
        }
    }

    /// Keys from argument `at` to the end, every `step`th.
    pub const fn all_from(at: usize, step: usize, flags: KeyFlags) -> Self {
        Self { flags, begin: Begin::Index(at), find: Find::Range { last: -1, step }, notes: "", refine: None }
    }

    /// The same with a remark, and with flags that follow from the call's arguments.
    pub const fn varying(self, notes: &'static str, refine: fn(Args<'_>) -> KeyFlags) -> Self {
        Self { notes, refine: Some(refine), ..self }
    }

    /// The same with a remark.
    pub const fn noted(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }

    /// What a call with these arguments does to its keys.
    pub fn flags_of(&self, args: Args<'_>) -> KeyFlags {
        self.refine.map_or(self.flags, |refine| refine(args))
    }

    /// Calls `visit` with the position of every key in these arguments. Positions are always in range; a call
    /// that the handler will refuse as malformed may name fewer keys.
    pub fn positions(&self, args: Args<'_>, visit: &mut impl FnMut(usize)) {
        if let (Begin::Keyword(word, from), Find::Range { last: 0, .. }) = (self.begin, self.find)
            && from >= 0
        {
            // An option that names one key. It may be repeated, and then the last one counts.
            (from as usize + 1..args.len()).filter(|&i| args.is(i - 1, word)).for_each(visit);
            return;
        }
        let Some(begin) = self.begin_in(args) else { return };
        let (first, last, step) = match self.find {
            Find::Range { last, step } => {
                let last = if last < 0 {
                    args.len() as i64 + i64::from(last)
                } else {
                    begin as i64 + i64::from(last)
                };
                (begin, last, step)
            }
            Find::FirstHalf => (begin, (begin + (args.len() - begin) / 2) as i64 - 1, 1),
            Find::KeyCount { count_at, first, step } => {
                let count = args.get(begin + count_at).and_then(super::args::parse_integer).unwrap_or(0);
                let first = begin + first;
                let room = args.len().saturating_sub(first) as i64;
                (first, first as i64 + count.min(room) * step as i64 - 1, step)
            }
        };
        let last = last.min(args.len() as i64 - 1);
        let mut position = first;
        while position as i64 <= last {
            visit(position);
            position += step;
        }
    }

    fn begin_in(&self, args: Args<'_>) -> Option<usize> {
        match self.begin {
            Begin::Index(at) => (at < args.len()).then_some(at),
            Begin::Unknown(locate) => locate(args),
            Begin::Keyword(word, from) if from >= 0 => {
                (from as usize..args.len()).find(|&i| args.is(i, word)).map(|i| i + 1)
            }
            Begin::Keyword(word, from) => {
                let from = args.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=from).rev().find(|&i| args.is(i, word)).map(|i| i + 1)
            }
            Begin::Option { word, before, .. } => {
                let mut i = 1;
                while !args.is(i, word) {
                    let (_, values) = before.iter().find(|(name, _)| args.is(i, name))?;
                    i += 1 + values;
                }
                Some(i + 1)
            }
        }
    }
}

/// Which shards are locked while the command executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// None: the command touches no keys.
    Nothing,
    /// Those of its keys, by the key specs.
    Keys,
    /// All: the command is atomic over the whole keyspace.
    Keyspace,
    /// The command walks over shards and locks them one after the other itself; all inside a transaction.
    Steps,
    /// Those of all queued commands and watched keys (EXEC).
    Transaction,
}

/// A handler: reads the arguments, works on the locked keys, writes exactly one reply or returns an error.
pub type Handler = fn(&mut Cx<'_, '_>, Args<'_>) -> CommandResult;

/// One argument in `COMMAND DOCS`.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Name.
    pub name: &'static str,
    /// Type as Redis names it: string, integer, double, key, pattern, unix-time, pure-token, oneof, block.
    pub kind: &'static str,
    /// Literal word before the value, or the word itself for a pure token.
    pub token: Option<&'static str>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated with the value.
    pub multiple_token: bool,
    /// What a person is shown instead of the name.
    pub display: Option<&'static str>,
    /// Redis version that introduced it, when later than the command.
    pub since: Option<&'static str>,
    /// Parts of a block or alternatives of a oneof.
    pub parts: &'static [Argument],
}

impl Argument {
    /// A plain required argument.
    pub const fn new(name: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            display: None,
            since: None,
            parts: &[],
        }
    }

    /// A literal word.
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self { token: Some(token), ..Self::new(name, "pure-token") }
    }

    /// The same, optional.
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same, repeatable.
    pub const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }

    /// The same, after a literal word.
    pub const fn after(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The same, repeatable together with its literal word.
    pub const fn multiple_token(self) -> Self {
        Self { multiple: true, multiple_token: true, ..self }
    }

    /// The same, shown to people under another name.
    pub const fn shown(self, display: &'static str) -> Self {
        Self { display: Some(display), ..self }
    }

    /// The same, added to the command by this Redis version.
    pub const fn since(self, version: &'static str) -> Self {
        Self { since: Some(version), ..self }
    }

    /// One of several.
    pub const fn one_of(name: &'static str, parts: &'static [Self]) -> Self {
        Self { parts, ..Self::new(name, "oneof") }
    }

    /// Several together.
    pub const fn block(name: &'static str, parts: &'static [Self]) -> Self {
        Self { parts, ..Self::new(name, "block") }
    }
}

/// One row of the register.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Name in lower case; for a subcommand the part after the container's name.
    pub name: &'static str,
    /// Number of arguments with the name(s); negative: at least so many.
    pub arity: i32,
    /// Flags.
    pub flags: Flags,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// What is locked.
    pub locks: Locks,
    /// Keys that are read beside those of the key specs, and whose names are made of what is in the data set (SORT's
    /// patterns). The function shows each argument whose hash tag says in which shard such keys are, and answers true when
    /// there are some that may be in any; then all are locked. For [`Locks::Keys`].
    pub derived: fn(Args<'_>, &mut dyn FnMut(usize)) -> bool,
    /// ACL categories beyond the derived ones.
    pub categories: Categories,
    /// Redis version that introduced it.
    pub since: &'static str,
    /// Group.
    pub group: Group,
    /// Cost, in Redis's notation; empty where there is nothing to say.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Hints for proxies and clients (`nondeterministic_output`, ...).
    pub tips: &'static [&'static str],
    /// Since when it is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Arguments, for `COMMAND DOCS`.
    pub arguments: &'static [Argument],
    /// Whether the argument at this position is a secret, hidden from MONITOR and the slow log (AUTH).
    pub secret: fn(Args<'_>, usize) -> bool,
    /// The handler; of a container: what answers when no subcommand fits (never called by dispatch).
    pub handler: Handler,
    /// Subcommands, for a container.
    pub subcommands: &'static [Command],
}

impl Command {
    /// The defaults that rows leave out. The handler has none: it answers that the row is incomplete.
    pub const DEFAULT: Self = Self {
        name: "",
        arity: 1,
        flags: Flags::empty(),
        keys: &[],
        locks: Locks::Nothing,
        derived: |_, _| false,
        categories: Categories::empty(),
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "",
        tips: &[],
        deprecated: None,
        arguments: &[],
        secret: |_, _| false,
        handler: container,
        subcommands: &[],
    };

    /// Whether a call with `len` arguments fits the arity.
    pub fn accepts(&self, len: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        len == least || (self.arity < 0 && len > least)
    }
}

fn container(cx: &mut Cx<'_, '_>, _: Args<'_>) -> CommandResult {
    unreachable!("{} has subcommands and is never executed itself", cx.command.name)
}
