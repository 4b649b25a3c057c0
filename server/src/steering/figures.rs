//! What the programs have counted and measured, as INFO ebpf and LATENCY WIRE show it.

use super::SteeringError;
use super::loader::{Loaded, mode_name};
use crate::commands::wire::WireLatency;
use crate::config::{Config, rows};
use aya::maps::{MapError, PerCpuArray};
use boxcar_ebpf_abi::histogram::{BUCKETS, Buckets, upper_bound};
use boxcar_ebpf_abi::layout::{CLASS_BYTES, CLASSES, Counters};
use boxcar_ebpf_abi::names;
use std::fmt::Write as _;

/// One CPU's histogram of one class.
pub type Fine = Buckets;
/// The same, empty.
pub const EMPTY: Fine = Buckets { counts: [0; BUCKETS] };

/// A counter: how INFO calls it, and where it is.
type Counter = (&'static str, fn(&Counters) -> u64);

/// The table of counters.
const COUNTERS: &[Counter] = &[
    ("frames", |c| c.frames),
    ("other", |c| c.other),
    ("malformed", |c| c.malformed),
    ("fragments", |c| c.fragments),
    ("foreign", |c| c.foreign),
    ("matched", |c| c.matched),
    ("unsteered", |c| c.unsteered),
    ("local", |c| c.local),
    ("redirected", |c| c.redirected),
    ("partial_checksum", |c| c.partial_checksum),
    ("no_cpu", |c| c.no_cpu),
    ("guard_denied", |c| c.guard_denied),
    ("guard_limited", |c| c.guard_limited),
    ("selected", |c| c.selected),
    ("unselected", |c| c.unselected),
    ("probe_stamped", |c| c.probe_stamped),
    ("probe_joined", |c| c.probe_joined),
    ("probe_retransmitted", |c| c.probe_retransmitted),
    ("probe_matched", |c| c.probe_matched),
    ("probe_unstamped", |c| c.probe_unstamped),
    ("probe_resent", |c| c.probe_resent),
    ("probe_lost", |c| c.probe_lost),
    ("probe_entered", |c| c.probe_entered),
    ("probe_displaced", |c| c.probe_displaced),
    ("probe_refused", |c| c.probe_refused),
    ("out_foreign", |c| c.out_foreign),
];

/// The counters of each CPU.
fn counters(loaded: &Loaded) -> Result<Vec<Counters>, SteeringError> {
    let map: PerCpuArray<_, Counters> = loaded.read(names::COUNTERS)?;
    let values = map.get(&0, 0).map_err(|source| SteeringError::Map { name: names::COUNTERS, source })?;
    Ok(values.to_vec())
}

/// The sums over all CPUs of what [`COUNTERS`] lists, in its order.
fn totals(counters: &[Counters]) -> impl Iterator<Item = (&'static str, u64)> {
    COUNTERS.iter().map(|(name, of)| (*name, counters.iter().map(of).sum()))
}

/// Frames that were not steered because their checksums are not filled in.
pub fn partial_checksums(loaded: &Loaded) -> Result<u64, SteeringError> {
    Ok(counters(loaded)?.iter().map(|cpu| cpu.partial_checksum).sum())
}

/// A sum of histograms.
struct Sum(Box<[u64; BUCKETS]>);

impl Sum {
    fn new() -> Self {
        Self(Box::new([0; BUCKETS]))
    }

    fn add(&mut self, fine: &Fine) {
        for (total, count) in self.0.iter_mut().zip(&fine.counts) {
            *total += count;
        }
    }

    fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Nanoseconds at or below which `share` (0 to 1) of the values lie; 0 when there are none.
    fn quantile(&self, share: f64) -> u64 {
        let count = self.count();
        let rank = ((share * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map_or(0, upper_bound)
    }

    /// Microseconds at 50, 99 and 99.9 %.
    fn percentiles_us(&self) -> [u64; 3] {
        [0.5, 0.99, 0.999].map(|share| self.quantile(share).div_ceil(1000))
    }

    /// Microseconds and values up to there, by powers of two, without those that add nothing.
    fn cumulative_us(&self) -> Vec<(u64, u64)> {
        let mut rows = Vec::new();
        let mut seen = 0;
        for (octave, counts) in self.0.chunks(BUCKETS / boxcar_ebpf_abi::histogram::OCTAVES).enumerate() {
            let here: u64 = counts.iter().sum();
            seen += here;
            if here > 0 {
                rows.push(((1 << (octave + 10)) / 1000, seen));
            }
        }
        rows
    }
}

/// The histograms of one class, one for each CPU.
fn fine(loaded: &Loaded, class: usize) -> Result<Vec<Fine>, SteeringError> {
    let map: PerCpuArray<_, Fine> = loaded.read(names::LATENCY_FINE)?;
    let failed = |source: MapError| SteeringError::Map { name: names::LATENCY_FINE, source };
    Ok(map.get(&(class as u32), 0).map_err(failed)?.to_vec())
}

fn class_name(class: usize) -> String {
    match CLASS_BYTES[class] {
        u64::MAX => "larger".to_owned(),
        bytes => format!("up_to_{bytes}"),
    }
}

/// LATENCY WIRE.
pub fn latency(loaded: &Loaded) -> Result<Vec<WireLatency>, SteeringError> {
    let mut found = Vec::new();
    for class in 0..CLASSES {
        let mut sum = Sum::new();
        fine(loaded, class)?.iter().for_each(|cpu| sum.add(cpu));
        if sum.count() > 0 {
            found.push(shown(class_name(class), &sum));
        }
    }
    Ok(found)
}

/// The same over all classes.
pub fn total(loaded: &Loaded) -> Result<WireLatency, SteeringError> {
    let mut sum = Sum::new();
    for class in 0..CLASSES {
        fine(loaded, class)?.iter().for_each(|cpu| sum.add(cpu));
    }
    Ok(shown("all".to_owned(), &sum))
}

fn shown(class: String, sum: &Sum) -> WireLatency {
    let (replies, percentiles_us) = (sum.count(), sum.percentiles_us());
    WireLatency { class, replies, percentiles_us, cumulative_us: sum.cumulative_us() }
}

/// INFO ebpf of a server without the programs.
pub fn info_off(reason: &str, text: &mut String) {
    line(text, "status", format_args!("off"));
    line(text, "reason", format_args!("{}", reason.replace(['\r', '\n'], " ")));
}

/// INFO ebpf.
pub fn info(loaded: &Loaded, config: &Config, text: &mut String) {
    line(text, "status", format_args!("running"));
    for (interface, in_driver) in &loaded.attached {
        let state = if interface.is_there() { mode_name(*in_driver) } else { "gone" };
        line(text, &format!("interface_{}", interface.name), format_args!("{state}"));
    }
    line(text, "steering", format_args!("{}", config.render(rows::XDP_STEERING)));
    let probe = match (loaded.no_probe, loaded.settings.probe) {
        (Some(reason), _) => format!("unavailable ({reason})"),
        (None, 0) => "off".to_owned(),
        (None, _) => "on".to_owned(),
    };
    line(text, "probe", format_args!("{probe}"));
    line(text, "guard", format_args!("{}", if loaded.settings.guard == 0 { "off" } else { "on" }));
    line(text, "pins", format_args!("{}", loaded.pins.folder().display()));
    if let Err(error) = figures(loaded, text) {
        line(text, "error", format_args!("{error}"));
    }
}

fn figures(loaded: &Loaded, text: &mut String) -> Result<(), SteeringError> {
    let counters = counters(loaded)?;
    for (name, total) in totals(&counters) {
        line(text, name, format_args!("{total}"));
    }
    let classes = (0..CLASSES).map(|class| fine(loaded, class)).collect::<Result<Vec<_>, _>>()?;
    for (cpu, own) in counters.iter().enumerate().filter(|(_, own)| **own != Counters::default()) {
        let mut sum = Sum::new();
        classes.iter().filter_map(|class| class.get(cpu)).for_each(|fine| sum.add(fine));
        let [p50, p99, p999] = sum.percentiles_us();
        let Counters { frames, matched, redirected, local, malformed, probe_matched, .. } = own;
        line(
            text,
            &format!("cpu{cpu}"),
            format_args!(
                "frames={frames},matched={matched},redirected={redirected},local={local},malformed={malformed},\
                 replies={probe_matched},p50_usec={p50},p99_usec={p99},p99.9_usec={p999}"
            ),
        );
    }
    Ok(())
}

fn line(text: &mut String, name: &str, value: std::fmt::Arguments<'_>) {
    write!(text, "ebpf_{name}:{value}\r\n").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxcar_ebpf_abi::histogram::bucket;

    #[test]
    fn every_counter_is_shown() {
        let names: std::collections::HashSet<_> = COUNTERS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), size_of::<Counters>() / 8);
    }

    #[test]
    fn percentiles_and_steps() {
        let mut fine = EMPTY;
        for micros in 1..=1000u64 {
            fine.counts[bucket(micros * 1000)] += 1;
        }
        let mut sum = Sum::new();
        assert_eq!((sum.quantile(0.5), sum.cumulative_us()), (0, vec![]));
        sum.add(&fine);
        for (found, expected) in sum.percentiles_us().into_iter().zip([500.0, 990.0, 999.0]) {
            assert!((found as f64 / expected - 1.0).abs() < 0.04, "{found} {expected}");
        }
        let rows = sum.cumulative_us();
        assert_eq!(rows[..3], [(1, 1), (2, 2), (4, 4)]);
        assert_eq!(rows.last(), Some(&(1048, 1000)));
    }
}
