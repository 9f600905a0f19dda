//! Simulated rollouts: requests and errors as the figures of the reference were made.

use rand_core::SeedableRng;
use rand_distr::{Binomial, Distribution, Gamma, Poisson};
use rand_xorshift::XorShiftRng;

use crate::statistics::{Batch, Counts};

/// Seconds from one look to the next.
pub(super) const BATCH: f64 = 15.0;
/// Looks in each weight step: 5 minutes.
const LOOKS: usize = 20;
/// The canary's share of the requests, step after step.
const RAMP: [f64; 3] = [0.05, 0.2, 0.5];

/// What happens in every run.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    /// Requests of both versions in a second.
    rps: f64,
    /// The stable version's error rate at the beginning, and at the end.
    base: (f64, f64),
    /// The canary's error rate as a multiple of the stable version's.
    ratio: f64,
    /// From when on, in seconds; before it is 1.
    from: f64,
    /// The coefficient of variation of each version's error rate from batch to batch.
    noise: f64,
}

impl Scenario {
    pub(super) fn new(rps: f64, base: f64, ratio: f64) -> Self {
        Self {
            rps,
            base: (base, base),
            ratio,
            from: 0.0,
            noise: 0.0,
        }
    }

    /// The stable version's error rate moves on to this one.
    pub(super) fn ending_at(self, base: f64) -> Self {
        let (first, _) = self.base;
        let base = (first, base);
        Self { base, ..self }
    }

    /// The canary's error rate is the stable version's until then.
    pub(super) fn from(self, seconds: f64) -> Self {
        let from = seconds;
        Self { from, ..self }
    }

    pub(super) fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// The batches of one run, each with whether a weight step begins with it.
    pub(super) fn run(self, seed: u64) -> impl Iterator<Item = (bool, Batch)> {
        let mut random = XorShiftRng::seed_from_u64(seed);
        let all = LOOKS * RAMP.len();
        (0..all).map(move |look| {
            let share = RAMP[look / LOOKS];
            let (first, last) = self.base;
            let base = first + (last - first) * look as f64 / (all - 1) as f64;
            let ratio = if look as f64 * BATCH >= self.from {
                self.ratio
            } else {
                1.0
            };
            let mut side =
                |share: f64, rate: f64| counts(&mut random, self.rps * BATCH * share, rate, self.noise);
            let batch = Batch {
                canary: side(share, base * ratio),
                stable: side(1.0 - share, base),
            };
            (look % LOOKS == 0, batch)
        })
    }
}

fn counts(random: &mut XorShiftRng, mean: f64, rate: f64, noise: f64) -> Counts {
    let requests = Poisson::new(mean).unwrap().sample(random);
    let rate = if noise > 0.0 {
        let shape = 1.0 / (noise * noise);
        rate * Gamma::new(shape, 1.0 / shape).unwrap().sample(random)
    } else {
        rate
    };
    let bad = Binomial::new(requests as u64, rate.min(1.0))
        .unwrap()
        .sample(random);
    Counts {
        requests,
        bad: bad as f64,
    }
}

/// Of sorted numbers, the one that this share of them is below.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
