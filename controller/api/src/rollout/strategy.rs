//! What `strategy` means: which one it is, and what both have in common.

use kulta_core::revision::steps_hash;
use kulta_core::spec::{Amount, BackgroundAnalysis, Gates, Method, Problem, Step};
use serde_json::json;

use super::parse::Home;
use super::{Strategy, blue_green, canary, steps};
use crate::analysis::{self, Gate, RolloutAnalysis};

/// What a strategy means.
pub(super) struct Meaning {
    pub(super) steps: Vec<Step>,
    pub(super) background: Option<BackgroundAnalysis>,
    pub(super) promotion_gates: Option<Gates>,
    pub(super) progress_threshold: Option<Amount>,
    /// Pods that may be missing while they are restarted.
    pub(super) max_unavailable: Amount,
    /// None where the problems tell why.
    pub(super) method: Option<Method>,
}

/// What `strategy` means, and what is wrong with it. None only where `problems` tells why.
pub(super) fn validate(
    home: Home<'_>,
    strategy: Option<&Strategy>,
    problems: &mut Vec<Problem>,
) -> Option<Meaning> {
    let canary = strategy.and_then(|strategy| strategy.canary.as_ref());
    let blue_green = strategy.and_then(|strategy| strategy.blue_green.as_ref());
    let message = match (canary, blue_green) {
        (Some(canary), None) => return Some(canary::validate(home, canary, problems)),
        (None, Some(blue_green)) => return Some(blue_green::validate(home, blue_green, problems)),
        (Some(_), Some(_)) => "Multiple Strategies can not be listed; take blueGreen out, or canary",
        (None, None) => {
            "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'; write strategy.canary or \
             strategy.blueGreen"
        }
    };
    problems.push(Problem::new("spec.strategy", message));
    None
}

/// The gates of the strategy at `path`.
pub(super) fn promotion_gates(
    gates: Option<&[Gate]>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Gates> {
    let gates = gates?;
    let path = format!("{path}.promotionGates");
    if gates.is_empty() {
        let message = "no gates specified; write at least one, or take promotionGates out";
        problems.push(Problem::new(path, message));
        return None;
    }
    analysis::validate_gates(gates, &path, problems);
    Some(steps::gates_of(gates))
}

/// What an analysis is, in a word. When it begins is no part of it: a later step does not end what has begun.
pub(super) fn hash_of(written: &RolloutAnalysis) -> String {
    let defining = RolloutAnalysis {
        starting_step: None,
        ..written.clone()
    };
    steps_hash(&json!(defining))
}

/// An empty name is no name, as in Argo Rollouts.
pub(super) fn service(name: Option<&str>) -> Option<String> {
    name.filter(|name| !name.is_empty()).map(str::to_owned)
}
