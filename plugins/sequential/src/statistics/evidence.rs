//! The e-process: evidence against one boundary, which may be looked at and stopped at any time.
//!
//! For a boundary θ0 (the canary's rate of bad events as a multiple of the stable version's) and alternatives beyond
//! it, each alternative has a mass that grows where the data is likelier under it than at the boundary. Whatever the truth
//! on this side of the boundary is, the expectation of the masses and of what is kept back is at most 1, so it comes to
//! 1/α with a probability of at most α, however often one looks (Ville's inequality).

use super::Batch;
use super::logarithm::{Ratio, log_add, log_mean, log_spaced};

/// How many alternatives there are beyond a boundary, all of the same weight.
pub(crate) const ALTERNATIVES: usize = 40;
/// The nearest alternative, and the farthest, as multiples of the boundary.
const NEAREST: f64 = 1.05;
const FARTHEST: f64 = 20.0;

/// On which side of a boundary the alternatives are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Evidence that the ratio is larger than the boundary.
    Above,
    /// Evidence that it is smaller.
    Below,
}

/// A boundary and its alternatives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boundary {
    at: Ratio,
    alternatives: [Ratio; ALTERNATIVES],
}

impl Boundary {
    /// The boundary at this ratio, which is more than 0.
    pub(crate) fn new(ratio: f64, side: Side) -> Self {
        let at = Ratio {
            logarithm: ratio.ln(),
            value: ratio,
        };
        let alternatives = log_spaced(NEAREST, FARTHEST).map(|distance: Ratio| {
            Ratio::of_logarithm(match side {
                Side::Above => at.logarithm + distance.logarithm,
                Side::Below => at.logarithm - distance.logarithm,
            })
        });
        Self { at, alternatives }
    }
}

/// The evidence against one boundary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    /// The logarithm of the mass of each alternative.
    pub(crate) log_masses: [f64; ALTERNATIVES],
    /// How many weight steps have begun.
    pub(crate) steps: u32,
}

impl Evidence {
    /// Before the first weight step: nothing is put on any alternative.
    pub(crate) const fn new() -> Self {
        Self {
            log_masses: [f64::NEG_INFINITY; ALTERNATIVES],
            steps: 0,
        }
    }

    /// Puts half of what is kept back on the alternatives, before the first batch of a weight step: what was healthy
    /// before does not outweigh what is not healthy from now on.
    pub(crate) fn begin_step(&mut self) {
        self.steps = self.steps.saturating_add(1);
        let added = self.log_kept_back();
        for mass in &mut self.log_masses {
            *mass = log_add(*mass, added);
        }
    }

    /// Learns from a batch.
    pub(crate) fn learn(&mut self, boundary: &Boundary, batch: &Batch) {
        if !batch.tells() {
            return;
        }
        let at_boundary = batch.log_likelihood(boundary.at);
        for (mass, alternative) in self.log_masses.iter_mut().zip(boundary.alternatives) {
            *mass += batch.log_likelihood(alternative) - at_boundary;
        }
    }

    /// The logarithm of the e-value: 0 at the beginning.
    pub(crate) fn log_e(&self) -> f64 {
        log_add(log_mean(&self.log_masses), self.log_kept_back())
    }

    /// The logarithm of 1 less what was put on the alternatives so far, which is 1/2 + 1/4 + ...
    fn log_kept_back(&self) -> f64 {
        -f64::from(self.steps) * std::f64::consts::LN_2
    }
}
