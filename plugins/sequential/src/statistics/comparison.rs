//! Canary against stable version: two boundaries, one that refutes "well" and one that refutes "not well", over one kind
//! of bad event or several.

use super::Batch;
use super::evidence::{Boundary, Evidence, Side};
use super::interval::{self, Interval, Likelihood, RATIOS};
use super::logarithm::{Ratio, log_mean};

/// What the canary's rate of bad events may be, as a multiple of the stable version's, and how sure one wants to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    /// The probability of each wrong decision, more than 0 and less than 1.
    alpha: f64,
    fail: Boundary,
    pass: Boundary,
    ratios: [Ratio; RATIOS],
}

/// What is decided so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing yet.
    None,
    /// The ratio is less than 1 + the margin of pass.
    Pass,
    /// The ratio is more than 1 + the margin of fail.
    Fail,
}

/// Everything that is known about one kind of bad event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kind {
    /// That the canary is not well.
    pub(crate) fail: Evidence,
    /// That it is well.
    pub(crate) pass: Evidence,
    /// How likely which ratio is.
    pub(crate) likelihood: Likelihood,
    /// All batches.
    pub(crate) total: Batch,
}

/// The comparison: one kind of bad event, or several, of which the e-values are averaged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// One for each kind of bad event.
    pub(crate) kinds: Vec<Kind>,
    /// The largest logarithm of an e-value so far against "well"; 0 at the beginning.
    pub(crate) largest_fail: f64,
    /// The same against "not well".
    pub(crate) largest_pass: f64,
}

impl Rules {
    /// A ratio up to 1 + `fail_margin` is well, and one from 1 + `pass_margin` on is not well; between them either answer
    /// is right.
    pub(crate) fn new(alpha: f64, [fail_margin, pass_margin]: [f64; 2]) -> Self {
        Self {
            alpha,
            fail: Boundary::new(1.0 + fail_margin, Side::Above),
            pass: Boundary::new(1.0 + pass_margin, Side::Below),
            ratios: interval::ratios(),
        }
    }
}

impl Comparison {
    /// Before the first batch.
    pub(crate) fn new(kinds: usize) -> Self {
        let kind = Kind {
            fail: Evidence::new(),
            pass: Evidence::new(),
            likelihood: Likelihood::new(),
            total: Batch::default(),
        };
        Self {
            kinds: vec![kind; kinds],
            largest_fail: 0.0,
            largest_pass: 0.0,
        }
    }

    /// Whether a weight step has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.kinds.iter().any(|kind| kind.fail.steps > 0)
    }

    /// A weight step begins: to be told before its first batch.
    pub(crate) fn begin_step(&mut self) {
        for kind in &mut self.kinds {
            kind.fail.begin_step();
            kind.pass.begin_step();
        }
    }

    /// Learns from one batch, in which each kind of bad event has its own numbers.
    pub(crate) fn learn(&mut self, rules: &Rules, batches: &[Batch]) {
        for (kind, batch) in self.kinds.iter_mut().zip(batches) {
            kind.fail.learn(&rules.fail, batch);
            kind.pass.learn(&rules.pass, batch);
            kind.likelihood.learn(&rules.ratios, batch);
            kind.total.canary = kind.total.canary.plus(batch.canary);
            kind.total.stable = kind.total.stable.plus(batch.stable);
        }
        self.largest_fail = self.largest_fail.max(self.log_e_fail());
        self.largest_pass = self.largest_pass.max(self.log_e_pass());
    }

    /// The logarithm of the e-value against "well".
    pub(crate) fn log_e_fail(&self) -> f64 {
        self.mean(|kind| &kind.fail)
    }

    /// The logarithm of the e-value against "not well".
    pub(crate) fn log_e_pass(&self) -> f64 {
        self.mean(|kind| &kind.pass)
    }

    fn mean(&self, evidence: fn(&Kind) -> &Evidence) -> f64 {
        let logarithms: Vec<f64> = self.kinds.iter().map(|kind| evidence(kind).log_e()).collect();
        log_mean(&logarithms)
    }

    /// What is decided. A decision that was right to make stays: whoever goes on looking has Fail above Pass.
    pub(crate) fn decision(&self, rules: &Rules) -> Decision {
        let enough = -rules.alpha.ln();
        if self.largest_fail >= enough {
            Decision::Fail
        } else if self.largest_pass >= enough {
            Decision::Pass
        } else {
            Decision::None
        }
    }
}

impl Kind {
    /// Between which ratios the truth is, with a probability of 1 - alpha of the rules.
    pub(crate) fn interval(&self, rules: &Rules) -> Interval {
        self.likelihood.interval(&rules.ratios, rules.alpha)
    }
}
