//! `cargo xtask tidy`: the rules of this code base that no compiler checks.
//!
//! Each rule is a row in [`RULES`] and has its own file. A rule looks at the whole [`Tree`] and says what it found.

mod docs;
mod floors;
mod length;
mod lints;
mod places;
mod reach;
mod tree;
mod unsafety;

use crate::workspace::root;
use anyhow::bail;
use std::fmt;
use std::path::{Path, PathBuf};
use tree::Tree;

/// How a rule is checked.
type Check = fn(&Tree) -> anyhow::Result<Vec<Finding>>;

/// The table of rules.
const RULES: &[(&str, Check)] = &[
    ("floors", floors::check),
    ("module docs", docs::check),
    ("length", length::check),
    ("unsafe", unsafety::check),
    ("lints", lints::check),
    ("machine paths", places::check),
    ("reachability", reach::check),
];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: PathBuf,
    line: usize,
    message: String,
}

impl Finding {
    /// A finding at a line, counted from one.
    fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Checks every rule and prints every finding; an error if there is one.
pub fn run() -> anyhow::Result<()> {
    let tree = Tree::read(root())?;
    let mut count = 0;
    for (name, check) in RULES {
        for finding in check(&tree)? {
            println!("{name}: {finding}");
            count += 1;
        }
    }
    if count > 0 {
        bail!("tidy: {count} findings");
    }
    println!("tidy: {} rules hold over {} files", RULES.len(), tree.files.len());
    Ok(())
}
