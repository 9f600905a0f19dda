//! The canary with traffic routing: weights by routes, pods apart from weights.

use jiff::SignedDuration;

use crate::draft::{Draft, after};
use crate::observed::{Presence, ReplicaSetView, ServiceView};
use crate::plan::Action;
use crate::revisions::Revisions;
use crate::scale::{scale, set_deadline};
use crate::service::{self, Selection};
use crate::spec::{CanaryScale, Spec, Step, TrafficRouting, Weight};
use crate::step::Reached;
use crate::traffic::{self, Readiness, Split, View};

/// How long an abort with `dynamicStableScale` waits for the next stable pod: longer than a pod takes that can be
/// scheduled and whose image is known.
const STABLE_PODS_COME_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// Brings traffic, Services and sizes in line with the status, and says what of it has been reached.
pub(crate) fn reconcile(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
) -> Reached {
    let view = View::of(draft.observed, routing);
    let mut sizes = Sizes::wanted(draft, spec, routing, revisions, view.split);
    let wanted = wanted_weight(draft, spec, revisions, &sizes);
    // Whatever leaves the canary, the stable version must be able to take.
    sizes.stable = sizes.stable.max(wanted.rest().of(spec.replicas));
    let weight = safe_weight(draft, spec, routing, revisions, view.split, wanted, &sizes);
    traffic::reconcile(draft, &view, weight);
    let verified = draft
        .status
        .traffic
        .as_ref()
        .is_some_and(|traffic| traffic.verified);
    point_services(draft, spec, revisions, &sizes, view.split, verified);
    resize(
        draft,
        spec,
        routing,
        revisions,
        &sizes,
        weight.filter(|_| verified),
    );
    drain_others(draft, spec, routing, revisions, view.split, verified);
    let empty = spec.replicas == 0;
    // A canary without pods is given no traffic whatever the step says, and its step is done without.
    let asked = if sizes.canary == 0 {
        Weight::ZERO
    } else {
        step_weight(draft, spec)
    };
    Reached {
        counts: sizes.reached(revisions, routing),
        weight: weight == Some(asked) && verified || empty,
        full: weight == Some(Weight::FULL) && verified || empty,
        available: revisions.current_available() >= spec.replicas,
    }
}

/// Wanted numbers of pods.
struct Sizes {
    canary: u32,
    stable: u32,
}

impl Sizes {
    fn wanted(
        draft: &Draft<'_>,
        spec: &Spec,
        routing: &TrafficRouting,
        revisions: &Revisions<'_>,
        split: Split,
    ) -> Self {
        if revisions.stable_is_current() {
            return Self {
                canary: spec.replicas,
                stable: spec.replicas,
            };
        }
        let floor = |pods: u32| {
            if pods == 0 {
                0
            } else {
                pods.max(routing.min_pods_per_replica_set.min(spec.replicas))
            }
        };
        // Until a lower weight is in force, pods are needed for the higher one.
        let (canary_share, stable_share) = carried(draft, revisions, split);
        let canary = match canary_scale(draft, spec) {
            Some(CanaryScale::Replicas(pods)) => pods,
            Some(CanaryScale::Weight(weight)) => floor(weight.of(spec.replicas)),
            Some(CanaryScale::MatchTrafficWeight) | None => {
                // A share that somebody else has given is corrected sooner than pods could come for it.
                let present = revisions.current.map_or(0, |current| current.spec_replicas);
                let carrying = canary_share.of(spec.replicas).min(present);
                floor(carrying.max(step_weight(draft, spec).of(spec.replicas)))
            }
        };
        let stable = if routing.dynamic_stable_scale && !draft.status.abort {
            floor(
                stable_share
                    .max(step_weight(draft, spec).rest())
                    .of(spec.replicas),
            )
        } else {
            spec.replicas
        };
        Self { canary, stable }
    }

    /// Both versions have the size they should have.
    fn reached(&self, revisions: &Revisions<'_>, routing: &TrafficRouting) -> bool {
        let canary = revisions.current.is_some_and(|current| {
            current.spec_replicas == self.canary && current.lasting_available() == self.canary
        });
        let stable = routing.dynamic_stable_scale
            || revisions
                .stable
                .is_some_and(|stable| stable.spec_replicas == self.stable && stable.replicas == self.stable);
        canary && stable
    }
}

/// The shares that the canary and the stable version may be carrying now: what is written, what was last in force.
fn carried(draft: &Draft<'_>, revisions: &Revisions<'_>, split: Split) -> (Weight, Weight) {
    let settled =
        |traffic: &&crate::status::Traffic| traffic.verified && split == Split::Agreed(traffic.requested);
    let unsettled = draft.status.traffic.as_ref().filter(|traffic| !settled(traffic));
    let in_force = unsettled.and_then(|traffic| traffic.in_force);
    let canary = in_force.map_or(split.canary(), |weight| weight.max(split.canary()));
    let stable = in_force.map_or(split.stable(), |weight| weight.rest().max(split.stable()));
    // While the canary Service still selects the revision before, its share is not the current revision's.
    let is_current = Selection::of(draft.observed).selects_canary(&revisions.current_hash);
    (if is_current { canary } else { Weight::ZERO }, stable)
}

/// The scale step in force: the nearest at or before the current step; none past the end.
fn canary_scale(draft: &Draft<'_>, spec: &Spec) -> Option<CanaryScale> {
    let index = draft.status.current_step_index?;
    if index >= spec.step_count() || draft.status.promote_full {
        return None;
    }
    // A user's pause holds steps that are not done yet.
    let last = if spec.paused { index.checked_sub(1)? } else { index };
    (0..=last).rev().find_map(|index| match spec.step(index) {
        Some(Step::SetCanaryScale(scale)) => Some(*scale),
        _ => None,
    })
}

/// The weight that the steps ask for, apart from whether anything is ready for it.
fn step_weight(draft: &Draft<'_>, spec: &Spec) -> Weight {
    let in_force = || {
        draft
            .status
            .traffic
            .as_ref()
            .and_then(|traffic| traffic.in_force)
            .unwrap_or(Weight::ZERO)
    };
    if draft.status.abort || draft.status.fully_promoted() {
        return Weight::ZERO;
    }
    let asked = match draft.status.current_step_index {
        _ if draft.status.promote_full => Weight::FULL,
        None => Weight::FULL,
        Some(index) if index >= spec.step_count() => Weight::FULL,
        Some(index) => weight_at(spec, index),
    };
    // A user's pause holds the weight, but what was in force for the revision before is none of this one's.
    if spec.paused { asked.min(in_force()) } else { asked }
}

/// The last weight set at or before the step `index`.
fn weight_at(spec: &Spec, index: u32) -> Weight {
    (0..=index)
        .rev()
        .find_map(|index| match spec.step(index) {
            Some(Step::SetWeight(weight)) => Some(*weight),
            _ => None,
        })
        .unwrap_or(Weight::ZERO)
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
    if available >= sizes.canary || target < previous || most_are_left {
        target
    } else if target == previous {
        below(draft, spec, target)
    } else {
        previous.min(before(draft, spec))
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

/// The highest weight that the steps before the current one have earned.
fn before(draft: &Draft<'_>, spec: &Spec) -> Weight {
    match draft.status.current_step_index {
        _ if draft.status.promote_full => Weight::FULL,
        None | Some(0) => Weight::ZERO,
        Some(index) => weight_at(spec, index - 1),
    }
}

/// The nearest weight to `wanted` for which ready endpoints are there: neither side is given traffic that it can't
/// take. What counts is what is written in the routes, not what was last asked for: a plan may have been cut off, or
/// somebody else have written. None: nothing can be written safely.
fn safe_weight(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
    split: Split,
    wanted: Weight,
    sizes: &Sizes,
) -> Option<Weight> {
    if service::taken(draft.observed) {
        return None;
    }
    let ready = Readiness {
        canary: traffic::ready_endpoints(draft.observed.canary_service.as_ref(), &revisions.current_hash),
        stable: revisions.stable.map_or(0, |stable| {
            traffic::ready_endpoints(draft.observed.stable_service.as_ref(), &stable.hash)
        }),
    };
    let can_rise = !draft.hold && ready.canary >= sizes.canary.min(spec.replicas).max(1);
    let raised = if can_rise {
        wanted
    } else {
        wanted.min(split.stable().rest())
    };
    let floor = lowest(draft, spec, routing, revisions, &ready).min(split.canary());
    // Where rules differ, one that is below the floor must not rise because another may not fall.
    if raised < floor && split.stable().rest() < floor {
        return None;
    }
    Some(raised.max(floor))
}

/// The lowest canary weight for which the stable version can take the rest.
fn lowest(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
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
    if !routing.dynamic_stable_scale || waited_enough(draft, revisions) {
        return Weight::ZERO;
    }
    let capacity = u64::from(revisions.stable_available().min(ready.stable).min(spec.replicas)) * 100
        / u64::from(spec.replicas);
    let carries = u32::try_from(capacity)
        .ok()
        .and_then(|percent| Weight::new(percent).ok())
        .unwrap_or(Weight::FULL);
    carries.rest()
}

/// On the way back, pods of the stable version are waited for only as long as they keep coming: better too few of them
/// than users on a version that was given up, which may even hold the room that they need.
fn waited_enough(draft: &mut Draft<'_>, revisions: &Revisions<'_>) -> bool {
    if !draft.status.abort && !revisions.stable_is_current() {
        return false;
    }
    let Some(latest) = draft.status.last_progress_time.max(draft.status.aborted_at) else {
        return true;
    };
    let end = after(latest, STABLE_PODS_COME_WITHIN);
    if draft.now < end {
        draft.wake_at(end);
    }
    draft.now >= end
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
    // before it is about to go.
    let current_selected = canary.selects.as_deref() == Some(revisions.current_hash.as_str());
    let empty = sizes.canary == 0 || revisions.current_available() == 0 && !current_selected;
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

/// Gives the current and the stable revision their sizes. While no weight is in force for sure, neither gets smaller:
/// requests may still go where an earlier weight, perhaps one that was never seen in force, sends them.
fn resize(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
    sizes: &Sizes,
    in_force: Option<Weight>,
) {
    let kept = |wanted: u32, replica_set: &ReplicaSetView| match in_force {
        // No pods at all only after all traffic has left.
        Some(weight) if wanted > 0 || weight == Weight::ZERO => wanted,
        Some(_) | None => wanted.max(replica_set.spec_replicas.min(spec.replicas)),
    };
    if let Some(stable) = revisions.stable {
        scale(draft, spec, stable, kept(sizes.stable, stable));
        set_deadline(draft, stable, None);
    }
    let Some(current) = revisions.current.filter(|_| !revisions.stable_is_current()) else {
        return;
    };
    if !draft.status.abort {
        let selected = Selection::of(draft.observed).points_to(&current.hash);
        let last = sizes.canary == 0 && selected && spec.replicas > 0 && current.lasting_available() > 0;
        scale(
            draft,
            spec,
            current,
            if last {
                current.spec_replicas
            } else {
                kept(sizes.canary, current)
            },
        );
        set_deadline(draft, current, None);
        return;
    }
    let selected = Selection::of(draft.observed).selects_canary(&current.hash);
    let all_on_stable = in_force == Some(Weight::ZERO);
    let safe = all_on_stable && !selected && revisions.stable_available() >= spec.replicas;
    if let Some(delay) = routing.abort_scale_down_delay.filter(|_| safe) {
        scale_down_after(draft, spec, current, delay);
    }
}

/// Sends a ReplicaSet that carries no traffic to 0 when its time has come.
fn scale_down_after(draft: &mut Draft<'_>, spec: &Spec, replica_set: &ReplicaSetView, delay: SignedDuration) {
    if replica_set.spec_replicas == 0 || draft.hold {
        return;
    }
    let deadline = replica_set
        .scale_down_deadline
        .unwrap_or_else(|| after(draft.now, delay));
    if draft.now >= deadline {
        scale(draft, spec, replica_set, 0);
    } else {
        set_deadline(draft, replica_set, Some(deadline));
        draft.wake_at(deadline);
    }
}

/// Takes down revisions that are neither current nor stable, once traffic has left them.
fn drain_others(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
    split: Split,
    verified: bool,
) {
    let selection = Selection::of(draft.observed);
    for other in &revisions.others {
        let canary = selection.selects_canary(&other.hash) && split.canary() > Weight::ZERO;
        let stable = selection.selects_stable(&other.hash) && split.stable() > Weight::ZERO;
        // A Rollout that wants no pods serves nobody.
        let unused = other.replicas == 0 && other.available == 0 || spec.replicas == 0;
        let selected = selection.points_to(&other.hash);
        if unused || (verified && !canary && !stable && !selected) {
            scale_down_after(draft, spec, other, routing.scale_down_delay);
        }
    }
    if draft.hold {
        return;
    }
    for other in revisions
        .others
        .iter()
        .filter(|other| other.spec_replicas == 0 && other.scale_down_deadline.is_some())
    {
        draft.act(Action::SetScaleDownDeadline {
            name: other.name.clone(),
            resource_version: other.resource_version.clone(),
            deadline: None,
        });
    }
}
