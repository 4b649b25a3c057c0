//! Module docs: every source file says at its top what lives in it.

use super::{Finding, Tree};

/// Checks every Rust file.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let lacking = tree.rust().filter(|file| !says_what_it_is(&file.text));
    Ok(lacking.map(|file| Finding::new(&file.path, 1, "has no `//!` docs at its top")).collect())
}

/// The first line that is neither blank, nor an inner attribute, nor a plain comment is a module doc with words in it.
fn says_what_it_is(text: &str) -> bool {
    let skipped = |line: &&str| {
        line.is_empty() || line.starts_with("#!") || (line.starts_with("//") && !line.starts_with("//!"))
    };
    let first = text.lines().map(str::trim).find(|line| !skipped(line));
    first.and_then(|line| line.strip_prefix("//!")).is_some_and(|words| words.trim().len() >= 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_must_come_first_and_say_something() {
        assert!(says_what_it_is("#![forbid(unsafe_code)]\n\n//! Reads the sockets.\nuse x;"));
        assert!(!says_what_it_is("use x;\n//! Reads the sockets."));
        assert!(!says_what_it_is("//!\nuse x;"));
        assert!(!says_what_it_is("/// Reads the sockets.\nfn f() {}"));
    }
}
