//! Reading configuration: Redis's file syntax, `include`, and the checks that need the whole.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::row::{Directive, Kind, Row, State};
use super::rows::DIR;
use super::value::Value;
use super::words::Repetition;
use super::{Config, RenamedCommand, syntax};

/// Files may include files that far down: deeper is a cycle.
const MAX_INCLUDE_DEPTH: usize = 16;

/// Largest configuration file, bytes: far beyond any sane one, and small enough to read by mistake.
const MAX_FILE_LEN: u64 = 16 << 20;

/// Directives gone from Redis, which passes over them.
pub(super) const RETIRED: [&str; 3] =
    ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// What the configuration is put together from; what comes later counts.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file, relative to the working directory.
    pub file: Option<PathBuf>,
    /// What standard input held.
    pub standard_input: Vec<u8>,
    /// Command-line arguments, already in the form of configuration lines.
    pub arguments: Vec<u8>,
}

/// Why the server cannot start with this configuration. Displayed as Redis displays it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("Fatal error, can't open config file '{}': {}", path.display(), os_text(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("{place}{reason}")]
    Line {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// Where a line of configuration stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Line number from 1. Standard input and arguments count on where the file ends.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// The file, if it was included by another.
    pub included: Option<PathBuf>,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// A quote is not closed, or a closed one is not followed by a space.
    #[error("Unbalanced quotes in configuration line")]
    UnbalancedQuotes,
    /// No such directive, or one like `include` with too few or too many words.
    #[error("Bad directive or wrong number of arguments")]
    BadDirective,
    /// The value is not in the directive's bounds, or refused.
    #[error("{directive}: {reason}")]
    Value {
        /// The directive as it was written.
        directive: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// The directive asks for something that does not exist here.
    #[error("{directive}: {reason}")]
    Unsupported {
        /// The directive.
        directive: &'static str,
        /// What does not exist.
        reason: &'static str,
    },
    /// Redis's word for a Sentinel's directive in a server's configuration.
    #[error("sentinel directive while not in sentinel mode")]
    Sentinel,
    /// A file includes itself, or includes go too deep.
    #[error("include: files are included more than {MAX_INCLUDE_DEPTH} deep")]
    IncludeTooDeep,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Boxcar {}) ***", env!("CARGO_PKG_VERSION"))?;
        write!(f, "Reading the configuration file, at line {}", self.line)?;
        if let Some(file) = &self.included {
            write!(f, " of {}", file.display())?;
        }
        writeln!(f, "\n>>> '{}'", self.text)
    }
}

/// The system's own words for an error, without Rust's additions.
pub(super) fn os_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_string(),
        None => error.to_string(),
    }
}

impl Config {
    /// Reads the configuration from its sources.
    pub fn load(sources: &Sources) -> Result<Config, LoadError> {
        let mut loading = Loading::new()?;
        let mut content = Vec::new();
        if let Some(path) = &sources.file {
            content = read(path)?;
            let absolute = std::path::absolute(path).map_err(|source| open_error(path, source))?;
            loading.config.file = Some(absolute);
        }
        content.extend_from_slice(&sources.standard_input);
        if !sources.arguments.is_empty() {
            content.push(b'\n');
            content.extend_from_slice(&sources.arguments);
        }
        loading.lines(&content, None, 0)?;
        loading.finish()
    }

    /// Reads the configuration from the text of a configuration file.
    pub fn from_text(text: &str) -> Result<Config, LoadError> {
        Config::load(&Sources { standard_input: text.into(), ..Sources::default() })
    }

    /// Parses what was given for a directive; `adding` = after an earlier line of the same configuration.
    pub(super) fn parse(&self, directive: Directive, given: &[&str], adding: bool) -> Result<Value, String> {
        let row = directive.row();
        // Several words in quotes are as good as several words: `save "60 1"`.
        let split: Vec<&str>;
        let given = match (row.kind, given) {
            (Kind::Words(_), [quoted]) if quoted.contains(' ') => {
                split = quoted.split_ascii_whitespace().collect();
                &split
            }
            _ => given,
        };
        let builds_on_current = match row.kind {
            Kind::Words(rule) => match rule.repetition {
                Repetition::Replaces => false,
                Repetition::Adds => adding,
                Repetition::Merges => true,
            },
            _ => false,
        };
        match self.value(directive) {
            Value::Words(current) if builds_on_current => Value::parse(row, &current, given),
            _ if directive == DIR.directive() => self.parse_directory(row, given),
            _ => Value::parse(row, &[], given),
        }
    }

    /// A working directory is held as an absolute path that exists; a relative one starts from the present
    /// one.
    fn parse_directory(&self, row: &Row, given: &[&str]) -> Result<Value, String> {
        let Value::Text(path) = Value::parse(row, &[], given)? else { unreachable!("the row is a text") };
        let path = Path::new(&*self.text(DIR)).join(&*path);
        let absolute = path.canonicalize().map_err(|error| os_text(&error))?;
        if !absolute.is_dir() {
            return Err(nix::errno::Errno::ENOTDIR.desc().into());
        }
        let text = absolute.to_str().ok_or(NOT_UTF8)?;
        Ok(Value::Text(text.into()))
    }
}

/// Texts are held as UTF-8: they end up in replies, logs and file names.
pub(super) const NOT_UTF8: &str = "argument must be valid UTF-8";

/// Why `value` would deceive the user, if it would.
pub(super) fn refusal(row: &Row, value: &Value) -> Option<String> {
    let State::Refused { reason, harmless } = row.state else { return None };
    let text = value.render(row);
    if *value == Value::default_of(row) || harmless.contains(&text.as_str()) {
        return None;
    }
    Some(format!("'{text}' is refused: {reason}"))
}

fn open_error(path: &Path, source: io::Error) -> LoadError {
    LoadError::Open { path: path.into(), source }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let read_bounded = || {
        let mut content = Vec::new();
        File::open(path)?.take(MAX_FILE_LEN + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MAX_FILE_LEN {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(content)
        }
    };
    read_bounded().map_err(|source| open_error(path, source))
}

/// A configuration being read.
struct Loading {
    config: Config,
    /// Where each directive was last given.
    places: HashMap<Directive, Place>,
}

/// Why reading stops at a line: for a reason of its own, or inside a file it includes.
enum Stop {
    Reason(Reason),
    Inside(LoadError),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Stop {
        Stop::Reason(reason)
    }
}

impl Loading {
    fn new() -> Result<Loading, LoadError> {
        let config = Config::default();
        let here = config.parse(DIR.directive(), &["."], false);
        let here = here.map_err(|reason| open_error(Path::new("."), io::Error::other(reason)))?;
        config.store(DIR.directive(), here);
        Ok(Loading { config, places: HashMap::new() })
    }

    fn lines(&mut self, content: &[u8], included: Option<&Path>, depth: usize) -> Result<(), LoadError> {
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let place = Place {
                line: index + 1,
                text: String::from_utf8_lossy(line).into_owned(),
                included: included.map(Path::to_path_buf),
            };
            self.line(line, &place, depth).map_err(|stop| match stop {
                Stop::Reason(reason) => LoadError::Line { place, reason },
                Stop::Inside(error) => error,
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], place: &Place, depth: usize) -> Result<(), Stop> {
        let words = syntax::split(line).ok_or(Reason::UnbalancedQuotes)?;
        let [name, given @ ..] = words.as_slice() else { return Ok(()) };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value_error = |reason| Reason::Value { directive: name.clone(), reason };
        let given: Option<Vec<&str>> = given.iter().map(|word| str::from_utf8(word).ok()).collect();
        let given = given.ok_or_else(|| value_error(NOT_UTF8.into()))?;
        if let Some(directive) = Directive::named(name.as_bytes()) {
            let adding = self.places.contains_key(&directive);
            let value = self.config.parse(directive, &given, adding).map_err(value_error)?;
            self.config.store(directive, value);
            self.places.insert(directive, place.clone());
            return Ok(());
        }
        match (name.as_str(), given.as_slice()) {
            ("include", [pattern]) => self.include(pattern, depth),
            ("rename-command", [name, new_name]) => {
                let renamed = RenamedCommand { name: name.to_string(), new_name: new_name.to_string() };
                self.config.renamed_commands.push(renamed);
                Ok(())
            }
            ("user", [_, ..]) => Err(unsupported(
                "user",
                "access control users do not exist yet, so that everybody would have every right",
            )),
            ("loadmodule", [_, ..]) => Err(unsupported("loadmodule", "modules are not loaded")),
            ("sentinel", _) => Err(Reason::Sentinel.into()),
            (retired, [_]) if RETIRED.contains(&retired) => Ok(()),
            _ => Err(Reason::BadDirective.into()),
        }
    }

    /// Reads the file, or the files that match the pattern, in the order of their names. A pattern may match
    /// none.
    fn include(&mut self, pattern: &str, depth: usize) -> Result<(), Stop> {
        if depth == MAX_INCLUDE_DEPTH {
            return Err(Reason::IncludeTooDeep.into());
        }
        let directory = self.config.text(DIR);
        let paths = if pattern.contains(['*', '?', '[']) {
            let pattern = match pattern.starts_with('/') {
                true => pattern.to_string(),
                false => format!("{}/{pattern}", glob::Pattern::escape(&directory)),
            };
            let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
            let found = glob::glob_with(&pattern, options)
                .map_err(|error| Reason::Value { directive: "include".into(), reason: error.msg.into() })?;
            let found: Result<Vec<PathBuf>, _> = found.collect();
            found.map_err(|error| {
                let path = error.path().to_path_buf();
                Stop::Inside(LoadError::Open { path, source: error.into() })
            })?
        } else {
            vec![Path::new(&*directory).join(pattern)]
        };
        for path in paths {
            let content = read(&path).map_err(Stop::Inside)?;
            self.lines(&content, Some(&path), depth + 1).map_err(Stop::Inside)?;
        }
        Ok(())
    }

    /// Checks what only the final values tell: an earlier line may have been overridden by a later one.
    fn finish(self) -> Result<Config, LoadError> {
        let at_fault = Directive::all().find_map(|directive| {
            Some((directive, refusal(directive.row(), &self.config.value(directive))?))
        });
        match at_fault {
            None => Ok(self.config),
            Some((directive, reason)) => {
                let place = self.places[&directive].clone();
                let directive = directive.row().name.into();
                Err(LoadError::Line { place, reason: Reason::Value { directive, reason } })
            }
        }
    }
}

fn unsupported(directive: &'static str, reason: &'static str) -> Stop {
    Reason::Unsupported { directive, reason }.into()
}
