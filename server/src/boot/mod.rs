//! From the command line to a running server, and back to nothing.

mod machine;
mod process;
mod start;

use crate::config::Config;
use crate::config::command_line::{self, Invocation};
use crate::config::rows;
use crate::observability::log;
use boxcar_sys::clock;
use std::process::ExitCode;

/// The whole life of the process.
pub fn main() -> ExitCode {
    let config = match command_line::read(std::env::args_os().skip(1), std::io::stdin()) {
        Ok(Invocation::Serve(config)) => *config,
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> Result<(), start::StartError> {
    clock::prepare();
    log::install();
    log::set_level(config.choice(rows::LOGLEVEL));
    process::change_directory(&config)?;
    process::open_log(&config)?;
    process::daemonize(&config)?;
    // Before any thread exists, so that all inherit it.
    let signals = process::block_signals()?;
    process::greet(&config);
    let running = start::start(config, signals)?;
    running.wait();
    running.stop();
    Ok(())
}
