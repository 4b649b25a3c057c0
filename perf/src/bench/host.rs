//! What the machine is, as far as it explains figures.

use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine at the beginning of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The day, UTC, as 2026-11-23.
    pub date: String,
    /// Kernel release and machine type.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Frequency governor of the server's CPU; "none" where the kernel does not choose frequencies (most VMs).
    pub governor: String,
    /// Whether this is a virtual machine.
    pub virtual_machine: bool,
    /// Load average over the last minute: above 0.5, somebody else is using the machine.
    pub load_average: String,
    /// Whether the kernel offers hardware counters of the processor.
    #[serde(default)]
    pub counters: bool,
}

impl Host {
    /// Looks around. `cpu` is the one whose governor matters.
    pub fn read(cpu: usize) -> Host {
        let kernel = uname().map_or_else(
            |_| "unknown".to_owned(),
            |name| format!("{} {}", name.release().to_string_lossy(), name.machine().to_string_lossy()),
        );
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let governor = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Host {
            date: today(),
            kernel,
            // On arm64 cpuinfo has no name, only the parts of one.
            cpu: field("model name").or_else(|| field("CPU part")).unwrap_or_else(|| "unknown".to_owned()),
            cpus: std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get),
            governor: fs::read_to_string(governor)
                .map_or_else(|_| "none".to_owned(), |name| name.trim().to_owned()),
            virtual_machine: field("flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            load_average: load.split(' ').next().unwrap_or_default().to_owned(),
            // A virtual machine without them has the folder of the software events alone.
            counters: ["cpu", "cpu_core", "armv8_pmuv3_0"]
                .iter()
                .any(|name| Path::new("/sys/bus/event_source/devices").join(name).is_dir()),
        }
    }

    /// Whether somebody else seems to use the machine.
    pub fn busy(&self) -> bool {
        self.load_average.parse::<f64>().is_ok_and(|load| load > 0.5)
    }
}

fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The Gregorian date of a day since 1970: years are counted from March, so that the leap day comes last.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_780, "2026-11-23"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn this_host_is_known() {
        let host = Host::read(0);
        assert!(
            host.cpus >= 1 && !host.kernel.is_empty() && host.load_average.parse::<f64>().is_ok(),
            "{host:?}"
        );
    }
}
