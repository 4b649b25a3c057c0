//! What more threads would give: a model fitted to what few threads cost.
//!
//! The universal scalability law says that `N` threads do `X(N) = N / (c (1 + sigma (N - 1) + kappa N (N - 1)))` operations a second, where `c` is what
//! one costs one thread, `sigma` the share that threads wait for one another, and `kappa` what they pay for exchanging cache
//! lines, each with each. Threads here never sleep on a lock, they spin or do something else, so that both show up as
//! CPU time: `c(N) / c(1) - 1 = sigma (N - 1) + kappa N (N - 1)`. That can be measured where CPUs are few, and even where the generator needs them
//! too, which throughput cannot.
//!
//! One thread and two give one equation for two unknowns. What the server counts helps: a lock found taken is waited for about as long as
//! an operation lasts at most, so contended locks per operation are a share of `sigma`. The rest of the excess is all `sigma` at best, and all
//! `kappa` at worst; the truth lies between. With three counts or more both are fitted, by least squares.

/// The two coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Coefficients {
    /// Share of waiting for others.
    pub sigma: f64,
    /// Share of exchanging with each of the others.
    pub kappa: f64,
}

/// What a number of threads cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Observation {
    /// Threads.
    pub threads: f64,
    /// CPU time per operation, in microseconds.
    pub cost: f64,
    /// Locks found taken, per operation.
    pub contended: f64,
}

/// The model for one workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Model {
    /// CPU time per operation of one thread, in microseconds.
    pub cost: f64,
    /// The most hopeful coefficients that fit.
    pub best: Coefficients,
    /// The least hopeful ones.
    pub worst: Coefficients,
}

impl Model {
    /// The model of these observations; `None` without one thread and more than one.
    pub fn fit(observations: &[Observation]) -> Option<Model> {
        let single = observations.iter().find(|found| found.threads == 1.0 && found.cost > 0.0)?;
        let excess = |found: &Observation| (found.threads, found.cost / single.cost - 1.0);
        let several: Vec<Observation> =
            observations.iter().copied().filter(|found| found.threads > 1.0).collect();
        match several.as_slice() {
            [] => None,
            [two] => {
                let (n, excess) = excess(two);
                // Below nothing is noise: more threads do not make an operation cheaper.
                let total = excess.max(0.0) / (n - 1.0);
                let sigma = two.contended.min(total);
                let worst = Coefficients { sigma, kappa: (total - sigma) / n };
                Some(Model { cost: single.cost, best: Coefficients { sigma: total, kappa: 0.0 }, worst })
            }
            several => {
                let fitted = least_squares(&several.iter().map(excess).collect::<Vec<_>>());
                Some(Model { cost: single.cost, best: fitted, worst: fitted })
            }
        }
    }

    /// Operations a second that this many threads would do, with all their CPU time.
    pub fn capacity(&self, threads: f64, coefficients: Coefficients) -> f64 {
        let Coefficients { sigma, kappa } = coefficients;
        let factor = 1.0 + sigma * (threads - 1.0) + kappa * threads * (threads - 1.0);
        threads * 1e6 / (self.cost * factor)
    }

    /// The fewest threads that would do this many operations a second with this share of their CPU time; `None`: no number up to 1024 would.
    pub fn threads_for(&self, rate: f64, share: f64, coefficients: Coefficients) -> Option<u32> {
        (1..=1024).find(|&threads| self.capacity(f64::from(threads), coefficients) * share >= rate)
    }
}

/// The coefficients, none below zero, that come closest to `y = sigma (n - 1) + kappa n (n - 1)`.
fn least_squares(points: &[(f64, f64)]) -> Coefficients {
    let sum = |figure: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(n, y)| figure(n, y)).sum::<f64>();
    let (a, b) = (|n: f64| n - 1.0, |n: f64| n * (n - 1.0));
    let (aa, ab, bb) = (sum(&|n, _| a(n) * a(n)), sum(&|n, _| a(n) * b(n)), sum(&|n, _| b(n) * b(n)));
    let (ay, by) = (sum(&|n, y| a(n) * y), sum(&|n, y| b(n) * y));
    let determinant = aa * bb - ab * ab;
    if determinant.abs() > 1e-12 {
        let (sigma, kappa) = ((ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant);
        if sigma >= 0.0 && kappa >= 0.0 {
            return Coefficients { sigma, kappa };
        }
    }
    // The best point lies on an edge: one of the two is zero.
    let edges = [
        Coefficients { sigma: (ay / aa).max(0.0), kappa: 0.0 },
        Coefficients { sigma: 0.0, kappa: (by / bb).max(0.0) },
    ];
    let error = |c: &Coefficients| sum(&|n, y| (c.sigma * a(n) + c.kappa * b(n) - y).powi(2));
    if error(&edges[0]) <= error(&edges[1]) { edges[0] } else { edges[1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(threads: f64, cost: f64, contended: f64) -> Observation {
        Observation { threads, cost, contended }
    }

    #[test]
    fn two_counts_give_bounds() {
        let model = Model::fit(&[seen(1.0, 0.5, 0.0), seen(2.0, 0.55, 0.02)]).unwrap();
        assert!((model.best.sigma - 0.1).abs() < 1e-9 && model.best.kappa == 0.0);
        assert!((model.worst.sigma - 0.02).abs() < 1e-9 && (model.worst.kappa - 0.04).abs() < 1e-9);
        // Both bounds go through what was measured.
        for coefficients in [model.best, model.worst] {
            assert!((model.capacity(2.0, coefficients) - 2e6 / 0.55).abs() < 1.0);
        }
        assert!(model.capacity(16.0, model.worst) < model.capacity(16.0, model.best));
    }

    #[test]
    fn noise_below_nothing_is_perfect_scaling() {
        let model = Model::fit(&[seen(1.0, 0.5, 0.0), seen(2.0, 0.48, 0.0)]).unwrap();
        assert_eq!((model.best, model.worst), (Coefficients::default(), Coefficients::default()));
        assert_eq!(model.threads_for(3e6, 0.7, model.worst), Some(3));
        assert_eq!(Model::fit(&[seen(1.0, 0.5, 0.0)]), None);
    }

    #[test]
    fn more_counts_are_fitted() {
        let law = |n: f64| 0.4 * (1.0 + 0.03 * (n - 1.0) + 0.001 * n * (n - 1.0));
        let found: Vec<Observation> = [1.0, 2.0, 4.0, 8.0, 16.0].map(|n| seen(n, law(n), 0.0)).to_vec();
        let model = Model::fit(&found).unwrap();
        assert!(
            (model.best.sigma - 0.03).abs() < 1e-9 && (model.best.kappa - 0.001).abs() < 1e-9,
            "{model:?}"
        );
        assert_eq!(least_squares(&[(2.0, -0.1), (4.0, -0.2)]), Coefficients::default());
    }

    #[test]
    fn what_cannot_be_reached_is_none() {
        let model = Model {
            cost: 1.0,
            best: Coefficients::default(),
            worst: Coefficients { sigma: 0.0, kappa: 0.1 },
        };
        assert_eq!(model.threads_for(3e6, 0.7, model.worst), None);
    }
}
