//! Progress: when a rollout last came further, and when it has stood still for too long.

use jiff::SignedDuration;

use crate::condition::{is_done, is_paused};
use crate::draft::{Draft, after};
use crate::gates;
use crate::observed::ReplicaSetView;
use crate::restart;
use crate::revisions::Revisions;
use crate::spec::{Problem, Spec, Weight};
use crate::status::{ConditionType, Furthest, Phase, Status, Truth};

/// How long the way back waits for the next pod of the stable version: longer than a pod takes that can be scheduled and whose
/// image is known.
const STABLE_PODS_COME_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// Moves the start of the progress deadline when anything has come further than before.
pub(crate) fn note(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, problems: &[Problem]) {
    let (old, new) = (&draft.observed.status, &draft.status);
    let was = |kind| {
        old.condition(kind)
            .is_some_and(|condition| condition.status == Truth::True)
    };
    let opened = gates::hold(old, spec) && !gates::hold(new, spec);
    let goes_on = opened
        || was(ConditionType::Paused) && !is_paused(new, spec)
        || was(ConditionType::InvalidSpec) && problems.is_empty();
    // Rest that ends by itself (pods are lost) is not overdue from the last rollout on.
    let begins = goes_on
        || old.phase == Phase::Healthy && !is_done(new, spec, revisions)
        || old.current_pod_hash != new.current_pod_hash
        || old.stable_hash != new.stable_hash
        || old.current_step_index != new.current_step_index
        || old.pause_conditions != new.pause_conditions
        || checkpoint(old) != checkpoint(new)
        || old.restarted_at != new.restarted_at
        || new.last_progress_time.is_none();
    let before = if begins { Furthest::default() } else { old.furthest };
    let all = revisions.all();
    let pods = |number: fn(&ReplicaSetView) -> u32| all.iter().map(number).sum();
    let furthest = Furthest {
        ready_replicas: before.ready_replicas.max(pods(|one| one.ready)),
        available_replicas: before.available_replicas.max(pods(|one| one.available)),
        weight: before.weight.max(weight_in_force(new)),
    };
    let old_pods = |status: &Status| status.replicas.saturating_sub(status.updated_replicas);
    let resized = old.updated_replicas != new.updated_replicas || old_pods(new) < old_pods(old);
    if begins || resized || furthest != before {
        draft.status.last_progress_time = Some(draft.now);
    }
    draft.status.furthest = furthest;
}

/// Users who are switched back and forth are no progress after the first time.
fn weight_in_force(status: &Status) -> Weight {
    let traffic = status.traffic.as_ref();
    let in_force = traffic.and_then(|traffic| traffic.in_force);
    let share = in_force.or_else(|| status.switched_share()).unwrap_or_default();
    share.in_percent()
}

fn checkpoint(status: &Status) -> bool {
    status
        .blue_green
        .as_ref()
        .is_some_and(|blue_green| blue_green.checkpoint)
}

/// The progress deadline, when it has passed. Not measured while an old revision only waits for its delay.
pub(crate) fn exceeded_deadline(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
) -> Option<SignedDuration> {
    let mut others = revisions.others.iter();
    let waits = others.any(|other| other.scale_down_deadline.is_some());
    // Blue-green keeps old pods for as long as users like, and a new version is not to be late for that.
    if waits && spec.blue_green().is_none() {
        return None;
    }
    // An analysis has limits of its own, and a gate may hold for as long as it likes.
    let analyses = &draft.status.analyses;
    let of_switch = analyses.pre_promotion.iter().chain(&analyses.post_promotion);
    let is_judged = of_switch
        .into_iter()
        .any(|reference| !reference.phase.completed());
    if analyses.step.is_some() || is_judged || gates::hold(&draft.status, spec) {
        return None;
    }
    // A restart waits for disruption budgets for as long as they like: what counts is how long the last pod takes.
    let moved = draft
        .status
        .last_progress_time
        .max(restart::moved_at(draft, spec));
    let end = after(moved?, spec.progress_deadline);
    if draft.now < end {
        draft.wake_at(end);
        return None;
    }
    Some(spec.progress_deadline)
}

/// Whether the way back has waited for pods of the stable version for as long as they kept coming; as long as it has not, the
/// end of the wait is asked for.
pub(crate) fn no_stable_pods_come(draft: &mut Draft<'_>) -> bool {
    let Some(latest) = draft.status.last_progress_time.max(draft.status.aborted_at) else {
        return true;
    };
    let end = after(latest, STABLE_PODS_COME_WITHIN);
    if draft.now < end {
        draft.wake_at(end);
    }
    draft.now >= end
}
