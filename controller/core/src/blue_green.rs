//! Blue-green: the new version comes up whole beside the old one, and all users are sent to either at once: by the selector
//! of the active Service, or by the weights of routes.
//!
//! The way there: the new version is ready, its analysis before the switch is successful, the pause is over (the
//! checkpoint), the gates allow it, all of its pods are there, the active Service selects it (or the routes send everybody
//! to the preview Service, and gateways have accepted that), its endpoints are seen there, its analysis after the switch is
//! successful. Only then it is the stable one. Until then the old version keeps all of its pods, so that the way back is
//! one write.

use crate::analyses;
use crate::draft::Draft;
use crate::gates;
use crate::intent::clear_pauses;
use crate::observed::{Observed, Presence, ReplicaSetView, ServiceView};
use crate::revisions::Revisions;
use crate::spec::{BlueGreen, Promotion, Spec, Weight};
use crate::status::{BlueGreenState, PauseReason, Status, Traffic};
use crate::step::{self, Reached};

mod routes;
mod sizes;
mod switch;

/// An analysis that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The one before the switch.
    PrePromotion,
    /// The one after it.
    PostPromotion,
}

/// Notes where users are, and which revisions of old can still be gone back to.
pub(crate) fn note(draft: &mut Draft<'_>, spec: &Spec) {
    if spec.blue_green().is_none() {
        draft.status.blue_green = None;
        return;
    }
    note_users(draft, spec);
    let observed = draft.observed;
    let has_pods = |hash: &String| {
        let mut found = observed.replica_sets.iter();
        found.any(|replica_set| replica_set.hash == *hash && replica_set.spec_replicas > 0)
    };
    let state = draft.status.blue_green.get_or_insert_default();
    state.formerly_stable.retain(has_pods);
}

/// Notes what the Services select: users meet what the active one does, or, once a weight is in force that sends all of them to
/// the preview Service and until it is taken back, what that one does.
fn note_users(draft: &mut Draft<'_>, spec: &Spec) {
    let selected = |service: Option<&ServiceView>| service.and_then(|service| service.selects.clone());
    let by_preview = selected(preview(draft.observed));
    let traffic = draft.status.traffic.as_ref();
    let is_full =
        |traffic: &Traffic| traffic.requested == Weight::FULL && traffic.in_force == Some(Weight::FULL);
    let is_sent_there = spec.routing().is_some() && traffic.is_some_and(is_full);
    let state = draft.status.blue_green.get_or_insert_default();
    state.active_selector = if is_sent_there {
        by_preview.clone()
    } else {
        selected(active(draft.observed))
    };
    state.preview_selector = by_preview;
}

/// Begins with another revision. One that was trusted before and is still up is gone back to without questions.
pub(crate) fn begin(draft: &mut Draft<'_>) {
    begin_anew(&mut draft.status);
    let now = draft.now;
    let is_up = |replica_set: &ReplicaSetView| {
        let deadline = replica_set.scale_down_deadline;
        // Until it has one, its pods were not even free to go.
        replica_set.spec_replicas > 0 && deadline.is_none_or(|deadline| deadline > now)
    };
    let current = draft.status.current_pod_hash.clone();
    let mut found = draft.observed.replica_sets.iter();
    let found = found.find(|replica_set| Some(&replica_set.hash) == current.as_ref());
    let Some((state, found)) = draft.status.blue_green.as_mut().zip(found) else {
        return;
    };
    state.fast_rollback = state.formerly_stable.contains(&found.hash) && is_up(found);
}

/// Begins again with the same revision where all users were with it and are not any more, though nobody gave it up: it has lost
/// its pods, or somebody has directed a Service elsewhere. What was found and allowed before says nothing of what it does when
/// they come again.
pub(crate) fn note_retreat(draft: &mut Draft<'_>) {
    let (before, now) = (&draft.observed.status, &draft.status);
    let is_same = before.current_pod_hash == now.current_pod_hash;
    let is_under_way = !now.abort && !now.promote_full && !now.fully_promoted();
    if is_same && is_under_way && before.is_switched() && !now.is_switched() {
        analyses::begin_anew(draft);
        clear_pauses(draft);
        begin_anew(&mut draft.status);
    }
}

/// Begins again with the same revision, and with all questions.
pub(crate) fn begin_anew(status: &mut Status) {
    if let Some(state) = &mut status.blue_green {
        state.checkpoint = false;
        state.fast_rollback = false;
    }
}

/// Brings traffic, Services and sizes in line with the status, and says what of it has been reached.
pub(crate) fn reconcile(
    draft: &mut Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
) -> Reached {
    if let Some(routing) = &blue_green.routing {
        routes::reconcile(draft, spec, routing, revisions);
    }
    switch::point_services(draft, spec, blue_green, revisions);
    sizes::resize(draft, spec, blue_green, revisions);
    sizes::drain_others(draft, spec, blue_green, revisions);
    Reached {
        counts: is_ready(draft, spec, blue_green, revisions),
        weight: true,
        rules: true,
        full: has_taken_over(draft, spec, revisions),
        available: revisions.current_available() >= spec.replicas,
    }
}

/// Makes at most one step forward: through the checkpoint, or to the promotion.
pub(crate) fn advance(
    draft: &mut Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
    reached: Reached,
) {
    if awaits_pods(&draft.status, spec) {
        return;
    }
    if reached.full && reached.available {
        if is_unquestioned(&draft.status) || is_proven(draft, blue_green) {
            remember_stable(draft, revisions);
            step::promote(draft, spec);
        }
        return;
    }
    let waits = !is_cleared(&draft.status) && !is_unquestioned(&draft.status);
    if waits && reached.counts && is_passed(draft, blue_green) && pause_is_over(draft, blue_green.promotion) {
        clear_pauses(draft);
        if let Some(state) = &mut draft.status.blue_green {
            state.checkpoint = true;
        }
    }
}

/// The analysis that is to begin by now, if it has not begun yet.
pub(crate) fn due(
    draft: &Draft<'_>,
    spec: &Spec,
    blue_green: &BlueGreen,
    revisions: &Revisions<'_>,
) -> Option<Due> {
    if is_unquestioned(&draft.status) || awaits_pods(&draft.status, spec) {
        None
    } else if has_taken_over(draft, spec, revisions) {
        (revisions.current_available() >= spec.replicas).then_some(Due::PostPromotion)
    } else {
        let waits = !is_cleared(&draft.status);
        (waits && is_ready(draft, spec, blue_green, revisions)).then_some(Due::PrePromotion)
    }
}

/// Whether all that is asked before the switch is passed, but for the gates; or all users are there already.
pub(crate) fn is_cleared(status: &Status) -> bool {
    status.is_switched() || state(status).is_some_and(|state| state.checkpoint)
}

/// Whether the switch waits for nothing but gates, pods and endpoints.
pub(crate) fn awaits_gates(status: &Status) -> bool {
    !status.is_switched() && state(status).is_some_and(|state| state.checkpoint && !state.fast_rollback)
}

/// Whether there is a new version and no pods are wanted: nothing can be found out of it, so nothing goes forward, and both
/// versions come up again together.
pub(crate) fn awaits_pods(status: &Status, spec: &Spec) -> bool {
    spec.replicas == 0 && spec.blue_green().is_some() && !status.abort && !status.fully_promoted()
}

/// Whether the active Service is at the stable revision, and the preview Service at the current one.
pub(crate) fn is_settled(status: &Status, spec: &Spec) -> bool {
    let Some((blue_green, state)) = spec.blue_green().zip(state(status)) else {
        return true;
    };
    let current = status.current_pod_hash.as_ref();
    let previewed = blue_green.preview_service.is_none() || state.preview_selector.as_ref() == current;
    // A Rollout that wants no pods has none to select.
    spec.replicas == 0 || state.active_selector.as_ref() == current && previewed
}

/// Whether nothing is asked of the new version.
fn is_unquestioned(status: &Status) -> bool {
    status.promote_full || state(status).is_some_and(|state| state.fast_rollback)
}

/// Whether nothing but its pods keeps the new version from taking over.
fn may_take_over(draft: &Draft<'_>, spec: &Spec) -> bool {
    let status = &draft.status;
    is_unquestioned(status) || is_cleared(status) && !gates::hold(status, spec)
}

/// Whether the new version serves all users: its endpoints are seen behind the Service that they are sent to.
fn has_taken_over(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> bool {
    let asked = match spec.routing() {
        None => active(draft.observed),
        Some(_) => preview(draft.observed).filter(|_| routes::is_in_force(&draft.status, Weight::FULL)),
    };
    asked.is_some_and(|asked| shows(asked, &revisions.current_hash, spec.replicas))
}

/// Whether the new version has as many pods as it is to have, and the preview Service serves them.
fn is_ready(draft: &Draft<'_>, spec: &Spec, blue_green: &BlueGreen, revisions: &Revisions<'_>) -> bool {
    let wanted = sizes::of_new(draft, spec, blue_green, revisions);
    let has_pods = revisions.current.is_some_and(|current| {
        current.spec_replicas == wanted && current.replicas == wanted && current.lasting_available() == wanted
    });
    has_pods && is_previewed(draft, &revisions.current_hash, wanted)
}

/// Whether the preview Service, if there is one, serves so many pods of the revision.
fn is_previewed(draft: &Draft<'_>, hash: &str, pods: u32) -> bool {
    pods == 0 || preview(draft.observed).is_none_or(|preview| shows(preview, hash, pods))
}

/// Whether the analysis before the switch, if there is one, lets it go on.
fn is_passed(draft: &Draft<'_>, blue_green: &BlueGreen) -> bool {
    let reference = draft.status.analyses.pre_promotion.as_ref();
    blue_green.pre_promotion.is_none() || reference.is_some_and(|run| run.phase.is_success())
}

/// Whether the analysis after the switch, if there is one, is successful.
fn is_proven(draft: &Draft<'_>, blue_green: &BlueGreen) -> bool {
    let reference = draft.status.analyses.post_promotion.as_ref();
    blue_green.post_promotion.is_none() || reference.is_some_and(|run| run.phase.is_success())
}

fn pause_is_over(draft: &mut Draft<'_>, promotion: Promotion) -> bool {
    let duration = match promotion {
        Promotion::AtOnce => return true,
        Promotion::After(duration) => Some(duration),
        Promotion::ByHand => None,
    };
    step::pause_is_over(draft, PauseReason::BlueGreenPause, duration)
}

/// The stable revision is about to be replaced: as long as it has its pods, it can be gone back to.
fn remember_stable(draft: &mut Draft<'_>, revisions: &Revisions<'_>) {
    let stable = revisions.stable.map(|stable| stable.hash.clone());
    if let Some(state) = &mut draft.status.blue_green {
        state
            .formerly_stable
            .retain(|hash| *hash != revisions.current_hash);
        state.formerly_stable.extend(stable);
    }
}

/// Whether `service` selects the revision and has ready endpoints of so many of its pods, at least one.
fn shows(service: &ServiceView, hash: &str, pods: u32) -> bool {
    let ready = service.ready_endpoints.get(hash).copied().unwrap_or(0);
    service.selects.as_deref() == Some(hash) && ready >= pods.max(1)
}

fn state(status: &Status) -> Option<&BlueGreenState> {
    status.blue_green.as_ref()
}

/// The Service that all users ask, or that their routes send them to before the switch and after the promotion.
fn active(observed: &Observed) -> Option<&ServiceView> {
    observed.stable_service.as_ref().and_then(Presence::present)
}

/// The Service of the new version.
fn preview(observed: &Observed) -> Option<&ServiceView> {
    observed.canary_service.as_ref().and_then(Presence::present)
}
