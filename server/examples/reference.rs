//! Prints the reference page of all commands; `cargo xtask reference` puts it into its place.
#![forbid(unsafe_code)]

use boxcar_server::commands::{Table, reference};

fn main() {
    let table = Table::new(&[]).expect("a register without renamed commands");
    print!("{}", reference::markdown(&table, include_str!("../DIFFERENCES.md")));
}
