//! Nothing goes on against what the analyses have found.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::Observed;
use kulta_core::plan::Plan;
use kulta_core::spec::{Spec, Step};
use kulta_core::status::{AnalysisReference, Status};

use super::{PlanRule, canary_shares, millionths, written};

/// A step that waits for an analysis is done only when that has been successful by itself, and no weight rises while
/// an analysis of the new version speaks against it.
pub(crate) struct Evidence;

impl PlanRule for Evidence {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        step_was_passed(observed, spec, plan)?;
        if observed.status.promote_full || plan.status.promote_full || plan.status.fully_promoted() {
            return Ok(());
        }
        let against = plan
            .status
            .analyses
            .references()
            .find(|reference| speaks_against(reference));
        let unasked = spec.promotion_gates.is_some() && !was_allowed(observed);
        if against.is_none() && !unasked {
            return Ok(());
        }
        let earned = earned(&observed.status, spec);
        for (before, after) in written(observed, plan)? {
            let mut pairs = canary_shares(&before).into_iter().zip(canary_shares(&after));
            let rises = pairs.any(|((_, from), (_, to))| to > from && (against.is_some() || to > earned));
            if rises {
                return Err(format!(
                    "the weight rises against {against:?}, gates {:?}",
                    observed.status.analyses.gate
                ));
            }
        }
        Ok(())
    }
}

/// Whether the gates that were asked last have let the rollout go on.
fn was_allowed(observed: &Observed) -> bool {
    let gate = observed.status.analyses.gate.as_ref();
    let run = gate.and_then(|gate| observed.analysis_runs.iter().find(|run| run.name == gate.name));
    let allows = |phase, ended: bool| phase == AnalysisPhase::Successful && !ended;
    run.map_or_else(
        || gate.is_some_and(|gate| allows(gate.phase, false)),
        |run| allows(run.phase, run.terminate),
    )
}

/// The weight that the steps before the one under way have brought, in millionths: the way back to it needs no gate.
fn earned(status: &Status, spec: &Spec) -> u32 {
    let index = status.current_step_index.unwrap_or(0);
    let mut steps = (0..index).rev().filter_map(|index| spec.step(index));
    steps
        .find_map(|step| match step {
            Step::SetWeight(weight) => Some(millionths(*weight)),
            _ => None,
        })
        .unwrap_or(0)
}

fn speaks_against(reference: &AnalysisReference) -> bool {
    reference.phase.completed() && reference.phase != AnalysisPhase::Successful
}

fn step_was_passed(observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
    let (before, after) = (&observed.status, &plan.status);
    let same = before.current_pod_hash == after.current_pod_hash
        && before.current_step_hash == after.current_step_hash
        && before.stable_hash == after.stable_hash
        && !before.promote_full;
    let (Some(from), Some(to)) = (before.current_step_index, after.current_step_index) else {
        return Ok(());
    };
    if !same || to != from + 1 || !matches!(spec.step(from), Some(Step::Analysis(_) | Step::Gate(_))) {
        return Ok(());
    }
    let reference = before.analyses.step.as_ref().ok_or("no analysis was begun")?;
    let run = observed
        .analysis_runs
        .iter()
        .find(|run| run.name == reference.name);
    let phase = run.map_or(reference.phase, |run| run.phase);
    let ended = run.is_some_and(|run| run.terminate);
    if phase == AnalysisPhase::Successful && !ended {
        Ok(())
    } else {
        Err(format!(
            "the step of {reference:?} is done, but its analysis is {run:?}"
        ))
    }
}
