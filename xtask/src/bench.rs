//! `cargo xtask bench`: release builds of what is measured, then the bench program, which does the measuring.
//!
//! Most runs measure the working tree. `ab` builds two commits first, in worktrees below the target directory; `matrix`
//! builds the server with other allocators; `peers` and the runs of one table fetch the peers that are not there.

use crate::machine;
use crate::workspace::{
    SERVER_BINARY, SERVER_PACKAGE, build_binary, cargo, output, root, run as run_to_end, target_directory,
};
use anyhow::{Context, anyhow, bail};
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run of the bench program and its arguments, such as `peers`, `matrix` or `quick`; `--help` lists them. `ab BASE HEAD`
    /// takes two commits
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds of the server for the matrix: a name, and cargo's arguments.
const VARIANTS: [(&str, &[&str]); 2] = [
    ("mimalloc", &["--no-default-features", "--features", "mimalloc"]),
    ("system", &["--no-default-features"]),
];

/// Runs that compare with the peers in one table.
const TABLES: [&str; 5] = ["stock", "memory", "growth", "waits", "agreement"];

/// Builds everything that is measured with the profile that ships, then becomes the bench program.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    let bench = build_binary("boxcar-perf", "boxcar-bench", "release")?;
    let mut command = Command::new(&bench);
    // Paths of scenarios and results are the workspace's, wherever this was called.
    command.current_dir(root());
    let (name, rest) = arguments.arguments.split_first().context("a run is required")?;
    let helps = rest.iter().any(|word| word == "--help" || word == "-h");
    // Only what starts servers needs them built.
    let measures =
        !name.to_string_lossy().starts_with('-') && name != "report" && name != "specification" && !helps;
    if name == "ab" && !helps {
        prepare_ab(rest, &mut command)?;
    } else {
        command.arg(name);
        if measures {
            let server = build_server()?;
            command.env("BOXCAR_BIN", &server);
            let own = ["peers", "matrix", "scaling"].iter().chain(&TABLES).any(|run| name == run);
            if own && !names(rest, "--server") {
                command.arg("--server").arg(&server);
            }
        }
        if measures && name == "matrix" && wants_allocators(rest) {
            for (variant, path) in variants()? {
                command.arg("--build").arg(format!("{variant}={}", path.display()));
            }
        }
        if measures && name == "peers" {
            prepare_peers(rest, &mut command)?;
        }
        if measures && TABLES.iter().any(|run| name == run) {
            fetch_peers(&mut command)?;
        }
        command.args(rest);
    }
    let error = command.exec();
    Err(anyhow!(error).context(format!("cannot start {}", bench.display())))
}

fn names(arguments: &[OsString], option: &str) -> bool {
    arguments.iter().any(|word| {
        let word = word.to_string_lossy();
        word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))
    })
}

fn build_server() -> anyhow::Result<PathBuf> {
    for binary in ["boxcar-load", "boxcar-null"] {
        build_binary("boxcar-perf", binary, "release")?;
    }
    build_binary(SERVER_PACKAGE, SERVER_BINARY, "release")
}

/// Whether the matrix will measure allocators: not if it is told to measure other switches only.
fn wants_allocators(arguments: &[OsString]) -> bool {
    let Some(at) = arguments.iter().position(|word| word == "--toggles") else { return true };
    let toggles = arguments.get(at + 1).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    toggles.split(',').any(|part| ["allocator", "mimalloc", "system"].iter().any(|name| name.contains(part)))
}

/// The server with other features. Each has a target directory of its own, so that none undoes another's work.
fn variants() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let mut built = Vec::new();
    for (name, features) in VARIANTS {
        let folder = target_directory()?.join("variants").join(name);
        let mut build = cargo();
        build.args([
            "build",
            "--package",
            SERVER_PACKAGE,
            "--bin",
            SERVER_BINARY,
            "--release",
            "--target-dir",
        ]);
        run_to_end(build.arg(&folder).args(features))?;
        built.push((name, folder.join("release").join(SERVER_BINARY)));
    }
    Ok(built)
}

/// Names the peers that xtask knows how to find. What is missing all the same, the bench program names and leaves out.
fn prepare_peers(rest: &[OsString], command: &mut Command) -> anyhow::Result<()> {
    let target = target_directory()?;
    if !names(rest, "--install") {
        command.arg("--install").arg(target.join("peers/kevy"));
    }
    if std::env::var_os("BOXCAR_ORACLE").is_none()
        && let Some(redis) = machine::redis_server()?
    {
        command.env("BOXCAR_ORACLE", redis);
    }
    fetch_peers(command)
}

/// Fetches redis-server, valkey-server and redis-benchmark unless they are there, and says where they are.
fn fetch_peers(command: &mut Command) -> anyhow::Result<()> {
    let target = target_directory()?;
    if std::env::var_os("BOXCAR_PEERS").is_none() {
        let folder = target.join("peers/debian");
        if !folder.join("run").is_file() {
            eprintln!("xtask: fetching the newest peers of Debian into {}", folder.display());
            if let Err(error) = run_to_end(Command::new(root().join("perf/peers.sh")).arg(&folder)) {
                eprintln!("xtask: without them: {error:#}");
                return Ok(());
            }
        }
        command.env("BOXCAR_PEERS", folder);
    }
    Ok(())
}

/// Builds the two commits that `ab` names first.
fn prepare_ab(rest: &[OsString], command: &mut Command) -> anyhow::Result<()> {
    let [base, head, others @ ..] = rest else {
        bail!("ab takes two commits: cargo xtask bench ab BASE HEAD")
    };
    if [base, head].iter().any(|word| word.to_string_lossy().starts_with('-')) {
        bail!("the two commits come first: cargo xtask bench ab BASE HEAD ...");
    }
    command.arg("ab");
    let id = |commit: &OsString| commit_id(commit.to_str().context("a commit's name is UTF-8")?);
    let (base_id, head_id) = (id(base)?, id(head)?);
    if base_id == head_id {
        bail!("{} and {} are the same commit", base.to_string_lossy(), head.to_string_lossy());
    }
    for (option, id) in [("--base", base_id), ("--head", head_id)] {
        let built = build_commit(&id)?;
        // The record names what was measured, not what was called HEAD that day.
        command.arg(option).arg(format!("{}={}", &id[..id.len().min(12)], built.display()));
    }
    command.args(others);
    Ok(())
}

/// git, in this repository.
fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(root());
    git
}

/// The full name of a commit.
fn commit_id(commit: &str) -> anyhow::Result<String> {
    let mut parse = git();
    parse.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(format!("{commit}^{{commit}}"));
    let id = output(&mut parse).with_context(|| format!("there is no commit {commit}"))?;
    Ok(id.trim().to_owned())
}

/// The server of a commit, built in a worktree of it. Both commits share a target directory, which keeps what they have in common, and
/// the binary is copied out of it, so that a commit is built once.
fn build_commit(id: &str) -> anyhow::Result<PathBuf> {
    let folder = target_directory()?.join("ab");
    let built = folder.join("builds").join(id).join(SERVER_BINARY);
    if built.is_file() {
        return Ok(built);
    }
    let tree = folder.join("trees").join(id);
    // Cargo takes the packages of two checkouts for the same, and builds again what is newer than the last build. So the checkout is
    // always a new one: one that an interrupted build has left could be older than another commit's build, and that be taken for its own.
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    // A folder that was deleted is still registered.
    run_to_end(git().args(["worktree", "prune"]))?;
    run_to_end(git().args(["worktree", "add", "--detach", "--force"]).arg(&tree).arg(id))?;
    eprintln!("xtask: building {id}");
    build_in(&tree, &folder.join("target"), &built)?;
    run_to_end(git().args(["worktree", "remove", "--force"]).arg(&tree))?;
    Ok(built)
}

fn build_in(tree: &Path, target: &Path, built: &Path) -> anyhow::Result<()> {
    let mut build = cargo();
    build.current_dir(tree);
    build.args([
        "build",
        "--release",
        "--locked",
        "--package",
        SERVER_PACKAGE,
        "--bin",
        SERVER_BINARY,
        "--target-dir",
    ]);
    run_to_end(build.arg(target))?;
    let folder = built.parent().expect("a binary lies in a folder");
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A copy that is interrupted must not look like a build.
    let half = built.with_extension("part");
    fs::copy(target.join("release").join(SERVER_BINARY), &half).context("cannot copy the build")?;
    fs::rename(&half, built).context("cannot keep the build")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn allocators_are_built_only_if_they_are_measured() {
        assert!(wants_allocators(&words("")));
        assert!(wants_allocators(&words("--toggles epoll,allocator")));
        assert!(wants_allocators(&words("--toggles mimalloc")));
        assert!(!wants_allocators(&words("--rounds 3 --toggles epoll")));
    }

    #[test]
    fn options_are_found_in_both_forms() {
        assert!(names(&words("--server x"), "--server") && names(&words("--server=x"), "--server"));
        assert!(!names(&words("--server-cpu 1"), "--server"));
    }

    #[test]
    fn two_commits_are_needed() {
        let error = prepare_ab(&words("main"), &mut Command::new("true")).unwrap_err();
        assert!(error.to_string().contains("two commits"));
        let error = prepare_ab(&words("main --rounds 8"), &mut Command::new("true")).unwrap_err();
        assert!(error.to_string().contains("come first"));
        let error = prepare_ab(&words("HEAD HEAD~0"), &mut Command::new("true")).unwrap_err();
        assert!(error.to_string().contains("same commit"));
    }
}
