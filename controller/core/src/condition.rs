//! Conditions, counts and phase: what a status says of the state that the decision left.

use crate::draft::Draft;
use crate::observed::{FailureKind, Pods, TemplateCheck};
use crate::revision::HASH_LABEL;
use crate::revisions::Revisions;
use crate::spec::{Method, Problem, Spec, Weight};
use crate::status::{ConditionType, Phase, Reason, Status, Truth};
use crate::{analyses, blue_green, duration, intent, progress, restart, revisions};

/// The status of a Rollout whose spec can't be worked with: nothing else is touched.
pub(crate) fn invalid_spec(draft: &mut Draft<'_>, problems: &[Problem]) {
    draft.status.observed_generation = Some(draft.observed.rollout.generation);
    set_problems(draft, problems);
    let message = draft
        .status
        .condition(ConditionType::InvalidSpec)
        .map(|condition| condition.message.clone());
    set_phase(
        draft,
        Phase::Degraded,
        format!("InvalidSpec: {}", message.unwrap_or_default()),
    );
    summarise(draft);
}

/// Tells of what could not be tidied up. It holds nobody up, and is tried again.
pub(crate) fn note_leftovers(draft: &mut Draft<'_>) {
    let failed = |kind| match &draft.observed.failure {
        Some(failure) if failure.kind == kind => Some(failure.message.clone()),
        _ => None,
    };
    let unlisted = match &draft.observed.pods {
        Pods::Unknown { message } => Some(format!("pods can't be listed: {message}")),
        Pods::NotListed | Pods::Listed(_) => None,
    };
    let leftovers = [
        (ConditionType::CleanupFailed, failed(FailureKind::Cleanup)),
        (ConditionType::PodsFailed, failed(FailureKind::Pods).or(unlisted)),
    ];
    let now = draft.now;
    for (kind, message) in leftovers {
        match message {
            Some(message) => {
                draft
                    .status
                    .set_condition(kind, Truth::True, Reason::WriteFailed, message, now);
            }
            None => draft.status.remove_condition(kind),
        }
    }
}

/// After a write failed: Stalled, with the API server's words.
pub(crate) fn summarise_failure(draft: &mut Draft<'_>, reason: Reason, message: &str) {
    set_phase(draft, Phase::Degraded, format!("{reason:?}: {message}"));
    summarise(draft);
}

/// Counts pods, sets all conditions and the phase.
pub(crate) fn settle(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, problems: &[Problem]) {
    if unchecked(draft).is_none() {
        draft.status.observed_generation = Some(draft.observed.rollout.generation);
    }
    if spec.routing().is_none() {
        draft.status.traffic = None;
        draft.status.remove_condition(ConditionType::RouteNotAccepted);
        draft.status.remove_condition(ConditionType::RouteContested);
    }
    count(draft, spec, revisions);
    progress::note(draft, spec, revisions, problems);
    set_problems(draft, problems);
    set_availability(draft, spec);
    set_replica_failure(draft, revisions);
    set_paused(draft, spec);
    set_progressing(draft, spec, revisions);
    set_completed(draft, spec, revisions);
    duration::keep(draft, spec, revisions);
    let (phase, message) = phase(draft, spec, revisions);
    set_phase(draft, phase, message);
    summarise(draft);
}

/// What could not be checked yet, and why: until it is, this generation is not dealt with.
fn unchecked(draft: &Draft<'_>) -> Option<String> {
    match &draft.observed.template.check {
        TemplateCheck::Unknown { message } => {
            Some(format!("the pod template could not be checked yet: {message}"))
        }
        _ if draft.observed.awaits_plugins && revisions::is_new(draft.observed) => {
            Some("the configurations of plugins are not checked yet: the plugins are being asked".to_owned())
        }
        _ => None,
    }
}

fn count(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let all = revisions.all();
    let status = &mut draft.status;
    status.replicas = all.iter().map(|replica_set| replica_set.replicas).sum();
    status.updated_replicas = revisions.current.map_or(0, |current| current.replicas);
    let active = status.blue_green.as_ref();
    let active = active.and_then(|blue_green| blue_green.active_selector.as_deref());
    let serving = || {
        all.iter()
            .filter(|replica_set| active.is_none_or(|hash| hash == replica_set.hash))
    };
    let ready = serving().map(|replica_set| replica_set.ready).sum();
    let available = serving().map(|replica_set| replica_set.available).sum();
    let counted = serving().map(|replica_set| replica_set.replicas).sum();
    let selector = match active {
        Some(hash) => format!("{},{HASH_LABEL}={hash}", spec.selector),
        None => spec.selector.clone(),
    };
    status.ready_replicas = ready;
    status.available_replicas = available;
    status.hpa_replicas = counted;
    status.selector = selector;
}

fn set_problems(draft: &mut Draft<'_>, problems: &[Problem]) {
    if problems.is_empty() {
        draft.status.remove_condition(ConditionType::InvalidSpec);
        return;
    }
    let name = &draft.observed.rollout.name;
    let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let message = format!("The Rollout \"{name}\" is invalid: {}", list.join("; "));
    let now = draft.now;
    draft.status.set_condition(
        ConditionType::InvalidSpec,
        Truth::True,
        Reason::InvalidSpec,
        message,
        now,
    );
}

fn set_availability(draft: &mut Draft<'_>, spec: &Spec) {
    let available = draft.status.available_replicas >= spec.replicas;
    let message = if available {
        "Rollout has minimum availability"
    } else {
        "Rollout does not have minimum availability"
    };
    let now = draft.now;
    draft.status.set_condition(
        ConditionType::Available,
        available.into(),
        Reason::AvailableReason,
        message,
        now,
    );
}

fn set_replica_failure(draft: &mut Draft<'_>, revisions: &Revisions<'_>) {
    let failing = revisions
        .current
        .into_iter()
        .chain(revisions.all())
        .find_map(|replica_set| {
            replica_set
                .failure
                .as_ref()
                .map(|message| (&replica_set.name, message))
        });
    let now = draft.now;
    match failing {
        Some((name, message)) => {
            let message = format!("ReplicaSet \"{name}\": {message}");
            draft.status.set_condition(
                ConditionType::ReplicaFailure,
                Truth::True,
                Reason::FailedCreate,
                message,
                now,
            );
        }
        None => draft.status.remove_condition(ConditionType::ReplicaFailure),
    }
}

fn set_paused(draft: &mut Draft<'_>, spec: &Spec) {
    let paused = is_paused(&draft.status, spec);
    let message = if paused {
        "Rollout is paused"
    } else {
        "Rollout is not paused"
    };
    let now = draft.now;
    draft.status.set_condition(
        ConditionType::Paused,
        paused.into(),
        Reason::RolloutPaused,
        message,
        now,
    );
}

pub(crate) fn is_paused(status: &Status, spec: &Spec) -> bool {
    spec.paused || !status.pause_conditions.is_empty() || blue_green::awaits_pods(status, spec)
}

fn set_progressing(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let now = draft.now;
    let (truth, reason, message) =
        standstill(draft, spec, revisions).unwrap_or_else(|| progress_of(draft, spec, revisions));
    draft
        .status
        .set_condition(ConditionType::Progressing, truth, reason, message, now);
}

/// Why the rollout does not move, if it is refused or given up.
fn standstill(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
) -> Option<(Truth, Reason, String)> {
    if let TemplateCheck::Refused { message } = &draft.observed.template.check {
        return Some((Truth::False, Reason::ReplicaSetCreateError, message.clone()));
    }
    if draft.status.abort {
        let message = aborted(draft, revisions);
        return Some((Truth::False, Reason::RolloutAborted, message));
    }
    if is_done(&draft.status, spec, revisions) || is_paused(&draft.status, spec) {
        return None;
    }
    let seconds = progress::exceeded_deadline(draft, spec, revisions)?.as_secs();
    let name = name_of_current(draft, revisions);
    let message = format!(
        "ReplicaSet \"{name}\" has timed out progressing: nothing has moved for {seconds} s \
         (spec.progressDeadlineSeconds)"
    );
    // What is wrong around the Rollout is no fault of the new version.
    if spec.progress_deadline_abort && !draft.status.fully_promoted() && !draft.hold {
        draft.withdraw();
        intent::abort(draft);
    }
    Some((Truth::False, Reason::ProgressDeadlineExceeded, message))
}

fn name_of_current(draft: &Draft<'_>, revisions: &Revisions<'_>) -> String {
    revisions.current.map_or_else(
        || crate::revision::replica_set_name(&draft.observed.rollout.name, &revisions.current_hash),
        |current| current.name.clone(),
    )
}

fn progress_of(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> (Truth, Reason, String) {
    let name = name_of_current(draft, revisions);
    if is_done(&draft.status, spec, revisions) {
        (
            Truth::True,
            Reason::NewReplicaSetAvailable,
            format!("ReplicaSet \"{name}\" has successfully progressed."),
        )
    } else if is_paused(&draft.status, spec) {
        (
            Truth::Unknown,
            Reason::RolloutPaused,
            "Rollout is paused".to_owned(),
        )
    } else if revisions.current.is_none() {
        (
            Truth::True,
            Reason::NewReplicaSetCreated,
            format!("Created new replica set \"{name}\""),
        )
    } else {
        (
            Truth::True,
            Reason::ReplicaSetUpdated,
            format!("ReplicaSet \"{name}\" is progressing."),
        )
    }
}

/// That it was aborted, and why: by an analysis, or by the deadline, which only the condition itself tells of.
fn aborted(draft: &Draft<'_>, revisions: &Revisions<'_>) -> String {
    let revision = revisions.current.map_or(0, |current| current.revision);
    let message = format!("Rollout aborted update to revision {revision}");
    if let Some(cause) = analyses::verdict_against(&draft.status) {
        return format!("{message}: {cause}");
    }
    let before = &draft.observed.status;
    let told = before
        .condition(ConditionType::Progressing)
        .filter(|_| before.aborted_at.is_some() && before.aborted_at == draft.status.aborted_at);
    match told.map(|told| (told.reason, &told.message)) {
        Some((Reason::ProgressDeadlineExceeded, cause)) => format!("{message}: {cause}"),
        Some((Reason::RolloutAborted, told)) => told.clone(),
        _ => message,
    }
}

/// The stable revision is the one asked for, with all its pods, and traffic is where it belongs.
pub(crate) fn is_done(status: &Status, spec: &Spec, revisions: &Revisions<'_>) -> bool {
    // An edit that the gateway has not looked at yet, or weights that are being corrected, are no new rollout.
    let untroubled = status.condition(ConditionType::RouteNotAccepted).is_none();
    let settled = status.traffic.as_ref().is_none_or(|traffic| {
        let was_in_force = untroubled && traffic.in_force == Some(Weight::ZERO);
        traffic.requested == Weight::ZERO && (traffic.verified || was_in_force)
    });
    status.fully_promoted()
        && settled
        && blue_green::is_settled(status, spec)
        && !has_old_pods(status, spec)
        && revisions.current.is_some_and(|current| {
            current.spec_replicas == spec.replicas
                && current.replicas == spec.replicas
                && current.lasting_available() == spec.replicas
        })
}

/// Whether the numbers of pods are the split, and old ones are left.
fn has_old_pods(status: &Status, spec: &Spec) -> bool {
    matches!(spec.method, Method::Basic { .. }) && status.replicas > status.updated_replicas
}

fn set_completed(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let now = draft.now;
    let completed = draft.status.fully_promoted();
    let healthy = is_done(&draft.status, spec, revisions) && !draft.hold;
    let status = &mut draft.status;
    // Reason and message are the same word whether it is or not, as in Argo Rollouts: tools look at the status.
    status.set_condition(
        ConditionType::Completed,
        completed.into(),
        Reason::RolloutCompleted,
        "RolloutCompleted",
        now,
    );
    let message = if healthy {
        "Rollout is healthy"
    } else {
        "Rollout is not healthy"
    };
    status.set_condition(
        ConditionType::Healthy,
        healthy.into(),
        Reason::RolloutHealthy,
        message,
        now,
    );
}

fn phase(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> (Phase, String) {
    let status = &draft.status;
    if let Some(invalid) = status.condition(ConditionType::InvalidSpec) {
        return (Phase::Degraded, format!("InvalidSpec: {}", invalid.message));
    }
    let progressing = status
        .condition(ConditionType::Progressing)
        .filter(|condition| condition.status == Truth::False);
    if let Some(failed) = progressing {
        return (
            Phase::Degraded,
            format!("{:?}: {}", failed.reason, failed.message),
        );
    }
    if spec.paused {
        return (Phase::Paused, "manually paused".to_owned());
    }
    if let Some(pause) = status.pause_conditions.first() {
        return (Phase::Paused, format!("{:?}", pause.reason));
    }
    if blue_green::awaits_pods(status, spec) {
        return (
            Phase::Paused,
            "no pods are wanted (spec.replicas is 0): the switch waits until there are some".to_owned(),
        );
    }
    if restart::is_pending(spec, status) {
        return (Phase::Progressing, "rollout is restarting".to_owned());
    }
    if let Some(message) = unchecked(draft) {
        return (Phase::Progressing, message);
    }
    if is_done(status, spec, revisions) {
        return (Phase::Healthy, String::new());
    }
    (
        Phase::Progressing,
        analyses::waited_for(status, spec)
            .unwrap_or_else(|| what_is_missing(status, spec, revisions).to_owned()),
    )
}

fn what_is_missing(status: &Status, spec: &Spec, revisions: &Revisions<'_>) -> &'static str {
    if status.updated_replicas < spec.replicas {
        "more replicas need to be updated"
    } else if revisions.current_available() < status.updated_replicas {
        "updated replicas are still becoming available"
    } else if has_old_pods(status, spec) {
        "old replicas are pending termination"
    } else if spec.blue_green().is_some() && !status.is_switched() {
        "active service cutover pending"
    } else if spec.blue_green().is_some() && !status.fully_promoted() {
        "waiting for post-promotion verification to complete"
    } else if status.fully_promoted() {
        "waiting for traffic to settle on the stable Service"
    } else {
        "waiting for all steps to complete"
    }
}

fn set_phase(draft: &mut Draft<'_>, phase: Phase, message: String) {
    draft.status.phase = phase;
    draft.status.message = message;
}

/// The three conditions of kstatus, from the phase.
fn summarise(draft: &mut Draft<'_>) {
    let now = draft.now;
    let message = draft.status.message.clone();
    let phase = draft.status.phase;
    let stalled = phase == Phase::Degraded;
    let reason = match phase {
        Phase::Degraded => Reason::Degraded,
        Phase::Healthy => Reason::RolloutHealthy,
        Phase::Paused => Reason::RolloutPaused,
        Phase::Progressing => Reason::Progressing,
    };
    let status = &mut draft.status;
    status.set_condition(
        ConditionType::Ready,
        (phase == Phase::Healthy).into(),
        reason,
        message.clone(),
        now,
    );
    let reconciling = matches!(phase, Phase::Progressing | Phase::Paused);
    status.set_condition(
        ConditionType::Reconciling,
        reconciling.into(),
        reason,
        message.clone(),
        now,
    );
    status.set_condition(ConditionType::Stalled, stalled.into(), reason, message, now);
}
