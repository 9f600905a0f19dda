//! What is wanted: changes of the spec, what users ask for on the status, and which revision is the stable one.

use crate::decide::Flow;
use crate::draft::Draft;
use crate::observed::{Observed, Presence, ReplicaSetView};
use crate::revisions::Revisions;
use crate::spec::{Spec, Weight};
use crate::{analyses, blue_green, rollback};

/// Brings the status in line with a spec that makes sense. `Stop`: the status must be written before anything else is
/// done.
pub(crate) fn follow_spec(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Flow {
    match choose_stable(draft, spec, revisions) {
        Flow::Stop => Flow::Stop,
        Flow::Go => take_spec_change(draft, spec, revisions),
    }
}

/// Chooses the stable revision where none is known: in a first deploy, after the status or its ReplicaSet was lost.
fn choose_stable(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Flow {
    if revisions.stable.is_some() || (draft.status.fully_promoted() && revisions.current.is_none()) {
        return Flow::Go;
    }
    let stable = find_stable(draft.observed, revisions);
    if draft.status.stable_hash.as_deref() == Some(stable.as_str()) {
        return Flow::Go;
    }
    draft.status.stable_hash = Some(stable);
    draft.status.current_pod_hash = Some(revisions.current_hash.clone());
    begin(draft, spec);
    Flow::Stop
}

/// The revision to trust: the one that the stable (or active) Service selects (its pods may all be down: it was promoted, and the
/// new one was not), else the newest fully available one that is not
/// current, else any available one; the current revision only where nothing else has available pods.
fn find_stable(observed: &Observed, revisions: &Revisions<'_>) -> String {
    let is_available = |replica_set: &&ReplicaSetView| replica_set.lasting_available() > 0;
    let selected = observed
        .stable_service
        .as_ref()
        .and_then(Presence::present)
        .and_then(|service| service.selects.as_deref())
        .and_then(|hash| {
            revisions
                .all()
                .iter()
                .find(|replica_set| replica_set.hash == hash)
        })
        .filter(|replica_set| replica_set.spec_replicas > 0);
    let others = || {
        revisions
            .all()
            .iter()
            .filter(|replica_set| replica_set.hash != revisions.current_hash)
    };
    let newest = |replica_set: &&ReplicaSetView| (replica_set.revision, replica_set.created);
    selected
        .or_else(|| {
            others()
                .filter(|replica_set| replica_set.saturated())
                .max_by_key(newest)
        })
        .or_else(|| others().filter(is_available).max_by_key(newest))
        .map_or_else(|| revisions.current_hash.clone(), |stable| stable.hash.clone())
}

/// Begins again at the first step when the template or the steps have changed.
fn take_spec_change(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Flow {
    let status = &draft.status;
    let template_changed = status.current_pod_hash.as_deref() != Some(revisions.current_hash.as_str());
    // What has no steps has no hash of them, either.
    let steps_changed = status.current_step_hash.as_deref().unwrap_or_default() != spec.steps_hash;
    if !template_changed && !steps_changed {
        return Flow::Go;
    }
    if template_changed {
        expect_no_weight(draft);
    }
    draft.status.current_pod_hash = Some(revisions.current_hash.clone());
    begin(draft, spec);
    skip_within_window(draft, spec, revisions);
    Flow::Stop
}

/// A version within the rollback window is promoted as if somebody had asked for that: no step, pause, analysis or gate
/// is between it and the users, only its pods are.
fn skip_within_window(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    if !draft.status.fully_promoted() && rollback::is_within_window(spec, revisions, &draft.status.history) {
        draft.status.promote_full = true;
        draft.status.current_step_index = first_step(spec, spec.step_count());
    }
}

/// A new revision begins without traffic. That is noted with the revision itself: a pause would hold the weight of the one
/// before, should the controller die before it notes that that one has lost it.
fn expect_no_weight(draft: &mut Draft<'_>) {
    let now = draft.now;
    if let Some(traffic) = draft
        .status
        .traffic
        .as_mut()
        .filter(|traffic| traffic.requested > Weight::ZERO)
    {
        traffic.requested = Weight::ZERO;
        traffic.requested_at = now;
        traffic.verified = false;
    }
}

/// The state at the beginning of a rollout; at its end at once, where the stable revision is the one asked for.
fn begin(draft: &mut Draft<'_>, spec: &Spec) {
    let now = draft.now;
    let status = &mut draft.status;
    status.abort = false;
    status.aborted_at = None;
    status.promote_full = false;
    status.current_step_hash = Some(spec.steps_hash.clone()).filter(|hash| !hash.is_empty());
    status.last_progress_time = Some(now);
    // As in Argo Rollouts: a restart that was asked for before is not carried on with a new version.
    status.restarted_at = spec
        .pods
        .restart
        .map_or(status.restarted_at, |restart| Some(restart.at));
    clear_pauses(draft);
    analyses::begin_anew(draft);
    blue_green::begin(draft);
    draft.status.current_step_index = first_step(
        spec,
        if draft.status.fully_promoted() {
            spec.step_count()
        } else {
            0
        },
    );
}

fn first_step(spec: &Spec, index: u32) -> Option<u32> {
    (!spec.steps.is_empty()).then_some(index)
}

/// Forgets pauses that the controller made.
pub(crate) fn clear_pauses(draft: &mut Draft<'_>) {
    draft.status.pause_conditions.clear();
    draft.status.controller_pause = false;
}

/// Takes up what users wrote on the status: abort, retry, full promotion, another step.
pub(crate) fn take_user_actions(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let now = draft.now;
    if draft.status.fully_promoted() {
        // Nothing is under way: there is nothing to abort, to retry or to promote.
        draft.status.abort = false;
        draft.status.aborted_at = None;
        draft.status.promote_full = false;
        draft.status.current_step_index = first_step(spec, spec.step_count());
        clear_pauses(draft);
        return;
    }
    let status = &mut draft.status;
    match (status.abort, status.aborted_at) {
        (true, None) => {
            status.aborted_at = Some(now);
            status.promote_full = false;
            restart_steps(draft, spec);
        }
        // An abort ends a full promotion, so this one was asked for afterwards.
        (true, Some(_)) if status.promote_full => {
            status.abort = false;
            status.aborted_at = None;
            status.last_progress_time = Some(now);
        }
        (false, Some(_)) => {
            status.aborted_at = None;
            status.last_progress_time = Some(now);
            restart_steps(draft, spec);
            skip_within_window(draft, spec, revisions);
        }
        (true, Some(_)) | (false, None) => {}
    }
    if draft.status.promote_full {
        clear_pauses(draft);
    }
    draft.status.current_step_index = first_step(
        spec,
        draft
            .status
            .current_step_index
            .unwrap_or(0)
            .min(spec.step_count()),
    );
}

/// Traffic goes back to the stable version, as if the user had asked for it.
pub(crate) fn abort(draft: &mut Draft<'_>) {
    draft.status.abort = true;
    draft.status.aborted_at = Some(draft.now);
    draft.status.promote_full = false;
    clear_pauses(draft);
    draft.status.current_step_index = draft.status.current_step_index.map(|_| 0);
    blue_green::begin_anew(&mut draft.status);
}

fn restart_steps(draft: &mut Draft<'_>, spec: &Spec) {
    clear_pauses(draft);
    analyses::begin_anew(draft);
    blue_green::begin_anew(&mut draft.status);
    draft.status.current_step_index = first_step(spec, 0);
}
