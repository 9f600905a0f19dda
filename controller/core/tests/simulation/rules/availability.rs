//! The controller itself never takes away pods that were promised, and traffic leaves before pods do.

use kulta_core::observed::{Observed, Presence, ReplicaSetView};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::{Method, Spec};

use super::progress::promotes;
use crate::simulation::cluster::promised;

use super::{ALL, PlanRule, all_accepted, highest_canary_share, lowest_canary_share, pods_for};

/// What is left of a ReplicaSet's available pods when the plan is carried out.
fn left(replica_set: &ReplicaSetView, plan: &Plan) -> u32 {
    let size = plan
        .actions
        .iter()
        .fold(replica_set.spec_replicas, |size, action| match action {
            Action::ScaleReplicaSet { name, to, .. } if *name == replica_set.name => *to,
            Action::DeleteReplicaSet { name, .. } if *name == replica_set.name => 0,
            _ => size,
        });
    replica_set.available.min(size)
}

/// Never fewer available pods than promised by the controller's own doing: `replicas - maxUnavailable` of a basic
/// canary, the stable version's share of the traffic of a routed one, all of it if it is blue-green.
pub(crate) struct Availability;

impl PlanRule for Availability {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        let replicas = spec.replicas;
        let current = observed.status.current_pod_hash.as_ref();
        let promoted = observed
            .replica_sets
            .iter()
            .find(|other| Some(&other.hash) == current);
        let enough = spec.enough(replicas);
        if promotes(observed, plan) && promoted.map_or(0, ReplicaSetView::lasting_available) < enough {
            return Err(format!("promoted with fewer than {enough} available pods"));
        }
        match &spec.method {
            Method::Basic { .. } => {
                let promised = promised(spec);
                let all = || observed.replica_sets.iter();
                kept(
                    "all revisions",
                    all().map(ReplicaSetView::lasting_available).sum(),
                    all().map(|one| left(one, plan)).sum(),
                    promised,
                )
            }
            Method::Routed(canary) => stable_kept(observed, spec, canary.dynamic_stable_scale, plan),
            Method::BlueGreen(_) => stable_kept(observed, spec, false, plan),
        }
    }
}

fn stable_kept(
    observed: &Observed,
    spec: &Spec,
    dynamic_stable_scale: bool,
    plan: &Plan,
) -> Result<(), String> {
    let stable = observed.status.stable_hash.as_ref();
    let Some(stable) = observed
        .replica_sets
        .iter()
        .find(|other| Some(&other.hash) == stable)
    else {
        return Ok(());
    };
    let share = if dynamic_stable_scale {
        ALL - lowest_canary_share(observed)
    } else {
        ALL
    };
    kept(
        "the stable revision",
        stable.lasting_available(),
        left(stable, plan),
        pods_for(share, spec.replicas),
    )
}

fn kept(what: &str, before: u32, after: u32, promised: u32) -> Result<(), String> {
    if after >= before.min(promised) {
        return Ok(());
    }
    Err(format!(
        "available pods of {what}: {before} before the plan, {after} after it, {promised} promised"
    ))
}

/// Pods of a revision that takes part in the traffic go only after the traffic has left them: after an abort and a
/// rollback, and at any other time.
pub(crate) struct TrafficBeforePods;

impl PlanRule for TrafficBeforePods {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        // A Rollout that wants no pods serves nobody.
        if spec.routing().is_none() || spec.replicas == 0 {
            return Ok(());
        }
        let canary_share = highest_canary_share(observed);
        let canary_service = observed.canary_service.as_ref().and_then(Presence::present);
        let stable = observed.status.stable_hash.as_ref();
        for gone in observed
            .replica_sets
            .iter()
            .filter(|other| Some(&other.hash) != stable)
        {
            let (before, after) = (gone.lasting_available(), left(gone, plan));
            let selected = canary_service
                .is_none_or(|service| service.selects.as_ref().is_none_or(|hash| *hash == gone.hash));
            let returning = plan.status.abort || plan.status.fully_promoted();
            let kept =
                after > 0 && (!returning || after >= pods_for(canary_share, spec.replicas).min(before));
            if after < before && selected && !kept && (canary_share > 0 || !all_accepted(observed)) {
                return Err(format!(
                    "{}: from {before} to {after} available pods while {canary_share} millionths of the traffic may go there",
                    gone.name
                ));
            }
        }
        Ok(())
    }
}
