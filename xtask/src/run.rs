//! `cargo xtask run`: a release build of the server, then the server itself in this process's place.

use crate::workspace::{SERVER_BINARY, SERVER_PACKAGE, build_binary};
use crate::{ebpf, machine};
use anyhow::anyhow;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What `cargo xtask run` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The profile to build with
    #[arg(long, default_value = "release", value_parser = ["release", "fast", "dev"])]
    profile: String,
    /// Flags of the server, after `--`: a configuration file, `--port 7000`, `--dispatch rings`, ...
    #[arg(last = true, value_name = "SERVER FLAGS")]
    flags: Vec<OsString>,
}

/// Builds, then becomes the server: signals (Ctrl-C) and the exit code are the server's own. Gives back an error only.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    let ebpf = ebpf::build_if_possible()?;
    let binary = build_binary(SERVER_PACKAGE, SERVER_BINARY, &arguments.profile)?;
    let mut server = Command::new(&binary);
    server.args(&arguments.flags);
    match ebpf {
        // Behind the user's flags, for a configuration file must come first.
        Ok(_) if !arguments.flags.iter().any(|flag| flag == "--xdp") => _ = server.args(["--xdp", "auto"]),
        Ok(_) => {}
        Err(missing) => eprintln!("xtask: without XDP and the wire's latency: {missing}"),
    }
    let error = server.exec();
    Err(anyhow!(error).context(format!("cannot start {}", binary.display())))
}
