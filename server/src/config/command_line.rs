//! What stands behind the program's name.
//!
//! Redis's form is freer than an option parser's: a directive takes all words up to the next `--`, and a word
//! may begin with dashes when it is the first behind its directive. So the words are turned into
//! configuration lines here, to be read behind the file, as Redis does; clap, fed from the register, writes
//! `--help` and `--version`.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use super::Config;
use super::load::{LoadError, Sources};
use super::reference::{bounds, chapters, default_text, remark};
use super::row::{Directive, Kind, Row};
use super::syntax;

/// Standard input longer than this is not a configuration.
const MAX_INPUT_LEN: u64 = 16 << 20;

/// What the user asks for.
pub enum Invocation {
    /// Start the server.
    Serve(Box<Config>),
    /// Print this text and end.
    Print(String),
}

/// Reads the arguments, without the program's name, and whatever they refer to. `input` is standard input,
/// read only when an argument is `-`.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    input: impl Read,
) -> Result<Invocation, LoadError> {
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Ok(Invocation::Print(program().render_version())),
        Some(b"-h" | b"--help") => return Ok(Invocation::Print(program().render_long_help().to_string())),
        _ => {}
    }
    let mut sources = Sources::default();
    let mut rest = arguments.as_slice();
    if let [first, others @ ..] = rest
        && first.first().is_some_and(|byte| *byte != b'-')
    {
        sources.file = Some(OsString::from_vec(first.clone()).into());
        rest = others;
    }
    let reads_input = match rest {
        [dash, others @ ..] if dash == b"-" && rest.len() == arguments.len() => {
            rest = others;
            true
        }
        [others @ .., dash] if dash == b"-" => {
            rest = others;
            true
        }
        _ => false,
    };
    if reads_input {
        let read = input.take(MAX_INPUT_LEN).read_to_end(&mut sources.standard_input);
        read.map_err(|source: io::Error| LoadError::Open { path: "-".into(), source })?;
    }
    sources.arguments = to_lines(rest);
    Ok(Invocation::Serve(Box::new(Config::load(&sources)?)))
}

/// Turns words into configuration lines: each `--name` begins one, and what follows is quoted behind it.
fn to_lines(words: &[Vec<u8>]) -> Vec<u8> {
    let mut lines = Vec::new();
    // A directive that still waits for its first word takes it even when it begins with dashes.
    let mut waiting = false;
    for (index, word) in words.iter().enumerate() {
        let Some(name) = word.strip_prefix(b"--").filter(|_| !waiting) else {
            lines.extend_from_slice(&syntax::quote(word));
            lines.push(b' ');
            waiting = false;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend_from_slice(name);
        lines.push(b' ');
        let has_value = name.trim_ascii_end().iter().any(u8::is_ascii_whitespace);
        let next_is_name = words.get(index + 1).is_none_or(|next| next.starts_with(b"--"));
        waiting = !has_value;
        if waiting
            && next_is_name
            && let Some(default) = value_when_bare(name)
        {
            lines.extend_from_slice(default);
            waiting = false;
        }
    }
    lines
}

/// What a directive without any word means: a switch is on, and no save points are none.
fn value_when_bare(name: &[u8]) -> Option<&'static [u8]> {
    let row = Directive::named(name.trim_ascii())?.row();
    match row.kind {
        Kind::Switch => Some(b"yes"),
        _ if row.name == "save" => Some(b"\"\""),
        _ => None,
    }
}

/// The program as clap describes it: one option for each row of the register.
fn program() -> clap::Command {
    let program = clap::Command::new("boxcar")
        .bin_name("boxcar")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Boxcar, a Redis-compatible in-memory data store for one Linux machine")
        .override_usage("boxcar [CONFIG_FILE | -] [--DIRECTIVE VALUE...]...")
        .after_help(
            "Each --DIRECTIVE takes the words up to the next one and overrides the configuration file:\n  \
             boxcar /etc/boxcar.conf --port 0 --unixsocket /run/boxcar.sock\n  \
             boxcar --bind 127.0.0.1 ::1 --client-output-buffer-limit pubsub 32mb 8mb 60",
        )
        .disable_version_flag(true)
        .arg(clap::Arg::new("version").short('v').long("version").num_args(0).help("Print version"))
        .arg(clap::Arg::new("CONFIG_FILE").help("Configuration file; - reads standard input"));
    chapters().flat_map(|(_, rows)| rows).fold(program, |program, row| program.arg(option(row)))
}

fn option(row: &'static Row) -> clap::Arg {
    let remark = remark(row).map(|remark| format!("\n[{remark}]")).unwrap_or_default();
    let values: clap::builder::ValueRange = match row.kind {
        Kind::Switch => (0..=1).into(),
        Kind::Words(_) => (1..).into(),
        _ => 1.into(),
    };
    clap::Arg::new(row.name)
        .long(row.name)
        .visible_aliases(row.alias)
        .value_name("VALUE")
        .num_args(values)
        .help_heading(row.group.title())
        .help(format!("{}\n[{}] [default: {}]{remark}", row.help.trim(), bounds(row), default_text(row)))
}
