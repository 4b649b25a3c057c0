//! The command line of `boxcar-profile`.

use super::scenario::{self, SCENARIOS};
use super::{Build, ProfileError, ProfileOptions, profile};
use crate::load::command_line::seconds;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Records a server under load and writes flame graphs, time off the CPU, system calls, and counts for each operation.
#[derive(Debug, Clone, Args)]
pub struct ProfileArguments {
    /// The load; --list shows them all.
    #[arg(default_value = "get")]
    scenario: String,
    /// Show the scenarios.
    #[arg(long)]
    list: bool,
    /// The server, built with frame pointers and line tables.
    #[arg(long, default_value = "target/profiling/boxcar")]
    server: PathBuf,
    /// What it is called in the results.
    #[arg(long, default_value = "head")]
    name: String,
    /// A server to compare with.
    #[arg(long, value_name = "SERVER")]
    base_server: Option<PathBuf>,
    /// What that one is called.
    #[arg(long, default_value = "base")]
    base_name: String,
    /// The load generator.
    #[arg(long, default_value = "target/release/boxcar-load")]
    generator: PathBuf,
    /// Seconds of each recording.
    #[arg(long, value_parser = seconds, default_value = "5")]
    duration: Duration,
    /// Samples in a second of CPU time.
    #[arg(long, default_value_t = 1999, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    frequency: u32,
    /// CPU of the server.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// More flags of the server, in one word: '--dispatch rings'.
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    server_flags: String,
    /// More flags of the generator, in one word: '--value-size 1024'.
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    load_flags: String,
    /// Where recordings are kept.
    #[arg(long, default_value = "target/profile/recordings")]
    recordings: PathBuf,
    /// Where results go.
    #[arg(long, default_value = "target/profile/get")]
    output: PathBuf,
}

impl ProfileArguments {
    /// Makes the profile and shows its page.
    pub fn execute(&self) -> ExitCode {
        if self.list {
            for scenario in SCENARIOS {
                println!("{:<8} {}", scenario.name, scenario.about);
            }
            return ExitCode::SUCCESS;
        }
        match self.measure() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("boxcar-profile: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure(&self) -> Result<(), ProfileError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let options = self.options()?;
        profile(&options, &stop, &mut |line| eprintln!("{line}"))?;
        print!("{}", std::fs::read_to_string(self.output.join("profile.md"))?);
        eprintln!("written to {}", self.output.display());
        Ok(())
    }

    fn options(&self) -> Result<ProfileOptions, ProfileError> {
        let scenario = scenario::find(&self.scenario).ok_or_else(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            ProfileError::Nothing(format!("no scenario {:?}; there are {}", self.scenario, names.join(", ")))
        })?;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let base = self.base_server.clone().map(|server| Build { name: self.base_name.clone(), server });
        Ok(ProfileOptions {
            scenario,
            head: Build { name: self.name.clone(), server: self.server.clone() },
            base,
            generator: self.generator.clone(),
            length: self.duration,
            frequency: self.frequency,
            server_cpu: self.server_cpu,
            load_cpu: self.load_cpu,
            server_flags: words(&self.server_flags),
            load_flags: words(&self.load_flags),
            recordings: self.recordings.clone(),
            output: self.output.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ProfileArguments,
    }

    #[test]
    fn an_unknown_scenario_is_an_error_that_names_the_others() {
        let error = Line::parse_from(["x", "nothing"]).arguments.options().unwrap_err().to_string();
        assert!(error.contains("\"nothing\"") && error.contains("get-16"), "{error}");
    }

    #[test]
    fn every_scenario_is_a_load_that_the_generator_takes() {
        #[derive(Parser)]
        struct Load {
            #[command(flatten)]
            arguments: crate::load::command_line::LoadArguments,
        }
        for scenario in SCENARIOS {
            let line = ["boxcar-load"].iter().chain(scenario.load).copied();
            Load::try_parse_from(line).unwrap().arguments.options().unwrap();
        }
    }
}
