//! The server's log in Redis's line format: `PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message`.
//!
//! Events come in through `tracing`; level and destination follow the `loglevel` and `logfile` directives.

use crate::config::choices::LogLevel;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The `loglevel` that shows an event.
fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR | Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Notice,
        Level::DEBUG => LogLevel::Verbose,
        Level::TRACE => LogLevel::Debug,
    }
}

fn mark(level: LogLevel) -> char {
    match level {
        LogLevel::Debug => '.',
        LogLevel::Verbose => '-',
        LogLevel::Notice => '*',
        LogLevel::Warning | LogLevel::Nothing => '#',
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Notice as u8);
static FILE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Sets what is logged from now on.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Relaxed);
}

/// Sends the log to a file (opened for every line, so that rotation by renaming works), or to standard output.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn set_file(path: Option<PathBuf>) -> io::Result<()> {
    if let Some(path) = &path {
        OpenOptions::new().create(true).append(true).open(path)?;
    }
    *FILE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = path;
    Ok(())
}

/// Makes this log the process's `tracing` subscriber. A second call changes nothing.
pub fn install() {
    // A subscriber set earlier (by a test or an embedding program) stays: that is the embedder's choice.
    let _already_set =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(RedisLines));
}

struct RedisLines;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a String cannot fail.
            let _infallible = write!(self.0, "{value:?}");
        } else {
            let _infallible = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl<S: Subscriber> Layer<S> for RedisLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        level_of(*metadata.level()) as u8 >= LEVEL.load(Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let mark = mark(level_of(*event.metadata().level()));
        let line =
            format!("{}:M {} {mark} {}\n", std::process::id(), local_time(), message.0.replace('\n', " "));
        let file = FILE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // There is nowhere left to report a failing log to.
        let _unreportable = match &*file {
            Some(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
            None => io::stdout().lock().write_all(line.as_bytes()),
        };
    }
}

fn local_time() -> String {
    jiff::Zoned::now().strftime("%d %b %Y %H:%M:%S%.3f").to_string()
}
