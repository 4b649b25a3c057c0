//! `cargo xtask test`: everything that must pass.
//!
//! Unit tests run in the dev profile, with overflow checks and debug assertions. The tests of the whole server
//! drive the real binary, built with the profile `fast`: release code, linked in a fraction of the time.

use crate::workspace::{self, SERVER_BINARY, SERVER_PACKAGE, build_binary, cargo};
use crate::{ebpf, machine};
use anyhow::bail;
use std::ffi::OsString;

/// The version of the Python client that the tests use.
const REDIS_PY: &str = "5.2.1";

/// The version of the Node.js client that the tests use.
const IOREDIS: &str = "5.8.2";

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The profile of the server that the integration tests and transcripts drive
    #[arg(long, default_value = "fast", value_parser = ["release", "fast", "dev"])]
    profile: String,
    /// Only what is inside one package or crate: no server is built or started
    #[arg(long, conflicts_with = "integration")]
    unit: bool,
    /// Only the tests that drive a running server
    #[arg(long)]
    integration: bool,
    /// A test's name or part of it, and flags of the test runner, after `--`
    #[arg(last = true, value_name = "TEST FLAGS")]
    flags: Vec<OsString>,
}

/// Runs the tests; an error at the first test program that fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::meet(machine::BUILD)?;
    if !arguments.integration {
        let unit = ["test", "--workspace", "--exclude", "boxcar-tests", "--no-fail-fast"];
        workspace::run(cargo().args(unit).arg("--").args(&arguments.flags))?;
    }
    if !arguments.unit {
        integration(arguments)?;
    }
    Ok(())
}

/// The tests of package boxcar-tests. They learn from the environment which binary to drive (`BOXCAR_BIN`), the
/// server to hold transcripts against (`BOXCAR_ORACLE`), the Python to use (`BOXCAR_PYTHON`), and which programs
/// this machine does not have (`BOXCAR_WITHOUT`): a test that needs one of those says so and stands down, any
/// other absence fails it.
fn integration(arguments: &Arguments) -> anyhow::Result<()> {
    let mut without = machine::meet(machine::TESTS)?;
    without.extend(machine::meet(machine::NETWORK_TESTS)?);
    without.dedup();
    if let Err(missing) = ebpf::build_if_possible()? {
        eprintln!("xtask: the tests of XDP stand down: {missing}");
        without.push("ebpf");
    }
    if !without.is_empty() && std::env::var_os("CI").is_some() {
        bail!("on a CI machine every test runs, and this one lacks: {}", without.join(", "));
    }
    let mut tests = cargo();
    tests.args(["test", "--package", "boxcar-tests", "--no-fail-fast", "--"]).args(&arguments.flags);
    tests.env("BOXCAR_BIN", build_binary(SERVER_PACKAGE, SERVER_BINARY, &arguments.profile)?);
    tests.env("BOXCAR_WITHOUT", without.join(","));
    if let Some(oracle) = machine::redis_server()? {
        tests.env("BOXCAR_ORACLE", oracle);
    }
    if !without.contains(&"redis-py") {
        tests.env("BOXCAR_PYTHON", machine::python_with_redis(REDIS_PY)?);
    }
    if !without.contains(&"ioredis") {
        tests.env("BOXCAR_IOREDIS", machine::node_with_ioredis(IOREDIS)?);
    }
    workspace::run(&mut tests)
}
