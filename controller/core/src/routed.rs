//! The canary with traffic routing: weights by routes, pods apart from weights.

use crate::analyses;
use crate::draft::Draft;
use crate::managed::{self, Asked, Managed};
use crate::observed::{Presence, ServiceView};
use crate::progress;
use crate::revisions::Revisions;
use crate::service::{self, Selection};
use crate::spec::{RoutedCanary, Spec, Step, TrafficRouting, Weight};
use crate::step::Reached;
use crate::traffic::{self, Beside, Readiness, Safety, Split, View};
use crate::weight;

use self::sizes::{Sizes, drain_others, resize};

mod shares;
mod sizes;

/// Brings traffic, Services and sizes in line with the status, and says what of it has been reached.
pub(crate) fn reconcile(
    draft: &mut Draft<'_>,
    spec: &Spec,
    canary: &RoutedCanary,
    revisions: &Revisions<'_>,
) -> Reached {
    let routing = &canary.routing;
    let view = View::of(draft.observed, routing);
    let mut sizes = Sizes::wanted(draft, spec, canary, revisions, view.split);
    let wanted = wanted_weight(draft, spec, revisions, &sizes);
    // Whatever leaves the canary, the stable version must be able to take.
    sizes.stable = sizes.stable.max(wanted.rest().of(spec.replicas));
    let safety = safety(draft, spec, canary, revisions, &view, &sizes);
    let weight = safety.nearest(draft, &view, wanted);
    let (shares, experiment_runs) = shares::wanted(draft, spec, routing, revisions, (&view, &safety), weight);
    let beside = Beside {
        managed: Managed {
            asked: wanted_rules(draft, spec, routing, revisions, &sizes),
            may_add: safety.can_rise,
            may_remove: safety.can_fall(),
        },
        shares,
        experiment_runs,
    };
    let rules_complete = traffic::reconcile(draft, routing, &view, weight, &beside);
    let verified = draft
        .status
        .traffic
        .as_ref()
        .is_some_and(|traffic| traffic.verified);
    point_services(draft, spec, revisions, &sizes, view.split, verified);
    resize(
        draft,
        spec,
        canary,
        revisions,
        &sizes,
        weight.filter(|_| verified),
    );
    drain_others(draft, spec, canary, revisions, view.split, verified);
    let empty = spec.replicas == 0;
    // A canary without pods is given no traffic whatever the step says, and its step is done without.
    let asked = if sizes.kept == 0 {
        Weight::ZERO
    } else {
        // What is held is not what the step wants.
        weight::asked(&draft.status, spec)
    };
    Reached {
        // What is held has not come to what its step asks for, however few pods it has.
        counts: sizes.reached(spec, revisions, canary) && !is_held(draft, spec),
        weight: weight == Some(asked) && verified || empty,
        // A canary without pods is sent nothing: its rules come with its first pods.
        rules: rules_complete && verified || sizes.kept == 0 || empty,
        full: weight == Some(Weight::FULL) && verified || empty,
        available: revisions.current_available() >= spec.enough(spec.replicas),
    }
}

/// The weight that the steps ask for, apart from whether anything is ready for it.
fn step_weight(draft: &Draft<'_>, spec: &Spec) -> Weight {
    let in_force = || {
        let traffic = draft.status.traffic.as_ref();
        let in_force = traffic.and_then(|traffic| Some(traffic.in_force?.min(traffic.requested)));
        in_force.unwrap_or(Weight::ZERO)
    };
    if draft.status.abort || draft.status.fully_promoted() {
        return Weight::ZERO;
    }
    let asked = weight::asked(&draft.status, spec);
    // A pause holds the weight, but what was in force for the revision before is none of this one's.
    if is_held(draft, spec) {
        asked.min(in_force())
    } else {
        asked
    }
}

/// Whether nothing that the steps ask for may go further: a user's pause, or an analysis that waits for people.
fn is_held(draft: &Draft<'_>, spec: &Spec) -> bool {
    spec.paused || draft.status.is_held_by_analysis() || analyses::is_missing(draft, spec)
}

/// The weight to have now, once it is safe.
fn wanted_weight(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, sizes: &Sizes) -> Weight {
    if draft.status.abort || revisions.stable_is_current() || spec.replicas == 0 {
        return Weight::ZERO;
    }
    // The canary Service can be pointed at the current revision only when no traffic goes through it.
    let selected = Selection::of(draft.observed).selects_canary(&revisions.current_hash);
    if !selected || revisions.current_available() == 0 || sizes.canary == 0 {
        return Weight::ZERO;
    }
    let target = step_weight(draft, spec);
    let previous = draft
        .status
        .traffic
        .as_ref()
        .map_or(Weight::ZERO, |traffic| traffic.requested);
    let available = revisions.current_available();
    // A step that lowers the weight does not wait for pods, and one pod of several that is lost for a while moves
    // nothing: the others take its share.
    let most_are_left = target == previous && available.saturating_mul(2) >= sizes.canary;
    if available >= spec.enough(sizes.canary) || target < previous || most_are_left {
        target
    } else if target == previous {
        below(draft, spec, target)
    } else {
        previous.min(weight::before(&draft.status, spec))
    }
}

/// The nearest weight below `weight` on the way that was gone: what fewer pods have carried before.
fn below(draft: &Draft<'_>, spec: &Spec, weight: Weight) -> Weight {
    let gone = draft.status.current_step_index.unwrap_or(0);
    (0..=gone)
        .rev()
        .filter_map(|index| match spec.step(index) {
            Some(Step::SetWeight(earlier)) => Some(*earlier),
            _ => None,
        })
        .find(|earlier| *earlier < weight)
        .unwrap_or(Weight::ZERO)
}

/// The managed routes to have now: those that the steps have set, with a step under way that nothing holds up.
fn wanted_rules<'a>(
    draft: &Draft<'_>,
    spec: &'a Spec,
    routing: &'a TrafficRouting,
    revisions: &Revisions<'_>,
    sizes: &Sizes,
) -> Vec<Asked<'a>> {
    let status = &draft.status;
    let over = status.abort || status.promote_full || revisions.stable_is_current();
    let selected = Selection::of(draft.observed).selects_canary(&revisions.current_hash);
    let Some(index) = status.current_step_index.filter(|_| !over && selected) else {
        return Vec::new();
    };
    if revisions.current_available() == 0 || sizes.canary == 0 || spec.replicas == 0 {
        return Vec::new();
    }
    let count = if is_held(draft, spec) {
        index
    } else {
        index.saturating_add(1)
    };
    managed::set_by_steps(spec, routing, count)
}

/// What can be sent to either side.
fn safety(
    draft: &mut Draft<'_>,
    spec: &Spec,
    canary: &RoutedCanary,
    revisions: &Revisions<'_>,
    view: &View<'_>,
    sizes: &Sizes,
) -> Safety {
    let observed = draft.observed;
    let ready = Readiness {
        canary: traffic::ready_endpoints(observed.canary_service.as_ref(), &revisions.current_hash),
        stable: revisions.stable.map_or(0, |stable| {
            traffic::ready_endpoints(observed.stable_service.as_ref(), &stable.hash)
        }),
    };
    Safety {
        can_rise: !draft.hold
            && !view.is_rejected()
            && ready.canary >= spec.enough(sizes.canary.min(spec.replicas)).max(1),
        lowest: lowest(draft, spec, canary, revisions, &ready),
        canary_answers: ready.canary > 0,
    }
}

/// The lowest canary weight for which the stable version can take the rest.
fn lowest(
    draft: &mut Draft<'_>,
    spec: &Spec,
    canary: &RoutedCanary,
    revisions: &Revisions<'_>,
    ready: &Readiness,
) -> Weight {
    // A Service that was never pointed at a revision has the pods of all of them, and one whose Rollout wants no pods
    // will have none: there is nothing to wait for.
    let unpointed =
        present(draft.observed.stable_service.as_ref()).is_some_and(|service| service.selects.is_none());
    if unpointed || spec.replicas == 0 {
        return Weight::ZERO;
    }
    // After a promotion the Service has just been pointed at the new pods: all that are available must be behind it.
    let needed = if revisions.stable_is_current() {
        revisions.stable_available().max(1)
    } else {
        1
    };
    if ready.stable < needed {
        return Weight::FULL;
    }
    if !canary.dynamic_stable_scale || waited_enough(draft, revisions) {
        return Weight::ZERO;
    }
    let serving = revisions.stable_available().min(ready.stable);
    // What can't be carried is rounded up.
    let missing = spec.replicas.saturating_sub(spec.most_for(serving));
    Weight::share(missing.into(), spec.replicas.into(), canary.routing.whole)
}

/// On the way back, pods of the stable version are waited for only as long as they keep coming: better too few of them
/// than users on a version that was given up, which may even hold the room that they need.
fn waited_enough(draft: &mut Draft<'_>, revisions: &Revisions<'_>) -> bool {
    let goes_back = draft.status.abort || revisions.stable_is_current();
    goes_back && progress::no_stable_pods_come(draft)
}

/// Points the two Services at their revisions, when no traffic is torn away by it.
fn point_services(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    sizes: &Sizes,
    split: Split,
    verified: bool,
) {
    let observed = draft.observed;
    if let (Some(stable), Some(target)) = (present(observed.stable_service.as_ref()), revisions.stable) {
        service::point(draft, spec, stable, target);
    }
    let Some(canary) = present(observed.canary_service.as_ref()) else {
        return;
    };
    // A rule of somebody's own may send requests to the canary Service whatever the weight is, so it is left with a
    // revision that has pods: the stable one where the current one is to have none, or has none yet while the one
    // before it is about to go. With no pods wanted at all it is left where it is: nothing answers anywhere.
    let current_selected = canary.selects.as_deref() == Some(revisions.current_hash.as_str());
    let none_for_current = sizes.kept == 0 || revisions.current_available() == 0 && !current_selected;
    let empty = none_for_current && spec.replicas > 0;
    let target = if draft.status.abort || revisions.stable_is_current() || empty {
        revisions.stable
    } else {
        revisions.current
    };
    let Some(target) = target else { return };
    let idle = verified && split == Split::Agreed(Weight::ZERO);
    let selected = canary
        .selects
        .as_deref()
        .map(|hash| traffic::ready_endpoints(observed.canary_service.as_ref(), hash));
    if idle || selected.is_none_or(|ready| ready == 0) {
        service::point(draft, spec, canary, target);
    }
}

fn present(service: Option<&Presence<ServiceView>>) -> Option<&ServiceView> {
    service.and_then(Presence::present)
}
