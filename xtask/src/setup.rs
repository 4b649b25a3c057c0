//! `cargo xtask setup`: installs what `run` and `test` need. Both do it by themselves too.

use crate::{ebpf, machine};

/// Meets every need of this code base.
pub fn run() -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    machine::meet(machine::TESTS)?;
    machine::meet(machine::NETWORK_TESTS)?;
    // Built here already, so that whatever is built afterwards embeds it.
    match ebpf::run_subcommand() {
        Err(error) if std::env::var_os("CI").is_none() => eprintln!("xtask: without XDP: {error:#}"),
        result => result?,
    }
    Ok(())
}
