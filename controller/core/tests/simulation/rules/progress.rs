//! The same observation gives the same plan, and a plan makes at most one step forward.

use jiff::Timestamp;
use kulta_core::observed::Observed;
use kulta_core::plan::Plan;
use kulta_core::spec::{Spec, Step};

use super::PlanRule;
use crate::simulation::cluster::Cluster;
use crate::simulation::controller::Witness;

/// The same observation at the same time gives the same plan.
pub(crate) struct Determinism;

impl Witness for Determinism {
    fn plan(&mut self, observed: &Observed, now: Timestamp, plan: &Plan) -> Result<(), String> {
        let again = kulta_core::decide(&observed.clone(), now);
        if again == *plan {
            Ok(())
        } else {
            Err(format!("two plans for one observation:\n{plan:?}\n{again:?}"))
        }
    }

    fn second(&mut self, _cluster: &Cluster) -> Result<(), String> {
        Ok(())
    }
}

/// A plan completes at most one step, and steps over others only on promotion, where the stable revision is asked for, or
/// one within the rollback window.
pub(crate) struct OneStepAtATime;

impl PlanRule for OneStepAtATime {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        let (before, after) = (&observed.status, &plan.status);
        let same_rollout = before.current_pod_hash == after.current_pod_hash
            && before.current_step_hash == after.current_step_hash
            && before.stable_hash == after.stable_hash;
        let jump_allowed = before.promote_full
            || after.promote_full
            || before.fully_promoted()
            || before.current_step_index.is_none();
        let weighed = same_rollout && before.current_step_index < after.current_step_index;
        if weighed && !jump_allowed {
            weight_was_in_force(observed, spec, plan)?;
        }
        match (before.current_step_index, after.current_step_index) {
            (Some(from), Some(to)) if same_rollout && !jump_allowed && to > from + 1 => {
                Err(format!("from step {from} to step {to} in one plan"))
            }
            (Some(from), _) if !jump_allowed && promotes(observed, plan) && from + 1 < steps(observed) => {
                Err(format!("promoted at step {from}"))
            }
            _ => Ok(()),
        }
    }
}

/// A step `setWeight` is done only when its weight is in force, or the canary is to have no pods.
fn weight_was_in_force(observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
    let done = observed
        .status
        .current_step_index
        .and_then(|index| spec.step(index));
    let (Some(Step::SetWeight(weight)), Some(_)) = (done, spec.routing()) else {
        return Ok(());
    };
    let current = plan.status.current_pod_hash.as_ref();
    let canary = observed
        .replica_sets
        .iter()
        .find(|other| Some(&other.hash) == current);
    let nobody = spec.replicas == 0 || canary.is_none_or(|canary| canary.spec_replicas == 0);
    let traffic = plan.status.traffic.as_ref();
    let in_force = traffic.is_some_and(|traffic| traffic.verified && traffic.requested == *weight);
    if in_force || nobody {
        return Ok(());
    }
    Err(format!(
        "the step setWeight: {weight} is done, but in force is {traffic:?}"
    ))
}

fn steps(observed: &Observed) -> u32 {
    observed.spec.as_ref().map_or(0, Spec::step_count)
}

/// Whether the plan makes the current revision the stable one, in place of another one that exists.
pub(super) fn promotes(observed: &Observed, plan: &Plan) -> bool {
    let (before, after) = (&observed.status, &plan.status);
    let replaced = observed
        .replica_sets
        .iter()
        .any(|other| Some(&other.hash) == before.stable_hash.as_ref());
    replaced
        && before.current_pod_hash == after.current_pod_hash
        && before.stable_hash != after.stable_hash
        && after.fully_promoted()
}
