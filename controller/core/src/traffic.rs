//! The split of traffic: which weight is wanted, which is written in the routes, which is in force.

use jiff::SignedDuration;

use crate::acceptance::{self, Acceptance};
use crate::draft::{Draft, after};
use crate::observed::{Observed, Presence, RouteView, ServiceView, Side};
use crate::plan::{Action, WeightChange};
use crate::reference::{Pair, pairs};
use crate::spec::{RouteReference, TrafficRouting, Weight};
use crate::status::{ConditionType, Contest, Reason, Traffic, Truth};

/// The field manager of every write of the controller: what tells its own weights from somebody else's.
pub const FIELD_MANAGER: &str = "kulta";
/// Corrections of one manager's weights that are made at once; from then on they back off.
const FREE_CORRECTIONS: u32 = 3;
/// The longest time between two corrections: a contest never leaves traffic wrong for longer.
const LONGEST_CORRECTION_DELAY: SignedDuration = SignedDuration::from_secs(30);
/// A manager that has not interfered for so long has stopped.
const CONTEST_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// The split as it is in the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// Every pair of every route has this canary weight, and its stable weight is the rest.
    Agreed(Weight),
    /// Weights differ, or do not add up.
    Mixed {
        /// The largest share that the canary has in any rule, rounded up.
        canary: Weight,
        /// The largest share that the stable version has in any rule, rounded up.
        stable: Weight,
    },
}

impl Split {
    /// The largest share of the canary.
    pub(crate) fn canary(self) -> Weight {
        match self {
            Self::Agreed(weight) => weight,
            Self::Mixed { canary, .. } => canary,
        }
    }

    /// The largest share of the stable version.
    pub(crate) fn stable(self) -> Weight {
        match self {
            Self::Agreed(weight) => weight.rest(),
            Self::Mixed { stable, .. } => stable,
        }
    }
}

/// What one Rollout's traffic looks like.
pub(crate) struct View<'a> {
    /// The split in the routes that exist.
    pub(crate) split: Split,
    /// The routes that exist.
    routes: Vec<(&'a RouteReference, &'a RouteView, Vec<Pair<'a>>)>,
    /// Every route of the spec exists and splits.
    complete: bool,
}

impl<'a> View<'a> {
    /// Reads the routes.
    pub(crate) fn of(observed: &'a Observed, routing: &TrafficRouting) -> Self {
        let namespace = &observed.rollout.namespace;
        let routes: Vec<_> = observed
            .routes
            .iter()
            .filter_map(|(reference, route)| Some((reference, route.present()?)))
            .map(|(reference, route)| {
                (
                    reference,
                    route,
                    pairs(route, namespace, &routing.stable_service, &routing.canary_service),
                )
            })
            .filter(|(_, _, pairs)| !pairs.is_empty())
            .collect();
        let complete = routes.len() == observed.routes.len();
        Self {
            split: split_of(routes.iter().flat_map(|(_, _, pairs)| pairs)),
            routes,
            complete,
        }
    }
}

impl<'a> View<'a> {
    /// Whether a gateway rejects one of the routes as it is now: requests may go nowhere there.
    pub(crate) fn is_rejected(&self) -> bool {
        self.routes
            .iter()
            .any(|(_, route, _)| acceptance::is_rejected(route))
    }

    fn seen(&self) -> impl Iterator<Item = (&'a RouteReference, &'a RouteView)> + '_ {
        self.routes
            .iter()
            .map(|(reference, route, _)| (*reference, *route))
    }
}

fn split_of<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>) -> Split {
    let mut agreed: Option<Weight> = None;
    let mut mixed = false;
    let (mut canary, mut stable) = (Weight::ZERO, Weight::ZERO);
    for pair in pairs {
        let (canary_sum, stable_sum) = (sum(&pair.canary), sum(&pair.stable));
        canary = canary.max(share(canary_sum, stable_sum));
        stable = stable.max(share(stable_sum, canary_sum));
        let this = Weight::try_from(
            pair.canary
                .first()
                .and_then(|backend| backend.weight)
                .unwrap_or(1),
        )
        .ok();
        mixed |= this.is_none_or(|this| {
            agreed.is_some_and(|other| other != this) || changes(pair, this).next().is_some()
        });
        agreed = agreed.or(this);
    }
    match agreed {
        Some(weight) if !mixed => Split::Agreed(weight),
        _ => Split::Mixed { canary, stable },
    }
}

fn sum(backends: &[&crate::observed::BackendView]) -> u64 {
    // The Gateway API: a weight that is not written is 1.
    backends
        .iter()
        .map(|backend| u64::from(backend.weight.unwrap_or(1)))
        .sum()
}

fn share(part: u64, rest: u64) -> Weight {
    let whole = part + rest;
    let percent = if whole == 0 {
        0
    } else {
        (part * 100).div_ceil(whole)
    };
    u32::try_from(percent)
        .ok()
        .and_then(|percent| Weight::new(percent).ok())
        .unwrap_or(Weight::FULL)
}

/// The changes that give a rule's pair the canary weight `weight`. Where a Service is named more than once in a rule
/// (on several ports), its first ref carries the weight and the others none.
fn changes<'a>(pair: &'a Pair<'a>, weight: Weight) -> impl Iterator<Item = WeightChange> + 'a {
    [(Side::Canary, &pair.canary), (Side::Stable, &pair.stable)]
        .into_iter()
        .flat_map(move |(side, backends)| {
            backends
                .iter()
                .enumerate()
                .filter_map(move |(position, backend)| {
                    let to = if position == 0 {
                        side.weight(weight).percent()
                    } else {
                        0
                    };
                    let change = WeightChange {
                        rule: backend.rule,
                        index: backend.index,
                        name: backend.name.clone(),
                        from: backend.weight,
                        to,
                    };
                    // A weight that is not written counts as 1, but is written down once it is ours to keep.
                    (backend.weight != Some(to)).then_some(change)
                })
        })
}

/// Whether the two Services can take traffic.
pub(crate) struct Readiness {
    /// Ready endpoints of the canary Service that are pods of the current revision; 0 when it selects another one.
    pub(crate) canary: u32,
    /// Ready endpoints of the stable Service that are pods of the stable revision.
    pub(crate) stable: u32,
}

/// Ready endpoints of `service` that are pods of the revision `hash`, if it is the one the Service selects.
pub(crate) fn ready_endpoints(service: Option<&Presence<ServiceView>>, hash: &str) -> u32 {
    service
        .and_then(Presence::present)
        .filter(|service| service.selects.as_deref() == Some(hash))
        .and_then(|service| service.ready_endpoints.get(hash).copied())
        .unwrap_or(0)
}

/// Writes `desired` into the routes where it is not there yet, and records in the status what is in force. None: the
/// routes are left as they are.
pub(crate) fn reconcile(draft: &mut Draft<'_>, view: &View<'_>, desired: Option<Weight>) {
    let previous = draft.status.traffic.clone();
    let now = draft.now;
    let frozen = desired.is_none();
    let asked_before = || {
        previous
            .as_ref()
            .map_or(Weight::ZERO, |traffic| traffic.requested)
    };
    let desired = desired.unwrap_or_else(asked_before);
    let mut writing = if view.complete && !frozen {
        Writing::Unneeded
    } else {
        Writing::Withheld
    };
    let mut contest = previous.as_ref().and_then(|traffic| traffic.contest.clone());
    contest = contest.filter(|contest| now < after(contest.corrected_at, CONTEST_MEMORY));
    for (reference, route, pairs) in view.routes.iter().filter(|_| !frozen) {
        let changes: Vec<_> = pairs.iter().flat_map(|pair| changes(pair, desired)).collect();
        if changes.is_empty() {
            continue;
        }
        let drifted = previous
            .as_ref()
            .is_some_and(|traffic| traffic.requested == desired);
        if drifted && !may_correct(draft, &mut contest, reference, route) {
            writing = if writing == Writing::Sent {
                Writing::Sent
            } else {
                Writing::Withheld
            };
            continue;
        }
        writing = Writing::Sent;
        draft.act(Action::SetRouteWeights {
            route: (*reference).clone(),
            generation: route.generation,
            changes,
        });
    }
    record(draft, view, previous, contest, desired, writing);
}

/// Whether weights that somebody else wrote are corrected now; counts the correction.
fn may_correct(
    draft: &mut Draft<'_>,
    contest: &mut Option<Contest>,
    reference: &RouteReference,
    route: &RouteView,
) -> bool {
    let now = draft.now;
    let Some(manager) = route
        .rules_manager
        .as_ref()
        .filter(|manager| *manager != FIELD_MANAGER)
    else {
        return true;
    };
    let route = reference.to_string();
    let known = contest.as_ref().filter(|known| known.manager == *manager);
    if let Some(known) = known {
        // Several routes that it writes at once are one correction.
        if known.corrected_at == now {
            return true;
        }
        let allowed = after(known.corrected_at, correction_delay(known.corrections));
        if now < allowed {
            draft.wake_at(allowed);
            return false;
        }
    }
    let corrections = known.map_or(0, |known| known.corrections).saturating_add(1);
    *contest = Some(Contest {
        route,
        manager: manager.clone(),
        corrections,
        corrected_at: now,
    });
    true
}

fn correction_delay(corrections: u32) -> SignedDuration {
    let doublings = corrections.saturating_sub(FREE_CORRECTIONS);
    if doublings == 0 {
        return SignedDuration::ZERO;
    }
    let seconds = 1_i64.checked_shl(doublings - 1).unwrap_or(i64::MAX);
    SignedDuration::from_secs(seconds).min(LONGEST_CORRECTION_DELAY)
}

fn record(
    draft: &mut Draft<'_>,
    view: &View<'_>,
    previous: Option<Traffic>,
    contest: Option<Contest>,
    desired: Weight,
    writing: Writing,
) {
    let now = draft.now;
    // The deadline of silent parents runs from the last write: a correction is one.
    let mut requested_at = match &previous {
        Some(traffic) if traffic.requested == desired && writing != Writing::Sent => traffic.requested_at,
        _ => now,
    };
    let deadline = draft.observed.settings.route_acceptance_deadline;
    let mut acceptance = Acceptance::of(view.seen(), requested_at, now, deadline);
    let written = writing == Writing::Unneeded;
    let was_in_force = previous.as_ref().is_some_and(|traffic| traffic.verified);
    if written && was_in_force && !acceptance.in_force {
        // Somebody has edited the route, and the gateway gets its time to look at it.
        requested_at = now;
        acceptance = Acceptance::of(view.seen(), requested_at, now, deadline);
    }
    let verified = written && acceptance.in_force;
    if let Some(time) = acceptance.wait_until {
        draft.wake_at(time);
    }
    if let Some(contest) = &contest {
        let forgotten = after(contest.corrected_at, CONTEST_MEMORY);
        draft.wake_at(forgotten);
    }
    set_conditions(draft, written.then_some(&acceptance), contest.as_ref());
    let in_force = if verified {
        Some(desired)
    } else {
        previous.and_then(|traffic| traffic.in_force)
    };
    draft.status.traffic = Some(Traffic {
        requested: desired,
        requested_at,
        in_force,
        verified,
        contest,
    });
}

/// Whether the routes had to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Every route has the weight already.
    Unneeded,
    /// A route is written in this round.
    Sent,
    /// A route lacks the weight, but can't be written now.
    Withheld,
}

fn set_conditions(draft: &mut Draft<'_>, acceptance: Option<&Acceptance>, contest: Option<&Contest>) {
    let now = draft.now;
    match acceptance {
        Some(acceptance) if !acceptance.rejected.is_empty() => draft.status.set_condition(
            ConditionType::RouteNotAccepted,
            Truth::True,
            Reason::RouteRejected,
            format!("the gateway rejects the route; the weight waits: {}", acceptance.rejected.join("; ")),
            now,
        ),
        Some(acceptance) if acceptance.overdue && !acceptance.silent.is_empty() => draft.status.set_condition(
            ConditionType::RouteNotAccepted,
            Truth::True,
            Reason::RouteSilent,
            format!(
                "no controller has answered for these parents; check that each exists and has a controller, or remove \
                 it from parentRefs: {}",
                acceptance.silent.join("; ")
            ),
            now,
        ),
        Some(_) => draft.status.remove_condition(ConditionType::RouteNotAccepted),
        None => {}
    }
    match contest.filter(|contest| contest.corrections >= FREE_CORRECTIONS) {
        Some(contest) => {
            let message = format!(
                "\"{}\" keeps overwriting the weights of HTTPRoute \"{}\". Let it ignore them: Argo CD: \
                 ignoreDifferences with group gateway.networking.k8s.io, kind HTTPRoute, jqPathExpressions \
                 [.spec.rules[].backendRefs[].weight], and the sync option RespectIgnoreDifferences=true; Flux: the \
                 annotation kustomize.toolkit.fluxcd.io/ssa: IfNotPresent on the route",
                contest.manager, contest.route
            );
            let status = &mut draft.status;
            status.set_condition(
                ConditionType::RouteContested,
                Truth::True,
                Reason::ForeignManager,
                message,
                now,
            );
        }
        None => draft.status.remove_condition(ConditionType::RouteContested),
    }
}
