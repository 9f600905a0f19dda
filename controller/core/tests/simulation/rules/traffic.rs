//! Weights rise only as the steps say and only onto ready pods, and no request is lost.

use jiff::Timestamp;
use kulta_core::observed::{Observed, Presence, RouteView, Verdict};
use kulta_core::plan::Plan;
use kulta_core::spec::{Spec, Step};

use super::{ALL, PlanRule, canary_shares, millionths, written};
use crate::simulation::cluster::{Cluster, promised};
use crate::simulation::controller::Witness;

/// The canary's weight never rises above what the current step asks for, only onto ready pods of the current revision,
/// and not in a route that a gateway rejects.
pub(crate) struct WeightWithinSteps;

impl PlanRule for WeightWithinSteps {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        for (before, after) in written(observed, plan)? {
            rises(&before, &after, observed, spec)?;
        }
        Ok(())
    }
}

fn rises(before: &RouteView, after: &RouteView, observed: &Observed, spec: &Spec) -> Result<(), String> {
    for ((rule, from), (_, to)) in canary_shares(before).into_iter().zip(canary_shares(after)) {
        let allowed = allowed_weight(observed, spec);
        if to > from && to > allowed {
            return Err(format!(
                "rule {rule}: the weight rises from {from} to {to}; at most {allowed} is allowed"
            ));
        }
        if to > from && is_rejected(before) {
            return Err(format!(
                "rule {rule}: the weight rises from {from} to {to} in a route that a gateway rejects"
            ));
        }
        if to > from && !canary_is_ready(observed) {
            return Err(format!(
                "rule {rule}: the weight rises from {from} to {to} onto no ready pod of the canary"
            ));
        }
    }
    Ok(())
}

/// Whether a parent that the route names rejects it as it is now.
pub(super) fn is_rejected(route: &RouteView) -> bool {
    let current = |verdict: &Verdict| verdict.observed_generation >= route.generation && !verdict.holds;
    let reports = route.reports.iter();
    let mut named = reports.filter(|report| route.parents.contains(&report.parent));
    named.any(|report| {
        let mut verdicts = report.accepted.iter().chain(&report.resolved_refs);
        verdicts.any(current)
    })
}

/// The highest weight that the status before the plan allows, in millionths.
pub(super) fn allowed_weight(observed: &Observed, spec: &Spec) -> u32 {
    let status = &observed.status;
    if status.fully_promoted() || status.stable_hash.is_none() {
        return 0;
    }
    // A full promotion that is asked for after an abort ends it.
    if status.promote_full {
        return ALL;
    }
    if status.abort {
        return 0;
    }
    if status
        .current_step_index
        .is_none_or(|index| index >= spec.step_count())
    {
        return ALL;
    }
    let reached = status.current_step_index.map_or(0, |index| index as usize + 1);
    let weights = spec.steps.iter().take(reached).rev().find_map(|step| match step {
        Step::SetWeight(weight) => Some(millionths(*weight)),
        _ => None,
    });
    weights.unwrap_or(0)
}

pub(super) fn canary_is_ready(observed: &Observed) -> bool {
    let service = observed.canary_service.as_ref().and_then(Presence::present);
    let current = observed.status.current_pod_hash.as_ref();
    service.zip(current).is_some_and(|(service, current)| {
        service.selects.as_ref() == Some(current)
            && service
                .ready_endpoints
                .get(current)
                .is_some_and(|ready| *ready > 0)
    })
}

/// No request goes where nobody answers. Looks from the time on that the Rollout was Healthy with at least one pod, and, where
/// no pods were promised before, that one request was answered: gateways see the Services a little later.
#[derive(Default)]
pub(crate) struct NoTrafficLost {
    begun: bool,
    promised_nothing: bool,
}

impl Witness for NoTrafficLost {
    fn plan(&mut self, observed: &Observed, _now: Timestamp, _plan: &Plan) -> Result<(), String> {
        let empty = observed.spec.as_ref().is_ok_and(|spec| spec.replicas == 0);
        let status = &observed.status;
        let is_told = status.observed_generation == Some(observed.rollout.generation);
        let healthy =
            status.phase == kulta_core::status::Phase::Healthy && status.available_replicas > 0 && is_told;
        self.begun = !empty && (self.begun || healthy);
        Ok(())
    }

    fn second(&mut self, cluster: &Cluster) -> Result<(), String> {
        if promised(&cluster.rollout.spec) == 0 {
            self.promised_nothing = true;
            return Ok(());
        }
        match cluster.lost_traffic().filter(|_| self.begun) {
            None => {
                self.promised_nothing &= !self.begun;
                Ok(())
            }
            Some(_) if self.promised_nothing => Ok(()),
            Some(lost) => Err(format!("lost traffic: {lost}")),
        }
    }
}
