//! The labels of the controller's own metrics: each a closed set, but for the kinds of objects that are watched.

use kulta_core::plan::Action;
use prometheus_client::encoding::EncodeLabelSet;

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReconcileResult {
    /// As planned.
    Ok,
    /// Something changed meanwhile: observed and decided again.
    Conflict,
    /// A step failed: see the errors by step.
    Error,
}

impl ReconcileResult {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Conflict => "conflict",
            Self::Error => "error",
        }
    }
}

/// The step of a reconcile in which an error came up; those of AnalysisRuns and Experiments have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReconcileStep {
    /// Reading the cluster.
    Observe,
    /// Carrying out a plan.
    Apply,
    /// Writing the status.
    Report,
    /// The work on an AnalysisRun.
    Analyse,
    /// The work on an Experiment.
    Experiment,
    /// Any of them, by a panic.
    Panic,
}

impl ReconcileStep {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Apply => "apply",
            Self::Report => "report",
            Self::Analyse => "analyse",
            Self::Experiment => "experiment",
            Self::Panic => "panic",
        }
    }
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteResult {
    /// Done.
    Written,
    /// Refused: the object changed since it was observed.
    Conflict,
    /// No answer in time.
    Timeout,
    /// A disruption budget keeps the pod for now.
    Kept,
    /// Refused for another reason.
    Error,
}

impl WriteResult {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::Kept => "kept",
            Self::Error => "error",
        }
    }
}

/// Kinds of writes of a plan: the label of [`Action`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as the variants of `Action`")]
pub enum ActionKind {
    AdoptReplicaSet,
    CreateReplicaSet,
    RecordRevision,
    AnnotateRollout,
    ScaleDeployment,
    ScaleReplicaSet,
    SetScaleDownDeadline,
    DeleteReplicaSet,
    PointService,
    SetRouteWeights,
    CreateAnalysisRun,
    CreateExperiment,
    TerminateAnalysisRun,
    MarkExperiment,
    DeleteAnalysisRun,
    InjectMetadata,
    SpreadMetadata,
    EvictPod,
}

impl ActionKind {
    /// The kind as a label and in log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdoptReplicaSet => "AdoptReplicaSet",
            Self::CreateReplicaSet => "CreateReplicaSet",
            Self::RecordRevision => "RecordRevision",
            Self::AnnotateRollout => "AnnotateRollout",
            Self::ScaleDeployment => "ScaleDeployment",
            Self::ScaleReplicaSet => "ScaleReplicaSet",
            Self::SetScaleDownDeadline => "SetScaleDownDeadline",
            Self::DeleteReplicaSet => "DeleteReplicaSet",
            Self::PointService => "PointService",
            Self::SetRouteWeights => "SetRouteWeights",
            Self::CreateAnalysisRun => "CreateAnalysisRun",
            Self::CreateExperiment => "CreateExperiment",
            Self::TerminateAnalysisRun => "TerminateAnalysisRun",
            Self::MarkExperiment => "MarkExperiment",
            Self::DeleteAnalysisRun => "DeleteAnalysisRun",
            Self::InjectMetadata => "InjectMetadata",
            Self::SpreadMetadata => "SpreadMetadata",
            Self::EvictPod => "EvictPod",
        }
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<&Action> for ActionKind {
    fn from(action: &Action) -> Self {
        match action {
            Action::AdoptReplicaSet { .. } => Self::AdoptReplicaSet,
            Action::CreateReplicaSet { .. } => Self::CreateReplicaSet,
            Action::RecordRevision { .. } => Self::RecordRevision,
            Action::AnnotateRollout { .. } => Self::AnnotateRollout,
            Action::ScaleDeployment { .. } => Self::ScaleDeployment,
            Action::ScaleReplicaSet { .. } => Self::ScaleReplicaSet,
            Action::SetScaleDownDeadline { .. } => Self::SetScaleDownDeadline,
            Action::DeleteReplicaSet { .. } => Self::DeleteReplicaSet,
            Action::PointService { .. } => Self::PointService,
            Action::SetRouteWeights { .. } => Self::SetRouteWeights,
            Action::CreateAnalysisRun { .. } => Self::CreateAnalysisRun,
            Action::CreateExperiment { .. } => Self::CreateExperiment,
            Action::TerminateAnalysisRun { .. } => Self::TerminateAnalysisRun,
            Action::MarkExperiment { .. } => Self::MarkExperiment,
            Action::DeleteAnalysisRun { .. } => Self::DeleteAnalysisRun,
            Action::InjectMetadata { .. } => Self::InjectMetadata,
            Action::SpreadMetadata { .. } => Self::SpreadMetadata,
            Action::EvictPod { .. } => Self::EvictPod,
        }
    }
}

/// What became of a Kubernetes Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventResult {
    /// Accepted by the API server.
    Published,
    /// Refused, or no answer in time.
    Failed,
    /// Given up: too many were waiting, or its namespace is being deleted.
    Dropped,
}

impl EventResult {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// What became of a changed configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationResult {
    /// It counts.
    InForce,
    /// It makes no sense: the one before still counts.
    Refused,
}

impl ConfigurationResult {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StepLabel {
    pub(super) step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WriteLabels {
    pub(super) action: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) group: String,
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PhaseLabel {
    pub(super) phase: &'static str,
}
