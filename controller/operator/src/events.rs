//! Kubernetes Events: what a reconcile did and what came of it, in the words that users of Argo Rollouts know.
//!
//! Pure: from a fact or an action to the text. [`publish`] sends them.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::{Fact, FactKind};
use kulta_core::observed::{AnalysisRunView, ApplyFailure, FailureKind, Judge, Observed};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::Weight;
use kulta_core::status::{Analyses, ConditionType, Phase, Reason as ConditionReason, Truth};

pub mod publish;

/// One event, before it is an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Why it is told.
    pub reason: Reason,
    /// What is told.
    pub note: String,
}

/// The reasons of events; those that Argo Rollouts has are spelt as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is a word that explains itself, and the note says the rest"
)]
pub enum Reason {
    AnalysisRunError,
    AnalysisRunFailed,
    AnalysisRunInconclusive,
    AnalysisRunRunning,
    AnalysisRunSuccessful,
    ExperimentError,
    ExperimentFailed,
    ExperimentInconclusive,
    ExperimentPending,
    ExperimentRunning,
    ExperimentSuccessful,
    InvalidSpec,
    NewReplicaSetCreated,
    PluginRevisionChanged,
    ProgressDeadlineExceeded,
    ReplicaSetCreateError,
    RolloutAborted,
    RolloutCompleted,
    RolloutDegraded,
    RolloutNotCompleted,
    RolloutPaused,
    RolloutResumed,
    RolloutRetry,
    RolloutStepCompleted,
    RolloutUpdated,
    ScalingReplicaSet,
    ScalingDeployment,
    SkipSteps,
    SwitchService,
    TrafficRoutingError,
    TrafficWeightUpdated,
    UnknownFields,
}

impl Reason {
    /// The reason as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnalysisRunError => "AnalysisRunError",
            Self::AnalysisRunFailed => "AnalysisRunFailed",
            Self::AnalysisRunInconclusive => "AnalysisRunInconclusive",
            Self::AnalysisRunRunning => "AnalysisRunRunning",
            Self::AnalysisRunSuccessful => "AnalysisRunSuccessful",
            Self::ExperimentError => "ExperimentError",
            Self::ExperimentFailed => "ExperimentFailed",
            Self::ExperimentInconclusive => "ExperimentInconclusive",
            Self::ExperimentPending => "ExperimentPending",
            Self::ExperimentRunning => "ExperimentRunning",
            Self::ExperimentSuccessful => "ExperimentSuccessful",
            Self::InvalidSpec => "InvalidSpec",
            Self::NewReplicaSetCreated => "NewReplicaSetCreated",
            Self::PluginRevisionChanged => "PluginRevisionChanged",
            Self::ProgressDeadlineExceeded => "ProgressDeadlineExceeded",
            Self::ReplicaSetCreateError => "ReplicaSetCreateError",
            Self::RolloutAborted => "RolloutAborted",
            Self::RolloutCompleted => "RolloutCompleted",
            Self::RolloutDegraded => "RolloutDegraded",
            Self::RolloutNotCompleted => "RolloutNotCompleted",
            Self::RolloutPaused => "RolloutPaused",
            Self::RolloutResumed => "RolloutResumed",
            Self::RolloutRetry => "RolloutRetry",
            Self::RolloutStepCompleted => "RolloutStepCompleted",
            Self::RolloutUpdated => "RolloutUpdated",
            Self::ScalingReplicaSet => "ScalingReplicaSet",
            Self::ScalingDeployment => "ScalingDeployment",
            Self::SkipSteps => "SkipSteps",
            Self::SwitchService => "SwitchService",
            Self::TrafficRoutingError => "TrafficRoutingError",
            Self::TrafficWeightUpdated => "TrafficWeightUpdated",
            Self::UnknownFields => "UnknownFields",
        }
    }

    /// The type of such an event.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        if self.is_warning() { "Warning" } else { "Normal" }
    }

    /// Whether somebody may have to do something about it.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::AnalysisRunError
                | Self::AnalysisRunFailed
                | Self::AnalysisRunInconclusive
                | Self::ExperimentError
                | Self::ExperimentFailed
                | Self::ExperimentInconclusive
                | Self::InvalidSpec
                | Self::ProgressDeadlineExceeded
                | Self::ReplicaSetCreateError
                | Self::RolloutAborted
                | Self::RolloutDegraded
                | Self::TrafficRoutingError
                | Self::UnknownFields
        )
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Notice {
        Notice {
            reason: self,
            note: note.into(),
        }
    }
}

/// What to tell of an action that was carried out; None for those that only keep the books.
#[must_use]
pub fn of_action(action: &Action) -> Option<Notice> {
    match action {
        Action::CreateReplicaSet { name, revision, .. } => Some(
            Reason::NewReplicaSetCreated.note(format!("Created ReplicaSet {name} (revision {revision})")),
        ),
        Action::AnnotateRollout { revision, .. } => revision
            .map(|revision| Reason::RolloutUpdated.note(format!("Rollout updated to revision {revision}"))),
        Action::ScaleDeployment { name, from, to, .. } => {
            let way = if to > from { "up" } else { "down" };
            Some(
                Reason::ScalingDeployment.note(format!("Scaled {way} Deployment {name} from {from} to {to}")),
            )
        }
        Action::ScaleReplicaSet {
            name,
            revision,
            from,
            to,
            ..
        } => {
            let way = match to.cmp(from) {
                std::cmp::Ordering::Greater => "up",
                std::cmp::Ordering::Less => "down",
                // Only the annotation changes.
                std::cmp::Ordering::Equal => return None,
            };
            let note = format!("Scaled {way} ReplicaSet {name} (revision {revision}) from {from} to {to}");
            Some(Reason::ScalingReplicaSet.note(note))
        }
        Action::PointService { name, from, to, .. } => {
            let from = from.as_deref().unwrap_or_default();
            let note = format!("Switched selector for service '{name}' from '{from}' to '{to}'");
            Some(Reason::SwitchService.note(note))
        }
        // A changed split is told by its fact: once, whatever the number of routes.
        Action::SetRouteWeights { .. }
        | Action::AdoptReplicaSet { .. }
        | Action::RecordRevision { .. }
        | Action::SetScaleDownDeadline { .. }
        | Action::DeleteReplicaSet { .. }
        | Action::CreateAnalysisRun { .. }
        | Action::CreateExperiment { .. }
        | Action::TerminateAnalysisRun { .. }
        | Action::MarkExperiment { .. }
        | Action::DeleteAnalysisRun { .. }
        | Action::InjectMetadata { .. }
        | Action::SpreadMetadata { .. }
        | Action::EvictPod { .. } => None,
    }
}

/// What to tell of a fact; None where another fact or action tells it, or where it is for machines only.
#[must_use]
pub fn of_fact(fact: &Fact, observed: &Observed, plan: &Plan) -> Option<Notice> {
    let revision = || revision_of(fact, observed, plan);
    match fact.kind {
        FactKind::Started => {
            let note = format!("Rollout not completed, started update to revision {}", revision());
            Some(Reason::RolloutNotCompleted.note(note))
        }
        FactKind::RolledBack => Some(Reason::SkipSteps.note("Rollback to stable ReplicaSets")),
        FactKind::StepsSkipped => Some(Reason::SkipSteps.note(fact.message.clone())),
        FactKind::StepCompleted => step_completed(fact, observed),
        FactKind::WeightRequested => {
            // As in the routes: facts are in percent.
            let asked_for = plan.status.traffic.as_ref().map(|traffic| traffic.requested);
            let weight = asked_for.or(fact.weight)?;
            let before = observed.status.traffic.as_ref();
            let before = before.map_or(Weight::ZERO, |traffic| traffic.requested);
            let before = before.on(weight.whole());
            let note = format!("Traffic weight updated from {before} to {weight}");
            (before != weight).then(|| Reason::TrafficWeightUpdated.note(note))
        }
        FactKind::AnalysisStarted => Some(begun(fact, plan)),
        FactKind::AnalysisCompleted => analysed(fact, observed, plan),
        FactKind::Paused => Some(Reason::RolloutPaused.note(match fact.message.as_str() {
            "" => "Rollout is paused".to_owned(),
            reason => format!("Rollout is paused ({reason})"),
        })),
        FactKind::Resumed => Some(Reason::RolloutResumed.note("Rollout is resumed")),
        FactKind::Aborted => {
            // Without the hash, as in Argo Rollouts and in the condition.
            let number = number_of(fact, observed, plan);
            let number = number.map_or_else(revision, |number| number.to_string());
            let note = format!("Rollout aborted update to revision {number}");
            Some(Reason::RolloutAborted.note(with_message(note, &fact.message)))
        }
        FactKind::Retried => Some(Reason::RolloutRetry.note("Retrying Rollout after abort")),
        FactKind::Promoted => {
            let reason = promotion_reason(fact, observed);
            let note = format!("Rollout completed update to revision {}: {reason}", revision());
            Some(Reason::RolloutCompleted.note(note))
        }
        FactKind::PhaseChanged => degraded(fact, observed, plan),
        // The Service that is switched is told by its action.
        FactKind::Switched
        | FactKind::StepsChanged
        | FactKind::WeightInForce
        | FactKind::Superseded
        | FactKind::Published
        | FactKind::Finished
        | FactKind::Restored
        | FactKind::Unknown => None,
    }
}

/// An analysis or an experiment has begun.
fn begun(fact: &Fact, plan: &Plan) -> Notice {
    let name = &fact.message;
    match role_of(name, &[&plan.status.analyses]) {
        Some((Judge::Experiment, _)) => {
            Reason::ExperimentRunning.note(format!("Experiment '{name}' is running"))
        }
        role => {
            let role = role.map_or("", |(_, role)| role);
            let note = format!("{role}Analysis Run '{name}' Status New: 'Running' Previous: ''");
            Reason::AnalysisRunRunning.note(note)
        }
    }
}

/// What the analysis of this name is to the rollout, in the words of Argo Rollouts.
fn role_of(name: &str, known: &[&Analyses]) -> Option<(Judge, &'static str)> {
    let mut roles = known.iter().flat_map(|analyses| {
        [
            (&analyses.background, "Background "),
            (&analyses.step, "Step "),
            (&analyses.gate, "Gate "),
            (&analyses.pre_promotion, "PrePromotion "),
            (&analyses.post_promotion, "PostPromotion "),
        ]
    });
    roles.find_map(|(reference, role)| {
        let reference = reference.as_ref().filter(|reference| reference.name == name)?;
        Some((reference.judge, role))
    })
}

/// How an analysis ended.
fn analysed(fact: &Fact, observed: &Observed, plan: &Plan) -> Option<Notice> {
    let mut runs = observed.analysis_runs.iter();
    let run = runs.find(|run| {
        let rest = fact.message.strip_prefix(&run.name);
        rest.is_some_and(|rest| rest.starts_with(':'))
    });
    let AnalysisRunView {
        judge,
        phase,
        name,
        message,
        ..
    } = run?;
    let reason = match (judge, phase) {
        (Judge::AnalysisRun, AnalysisPhase::Successful) => Reason::AnalysisRunSuccessful,
        (Judge::AnalysisRun, AnalysisPhase::Failed) => Reason::AnalysisRunFailed,
        (Judge::AnalysisRun, AnalysisPhase::Error) => Reason::AnalysisRunError,
        (Judge::AnalysisRun, AnalysisPhase::Inconclusive) => Reason::AnalysisRunInconclusive,
        (Judge::Experiment, AnalysisPhase::Successful) => Reason::ExperimentSuccessful,
        (Judge::Experiment, AnalysisPhase::Failed) => Reason::ExperimentFailed,
        (Judge::Experiment, AnalysisPhase::Error) => Reason::ExperimentError,
        (Judge::Experiment, AnalysisPhase::Inconclusive) => Reason::ExperimentInconclusive,
        (_, AnalysisPhase::Pending | AnalysisPhase::Running) => return None,
    };
    let note = match judge {
        Judge::Experiment => format!("Experiment {}", fact.message),
        Judge::AnalysisRun => {
            // What let the rollout go on may be forgotten already.
            let role = role_of(name, &[&plan.status.analyses, &observed.status.analyses]);
            let (role, phase) = (role.map_or("", |(_, role)| role), phase.as_str());
            let note = format!("{role}Analysis Run '{name}' Status New: '{phase}' Previous: 'Running'");
            with_message(note, message)
        }
    };
    Some(reason.note(note))
}

fn step_completed(fact: &Fact, observed: &Observed) -> Option<Notice> {
    let spec = observed.spec.as_ref().ok()?;
    let index = fact.step?;
    let step = spec.step(index)?;
    let note = format!(
        "Rollout step {}/{} completed ({step})",
        index + 1,
        spec.step_count()
    );
    Some(Reason::RolloutStepCompleted.note(note))
}

fn promotion_reason(fact: &Fact, observed: &Observed) -> String {
    if !fact.message.is_empty() {
        fact.message.clone()
    } else if fact.from.is_none() {
        "Initial deploy".to_owned()
    } else if observed.status.promote_full {
        let skipped = |earlier: &&Fact| earlier.kind == FactKind::StepsSkipped && earlier.chain == fact.chain;
        let within_window = observed.status.history.iter().any(|earlier| skipped(&earlier));
        let reason = if within_window {
            "Rollback within window"
        } else {
            "Full promotion requested"
        };
        reason.to_owned()
    } else if let Some(blue_green) = &observed.status.blue_green {
        let reason = if blue_green.fast_rollback {
            "Fast rollback"
        } else {
            "Completed blue-green update"
        };
        reason.to_owned()
    } else {
        let steps = observed.spec.as_ref().map_or(0, |spec| spec.steps.len());
        format!("Completed all {steps} canary steps")
    }
}

/// A warning when a Rollout comes to need help; an abort is told by its own fact.
fn degraded(fact: &Fact, observed: &Observed, plan: &Plan) -> Option<Notice> {
    if fact.phase != Some(Phase::Degraded) {
        return None;
    }
    let holds = |kind, value| {
        plan.status
            .condition(kind)
            .filter(|condition| condition.status == value)
            .map(|condition| condition.reason)
    };
    let reason = if holds(ConditionType::InvalidSpec, Truth::True).is_some() {
        Reason::InvalidSpec
    } else if let Some(reason) = observed.failure.as_ref().and_then(reason_of) {
        reason
    } else {
        match holds(ConditionType::Progressing, Truth::False) {
            Some(ConditionReason::RolloutAborted) => return None,
            Some(ConditionReason::ProgressDeadlineExceeded) => Reason::ProgressDeadlineExceeded,
            Some(ConditionReason::ReplicaSetCreateError) => Reason::ReplicaSetCreateError,
            _ => Reason::RolloutDegraded,
        }
    };
    Some(reason.note(plan.status.message.clone()))
}

/// The reason that a write gives which failed and without which a rollout does not go on.
fn reason_of(failure: &ApplyFailure) -> Option<Reason> {
    match failure.kind {
        FailureKind::CreateReplicaSet => Some(Reason::ReplicaSetCreateError),
        FailureKind::Traffic => Some(Reason::TrafficRoutingError),
        FailureKind::Other => Some(Reason::RolloutDegraded),
        FailureKind::Cleanup | FailureKind::Pods => None,
    }
}

/// `number (hash)`, or what is known of it.
fn revision_of(fact: &Fact, observed: &Observed, plan: &Plan) -> String {
    let Some(hash) = fact.revision.as_deref() else {
        return "unknown".to_owned();
    };
    match number_of(fact, observed, plan) {
        Some(number) => format!("{number} ({hash})"),
        None => format!("({hash})"),
    }
}

/// The number of the revision that a fact is about.
fn number_of(fact: &Fact, observed: &Observed, plan: &Plan) -> Option<u64> {
    let hash = fact.revision.as_deref()?;
    let replica_set = || observed.replica_sets.iter().find(|found| found.hash == hash);
    let planned = plan.actions.iter().find_map(|action| match action {
        Action::CreateReplicaSet {
            hash: created,
            revision,
            ..
        } if created == hash => Some(*revision),
        Action::RecordRevision {
            name: renumbered,
            revision,
            ..
        } if replica_set().is_some_and(|found| found.name == *renumbered) => Some(*revision),
        _ => None,
    });
    planned.or_else(|| replica_set().map(|found| found.revision))
}

fn with_message(note: String, message: &str) -> String {
    if message.is_empty() {
        note
    } else {
        format!("{note}: {message}")
    }
}

#[cfg(test)]
mod tests;
