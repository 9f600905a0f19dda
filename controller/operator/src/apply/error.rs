//! Why a plan was not carried out, and what is told of it.

use kulta_core::observed::{ApplyFailure, FailureKind};
use thiserror::Error;

use super::live::Disagreement;
use super::write::WriteError;
use crate::metrics::{ActionKind, WriteResult};
use crate::replica_set::ManifestError;
use crate::terminating::is_namespace_terminating;

/// Why a plan was not carried out to its end. The actions before the one that failed are done.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A write was not made, or nobody knows whether it was.
    #[error("{action} was not carried out")]
    Write {
        /// Which kind of write.
        action: ActionKind,
        /// Why.
        #[source]
        source: WriteError,
    },
    /// An object is not what the action takes it for.
    #[error("{action} does not fit any more")]
    Disagreement {
        /// Which kind of write.
        action: ActionKind,
        /// What is different.
        #[source]
        source: Disagreement,
    },
    /// The name of a new object belongs to one that is not what was to be created.
    #[error(
        "{object} exists already, with another owner, with the instance id of another controller or made from another template: \
         delete it, if nobody needs it"
    )]
    NameTaken {
        /// Which kind of write.
        action: ActionKind,
        /// Kind, namespace and name.
        object: String,
    },
    /// No ReplicaSet can be made of the Rollout as it is now.
    #[error("no ReplicaSet can be made of the Rollout")]
    Manifest(#[source] ManifestError),
    /// No Experiment can be made of a step of the Rollout as it is now.
    #[error("no Experiment can be made of its step: {message}")]
    Experiment {
        /// Why.
        message: String,
    },
}

impl ApplyError {
    /// Whether something changed since it was observed: nothing is wrong, observe and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.is_conflict(),
            Self::Disagreement { .. } | Self::Manifest(ManifestError::TemplateChanged { .. }) => true,
            Self::NameTaken { .. }
            | Self::Experiment { .. }
            | Self::Manifest(ManifestError::NoTemplate | ManifestError::NoIdentity) => false,
        }
    }

    /// Whether its namespace is being deleted: there is nothing more to do, and nobody to tell.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        matches!(self, Self::Write { source: WriteError::Refused { source, .. }, .. } if is_namespace_terminating(source))
    }

    /// What a condition should say of it; None for conflicts, for an API server that is only busy and where the
    /// namespace is being deleted.
    #[must_use]
    pub fn failure(&self) -> Option<ApplyFailure> {
        let transient = matches!(self, Self::Write { source, .. } if source.is_transient());
        if self.is_conflict() || transient || self.is_terminating() {
            return None;
        }
        let (kind, message) = match self {
            Self::Write { action, source } => (failure_kind(*action), source.message()),
            Self::Manifest(source) => (FailureKind::CreateReplicaSet, source.to_string()),
            Self::Disagreement { action, source } => (failure_kind(*action), source.to_string()),
            Self::Experiment { .. } => (FailureKind::Other, self.to_string()),
            Self::NameTaken { action, .. } => (failure_kind(*action), self.to_string()),
        };
        Some(ApplyFailure { kind, message })
    }

    pub(super) fn result(&self) -> WriteResult {
        match self {
            Self::Write {
                source: WriteError::Timeout { .. },
                ..
            } => WriteResult::Timeout,
            _ if self.is_conflict() => WriteResult::Conflict,
            _ => WriteResult::Error,
        }
    }
}

fn failure_kind(action: ActionKind) -> FailureKind {
    match action {
        ActionKind::CreateReplicaSet => FailureKind::CreateReplicaSet,
        ActionKind::SetRouteWeights => FailureKind::Traffic,
        ActionKind::AdoptReplicaSet
        | ActionKind::RecordRevision
        | ActionKind::AnnotateRollout
        | ActionKind::ScaleDeployment
        | ActionKind::ScaleReplicaSet
        | ActionKind::SetScaleDownDeadline
        | ActionKind::DeleteReplicaSet
        | ActionKind::PointService
        | ActionKind::CreateAnalysisRun
        | ActionKind::CreateExperiment => FailureKind::Other,
        ActionKind::TerminateAnalysisRun | ActionKind::MarkExperiment | ActionKind::DeleteAnalysisRun => {
            FailureKind::Cleanup
        }
        ActionKind::InjectMetadata | ActionKind::SpreadMetadata | ActionKind::EvictPod => FailureKind::Pods,
    }
}
