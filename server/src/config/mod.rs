//! Configuration: the register of directives, their values, and everything a user can do with them.
//!
//! - [`rows`] holds one row for each directive; [`Row`] says what a row is, [`choices`] the named values.
//! - [`Config`] holds the values. Reading one is a relaxed atomic load (numbers, switches, choices) or a
//!   reference count (texts, lists), so that any thread may read at any time.
//!
//! - [`load`] reads configuration files in Redis's syntax, [`command_line`] what stands behind the program's
//!   name, [`set`] is `CONFIG GET` and `CONFIG SET`, [`rewrite`] `CONFIG REWRITE`, [`mod@reference`] the page of
//!   all directives.
//!
//! This is the lowest room of the server: it imports nothing from the others. Whoever must act on a change
//! registers a hook ([`Config::on_change`]).
//!
//! ```
//! use boxcar_server::config::{Config, choices::Dispatch, rows::*};
//!
//! let config = Config::default();
//! assert_eq!(config.int(PORT), 6379);
//! assert_eq!(config.choice::<Dispatch>(DISPATCH), Dispatch::Auto);
//! assert_eq!(config.list(BIND).join(" "), "* -::*");
//! ```
#![forbid(unsafe_code)]

pub mod choices;
pub mod command_line;
pub mod glob;
pub mod guard;
pub mod load;
pub mod reference;
pub mod rewrite;
mod row;
pub mod rows;
pub mod set;
mod syntax;
#[cfg(test)]
mod tests;
mod value;
mod words;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use row::{Default as DefaultValue, Directive, Group, Key, Kind, MemoryShare, Mutability, Row, State};
pub use row::{Text, Words};
pub use value::parse_memory;
pub use words::WordRule;

use choices::Choice;
use value::Value;

/// The values of all directives.
pub struct Config {
    /// The number of each directive that has one: what hot paths read.
    numbers: [AtomicI64; rows::COUNT],
    /// The value of each directive.
    values: [RwLock<Value>; rows::COUNT],
    /// `client-output-buffer-limit` taken apart: hard, soft, seconds for each class.
    output_limits: [[AtomicU64; 3]; 3],
    /// What to call after which directive has changed. The lock also keeps two `CONFIG SET`s apart.
    hooks: Mutex<Vec<Hook>>,
    /// The configuration file, absolute: what `CONFIG REWRITE` rewrites.
    file: Option<PathBuf>,
    /// `rename-command` lines in order.
    renamed_commands: Vec<RenamedCommand>,
}

/// A `rename-command` line. Whether the command exists is for the owner of the command table to check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenamedCommand {
    /// The command's own name.
    pub name: String,
    /// The name it gets; empty removes it.
    pub new_name: String,
}

/// Puts a changed directive into effect, or says why that is impossible.
type Apply = dyn Fn(&Config) -> Result<(), String> + Send + Sync;

struct Hook {
    directives: Vec<Directive>,
    apply: Box<Apply>,
}

/// The classes that `client-output-buffer-limit` tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientClass {
    /// Ordinary clients, MONITOR included.
    Normal,
    /// Replicas.
    Replica,
    /// Clients with at least one subscription.
    Pubsub,
}

/// When a client with unsent replies is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimit {
    /// Bytes at which it is closed at once; 0 = never.
    pub hard: u64,
    /// Bytes at which the clock of `soft_seconds` starts; 0 = never.
    pub soft: u64,
    /// Seconds above `soft` after which it is closed.
    pub soft_seconds: u64,
}

impl Default for Config {
    /// Every directive at its default.
    fn default() -> Config {
        let config = Config {
            numbers: std::array::from_fn(|_| AtomicI64::new(0)),
            values: std::array::from_fn(|_| RwLock::new(Value::Number(0))),
            output_limits: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            hooks: Mutex::new(Vec::new()),
            file: None,
            renamed_commands: Vec::new(),
        };
        for directive in Directive::all() {
            config.store(directive, Value::default_of(directive.row()));
        }
        config
    }
}

impl Config {
    /// A number.
    #[inline]
    pub fn int(&self, key: Key<i64>) -> i64 {
        self.number(key.directive())
    }

    /// A number of bytes.
    #[inline]
    pub fn bytes(&self, key: Key<u64>) -> u64 {
        self.number(key.directive()) as u64
    }

    /// A switch.
    #[inline]
    pub fn bool(&self, key: Key<bool>) -> bool {
        self.number(key.directive()) != 0
    }

    /// One of several names.
    #[inline]
    pub fn choice<C: Choice>(&self, key: Key<C>) -> C {
        C::from_number(self.number(key.directive()) as u8)
    }

    /// Bytes, or a percentage of `maxmemory`.
    pub fn memory_share(&self, key: Key<MemoryShare>) -> MemoryShare {
        match self.number(key.directive()) {
            percent @ ..=-1 => MemoryShare::Percent(percent.unsigned_abs() as u8),
            bytes => MemoryShare::Bytes(bytes as u64),
        }
    }

    /// A text. Takes a short lock: not for the path of a command.
    pub fn text(&self, key: Key<Text>) -> Arc<str> {
        match self.value(key.directive()) {
            Value::Text(text) => text,
            Value::Number(_) | Value::Words(_) => unreachable!("the key's type is the row's"),
        }
    }

    /// A list of words. Takes a short lock: not for the path of a command.
    pub fn list(&self, key: Key<Words>) -> Arc<[Arc<str>]> {
        match self.value(key.directive()) {
            Value::Words(words) => words,
            Value::Number(_) | Value::Text(_) => unreachable!("the key's type is the row's"),
        }
    }

    /// The output-buffer limit of a class of clients.
    #[inline]
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        let [hard, soft, soft_seconds] = &self.output_limits[class as usize];
        OutputLimit {
            hard: hard.load(Relaxed),
            soft: soft.load(Relaxed),
            soft_seconds: soft_seconds.load(Relaxed),
        }
    }

    /// The configuration file the server was started with, absolute.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The `rename-command` lines, in order.
    pub fn renamed_commands(&self) -> &[RenamedCommand] {
        &self.renamed_commands
    }

    /// The value as `CONFIG GET` reports it.
    pub fn render(&self, directive: impl Into<Directive>) -> String {
        let directive = directive.into();
        self.value(directive).render(directive.row())
    }

    /// Directives that were configured but have no effect here ([`State::Kept`]): worth a line in the log at
    /// start.
    pub fn without_effect(&self) -> Vec<&'static Row> {
        let changed = |directive: &Directive| self.value(*directive) != Value::default_of(directive.row());
        let rows = Directive::all().filter(changed).map(Directive::row);
        rows.filter(|row| row.state == State::Kept).collect()
    }

    /// Registers `apply`, to be called on the thread of the `CONFIG SET` after the directive has a new value.
    /// When it fails, the whole `CONFIG SET` is taken back and its text reported. It must be quick, must not
    /// set directives or register hooks, and must not wait for another thread, which may itself be waiting to
    /// run a `CONFIG SET`.
    pub fn on_change(
        &self,
        directive: impl Into<Directive>,
        apply: impl Fn(&Config) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.on_any_change(&[directive.into()], apply);
    }

    /// As [`Config::on_change`], for several directives that are applied together: one call even when one
    /// `CONFIG SET` changes several of them.
    pub fn on_any_change(
        &self,
        directives: &[Directive],
        apply: impl Fn(&Config) -> Result<(), String> + Send + Sync + 'static,
    ) {
        let hook = Hook { directives: directives.to_vec(), apply: Box::new(apply) };
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    #[inline]
    fn number(&self, directive: Directive) -> i64 {
        self.numbers[directive.index()].load(Relaxed)
    }

    fn value(&self, directive: Directive) -> Value {
        self.values[directive.index()].read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, directive: Directive, value: Value) {
        if let Value::Number(number) = value {
            self.numbers[directive.index()].store(number, Relaxed);
        }
        if directive == rows::CLIENT_OUTPUT_BUFFER_LIMIT.directive() {
            self.store_output_limits(&value);
        }
        *self.values[directive.index()].write().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn store_output_limits(&self, value: &Value) {
        let Value::Words(words) = value else { unreachable!("the row is a list") };
        for (class, group) in words.chunks_exact(4).enumerate() {
            for (limit, word) in self.output_limits[class].iter().zip(&group[1..]) {
                limit.store(word.parse().expect("a stored limit is a number"), Relaxed);
            }
        }
    }
}
