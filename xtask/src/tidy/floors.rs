//! Floors: inside `server/src` a file uses only its own room and the rooms below it.

use super::{Finding, Tree};
use crate::tokens;
use std::path::{Component, Path};

/// The rooms of the server, lowest first. ARCHITECTURE.md prints this order and says why it is so.
const FLOORS: &[&str] = &[
    "config",
    "acl",
    "observability",
    "clients",
    "commands",
    "shard",
    "persistence",
    "replication",
    "net",
    "scripting",
    "steering",
    "boot",
];

/// Where the rooms are.
const SOURCES: &str = "server/src";

/// Checks every file of every room, and that ARCHITECTURE.md prints the order.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut findings = printed(tree);
    for file in tree.rust() {
        let Ok(inside) = file.path.strip_prefix(SOURCES) else { continue };
        let Some(room) = room_of(inside) else { continue };
        let Some(floor) = floor_of(&room) else {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("{room} is no room: it is missing from the order of floors"),
            ));
            continue;
        };
        for path in tokens::walk(&file.path, &file.text, depth_of(inside))?.crate_paths {
            let message = match floor_of(&path.first) {
                Some(used) if used <= floor => continue,
                Some(_) => format!("{room} uses {}, a room above it", path.first),
                None => format!("crate::{} is no room of the server", path.first),
            };
            findings.push(Finding::new(&file.path, path.line, message));
        }
    }
    Ok(findings)
}

fn printed(tree: &Tree) -> Vec<Finding> {
    let path = Path::new("ARCHITECTURE.md");
    let order = FLOORS.join(" < ");
    match tree.file(path) {
        Some(file) if file.text.contains(&order) => Vec::new(),
        Some(_) => vec![Finding::new(path, 1, format!("does not print the order of floors: {order}"))],
        None => vec![Finding::new(path, 1, "is missing")],
    }
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|name| *name == room)
}

/// The room that a file below the sources belongs to: its folder, or itself; none for the crate's roots.
fn room_of(inside: &Path) -> Option<String> {
    let mut names = inside.components().filter_map(|c| match c {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let first = names.next()?;
    match first.strip_suffix(".rs") {
        Some("lib" | "main") => None,
        Some(room) => Some(room.to_owned()),
        None => Some(first.to_owned()),
    }
}

/// How many modules a file's module is below the crate's root.
fn depth_of(inside: &Path) -> usize {
    let is_folder_file = inside.file_stem().is_some_and(|stem| stem == "mod");
    inside.components().count() - usize::from(is_folder_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let map = FLOORS.join(" < ");
        let mut all = vec![("ARCHITECTURE.md", map.as_str())];
        all.extend(files);
        check(&Tree::of(&all)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn downwards_and_sideways_is_fine() {
        assert!(
            findings(&[("server/src/net/read.rs", "use crate::{shard::S, net::N}; use crate::config;")])
                .is_empty()
        );
        assert!(findings(&[("server/src/lib.rs", "pub mod net; use crate::boot;")]).is_empty());
    }

    #[test]
    fn upwards_is_a_finding() {
        let found = findings(&[("server/src/shard/run.rs", "\nuse crate::net::Loop;")]);
        assert_eq!(found, ["server/src/shard/run.rs:2: shard uses net, a room above it"]);
        let found = findings(&[("server/src/shard/mod.rs", "use super::net::Loop;")]);
        assert_eq!(found, ["server/src/shard/mod.rs:1: shard uses net, a room above it"]);
    }

    #[test]
    fn what_is_no_room_is_a_finding() {
        assert_eq!(findings(&[("server/src/cellar.rs", "")]).len(), 1);
        assert_eq!(findings(&[("server/src/net/a.rs", "use crate::helpers::x;")]).len(), 1);
    }

    #[test]
    fn the_order_must_be_printed() {
        assert_eq!(check(&Tree::of(&[("ARCHITECTURE.md", "config < net")])).unwrap().len(), 1);
    }
}
