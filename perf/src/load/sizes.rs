//! How large values are: one size, a range, a lognormal distribution, or a few sizes with weights.
//!
//! The size belongs to the key: it is computed from the key's number, so that a key keeps its size over all of its
//! writes, and a reader can tell what size a value must have without having seen its writing.

use std::str::FromStr;

/// Most sizes in a mix: far more than anybody reads.
const MAX_SIZES: usize = 64;

/// Redis's largest string by default.
const MAX_SIZE: usize = 512 * 1024 * 1024;

/// Sizes of values in bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Sizes {
    /// Evenly spread over a range, both ends included. As text: `64`, `16-1024`.
    Range {
        /// Smallest.
        min: usize,
        /// Largest.
        max: usize,
    },
    /// `median x e^(sigma x Z)` with a standard normal `Z`, and at most `max`. As text: `lognormal:300:1.5:64kb`.
    LogNormal {
        /// Half of the values are smaller.
        median: usize,
        /// Standard deviation of the logarithm, above 0 and at most 5.
        sigma: f64,
        /// Larger ones are cut to this.
        max: usize,
    },
    /// These sizes with these weights. As text: `64:99,1mb:1`.
    Weighted(Vec<(usize, u32)>),
}

impl Sizes {
    /// Whether all values have one size.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Sizes::Range { min, max } if min == max => Some(*max),
            Sizes::Weighted(sizes) if sizes.len() == 1 => Some(sizes[0].0),
            _ => None,
        }
    }

    /// Largest size.
    pub fn max(&self) -> usize {
        match self {
            Sizes::Range { max, .. } | Sizes::LogNormal { max, .. } => *max,
            Sizes::Weighted(sizes) => sizes.iter().map(|&(size, _)| size).max().unwrap_or(0),
        }
    }

    /// The size that belongs to key number `key`.
    #[inline]
    pub fn of_key(&self, key: u64) -> usize {
        match self {
            Sizes::Range { min, max } if min == max => *max,
            Sizes::Range { min, max } => min + below(scramble(key), (max - min) as u64 + 1) as usize,
            Sizes::LogNormal { median, sigma, max } => {
                let size = *median as f64 * (sigma * normal(scramble(key))).exp();
                (size.round() as usize).clamp(1, *max)
            }
            Sizes::Weighted(sizes) => {
                let total = sizes.iter().map(|&(_, weight)| u64::from(weight)).sum();
                let mut at = below(scramble(key), total);
                for &(size, weight) in sizes {
                    if at < u64::from(weight) {
                        return size;
                    }
                    at -= u64::from(weight);
                }
                unreachable!("a number below the sum of the weights falls on one of them")
            }
        }
    }
}

/// The finaliser of SplitMix64: turns neighbouring keys into unrelated numbers.
#[inline]
pub(super) fn scramble(key: u64) -> u64 {
    let mut hash = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// 64 random bits to a number below `bound`, evenly.
#[inline]
pub(super) fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// 64 random bits to a standard normal deviate (the first of Box and Muller's two).
fn normal(bits: u64) -> f64 {
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let (radius, angle) = (unit((bits >> 32) as u32), unit(bits as u32));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A size in bytes: a number, perhaps with `kb` or `mb` (1024, 1024 x 1024).
fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is not a size in bytes (as in 64, 16kb, 1mb)");
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match (lower.strip_suffix("kb"), lower.strip_suffix("mb")) {
        (Some(digits), _) => (digits, 1 << 10),
        (_, Some(digits)) => (digits, 1 << 20),
        _ => (lower.as_str(), 1),
    };
    let number: usize = digits.parse().map_err(|_| wrong())?;
    let size = number.checked_mul(unit).ok_or_else(wrong)?;
    if size <= MAX_SIZE { Ok(size) } else { Err(format!("{text} is larger than {MAX_SIZE} bytes")) }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        if let Some(parameters) = text.strip_prefix("lognormal:") {
            return log_normal(parameters);
        }
        if text.contains(':') {
            return weighted(text);
        }
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let (min, max) = (bytes(min)?, bytes(max)?);
        if min <= max { Ok(Sizes::Range { min, max }) } else { Err(format!("{min} is larger than {max}")) }
    }
}

fn log_normal(parameters: &str) -> Result<Sizes, String> {
    let parts: Vec<&str> = parameters.split(':').collect();
    let (median, sigma, max) = match parts[..] {
        [median, sigma] => (median, sigma, "1mb"),
        [median, sigma, max] => (median, sigma, max),
        _ => return Err("expected lognormal:MEDIAN:SIGMA[:MAX], as in lognormal:300:1.5:64kb".to_owned()),
    };
    let (median, max) = (bytes(median)?, bytes(max)?);
    let sigma: f64 = sigma.parse().map_err(|_| format!("{sigma:?} is not a number"))?;
    if !(sigma > 0.0 && sigma <= 5.0) {
        return Err("sigma is above 0 and at most 5".to_owned());
    }
    if median == 0 || median > max {
        return Err(format!("the median is 1 to {max} bytes"));
    }
    Ok(Sizes::LogNormal { median, sigma, max })
}

fn weighted(text: &str) -> Result<Sizes, String> {
    let sizes = text
        .split(',')
        .map(|part| {
            let (size, weight) = part.split_once(':').ok_or("expected SIZE:WEIGHT,..., as in 64:99,1mb:1")?;
            let weight: u32 =
                weight.parse().map_err(|_| format!("{weight:?} is not a weight (a whole number)"))?;
            Ok((bytes(size)?, weight))
        })
        .collect::<Result<Vec<_>, String>>()?;
    if sizes.iter().all(|&(_, weight)| weight == 0) || sizes.len() > MAX_SIZES {
        return Err(format!("1 to {MAX_SIZES} sizes are needed, not all of weight 0"));
    }
    Ok(Sizes::Weighted(sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_text() {
        assert_eq!("64".parse(), Ok(Sizes::Range { min: 64, max: 64 }));
        assert_eq!("1kb-2KB".parse(), Ok(Sizes::Range { min: 1024, max: 2048 }));
        assert_eq!("64:99,1mb:1".parse(), Ok(Sizes::Weighted(vec![(64, 99), (1 << 20, 1)])));
        let expected = Sizes::LogNormal { median: 300, sigma: 1.5, max: 1 << 20 };
        assert_eq!("lognormal:300:1.5".parse(), Ok(expected));
        for wrong in [
            "",
            "x",
            "9-3",
            "64:0",
            "64:1,32",
            "lognormal:3",
            "lognormal:0:1",
            "lognormal:9:0",
            "9mbb",
            "513mb",
        ] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn weights_are_kept() {
        let sizes: Sizes = "64:99,1mb:1".parse().unwrap();
        let large = (0..100_000).filter(|&key| sizes.of_key(key) == 1 << 20).count();
        // 1,000 expected, standard deviation 31.
        assert!((780..1_220).contains(&large), "{large}");
        assert_eq!((sizes.max(), sizes.fixed()), (1 << 20, None));
    }

    #[test]
    fn a_lognormal_has_its_median_and_its_spread() {
        let sizes = Sizes::LogNormal { median: 1_000, sigma: 1.0, max: 1 << 20 };
        let mut found: Vec<usize> = (0..20_001).map(|key| sizes.of_key(key)).collect();
        found.sort_unstable();
        let at = |quantile: f64| found[(quantile * 20_000.0) as usize] as f64;
        assert!((at(0.5) / 1_000.0 - 1.0).abs() < 0.05, "{}", at(0.5));
        // One standard deviation above the median is e times as much.
        assert!((at(0.8413) / 2_718.0 - 1.0).abs() < 0.08, "{}", at(0.8413));
        assert!((at(0.1587) / 367.9 - 1.0).abs() < 0.08, "{}", at(0.1587));
    }
}
