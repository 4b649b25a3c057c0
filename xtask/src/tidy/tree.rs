//! The files that the rules look at.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// What is made, not written. (In a linked worktree, `.git` is a file.)
const MADE: &[&str] = &["target", ".git", "corpus", "artifacts", "__pycache__"];

/// A text file.
pub struct File {
    /// Relative to the tree's root.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

impl File {
    /// Whether it is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|e| e == "rs")
    }
}

/// All text files below a root.
pub struct Tree {
    /// The root itself; absolute.
    pub root: PathBuf,
    /// In order of their paths.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads every text file below `root`; one that is not UTF-8 is not text.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut tree = Self { root: root.to_owned(), files: Vec::new() };
        tree.read_folder(root)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            if MADE.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.read_folder(&path)?;
            } else if entry.file_type()?.is_file() {
                let bytes =
                    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                if let Ok(text) = String::from_utf8(bytes) {
                    self.files.push(File { path: path.strip_prefix(&self.root)?.to_owned(), text });
                }
            }
        }
        Ok(())
    }

    /// The Rust source files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The file at this path, relative to the root.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&File> {
        self.files.iter().find(|file| file.path == path.as_ref())
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: path.into(), text: (*text).to_owned() };
        Self { root: PathBuf::from("."), files: files.iter().map(file).collect() }
    }
}
