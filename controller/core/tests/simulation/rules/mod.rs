//! What must hold in every simulated run, whatever users and the environment do: each rule judges by what the
//! controller saw and planned, or by the cluster itself.

mod analysis;
mod availability;
mod blue_green;
mod duration;
mod history;
mod managed;
mod progress;
mod restart;
mod traffic;

use jiff::Timestamp;
use kulta_core::observed::{BackendView, Observed, Presence, RouteView};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::{Spec, Weight, Whole};

pub(crate) use analysis::Evidence;
pub(crate) use availability::{Availability, TrafficBeforePods};
pub(crate) use blue_green::SafeSwitch;
pub(crate) use duration::Durations;
pub(crate) use history::History;
pub(crate) use managed::OwnRules;
pub(crate) use progress::{Determinism, OneStepAtATime};
pub(crate) use restart::Restarts;
pub(crate) use traffic::{NoTrafficLost, WeightWithinSteps};

use super::cluster::{Cluster, NEW_SIDE, STABLE_SIDE};
use super::controller::Witness;
use super::data_plane::is_one_of;
use super::route::change_backends;
use super::sharing::is_share;

/// Every rule.
pub(crate) fn all() -> Vec<Box<dyn Witness>> {
    vec![
        Box::new(Determinism),
        Box::new(OneStepAtATime),
        Box::new(WeightWithinSteps),
        Box::new(Evidence),
        Box::new(Availability),
        Box::new(TrafficBeforePods),
        Box::new(OwnRules),
        Box::new(SafeSwitch),
        Box::new(Restarts),
        Box::new(History::default()),
        Box::new(Durations),
        Box::new(NoTrafficLost::default()),
    ]
}

/// A rule that judges plans alone.
trait PlanRule {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String>;
}

impl<T: PlanRule> Witness for T {
    fn plan(&mut self, observed: &Observed, _now: Timestamp, plan: &Plan) -> Result<(), String> {
        match &observed.spec {
            Ok(spec) => self.judge(observed, spec, plan),
            Err(_) if plan.actions.is_empty() || observed.status.abort || plan.status.abort => Ok(()),
            Err(_) => Err(format!("an invalid spec leads to writes: {:?}", plan.actions)),
        }
    }

    fn second(&mut self, _cluster: &Cluster) -> Result<(), String> {
        Ok(())
    }
}

/// The routes that were seen.
fn routes(observed: &Observed) -> impl Iterator<Item = &RouteView> {
    observed
        .routes
        .iter()
        .filter_map(|(_, route)| Presence::present(route))
}

/// The routes that a plan writes, before and after.
fn written(observed: &Observed, plan: &Plan) -> Result<Vec<(RouteView, RouteView)>, String> {
    let mut pairs = Vec::new();
    for action in &plan.actions {
        let Action::SetRouteWeights {
            route,
            generation: _,
            changes,
            backends,
            rules: _,
            label: _,
        } = action
        else {
            continue;
        };
        let seen = observed.routes.iter().find(|(other, _)| other == route);
        let Some(seen) = seen.and_then(|(_, presence)| presence.present()) else {
            return Err(format!("weights for {route}, which is not there"));
        };
        let mut after = seen.clone();
        for change in changes {
            let found = after
                .backends
                .iter_mut()
                .find(|other| (other.rule, other.index) == (change.rule, change.index));
            found.ok_or("a ref that is not there")?.weight = Some(change.to);
        }
        for change in backends {
            change_backends(&mut after.backends, change)?;
        }
        pairs.push((seen.clone(), after));
    }
    Ok(pairs)
}

/// Shares are judged in millionths, whatever the routes and the steps count in.
const ALL: u32 = Whole::LARGEST;

/// A weight in them.
fn millionths(weight: Weight) -> u32 {
    Whole::new(ALL).map_or(0, |whole| weight.on(whole).parts())
}

/// So many of all parts in them, rounded up.
fn share_of(part: u32, all: u32) -> u32 {
    Whole::new(ALL).map_or(0, |whole| Weight::share(part.into(), all.into(), whole).parts())
}

/// The share of the new version in millionths, rounded up, of every rule of `route` that names both Services.
fn canary_shares(route: &RouteView) -> Vec<(usize, u32)> {
    let mut rules: Vec<usize> = route.backends.iter().map(|backend| backend.rule).collect();
    rules.dedup();
    let total = |rule: usize, is_counted: &dyn Fn(&BackendView) -> bool| {
        let refs = route.backends.iter().filter(|backend| backend.rule == rule);
        let refs = refs.filter(|backend| is_counted(backend));
        let weights: Vec<u32> = refs.map(|backend| backend.weight.unwrap_or(1)).collect();
        (!weights.is_empty()).then(|| weights.iter().sum::<u32>())
    };
    let share = |rule| {
        let stable = total(rule, &|backend| is_one_of(backend, STABLE_SIDE))?;
        let canary = total(rule, &|backend| is_one_of(backend, NEW_SIDE))?;
        let shares = total(rule, &is_share).unwrap_or(0);
        Some((rule, share_of(canary, stable + canary + shares)))
    };
    rules.into_iter().filter_map(share).collect()
}

/// The canary's highest share that may be in force, by what was seen: what is written everywhere, and what was
/// in force before if some gateway has not taken over what is written.
fn highest_canary_share(observed: &Observed) -> u32 {
    let written = routes(observed)
        .flat_map(canary_shares)
        .map(|(_, share)| share)
        .max()
        .unwrap_or(0);
    let before = observed
        .status
        .traffic
        .as_ref()
        .and_then(|traffic| traffic.in_force);
    if all_accepted(observed) {
        written
    } else {
        written.max(before.map_or(0, millionths))
    }
}

/// The canary's lowest share that may be in force.
fn lowest_canary_share(observed: &Observed) -> u32 {
    let written = routes(observed)
        .flat_map(canary_shares)
        .map(|(_, share)| share)
        .min()
        .unwrap_or(0);
    let before = observed
        .status
        .traffic
        .as_ref()
        .and_then(|traffic| traffic.in_force);
    if all_accepted(observed) {
        written
    } else {
        written.min(before.map_or(0, millionths))
    }
}

/// Whether each route is accepted for its current generation by at least one current parent, and rejected by none.
fn all_accepted(observed: &Observed) -> bool {
    routes(observed).all(|route| {
        let current = || {
            route.reports.iter().filter(|report| {
                route.parents.contains(&report.parent)
                    && report
                        .accepted
                        .as_ref()
                        .is_some_and(|said| said.observed_generation == route.generation)
            })
        };
        let accepted = |report: &&kulta_core::observed::ParentReport| {
            report.accepted.as_ref().is_some_and(|said| said.holds)
        };
        current().any(|report| accepted(&report)) && current().all(|report| accepted(&report))
    })
}

/// The share of `replicas` that so many millionths of the traffic need.
fn pods_for(share: u32, replicas: u32) -> u32 {
    let pods = (u64::from(share) * u64::from(replicas)).div_ceil(ALL.into());
    u32::try_from(pods).unwrap_or(u32::MAX)
}
