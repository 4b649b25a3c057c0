//! Length: a file that one can read in one sitting.

use super::{Finding, Tree};

/// The most lines of one source file, its tests included.
const MOST_LINES: usize = 600;

/// Checks every Rust file.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let lengths = tree.rust().map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > MOST_LINES);
    Ok(long
        .map(|(file, lines)| {
            Finding::new(&file.path, lines, format!("{lines} lines, {MOST_LINES} are the most"))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hundred_lines_are_the_most() {
        let text = "\n".repeat(MOST_LINES);
        assert!(check(&Tree::of(&[("a.rs", &text)])).unwrap().is_empty());
        assert_eq!(check(&Tree::of(&[("a.rs", &format!("{text}\n"))])).unwrap().len(), 1);
    }
}
