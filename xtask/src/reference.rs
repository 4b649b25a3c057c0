//! `cargo xtask reference`: writes the reference page of the commands from the register.
//!
//! A unit test of the server compares the page with the register, so that it cannot fall behind.

use crate::workspace::{self, SERVER_PACKAGE, cargo, root};
use anyhow::Context;

/// The page, below the workspace's root.
const PAGE: &str = "server/COMMANDS.md";

/// Writes the page.
pub fn run() -> anyhow::Result<()> {
    let path = root().join(PAGE);
    let page = workspace::output(cargo().args([
        "run",
        "--quiet",
        "--package",
        SERVER_PACKAGE,
        "--example",
        "reference",
    ]))?;
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{PAGE} is up to date");
    Ok(())
}
