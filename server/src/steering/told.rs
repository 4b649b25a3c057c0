//! What the programs tell the log.
//!
//! They write records into a ring buffer, at most one of each kind a second and CPU; the thread that keeps their tables true
//! reads it.

use super::SteeringError;
use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};

/// The reading end of the ring.
pub struct Told(EbpfLogger<ServerLog>);

impl Told {
    /// Of a loaded object.
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, SteeringError> {
        let logger =
            EbpfLogger::init_with_logger(ebpf, ServerLog).map_err(|_| SteeringError::Unfit("AYA_LOGS"))?;
        Ok(Self(logger))
    }

    /// Passes on what has come since the last time.
    pub fn pass_on(&mut self) {
        self.0.flush();
    }
}

/// The server's log, as aya-log wants it. `loglevel` decides what is shown.
struct ServerLog;

impl Log for ServerLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args();
        match record.level() {
            Level::Error => tracing::error!("XDP: {text}"),
            Level::Warn => tracing::warn!("XDP: {text}"),
            Level::Info => tracing::info!("XDP: {text}"),
            Level::Debug => tracing::debug!("XDP: {text}"),
            Level::Trace => tracing::trace!("XDP: {text}"),
        }
    }

    fn flush(&self) {}
}
