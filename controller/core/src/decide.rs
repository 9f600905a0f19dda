//! The decision: from what was seen to what is to be done. Everything else in this crate is a part of it.

use jiff::{SignedDuration, Timestamp};

use crate::draft::{Draft, after};
use crate::observed::{FailureKind, Observed, TemplateCheck};
use crate::plan::{Action, ApartFrom, Plan};
use crate::revisions::Revisions;
use crate::spec::{Method, Problem, Spec};
use crate::status::{ConditionType, Reason, Truth};
use crate::{
    analyses, basic, blue_green, cleanup, condition, gates, intent, metadata, reference, restart, revisions,
    routed, step, traffic, workload,
};

/// How soon to ask again when the API server had no answer about a template.
const TEMPLATE_RETRY: SignedDuration = SignedDuration::from_secs(5);
/// How soon plugins that are being asked about their configurations have answered, should nobody tell.
const PLUGINS_RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Decides what to do about one Rollout.
///
/// The same observation and time give the same plan. A plan whose actions were carried out in full, in part or not at
/// all, with or without its status, leads from the next observation to the same end. At most one step forward is
/// made in a plan.
#[must_use]
pub fn decide(observed: &Observed, now: Timestamp) -> Plan {
    let mut draft = Draft::new(observed, now);
    if let Some(failure) = &observed.failure
        && let Some(reason) = reason_of(failure.kind)
    {
        report_failure(&mut draft, reason, &failure.message);
        return draft.finish();
    }
    match (&observed.spec, &observed.overlaps_with) {
        (Ok(spec), None) => match reference::split_left_behind(&draft.status, spec) {
            None => work(&mut draft, spec),
            Some(problem) => condition::invalid_spec(&mut draft, &[problem]),
        },
        (Ok(spec), Some(other)) => refuse(&mut draft, Some(spec), &[overlap(other)]),
        (Err(invalid), _) => refuse(&mut draft, invalid.readable.as_deref(), &invalid.problems),
    }
    condition::note_leftovers(&mut draft);
    draft.finish()
}

/// A spec that can't be worked with: everything stays as it is, but an abort still brings the traffic home.
fn refuse(draft: &mut Draft<'_>, readable: Option<&Spec>, problems: &[Problem]) {
    // What an analysis has found counts, whatever is wrong with the spec.
    analyses::heed_failures(draft);
    let revisions = Revisions::find(draft.observed, false);
    let (Some(spec), Some(revisions)) = (readable.filter(|spec| can_abort(draft, spec)), revisions) else {
        condition::invalid_spec(draft, problems);
        return;
    };
    proceed(draft, spec, &revisions, problems);
}

/// Whether there is something to abort, and it is certain where its traffic is.
fn can_abort(draft: &Draft<'_>, spec: &Spec) -> bool {
    let status = &draft.status;
    let active = status.blue_green.as_ref();
    let active = active.and_then(|blue_green| blue_green.active_selector.as_ref());
    let same_method = spec.routing().is_some() == status.traffic.is_some()
        && spec.blue_green().is_some() == active.is_some();
    let all_owned = draft
        .observed
        .replica_sets
        .iter()
        .all(|replica_set| replica_set.owned);
    status.abort && !status.fully_promoted() && same_method && all_owned
}

/// The work on a Rollout whose spec makes sense.
fn work(draft: &mut Draft<'_>, spec: &Spec) {
    if adopt_orphans(draft) {
        return;
    }
    let mut problems = reference::problems(draft.observed, spec);
    problems.extend_from_slice(&draft.observed.analysis_problems);
    let is_new = revisions::is_new(draft.observed);
    if is_new {
        problems.extend_from_slice(&draft.observed.plugin_problems);
    }
    // Nothing new begins without all of its analyses; what is under way holds.
    let accepted = template_accepted(draft, &mut problems) && analyses_accepted(draft, is_new);
    let Some(revisions) = Revisions::find(draft.observed, accepted) else {
        condition::settle(draft, spec, &Revisions::none(draft.observed), &problems);
        return;
    };
    if accepted && create_or_number(draft, spec, &revisions) == Flow::Stop {
        return;
    }
    if accepted && intent::follow_spec(draft, spec, &revisions) == Flow::Stop {
        condition::settle(draft, spec, &revisions, &problems);
        return;
    }
    draft.hold = !accepted;
    proceed(draft, spec, &revisions, &problems);
}

/// Brings everything in line with what is wanted; with `problems`, as far as nothing is taken away by it.
fn proceed(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, problems: &[Problem]) {
    draft.hold |= !problems.is_empty();
    blue_green::note(draft, spec);
    intent::take_user_actions(draft, spec, revisions);
    analyses::heed(draft, spec, revisions);
    blue_green::note_retreat(draft);
    gates::note_consent(&mut draft.status, spec);
    let reached = match &spec.method {
        Method::Routed(canary) => routed::reconcile(draft, spec, canary, revisions),
        Method::Basic { .. } => basic::reconcile(draft, spec, revisions),
        Method::BlueGreen(blue_green) => blue_green::reconcile(draft, spec, blue_green, revisions),
    };
    traffic::release(draft);
    cleanup::old_revisions(draft, spec, revisions);
    step::advance(draft, spec, revisions, reached);
    analyses::keep(draft, spec, revisions);
    metadata::reconcile(draft, spec, revisions);
    restart::reconcile(draft, spec, revisions);
    condition::settle(draft, spec, revisions, problems);
    workload::follow(draft, spec, revisions);
}

/// Whether a decision goes on in this round, or waits for what it has written to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on.
    Go,
    /// Enough for this round.
    Stop,
}

/// Why a rollout can't go on after such a failure; None: it can.
fn reason_of(kind: FailureKind) -> Option<Reason> {
    match kind {
        FailureKind::CreateReplicaSet => Some(Reason::ReplicaSetCreateError),
        FailureKind::Traffic => Some(Reason::TrafficRoutingError),
        FailureKind::Other => Some(Reason::WriteFailed),
        FailureKind::Cleanup | FailureKind::Pods => None,
    }
}

fn report_failure(draft: &mut Draft<'_>, reason: Reason, message: &str) {
    let now = draft.now;
    draft
        .status
        .set_condition(ConditionType::Progressing, Truth::False, reason, message, now);
    condition::summarise_failure(draft, reason, message);
}

fn overlap(other: &str) -> Problem {
    Problem::new(
        "spec.selector",
        format!(
            "overlaps with the selector of the older Rollout \"{other}\": both would claim the same pods; give one of \
             them a label of its own in spec.selector and spec.template.metadata.labels"
        ),
    )
}

/// Takes ReplicaSets that match and have no owner. True: wait until they are seen as owned.
fn adopt_orphans(draft: &mut Draft<'_>) -> bool {
    for orphan in draft
        .observed
        .replica_sets
        .iter()
        .filter(|replica_set| !replica_set.owned)
    {
        draft.act(Action::AdoptReplicaSet {
            name: orphan.name.clone(),
            uid: orphan.uid.clone(),
            resource_version: orphan.resource_version.clone(),
        });
    }
    draft.acts()
}

/// Whether the spec's template can be worked with; what speaks against it becomes a problem or a condition.
fn template_accepted(draft: &mut Draft<'_>, problems: &mut Vec<Problem>) -> bool {
    match &draft.observed.template.check {
        TemplateCheck::Known | TemplateCheck::New { .. } | TemplateCheck::Equal { .. } => true,
        TemplateCheck::Invalid { message } => {
            problems.push(Problem::new("spec.template", message));
            false
        }
        TemplateCheck::Refused { .. } => false,
        TemplateCheck::Unknown { .. } => {
            let retry = after(draft.now, TEMPLATE_RETRY);
            draft.wake_at(retry);
            false
        }
    }
}

/// Whether nothing is known to be wrong with the analyses; what plugins say counts before something new.
fn analyses_accepted(draft: &mut Draft<'_>, is_new: bool) -> bool {
    let observed = draft.observed;
    let is_awaited = is_new && observed.awaits_plugins;
    if is_awaited {
        let retry = after(draft.now, PLUGINS_RETRY);
        draft.wake_at(retry);
    }
    let is_refused = is_new && !observed.plugin_problems.is_empty();
    observed.analysis_problems.is_empty() && !is_refused && !is_awaited
}

/// Creates the ReplicaSet of the current template, or gives an existing one its number.
fn create_or_number(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Flow {
    let observed = draft.observed;
    let Some(current) = revisions.current else {
        if observed.template.check == (TemplateCheck::New { name_taken: true }) {
            draft.status.collision_count += 1;
            return Flow::Stop;
        }
        draft.act(Action::CreateReplicaSet {
            name: crate::revision::replica_set_name(&observed.rollout.name, &revisions.current_hash),
            hash: revisions.current_hash.clone(),
            digest: observed.template.digest.clone(),
            revision: revisions.next_number(),
            min_ready_seconds: spec.min_ready_seconds,
            desired_replicas: spec.replicas,
            metadata: metadata::of_new(spec, revisions),
            apart_from: apart_from(spec, revisions),
        });
        return Flow::Go;
    };
    let newest = revisions.newest_number_but(current);
    let renumber = current.revision <= newest;
    if renumber || current.digest.as_ref() != Some(&observed.template.digest) {
        draft.act(Action::RecordRevision {
            name: current.name.clone(),
            resource_version: current.resource_version.clone(),
            revision: if renumber { newest + 1 } else { current.revision },
            digest: observed.template.digest.clone(),
        });
    } else {
        let revision = Some(current.revision).filter(|_| observed.rollout.revision != Some(current.revision));
        let workload_generation = workload::generation_to_annotate(observed);
        let replicas = observed.rollout.lacks_replicas.then_some(spec.replicas);
        if revision.is_some() || workload_generation.is_some() || replicas.is_some() {
            draft.act(Action::AnnotateRollout {
                revision,
                workload_generation,
                replicas,
            });
        }
    }
    Flow::Go
}

/// Which revision a new one is kept apart from: the stable one, which serves meanwhile.
fn apart_from(spec: &Spec, revisions: &Revisions<'_>) -> Option<ApartFrom> {
    let how = spec.pods.anti_affinity?;
    let stable = revisions
        .stable
        .filter(|stable| stable.hash != revisions.current_hash)?;
    Some(ApartFrom {
        hash: stable.hash.clone(),
        how,
    })
}
