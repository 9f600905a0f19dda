//! The switch by routes: their weights send all users to the preview Service at once, and home to the active one when both
//! select the new version.
//!
//! The active Service stays with the stable version until another one is proven, so the way back is one write of the
//! weight. A weight moves only onto ready endpoints, a Service only where no weight that is in force sends anybody to what
//! it leaves, and pods go only when no weight can send anybody there.

use super::switch::{has_most_pods, is_deserted, is_under_way, takes_over};
use super::{active, note_retreat, note_users, preview};
use crate::draft::Draft;
use crate::managed::Managed;
use crate::observed::{ReplicaSetView, ServiceView};
use crate::progress;
use crate::revisions::Revisions;
use crate::service::Selection;
use crate::spec::{Spec, TrafficRouting, Weight};
use crate::status::{Status, Traffic};
use crate::traffic::{self, Beside, Safety, View};

/// Sends all users to the version that they are to meet, once it can take them.
pub(super) fn reconcile(
    draft: &mut Draft<'_>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
) {
    let view = View::of(draft.observed, routing);
    let wanted = wanted(draft, spec, revisions);
    let safety = safety(draft, spec, revisions, &view);
    let weight = safety.nearest(draft, &view, wanted);
    // There are no steps to ask for rules; those of a canary of before go.
    let beside = Beside {
        managed: Managed {
            asked: Vec::new(),
            may_add: false,
            may_remove: safety.can_fall(),
        },
        shares: Vec::new(),
        experiment_runs: false,
    };
    traffic::reconcile(draft, routing, &view, weight, &beside);
    note_users(draft, spec);
    note_retreat(draft);
}

/// Whether the weight of the preview Service is `weight` in every route, and the gateways have accepted that.
pub(super) fn is_in_force(status: &Status, weight: Weight) -> bool {
    status
        .traffic
        .as_ref()
        .is_some_and(|traffic| traffic.is_at(weight))
}

/// Whether routes may send requests to the pods of a revision behind the preview Service.
pub(super) fn may_send_to(draft: &Draft<'_>, spec: &Spec, revision: &ReplicaSetView) -> bool {
    let is_behind = Selection::of(draft.observed).selects_canary(&revision.hash);
    spec.routing().is_some() && is_behind && !is_in_force(&draft.status, Weight::ZERO)
}

/// Whether the preview Service can be pointed at `target`: nobody is sent there, or whoever is meets nobody and can only
/// gain by the stable version.
pub(super) fn frees_preview(
    draft: &Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    service: &ServiceView,
    target: &ReplicaSetView,
) -> bool {
    let goes_home = revisions.stable.is_some_and(|stable| stable.hash == target.hash);
    spec.routing().is_none() || is_in_force(&draft.status, Weight::ZERO) || goes_home && !answers(service)
}

/// The weight of the preview Service to have now, once it is safe.
fn wanted(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Weight {
    let is_asked_for = spec.replicas > 0 && is_under_way(draft, revisions);
    let Some(current) = revisions.current.filter(|_| is_asked_for) else {
        return Weight::ZERO;
    };
    if !preview(draft.observed).is_some_and(|preview| is_selected(preview, current)) {
        return Weight::ZERO;
    }
    let traffic = draft.status.traffic.as_ref();
    let is_there = traffic.is_some_and(|traffic| traffic.requested == Weight::FULL);
    let stays = is_there && !is_deserted(spec, revisions, current);
    if stays || takes_over(draft, spec, current) {
        Weight::FULL
    } else {
        Weight::ZERO
    }
}

fn safety(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, view: &View<'_>) -> Safety {
    let observed = draft.observed;
    let of_current = traffic::ready_endpoints(observed.canary_service.as_ref(), &revisions.current_hash);
    let canary_answers = preview(observed).is_some_and(answers);
    Safety {
        can_rise: !draft.hold && !view.is_rejected() && of_current > 0,
        lowest: lowest(draft, spec, revisions, view, canary_answers),
        canary_answers,
    }
}

/// The lowest weight for which the active Service can take the rest: none where it serves nobody, or where most pods of the
/// stable version are missing and those behind the preview Service answer, as long as more of them keep coming.
fn lowest(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    view: &View<'_>,
    preview_answers: bool,
) -> Weight {
    let is_unpointed = active(draft.observed).is_some_and(|active| active.selects.is_none());
    if is_unpointed || spec.replicas == 0 {
        return Weight::ZERO;
    }
    let service = draft.observed.stable_service.as_ref();
    let of_stable = |stable: &ReplicaSetView| traffic::ready_endpoints(service, &stable.hash);
    let Some((stable, ready)) = revisions.stable.map(|stable| (stable, of_stable(stable))) else {
        return Weight::FULL;
    };
    if ready == 0 {
        return Weight::FULL;
    }
    if !preview_answers || view.split.canary() == Weight::ZERO {
        return Weight::ZERO;
    }
    // After a promotion the Service has just been pointed at the new pods: all that are available must be behind it.
    let is_whole = !revisions.stable_is_current() || ready >= stable.lasting_available();
    let has_most = has_most_pods(spec, stable) && ready.saturating_mul(2) >= spec.replicas;
    if is_whole && (has_most || progress::no_stable_pods_come(draft)) {
        Weight::ZERO
    } else {
        Weight::FULL
    }
}

fn is_selected(service: &ServiceView, revision: &ReplicaSetView) -> bool {
    service.selects.as_deref() == Some(revision.hash.as_str())
}

/// Whether pods of the one revision that the Service selects answer.
fn answers(service: &ServiceView) -> bool {
    let selected = service.selects.as_ref();
    let ready = selected.and_then(|hash| service.ready_endpoints.get(hash));
    ready.is_some_and(|ready| *ready > 0)
}

impl Traffic {
    /// Whether this weight is asked for, and in force.
    fn is_at(&self, weight: Weight) -> bool {
        self.verified && self.requested == weight
    }
}
