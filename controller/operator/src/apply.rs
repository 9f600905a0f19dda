//! Carrying out a plan: one write after the other, each with a precondition and a time limit.
//!
//! Stopping after any of them is safe: what is left is decided again from what is observed next.

use kube::core::DynamicObject;
use kulta_api::rollout::workload::{inline, workload};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::Workload;
use serde_json::Value;

use crate::analysis::manifest::NewAnalysisRun;
use crate::context::{Context, Sighting};
use crate::events;
use crate::expectations::{Kind, Outcome, Write};
use crate::experiment::manifest::NewExperiment;
use crate::key::ObjectKey;
use crate::metrics::{ActionKind, WriteResult};
use crate::replica_set::NewReplicaSet;

mod create;
mod error;
mod live;
mod own;
mod pods;
pub(crate) mod request;
pub(crate) mod write;

use create::{create_analysis_run, create_experiment, create_replica_set};
pub use error::ApplyError;
use own::{Orphan, Reused, adopt, record};
use pods::Eviction;
use request::{Requests, Scale, Target};
pub use write::WriteError;

/// What carrying out a plan changed that the report must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The Rollout's `metadata.resourceVersion`, when the plan changed the Rollout itself.
    pub rollout_resource_version: Option<String>,
}

/// Carries out the actions of `plan` in their order and tells each as a Kubernetes Event.
///
/// # Errors
/// With the first action that can't be carried out, those that only tidy up coming last. Where the API server refuses it, the others are done all the same:
/// none stands on another, and a policy against one route must not keep traffic from going home by another. After a
/// conflict, or without an answer, they are left.
pub async fn apply(context: &Context, rollout: &Sighting, plan: &Plan) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let (mut refused, mut is_kept) = (None, false);
    for action in &plan.actions {
        // Where one pod is kept, the others would be, too.
        if is_kept && matches!(action, Action::EvictPod { .. }) {
            continue;
        }
        let kind = ActionKind::from(action);
        let outcome = carry_out(context, rollout, action).await;
        context.metrics.wrote(
            kind,
            outcome.as_ref().map_or_else(ApplyError::result, Done::result),
        );
        let write = match outcome {
            Ok(Done::Written(write)) => write,
            Ok(Done::Eviction(eviction)) => {
                is_kept |= eviction == Eviction::Kept;
                continue;
            }
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
        failure.is_some_and(|failure| failure.kind.holds_up())
    };
    match first {
        Some(first) if holds_up(&first) || !holds_up(&next) => first,
        _ => next,
    }
}

/// What came of an action.
#[derive(Debug)]
enum Done {
    /// An object is as it was to be.
    Written(Write),
    /// A pod was to be evicted.
    Eviction(Eviction),
}

impl Done {
    fn result(&self) -> WriteResult {
        match self {
            Self::Written(_) | Self::Eviction(Eviction::Done) => WriteResult::Written,
            Self::Eviction(Eviction::Kept) => WriteResult::Kept,
        }
    }
}

/// Every action is taken apart without `..`: one with a new field does not compile until the field is applied.
#[expect(
    clippy::too_many_lines,
    reason = "one table of all actions; the names of their fields alone fill 50 lines"
)]
async fn carry_out(context: &Context, rollout: &Sighting, action: &Action) -> Result<Done, ApplyError> {
    let requests = Requests {
        rollout: &rollout.key,
    };
    let request = match action {
        Action::AdoptReplicaSet {
            name,
            uid,
            resource_version,
        } => {
            let orphan = Orphan {
                name,
                uid,
                resource_version,
            };
            return adopt(context, rollout, orphan).await.map(Done::Written);
        }
        Action::CreateReplicaSet {
            name,
            hash,
            digest,
            revision,
            min_ready_seconds,
            desired_replicas,
            metadata,
            apart_from,
        } => {
            let new = NewReplicaSet {
                name: name.clone(),
                hash: hash.clone(),
                digest: digest.clone(),
                revision: *revision,
                min_ready_seconds: *min_ready_seconds,
                desired_replicas: *desired_replicas,
                metadata: metadata.clone(),
                apart_from: apart_from.clone(),
            };
            return create_replica_set(context, rollout, &new)
                .await
                .map(Done::Written);
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
            return record(context, rollout, reused).await.map(Done::Written);
        }
        Action::AnnotateRollout {
            revision,
            workload_generation,
            replicas,
        } => {
            let note = request::RolloutNote {
                revision: *revision,
                workload_generation: *workload_generation,
                replicas: *replicas,
            };
            requests.annotate_rollout(&rollout.resource_version, note)
        }
        Action::ScaleDeployment {
            name,
            resource_version,
            from: _,
            to,
        } => requests.scale_deployment(name, resource_version, *to),
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
                instance: &context.instance,
            };
            return create_analysis_run(context, rollout, &new)
                .await
                .map(Done::Written);
        }
        Action::CreateExperiment {
            name,
            step,
            experiment,
            stable,
            canary,
            revision,
            definition,
        } => {
            let new = NewExperiment {
                name,
                index: *step,
                step: experiment,
                stable,
                canary,
                revision: *revision,
                definition,
            };
            return create_experiment(context, rollout, &new).await.map(Done::Written);
        }
        Action::TerminateAnalysisRun {
            judge,
            name,
            resource_version,
        } => requests.terminate(*judge, name, resource_version),
        Action::MarkExperiment {
            name,
            resource_version,
            routed,
        } => requests.mark_experiment(name, resource_version, routed),
        Action::DeleteAnalysisRun {
            judge,
            name,
            uid,
            resource_version,
        } => requests.delete((*judge).into(), name, uid, resource_version),
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
            backends,
            rules,
            label,
        } => {
            let version = context.caches.route_resource(route.kind).version;
            let changes = request::RouteChanges {
                weights: changes,
                backends,
                rules,
                label: label.as_ref(),
            };
            request::change_route(route, version, *generation, changes)
        }
        Action::InjectMetadata {
            name,
            resource_version,
            former,
            metadata,
        } => requests.inject_metadata(name, resource_version, former, metadata),
        Action::SpreadMetadata {
            name,
            uid,
            hash,
            resource_version,
            former,
            metadata,
        } => {
            let owner = pods::Owner { uid, hash };
            pods::spread(context, rollout, owner, former, metadata).await?;
            requests.note_metadata(name, resource_version, metadata)
        }
        Action::EvictPod {
            name,
            uid,
            resource_version,
        } => {
            let seen = (uid.as_str(), resource_version.as_str());
            return pods::evict(context, rollout, name, seen)
                .await
                .map(Done::Eviction);
        }
    };
    write::send(context.writer(&rollout.key), request)
        .await
        .map(Done::Written)
        .map_err(failed(action.into()))
}

fn failed(action: ActionKind) -> impl Fn(WriteError) -> ApplyError {
    move |source| ApplyError::Write { action, source }
}

fn replica_set(rollout: &Sighting, name: &str) -> Target {
    Target {
        kind: Kind::ReplicaSet,
        key: ObjectKey::new(&rollout.key.namespace, name),
        version: None,
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
        version: None,
    };
    let live: DynamicObject = write::read(&context.client, &target)
        .await
        .map_err(failed(action))?;
    live::same_rollout(&live.metadata, &rollout.uid)
        .map_err(|source| ApplyError::Disagreement { action, source })?;
    Ok(live)
}

/// The same, with the pod template and the selector of the workload that it takes them from, if it does.
async fn live_rollout_with_template(
    context: &Context,
    rollout: &Sighting,
    action: ActionKind,
) -> Result<DynamicObject, ApplyError> {
    let mut live = live_rollout(context, rollout, action).await?;
    let spec = live.data.get_mut("spec");
    let workload = spec.as_deref().and_then(|spec| workload(rollout.key.group, spec));
    if let (Some(spec), Some(Workload { kind, name, .. })) = (spec, workload) {
        let target = Target {
            kind: Kind::Workload(kind),
            key: ObjectKey::new(&rollout.key.namespace, &name),
            version: None,
        };
        let found: Value = write::read(&context.client, &target)
            .await
            .map_err(failed(action))?;
        inline(spec, kind, &found);
    }
    Ok(live)
}

#[cfg(test)]
mod tests;
