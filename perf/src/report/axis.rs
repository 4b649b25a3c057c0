//! Axes: where a value stands, which values get a tick, and how figures are written.

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// Each tenfold as long as the one before.
    Log,
    /// Percentiles, stretched towards 100: from 90 to 99 is as long as from 99 to 99.9.
    Tail,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds, shown as ns, µs, ms or s.
    Micros,
    /// Operations a second.
    PerSecond,
    /// A plain number.
    Count,
    /// A percentile.
    Percentile,
    /// A share of one.
    Share,
}

impl Unit {
    /// A figure with its unit, with three digits.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Micros if value < 1.0 => format!("{} ns", digits(value * 1e3)),
            Unit::Micros if value < 1e3 => format!("{} µs", digits(value)),
            Unit::Micros if value < 1e6 => format!("{} ms", digits(value / 1e3)),
            Unit::Micros => format!("{} s", digits(value / 1e6)),
            Unit::PerSecond if value < 1e3 => format!("{}/s", digits(value)),
            Unit::PerSecond if value < 1e6 => format!("{} k/s", digits(value / 1e3)),
            Unit::PerSecond => format!("{} M/s", digits(value / 1e6)),
            Unit::Count => digits(value),
            Unit::Percentile => format!("p{}", trimmed(format!("{value:.4}"))),
            Unit::Share => format!("{} %", digits(value * 100.0)),
        }
    }
}

/// Three digits that count, without zeros at the end of a fraction.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    let text = match () {
        () if magnitude >= 100.0 => format!("{value:.0}"),
        () if magnitude >= 10.0 => format!("{value:.1}"),
        () if magnitude >= 1.0 => format!("{value:.2}"),
        () => format!("{value:.3}"),
    };
    trimmed(text)
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Percentiles that get a tick.
const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// The last percentile that has a place; the hundredth is infinitely far.
const LAST_PERCENTILE: f64 = 99.9999;

/// An axis fitted to values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ruler {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Ruler {
    /// An axis that has room for all these values; `None` if there are none that it can show.
    pub fn fit(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Ruler> {
        let shown = values.filter(|value| value.is_finite() && (scale != Scale::Log || *value > 0.0));
        let (low, high) = shown
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        let (low, high) = match scale {
            Scale::Linear => {
                let step = step(high.max(f64::MIN_POSITIVE) / 5.0);
                (0.0, (high / step).ceil().max(1.0) * step)
            }
            Scale::Log => {
                let (low, high) = (below(low), above(high));
                (low, if high > low { high } else { above(high * 1.01) })
            }
            Scale::Tail => (0.0, high.clamp(90.0, LAST_PERCENTILE)),
        };
        Some(Ruler { scale, low, high })
    }

    /// Where a value stands: 0 at the axis's beginning, 1 at its end.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                (value.max(self.low).log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
            }
            Scale::Tail => nines(value) / nines(self.high),
        };
        place.clamp(0.0, 1.0)
    }

    /// Values that get a tick, at most about `most`.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.high / most.max(1) as f64);
                let count = (self.high / step + 1e-9).floor() as usize;
                (0..=count).map(|index| index as f64 * step).collect()
            }
            Scale::Log => self.log_ticks(most),
            Scale::Tail => PERCENTILES
                .into_iter()
                .filter(|&percentile| percentile <= self.high * (1.0 + 1e-12))
                .collect(),
        }
    }

    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let of = |steps: &[f64]| -> Vec<f64> {
            let all = decades.clone().flat_map(|decade| steps.iter().map(move |s| s * 10_f64.powi(decade)));
            all.filter(|&tick| tick >= self.low * 0.999 && tick <= self.high * 1.001).collect()
        };
        let fine = of(&[1.0, 2.0, 5.0]);
        if fine.len() <= most { fine } else { of(&[1.0]) }
    }
}

/// How many nines a percentile has: 1 at 90, 2 at 99.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile.clamp(0.0, LAST_PERCENTILE) / 100.0).log10()
}

/// The smallest of 1, 2, 5, 10, 20, ... that is at least `least`.
fn step(least: f64) -> f64 {
    above(least)
}

fn above(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= value * (1.0 - 1e-9));
    fits.unwrap_or(decade * 10.0)
}

fn below(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = [5.0, 2.0, 1.0].into_iter().map(|m| m * decade).find(|s| *s <= value * (1.0 + 1e-9));
    fits.unwrap_or(decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (unit, value, expected) in [
            (Unit::Micros, 0.0634, "63.4 ns"),
            (Unit::Micros, 4.5, "4.5 µs"),
            (Unit::Micros, 1234.0, "1.23 ms"),
            (Unit::Micros, 2.0e6, "2 s"),
            (Unit::PerSecond, 2_206_862.0, "2.21 M/s"),
            (Unit::PerSecond, 183_000.0, "183 k/s"),
            (Unit::Percentile, 99.9, "p99.9"),
            (Unit::Share, 0.705, "70.5 %"),
            (Unit::Count, 100.0, "100"),
        ] {
            assert_eq!(unit.show(value), expected);
        }
    }

    #[test]
    fn a_tail_is_stretched() {
        let ruler = Ruler::fit(Scale::Tail, [0.0, 50.0, 99.99].into_iter()).unwrap();
        let gap = |a: f64, b: f64| ruler.place(b) - ruler.place(a);
        assert!((gap(90.0, 99.0) - gap(99.0, 99.9)).abs() < 1e-9);
        assert_eq!(ruler.place(0.0), 0.0);
        assert!((ruler.place(99.99) - 1.0).abs() < 1e-9 && ruler.place(100.0) == 1.0);
        assert_eq!(ruler.ticks(9), [50.0, 90.0, 99.0, 99.9, 99.99]);
    }

    #[test]
    fn axes_have_room_for_all_values() {
        let log = Ruler::fit(Scale::Log, [37.0, 4_100.0].into_iter()).unwrap();
        assert_eq!((log.low, log.high), (20.0, 5_000.0));
        assert_eq!(log.ticks(9), [20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0]);
        assert_eq!(log.ticks(4), [100.0, 1_000.0]);
        let linear = Ruler::fit(Scale::Linear, [3.0, 8.7].into_iter()).unwrap();
        assert_eq!((linear.low, linear.high), (0.0, 10.0));
        assert_eq!(linear.ticks(5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn odd_values_neither_hang_nor_panic() {
        assert_eq!(Ruler::fit(Scale::Log, [0.0, f64::NAN].into_iter()), None);
        for scale in [Scale::Linear, Scale::Log, Scale::Tail] {
            for values in [vec![1.0], vec![1e-12, 1e12], vec![0.0, 5.0]] {
                let Some(ruler) = Ruler::fit(scale, values.iter().copied()) else { continue };
                assert!(ruler.ticks(8).len() < 40, "{scale:?} {values:?}");
                assert!(values.iter().all(|&value| (0.0..=1.0).contains(&ruler.place(value))));
            }
        }
        let nothing = Ruler::fit(Scale::Linear, [0.0].into_iter()).unwrap();
        assert!(nothing.ticks(5).len() < 10);
    }
}
