//! Whether a difference is larger than the noise.
//!
//! Two servers measured in turns give a pair of figures for each round. The ratio within a round is free of what the
//! machine did to both, and what is left is judged three times:
//!
//! * Wilcoxon's signed-rank test on the logarithms of the ratios, exact for any number of rounds: how probable would ranks
//!   as lopsided as these be if there were no difference? It asks for no distribution, and one wild round cannot decide it.
//!   Below six rounds it cannot become sure of anything (with five, the least probability is 1/16).
//! * The control: the base takes part twice. A difference is not believed unless it is larger than the one between the
//!   base and itself.
//! * Student's t test on the same logarithms, for all comparisons of a page together (Benjamini and Hochberg): of what is called a
//!   difference, at most one in twenty is expected to be none, however many comparisons there are. Signed ranks cannot do
//!   that with few rounds, because their least probability is far above what hundreds of comparisons ask for; Student's
//!   test can, and where a wild round makes its assumption doubtful, that round widens the spread and it sees less.

use serde::{Deserialize, Serialize};

/// A probability up to this counts as evidence.
pub const SIGNIFICANT: f64 = 0.05;

/// Fewest rounds that can be evidence.
pub const FEWEST_ROUNDS: u16 = 6;

/// A figure of one server against another's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Median over the rounds of the ratio within a round.
    pub ratio: f64,
    /// The smallest ratio.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Probability of such ranks without a difference.
    pub probability: f64,
    /// Median ratio of the control.
    pub control: f64,
    /// Rounds that had both.
    pub rounds: usize,
    /// Probability of such a mean without a difference, by Student's t test.
    pub student: f64,
    /// The same after all comparisons of the page are taken into account; equal to it in a comparison that stands alone.
    pub adjusted: f64,
}

/// Takes into account how many comparisons there are: Benjamini's and Hochberg's bound on the share of false discoveries.
pub fn adjust<'c>(comparisons: impl IntoIterator<Item = &'c mut Comparison>) {
    let mut all: Vec<&mut Comparison> = comparisons.into_iter().collect();
    all.sort_by(|a, b| b.student.total_cmp(&a.student));
    let count = all.len();
    let mut least = 1.0_f64;
    for (index, found) in all.into_iter().enumerate() {
        least = least.min(found.student * count as f64 / (count - index) as f64);
        found.adjusted = least;
    }
}

impl Comparison {
    /// Compares over the rounds; each pair is (base, other). `None` without a usable pair.
    pub fn of(pairs: &[(f64, f64)], control: &[(f64, f64)]) -> Option<Comparison> {
        let logs = logs(pairs);
        let (low, high) = (logs.iter().copied().reduce(f64::min)?, logs.iter().copied().reduce(f64::max)?);
        let student = student(&logs);
        Some(Comparison {
            ratio: median(&logs)?.exp(),
            low: low.exp(),
            high: high.exp(),
            probability: signed_rank(&logs),
            control: median(&self::logs(control)).unwrap_or(0.0).exp(),
            rounds: logs.len(),
            student,
            adjusted: student,
        })
    }

    /// Whether the difference is larger than the noise.
    pub fn sure(&self) -> bool {
        self.probability <= SIGNIFICANT
            && self.adjusted <= SIGNIFICANT
            && self.ratio.ln().abs() > self.control.ln().abs()
    }

    /// The difference and its spread over the rounds: `+1.0 % (-2.0 % to +3.5 %)`.
    pub fn text(&self) -> String {
        let percent = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
        format!("{} ({} to {})", percent(self.ratio), percent(self.low), percent(self.high))
    }

    /// The verdict in words; `less` and `more` are what a ratio below and above one means.
    pub fn verdict(&self, less: &str, more: &str) -> String {
        if self.sure() {
            if self.ratio < 1.0 { less.to_owned() } else { more.to_owned() }
        } else if self.rounds < usize::from(FEWEST_ROUNDS) {
            "too few rounds".to_owned()
        } else {
            "within the noise".to_owned()
        }
    }
}

fn logs(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs
        .iter()
        .filter(|(base, other)| *base > 0.0 && *other > 0.0)
        .map(|(base, other)| (other / base).ln())
        .collect()
}

fn median(figures: &[f64]) -> Option<f64> {
    super::statistics::Range::of(figures.iter().copied()).map(|range| range.median)
}

/// Two-sided probability of Student's t test that the mean is zero; 1 for less than two figures.
fn student(differences: &[f64]) -> f64 {
    let count = differences.len() as f64;
    if differences.len() < 2 {
        return 1.0;
    }
    let mean = differences.iter().sum::<f64>() / count;
    let squares = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>();
    if squares == 0.0 {
        return if mean == 0.0 { 1.0 } else { 0.0 };
    }
    let t = mean / (squares / (count - 1.0) / count).sqrt();
    (1.0 - within(t.abs(), differences.len() - 1)).max(0.0)
}

/// Probability that a t of so many degrees of freedom lies between -t and t: the finite series that there is for whole degrees
/// (Abramowitz and Stegun 26.7.3 and 26.7.4).
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, square) = (angle.sin(), angle.cos().powi(2));
    let odd = freedom % 2 == 1;
    let terms = if odd { (freedom - 1) / 2 } else { freedom / 2 };
    let (mut term, mut sum) = (if odd { angle.cos() } else { 1.0 }, 0.0);
    for index in 0..terms {
        sum += term;
        let step = 2.0 * index as f64;
        term *= square * if odd { (step + 2.0) / (step + 3.0) } else { (step + 1.0) / (step + 2.0) };
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

/// Two-sided probability of Wilcoxon's signed-rank test. Zeros are left out; ties share their mean rank.
fn signed_rank(differences: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Ranks are doubled, so that the mean of two neighbours is a whole number.
    let mut ranks = vec![0_usize; sizes.len()];
    let mut start = 0;
    while start < sizes.len() {
        let end = start + sizes[start..].iter().take_while(|size| size.abs() == sizes[start].abs()).count();
        ranks[start..end].fill(start + 1 + end);
        start = end;
    }
    let total: usize = ranks.iter().sum();
    let positive: usize =
        ranks.iter().zip(&sizes).filter(|(_, size)| **size > 0.0).map(|(rank, _)| rank).sum();
    let extreme = positive.min(total - positive);
    // How many of the 2^n ways to give signs have each sum of positive ranks, as shares.
    let mut ways = vec![0.0; total + 1];
    ways[0] = 1.0;
    for &rank in &ranks {
        for sum in (0..=total).rev() {
            ways[sum] = f64::midpoint(ways[sum], if sum >= rank { ways[sum - rank] } else { 0.0 });
        }
    }
    (2.0 * ways[..=extreme].iter().sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_tables() {
        let all_one_side = |n: usize| signed_rank(&(1..=n).map(|i| i as f64).collect::<Vec<_>>());
        assert!((all_one_side(5) - 0.0625).abs() < 1e-12);
        assert!((all_one_side(6) - 0.03125).abs() < 1e-12);
        // W = 5 of n = 8: tabulated two-sided probability 0.0781.
        let eight = [1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0];
        assert!((signed_rank(&eight) - 0.078_125).abs() < 1e-9, "{}", signed_rank(&eight));
        assert_eq!(signed_rank(&[]), 1.0);
        assert_eq!(signed_rank(&[0.0, 0.0]), 1.0);
        assert_eq!(signed_rank(&[1.0, -1.0]), 1.0);
    }

    #[test]
    fn t_is_that_of_the_tables() {
        // Critical values of 5 % and of 0.1 %, two-sided.
        for (freedom, t, expected) in [
            (1, 12.706, 0.05),
            (2, 4.303, 0.05),
            (5, 2.571, 0.05),
            (5, 6.869, 0.001),
            (7, 2.365, 0.05),
            (8, 5.041, 0.001),
        ] {
            let found = 1.0 - within(t, freedom);
            assert!((found / expected - 1.0).abs() < 0.01, "{freedom}: {found}");
        }
        assert_eq!((student(&[]), student(&[0.1])), (1.0, 1.0));
    }

    #[test]
    fn many_comparisons_of_the_same_find_next_to_nothing() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        let mut random = StdRng::seed_from_u64(1);
        // Noise of about 2 %; in one of forty comparisons there is a difference of 10 %.
        let mut noise = |by: f64| -> Vec<(f64, f64)> {
            let figure =
                |random: &mut StdRng| 1.0 + 0.02 * (0..12).map(|_| random.random::<f64>() - 0.5).sum::<f64>();
            (0..6).map(|_| (figure(&mut random), by * figure(&mut random))).collect()
        };
        let mut found: Vec<Comparison> = (0..400)
            .map(|index| {
                Comparison::of(&noise(if index % 40 == 0 { 1.1 } else { 1.0 }), &noise(1.0)).unwrap()
            })
            .collect();
        let sure = |found: &[Comparison], real: bool| {
            found
                .iter()
                .enumerate()
                .filter(|(index, found)| (index % 40 == 0) == real && found.sure())
                .count()
        };
        let before = sure(&found, false);
        adjust(&mut found);
        assert!(before >= 3, "{before}");
        assert!(
            sure(&found, false) <= 1 && sure(&found, true) >= 8,
            "{} of 10, {} of none",
            sure(&found, true),
            sure(&found, false)
        );
        assert!(found.iter().all(|found| found.adjusted >= found.student));
    }

    #[test]
    fn a_drift_of_the_machine_is_no_difference() {
        // The machine slows down by half over the rounds, for both.
        let drift: Vec<f64> = (0..8).map(|round| 1.0 + f64::from(round) * 0.07).collect();
        let wobble = [1.01, 0.99, 0.995, 1.005, 1.002, 0.997, 1.004, 0.998];
        let same: Vec<(f64, f64)> = drift.iter().zip(wobble).map(|(d, w)| (*d, d * w)).collect();
        let less: Vec<(f64, f64)> = drift.iter().zip(wobble).map(|(d, w)| (*d, d * w * 0.95)).collect();
        let found = Comparison::of(&same, &same).unwrap();
        assert!(!found.sure() && found.verdict("less", "more") == "within the noise", "{found:?}");
        let found = Comparison::of(&less, &same).unwrap();
        assert!(found.sure() && found.verdict("less", "more") == "less", "{found:?}");
        assert!((found.ratio - 0.95).abs() < 0.005);
    }

    #[test]
    fn a_control_as_far_off_forbids_a_verdict() {
        let base: Vec<(f64, f64)> = (0..8).map(|round| (1.0, 1.02 + f64::from(round) * 1e-3)).collect();
        let control: Vec<(f64, f64)> = (0..8).map(|round| (1.0, 1.03 + f64::from(round) * 1e-3)).collect();
        assert!(Comparison::of(&base, &base[..0]).unwrap().sure());
        assert!(!Comparison::of(&base, &control).unwrap().sure());
    }

    #[test]
    fn few_rounds_decide_nothing() {
        let pairs = vec![(1.0, 2.0); 5];
        assert_eq!(Comparison::of(&pairs, &[]).unwrap().verdict("less", "more"), "too few rounds");
        assert_eq!(Comparison::of(&[(0.0, 1.0)], &[]), None);
    }
}
