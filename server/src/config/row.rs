//! What one row of the directive register says: name, kind, bounds, default, when it may change, and how far
//! Boxcar honours it. The rows themselves stand in `rows/`; everything about directives that a user can see
//! (`CONFIG GET`, `--help`, error texts, the reference page) is derived from them.

use std::marker::PhantomData;

use super::choices::Choice;
use super::rows;
use super::words::WordRule;

/// A directive: the position of its row in the register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Directive(u16);

impl Directive {
    pub(super) const fn at(index: usize) -> Directive {
        assert!(index < u16::MAX as usize);
        Directive(index as u16)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The directive of this name or alias; letter case is ignored, as in Redis.
    pub fn named(name: &[u8]) -> Option<Directive> {
        rows::named(name)
    }

    /// All directives, in the register's order.
    pub fn all() -> impl Iterator<Item = Directive> {
        (0..rows::COUNT).map(Directive::at)
    }

    /// The row that describes this directive.
    pub fn row(self) -> &'static Row {
        rows::row(self)
    }
}

/// A directive together with the Rust type its value is read as, so that reading a number as a text is a
/// compile error. `K` is one of `i64`, `u64` (bytes), [`MemoryShare`], `bool`, an enum of
/// [`choices`](super::choices), [`Text`] or [`Words`].
pub struct Key<K> {
    directive: Directive,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Key<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Key<K> {}

impl<K> Key<K> {
    pub(super) const fn at(index: usize) -> Key<K> {
        Key { directive: Directive::at(index), kind: PhantomData }
    }

    /// The directive without its type.
    pub const fn directive(self) -> Directive {
        self.directive
    }
}

impl<K> From<Key<K>> for Directive {
    fn from(key: Key<K>) -> Directive {
        key.directive
    }
}

/// Marks a [`Key`] whose value is one text.
pub enum Text {}

/// Marks a [`Key`] whose value is a list of words.
pub enum Words {}

/// The value of `maxmemory-clients`: bytes, or a percentage of `maxmemory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryShare {
    /// A number of bytes.
    Bytes(u64),
    /// A percentage of `maxmemory`, 0 to 100.
    Percent(u8),
}

/// How a directive's value is written, and what it may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A decimal integer within bounds.
    Number {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A decimal integer; a non-negative 32-bit value outside the bounds is moved to the nearest bound
    /// instead of being refused (`hz`).
    Hint {
        /// Smallest value in effect.
        min: i64,
        /// Largest value in effect.
        max: i64,
    },
    /// A power of two within bounds.
    PowerOfTwo {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// An octal integer (`unixsocketperm`).
    Octal {
        /// Largest value; the smallest is 0.
        max: i64,
    },
    /// A number of bytes, with an optional unit: k, kb, m, mb, g, gb (k = 1000, kb = 1024, and so on).
    Memory {
        /// Smallest value, bytes.
        min: i64,
        /// Largest value, bytes.
        max: i64,
    },
    /// A number of bytes as in [`Kind::Memory`], or a percentage from `0%` to `100%`.
    MemoryOrPercent,
    /// `yes` or `no`.
    Switch,
    /// One of the listed names; each stands for the number beside it.
    Choice(&'static [(&'static str, u8)]),
    /// One text; the check may refuse it.
    Text(fn(&str) -> Result<(), String>),
    /// Several words under a rule of their own (`bind`, `save`, `client-output-buffer-limit` and the like).
    Words(&'static WordRule),
}

/// A default value as a constant.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Numbers, bytes, switches (0 and 1), choices.
    Number(i64),
    /// One text.
    Text(&'static str),
    /// Several words.
    Words(&'static [&'static str]),
}

/// When a directive may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutability {
    /// Only in the configuration file or as a command-line argument.
    Startup,
    /// By `CONFIG SET` too.
    Runtime,
}

/// How far Boxcar honours a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// In effect.
    Active,
    /// Accepted, reported by `CONFIG GET` and kept by `CONFIG REWRITE`, but without effect: harmless, because
    /// what it tunes does not exist here or needs no tuning.
    Kept,
    /// Only harmless values are accepted: with any other, the server would promise what it does not do.
    Refused {
        /// What is missing; ends the error message.
        reason: &'static str,
        /// Values beside the default that promise nothing.
        harmless: &'static [&'static str],
    },
}

/// The chapter of `--help` and of the reference page that a directive belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Listeners, connections, protocol limits.
    Network,
    /// Threads, dispatch and the kernel features in use: Boxcar's own directives.
    Engine,
    /// XDP and eBPF.
    Steering,
    /// Process, logs, shutdown.
    General,
    /// Passwords, protected operations, TLS.
    Security,
    /// Memory limit, eviction, freeing, defragmentation.
    Memory,
    /// Slow log, latency, notifications.
    Observability,
    /// Encodings of the data types.
    Data,
    /// Snapshots and the append-only file.
    Persistence,
    /// Replication.
    Replication,
    /// Cluster.
    Cluster,
}

impl Group {
    /// The chapter's heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Network => "Network",
            Group::Engine => "Threads and kernel features",
            Group::Steering => "XDP and eBPF",
            Group::General => "General",
            Group::Security => "Security",
            Group::Memory => "Memory",
            Group::Observability => "Observability",
            Group::Data => "Data types",
            Group::Persistence => "Persistence",
            Group::Replication => "Replication",
            Group::Cluster => "Cluster",
        }
    }
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name, as `CONFIG GET` reports it.
    pub name: &'static str,
    /// An older name that is accepted everywhere and reported beside the name.
    pub alias: Option<&'static str>,
    /// What the value may be.
    pub kind: Kind,
    /// The value when nothing is configured.
    pub default: Default,
    /// When it may be given.
    pub mutability: Mutability,
    /// How far it is honoured.
    pub state: State,
    /// True for Boxcar's own directives, false for Redis's.
    pub boxcar_only: bool,
    /// The value is a secret: kept out of the slow log, MONITOR and the like.
    pub sensitive: bool,
    /// `CONFIG SET` needs `enable-protected-configs`.
    pub protected: bool,
    /// Left out of pattern matches and of the documentation (Redis's testing aids).
    pub hidden: bool,
    /// Chapter.
    pub group: Group,
    /// What it does, one or two sentences.
    pub help: &'static str,
}

/// A row under construction; `K` is the Rust type of its value. Written out by the `directives!` tables.
pub(super) struct Draft<K> {
    row: Row,
    kind: PhantomData<fn() -> K>,
}

impl<K> Draft<K> {
    const fn new(name: &'static str, kind: Kind, default: Default) -> Self {
        let row = Row {
            name,
            alias: None,
            kind,
            default,
            mutability: Mutability::Runtime,
            state: State::Active,
            boxcar_only: false,
            sensitive: false,
            protected: false,
            hidden: false,
            group: Group::General,
            help: "",
        };
        Draft { row, kind: PhantomData }
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Self {
        self.row.alias = Some(alias);
        self
    }

    pub(super) const fn startup(mut self) -> Self {
        self.row.mutability = Mutability::Startup;
        self
    }

    pub(super) const fn kept(mut self) -> Self {
        self.row.state = State::Kept;
        self
    }

    pub(super) const fn refused(self, reason: &'static str) -> Self {
        self.refused_except(&[], reason)
    }

    pub(super) const fn refused_except(
        mut self,
        harmless: &'static [&'static str],
        reason: &'static str,
    ) -> Self {
        self.row.state = State::Refused { reason, harmless };
        self
    }

    pub(super) const fn boxcar_only(mut self) -> Self {
        self.row.boxcar_only = true;
        self
    }

    pub(super) const fn sensitive(mut self) -> Self {
        self.row.sensitive = true;
        self
    }

    pub(super) const fn protected(mut self) -> Self {
        self.row.protected = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.row.hidden = true;
        self
    }

    pub(super) const fn finish(mut self, group: Group, help: &'static str) -> Row {
        self.row.group = group;
        self.row.help = help;
        self.row
    }
}

pub(super) const fn number(name: &'static str, default: i64, min: i64, max: i64) -> Draft<i64> {
    Draft::new(name, Kind::Number { min, max }, Default::Number(default))
}

pub(super) const fn hint(name: &'static str, default: i64, min: i64, max: i64) -> Draft<i64> {
    Draft::new(name, Kind::Hint { min, max }, Default::Number(default))
}

pub(super) const fn power_of_two(name: &'static str, default: i64, min: i64, max: i64) -> Draft<i64> {
    Draft::new(name, Kind::PowerOfTwo { min, max }, Default::Number(default))
}

pub(super) const fn octal(name: &'static str, default: i64, max: i64) -> Draft<i64> {
    Draft::new(name, Kind::Octal { max }, Default::Number(default))
}

pub(super) const fn memory(name: &'static str, default: i64, min: i64, max: i64) -> Draft<u64> {
    assert!(min >= 0);
    Draft::new(name, Kind::Memory { min, max }, Default::Number(default))
}

pub(super) const fn memory_or_percent(name: &'static str, default: i64) -> Draft<MemoryShare> {
    Draft::new(name, Kind::MemoryOrPercent, Default::Number(default))
}

pub(super) const fn switch(name: &'static str, default: bool) -> Draft<bool> {
    Draft::new(name, Kind::Switch, Default::Number(default as i64))
}

/// `default` is the number of the enum's variant: `Network::Auto as u8`.
pub(super) const fn choice<C: Choice>(name: &'static str, default: u8) -> Draft<C> {
    Draft::new(name, Kind::Choice(C::NAMES), Default::Number(default as i64))
}

pub(super) const fn text(name: &'static str, default: &'static str) -> Draft<Text> {
    checked_text(name, default, |_| Ok(()))
}

pub(super) const fn checked_text(
    name: &'static str,
    default: &'static str,
    check: fn(&str) -> Result<(), String>,
) -> Draft<Text> {
    Draft::new(name, Kind::Text(check), Default::Text(default))
}

pub(super) const fn words(
    name: &'static str,
    default: &'static [&'static str],
    rule: &'static WordRule,
) -> Draft<Words> {
    Draft::new(name, Kind::Words(rule), Default::Words(default))
}

/// A table of directives: for each row its help as a doc comment, the constant, the type its value is read
/// as, and its description. `after` names the table whose rows precede these in the register.
macro_rules! directives {
    (
        group $group:expr, after $previous:ident;
        $( $(#[doc = $help:literal])+ $constant:ident: $kind:ty = $draft:expr; )+
    ) => {
        /// Number of rows in this table and those before it.
        pub(super) const END: usize = super::$previous::END + ROWS.len();

        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Position { $( $constant, )+ }

        $(
            $(#[doc = $help])+
            pub const $constant: $crate::config::row::Key<$kind> =
                $crate::config::row::Key::at(super::$previous::END + Position::$constant as usize);
        )+

        /// The rows of this table.
        pub(super) const ROWS: &[$crate::config::row::Row] = &[
            $( {
                const DRAFT: $crate::config::row::Draft<$kind> = $draft;
                DRAFT.finish($group, concat!($($help),+))
            }, )+
        ];
    };
}
pub(super) use directives;
