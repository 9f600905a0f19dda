//! The status of a Rollout: the whole memory between two decisions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analysis::run::AnalysisPhase;
use crate::history::Fact;
use crate::observed::Judge;
use crate::spec::Weight;

mod condition;
mod traffic;

pub use condition::{Condition, ConditionType, Reason, Truth};
pub use traffic::{AdditionalWeight, Contest, Traffic};

/// The status as decisions see it. Each API group has its own shape of it in `kulta-api`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation that this status tells about.
    pub observed_generation: Option<i64>,
    /// The generation of the workload that the template is taken from; None when it is the Rollout's own.
    pub workload_observed_generation: Option<i64>,
    /// The phase in a word.
    pub phase: Phase,
    /// Why it is in that phase.
    pub message: String,
    /// The user (or a deadline) asked to go back to the stable version.
    pub abort: bool,
    /// When the abort was seen.
    pub aborted_at: Option<Timestamp>,
    /// The user asked to skip what remains of the steps.
    pub promote_full: bool,
    /// Why the rollout waits for time or for the user.
    pub pause_conditions: Vec<PauseCondition>,
    /// The controller has set a pause; with no condition left, the user has resumed.
    pub controller_pause: bool,
    /// Hash of the revision that the spec asks for.
    pub current_pod_hash: Option<String>,
    /// Identity of the steps that `current_step_index` counts.
    pub current_step_hash: Option<String>,
    /// The step under way; the number of steps when all are done; None without steps.
    pub current_step_index: Option<u32>,
    /// Hash of the revision that is trusted with all traffic.
    pub stable_hash: Option<String>,
    /// Salt against equal hashes of different templates.
    pub collision_count: u32,
    /// Pods of all revisions.
    pub replicas: u32,
    /// Pods of the current revision.
    pub updated_replicas: u32,
    /// Ready pods of all revisions; of the one that all users meet, if it is blue-green.
    pub ready_replicas: u32,
    /// Available pods of all revisions; of the one that all users meet, if it is blue-green.
    pub available_replicas: u32,
    /// Pods that the horizontal autoscaler counts: of all revisions, or of the one that all users meet.
    pub hpa_replicas: u32,
    /// The selector of these pods as text, for the horizontal autoscaler.
    pub selector: String,
    /// The split of traffic; None without traffic routing.
    pub traffic: Option<Traffic>,
    /// How far a blue-green rollout is; None if it is a canary.
    pub blue_green: Option<BlueGreenState>,
    /// The analyses that judge the new revision.
    pub analyses: Analyses,
    /// When anything last moved: where the progress deadline is measured from.
    pub last_progress_time: Option<Timestamp>,
    /// The furthest that the step under way has come.
    pub furthest: Furthest,
    /// How long the rollout has been under way; None before the first one that was seen from its beginning.
    pub duration: Option<RolloutDuration>,
    /// `spec.restartAt` of the last restart that has come to its end.
    pub restarted_at: Option<Timestamp>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// What happened, oldest first.
    pub history: Vec<Fact>,
    /// By the name of each sink of events: the number of the last fact of the history that is done with.
    pub delivered: BTreeMap<String, u64>,
}

/// The analyses that judge the new revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Analyses {
    /// The one that goes on beside the steps.
    pub background: Option<AnalysisReference>,
    /// The one that the step under way waits for, be it an analysis or an experiment.
    pub step: Option<AnalysisReference>,
    /// The asking of the promotion gates about the step under way.
    pub gate: Option<AnalysisReference>,
    /// The one that a blue-green switch waits for.
    pub pre_promotion: Option<AnalysisReference>,
    /// The one that the promotion waits for after a blue-green switch.
    pub post_promotion: Option<AnalysisReference>,
    /// How often the analyses of this revision were begun anew: after a retry, other steps, or a resume.
    pub attempt: u32,
    /// The weight up to which the promotion gates have let this revision come; None before they are asked.
    pub consented: Option<Weight>,
}

impl Analyses {
    /// All that there are.
    pub fn references(&self) -> impl Iterator<Item = &AnalysisReference> {
        let steps = [&self.background, &self.step, &self.gate];
        let switch = [&self.pre_promotion, &self.post_promotion];
        steps.into_iter().chain(switch).flatten()
    }

    /// All that there are, to be changed.
    pub fn references_mut(&mut self) -> impl Iterator<Item = &mut AnalysisReference> {
        let steps = [&mut self.background, &mut self.step, &mut self.gate];
        let switch = [&mut self.pre_promotion, &mut self.post_promotion];
        steps.into_iter().chain(switch).flatten()
    }

    /// Forgets them. True: there were any.
    pub(crate) fn forget(&mut self) -> bool {
        self.background.take().is_some()
            | self.step.take().is_some()
            | self.gate.take().is_some()
            | self.pre_promotion.take().is_some()
            | self.post_promotion.take().is_some()
    }
}

/// How far a blue-green rollout is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlueGreenState {
    /// The revision that all users meet: the one that the active Service selects or, while routes send everybody to the preview
    /// Service, the one that this selects.
    pub active_selector: Option<String>,
    /// The revision that the preview Service selects.
    pub preview_selector: Option<String>,
    /// The analysis before the switch and the pause are passed: the new version may have all of its pods, and the switch
    /// waits for nothing but them and the gates. Never taken back in the same attempt.
    pub checkpoint: bool,
    /// The new version is one that was trusted before and still has its pods: it is switched to without questions.
    pub fast_rollback: bool,
    /// Revisions that were trusted before and still have their pods.
    pub formerly_stable: Vec<String>,
}

/// An analysis, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisReference {
    /// The name of its `AnalysisRun`, or of the Experiment that it is.
    pub name: String,
    /// Its phase.
    #[serde(rename = "status")]
    pub phase: AnalysisPhase,
    /// Its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The rollout was paused for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What it is.
    #[serde(default, skip_serializing_if = "Judge::is_analysis_run")]
    pub judge: Judge,
}

/// How long a rollout has been under way, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutDuration {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_started_at: Option<Timestamp>,
    /// Since when it waits for somebody; None: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_pause_started_at: Option<Timestamp>,
    /// How long it has waited for somebody before that, in seconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_manual_pause_duration_seconds: u64,
    /// When it came to its end; None: it has not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What became of it, or, before its end, what it will have been if it comes to a good one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_status: Option<CompletionStatus>,
}

impl RolloutDuration {
    /// Whether it has begun and has not come to its end.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.rollout_started_at.is_some() && self.finished_at.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

/// What became of a rollout. The words are those of Argo Rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CompletionStatus {
    /// Its version is the stable one, by way of the steps.
    Promoted,
    /// Its version is the stable one, since somebody asked for a full promotion.
    FastPromoted,
    /// It was aborted.
    Aborted,
    /// Another version, or other steps, took its place.
    Superseded,
    /// An older version took its place, and went through all steps.
    RolledBack,
    /// An older version took its place at once.
    FastRolledBack,
}

/// The furthest that a step has come. What only comes back to it, as the pods of a version that keeps crashing do, is
/// no progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Furthest {
    /// Ready pods of all revisions.
    pub ready_replicas: u32,
    /// Available pods of all revisions.
    pub available_replicas: u32,
    /// The canary's weight in force, in percent.
    pub weight: Weight,
}

/// A pause of the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseCondition {
    /// Why.
    pub reason: PauseReason,
    /// Since when.
    pub start_time: Timestamp,
}

/// Why a rollout is paused by its own steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseReason {
    /// A `pause` step.
    #[default]
    CanaryPauseStep,
    /// An analysis could not tell whether the new version is well.
    InconclusiveAnalysisRun,
    /// An experiment could not tell it.
    InconclusiveExperiment,
    /// A blue-green switch waits for its time or for somebody.
    BlueGreenPause,
}

/// The phase of a Rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// On its way.
    #[default]
    Progressing,
    /// Waiting for time or for the user.
    Paused,
    /// The stable version is the one the spec asks for, and all its pods are available.
    Healthy,
    /// Something is wrong: see the message.
    Degraded,
}

impl Phase {
    /// The phase as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
        }
    }
}

impl Status {
    /// The condition of type `kind`.
    #[must_use]
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Sets a condition; the transition time moves only when its value does.
    pub fn set_condition(
        &mut self,
        kind: ConditionType,
        status: Truth,
        reason: Reason,
        message: impl Into<String>,
        now: Timestamp,
    ) {
        let message = message.into();
        if let Some(condition) = self
            .conditions
            .iter_mut()
            .find(|condition| condition.kind == kind)
        {
            if condition.status != status {
                condition.last_transition_time = now;
            }
            condition.status = status;
            condition.reason = reason;
            condition.message = message;
        } else {
            let last_transition_time = now;
            self.conditions.push(Condition {
                kind,
                status,
                reason,
                message,
                last_transition_time,
            });
        }
    }

    /// Takes a condition away.
    pub fn remove_condition(&mut self, kind: ConditionType) {
        self.conditions.retain(|condition| condition.kind != kind);
    }

    /// The pause for this reason, if one is under way.
    #[must_use]
    pub fn pause_for(&self, reason: PauseReason) -> Option<&PauseCondition> {
        self.pause_conditions.iter().find(|pause| pause.reason == reason)
    }

    /// Whether all users are with the revision that the spec asks for, in a blue-green rollout.
    #[must_use]
    pub fn is_switched(&self) -> bool {
        let blue_green = self.blue_green.as_ref();
        let active = blue_green.and_then(|blue_green| blue_green.active_selector.as_ref());
        active.is_some() && active == self.current_pod_hash.as_ref()
    }

    /// The share of users that a blue-green rollout has sent to the revision on its way; None if it is a canary.
    #[must_use]
    pub fn switched_share(&self) -> Option<Weight> {
        self.blue_green.as_ref()?;
        let switched = self.is_switched() && !self.fully_promoted();
        Some(if switched { Weight::FULL } else { Weight::ZERO })
    }

    /// Whether an analysis that could not tell holds the rollout where it is.
    #[must_use]
    pub fn is_held_by_analysis(&self) -> bool {
        let reasons = [
            PauseReason::InconclusiveAnalysisRun,
            PauseReason::InconclusiveExperiment,
        ];
        reasons.into_iter().any(|reason| self.pause_for(reason).is_some())
    }

    /// Whether the stable revision is the one that the spec asks for.
    #[must_use]
    pub fn fully_promoted(&self) -> bool {
        self.stable_hash.is_some() && self.stable_hash == self.current_pod_hash
    }
}
