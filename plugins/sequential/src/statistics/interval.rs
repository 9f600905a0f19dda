//! The confidence sequence: between which ratios the truth is, at any time.
//!
//! A lower end is the last of the ratios, from the smallest on, that are all refuted by the mean of the likelihoods of the
//! larger ones: each of them is an e-process, and the truth is below the end only where its own is wrong.

use super::Batch;
use super::logarithm::{Ratio, log_mean, log_spaced};

/// How many ratios there are.
pub(crate) const RATIOS: usize = 120;
/// The smallest ratio and the largest: as far as the alternatives of the boundaries of usual margins.
const SMALLEST: f64 = 1.0 / 40.0;
const LARGEST: f64 = 40.0;

/// The ratios that are told apart.
pub(crate) fn ratios() -> [Ratio; RATIOS] {
    log_spaced(SMALLEST, LARGEST)
}

/// The logarithm of the likelihood of each ratio, without what is the same for all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Likelihood(pub(crate) [f64; RATIOS]);

/// Between which ratios the truth is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// The lower end; 0 where there is none among the ratios.
    pub(crate) lower: f64,
    /// The upper end; infinite where there is none among the ratios.
    pub(crate) upper: f64,
}

impl Likelihood {
    /// Before the first batch all ratios are alike.
    pub(crate) const fn new() -> Self {
        Self([0.0; RATIOS])
    }

    /// Learns from a batch.
    pub(crate) fn learn(&mut self, ratios: &[Ratio; RATIOS], batch: &Batch) {
        if !batch.tells() {
            return;
        }
        for (likelihood, ratio) in self.0.iter_mut().zip(ratios) {
            *likelihood += batch.log_likelihood(*ratio);
        }
    }

    /// Between which ratios the truth is; at any time, this is wrong with a probability of at most `alpha`, half of it on
    /// either side.
    pub(crate) fn interval(&self, ratios: &[Ratio; RATIOS], alpha: f64) -> Interval {
        let threshold = (2.0 / alpha).ln();
        let from_below = refuted(&self.0, threshold);
        let mut reversed = self.0;
        reversed.reverse();
        let from_above = refuted(&reversed, threshold);
        let mut interval = Interval {
            lower: 0.0,
            upper: f64::INFINITY,
        };
        for (place, ratio) in ratios.iter().enumerate() {
            if place < from_below {
                interval.lower = ratio.value;
            }
            if place + from_above == RATIOS {
                interval.upper = ratio.value;
            }
        }
        interval
    }
}

/// How many of the ratios, from the first on, are refuted by those behind them.
fn refuted(mut likelihoods: &[f64], threshold: f64) -> usize {
    let mut count = 0;
    while let Some((boundary, rest)) = likelihoods.split_first() {
        if log_mean(rest) - boundary < threshold {
            break;
        }
        likelihoods = rest;
        count += 1;
    }
    count
}
