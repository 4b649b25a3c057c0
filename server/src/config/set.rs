//! `CONFIG GET` and `CONFIG SET`.

use std::sync::PoisonError;

use super::choices::Guard;
use super::glob::{self, Case};
use super::load::{NOT_UTF8, refusal};
use super::row::{Directive, Kind, Mutability};
use super::rows::ENABLE_PROTECTED_CONFIGS;
use super::value::Value;
use super::{Config, Hook};

/// Why `CONFIG SET` did nothing. Displayed as Redis words it, without the error code in front.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetError {
    /// A directive without a value.
    #[error("syntax error")]
    Syntax,
    /// No such directive.
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    /// A directive cannot be set, or not to this value.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed {
        /// The directive.
        name: String,
        /// Why not.
        reason: String,
    },
}

impl SetError {
    fn failed(name: &str, reason: impl Into<String>) -> SetError {
        SetError::Failed { name: name.into(), reason: reason.into() }
    }
}

/// A pair of `CONFIG SET` that has passed its checks.
struct Change {
    directive: Directive,
    /// The name or alias it was given by.
    name: &'static str,
    value: Value,
}

/// Whether the value of this directive is a secret, to be kept out of logs.
pub fn is_sensitive(name: &[u8]) -> bool {
    Directive::named(name).is_some_and(|directive| directive.row().sensitive)
}

impl Config {
    /// `CONFIG GET`: names and values of what matches any of the patterns, each once. A name without
    /// wildcards is reported as it was written; the aliases that match are reported beside the names.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, directive: Directive| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.into(), self.render(directive)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(directive) = Directive::named(pattern) {
                    add(&String::from_utf8_lossy(pattern), directive);
                }
                continue;
            }
            for directive in Directive::all().filter(|directive| !directive.row().hidden) {
                for name in names(directive) {
                    if glob::matches(pattern, name.as_bytes(), Case::Ignored) {
                        add(name, directive);
                    }
                }
            }
        }
        found
    }

    /// `CONFIG SET`: `arguments` alternate between names and values; `local` tells whether the client came
    /// over the loopback address or a unix socket. All of them are set, and put into effect by the hooks, or
    /// none is.
    pub fn set(&self, arguments: &[&[u8]], local: bool) -> Result<(), SetError> {
        if !arguments.len().is_multiple_of(2) {
            return Err(SetError::Syntax);
        }
        // Held to the end: values are compared and replaced, and hooks run, for one CONFIG SET at a time.
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<(&[u8], &[u8])> = arguments.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let directives = self.settable(&pairs, local)?;
        let mut changes = Vec::new();
        for ((name, text), directive) in pairs.iter().zip(directives) {
            let change = self.checked(directive, name, text)?;
            if change.value != self.value(directive) {
                changes.push(change);
            }
        }
        self.apply(&hooks, &changes)
    }

    /// Finds the directives that are named and may be set. As in Redis the first name at fault is reported.
    fn settable(&self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<Vec<Directive>, SetError> {
        let protected_allowed = match self.choice(ENABLE_PROTECTED_CONFIGS) {
            Guard::Yes => true,
            Guard::No => false,
            Guard::Local => local,
        };
        let mut directives = Vec::new();
        for (name, _) in pairs {
            let as_given = String::from_utf8_lossy(name);
            let directive = Directive::named(name).ok_or_else(|| SetError::Unknown(as_given.to_string()))?;
            let row = directive.row();
            if row.mutability == Mutability::Startup {
                return Err(SetError::failed(&as_given, "can't set immutable config"));
            }
            if row.protected && !protected_allowed {
                return Err(SetError::failed(&as_given, "can't set protected config"));
            }
            if directives.contains(&directive) {
                return Err(SetError::failed(&as_given, "duplicate parameter"));
            }
            directives.push(directive);
        }
        Ok(directives)
    }

    fn checked(&self, directive: Directive, name: &[u8], text: &[u8]) -> Result<Change, SetError> {
        let row = directive.row();
        let name = names(directive).find(|known| known.as_bytes().eq_ignore_ascii_case(name));
        let name = name.expect("the directive was found by this name");
        let text = str::from_utf8(text).map_err(|_| SetError::failed(name, NOT_UTF8))?;
        let given: Vec<&str> = match row.kind {
            Kind::Words(_) => text.split(' ').collect(),
            _ => vec![text],
        };
        let value = self.parse(directive, &given, false).map_err(|reason| SetError::failed(name, reason))?;
        match refusal(row, &value) {
            Some(reason) => Err(SetError::failed(name, reason)),
            None => Ok(Change { directive, name, value }),
        }
    }

    /// Stores the new values and calls the hooks of those directives. If one fails, stores the old values and
    /// calls the same hooks again, so that everybody is back where they were.
    fn apply(&self, hooks: &[Hook], changes: &[Change]) -> Result<(), SetError> {
        let old: Vec<Value> = changes.iter().map(|change| self.value(change.directive)).collect();
        for change in changes {
            self.store(change.directive, change.value.clone());
        }
        let mut called: Vec<&Hook> = Vec::new();
        for hook in hooks {
            let Some(change) = changes.iter().find(|change| hook.directives.contains(&change.directive))
            else {
                continue;
            };
            called.push(hook);
            let Err(reason) = (hook.apply)(self) else { continue };
            for (change, old) in changes.iter().zip(old) {
                self.store(change.directive, old);
            }
            for hook in called {
                if let Err(reason) = (hook.apply)(self) {
                    tracing::warn!("Failed applying restored failed CONFIG SET command: {reason}");
                }
            }
            return Err(SetError::failed(change.name, reason));
        }
        Ok(())
    }
}

/// The name of a directive, and its alias.
pub(super) fn names(directive: Directive) -> impl Iterator<Item = &'static str> {
    let row = directive.row();
    std::iter::once(row.name).chain(row.alias)
}
