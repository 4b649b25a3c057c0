//! The process around the server: working directory, log, daemon, pid file, signals, greeting.

use super::start::StartError;
use crate::commands::Server;
use crate::config::{Config, rows};
use crate::observability::log;
use nix::sys::signal::{SigSet, Signal};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// Enters `dir`.
pub fn change_directory(config: &Config) -> Result<(), StartError> {
    let dir = config.text(rows::DIR);
    std::env::set_current_dir(&*dir).map_err(|source| StartError::Directory { dir: dir.to_string(), source })
}

/// Opens `logfile`.
pub fn open_log(config: &Config) -> Result<(), StartError> {
    let file = config.text(rows::LOGFILE);
    let path = (!file.is_empty()).then(|| PathBuf::from(&*file));
    log::set_file(path).map_err(|source| StartError::LogFile { file: file.to_string(), source })
}

/// Goes into the background when `daemonize` says so. There must be no other thread yet.
pub fn daemonize(config: &Config) -> Result<(), StartError> {
    if config.bool(rows::DAEMONIZE) {
        nix::unistd::daemon(true, false).map_err(StartError::Daemonize)?;
    }
    Ok(())
}

/// The first lines of the log.
pub fn greet(config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!("oO0OoO0OoO0Oo Boxcar is starting oO0OoO0OoO0Oo");
    tracing::info!("Boxcar version={version}, bits=64, pid={}, just started", std::process::id());
    tracing::info!("Boxcar {version} Port: {} PID: {}", config.int(rows::PORT), std::process::id());
}

/// The pid file that this server writes, if any: the one that was named, or the usual one of a daemon.
fn pid_file(config: &Config) -> Option<PathBuf> {
    let file = config.text(rows::PIDFILE);
    match (file.is_empty(), config.bool(rows::DAEMONIZE)) {
        (false, _) => Some(PathBuf::from(&*file)),
        (true, true) => Some(PathBuf::from("/var/run/redis.pid")),
        (true, false) => None,
    }
}

/// Writes the pid file; like Redis, goes on without one when that fails.
pub fn write_pid_file(config: &Config) -> Option<PathBuf> {
    let path = pid_file(config)?;
    match fs::write(&path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(path),
        Err(error) => {
            tracing::warn!("Failed to write PID file {}: {error}", path.display());
            None
        }
    }
}

/// Removes the pid file at the end.
pub fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!("{} was not removed: {error}", path.display());
    }
}

/// Blocks the signals that [`watch_signals`] waits for; called while there is only one thread.
pub fn block_signals() -> Result<SigSet, StartError> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(StartError::Signals)?;
    Ok(signals)
}

/// Waits for signals on a thread of its own: the first SIGTERM or SIGINT stops the server, a second SIGINT ends the
/// process at once, SIGHUP is ignored.
pub fn watch_signals(signals: SigSet, server: Arc<Server>) -> Result<(), StartError> {
    let body = move || {
        let mut interrupted = false;
        while let Ok(signal) = signals.wait() {
            match signal {
                Signal::SIGINT if interrupted => {
                    tracing::warn!("You insist... exiting now.");
                    std::process::exit(1);
                }
                Signal::SIGINT | Signal::SIGTERM => {
                    interrupted |= signal == Signal::SIGINT;
                    tracing::warn!("Received {} scheduling shutdown...", signal.as_str());
                    server.shutdown.request();
                }
                _ => {}
            }
        }
    };
    thread::Builder::new().name("boxcar-signals".to_owned()).spawn(body).map_err(StartError::Thread)?;
    Ok(())
}
