//! The memory of an experiment: its status, in the shape of Argo Rollouts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Action;
use crate::analysis::run::AnalysisPhase;
use crate::status::Truth;
use crate::text;

/// The status of an experiment: the whole memory between two looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStatus {
    /// The worst phase of its parts, once it is over.
    pub phase: AnalysisPhase,
    /// Why it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When all of its pods were available: its analyses begin, and its duration is measured from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Timestamp>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How its templates are doing, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_statuses: Vec<TemplateStatus>,
    /// How its analyses are doing, in the order in which they began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analysis_runs: Vec<AnalysisState>,
}

/// A condition of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: Truth,
    /// The reason in one word.
    pub reason: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// When anything of it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Timestamp>,
}

/// The conditions of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionKind {
    /// Its spec makes no sense.
    InvalidSpec,
    /// It is over.
    Completed,
    /// Its pods come up.
    Progressing,
    /// All of its pods are available.
    Running,
    /// Pods can't be made.
    ReplicaFailure,
}

impl ConditionKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::InvalidSpec,
        Self::Completed,
        Self::Progressing,
        Self::Running,
        Self::ReplicaFailure,
    ];

    /// The condition as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSpec => "InvalidSpec",
            Self::Completed => "Completed",
            Self::Progressing => "Progressing",
            Self::Running => "Running",
            Self::ReplicaFailure => "ReplicaFailure",
        }
    }
}

/// How a template is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateStatus {
    /// Its name.
    pub name: String,
    /// Pods.
    pub replicas: u32,
    /// The same: all of an experiment's pods are of their template.
    pub updated_replicas: u32,
    /// Ready pods.
    pub ready_replicas: u32,
    /// Available pods.
    pub available_replicas: u32,
    /// How often the name of its ReplicaSet was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<u32>,
    /// The state.
    pub status: TemplateState,
    /// Why it is in that state.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// Its Service, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The hash that its pods have.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
}

impl TemplateStatus {
    /// Puts it into a state.
    pub(super) fn set(&mut self, state: TemplateState, message: String, now: Timestamp) {
        if self.status != state || self.last_transition_time.is_none() {
            self.last_transition_time = Some(now);
        }
        self.status = state;
        self.message = message;
    }

    /// How often the name of its ReplicaSet was taken.
    #[must_use]
    pub fn collisions(&self) -> u32 {
        self.collision_count.unwrap_or(0)
    }
}

/// The states of a template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateState {
    /// Its pods come up.
    #[default]
    Progressing,
    /// All of its pods are available.
    Running,
    /// The experiment is over.
    Successful,
    /// Its pods did not become available in time.
    Failed,
    /// It can't be made.
    Error,
}

impl TemplateState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Progressing,
        Self::Running,
        Self::Successful,
        Self::Failed,
        Self::Error,
    ];

    /// The state as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Progressing => "Progressing",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error)
    }
}

/// How an analysis is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisState {
    /// Its name in the experiment.
    pub name: String,
    /// The name of its `AnalysisRun`.
    pub analysis_run: String,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// Why it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl ExperimentStatus {
    /// An experiment whose spec makes no sense: it is over, and its pods go.
    #[must_use]
    pub fn invalid(&self, message: &str, now: Timestamp) -> Self {
        let mut status = self.clone();
        status.phase = AnalysisPhase::Error;
        status.message = text::message(message);
        status.tell(
            ConditionKind::InvalidSpec,
            Truth::True,
            ("InvalidSpec", message),
            now,
        );
        status.tell(ConditionKind::Completed, Truth::True, ("InvalidSpec", ""), now);
        status
    }

    /// The API server will not have what the experiment is to make: it can't go on.
    #[must_use]
    pub fn refused(&self, action: &Action, message: &str, now: Timestamp) -> Self {
        let mut status = self.clone();
        let message = text::message(message);
        match action {
            Action::CreateReplicaSet { template, .. } | Action::CreateService { template, .. } => {
                if let Some(template) = status.template_statuses.get_mut(*template) {
                    template.set(TemplateState::Error, message, now);
                }
            }
            Action::CreateRun { name, .. } => {
                let run = status
                    .analysis_runs
                    .iter_mut()
                    .find(|run| run.analysis_run == *name);
                if let Some(run) = run {
                    run.phase = AnalysisPhase::Error;
                    run.message = message;
                }
            }
            Action::ScaleReplicaSet { .. }
            | Action::DeleteService { .. }
            | Action::DeleteRun { .. }
            | Action::TerminateRun { .. } => status.message = message,
        }
        status
    }

    /// How a template is doing, if that is known.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<&TemplateStatus> {
        self.template_statuses
            .iter()
            .find(|template| template.name == name)
    }

    /// How often the name of a template's ReplicaSet was taken.
    #[must_use]
    pub fn collisions(&self, template: &str) -> u32 {
        self.template(template).map_or(0, TemplateStatus::collisions)
    }

    /// When it was over.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        let completed = self.condition(ConditionKind::Completed)?;
        (completed.status == Truth::True).then_some(completed.last_transition_time)
    }

    /// A condition, if it was ever told.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Tells a condition.
    pub(super) fn tell(
        &mut self,
        kind: ConditionKind,
        status: Truth,
        (reason, message): (&str, &str),
        now: Timestamp,
    ) {
        let told = self.conditions.iter_mut().find(|told| told.kind == kind);
        let mut condition = Condition {
            kind,
            status,
            reason: reason.to_owned(),
            message: text::message(message),
            last_transition_time: now,
            last_update_time: Some(now),
        };
        let Some(told) = told else {
            self.conditions.push(condition);
            return;
        };
        if told.status == condition.status {
            condition.last_transition_time = told.last_transition_time;
            let same = told.reason == condition.reason && told.message == condition.message;
            if same {
                condition.last_update_time = told.last_update_time;
            }
        }
        *told = condition;
    }

    /// Takes a condition back that was told.
    pub(super) fn take_back(&mut self, kind: ConditionKind) {
        self.conditions.retain(|told| told.kind != kind);
    }
}
