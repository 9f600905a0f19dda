//! The split of traffic: which weight is wanted, which is written in the routes, which is in force.

use jiff::SignedDuration;

use crate::acceptance::{self, Acceptance};
use crate::draft::{Draft, after};
use crate::managed::Managed;
use crate::observed::{BackendView, Observed, Presence, RouteView, ServiceView};
use crate::plan::Action;
use crate::reference::{Pair, pairs, refers_to};
use crate::spec::{RouteReference, TrafficRouting, Weight};
use crate::status::{AdditionalWeight, ConditionType, Contest, Reason, Traffic, Truth};

use self::aim::{Aim, Work};
pub(crate) use self::safety::Safety;
use self::shares::Turns;
pub(crate) use self::shares::{Share, known as known_shares, release, remembered_by, remembered_share};
pub(crate) use self::split::Split;
use self::split::split_of;

mod aim;
mod contest;
mod safety;
mod shares;
mod split;

/// The field manager of every write of the controller: what tells its own weights from somebody else's.
pub const FIELD_MANAGER: &str = "kulta";
/// A manager that has not interfered for so long has stopped.
const CONTEST_MEMORY: SignedDuration = SignedDuration::from_mins(10);

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
        let known = shares::known(observed, routing);
        let with_shares = |route, pair: Pair<'a>| Pair {
            shares: shares::refs(route, pair.rule, namespace, &known),
            ..pair
        };
        let routes: Vec<_> = observed
            .routes
            .iter()
            .filter_map(|(reference, route)| Some((reference, route.present()?)))
            .map(|(reference, route)| {
                let pairs = pairs(route, namespace, &routing.stable_service, &routing.canary_service);
                let pairs = pairs.into_iter().map(|pair| with_shares(route, pair));
                (reference, route, pairs.collect::<Vec<_>>())
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

    /// Whether a Service with this share serves the port that every rule sends to.
    pub(crate) fn fits(&self, share: &Share<'_>, stable: Option<&ServiceView>) -> bool {
        self.pairs().all(|pair| {
            let port = pair.stable.first().and_then(|backend| backend.port);
            share.port(port, stable).is_some()
        })
    }

    /// Whether a rule names a Service of the Rollout's namespace, and not as the share of an experiment.
    pub(crate) fn names_otherwise(&self, namespace: &str, service: &str) -> bool {
        self.routes.iter().any(|(_, route, pairs)| {
            let is_share = |backend: &BackendView| {
                let mut shares = pairs.iter().flat_map(|pair| &pair.shares);
                shares.any(|share| (share.rule, share.index) == (backend.rule, backend.index))
            };
            let mut refs = route.backends.iter();
            refs.any(|backend| refers_to(backend, namespace, service) && !is_share(backend))
        })
    }

    /// The rules that split, of all routes.
    fn pairs(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.routes.iter().flat_map(|(_, _, pairs)| pairs)
    }

    fn seen(&self) -> impl Iterator<Item = (&'a RouteReference, &'a RouteView)> + Clone + '_ {
        self.routes
            .iter()
            .map(|(reference, route, _)| (*reference, *route))
    }
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

/// What is to be in the routes besides the weight of the canary.
pub(crate) struct Beside<'a> {
    /// Rules of the controller's own.
    pub(crate) managed: Managed<'a>,
    /// The shares of experiments: together no more than what the canary leaves.
    pub(crate) shares: Vec<Share<'a>>,
    /// The step under way has an experiment that runs: what it has no share of now, it may have again.
    pub(crate) experiment_runs: bool,
}

/// Writes `desired` and what is to be beside it into the routes where it is not there yet, and records in the status what is in
/// force. None: the routes are left as they are. Answers whether all rules that are asked for are there.
pub(crate) fn reconcile(
    draft: &mut Draft<'_>,
    routing: &TrafficRouting,
    view: &View<'_>,
    desired: Option<Weight>,
    beside: &Beside<'_>,
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
    let turns = Turns {
        accepted: is_accepted(draft, view, previous.as_ref()),
        over_and_rejected: !beside.experiment_runs && view.is_rejected(),
    };
    let shares = shares::in_turn(draft.observed, view, &beside.shares, turns);
    let aim = Aim::of(routing, previous.as_ref(), desired, (&beside.managed, &shares));
    let stable = draft.observed.stable_service.as_ref();
    let stable = stable.and_then(Presence::present);
    // Until then the label may be the one of a write that is on its way.
    let label_is_due = previous.as_ref().is_some_and(|traffic| {
        let deadline = draft.observed.settings.route_acceptance_deadline;
        traffic.verified || draft.now >= after(traffic.requested_at, deadline)
    });
    let mut complete = view.complete && !frozen;
    for (reference, route, pairs) in view.routes.iter().filter(|_| !frozen) {
        let mut work = aim.work(
            &draft.observed.rollout.namespace,
            stable,
            (reference, route),
            pairs,
        );
        work.label_is_gone &= label_is_due;
        complete &= work.complete;
        writing = writing.max(write(draft, &mut contest, reference, route, work));
    }
    let namespace = &draft.observed.rollout.namespace;
    let managed_routes = aim.remembered(namespace, frozen, view.seen());
    let written = if frozen { &[][..] } else { &shares };
    let before = previous.as_ref().map_or(&[][..], |traffic| &traffic.additional);
    let kept = Kept {
        managed_routes,
        additional: shares::remembered(written, before, view),
        contest,
    };
    record(draft, view, previous, desired, writing, kept);
    complete
}

/// Whether gateways have accepted what is in the routes now.
fn is_accepted(draft: &Draft<'_>, view: &View<'_>, previous: Option<&Traffic>) -> bool {
    // What was written without its status was written later than that says.
    let told = previous.filter(|_| shares::are_as_remembered(&draft.status, view));
    let since = told.map_or(draft.now, |traffic| traffic.requested_at);
    let deadline = draft.observed.settings.route_acceptance_deadline;
    Acceptance::of(view.seen(), since, draft.now, deadline).in_force
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
    let is_split = work.changes.is_empty() && work.backends.is_empty() && work.rules.is_empty();
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
        backends: work.backends,
        rules: work.rules,
        label: work.label,
    });
    if is_split { nothing_missing } else { Writing::Sent }
}

/// What the status remembers besides the weight.
struct Kept {
    managed_routes: Vec<String>,
    additional: Vec<AdditionalWeight>,
    contest: Option<Contest>,
}

fn record(
    draft: &mut Draft<'_>,
    view: &View<'_>,
    previous: Option<Traffic>,
    desired: Weight,
    writing: Writing,
    kept: Kept,
) {
    let now = draft.now;
    let Kept {
        managed_routes,
        additional,
        contest,
    } = kept;
    // The deadline of silent parents runs from the last write: a correction is one.
    let mut requested_at = match &previous {
        Some(traffic) if traffic.requested == desired && writing != Writing::Sent => traffic.requested_at,
        _ => now,
    };
    let deadline = draft.observed.settings.route_acceptance_deadline;
    let mut acceptance = Acceptance::of(view.seen(), requested_at, now, deadline);
    let written = writing == Writing::Unneeded;
    let was_in_force = previous.as_ref().is_some_and(|traffic| traffic.verified);
    let untold = !shares::are_as_remembered(&draft.observed.status, view);
    if written && (was_in_force && !acceptance.in_force || untold) {
        // Somebody has edited the route, or it was written and its status was not: the gateway gets its time to look at it.
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
        additional,
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
