//! How long a rollout takes: when it began and ended, how long of that it waited for people, and what became of it
//! (`status.duration`).
//!
//! A rollout that another one replaces in mid-way is told as such first; the next decision begins with the new one. One
//! that is replaced by an older version goes on counting: it ends when users are back.

use jiff::Timestamp;

use crate::draft::Draft;
use crate::revisions::Revisions;
use crate::rollback;
use crate::spec::{Promotion, Spec, Step};
use crate::status::{CompletionStatus, PauseReason, RolloutDuration, Status};

/// Brings the account in line with the status that the decision left.
pub(crate) fn keep(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let (old, new, now) = (&draft.observed.status, &draft.status, draft.now);
    let before = old.duration.clone().unwrap_or_default();
    let mut duration = before.clone();
    if duration.is_running() {
        if old.promote_full && new.fully_promoted() && duration.completion_status.is_none() {
            duration.completion_status = Some(CompletionStatus::FastPromoted);
        }
        match replaced(old, new, spec, revisions) {
            Some(CompletionStatus::Superseded) => finish(&mut duration, CompletionStatus::Superseded, now),
            Some(rollback) => duration.completion_status = Some(rollback),
            None => {}
        }
    } else if begins(old, new) {
        duration = RolloutDuration {
            rollout_started_at: Some(now),
            completion_status: within_window(new, spec, revisions),
            ..RolloutDuration::default()
        };
    }
    if duration.is_running() {
        if new.abort {
            finish(&mut duration, CompletionStatus::Aborted, now);
        } else if new.fully_promoted() && revisions.current_available() >= spec.replicas {
            let outcome = duration.completion_status;
            finish(&mut duration, outcome.unwrap_or(CompletionStatus::Promoted), now);
        } else {
            note_pause(&mut duration, waits_for_people(new, spec), now);
        }
    }
    if duration != before {
        draft.status.duration = Some(duration);
    }
}

/// Whether there is something to count that was not counted so far: a version on its way, or the first one.
fn begins(old: &Status, new: &Status) -> bool {
    let is_first = old.stable_hash.is_none() && old.duration.is_none() && new.stable_hash.is_some();
    let is_under_way = !new.abort && new.stable_hash.is_some() && !new.fully_promoted();
    is_first || is_under_way
}

/// What a rollout that another one replaces ends as; None: none does.
fn replaced(old: &Status, new: &Status, spec: &Spec, revisions: &Revisions<'_>) -> Option<CompletionStatus> {
    let other_version = old.current_pod_hash.is_some() && old.current_pod_hash != new.current_pod_hash;
    let other_steps = old.current_step_hash != new.current_step_hash && !new.fully_promoted();
    if !other_version && !other_steps {
        return None;
    }
    let is_fast_switch = new.blue_green.as_ref().is_some_and(|state| state.fast_rollback);
    if other_version && new.fully_promoted() || is_fast_switch {
        return Some(CompletionStatus::FastRolledBack);
    }
    let is_older = revisions
        .current
        .zip(revisions.stable)
        .is_some_and(|(current, stable)| current.created < stable.created);
    if other_version && is_older {
        return within_window(new, spec, revisions).or(Some(CompletionStatus::RolledBack));
    }
    Some(CompletionStatus::Superseded)
}

/// A rollout that is back within the rollback window has left out its steps by itself.
fn within_window(new: &Status, spec: &Spec, revisions: &Revisions<'_>) -> Option<CompletionStatus> {
    let skips = new.promote_full && rollback::is_within_window(spec, revisions, &new.history);
    skips.then_some(CompletionStatus::FastRolledBack)
}

fn finish(duration: &mut RolloutDuration, outcome: CompletionStatus, now: Timestamp) {
    note_pause(duration, false, now);
    duration.finished_at = Some(now);
    duration.completion_status = Some(outcome);
}

/// Whether the rollout goes on only once somebody says so.
fn waits_for_people(status: &Status, spec: &Spec) -> bool {
    let step = status.current_step_index.and_then(|index| spec.step(index));
    let is_endless = matches!(step, Some(Step::Pause(None)));
    let by_hand = spec
        .blue_green()
        .is_some_and(|blue_green| blue_green.promotion == Promotion::ByHand);
    spec.paused
        || status.is_held_by_analysis()
        || is_endless && status.pause_for(PauseReason::CanaryPauseStep).is_some()
        || by_hand && status.pause_for(PauseReason::BlueGreenPause).is_some()
}

fn note_pause(duration: &mut RolloutDuration, waits: bool, now: Timestamp) {
    match duration.manual_pause_started_at {
        None if waits => duration.manual_pause_started_at = Some(now),
        Some(since) if !waits => {
            let waited = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
            duration.total_manual_pause_duration_seconds += waited;
            duration.manual_pause_started_at = None;
        }
        None | Some(_) => {}
    }
}
