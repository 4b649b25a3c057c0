//! Reachability: every source file is part of some target; code that nothing compiles rots.

use super::tree::File;
use super::{Finding, Tree};
use crate::tokens;
use crate::workspace::{json_strings, metadata};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Asks cargo for the targets of every package and follows their modules.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut roots = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml") && is_workspace(&file.text))
    {
        let metadata = metadata(&tree.root.join(&file.path))?;
        roots.extend(json_strings(&metadata, "src_path").map(PathBuf::from));
    }
    let roots =
        roots.iter().filter_map(|root| root.strip_prefix(&tree.root).ok()).map(Path::to_owned).collect();
    unreached(tree, roots)
}

/// One question to cargo answers for all members of a workspace.
fn is_workspace(manifest: &str) -> bool {
    manifest.lines().any(|line| line.trim() == "[workspace]")
}

fn unreached(tree: &Tree, roots: Vec<PathBuf>) -> anyhow::Result<Vec<Finding>> {
    let mut reached: HashSet<PathBuf> = HashSet::new();
    // A file, and the folder where its modules are.
    let mut waiting: Vec<(PathBuf, PathBuf)> =
        roots.into_iter().map(|root| (root.clone(), folder(&root).to_owned())).collect();
    while let Some((path, modules)) = waiting.pop() {
        let Some(file) = tree.file(&path) else { continue };
        if reached.insert(path) {
            waiting.extend(modules_of(tree, file, &modules)?);
        }
    }
    let lost = tree.rust().filter(|file| !reached.contains(&file.path));
    Ok(lost.map(|file| Finding::new(&file.path, 1, "is part of no target: nothing compiles it")).collect())
}

fn modules_of(tree: &Tree, file: &File, modules: &Path) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let found = tokens::walk(&file.path, &file.text, 0)?.modules;
    Ok(found
        .into_iter()
        .filter_map(|module| {
            let within: PathBuf = module.within.iter().collect();
            if let Some(path) = module.path {
                let path = folder(&file.path).join(within).join(path);
                return Some((path.clone(), folder(&path).to_owned()));
            }
            let own = modules.join(within).join(&module.name);
            let candidates = [own.with_extension("rs"), own.join("mod.rs")];
            candidates.into_iter().find(|path| tree.file(path).is_some()).map(|path| (path, own))
        })
        .collect())
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_followed() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "mod one; mod two;"),
            ("a/src/one.rs", "mod deep; #[path = \"odd_name.rs\"] mod odd;"),
            ("a/src/one/deep.rs", ""),
            ("a/src/odd_name.rs", ""),
            ("a/src/two/mod.rs", "mod inner;"),
            ("a/src/two/inner.rs", ""),
            ("a/src/two/lost.rs", ""),
        ]);
        let found = unreached(&tree, vec!["a/src/lib.rs".into()]).unwrap();
        assert_eq!(found.iter().map(|f| f.path.to_str().unwrap()).collect::<Vec<_>>(), ["a/src/two/lost.rs"]);
    }
}
