//! Lints: every package takes the workspace's, so that no room is checked less than another.

use super::{Finding, Tree};

/// Checks every Cargo.toml that makes a package.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    let packages = manifests.filter(|file| file.text.lines().any(|line| line.trim() == "[package]"));
    let lacking = packages.filter(|file| !is_workspace_of_its_own(&file.text) && !takes_lints(&file.text));
    Ok(lacking.map(|file| Finding::new(&file.path, 1, "does not take the workspace's lints")).collect())
}

fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty()).is_some_and(|line| line == "workspace = true")
}

/// Nightly-only packages (fuzz targets, kernel-side programs) stand outside the workspace.
fn is_workspace_of_its_own(manifest: &str) -> bool {
    manifest.lines().any(|line| line.trim() == "[workspace]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_the_lints_is_a_finding() {
        assert!(
            check(&Tree::of(&[("a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n")]))
                .unwrap()
                .is_empty()
        );
        assert!(check(&Tree::of(&[("a/Cargo.toml", "[package]\n[workspace]\n")])).unwrap().is_empty());
        assert_eq!(
            check(&Tree::of(&[("a/Cargo.toml", "[package]\n[lints]\n[dependencies]\n")])).unwrap().len(),
            1
        );
    }
}
