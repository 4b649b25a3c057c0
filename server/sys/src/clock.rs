//! Time, three ways: cheap stamps for measuring ([`Ticks`]), the wall clock for expiry, the monotonic clock for timers.
//!
//! A stamp is the CPU's time-stamp counter where that is trustworthy, at about 10 ns instead of the 25 to 50 ns of
//! clock_gettime(2): on x86-64, when CPUID says that the counter is invariant (constant rate, also in deep sleep) *and* the
//! kernel uses it as its own clock, which it only does after checking that all CPUs agree. Everywhere else a stamp is
//! clock_gettime's nanoseconds, and everything works the same.

use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

/// A moment, for measuring how long something takes. Only differences mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

/// Where stamps come from, and how to turn them into nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Source {
    counter: bool,
    /// Nanoseconds of 2^32 ticks.
    nanos_per_4g_ticks: u64,
}

static SOURCE: OnceLock<Source> = OnceLock::new();

/// The counter is compared with the kernel's clock over this long, once. Both readings are good to about 50 ns, so the rate
/// is off by 5 parts in a million at most.
const CALIBRATION: Duration = Duration::from_millis(20);

#[inline]
fn source() -> Source {
    *SOURCE.get_or_init(calibrate)
}

#[cold]
fn calibrate() -> Source {
    if !counter_is_trustworthy() {
        return Source { counter: false, nanos_per_4g_ticks: 1 << 32 };
    }
    let (ticks, nanos) = paired_reading();
    std::thread::sleep(CALIBRATION);
    let (ticks_later, nanos_later) = paired_reading();
    let rate = (u128::from(nanos_later - nanos) << 32) / u128::from((ticks_later - ticks).max(1));
    Source { counter: true, nanos_per_4g_ticks: rate as u64 }
}

/// Counter and clock at one moment: of several tries the one that took the least time, undisturbed by interrupts.
fn paired_reading() -> (u64, u64) {
    let tries = (0..32).map(|_| {
        let before = read_counter();
        let nanos = monotonic_ns();
        let after = read_counter();
        (after.wrapping_sub(before), before.wrapping_add(after.wrapping_sub(before) / 2), nanos)
    });
    let (_, ticks, nanos) = tries.min().expect("there were 32 tries");
    (ticks, nanos)
}

fn counter_is_trustworthy() -> bool {
    const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    counter_is_invariant() && fs::read_to_string(CLOCK_SOURCE).is_ok_and(|name| name.trim() == "tsc")
}

#[cfg(target_arch = "x86_64")]
fn counter_is_invariant() -> bool {
    // Advanced power management leaf, EDX bit 8 (Intel SDM volume 3, 19.17.1; AMD APM volume 3, E.4.6).
    const LEAF: u32 = 0x8000_0007;
    std::arch::x86_64::__cpuid(0x8000_0000).eax >= LEAF && std::arch::x86_64::__cpuid(LEAF).edx & 1 << 8 != 0
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn read_counter() -> u64 {
    // SAFETY: RDTSC exists on every x86-64 CPU, and Linux never forbids it unless a process asks for that itself.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter_is_invariant() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn read_counter() -> u64 {
    monotonic_ns()
}

impl Ticks {
    /// Now. The first call of the process takes some 20 ms to calibrate; [`prepare`] does it at a better moment.
    #[must_use]
    #[inline]
    pub fn now() -> Ticks {
        if source().counter { Ticks(read_counter()) } else { Ticks(monotonic_ns()) }
    }

    /// Nanoseconds from `earlier` to this moment; 0 if it is the other way round.
    #[must_use]
    #[inline]
    pub fn nanos_since(self, earlier: Ticks) -> u64 {
        ((u128::from(self.0.saturating_sub(earlier.0)) * u128::from(source().nanos_per_4g_ticks)) >> 32)
            as u64
    }

    /// Microseconds from `earlier` to this moment; 0 if it is the other way round.
    #[must_use]
    #[inline]
    pub fn micros_since(self, earlier: Ticks) -> u64 {
        self.nanos_since(earlier) / 1000
    }
}

/// Calibrates the stamps now, so that no later [`Ticks::now`] does. For the start of the process.
pub fn prepare() {
    let _ = source();
}

/// Whether stamps come from the CPU's counter, for INFO.
#[must_use]
pub fn uses_cpu_counter() -> bool {
    source().counter
}

fn read_clock(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is valid for the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(result, 0, "Linux always has these clocks");
    time
}

/// Milliseconds since 1970: what expiry times are compared with. Jumps when the system's clock is set.
#[must_use]
pub fn wall_ms() -> i64 {
    let time = read_clock(libc::CLOCK_REALTIME);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Microseconds since 1970, for TIME and the slow log.
#[must_use]
pub fn wall_us() -> i64 {
    let time = read_clock(libc::CLOCK_REALTIME);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// Microseconds since some fixed moment: never jumps, stands still while the machine is suspended.
#[must_use]
pub fn monotonic_us() -> u64 {
    monotonic_ns() / 1000
}

/// Nanoseconds since the same moment.
#[must_use]
#[inline]
pub fn monotonic_ns() -> u64 {
    let time = read_clock(libc::CLOCK_MONOTONIC);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_agree_with_the_kernels_clock() {
        prepare();
        let (ticks, nanos) = (Ticks::now(), monotonic_ns());
        std::thread::sleep(Duration::from_millis(60));
        let by_ticks = Ticks::now().nanos_since(ticks);
        let by_clock = monotonic_ns() - nanos;
        let difference = by_ticks.abs_diff(by_clock);
        // A context switch between the two readings of a pair is what this margin is for.
        assert!(difference < 10_000_000, "{by_ticks} against {by_clock}");
        assert_eq!(ticks.nanos_since(Ticks::now()), 0, "time does not run backwards");
    }

    #[test]
    fn the_wall_clock_is_this_century() {
        assert!(wall_ms() > 1_577_836_800_000, "after 2020");
        assert!((wall_us() / 1000 - wall_ms()).abs() < 1000);
        let before = monotonic_us();
        assert!(monotonic_us() >= before);
    }
}
