//! The split of traffic: which weight is wanted, which is written in the routes, which is in force.

use jiff::SignedDuration;

use crate::acceptance::{self, Acceptance};
use crate::draft::{Draft, after};
use crate::managed::Managed;
use crate::observed::{Observed, Presence, RouteView, ServiceView, Side};
use crate::plan::{Action, WeightChange};
use crate::reference::{Pair, pairs};
use crate::spec::{RouteReference, TrafficRouting, Weight, Whole};
use crate::status::{ConditionType, Contest, Reason, Traffic, Truth};

use self::aim::{Aim, Work};
pub(crate) use self::safety::Safety;

mod aim;
mod contest;
mod safety;

/// The field manager of every write of the controller: what tells its own weights from somebody else's.
pub const FIELD_MANAGER: &str = "kulta";
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
        let complete = !routes.is_empty() && routes.len() == observed.routes.len();
        Self {
            split: split_of(routes.iter().flat_map(|(_, _, pairs)| pairs), routing.whole),
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

    fn seen(&self) -> impl Iterator<Item = (&'a RouteReference, &'a RouteView)> + Clone + '_ {
        self.routes
            .iter()
            .map(|(reference, route, _)| (*reference, *route))
    }
}

fn split_of<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>, whole: Whole) -> Split {
    let mut agreed: Option<Weight> = None;
    let mut mixed = false;
    let (mut canary, mut stable) = (Weight::ZERO, Weight::ZERO);
    for pair in pairs {
        let (canary_sum, stable_sum) = (sum(&pair.canary), sum(&pair.stable));
        let sum = canary_sum + stable_sum;
        canary = canary.max(Weight::share(canary_sum, sum, whole));
        stable = stable.max(Weight::share(stable_sum, sum, whole));
        let first = pair.canary.first();
        let this = Weight::of_whole(first.and_then(|backend| backend.weight).unwrap_or(1), whole).ok();
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

/// The changes that give a rule's pair the canary weight `weight`, on its scale. Where a Service is named more than once in a rule
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
                        side.weight(weight).parts()
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

/// Writes `desired` and the managed rules into the routes where they are not there yet, and records in the status what is
/// in force. None: the routes are left as they are. Answers whether all rules that are asked for are there.
pub(crate) fn reconcile(
    draft: &mut Draft<'_>,
    routing: &TrafficRouting,
    view: &View<'_>,
    desired: Option<Weight>,
    managed: &Managed<'_>,
) -> bool {
    let previous = draft.status.traffic.clone();
    let frozen = desired.is_none();
    let asked_before = || {
        previous
            .as_ref()
            .map_or(Weight::ZERO, |traffic| traffic.requested)
    };
    let desired = desired.unwrap_or_else(asked_before).on(routing.whole);
    let mut writing = if view.complete && !frozen {
        Writing::Unneeded
    } else {
        Writing::Withheld
    };
    let mut contest = previous.as_ref().and_then(|traffic| traffic.contest.clone());
    contest = contest.filter(|contest| draft.now < after(contest.corrected_at, CONTEST_MEMORY));
    let aim = Aim::of(routing, previous.as_ref(), desired, managed);
    // Until then the label may be the one of a write that is on its way.
    let label_is_due = previous.as_ref().is_some_and(|traffic| {
        let deadline = draft.observed.settings.route_acceptance_deadline;
        traffic.verified || draft.now >= after(traffic.requested_at, deadline)
    });
    let mut complete = view.complete && !frozen;
    for (reference, route, pairs) in view.routes.iter().filter(|_| !frozen) {
        let mut work = aim.work(&draft.observed.rollout.namespace, reference, route, pairs);
        work.label_is_gone &= label_is_due;
        complete &= work.complete;
        writing = writing.max(write(draft, &mut contest, reference, route, work));
    }
    let namespace = &draft.observed.rollout.namespace;
    let managed_routes = aim.remembered(namespace, frozen, view.seen());
    record(draft, view, previous, contest, desired, writing, managed_routes);
    complete
}

/// Writes one route, if it lacks anything.
fn write(
    draft: &mut Draft<'_>,
    contest: &mut Option<Contest>,
    reference: &RouteReference,
    route: &RouteView,
    work: Work,
) -> Writing {
    let nothing_missing = if work.withheld {
        Writing::Withheld
    } else {
        Writing::Unneeded
    };
    // A label moves no traffic: nothing waits for it.
    let is_split = work.changes.is_empty() && work.rules.is_empty();
    if is_split
        && (work.label.is_none() || work.label_is_gone && !contest::may_label(draft, contest, reference))
    {
        return nothing_missing;
    }
    if !is_split && work.is_drift && !contest::may_write(draft, contest, reference, route) {
        return Writing::Withheld;
    }
    draft.act(Action::SetRouteWeights {
        route: reference.clone(),
        generation: route.generation,
        changes: work.changes,
        rules: work.rules,
        label: work.label,
    });
    if is_split { nothing_missing } else { Writing::Sent }
}

fn record(
    draft: &mut Draft<'_>,
    view: &View<'_>,
    previous: Option<Traffic>,
    contest: Option<Contest>,
    desired: Weight,
    writing: Writing,
    managed_routes: Vec<String>,
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
        managed_routes,
    });
}

/// Whether the routes had to be written: of several, the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writing {
    /// Every route has the weight already.
    Unneeded,
    /// A route lacks the weight, but can't be written now.
    Withheld,
    /// A route is written in this round.
    Sent,
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
    match contest.filter(|contest| contest.corrections >= contest::FREE_CORRECTIONS) {
        Some(contest) => {
            let message = contest::message(draft.observed, contest);
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
