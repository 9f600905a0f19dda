//! Sizes: how many pods each version has, and when those that are left over go.

use std::cmp::Reverse;

use jiff::SignedDuration;

use super::{active, may_take_over, routes, state, switch};
use crate::draft::Draft;
use crate::observed::ReplicaSetView;
use crate::revisions::Revisions;
use crate::scale::{forget_deadlines, scale, scale_down_after, set_deadline};
use crate::service::Selection;
use crate::spec::{BlueGreen, Spec};

/// The pods that the new version is to have by now.
pub(super) fn of_new(
    draft: &Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
) -> u32 {
    let present = revisions.current.map_or(0, |current| current.spec_replicas);
    let held = spec.paused || draft.status.is_held_by_analysis();
    let whole = draft.status.is_switched() || may_take_over(draft, spec);
    if spec.replicas == 0 || held && present == 0 {
        return 0;
    }
    match blue_green.preview_replicas.filter(|_| !whole) {
        None => spec.replicas,
        // Gates that are asked again take no pods away.
        Some(preview) if super::is_cleared(&draft.status) => preview.max(present.min(spec.replicas)),
        Some(preview) => preview,
    }
}

/// Gives the current and the stable revision their sizes.
pub(super) fn resize(draft: &mut Draft<'_>, spec: &Spec, blue_green: &BlueGreen, revisions: &Revisions<'_>) {
    if let Some(stable) = revisions.stable {
        scale(draft, spec, stable, spec.replicas);
        set_deadline(draft, stable, None);
    }
    let Some(current) = revisions.current.filter(|_| !revisions.stable_is_current()) else {
        return;
    };
    let selection = Selection::of(draft.observed);
    if !draft.status.abort {
        let mut wanted = of_new(draft, spec, blue_green, revisions);
        if routes::may_send_to(draft, spec, current) {
            wanted = wanted.max(current.spec_replicas.min(spec.replicas));
        }
        let last = wanted == 0 && spec.replicas > 0 && current.lasting_available() > 0;
        let to = if last && selection.points_to(&current.hash) {
            current.spec_replicas
        } else {
            wanted
        };
        scale(draft, spec, current, to);
        set_deadline(draft, current, None);
    } else if draft.status.is_switched() || routes::may_send_to(draft, spec, current) {
        // The way back waits for pods of the stable version, and all users are still here; where it has no pods, nobody is, and
        // a version that was given up does not come up again.
        if current.spec_replicas > 0 {
            scale(draft, spec, current, spec.replicas.max(current.spec_replicas));
        }
    } else if let Some(delay) = blue_green.abort_scale_down_delay
        && is_given_up(draft, spec, revisions)
    {
        // Whoever looks at it is sent to the stable version first.
        let looked_at = selection.points_to(&current.hash) && spec.replicas > 0;
        if !(looked_at && goes(draft, spec, blue_green, revisions, current)) {
            scale_down_after(draft, spec, current, delay);
        }
    }
}

/// Whether users have left an aborted version for good.
fn is_given_up(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> bool {
    let is_whole = revisions.stable_available() >= spec.replicas;
    draft.status.abort && is_whole && switch::is_home(draft, spec, revisions)
}

/// Whether the pods of the current revision are to go now, but for those who may still look at it.
pub(super) fn goes(
    draft: &Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
    current: &ReplicaSetView,
) -> bool {
    if draft.hold || revisions.stable_is_current() {
        return false;
    }
    if draft.status.abort {
        let deadline = current.scale_down_deadline;
        let is_over = match blue_green.abort_scale_down_delay {
            Some(SignedDuration::ZERO) => true,
            Some(_) => deadline.is_some_and(|deadline| draft.now >= deadline),
            None => false,
        };
        return is_over && is_given_up(draft, spec, revisions);
    }
    spec.replicas > 0 && of_new(draft, spec, blue_green, revisions) == 0
}

/// Takes down revisions that are neither current nor stable, once users have left them and their time has come.
pub(super) fn drain_others(
    draft: &mut Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
) {
    if draft.hold {
        return;
    }
    let selection = Selection::of(draft.observed);
    let is_certain = spec.routing().is_none() || is_verified(draft);
    let users_are_served = active(draft.observed).is_some_and(|active| {
        let selected = active.selects.as_deref();
        selected.is_some_and(|hash| super::shows(active, hash, 1))
    });
    let mut others = revisions.others.clone();
    others.retain(|other| other.spec_replicas > 0);
    others.sort_by_key(|other| Reverse((other.revision, other.created)));
    let limit = blue_green.scale_down_delay_revision_limit.unwrap_or(u32::MAX);
    for (other, position) in others.into_iter().zip(0_u32..) {
        let unused = other.replicas == 0 && other.available == 0 || spec.replicas == 0;
        let may_be_met = selection.points_to(&other.hash) || routes::may_send_to(draft, spec, other);
        let left = is_certain && users_are_served && !may_be_met;
        if !unused && !left {
            continue;
        }
        if position >= limit {
            scale(draft, spec, other, 0);
            continue;
        }
        scale_down_after(draft, spec, other, blue_green.scale_down_delay);
        let follows = is_formerly_stable(draft, other) && spec.replicas > 0;
        if follows
            && other
                .scale_down_deadline
                .is_some_and(|deadline| draft.now < deadline)
        {
            scale(draft, spec, other, spec.replicas);
        }
    }
    forget_deadlines(draft, &revisions.others);
}

/// Whether the weights that are in force are those that were asked for.
fn is_verified(draft: &Draft<'_>) -> bool {
    let traffic = draft.status.traffic.as_ref();
    traffic.is_some_and(|traffic| traffic.verified)
}

/// Whether the revision was trusted before: it is kept at full size, so that going back to it takes no time.
fn is_formerly_stable(draft: &Draft<'_>, other: &ReplicaSetView) -> bool {
    state(&draft.status).is_some_and(|state| state.formerly_stable.contains(&other.hash))
}
