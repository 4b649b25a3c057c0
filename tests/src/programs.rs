//! Which programs the tests use, as `cargo xtask test` hands them over in the environment.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The server under test: `BOXCAR_BIN`, or what a plain `cargo build` of the workspace last made.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn boxcar() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        if let Some(path) = env::var_os("BOXCAR_BIN") {
            return path.into();
        }
        // This test program is in <target>/<profile>/deps.
        let own = env::current_exe().expect("this program has a path");
        let built = own.ancestors().nth(2).map(|folder| folder.join("boxcar")).filter(|path| path.is_file());
        built.expect("no server to test: run `cargo xtask test`, or set BOXCAR_BIN")
    })
}

/// The server that transcripts are held against: `BOXCAR_ORACLE`, a redis-server of 7.0 or newer.
#[must_use]
pub fn oracle() -> Option<PathBuf> {
    env::var_os("BOXCAR_ORACLE").map(PathBuf::from)
}

/// A second one to play random sequences to, mostly a newer version: `BOXCAR_NEWER_ORACLE`.
#[must_use]
pub fn newer_oracle() -> Option<PathBuf> {
    env::var_os("BOXCAR_NEWER_ORACLE").map(PathBuf::from)
}

/// Whether the test that asks must stand down because this machine lacks what it needs and its user may not install
/// it. Only `cargo xtask test` says so (`BOXCAR_WITHOUT`), never on a CI machine, and the test's output tells.
#[must_use]
pub fn stands_down(feature: &str) -> bool {
    let without = env::var("BOXCAR_WITHOUT").unwrap_or_default();
    let lacks = without.split(',').any(|name| name == feature);
    if lacks {
        eprintln!("not run: this machine lacks {feature}");
    }
    lacks
}

/// The folder whose `node_modules` has the Node.js client: `BOXCAR_IOREDIS`.
///
/// # Panics
/// When nobody says where it is.
#[must_use]
pub fn ioredis() -> PathBuf {
    env::var_os("BOXCAR_IOREDIS").expect("no ioredis: run `cargo xtask test`, or set BOXCAR_IOREDIS").into()
}

/// The Python that has the Redis client: `BOXCAR_PYTHON`, or the machine's own.
#[must_use]
pub fn python() -> Command {
    Command::new(env::var_os("BOXCAR_PYTHON").unwrap_or_else(|| "python3".into()))
}
