//! What the machine must have beside Rust: a table of needs, and how each is met.
//!
//! Root gets the packages installed (Debian's names; Ubuntu has the same). Anybody else is told the exact
//! command, and what does not work without it.

use crate::workspace::{self, run};
use anyhow::{Context, bail};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One thing that the machine must have.
pub struct Need {
    /// How it is found on this machine.
    found: fn() -> bool,
    /// Debian's package.
    package: &'static str,
    /// What cannot be done without it.
    lost: &'static str,
    /// The name under which tests that need it are told to stand down; `None`: nothing works without it.
    pub feature: Option<&'static str>,
}

/// What a build needs.
pub const BUILD: &[Need] = &[
    Need { found: || on_path("cc"), package: "gcc", lost: "nothing links", feature: None },
    Need { found: || on_path("make"), package: "make", lost: "jemalloc cannot be built", feature: None },
];

/// What the tests need beside [`BUILD`].
pub const TESTS: &[Need] = &[
    Need {
        found: || on_path("redis-cli") && on_path("redis-benchmark"),
        package: "redis-tools",
        lost: "the tests with redis-cli, redis-benchmark and the comparison of transcripts with Redis",
        feature: Some("redis-tools"),
    },
    Need {
        found: python_has_venv,
        package: "python3-venv",
        lost: "the tests with the Python client",
        feature: Some("redis-py"),
    },
    Need {
        found: || on_path("node"),
        package: "nodejs",
        lost: "the tests with the Node.js client",
        feature: Some("ioredis"),
    },
    Need {
        found: || on_path("npm"),
        package: "npm",
        lost: "the tests with the Node.js client",
        feature: Some("ioredis"),
    },
    Need {
        found: || on_path("chromium"),
        package: "chromium",
        lost: "the test that looks at the reports of measurements",
        feature: Some("chromium"),
    },
    Need {
        found: || on_path("perf"),
        package: "linux-perf",
        lost: "the test of which part CPU time belongs to",
        feature: Some("perf"),
    },
];

/// What profiles need beside [`BUILD`].
pub const PROFILE: &[Need] = &[
    Need { found: || on_path("perf"), package: "linux-perf", lost: "profiles", feature: None },
    Need { found: || on_path("git"), package: "git", lost: "the names of what is profiled", feature: None },
];

/// What the tests in network namespaces need beside [`BUILD`] and [`EBPF`].
pub const NETWORK_TESTS: &[Need] = &[
    Need {
        found: || on_path("ip") && on_path("tc"),
        package: "iproute2",
        lost: "the tests in network namespaces",
        feature: Some("netns"),
    },
    Need {
        found: || on_path("ethtool"),
        package: "ethtool",
        lost: "the tests of checksums",
        feature: Some("netns"),
    },
    Need {
        found: || on_path("bpftool") || Path::new("/usr/sbin/bpftool").is_file(),
        package: "bpftool",
        lost: "the test of what bpftool shows",
        feature: Some("netns"),
    },
];

/// What building the kernel-side programs needs where rustup's toolchains do not serve: see `ebpf`.
pub const EBPF: &[Need] = &[
    Need {
        found: || Path::new("/usr/bin/rustc").is_file(),
        package: "rustc-web",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: crate::ebpf::debian_compiler_has_source,
        package: "rust-web-src",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: || Path::new("/usr/lib/llvm-22/bin/llvm-config").is_file(),
        package: "llvm-22-dev",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: || Path::new("/usr/lib/llvm-22/lib/libPolly.a").is_file(),
        package: "libpolly-22-dev",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: || Path::new("/usr/include/zstd.h").is_file(),
        package: "libzstd-dev",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: || Path::new("/usr/include/zlib.h").is_file(),
        package: "zlib1g-dev",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
    Need {
        found: || Path::new("/usr/include/libxml2").is_dir(),
        package: "libxml2-dev",
        lost: "XDP and the wire's latency",
        feature: Some("ebpf"),
    },
];

/// Whether a program of this name can be started.
pub fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// The full path of a program that can be started by its name.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

fn python_has_venv() -> bool {
    Command::new("python3").args(["-c", "import venv, ensurepip"]).output().is_ok_and(|o| o.status.success())
}

/// Whether this process may install packages. The owner of `/proc/self` is the process's effective user.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Meets the needs, as far as this user may; gives the features that stay out of reach.
///
/// # Errors
/// When an installation fails, or when something that nothing works without is missing and may not be installed.
pub fn meet(needs: &[Need]) -> anyhow::Result<Vec<&'static str>> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.found)()).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if is_root() && on_path("apt-get") {
        install(&packages)?;
        if let Some(need) = missing.iter().find(|need| !(need.found)()) {
            bail!("{} is installed, and what it is for is still missing: {}", need.package, need.lost);
        }
        return Ok(Vec::new());
    }
    eprintln!("xtask: this machine lacks something. To install it:");
    eprintln!("    sudo apt-get install --no-install-recommends {}", packages.join(" "));
    for need in &missing {
        eprintln!("    without {}: {}", need.package, need.lost);
    }
    match missing.iter().find(|need| need.feature.is_none()) {
        Some(need) => bail!("{} is missing: {}", need.package, need.lost),
        None => Ok(missing.iter().filter_map(|need| need.feature).collect()),
    }
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    eprintln!("xtask: installing {}", packages.join(" "));
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "--no-install-recommends"]).args(packages))
}

/// Where Redis's own server is, to compare with. Debian and Ubuntu ship the same program in redis-tools under
/// another name, and installing that package starts no daemon: a link with the right name makes it the server.
pub fn redis_server() -> anyhow::Result<Option<PathBuf>> {
    if let Some(found) = find_on_path("redis-server") {
        return Ok(Some(found));
    }
    let Some(same_program) = find_on_path("redis-check-rdb") else { return Ok(None) };
    let link = workspace::target_directory()?.join("redis-server");
    if !link.exists() {
        std::os::unix::fs::symlink(same_program, &link).context("cannot link redis-server")?;
    }
    Ok(Some(link))
}

/// The Python of a virtual environment below the target directory that has the Redis client of this version.
pub fn python_with_redis(version: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace::target_directory()?.join("venv");
    let python = folder.join("bin/python3");
    let package = format!("redis=={version}");
    if !has_package(&python, version) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ]))?;
    }
    Ok(python)
}

/// A folder below the target directory whose `node_modules` has the Node.js client of this version.
pub fn node_with_ioredis(version: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace::target_directory()?.join("ioredis").join(version);
    if !folder.join("node_modules/ioredis/package.json").is_file() {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(format!("ioredis@{version}")))?;
    }
    Ok(folder)
}

fn has_package(python: &Path, version: &str) -> bool {
    let program = format!("import redis; assert redis.__version__ == '{version}'");
    Command::new(python).args(["-c", &program]).output().is_ok_and(|o| o.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_needs_nothing() {
        let needs = [Need { found: || true, package: "none", lost: "nothing", feature: None }];
        assert!(meet(&needs).unwrap().is_empty());
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
