//! Where the workspace is, and how cargo and other programs are called in it.

use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package and the binary of the server.
pub const SERVER_PACKAGE: &str = "boxcar-server";
/// The server's binary.
pub const SERVER_BINARY: &str = "boxcar";

/// The folder of the workspace's Cargo.toml.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The cargo that runs this xtask, started in the workspace's root.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// Runs `command` to its end, with its output going where ours goes; an error if it fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = describe(command);
    let status = command.status().with_context(|| format!("cannot start: {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Runs `command` to its end and gives what it printed on standard output; an error if it fails.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = describe(command);
    let output = command.output().with_context(|| format!("cannot start: {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown}: its output is not UTF-8"))
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> =
        std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Builds one binary and gives its path. `profile` is a profile of the workspace's Cargo.toml.
pub fn build_binary(package: &str, binary: &str, profile: &str) -> anyhow::Result<PathBuf> {
    run(cargo().args(["build", "--package", package, "--bin", binary, "--profile", profile]))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let path = target_directory()?.join(folder).join(binary);
    if !path.is_file() {
        bail!("cargo built {binary}, but there is no {}", path.display());
    }
    Ok(path)
}

/// Cargo's target directory, wherever the user's configuration puts it.
pub fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = metadata(&root().join("Cargo.toml"))?;
    let found = json_strings(&metadata, "target_directory").next();
    Ok(found.context("cargo metadata names no target_directory")?.into())
}

/// `cargo metadata` of the workspace that `manifest` belongs to, without its dependencies.
pub fn metadata(manifest: &Path) -> anyhow::Result<String> {
    output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(manifest))
}

/// The values of every `"key":"value"` in a piece of JSON as cargo writes it: no blanks around the colon.
/// The values wanted here are paths and names; one with an escape in it is left out.
pub fn json_strings<'a>(json: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let pattern = format!("\"{key}\":\"");
    let starts: Vec<usize> = json.match_indices(&pattern).map(|(at, _)| at + pattern.len()).collect();
    starts.into_iter().filter_map(move |start| json[start..].split('"').next()).filter(|v| !v.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_by_their_key() {
        let json = r#"{"a":[{"src_path":"/x/lib.rs","name":"x"},{"src_path":"/x/main.rs"}],"path":"no"}"#;
        assert_eq!(json_strings(json, "src_path").collect::<Vec<_>>(), ["/x/lib.rs", "/x/main.rs"]);
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
    }
}
