//! `cargo xtask oracle`: plays random command sequences to Boxcar and to a real server, for as long as one likes.

use crate::machine;
use crate::workspace::{self, SERVER_BINARY, SERVER_PACKAGE, build_binary, cargo};
use anyhow::Context;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `cargo xtask oracle` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// A family of commands, as COMMAND DOCS names it; may be given again. All without it
    #[arg(long)]
    family: Vec<OsString>,
    /// How many commands are played
    #[arg(long, default_value = "100000")]
    commands: OsString,
    /// Where the seeds of the sequences begin
    #[arg(long, default_value = "1")]
    seed: OsString,
    /// The real server's program; the redis-server on PATH without it
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Stop after so many different failures
    #[arg(long, default_value = "20")]
    failures: OsString,
    /// The profile of the server under test
    #[arg(long, default_value = "fast", value_parser = ["release", "fast", "dev"])]
    profile: String,
}

/// Builds the server and the player, and plays; an error if the two servers differ.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    let peer = match &arguments.peer {
        Some(peer) => peer.clone(),
        None => machine::redis_server()?.context("there is no redis-server to compare with: give --peer")?,
    };
    let server = build_binary(SERVER_PACKAGE, SERVER_BINARY, &arguments.profile)?;
    let mut player = cargo();
    player.args(["run", "--quiet", "--package", "boxcar-tests", "--bin", "oracle", "--", "--peer"]).arg(peer);
    for family in &arguments.family {
        player.arg("--family").arg(family);
    }
    player.arg("--commands").arg(&arguments.commands).arg("--seed").arg(&arguments.seed);
    player.arg("--failures").arg(&arguments.failures);
    workspace::run(player.env("BOXCAR_BIN", server))
}
