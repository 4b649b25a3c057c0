//! Every transcript, over both protocols, in every configuration; and, to prove that what they expect is Redis's own
//! behaviour, over both protocols to a real redis-server.

use boxcar_tests::matrix::MATRIX;
use boxcar_tests::programs;
use boxcar_tests::server::Options;
use boxcar_tests::transcript::{self, Script};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};

fn main() {
    let arguments = Arguments::from_args();
    let oracle = programs::oracle().map(|program| {
        let version = version_of(&program);
        (program, version)
    });
    let mut trials = Vec::new();
    for path in transcript::all() {
        let name =
            path.strip_prefix(transcript::folder()).unwrap_or(&path).with_extension("").display().to_string();
        match read(&path) {
            Ok((script, text)) => trials.extend(trials_of(&name, &script, &text, oracle.as_ref())),
            Err(problem) => trials.push(Trial::test(name, move || Err(problem.into()))),
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn read(path: &Path) -> Result<(Script, String), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let script = Script::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((script, text))
}

fn trials_of(name: &str, script: &Script, text: &str, oracle: Option<&(PathBuf, (u32, u32))>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |label: String, protocol: u8, options: Options| {
        let text = text.to_owned();
        trials.push(Trial::test(format!("{name} {label}+resp{protocol}"), move || {
            play(&text, options, protocol)
        }));
    };
    for protocol in [2, 3].into_iter().filter(|p| script.protocol.is_none_or(|only| only == *p)) {
        for configuration in MATRIX {
            add(configuration.name(), protocol, Options::boxcar(configuration).flags(script.flags.clone()));
        }
        if let Some((program, version)) = oracle
            && script.boxcar_only.is_none()
            && script.since.is_none_or(|since| since <= *version)
        {
            add("oracle".to_owned(), protocol, Options::program(program).flags(script.flags.clone()));
        }
    }
    trials
}

fn play(text: &str, options: Options, protocol: u8) -> Result<(), Failed> {
    let script = Script::parse(text).map_err(|error| error.to_string())?;
    let server = options.start();
    transcript::play(&script, text, server.address(), protocol)?;
    Ok(())
}

/// The oracle's major and minor version, from `Redis server v=7.0.15 ...`.
fn version_of(program: &Path) -> (u32, u32) {
    let output = std::process::Command::new(program).arg("--version").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let numbers = text.split("v=").nth(1).and_then(|rest| {
        let mut parts = rest.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    numbers.unwrap_or_else(|| panic!("{} says no version: {text:?}", program.display()))
}
