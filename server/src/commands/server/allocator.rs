//! How much memory the server uses, as the allocator, the kernel and the store know it.

use crate::commands::Server;
use crate::clients::Client;
use boxcar_sys::process::resident_bytes;
use std::sync::atomic::Ordering::Relaxed;

/// The memory figures of one moment, in bytes.
#[derive(Debug, Clone)]
pub struct Memory {
    /// What the server has allocated; with an allocator that does not tell, what the store counts.
    pub used: u64,
    /// Largest [`Memory::used`] that was ever looked at.
    pub peak: u64,
    /// [`Memory::used`] right after the start.
    pub startup: u64,
    /// What keys, values and tables take.
    pub dataset: u64,
    /// What is allocated, by the allocator's own count.
    pub allocated: u64,
    /// Pages that hold something allocated.
    pub active: u64,
    /// Pages of the allocator that are in memory.
    pub allocator_resident: u64,
    /// Pages of the process that are in memory.
    pub resident: u64,
    /// Buffers and state of client connections.
    pub clients: u64,
    /// Name and version of the allocator.
    pub allocator: String,
}

impl Memory {
    /// The figures now.
    pub fn now(server: &Server) -> Self {
        let dataset = server.keyspace.used_memory() as u64;
        // Without /proc the figure is missing, not the command.
        let resident = resident_bytes().unwrap_or(0);
        let pages = pages().unwrap_or(Pages { allocated: dataset, active: dataset, resident });
        let used = pages.allocated;
        let peak = server.memory_peak.fetch_max(used, Relaxed).max(used);
        Self {
            used,
            peak,
            startup: server.memory_at_start,
            dataset,
            allocated: pages.allocated,
            active: pages.active,
            allocator_resident: pages.resident,
            resident,
            clients: server.clients.all().iter().map(|client| client_bytes(client)).sum(),
            allocator: name(),
        }
    }

    /// What is used for anything but data.
    pub fn overhead(&self) -> u64 {
        self.used.saturating_sub(self.dataset)
    }

    /// Used memory in percent of the peak.
    pub fn peak_percent(&self) -> f64 {
        if self.peak == 0 { 0.0 } else { self.used as f64 * 100.0 / self.peak as f64 }
    }

    /// The data set in percent of what came on top of the start, at most 100.
    pub fn dataset_percent(&self) -> f64 {
        let net = self.used.saturating_sub(self.startup);
        if net == 0 { 0.0 } else { (self.dataset as f64 * 100.0 / net as f64).min(100.0) }
    }
}

/// What a connection takes: its shared state and what waits in its buffers.
pub fn client_bytes(client: &Client) -> u64 {
    let waiting = client.query_bytes.load(Relaxed) + client.output_bytes.load(Relaxed);
    (size_of::<Client>() + waiting) as u64
}

/// The allocator's own figures, in bytes.
struct Pages {
    allocated: u64,
    active: u64,
    resident: u64,
}

/// Bytes allocated now, 0 with an allocator that does not tell.
pub fn allocated() -> u64 {
    pages().map_or(0, |pages| pages.allocated)
}

#[cfg(feature = "jemalloc")]
mod implementation {
    use super::Pages;
    use tikv_jemalloc_ctl::{Access, AsName, arenas, epoch, stats, stats_print, version};

    pub(super) fn pages() -> Option<Pages> {
        // The figures are as of the last advance.
        epoch::advance().ok()?;
        let bytes = |figure: Result<usize, tikv_jemalloc_ctl::Error>| figure.ok().map(|bytes| bytes as u64);
        Some(Pages {
            allocated: bytes(stats::allocated::read())?,
            active: bytes(stats::active::read())?,
            resident: bytes(stats::resident::read())?,
        })
    }

    pub(super) fn name() -> String {
        let full = version::read().unwrap_or_default();
        // A release number, then the distance to it and the commit.
        let release = full.split('-').next().unwrap_or_default();
        format!("jemalloc-{release}")
    }

    pub(super) fn report() -> Option<Vec<u8>> {
        let mut text = Vec::new();
        stats_print::stats_print(&mut text, stats_print::Options::default()).ok()?;
        Some(text)
    }

    /// A decay time of zero makes an arena give back its unused pages at once.
    pub(super) fn purge() -> Result<(), String> {
        let failed = |error: tikv_jemalloc_ctl::Error| error.to_string();
        for arena in 0..arenas::narenas::read().map_err(failed)? {
            for kind in ["dirty", "muzzy"] {
                let key = format!("arena.{arena}.{kind}_decay_ms\0");
                let key = key.as_bytes().name();
                let Ok(before): Result<isize, _> = key.read() else { continue };
                key.write(0isize).map_err(failed)?;
                key.write(before).map_err(failed)?;
            }
        }
        Ok(())
    }
}

#[cfg(not(feature = "jemalloc"))]
mod implementation {
    use super::Pages;

    pub(super) fn pages() -> Option<Pages> {
        None
    }

    pub(super) fn name() -> String {
        "libc".to_owned()
    }

    pub(super) fn report() -> Option<Vec<u8>> {
        None
    }

    pub(super) fn purge() -> Result<(), String> {
        Ok(())
    }
}

fn pages() -> Option<Pages> {
    implementation::pages()
}

/// Name and version of the allocator, as INFO shows it.
pub fn name() -> String {
    implementation::name()
}

/// The allocator's report on itself, if it writes one.
pub fn report() -> Option<Vec<u8>> {
    implementation::report()
}

/// Gives unused pages back to the kernel, as far as the allocator can.
///
/// # Errors
/// When the allocator refuses; its own words.
pub fn purge() -> Result<(), String> {
    implementation::purge()
}
