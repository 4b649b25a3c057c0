//! `cargo xtask setup`: installs what `run` and `test` need. Both do it by themselves too.

use crate::machine;

/// Meets every need of this code base.
pub fn run() -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    machine::meet(machine::TESTS)?;
    Ok(())
}
