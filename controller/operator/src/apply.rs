//! Carrying out a plan: one write after the other, each with a precondition and a time limit.
//!
//! Stopping after any of them is safe: what is left is decided again from what is observed next.

use kube::core::DynamicObject;
use kube::core::PartialObjectMeta;
use kulta_core::observed::{ApplyFailure, FailureKind};
use kulta_core::plan::{Action, Plan};
use kulta_core::revision::TemplateDigest;
use serde_json::Value;
use thiserror::Error;

use crate::analysis::manifest::NewAnalysisRun;
use crate::context::{Context, Sighting};
use crate::events;
use crate::expectations::{Kind, Outcome, Write};
use crate::key::ObjectKey;
use crate::metrics::{ActionKind, WriteResult};
use crate::replica_set::{ManifestError, NewReplicaSet};
use crate::terminating::is_namespace_terminating;

mod create;
mod live;
pub(crate) mod request;
pub(crate) mod write;

use create::{create_analysis_run, create_replica_set};
use live::Disagreement;
use request::{Requests, Scale, Target};
pub use write::WriteError;

/// What carrying out a plan changed that the report must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The Rollout's `metadata.resourceVersion`, when the plan changed the Rollout itself.
    pub rollout_resource_version: Option<String>,
}

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
        "{object} exists already, with another owner or made from another template: delete it, if nobody needs it"
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
}

impl ApplyError {
    /// Whether something changed since it was observed: nothing is wrong, observe and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.is_conflict(),
            Self::Disagreement { .. } | Self::Manifest(ManifestError::TemplateChanged { .. }) => true,
            Self::NameTaken { .. }
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
            Self::NameTaken { action, .. } => (failure_kind(*action), self.to_string()),
        };
        Some(ApplyFailure { kind, message })
    }

    fn result(&self) -> WriteResult {
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
        | ActionKind::ScaleReplicaSet
        | ActionKind::SetScaleDownDeadline
        | ActionKind::DeleteReplicaSet
        | ActionKind::PointService
        | ActionKind::CreateAnalysisRun => FailureKind::Other,
        ActionKind::TerminateAnalysisRun | ActionKind::DeleteAnalysisRun => FailureKind::Cleanup,
    }
}

/// Carries out the actions of `plan` in their order and tells each as a Kubernetes Event.
///
/// # Errors
/// With the first action that can't be carried out, those that only tidy up coming last. Where the API server refuses it, the others are done all the same:
/// none stands on another, and a policy against one route must not keep traffic from going home by another. After a
/// conflict, or without an answer, they are left.
pub async fn apply(context: &Context, rollout: &Sighting, plan: &Plan) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let mut refused = None;
    for action in &plan.actions {
        let kind = ActionKind::from(action);
        let outcome = carry_out(context, rollout, action).await;
        context.metrics.wrote(
            kind,
            outcome
                .as_ref()
                .map_or_else(ApplyError::result, |_| WriteResult::Written),
        );
        let write = match outcome {
            Ok(write) => write,
            Err(error) if error.failure().is_some() => {
                refused = Some(graver(refused, error));
                continue;
            }
            Err(error) => return Err(refused.unwrap_or(error)),
        };
        if let (Kind::Rollout, Outcome::Written { resource_version }) = (write.kind, &write.outcome) {
            applied.rollout_resource_version = Some(resource_version.clone());
        }
        context.expectations.wrote(&rollout.key, write);
        context.events.tell(rollout, events::of_action(action));
    }
    refused.map_or(Ok(applied), Err)
}

/// The one of two refusals to tell: the first, unless the rollout goes on without what was refused.
fn graver(first: Option<ApplyError>, next: ApplyError) -> ApplyError {
    let holds_up = |error: &ApplyError| {
        let failure = error.failure();
        failure.is_some_and(|failure| failure.kind != FailureKind::Cleanup)
    };
    match first {
        Some(first) if holds_up(&first) || !holds_up(&next) => first,
        _ => next,
    }
}

/// Every action is taken apart without `..`: one with a new field does not compile until the field is applied.
#[expect(
    clippy::too_many_lines,
    reason = "one table of all actions; the names of their fields alone fill 50 lines"
)]
async fn carry_out(context: &Context, rollout: &Sighting, action: &Action) -> Result<Write, ApplyError> {
    let requests = Requests {
        rollout: &rollout.key,
    };
    let request = match action {
        Action::AdoptReplicaSet {
            name,
            uid,
            resource_version,
        } => {
            return adopt(
                context,
                rollout,
                Orphan {
                    name,
                    uid,
                    resource_version,
                },
            )
            .await;
        }
        Action::CreateReplicaSet {
            name,
            hash,
            digest,
            revision,
            min_ready_seconds,
            desired_replicas,
        } => {
            let new = NewReplicaSet {
                name: name.clone(),
                hash: hash.clone(),
                digest: digest.clone(),
                revision: *revision,
                min_ready_seconds: *min_ready_seconds,
                desired_replicas: *desired_replicas,
            };
            return create_replica_set(context, rollout, &new).await;
        }
        Action::RecordRevision {
            name,
            resource_version,
            revision,
            digest,
        } => {
            let reused = Reused {
                name,
                resource_version,
                revision: *revision,
                digest,
            };
            return record(context, rollout, reused).await;
        }
        Action::AnnotateRollout { revision } => {
            requests.annotate_rollout(&rollout.resource_version, *revision)
        }
        Action::ScaleReplicaSet {
            name,
            resource_version,
            revision: _,
            from: _,
            to,
            min_ready_seconds,
            desired_replicas,
        } => requests.scale_replica_set(
            name,
            resource_version,
            Scale {
                replicas: *to,
                min_ready_seconds: *min_ready_seconds,
                desired_replicas: *desired_replicas,
            },
        ),
        Action::SetScaleDownDeadline {
            name,
            resource_version,
            deadline,
        } => requests.set_scale_down_deadline(name, resource_version, *deadline),
        Action::DeleteReplicaSet {
            name,
            uid,
            resource_version,
        } => requests.delete(Kind::ReplicaSet, name, uid, resource_version),
        Action::CreateAnalysisRun {
            name,
            purpose,
            hash,
            revision,
            definition,
            spec,
        } => {
            let new = NewAnalysisRun {
                name,
                purpose: *purpose,
                hash,
                revision: *revision,
                definition,
                spec,
            };
            return create_analysis_run(context, rollout, &new).await;
        }
        Action::TerminateAnalysisRun {
            name,
            resource_version,
        } => requests.terminate_analysis_run(name, resource_version),
        Action::DeleteAnalysisRun {
            name,
            uid,
            resource_version,
        } => requests.delete(Kind::AnalysisRun, name, uid, resource_version),
        Action::PointService {
            name,
            resource_version,
            from: _,
            to,
        } => requests.point_service(name, resource_version, to),
        Action::SetRouteWeights {
            route,
            generation,
            changes,
        } => request::set_route_weights(route, *generation, changes),
    };
    write::send(context.writer(&rollout.key), request)
        .await
        .map_err(failed(action.into()))
}

fn failed(action: ActionKind) -> impl Fn(WriteError) -> ApplyError {
    move |source| ApplyError::Write { action, source }
}

fn replica_set(rollout: &Sighting, name: &str) -> Target {
    Target {
        kind: Kind::ReplicaSet,
        key: ObjectKey::new(&rollout.key.namespace, name),
    }
}

/// The Rollout as the API server has it now, if it is still the one that was observed and is there to stay.
async fn live_rollout(
    context: &Context,
    rollout: &Sighting,
    action: ActionKind,
) -> Result<DynamicObject, ApplyError> {
    let target = Target {
        kind: Kind::Rollout,
        key: rollout.key.clone(),
    };
    let live: DynamicObject = write::read(&context.client, &target)
        .await
        .map_err(failed(action))?;
    live::same_rollout(&live.metadata, &rollout.uid)
        .map_err(|source| ApplyError::Disagreement { action, source })?;
    Ok(live)
}

/// A ReplicaSet that carries the current template again, as the plan names it.
struct Reused<'plan> {
    name: &'plan str,
    resource_version: &'plan str,
    revision: u64,
    digest: &'plan TemplateDigest,
}

async fn record(context: &Context, rollout: &Sighting, reused: Reused<'_>) -> Result<Write, ApplyError> {
    let Reused {
        name,
        resource_version,
        revision,
        digest,
    } = reused;
    let failed = failed(ActionKind::RecordRevision);
    let live: PartialObjectMeta = write::read_metadata(&context.client, &replica_set(rollout, name))
        .await
        .map_err(&failed)?;
    let history = live::revision_history(&live.metadata, revision);
    let requests = Requests {
        rollout: &rollout.key,
    };
    let request = requests.record_revision(name, resource_version, revision, history.as_deref(), digest);
    write::send(context.writer(&rollout.key), request)
        .await
        .map_err(&failed)
}

/// An orphan as the plan names it.
struct Orphan<'plan> {
    name: &'plan str,
    uid: &'plan str,
    resource_version: &'plan str,
}

async fn adopt(context: &Context, rollout: &Sighting, orphan: Orphan<'_>) -> Result<Write, ApplyError> {
    let action = ActionKind::AdoptReplicaSet;
    // A Rollout that is about to go must not take anything with it.
    live_rollout(context, rollout, action).await?;
    let Orphan {
        name,
        uid,
        resource_version,
    } = orphan;
    let live: Value = write::read_metadata(&context.client, &replica_set(rollout, name))
        .await
        .map_err(failed(action))?;
    let owners = live::owners_with(&live, &rollout.key, &rollout.uid)
        .map_err(|source| ApplyError::Disagreement { action, source })?;
    let request = Requests {
        rollout: &rollout.key,
    }
    .adopt_replica_set(name, uid, resource_version, &owners);
    write::send(context.writer(&rollout.key), request)
        .await
        .map_err(failed(action))
}

#[cfg(test)]
mod tests;
