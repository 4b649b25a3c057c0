//! `cargo xtask fuzz`: the libFuzzer targets of tests/fuzz, each a binary of that package.
//!
//! libFuzzer needs the compiler's coverage instrumentation, which only nightly Rust can switch on.

use crate::workspace::{self, root};
use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The target; all of them in turn without it
    target: Option<String>,
    /// How long each target runs, in seconds
    #[arg(default_value_t = 60)]
    seconds: u32,
}

/// What libFuzzer needs from the compiler: edge counters, their table, and traced comparisons.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Zsanitizer=address";

/// Builds the targets and runs them one after the other; a target that finds something is an error.
fn fuzz(folder: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let triple = host_triple()?;
    let targets = targets(folder)?;
    let chosen: Vec<&String> = match &arguments.target {
        Some(name) => vec![targets.iter().find(|t| *t == name).with_context(|| unknown(name, &targets))?],
        None => targets.iter().collect(),
    };
    workspace::run(
        nightly()
            .args(["cargo", "build", "--release", "--target", &triple, "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(folder.join("target"))
            .env("RUSTFLAGS", INSTRUMENTATION),
    )?;
    for target in chosen {
        let corpus = folder.join("corpus").join(target);
        let artifacts = folder.join("artifacts").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let dictionary = folder.join("resp.dict");
        eprintln!("xtask: fuzzing {target} for {} s", arguments.seconds);
        workspace::run(
            Command::new(folder.join("target").join(&triple).join("release").join(target))
                .arg(format!("-max_total_time={}", arguments.seconds))
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .arg(format!("-dict={}", dictionary.display()))
                .arg(&corpus),
        )?;
    }
    Ok(())
}

/// The subcommand: says what is missing before anything is built.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = root().join("tests/fuzz");
    if !folder.join("Cargo.toml").is_file() {
        bail!("there are no fuzz targets: {} is missing", folder.join("Cargo.toml").display());
    }
    if !nightly().args(["rustc", "--version"]).output().is_ok_and(|o| o.status.success()) {
        bail!("fuzzing needs nightly Rust: `rustup toolchain install nightly --profile minimal` installs it");
    }
    fuzz(&folder, arguments)
}

fn unknown(name: &str, targets: &[String]) -> String {
    format!("no fuzz target is called {name}; there are: {}", targets.join(", "))
}

/// A command of the nightly toolchain. What the pinned toolchain put into the environment would lead back to it.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).current_dir(root());
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    command
}

fn host_triple() -> anyhow::Result<String> {
    let version = workspace::output(nightly().args(["rustc", "-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// The names of the package's binaries: one source file each, in `fuzz_targets`.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let sources = std::fs::read_dir(folder.join("fuzz_targets")).context("tests/fuzz has no fuzz_targets")?;
    let mut names = Vec::new();
    for source in sources {
        let path = source?.path();
        if path.extension().is_some_and(|e| e == "rs") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}
