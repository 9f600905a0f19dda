//! Steps: when one is done, and when the new revision becomes the stable one.

use crate::draft::{Draft, after};
use crate::intent::clear_pauses;
use crate::revisions::Revisions;
use crate::spec::{Spec, Step};
use crate::status::{PauseCondition, PauseReason};
use crate::{analyses, blue_green, gates};

/// What of the wanted state has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five facts, each read alone; no state machine hides in them"
)]
pub(crate) struct Reached {
    /// Both revisions have the size that the step wants.
    pub(crate) counts: bool,
    /// The weight that the step wants is in force.
    pub(crate) weight: bool,
    /// The managed rules that the step wants are in force.
    pub(crate) rules: bool,
    /// The new revision has all traffic, or all pods.
    pub(crate) full: bool,
    /// The new revision has `spec.replicas` available pods.
    pub(crate) available: bool,
}

/// Makes at most one step forward.
pub(crate) fn advance(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, reached: Reached) {
    let status = &draft.status;
    if draft.hold
        || spec.paused
        || status.is_held_by_analysis()
        || status.abort
        || status.fully_promoted()
        || revisions.stable_is_current()
    {
        return;
    }
    if let Some(blue_green) = spec.blue_green() {
        blue_green::advance(draft, spec, blue_green, revisions, reached);
        return;
    }
    let at_end = status
        .current_step_index
        .is_none_or(|index| index >= spec.step_count());
    if status.promote_full || at_end {
        if reached.available && reached.full && !gates::hold(status, spec) {
            promote(draft, spec);
        }
        return;
    }
    let Some(index) = status.current_step_index else {
        return;
    };
    let done = match spec.step(index) {
        Some(Step::SetWeight(_)) => reached.counts && reached.weight && !gates::hold(status, spec),
        Some(Step::SetCanaryScale(_)) => reached.counts,
        Some(Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_)) => reached.rules,
        Some(Step::Pause(duration)) => pause_is_over(draft, PauseReason::CanaryPauseStep, *duration),
        Some(Step::Analysis(_) | Step::Experiment(_) | Step::Gate(_)) => analyses::step_is_passed(status),
        None => false,
    };
    if done {
        clear_pauses(draft);
        draft.status.analyses.step = None;
        draft.status.analyses.gate = None;
        draft.status.current_step_index = Some(index + 1);
    }
}

/// Makes the current revision the stable one.
pub(crate) fn promote(draft: &mut Draft<'_>, spec: &Spec) {
    draft
        .status
        .stable_hash
        .clone_from(&draft.status.current_pod_hash);
    draft.status.promote_full = false;
    draft.status.current_step_index = (!spec.steps.is_empty()).then_some(spec.step_count());
    clear_pauses(draft);
}

/// Begins a pause, or tells whether it is over: its time has passed, or the user took its condition away.
pub(crate) fn pause_is_over(
    draft: &mut Draft<'_>,
    reason: PauseReason,
    duration: Option<jiff::SignedDuration>,
) -> bool {
    let Some(pause) = draft.status.pause_for(reason) else {
        if draft.status.controller_pause {
            return true;
        }
        let start_time = draft.now;
        draft
            .status
            .pause_conditions
            .push(PauseCondition { reason, start_time });
        draft.status.controller_pause = true;
        if let Some(duration) = duration {
            let end = after(start_time, duration);
            draft.wake_at(end);
        }
        return false;
    };
    let Some(duration) = duration else { return false };
    let end = after(pause.start_time, duration);
    if draft.now < end {
        draft.wake_at(end);
    }
    draft.now >= end
}
