//! Sizes with traffic routing: how many pods each version is to have, and when those that are left over go.

use std::cmp::Reverse;

use super::{is_held, step_weight};
use crate::draft::Draft;
use crate::observed::ReplicaSetView;
use crate::revisions::Revisions;
use crate::scale::{forget_deadlines, scale, scale_down_after, set_deadline};
use crate::service::Selection;
use crate::spec::{CanaryScale, RoutedCanary, Spec, Step, Weight};
use crate::traffic::Split;
use crate::weight;

/// Wanted numbers of pods.
pub(super) struct Sizes {
    /// What the canary's weight stands on.
    pub(super) canary: u32,
    /// At least as many: what it keeps while it is held.
    pub(super) kept: u32,
    pub(super) stable: u32,
}

impl Sizes {
    pub(super) fn wanted(
        draft: &Draft<'_>,
        spec: &Spec,
        routed: &RoutedCanary,
        revisions: &Revisions<'_>,
        split: Split,
    ) -> Self {
        if revisions.stable_is_current() {
            return Self {
                canary: spec.replicas,
                kept: spec.replicas,
                stable: spec.replicas,
            };
        }
        let floor = |pods: u32| {
            if pods == 0 {
                0
            } else {
                pods.max(routed.min_pods_per_replica_set.min(spec.replicas))
            }
        };
        // Until a lower weight is in force, pods are needed for the higher one.
        let (canary_share, stable_share) = carried(draft, revisions, split);
        let present = revisions.current.map_or(0, |current| current.spec_replicas);
        let of = |scale: Option<CanaryScale>, weight: Weight| match scale {
            Some(CanaryScale::Replicas(pods)) if routed.dynamic_stable_scale => floor(pods),
            Some(CanaryScale::Replicas(pods)) => pods,
            Some(CanaryScale::Weight(weight)) => floor(weight.of(spec.replicas)),
            Some(CanaryScale::MatchTrafficWeight) | None => {
                // A share that somebody else has given is corrected sooner than pods could come for it.
                let carrying = canary_share.of(spec.replicas).min(present);
                floor(carrying.max(weight.of(spec.replicas)))
            }
        };
        let canary = of(canary_scale(draft, spec, spec.paused), step_weight(draft, spec));
        let mut kept = canary;
        if is_held(draft, spec) && !draft.status.abort {
            // What is held takes no pod away that its step asks for: they may be why somebody holds it.
            let asked = of(
                canary_scale(draft, spec, false),
                weight::asked(&draft.status, spec),
            );
            kept = canary.max(asked.min(present));
        }
        let stable = if routed.dynamic_stable_scale && !draft.status.abort {
            floor(
                stable_share
                    .max(step_weight(draft, spec).rest())
                    .of(spec.replicas),
            )
        } else {
            spec.replicas
        };
        Self { canary, kept, stable }
    }

    /// Both versions have the size they should have.
    pub(super) fn reached(&self, spec: &Spec, revisions: &Revisions<'_>, routed: &RoutedCanary) -> bool {
        let canary = revisions.current.is_some_and(|current| {
            current.spec_replicas == self.kept && current.lasting_available() >= spec.enough(self.kept)
        });
        let stable = routed.dynamic_stable_scale
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

/// The scale step in force: the nearest at or before the current step (before it, where that `is_paused`); none past the end.
fn canary_scale(draft: &Draft<'_>, spec: &Spec, is_paused: bool) -> Option<CanaryScale> {
    let index = draft.status.current_step_index?;
    if index >= spec.step_count() || draft.status.promote_full {
        return None;
    }
    // A user's pause holds steps that are not done yet.
    let last = if is_paused { index.checked_sub(1)? } else { index };
    (0..=last).rev().find_map(|index| match spec.step(index) {
        Some(Step::SetCanaryScale(scale)) => Some(*scale),
        _ => None,
    })
}

/// Gives the current and the stable revision their sizes. While no weight is in force for sure, neither gets smaller:
/// requests may still go where an earlier weight, perhaps one that was never seen in force, sends them.
pub(super) fn resize(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routed: &RoutedCanary,
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
        let last = sizes.kept == 0 && selected && spec.replicas > 0 && current.lasting_available() > 0;
        scale(
            draft,
            spec,
            current,
            if last {
                current.spec_replicas
            } else {
                kept(sizes.kept, current)
            },
        );
        set_deadline(draft, current, None);
        return;
    }
    let selected = Selection::of(draft.observed).selects_canary(&current.hash);
    let all_on_stable = in_force == Some(Weight::ZERO);
    let safe = all_on_stable && !selected && revisions.stable_available() >= spec.replicas;
    if let Some(delay) = routed.abort_scale_down_delay.filter(|_| safe) {
        scale_down_after(draft, spec, current, delay);
    }
}

/// Takes down revisions that are neither current nor stable, once traffic has left them: in their time, but for those that
/// are more than may wait for it, the oldest first.
pub(super) fn drain_others(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routed: &RoutedCanary,
    revisions: &Revisions<'_>,
    split: Split,
    verified: bool,
) {
    let selection = Selection::of(draft.observed);
    let mut others = revisions.others.clone();
    others.retain(|other| other.spec_replicas > 0);
    others.sort_by_key(|other| Reverse((other.revision, other.created)));
    let limit = routed.scale_down_delay_revision_limit.unwrap_or(u32::MAX);
    for (other, position) in others.into_iter().zip(0_u32..) {
        let canary = selection.selects_canary(&other.hash) && split.canary() > Weight::ZERO;
        let stable = selection.selects_stable(&other.hash) && split.stable() > Weight::ZERO;
        // A Rollout that wants no pods serves nobody.
        let unused = other.replicas == 0 && other.available == 0 || spec.replicas == 0;
        let selected = selection.points_to(&other.hash);
        let is_left = verified && !canary && !stable && !selected;
        if !unused && !is_left {
            continue;
        }
        if position >= limit {
            scale(draft, spec, other, 0);
        } else {
            scale_down_after(draft, spec, other, routed.scale_down_delay);
        }
    }
    forget_deadlines(draft, &revisions.others);
}
