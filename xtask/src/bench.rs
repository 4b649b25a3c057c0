//! `cargo xtask bench`: a release build of the server and of the bench program, which does the measuring.

use crate::machine;
use crate::workspace::{SERVER_BINARY, SERVER_PACKAGE, build_binary};
use anyhow::anyhow;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Arguments of the bench program, such as `quick`; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds everything that is measured with the profile that ships, then becomes the bench program.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    let server = build_binary(SERVER_PACKAGE, SERVER_BINARY, "release")?;
    for binary in ["boxcar-load", "boxcar-null"] {
        build_binary("boxcar-perf", binary, "release")?;
    }
    let bench = build_binary("boxcar-perf", "boxcar-bench", "release")?;
    let error = Command::new(&bench).args(&arguments.arguments).env("BOXCAR_BIN", server).exec();
    Err(anyhow!(error).context(format!("cannot start {}", bench.display())))
}
