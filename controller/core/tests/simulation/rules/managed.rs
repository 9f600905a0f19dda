//! The controller's own rules in routes come only onto ready pods and only as the steps say, go before those pods do, and
//! nobody else's rule is touched.

use kulta_core::observed::{Observed, Presence, ReplicaSetView, RouteView};
use kulta_core::plan::{Action, Plan, RuleChange};
use kulta_core::spec::{Spec, Step};
use serde_json::Value;

use super::traffic::{allowed_weight, canary_is_ready, is_rejected};
use super::{PlanRule, all_accepted, routes, share_of};
use crate::simulation::cluster::CANARY;

/// The controller's own rules.
pub(crate) struct OwnRules;

impl PlanRule for OwnRules {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        for action in &plan.actions {
            if let Action::SetRouteWeights { route, rules, .. } = action {
                let seen = observed.routes.iter().find(|(other, _)| other == route);
                let seen = seen.and_then(|(_, route)| Presence::present(route));
                for change in rules {
                    judge(change, observed, spec, seen.ok_or("rules of no route")?)?;
                }
            }
        }
        pods_stay(observed, spec, plan)
    }
}

fn judge(change: &RuleChange, observed: &Observed, spec: &Spec, route: &RouteView) -> Result<(), String> {
    let routing = spec.routing().ok_or("rules without traffic routing")?;
    let is_own = |name: &str| {
        let base = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let base = base.strip_suffix('-').unwrap_or(name);
        // Those that the spec no longer names are still the controller's own.
        let before = observed
            .status
            .traffic
            .iter()
            .flat_map(|traffic| &traffic.managed_routes);
        routing
            .managed_routes
            .iter()
            .chain(before)
            .any(|managed| managed == base)
    };
    match change {
        RuleChange::Remove { name, .. } => {
            if is_own(name) {
                Ok(())
            } else {
                Err(format!("takes the rule {name} away, which is somebody's"))
            }
        }
        RuleChange::Add { rule, .. } | RuleChange::Replace { rule, .. } => {
            let name = rule["name"].as_str().unwrap_or_default();
            if !is_own(name) {
                return Err(format!("writes the rule {name}, which is somebody's"));
            }
            if !canary_is_ready(observed) {
                return Err(format!("writes the rule {name} onto no ready pod of the canary"));
            }
            if is_rejected(route) {
                return Err(format!(
                    "writes the rule {name} into a route that a gateway rejects"
                ));
            }
            if share(rule) > allowed_weight(observed, spec) && refs(rule).count() > 1 {
                return Err(format!(
                    "writes the rule {name} with a weight that nothing allows"
                ));
            }
            set_by_a_step(name, observed, spec)
        }
    }
}

fn refs(rule: &Value) -> impl Iterator<Item = &Value> {
    rule["backendRefs"].as_array().into_iter().flatten()
}

fn share(rule: &Value) -> u32 {
    let sum = |name: Option<&str>| {
        let named = refs(rule).filter(|backend| name.is_none_or(|name| backend["name"] == name));
        let weights = named.map(|backend| backend["weight"].as_u64().unwrap_or(1));
        u32::try_from(weights.sum::<u64>()).unwrap_or(u32::MAX)
    };
    share_of(sum(Some(CANARY)), sum(None))
}

/// A step at or before the current one has set the route, and none has taken it away again.
fn set_by_a_step(name: &str, observed: &Observed, spec: &Spec) -> Result<(), String> {
    let status = &observed.status;
    let reached = status.current_step_index.map_or(0, |index| index as usize + 1);
    let of = |step: &Step| match step {
        Step::SetHeaderRoute(route) => Some((route.name.clone(), route.matches.is_empty())),
        Step::SetMirrorRoute(route) => Some((route.name.clone(), route.matches.is_empty())),
        _ => None,
    };
    let steps = spec.steps.iter().take(reached).rev().filter_map(of);
    let mut of_name = steps.filter(|(route, _)| name.starts_with(route.as_str()));
    let is_set = of_name.next().is_some_and(|(_, removed)| !removed);
    let over = status.abort || status.promote_full || status.fully_promoted();
    if is_set && !over {
        Ok(())
    } else {
        Err(format!("writes the rule {name}, which no step asks for"))
    }
}

/// The last pods of a revision that requests with a header may still be sent to do not go.
fn pods_stay(observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
    let named = |route: &RouteView| {
        let own = |rule: &kulta_core::observed::RuleView| rule.name.is_some();
        route.rules.iter().any(own)
    };
    let may_be_sent_there = routes(observed).any(named) || !all_accepted(observed);
    if spec.replicas == 0 || spec.routing().is_none() || !may_be_sent_there {
        return Ok(());
    }
    let service = observed.canary_service.as_ref().and_then(Presence::present);
    let Some(selected) = service.and_then(|service| service.selects.as_ref()) else {
        return Ok(());
    };
    let stays = |replica_set: &ReplicaSetView| {
        plan.actions.iter().all(|action| match action {
            Action::ScaleReplicaSet { name, to, .. } => *name != replica_set.name || *to > 0,
            Action::DeleteReplicaSet { name, .. } => *name != replica_set.name,
            _ => true,
        })
    };
    let mut gone = observed
        .replica_sets
        .iter()
        .filter(|other| other.hash == *selected && other.lasting_available() > 0 && !stays(other));
    match gone.next() {
        Some(gone) => Err(format!(
            "{} loses its last pods, while a rule may send requests there",
            gone.name
        )),
        None => Ok(()),
    }
}
