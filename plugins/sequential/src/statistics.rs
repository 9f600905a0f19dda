//! The mathematics of the tests: plain numbers in, plain numbers out. Nothing here knows of plugins, queries or time.
//!
//! Open [`evidence`] first: the e-process, which everything but the test of the weights is made of.

pub(crate) mod comparison;
pub(crate) mod evidence;
pub(crate) mod interval;
pub(crate) mod logarithm;
pub(crate) mod weights;

use self::logarithm::Ratio;

/// How many requests one version had in a batch, and how many of them went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// All of them.
    pub(crate) requests: f64,
    /// Those that went wrong, at most all.
    pub(crate) bad: f64,
}

impl Counts {
    /// Those of both batches.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bad: self.bad + other.bad,
        }
    }
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// Of the canary.
    pub(crate) canary: Counts,
    /// Of the stable version.
    pub(crate) stable: Counts,
}

impl Batch {
    /// Whether both versions had requests: of anything else nothing can be learnt.
    pub(crate) fn tells(&self) -> bool {
        self.canary.requests > 0.0 && self.stable.requests > 0.0
    }

    /// The requests of both.
    pub(crate) fn requests(&self) -> f64 {
        self.canary.requests + self.stable.requests
    }

    /// How much more likely a bad event is when the canary's rate of them is `ratio` times the stable version's than when
    /// both are alike: the logarithm, without what does not depend on the ratio.
    ///
    /// A bad event comes from the canary with the probability p = ratio·c / (ratio·c + s), c
    /// and s being the numbers of requests.
    pub(crate) fn log_likelihood(&self, ratio: Ratio) -> f64 {
        let (canary, stable) = (self.canary, self.stable);
        let requests = self.requests();
        let weighted = ratio.value * canary.requests + stable.requests;
        canary.bad * ratio.logarithm - (canary.bad + stable.bad) * (weighted / requests).ln()
    }
}
