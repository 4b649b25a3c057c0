//! Machine paths: the project's text knows no machine, no user and no folder outside itself.

use super::{Finding, Tree};

/// Beginnings of paths that only one machine has. Written in two pieces, so that this list is no finding itself.
const PLACES: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root"),
    concat!("/", "home/"),
    concat!("/tmp", "/wt"),
    concat!("/tmp", "/tg"),
    concat!("/opt", "/peers"),
];

/// Checks every text file.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for place in PLACES.iter().filter(|place| names(line, place)) {
                findings.push(Finding::new(
                    &file.path,
                    number + 1,
                    format!("names {place}, a place on one machine"),
                ));
            }
        }
    }
    Ok(findings)
}

/// Whether the line holds the place as a path of its own, not as the middle of a longer one or of a word.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        let inside = before.is_some_and(|c| c.is_alphanumeric() || "._-})$".contains(c));
        let goes_on =
            !place.ends_with('/') && after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
        !inside && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_paths_are_found() {
        let root = PLACES[1];
        assert!(names(&format!("cd {root}/x"), root));
        assert!(names(&format!("({root})"), root));
        assert!(!names(&format!("target{root}"), root));
        assert!(!names(&format!("{root}s"), root));
    }

    #[test]
    fn every_kind_of_file_is_checked() {
        let text = format!("\nsee {}main", PLACES[0]);
        assert_eq!(check(&Tree::of(&[("notes.md", &text)])).unwrap()[0].line, 2);
    }
}
