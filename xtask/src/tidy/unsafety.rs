//! `unsafe`: only in a few places, and each time with the reason why it is sound.

use super::{Finding, Tree};
use crate::tokens;
use std::path::Path;

/// The rooms and files that may use `unsafe`.
const ALLOWED: &[&str] = &[
    "server/sys",
    "server/store",
    // The two servers that measure the kernel's own limit, and the load that they are measured with.
    "perf/src/null",
    // The kernel-side programs, and the layouts that they share with the server.
    "ebpf",
];

/// How far above an `unsafe` its SAFETY comment may begin: a long comment over a statement of several lines.
const REACH: usize = 16;

/// Checks every Rust file.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let found = tokens::walk(&file.path, &file.text, 0)?;
        let allowed = ALLOWED.iter().any(|place| file.path.starts_with(Path::new(place)));
        for line in found.unsafe_sites.iter().chain(&found.unsafe_declarations) {
            if !allowed {
                findings.push(Finding::new(&file.path, *line, "`unsafe` in a place that may not use it"));
            }
        }
        let lines: Vec<&str> = file.text.lines().collect();
        for line in found.unsafe_sites {
            if !has_reason(&lines, line) {
                findings.push(Finding::new(&file.path, line, "`unsafe` without a SAFETY comment"));
            }
        }
    }
    Ok(findings)
}

/// Whether the line (counted from one) or the lines above it, up to a blank one, hold a SAFETY comment.
fn has_reason(lines: &[&str], line: usize) -> bool {
    let above = lines[..line].iter().rev().take(REACH);
    above.take_while(|text| !text.trim().is_empty()).any(|text| text.contains("// SAFETY: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "fn f() {\n    // SAFETY: p is valid.\n    let x =\n        unsafe { *p };\n}";
    const BARE: &str = "fn f() {\n    // SAFETY: of another line\n\n    unsafe { *p };\n}";

    #[test]
    fn a_reason_stands_close_above() {
        assert!(check(&Tree::of(&[("server/sys/src/a.rs", SOUND)])).unwrap().is_empty());
        assert_eq!(check(&Tree::of(&[("server/sys/src/a.rs", BARE)])).unwrap().len(), 1);
    }

    #[test]
    fn other_rooms_have_none() {
        assert_eq!(check(&Tree::of(&[("server/src/net/a.rs", SOUND)])).unwrap().len(), 1);
        assert_eq!(check(&Tree::of(&[("server/system/a.rs", "unsafe fn f() {}")])).unwrap().len(), 1);
    }
}
