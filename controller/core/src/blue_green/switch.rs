//! The Services: which revision all users meet, and which one can be looked at.

use super::{active, is_previewed, may_take_over, preview, routes, shows};
use crate::draft::Draft;
use crate::observed::{ReplicaSetView, ServiceView};
use crate::progress;
use crate::revisions::Revisions;
use crate::service;
use crate::spec::{BlueGreen, Spec, Weight};

/// Points the two Services at their revisions, when no traffic is torn away by it.
pub(super) fn point_services(
    draft: &mut Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
) {
    let observed = draft.observed;
    if let Some(service) = active(observed)
        && let Some(target) = behind_active(draft, spec, revisions, service)
    {
        service::point(draft, spec, service, target);
    }
    if let Some(service) = preview(observed)
        && let Some(target) = behind_preview(draft, spec, blue_green, revisions, service)
        && routes::frees_preview(draft, spec, revisions, service, target)
    {
        service::point(draft, spec, service, target);
    }
}

/// The revision that the active Service is to select: the one that all users are to meet or, where routes send them to
/// either Service, the stable one. None: it stays as it is.
fn behind_active<'a>(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'a>,
    service: &ServiceView,
) -> Option<&'a ReplicaSetView> {
    let is_switched_here = spec.routing().is_none() && is_under_way(draft, revisions);
    if let Some(current) = revisions.current.filter(|_| is_switched_here) {
        let is_there = service.selects.as_deref() == Some(current.hash.as_str());
        let stays = is_there && !is_deserted(spec, revisions, current);
        if stays || takes_over(draft, spec, current) {
            return Some(current);
        }
    }
    let stable = revisions.stable?;
    let leaves = revisions
        .all()
        .iter()
        .find(|other| other.hash != stable.hash && service.selects.as_deref() == Some(other.hash.as_str()));
    // Whom nobody serves can only gain.
    let is_served = leaves.is_some_and(|left| left.lasting_available() > 0);
    (!is_served || is_strong_enough(draft, spec, stable)).then_some(stable)
}

/// Whether there is a new version on its way.
pub(super) fn is_under_way(draft: &Draft<'_>, revisions: &Revisions<'_>) -> bool {
    let status = &draft.status;
    !status.abort && !status.fully_promoted() && !revisions.stable_is_current()
}

/// Whether the new version, which serves all users, has lost so many of its pods that they go back: most of them, while the
/// stable version has at least twice as many. One drained node is no reason to turn users back and forth, and neither is
/// a larger `spec.replicas`, nor a fault that has hit the stable version, too.
pub(super) fn is_deserted(spec: &Spec, revisions: &Revisions<'_>, current: &ReplicaSetView) -> bool {
    let left = current.lasting_available();
    !has_most_pods(spec, current) && (left == 0 || revisions.stable_available() >= left.saturating_mul(2))
}

/// Whether a version has at least half of the pods that it is to have.
pub(super) fn has_most_pods(spec: &Spec, serving: &ReplicaSetView) -> bool {
    serving.lasting_available().saturating_mul(2) >= spec.replicas
}

/// Whether all users can be switched now.
pub(super) fn takes_over(draft: &Draft<'_>, spec: &Spec, current: &ReplicaSetView) -> bool {
    let held = draft.hold || spec.paused || draft.status.is_held_by_analysis();
    let is_whole = current.spec_replicas == spec.replicas && current.lasting_available() == spec.replicas;
    !held && is_whole && may_take_over(draft, spec) && is_previewed(draft, &current.hash, spec.replicas)
}

/// Whether the stable version can take all users back. Usually it has all of its pods; where it has lost most of them,
/// they are waited for only as long as they keep coming: better too few of them than users on a version that was given
/// up.
fn is_strong_enough(draft: &mut Draft<'_>, spec: &Spec, stable: &ReplicaSetView) -> bool {
    has_most_pods(spec, stable) || progress::no_stable_pods_come(draft)
}

/// The revision that can be looked at: the current one, as long as it has pods; None: it stays as it is.
fn behind_preview<'a>(
    draft: &Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'a>,
    service: &ServiceView,
) -> Option<&'a ReplicaSetView> {
    let Some(current) = revisions.current else {
        return revisions.stable;
    };
    let is_there = service.selects.as_deref() == Some(current.hash.as_str());
    let goes = super::sizes::goes(draft, spec, blue_green, revisions, current);
    let has_pods = current.lasting_available() > 0 || is_there && current.spec_replicas > 0;
    if has_pods && !goes {
        Some(current)
    } else {
        // The pods of what it selects now may be about to go.
        revisions.stable
    }
}

/// Whether all users are with the stable revision, and its endpoints are seen there.
pub(super) fn is_home(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> bool {
    let is_sent_home = spec.routing().is_none() || routes::is_in_force(&draft.status, Weight::ZERO);
    let home = active(draft.observed)
        .zip(revisions.stable)
        .is_some_and(|(active, stable)| shows(active, &stable.hash, spec.replicas));
    is_sent_home && home || spec.replicas == 0
}
