//! `cargo xtask profile`: builds the server so that it can be profiled, and records it under load.

use crate::machine;
use crate::workspace::{self, SERVER_BINARY, SERVER_PACKAGE, build_binary, cargo, output, root, run};
use anyhow::{Context, anyhow, bail};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the cargo profile. It is defined here and not in Cargo.toml, so that commits from before can be built with it.
const PROFILE: &str = "profiling";

/// What it is: what ships, with the names of the functions that the compiler has inlined.
const SETTINGS: &[&str] = &["profile.profiling.inherits='release'", "profile.profiling.debug='limited'"];

/// What `cargo xtask profile` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The load; `--list` shows them all
    #[arg(default_value = "get")]
    scenario: String,
    /// Show the scenarios
    #[arg(long)]
    list: bool,
    /// Compare with this commit: adds a differential flame graph
    #[arg(long, value_name = "COMMIT")]
    base: Option<String>,
    /// Keep the results in perf/results/DATE-NAME
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Further arguments of the profiler, after `--`: `--duration 10`, `--server-flags '--dispatch rings'`, ...
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds everything, then becomes the profiler.
pub fn run_subcommand(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    let profiler = build_binary("boxcar-perf", "boxcar-profile", "release")?;
    let mut command = Command::new(&profiler);
    if arguments.list {
        return Err(anyhow!(command.arg("--list").exec()));
    }
    machine::meet(machine::PROFILE)?;
    let generator = build_binary("boxcar-perf", "boxcar-load", "release")?;
    let folder = workspace::target_directory()?.join("profile");
    command.arg(&arguments.scenario);
    if let Some(base) = &arguments.base {
        let (name, server) = base_server(base, &folder)?;
        command.arg("--base-server").arg(server).args(["--base-name", &name]);
    }
    let head = build_server(root(), &workspace::target_directory()?)?;
    command.arg("--server").arg(&head).args(["--name", &head_name()?]);
    let results = match &arguments.save {
        Some(name) => root().join("perf/results").join(format!("{}-{name}", today()?)),
        None => folder.join(&arguments.scenario),
    };
    command.arg("--generator").arg(generator).arg("--output").arg(results);
    command.arg("--recordings").arg(folder.join("recordings")).args(&arguments.arguments);
    Err(anyhow!(command.exec()).context(format!("cannot start {}", profiler.display())))
}

/// Builds the server of the checkout at `checkout` as it ships, with frame pointers in Rust and in C. Each checkout needs a target
/// directory of its own: cargo takes packages of two for the same, and the newer one's build for that of both.
fn build_server(checkout: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.current_dir(checkout).args(["build", "--package", SERVER_PACKAGE, "--bin", SERVER_BINARY]);
    build.args(["--profile", PROFILE, "--config", "build.rustflags=['-Cforce-frame-pointers=yes']"]);
    for setting in SETTINGS {
        build.args(["--config", setting]);
    }
    build.env("CFLAGS", "-fno-omit-frame-pointer").env("CARGO_TARGET_DIR", target);
    // They would replace the flags above.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(&mut build)?;
    Ok(target.join(PROFILE).join(SERVER_BINARY))
}

/// The name of what is checked out: its commit, with a plus if files were changed.
fn head_name() -> anyhow::Result<String> {
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(if changed.is_empty() { commit } else { commit + "+" })
}

/// The server of a commit, built in a worktree of its own below `folder`, or as it was built before.
fn base_server(commit: &str, folder: &Path) -> anyhow::Result<(String, PathBuf)> {
    let name = git(&["rev-parse", "--short=10", "--verify", &format!("{commit}^{{commit}}")])
        .with_context(|| format!("there is no commit {commit}"))?;
    let kept = folder.join("servers").join(&name);
    let server = kept.join(SERVER_BINARY);
    if !server.is_file() {
        let checkout = folder.join("base");
        if !checkout.join("Cargo.toml").is_file() {
            // What an interrupted run has left would be in the way.
            git(&["worktree", "prune"])?;
            run(Command::new("git")
                .current_dir(root())
                .args(["worktree", "add", "--detach"])
                .arg(&checkout)
                .arg(&name))?;
        }
        run(Command::new("git")
            .current_dir(&checkout)
            .args(["checkout", "--quiet", "--force", "--detach", &name]))?;
        let built = build_server(&checkout, &folder.join("target"))?;
        std::fs::create_dir_all(&kept)?;
        // Under another name until it is complete.
        let part = kept.join("part");
        std::fs::copy(&built, &part).with_context(|| format!("cannot copy {}", built.display()))?;
        std::fs::rename(&part, &server)?;
    }
    Ok((name, server))
}

fn git(words: &[&str]) -> anyhow::Result<String> {
    Ok(output(Command::new("git").current_dir(root()).args(words))?.trim().to_owned())
}

/// The day in UTC.
fn today() -> anyhow::Result<String> {
    let date = output(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned();
    if date.len() != 10 {
        bail!("date(1) says {date:?}");
    }
    Ok(date)
}
