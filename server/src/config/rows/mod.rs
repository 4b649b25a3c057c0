//! The register of directives: one row each, in tables by chapter. To add a directive, add a row to its
//! table.

mod cluster;
mod data;
mod engine;
mod general;
mod memory;
mod network;
mod observability;
mod persistence;
mod replication;
mod security;
mod steering;

pub use cluster::*;
pub use data::*;
pub use engine::*;
pub use general::*;
pub use memory::*;
pub use network::*;
pub use observability::*;
pub use persistence::*;
pub use replication::*;
pub use security::*;
pub use steering::*;

use super::row::{Directive, Row};

/// The start of the register: the tables follow one another, each beginning where the one before ends.
mod start {
    /// Number of rows before the first table.
    pub(super) const END: usize = 0;
}

const TABLES: [&[Row]; 11] = [
    network::ROWS,
    engine::ROWS,
    steering::ROWS,
    general::ROWS,
    security::ROWS,
    memory::ROWS,
    observability::ROWS,
    data::ROWS,
    persistence::ROWS,
    replication::ROWS,
    cluster::ROWS,
];

/// Number of directives.
pub(super) const COUNT: usize = cluster::END;

static REGISTER: [Row; COUNT] = {
    let mut register = [TABLES[0][0]; COUNT];
    let (mut table, mut filled) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            register[filled] = TABLES[table][row];
            filled += 1;
            row += 1;
        }
        table += 1;
    }
    assert!(filled == COUNT, "every table chains to the one listed before it");
    register
};

pub(super) fn row(directive: Directive) -> &'static Row {
    &REGISTER[directive.index()]
}

/// Linear: names are looked up by people and at start, never on a hot path.
pub(super) fn named(name: &[u8]) -> Option<Directive> {
    let is = |candidate: &str| candidate.as_bytes().eq_ignore_ascii_case(name);
    let found = REGISTER.iter().position(|row| is(row.name) || row.alias.is_some_and(is));
    found.map(Directive::at)
}
