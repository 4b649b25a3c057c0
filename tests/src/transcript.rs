//! Transcripts: conversations in plain text, played to a server over either protocol.
//!
//! `tests/README.md` describes how they are written. [`parse`] reads them, [`pattern`] is what a reply is expected to
//! be, [`play()`] holds the conversation, and [`record`] fills in what a real Redis replies.

pub mod parse;
pub mod pattern;
pub mod play;
pub mod record;

pub use parse::{Script, Step};
pub use pattern::Pattern;
pub use play::play;

use std::path::{Path, PathBuf};

/// The folder of transcripts: one subfolder for each family of commands.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// All transcripts, in order of their paths.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for family in std::fs::read_dir(folder()).expect("the folder of transcripts") {
        let family = family.expect("an entry of a folder").path();
        for file in std::fs::read_dir(&family).unwrap_or_else(|e| panic!("{}: {e}", family.display())) {
            files.push(file.expect("an entry of a folder").path());
        }
    }
    files.sort();
    files
}
