//! How much memory the server uses, as the allocator, the kernel and the store know it.

use crate::clients::Client;
use crate::commands::Server;
use crate::config::{Config, rows};
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

/// Bytes allocated, and bytes of pages that hold something allocated; `None` with an allocator that does not tell.
pub fn allocated_and_active() -> Option<(u64, u64)> {
    pages().map(|pages| (pages.allocated, pages.active))
}

/// What can be changed of jemalloc while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Whether pages are returned by threads of its own.
    pub background_thread: bool,
    /// After how many milliseconds unused pages are offered to the kernel; -1 = never.
    pub dirty_decay_ms: i64,
    /// After how many milliseconds offered pages are returned; -1 = never.
    pub muzzy_decay_ms: i64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self::of(&Config::default())
    }
}

impl Tuning {
    /// As the directives say.
    pub fn of(config: &Config) -> Self {
        Self {
            background_thread: config.bool(rows::JEMALLOC_BG_THREAD),
            dirty_decay_ms: config.int(rows::JEMALLOC_DIRTY_DECAY_MS),
            muzzy_decay_ms: config.int(rows::JEMALLOC_MUZZY_DECAY_MS),
        }
    }
}

/// Bytes allocated now, 0 with an allocator that does not tell.
pub fn allocated() -> u64 {
    pages().map_or(0, |pages| pages.allocated)
}

#[cfg(feature = "jemalloc")]
mod implementation {
    use super::{Pages, Tuning};
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

    pub(super) fn tune(tuning: Tuning) -> Result<(), String> {
        let failed = |error: tikv_jemalloc_ctl::Error| error.to_string();
        b"background_thread\0".name().write(tuning.background_thread).map_err(failed)?;
        let kinds = [("dirty", tuning.dirty_decay_ms), ("muzzy", tuning.muzzy_decay_ms)];
        for (kind, decay_ms) in kinds {
            // Of arenas to come; then of those that are there.
            let key = format!("arenas.{kind}_decay_ms\0");
            key.as_bytes().name().write(decay_ms as isize).map_err(failed)?;
            for arena in 0..arenas::narenas::read().map_err(failed)? {
                let key = format!("arena.{arena}.{kind}_decay_ms\0");
                let key = key.as_bytes().name();
                let made: Result<isize, _> = key.read();
                if made.is_ok() {
                    key.write(decay_ms as isize).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// A decay time of zero makes an arena give back its unused pages at once.
    pub(super) fn purge() -> Result<(), String> {
        let failed = |error: tikv_jemalloc_ctl::Error| error.to_string();
        // Without a cache there is nothing to flush.
        let _had_one = boxcar_store::flush_thread_cache();
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
    use super::{Pages, Tuning};

    pub(super) fn pages() -> Option<Pages> {
        None
    }

    pub(super) fn name() -> String {
        if cfg!(feature = "mimalloc") { "mimalloc" } else { "libc" }.to_owned()
    }

    pub(super) fn tune(tuning: Tuning) -> Result<(), String> {
        if tuning == Tuning::default() { Ok(()) } else { Err("this build does not use jemalloc".to_owned()) }
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

/// Puts this into effect.
///
/// # Errors
/// When the allocator refuses, in its own words; when it is not jemalloc and this is not the default.
pub fn tune(tuning: Tuning) -> Result<(), String> {
    implementation::tune(tuning)
}

/// Gives unused pages back to the kernel, as far as the allocator can: what this thread has kept for itself, and what all have
/// given back. False when the allocator refuses, which the log tells.
pub fn purge() -> bool {
    implementation::purge().inspect_err(|error| tracing::warn!("MEMORY PURGE: {error}")).is_ok()
}

#[cfg(all(test, feature = "jemalloc"))]
mod tests {
    use super::*;

    #[test]
    fn jemalloc_asks_for_huge_pages() {
        use tikv_jemalloc_ctl::{Access, AsName};
        let thp: &'static [u8] = b"opt.thp\0".name().read().unwrap();
        assert_eq!(thp, b"always\0");
    }

    #[test]
    fn jemalloc_takes_what_the_directives_may_say() {
        for (background_thread, dirty_decay_ms, muzzy_decay_ms) in
            [(true, 0, -1), (false, -1, 5), (true, i64::from(i32::MAX), 0)]
        {
            tune(Tuning { background_thread, dirty_decay_ms, muzzy_decay_ms }).unwrap();
        }
        tune(Tuning::default()).unwrap();
        assert!(tune(Tuning { dirty_decay_ms: -2, ..Tuning::default() }).is_err());
        tune(Tuning::default()).unwrap();
    }
}
